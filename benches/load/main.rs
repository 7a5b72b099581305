//! A load generator that drives any LDAP server and checks what comes back.
//!
//! ```text
//! cargo bench --bench load -- --write-ldif bench.ldif --users 100000 --groups 2000
//! cargo bench --bench load -- --adduct --users 10000 --workload search-uid,mixed
//! cargo bench --bench load -- --pin --rounds 3 --floor --adduct --slapd --users 10000 \
//!     --workload search-uid,mixed
//! cargo bench --bench load -- --uri ldaps://127.0.0.1:3636 --ca server.crt \
//!     --bind-dn uid=service,ou=services,dc=bench,dc=example --password pw-service \
//!     --users 100000 --groups 2000 --connections 16 --pipeline 4 --workload search-uid
//! ```
//!
//! With several of `--floor`, `--adduct` and `--slapd` each workload runs against one after the
//! other, `--rounds` times, so that what else the machine does falls on all, and a table of ratios
//! follows.
//!
//! It shares no code with the crate and writes and reads BER on its own. Each connection is a
//! closed loop: it keeps `--pipeline` requests outstanding and sends the next one when an answer
//! is complete. An operation counts only when its message id, result code, number of entries and
//! a value in each entry are as they must be, so a server that answers wrongly is not fast.
//!
//! Latency runs from the write of a request to the read of its last answer. A server and a load
//! generator on one machine share its processors: with `--server-pid` the server's processor
//! time per operation is given too, and that is the number to compare.

mod compare;
mod connection;
mod drive;
mod floor;
mod growth;
mod idle;
mod options;
mod process;
mod report;
mod run;
mod size;
mod statistics;
#[path = "../support/mod.rs"]
mod support;
mod target;
mod workload;

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, ensure};
use clap::Parser;

use crate::idle::Idle;
use crate::options::{Options, Transport};
use crate::process::Usage;
use crate::report::Report;
use crate::run::{Plan, Summary};
use crate::size::Size;
use crate::support::population::{ADMINISTRATOR, Population, SERVICE, password};
use crate::support::server::{self, Server};
use crate::support::{adduct, ldif, slapd};
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
        eprintln!(
            "load: nothing to do without --uri, --adduct, --slapd or --write-ldif; see --help"
        );
        return Ok(true);
    }
    let populations = options.populations()?;
    if let Some(path) = &options.write_ldif {
        for population in &populations {
            ldif::write_file(path, population)?;
        }
        return Ok(true);
    }

    if let Some([directory, ldap, ldaps]) = options.serve_floor.as_deref() {
        floor::serve(Path::new(directory), ldap.parse()?, ldaps.parse()?)?;
        return Ok(true);
    }
    if options.pin {
        server::pin()?;
    }
    idle::raise_limit()?;

    let mut reports = Vec::new();
    for population in populations {
        let measured = measure(options, &Arc::new(population))?;
        if !options.json {
            for report in &measured {
                report.print_table();
            }
            compare::print(&measured);
            size::print(&measured);
        }
        reports.extend(measured);
    }
    if options.json {
        report::print_json(&reports)?;
    } else {
        growth::print(&reports);
    }
    // All of them, not up to the first.
    let right = reports.iter().filter(|report| report.complain()).count();
    Ok(right == reports.len())
}

/// Drives all servers with one directory.
fn measure(options: &Options, population: &Arc<Population>) -> anyhow::Result<Vec<Report>> {
    let plans = if options.self_check {
        self_check(options, population)
    } else {
        measurements(options, population)?
    };
    let mut subjects = subjects(options, population)?;
    for subject in &mut subjects {
        subject.measure_idle(options, population)?;
    }
    for plan in plans {
        let mut subjects: Vec<&mut Subject> = subjects
            .iter_mut()
            .filter(|subject| plan.workload.has_floor() || subject.teacher.is_none())
            .collect();
        for subject in &mut subjects {
            subject.prepare(options, population, &plan)?;
        }
        let mut rounds: Vec<Vec<Summary>> = subjects.iter().map(|_| Vec::new()).collect();
        for _ in 0..options.rounds {
            for (subject, done) in subjects.iter().zip(&mut rounds) {
                let process = subject.process_id(options);
                let summary = run::run(&plan, &subject.target, population, process)
                    .with_context(|| format!("workload {}", plan.workload))?;
                done.push(summary);
            }
        }
        for (subject, rounds) in subjects.iter_mut().zip(rounds) {
            if let Some(median) = Summary::median(rounds) {
                subject.report.add(&plan, median);
            }
        }
    }
    subjects.into_iter().map(Subject::finish).collect()
}

/// A server to drive, and what came of it.
struct Subject {
    /// `None` where somebody else started it.
    server: Option<Server>,
    target: Arc<Target>,
    report: Report,
    /// The server a floor learns from, anew for each workload.
    teacher: Option<(SocketAddr, Transport)>,
}

impl Subject {
    fn started(
        options: &Options,
        population: &Population,
        transport: Transport,
        server: Server,
    ) -> anyhow::Result<Self> {
        let target = target(options, population, transport, &server)?;
        let mut report = Report::new(Some(server.name()), population.users());
        if target.checks {
            report.size = Some(Size::of(&server, &target, population)?);
        }
        Ok(Self {
            server: Some(server),
            target: Arc::new(target),
            report,
            teacher: None,
        })
    }

    fn named(options: &Options, users: u32) -> anyhow::Result<Self> {
        let uri = options.uri.as_deref().context("--uri is missing")?;
        let trust = match &options.ca {
            Some(path) => Trust::File(path.clone()),
            None if options.insecure_tls => Trust::Anything,
            None => Trust::Nothing,
        };
        let target = Target::new(
            uri,
            options.starttls,
            &trust,
            options.credentials()?,
            options.allow_remote,
        )?;
        Ok(Self {
            server: None,
            target: Arc::new(target),
            report: Report::new(None, users),
            teacher: None,
        })
    }

    /// Opens connections that stay idle, where that is asked for.
    fn measure_idle(&mut self, options: &Options, population: &Population) -> anyhow::Result<()> {
        let (Some(server), Some(size)) = (&self.server, &mut self.report.size) else {
            return Ok(());
        };
        let Some(wanted) = options.idle else {
            return Ok(());
        };
        let before = Usage::of(&server.process_id().to_string())?;
        for transport in [Transport::Ldap, Transport::Ldaps] {
            let target = target(options, population, transport, server)?;
            let process = server.process_id();
            let idle = Idle::measure(&target, population, process, before, wanted)?;
            size.idle.push(idle);
        }
        Ok(())
    }

    /// Stops the server, after a last look at it.
    fn finish(mut self) -> anyhow::Result<Report> {
        if let (Some(server), Some(size)) = (&self.server, &mut self.report.size) {
            size.after_runs(server)?;
        }
        Ok(self.report)
    }

    /// Gets ready for a workload.
    fn prepare(
        &mut self,
        options: &Options,
        population: &Arc<Population>,
        plan: &Plan,
    ) -> anyhow::Result<()> {
        if let Some((teacher, transport)) = self.teacher {
            let server = floor::start(population, plan.workload, teacher)?;
            let started = Self::started(options, population, transport, server)?;
            (self.server, self.target) = (started.server, started.target);
        }
        Ok(())
    }

    fn process_id(&self, options: &Options) -> Option<u32> {
        match &self.server {
            Some(server) => Some(server.process_id()),
            None => options.server_pid,
        }
    }
}

/// How to reach a server that was started here.
fn target(
    options: &Options,
    population: &Population,
    transport: Transport,
    server: &Server,
) -> anyhow::Result<Target> {
    let uri = match transport {
        Transport::Ldaps => server.ldaps_uri(),
        Transport::Ldap | Transport::Starttls => server.ldap_uri(),
    };
    let service = || Credentials {
        dn: population.service_dn(),
        password: password(SERVICE),
    };
    let mut target = Target::new(
        &uri,
        transport == Transport::Starttls,
        &Trust::File(server.ca_file()),
        options.credentials()?.or_else(|| Some(service())),
        false,
    )?;
    target.administrator = Some(Credentials {
        dn: population.administrator_dn(),
        password: password(ADMINISTRATOR),
    });
    target.checks = server.name() != floor::NAME;
    Ok(target)
}

fn subjects(options: &Options, population: &Arc<Population>) -> anyhow::Result<Vec<Subject>> {
    let mut subjects = Vec::new();
    if let Some(transport) = options.adduct() {
        let server = adduct::start(population)?;
        let teacher = Target::new(&server.ldap_uri(), false, &Trust::Nothing, None, false)?;
        subjects.push(Subject::started(options, population, transport, server)?);
        if options.floor {
            let first = options.workload.first().copied().context("no workload")?;
            let server = floor::start(population, first, teacher.address)?;
            let mut subject = Subject::started(options, population, transport, server)?;
            subject.teacher = Some((teacher.address, transport));
            subjects.insert(0, subject);
        }
    }
    if let Some(transport) = options.slapd() {
        let server = slapd::start(population)?;
        subjects.push(Subject::started(options, population, transport, server)?);
    }
    if subjects.is_empty() {
        subjects.push(Subject::named(options, population.users())?);
    }
    Ok(subjects)
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
            connections: workload
                .shape()
                .map_or(2, |(connections, _)| connections.min(2)),
            pipeline: if workload.is_serial() { 1 } else { 4 },
            threads: 1,
            warmup: std::time::Duration::ZERO,
            operations: Some(200),
            wrong_passwords: 20,
            ..options.plan(workload)
        })
        .collect()
}
