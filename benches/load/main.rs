//! A load generator that drives any LDAP server and checks what comes back.
//!
//! ```text
//! cargo bench --bench load -- --write-ldif bench.ldif --users 100000 --groups 2000
//! cargo bench --bench load -- --slapd --users 10000 --workload search-uid,mixed
//! cargo bench --bench load -- --uri ldaps://127.0.0.1:3636 --ca server.crt \
//!     --bind-dn uid=service,ou=services,dc=bench,dc=example --password pw-service \
//!     --users 100000 --groups 2000 --connections 16 --pipeline 4 --workload search-uid
//! ```
//!
//! It shares no code with the crate and writes and reads BER on its own. Each connection is a
//! closed loop: it keeps `--pipeline` requests outstanding and sends the next one when an answer
//! is complete. An operation counts only when its message id, result code, number of entries and
//! a value in each entry are as they must be, so a server that answers wrongly is not fast.
//!
//! Latency runs from the write of a request to the read of its last answer. A server and a load
//! generator on one machine share its processors: with `--server-pid` the server's processor
//! time per operation is given too, and that is the number to compare.

mod connection;
mod drive;
mod options;
mod process;
mod report;
mod run;
mod statistics;
#[path = "../support/mod.rs"]
mod support;
mod target;
mod workload;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, ensure};
use clap::Parser;

use crate::options::{Options, SlapdTransport};
use crate::report::Report;
use crate::run::Plan;
use crate::support::ldif;
use crate::support::population::{Population, SERVICE, password};
use crate::support::slapd::Slapd;
use crate::target::{Credentials, Target, Trust};
use crate::workload::Workload;

fn main() -> ExitCode {
    match execute(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Does what was asked; false when the server answered wrongly or not at all.
fn execute(options: &Options) -> anyhow::Result<bool> {
    // `cargo bench` without a target runs this one, too: there is nothing to drive then.
    if options.names_nothing_to_do() {
        eprintln!("load: nothing to do without --uri, --slapd or --write-ldif; see --help");
        return Ok(true);
    }
    let population = Arc::new(options.population()?);
    if let Some(path) = &options.write_ldif {
        ldif::write_file(path, &population)?;
        return Ok(true);
    }

    let plans = if options.self_check {
        self_check(options, &population)
    } else {
        measurements(options, &population)?
    };
    let slapd = match options.slapd {
        Some(_) => Some(Slapd::start(&population)?),
        None => None,
    };
    if let Some(slapd) = &slapd {
        eprintln!(
            "load: slapadd took {:.1} s for {} users",
            slapd.load_time().as_secs_f64(),
            population.users()
        );
    }
    let target = Arc::new(target(options, &population, slapd.as_ref())?);
    let server = slapd.as_ref().map(Slapd::process_id).or(options.server_pid);

    let mut report = Report::new(options.json);
    for plan in plans {
        let summary = run::run(&plan, &target, &population, server)
            .with_context(|| format!("workload {}", plan.workload))?;
        report.add(&plan, summary);
    }
    report.print()
}

fn target(
    options: &Options,
    population: &Population,
    slapd: Option<&Slapd>,
) -> anyhow::Result<Target> {
    let credentials = options.credentials()?;
    let Some(slapd) = slapd else {
        let uri = options.uri.as_deref().context("--uri is missing")?;
        let trust = match &options.ca {
            Some(path) => Trust::File(path.clone()),
            None if options.insecure_tls => Trust::Anything,
            None => Trust::Nothing,
        };
        return Target::new(
            uri,
            options.starttls,
            &trust,
            credentials,
            options.allow_remote,
        );
    };
    let service = || Credentials {
        dn: population.service_dn(),
        password: password(SERVICE),
    };
    let uri = match options.slapd {
        Some(SlapdTransport::Ldaps) => slapd.ldaps_uri(),
        _ => slapd.ldap_uri(),
    };
    Target::new(
        &uri,
        options.slapd == Some(SlapdTransport::Starttls),
        &Trust::File(slapd.ca_file()),
        credentials.or_else(|| Some(service())),
        false,
    )
}

/// One measurement for each workload named.
fn measurements(options: &Options, population: &Population) -> anyhow::Result<Vec<Plan>> {
    options
        .workload
        .iter()
        .map(|&workload| {
            ensure!(
                population.is_generated() || !workload.needs_generated(),
                "workload {workload} needs the generated directory, not --users-file"
            );
            ensure!(
                options.pipeline == 1 || !workload.is_serial(),
                "workload {workload} needs --pipeline 1: a bind waits for everything before it"
            );
            Ok(options.plan(workload))
        })
        .collect()
}

/// A few hundred operations of each workload that this population allows.
fn self_check(options: &Options, population: &Population) -> Vec<Plan> {
    Workload::ALL
        .into_iter()
        .filter(|workload| population.is_generated() || !workload.needs_generated())
        .map(|workload| Plan {
            connections: 2,
            pipeline: if workload.is_serial() { 1 } else { 4 },
            threads: 1,
            warmup: std::time::Duration::ZERO,
            operations: Some(200),
            wrong_passwords: 20,
            ..options.plan(workload)
        })
        .collect()
}
