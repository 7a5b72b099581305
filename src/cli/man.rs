//! `man`: the manual pages, made from the arguments.

use std::{fs, process::ExitCode};

use anyhow::Context as _;
use clap::CommandFactory as _;

use super::args::{Cli, ManArgs};

pub(super) fn run(args: &ManArgs) -> anyhow::Result<ExitCode> {
    let dir = &args.dir;
    fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
    clap_mangen::generate_to(Cli::command(), dir)
        .with_context(|| format!("writing manual pages to {}", dir.display()))?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn each_command_has_a_page() {
        let directory = tempfile::tempdir().unwrap();
        run(&ManArgs {
            dir: directory.path().to_owned(),
        })
        .unwrap();
        for page in ["adduct.1", "adduct-serve.1", "adduct-sync-status.1"] {
            assert!(directory.path().join(page).exists(), "{page}");
        }
    }
}
