//! `serve`: serves in the foreground until it is told to stop.

use std::process::ExitCode;

use crate::config::Config;

/// Serves what the configuration says.
pub(super) fn run(config: Config) -> anyhow::Result<ExitCode> {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    drop(config);
    anyhow::bail!("serve is not wired yet")
}
