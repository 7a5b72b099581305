//! `completions`: what a shell needs to complete our commands.

use std::process::ExitCode;

use clap::CommandFactory as _;

use super::{
    args::{Cli, CompletionsArgs},
    output,
};

pub(super) fn run(args: CompletionsArgs) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "adduct", &mut script);
    output::print(String::from_utf8_lossy(&script).trim_end())?;
    Ok(ExitCode::SUCCESS)
}
