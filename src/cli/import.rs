//! `import`: LDIF into the store of a stopped server.

use std::{
    num::NonZero,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar};
use serde::Serialize;

use super::{args::ImportArgs, open, output};
use crate::{
    auth::hash_pool::HashPool,
    config::Config,
    exchange::{ImportOptions, import},
};

/// Loads the files and prints what was done.
pub(super) fn run(
    config: &Config,
    args: &ImportArgs,
    progress: &MultiProgress,
) -> anyhow::Result<ExitCode> {
    let start = Instant::now();
    let entries = load(config, &args.files, args.replace, progress)?;
    let imported = Imported::new(entries, start.elapsed());
    if args.json {
        output::print_json(&imported)?;
    } else {
        output::print(&imported.line())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Loads the files in one transaction and gives the number of entries.
pub(super) fn load(
    config: &Config,
    files: &[PathBuf],
    replace: bool,
    progress: &MultiProgress,
) -> anyhow::Result<u64> {
    let directory = open::directory(config)?;
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get);
    let hashes = HashPool::new(workers, 4 * workers)?;
    let options = ImportOptions {
        replace,
        naming_contexts: config.directory.naming_contexts.clone(),
    };
    let bar = progress.add(ProgressBar::new_spinner());
    bar.set_message("reading records");
    let imported = import(directory, &hashes, files, &options, |records| {
        bar.set_position(records);
        if records % 1000 == 0 {
            bar.set_message(format!("read {records} records"));
            bar.tick();
        }
    });
    bar.finish_and_clear();
    Ok(imported?)
}

/// What an import did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Imported {
    /// Entries stored.
    entries: u64,
    /// Time taken.
    seconds: f64,
    /// Entries in one second.
    entries_per_second: f64,
}

impl Imported {
    fn new(entries: u64, elapsed: Duration) -> Self {
        let seconds = elapsed.as_secs_f64();
        // Numbers of entries are far below the 2^53 that a float counts exactly.
        #[allow(clippy::cast_precision_loss)]
        let entries_per_second = entries as f64 / seconds.max(1e-6);
        Self {
            entries,
            seconds,
            entries_per_second,
        }
    }

    /// One line for people.
    fn line(&self) -> String {
        format!(
            "imported {} entries in {:.2} seconds, {:.0} entries/s",
            self.entries, self.seconds, self.entries_per_second
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn the_result_has_entries_seconds_and_rate() {
        let imported = Imported::new(500, Duration::from_millis(250));
        assert_eq!(
            imported.line(),
            "imported 500 entries in 0.25 seconds, 2000 entries/s"
        );
    }
}
