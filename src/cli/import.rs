//! `import`: LDIF into the store of a stopped server.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use indicatif::MultiProgress;
use serde::Serialize;

use super::{args::ImportArgs, output};
use crate::config::Config;

/// Loads the files and prints what was done.
pub(super) fn run(
    config: &Config,
    args: &ImportArgs,
    progress: &MultiProgress,
) -> anyhow::Result<ExitCode> {
    let start = Instant::now();
    let entries = load(config, args, progress)?;
    let imported = Imported::new(entries, start.elapsed());
    if args.json {
        output::print_json(&imported)?;
    } else {
        output::print(&imported.line())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Loads the files in one transaction and gives the number of entries.
fn load(_config: &Config, _args: &ImportArgs, _progress: &MultiProgress) -> anyhow::Result<u64> {
    anyhow::bail!("import is not wired yet")
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
