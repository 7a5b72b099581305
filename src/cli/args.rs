//! What may be typed.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::telemetry::LogFormat;

/// Carries Active Directory identities to everything that speaks LDAP.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "adduct",
    version,
    propagate_version = true,
    max_term_width = 100,
    after_long_help = EXIT_STATUS
)]
pub struct Cli {
    /// Configuration file [default: ./adduct.toml, then /etc/adduct/adduct.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Form of the log on stderr; RUST_LOG chooses what is logged
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORMAT"
    )]
    pub log_format: LogFormat,

    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Serve a sample directory on this host, without any configuration
    Demo(DemoArgs),
    /// Read the configuration and the files it names, and print every error
    Check(CheckArgs),
    /// Serve in the foreground
    Serve,
    /// Load LDIF as local entries into the store of a stopped server, all or nothing
    Import(ImportArgs),
    /// Write the store of a stopped server as LDIF that import takes back
    Export(ExportArgs),
    /// Show the state of the running server
    Status(StatusArgs),
    /// Show or run the synchronisation of the running server
    Sync(SyncArgs),
    /// Write the manual pages
    Man(ManArgs),
    /// Print the completions for a shell
    Completions(CompletionsArgs),
}

/// What `demo` takes.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// Where the demo lives; it stays there and is served again the next time
    #[arg(long, value_name = "DIR", default_value = "adduct-demo")]
    pub dir: PathBuf,

    /// Address for LDAP
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:3389")]
    pub ldap: SocketAddr,

    /// Address for LDAP over TLS
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:3636")]
    pub ldaps: SocketAddr,
}

/// What `check` takes.
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// Print a JSON array of findings
    #[arg(long)]
    pub json: bool,
}

/// What `import` takes.
#[derive(Clone, Debug, Args)]
pub struct ImportArgs {
    /// LDIF files (RFC 2849); parents may come after children
    #[arg(required = true, value_name = "FILE.ldif")]
    pub files: Vec<PathBuf>,

    /// Replace entries that are there already
    #[arg(long)]
    pub replace: bool,

    /// Print the result as a JSON object
    #[arg(long)]
    pub json: bool,
}

/// What `export` takes.
#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    /// Only this entry and those below it
    #[arg(long, value_name = "DN")]
    pub base: Option<String>,

    /// Write to this file [default: stdout]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// Print the result as a JSON object; needs --out
    #[arg(long, requires = "out")]
    pub json: bool,
}

/// What `status` takes.
#[derive(Clone, Copy, Debug, Args)]
pub struct StatusArgs {
    /// Print a JSON object
    #[arg(long)]
    pub json: bool,
}

/// What `sync` takes.
#[derive(Clone, Debug, Args)]
pub struct SyncArgs {
    /// What to do
    #[command(subcommand)]
    pub command: SyncCommand,
}

/// What `sync` does.
#[derive(Clone, Debug, Subcommand)]
pub enum SyncCommand {
    /// Show the state of the sources
    Status(SourceArgs),
    /// Run one round now, and wait for it
    Now(SourceArgs),
    /// Compare completely now, and wait for it
    Resync(SourceArgs),
}

/// A source, or all of them.
#[derive(Clone, Debug, Args)]
pub struct SourceArgs {
    /// Name of a source [default: all]
    #[arg(value_name = "SOURCE")]
    pub source: Option<String>,

    /// Print a JSON array
    #[arg(long)]
    pub json: bool,
}

/// What `man` takes.
#[derive(Clone, Debug, Args)]
pub struct ManArgs {
    /// Where to write one page for each command
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
}

/// What `completions` takes.
#[derive(Clone, Copy, Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

const EXIT_STATUS: &str = "\
Exit status:
  0  fine
  1  the command found or met a problem
  2  wrong usage or wrong configuration
  3  the other side cannot be reached";
