//! The command line: one file for each command.
//!
//! Results go to stdout, logs and errors to stderr. The exit status is 0 when all is fine, 1 when
//! the command found or met a problem, 2 for wrong usage or configuration and 3 when the other
//! side cannot be reached.

mod args;
mod check;
mod completions;
mod demo;
mod export;
mod import;
mod man;
mod open;
mod output;
mod progress;
mod serve;
mod sources;
mod status;
mod status_page;
mod sync;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser as _;
use thiserror::Error;

pub use args::{Cli, Command};

use crate::{
    admin::client::AskError,
    config::{Config, ConfigErrors},
    telemetry,
};

/// Where a configuration is looked for when none is named.
pub const DEFAULT_CONFIG_FILES: [&str; 2] = ["adduct.toml", "/etc/adduct/adduct.toml"];

/// The command found or met a problem.
pub const EXIT_PROBLEM: u8 = 1;
/// Wrong usage or wrong configuration.
pub const EXIT_USAGE: u8 = 2;
/// The other side cannot be reached.
pub const EXIT_UNREACHABLE: u8 = 3;

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    // clap answers wrong usage itself, with status 2.
    let cli = Cli::parse();
    let progress = telemetry::init(cli.log_format);
    match run(&cli, &progress) {
        Ok(code) => code,
        // Whoever read our output has seen enough.
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&error);
            ExitCode::from(exit_code(&error))
        }
    }
}

/// There is no configuration file.
#[derive(Debug, Error)]
#[error("no configuration: neither {} exists; name one with --config FILE", DEFAULT_CONFIG_FILES.join(" nor "))]
struct NoConfiguration;

fn run(cli: &Cli, progress: &indicatif::MultiProgress) -> anyhow::Result<ExitCode> {
    let file = || config_file(cli.config.as_deref());
    let config = || -> anyhow::Result<Config> { Ok(Config::load(&file()?)?) };
    let socket = || -> anyhow::Result<PathBuf> { Ok(Config::admin_socket_of(&file()?)?) };
    match &cli.command {
        Command::Demo(args) => demo::run(args, progress),
        Command::Check(args) => check::run(&file()?, args),
        Command::Serve => serve::run(config()?, progress),
        Command::Import(args) => import::run(&config()?, args, progress),
        Command::Export(args) => export::run(&config()?, args),
        Command::Status(args) => status::run(&socket()?, *args),
        Command::Sync(args) => sync::run(&socket()?, &args.command),
        Command::Man(args) => man::run(args),
        Command::Completions(args) => completions::run(*args),
    }
}

fn config_file(named: Option<&Path>) -> Result<PathBuf, NoConfiguration> {
    match named {
        Some(file) => Ok(file.to_owned()),
        None => DEFAULT_CONFIG_FILES
            .iter()
            .map(PathBuf::from)
            .find(|file| file.exists())
            .ok_or(NoConfiguration),
    }
}

fn exit_code(error: &anyhow::Error) -> u8 {
    if error.is::<ConfigErrors>() || error.is::<NoConfiguration>() {
        return EXIT_USAGE;
    }
    match error.downcast_ref::<AskError>() {
        Some(AskError::NoServer { .. } | AskError::Timeout { .. } | AskError::Io(_)) => {
            EXIT_UNREACHABLE
        }
        Some(AskError::NotAllowed { .. } | AskError::Answer(_)) | None => EXIT_PROBLEM,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::time::Duration;

    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_arguments_make_sense() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_promised_command_lines_are_taken() {
        for line in [
            "adduct demo",
            "adduct demo --dir d --ldap 127.0.0.1:1 --ldaps [::1]:2",
            "adduct check",
            "adduct --config a.toml check",
            "adduct check --config a.toml --json",
            "adduct --log-format json serve",
            "adduct import a.ldif b.ldif --replace",
            "adduct export --base dc=com --out a.ldif",
            "adduct status --json",
            "adduct sync status",
            "adduct sync now corp",
            "adduct sync resync corp --json",
            "adduct man --dir d",
            "adduct completions bash",
        ] {
            if let Err(error) = Cli::try_parse_from(line.split(' ')) {
                panic!("{line}: {error}");
            }
        }
    }

    #[test]
    fn wrong_usage_is_2() {
        for line in [
            "adduct",
            "adduct import",
            "adduct sync",
            "adduct --log-format xml serve",
            "adduct demo --ldap here",
            "adduct export --json",
        ] {
            let error = Cli::try_parse_from(line.split(' ')).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn errors_have_their_exit_codes() {
        let socket = PathBuf::from("admin.sock");
        let timeout = Duration::from_secs(1);
        for (error, code) in [
            (NoConfiguration.into(), 2),
            (ConfigErrors(Vec::new()).into(), 2),
            (
                AskError::NoServer {
                    path: socket.clone(),
                }
                .into(),
                3,
            ),
            (AskError::Timeout { timeout }.into(), 3),
            (AskError::NotAllowed { path: socket }.into(), 1),
            (anyhow::anyhow!("anything else"), 1),
        ] {
            assert_eq!(exit_code(&error), code, "{error}");
        }
        let error = anyhow::Error::from(NoConfiguration).context("reading");
        assert_eq!(exit_code(&error), 2, "context does not hide the kind");
    }
}
