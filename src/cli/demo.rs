//! `demo`: a sample directory on this host, without any configuration.

use std::process::ExitCode;

use super::args::DemoArgs;

/// Makes the demo's directory and serves it.
pub(super) fn run(_args: &DemoArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("demo is not wired yet")
}
