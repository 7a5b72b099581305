//! The command line.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, ValueEnum};

use crate::run::Plan;
use crate::support::population::{BASE, Pattern, Population};
use crate::target::Credentials;
use crate::workload::Workload;

/// Drives an LDAP server, checks its answers, and says how fast they came.
#[derive(Debug, Parser)]
#[command(name = "load", bin_name = "cargo bench --bench load --")]
pub(crate) struct Options {
    /// The server: ldap://HOST:PORT or ldaps://HOST:PORT.
    #[arg(long)]
    pub(crate) uri: Option<String>,

    /// Import the generated directory into the adduct built with this, and drive that.
    #[arg(
        long,
        value_name = "TRANSPORT",
        num_args = 0..=1,
        default_missing_value = "ldap",
        conflicts_with = "uri"
    )]
    adduct: Option<Transport>,

    /// Start a slapd with the generated directory and drive that; after --adduct in turns.
    #[arg(
        long,
        value_name = "TRANSPORT",
        num_args = 0..=1,
        default_missing_value = "ldap",
        conflicts_with = "uri"
    )]
    slapd: Option<Transport>,

    /// Drive all servers that are started here over TLS.
    #[arg(long, conflicts_with_all = ["uri", "starttls"])]
    tls: bool,

    /// Open this many connections to each of them first, plain and TLS, and say what they take.
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "10000", conflicts_with = "uri")]
    pub(crate) idle: Option<u32>,

    /// Drive a server that only sends canned answers, learned from --adduct, in turns, too.
    #[arg(long, requires = "adduct")]
    pub(crate) floor: bool,

    /// Serve the canned answers in this directory on these ports.
    #[arg(long, hide = true, num_args = 3, value_names = ["DIR", "LDAP", "LDAPS"])]
    pub(crate) serve_floor: Option<Vec<String>>,

    /// How often each workload is run against each server; the median is reported.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=99))]
    pub(crate) rounds: u8,

    /// Keep servers and load on processors of their own where there are two.
    #[arg(long)]
    pub(crate) pin: bool,

    /// Write the generated directory as LDIF and end.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["uri", "adduct", "slapd"])]
    pub(crate) write_ldif: Option<PathBuf>,

    /// Trust the certificates in this PEM file.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,

    /// Trust any certificate.
    #[arg(long, conflicts_with = "ca")]
    pub(crate) insecure_tls: bool,

    /// Switch an ldap:// connection to TLS before anything else.
    #[arg(long)]
    pub(crate) starttls: bool,

    /// Drive a server that is not on a loopback address.
    #[arg(long)]
    pub(crate) allow_remote: bool,

    /// Bind as this entry on each connection first; anonymous otherwise.
    #[arg(long, value_name = "DN")]
    bind_dn: Option<String>,

    /// The password of --bind-dn.
    #[arg(long, requires = "bind_dn", conflicts_with = "password_file")]
    password: Option<String>,

    /// A file with the password of --bind-dn in its first line.
    #[arg(long, value_name = "FILE", requires = "bind_dn")]
    password_file: Option<PathBuf>,

    /// The naming context of the directory.
    #[arg(long, value_name = "DN", default_value = BASE)]
    base: String,

    /// How many users the generated directory has; several sizes, separated by commas, follow each
    /// other.
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "10000", value_parser = clap::value_parser!(u32).range(1..=5_000_000))]
    users: Vec<u32>,

    /// How many groups it has [default: one for 50 users].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=100_000))]
    groups: Option<u32>,

    /// The names of its users.
    #[arg(long, value_name = "PATTERN", default_value = "u%06d")]
    user_pattern: Pattern,

    /// Names of users of another directory, one a line, at uid=NAME,ou=people,BASE.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["users", "groups", "user_pattern"])]
    users_file: Option<PathBuf>,

    /// What to send; several, separated by commas, run one after the other.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "search-uid")]
    pub(crate) workload: Vec<Workload>,

    /// Connections kept open.
    #[arg(long, value_name = "C", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    connections: u32,

    /// Requests outstanding on each connection.
    #[arg(long, value_name = "P", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1_024))]
    pub(crate) pipeline: u16,

    /// Threads of this load generator.
    #[arg(long, value_name = "T", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: u16,

    /// How long to measure.
    #[arg(long, default_value = "5s", value_parser = duration)]
    duration: Duration,

    /// How long to run before measuring.
    #[arg(long, default_value = "1s", value_parser = duration)]
    warmup: Duration,

    /// End after this many operations on each connection, too.
    #[arg(long, value_name = "N")]
    operations: Option<u64>,

    /// How many in a hundred binds use a wrong password.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    wrong_passwords: u8,

    /// Where the choice of users and groups starts; the same seed sends the same requests.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// The server's process: its processor time and memory are reported.
    #[arg(long, value_name = "PID")]
    pub(crate) server_pid: Option<u32>,

    /// Run every workload shortly and fail on any answer that is not right.
    #[arg(long)]
    pub(crate) self_check: bool,

    /// Print JSON, not a table.
    #[arg(long)]
    pub(crate) json: bool,

    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// How to talk to a server that is started here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    /// Without TLS.
    Ldap,
    /// TLS from the first byte.
    Ldaps,
    /// TLS by StartTLS.
    Starttls,
}

impl Options {
    pub(crate) fn names_nothing_to_do(&self) -> bool {
        self.uri.is_none()
            && self.adduct.is_none()
            && self.slapd.is_none()
            && self.write_ldif.is_none()
            && self.serve_floor.is_none()
    }

    /// How to talk to adduct, where it is to be driven.
    pub(crate) fn adduct(&self) -> Option<Transport> {
        self.transport(self.adduct)
    }

    /// How to talk to slapd, where it is to be driven.
    pub(crate) fn slapd(&self) -> Option<Transport> {
        self.transport(self.slapd)
    }

    fn transport(&self, named: Option<Transport>) -> Option<Transport> {
        match named? {
            Transport::Ldap if self.tls => Some(Transport::Ldaps),
            named => Some(named),
        }
    }

    /// The directories to drive, one after the other.
    pub(crate) fn populations(&self) -> anyhow::Result<Vec<Population>> {
        let Some(path) = &self.users_file else {
            let generated = |&users: &u32| {
                let groups = self.groups.unwrap_or_else(|| users.div_ceil(50));
                Population::generated(&self.base, self.user_pattern.clone(), users, groups)
            };
            return Ok(self.users.iter().map(generated).collect());
        };
        let names =
            fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let names = names.lines().map(str::trim).filter(|name| !name.is_empty());
        let names = names.map(str::to_owned).collect();
        Ok(vec![Population::listed(&self.base, names)?])
    }

    pub(crate) fn credentials(&self) -> anyhow::Result<Option<Credentials>> {
        let Some(dn) = &self.bind_dn else {
            return Ok(None);
        };
        let password = match (&self.password, &self.password_file) {
            (Some(password), _) => password.clone(),
            (None, Some(path)) => fs::read_to_string(path)
                .with_context(|| format!("reading {}", path.display()))?
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned(),
            (None, None) => anyhow::bail!("--bind-dn needs --password or --password-file"),
        };
        Ok(Some(Credentials {
            dn: dn.clone(),
            password,
        }))
    }

    pub(crate) fn plan(&self, workload: Workload) -> Plan {
        let (connections, pipeline) = workload
            .shape()
            .unwrap_or((self.connections, self.pipeline));
        Plan {
            workload,
            connections,
            pipeline,
            threads: self.threads,
            warmup: self.warmup,
            duration: self.duration,
            operations: self.operations,
            wrong_passwords: self.wrong_passwords,
            seed: self.seed,
        }
    }
}

/// Reads "5s", "500ms" or "2m", up to an hour.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| UNITS)?;
    let duration = match unit {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.saturating_mul(60)),
        _ => return Err(UNITS.to_owned()),
    };
    if duration > Duration::from_secs(3600) {
        return Err("expected an hour at most".to_owned());
    }
    Ok(duration)
}

const UNITS: &str = "expected a number and a unit, such as 5s, 500ms or 2m";
