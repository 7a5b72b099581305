//! What a server takes before and beside its work: time to load and to start, memory, files.

#![allow(
    clippy::print_stdout,
    reason = "the report is what this program is for"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};

use crate::connection::Connection;
use crate::idle::Idle;
use crate::process::Usage;
use crate::report::{Report, dash};
use crate::run::{count, runtime};
use crate::support::population::Population;
use crate::support::requests::{self, Scope, filter};
use crate::support::server::{START_LIMIT, Server};
use crate::target::Target;

/// What was seen of one server that was started here.
#[derive(Debug)]
pub(crate) struct Size {
    load: Duration,
    first_answer: Duration,
    /// After the runs.
    usage: Option<Usage>,
    store_octets: u64,
    pub(crate) idle: Vec<Idle>,
}

impl Size {
    /// Waits for the first right answer.
    pub(crate) fn of(
        server: &Server,
        target: &Target,
        population: &Population,
    ) -> anyhow::Result<Self> {
        let deadline = server.begun() + START_LIMIT;
        while let Err(error) = runtime()?.block_on(ask(target, population)) {
            if Instant::now() > deadline {
                return Err(error.context("no right answer after the start"));
            }
        }
        Ok(Self {
            load: server.load_time(),
            first_answer: server.begun().elapsed(),
            usage: None,
            store_octets: 0,
            idle: Vec::new(),
        })
    }

    /// Takes the measures that the runs changed.
    pub(crate) fn after_runs(&mut self, server: &Server) -> anyhow::Result<()> {
        self.usage = Some(Usage::of(&server.process_id().to_string())?);
        self.store_octets = octets(server.directory())?;
        Ok(())
    }

    pub(crate) fn json(&self, report: &Report) -> Value {
        json!({
            "server": report.server,
            "users": report.users,
            "load_seconds": self.load.as_secs_f64(),
            "first_answer_seconds": self.first_answer.as_secs_f64(),
            "resident_kib": self.usage.map(|usage| usage.resident_kib),
            "own_kib": self.usage.map(|usage| usage.own_kib),
            "store_octets": self.store_octets,
            "idle": self.idle.iter().map(Idle::json).collect::<Vec<_>>(),
        })
    }
}

/// Prints the sizes of all servers that were started here.
pub(crate) fn print(reports: &[Report]) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "server",
        "users",
        "load s",
        "first answer s",
        "resident MiB",
        "own MiB",
        "store MiB",
        "idle plain B",
        "search ms",
        "idle TLS B",
        "search ms",
    ]);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for report in reports {
        let Some(size) = &report.size else { continue };
        let mebibytes = |kib: fn(Usage) -> u64| {
            size.usage
                .map_or_else(dash, |usage| (kib(usage) / 1024).to_string())
        };
        let mut row = vec![
            report.server.unwrap_or("-").to_owned(),
            report.users.to_string(),
            format!("{:.1}", size.load.as_secs_f64()),
            format!("{:.2}", size.first_answer.as_secs_f64()),
            mebibytes(|usage| usage.resident_kib),
            mebibytes(|usage| usage.own_kib),
            format!("{:.0}", count(size.store_octets) / f64::from(1 << 20)),
        ];
        for idle in &size.idle {
            row.push(idle.octets_each.to_string());
            row.push(format!("{:.1}", idle.latency.as_secs_f64() * 1e3));
        }
        row.resize_with(11, dash);
        table.add_row(row);
    }
    if !table.is_empty() {
        println!("\n{table}");
    }
}

/// Asks for the last user.
async fn ask(target: &Target, population: &Population) -> anyhow::Result<()> {
    let mut connection = Connection::open(target).await?;
    connection.bind(target.credentials.as_ref()).await?;
    connection
        .find(&population.user_dn(population.users() - 1))
        .await?;
    connection.unbind().await
}

impl Connection {
    /// Searches one entry, which must be there.
    pub(crate) async fn find(&mut self, dn: &str) -> anyhow::Result<()> {
        let base = (dn, Scope::BaseObject);
        requests::search(self.output(), FIND_ID, base, &["1.1"], None, |out| {
            filter::present(out, "objectClass");
        });
        let mut entries = 0;
        loop {
            self.exchange().await?;
            while let Some(answer) = self.answer()? {
                if answer.operation == requests::SEARCH_RESULT_ENTRY {
                    entries += 1;
                    continue;
                }
                let (code, diagnostic) = answer.result()?;
                anyhow::ensure!(
                    code == requests::SUCCESS && entries == 1,
                    "the search for {dn} gave {entries} entries and {code} {diagnostic}"
                );
                return Ok(());
            }
        }
    }
}

const FIND_ID: i32 = 2;

/// What the files of a directory take on the disk, holes not counted.
fn octets(directory: &Path) -> anyhow::Result<u64> {
    use std::os::unix::fs::MetadataExt as _;

    let mut sum = 0;
    let entries = std::fs::read_dir(directory);
    for entry in entries.with_context(|| format!("reading {}", directory.display()))? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        sum += match metadata.is_dir() {
            true => octets(&entry.path())?,
            false => metadata.blocks() * BLOCK,
        };
    }
    Ok(sum)
}

/// The unit of st_blocks, see stat(2).
const BLOCK: u64 = 512;
