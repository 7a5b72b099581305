//! The results, for people and for machines.

#![allow(
    clippy::print_stdout,
    reason = "the report is what this program is for"
)]

use std::fmt::Write as _;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};

use crate::run::{Plan, Summary, count};
use crate::size::Size;
use crate::workload::Workload;

/// Gathers the runs against one server.
pub(crate) struct Report {
    /// The server's name, where it was started here.
    pub(crate) server: Option<&'static str>,
    /// How many users its directory has.
    pub(crate) users: u32,
    pub(crate) runs: Vec<(Plan, Summary)>,
    /// Where it was started here, too.
    pub(crate) size: Option<Size>,
}

/// Prints all runs of all servers in one list, and their sizes in another.
pub(crate) fn print_json(reports: &[Report]) -> anyhow::Result<()> {
    let runs: Vec<_> = reports
        .iter()
        .flat_map(|report| {
            let runs = report.runs.iter();
            runs.map(|(plan, summary)| json(report, plan, summary))
        })
        .collect();
    let sizes: Vec<_> = reports
        .iter()
        .filter_map(|report| Some(report.size.as_ref()?.json(report)))
        .collect();
    let all = json!({ "runs": runs, "sizes": sizes });
    println!("{}", serde_json::to_string_pretty(&all)?);
    Ok(())
}

impl Report {
    pub(crate) fn new(server: Option<&'static str>, users: u32) -> Self {
        Self {
            server,
            users,
            runs: Vec::new(),
            size: None,
        }
    }

    pub(crate) fn add(&mut self, plan: &Plan, summary: Summary) {
        self.runs.push((plan.clone(), summary));
    }

    /// What came of a workload, if it was run.
    pub(crate) fn run(&self, workload: Workload) -> Option<&Summary> {
        let mut runs = self.runs.iter();
        let found = runs.find(|(plan, _)| plan.workload == workload);
        found.map(|(_, summary)| summary)
    }

    pub(crate) fn print_table(&self) {
        if self.runs.is_empty() {
            return;
        }
        if let Some(server) = self.server {
            println!("\n{server}, {} users", self.users);
        }
        println!("{}", self.table());
    }

    /// Says what went wrong; true where nothing did.
    pub(crate) fn complain(&self) -> bool {
        for (plan, summary) in &self.runs {
            for example in &summary.statistics.examples {
                eprintln!("load: {}: {example}", plan.workload);
            }
            if summary.statistics.latency.count() == 0 {
                eprintln!("load: {}: no operation was answered rightly", plan.workload);
            }
        }
        self.runs.iter().all(|(_, summary)| summary.is_right())
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header([
            "workload",
            "conns x depth",
            "right",
            "right/s",
            "p50 us",
            "p99 us",
            "max us",
            "entries/op",
            "result codes",
            "wrong",
            "broken",
            "server us/op",
            "server MiB",
            "client us/op",
        ]);
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        for (plan, summary) in &self.runs {
            table.add_row(row(plan, summary));
        }
        table
    }
}

impl Summary {
    fn is_right(&self) -> bool {
        let statistics = &self.statistics;
        statistics.wrong == 0 && statistics.failed == 0 && statistics.latency.count() > 0
    }
}

fn row(plan: &Plan, summary: &Summary) -> Vec<String> {
    let statistics = &summary.statistics;
    let latency = &statistics.latency;
    let mut codes = String::new();
    for (code, count) in &statistics.results {
        let _ = write!(codes, "{code}:{count} "); // Writing to a String cannot fail.
    }
    let server = summary.server;
    vec![
        plan.workload.to_string(),
        format!("{} x {}", plan.connections, plan.pipeline),
        latency.count().to_string(),
        format!("{:.0}", summary.rate()),
        format!("{:.0}", micros(latency.quantile(0.5))),
        format!("{:.0}", micros(latency.quantile(0.99))),
        format!("{:.0}", micros(latency.max())),
        format!("{:.2}", summary.per_operation(count(statistics.entries))),
        codes.trim_end().to_owned(),
        statistics.wrong.to_string(),
        statistics.failed.to_string(),
        summary
            .server_micros()
            .map_or_else(dash, |micros| format!("{micros:.1}")),
        server.map_or_else(dash, |server| (server.resident_kib / 1024).to_string()),
        format!("{:.1}", summary.client_micros()),
    ]
}

fn json(report: &Report, plan: &Plan, summary: &Summary) -> Value {
    let statistics = &summary.statistics;
    let latency = &statistics.latency;
    json!({
        "server": report.server,
        "users": report.users,
        "workload": plan.workload.to_string(),
        "connections": plan.connections,
        "pipeline": plan.pipeline,
        "threads": plan.threads,
        "seconds": summary.elapsed.as_secs_f64(),
        "right": latency.count(),
        "right_per_second": summary.rate(),
        "wrong": statistics.wrong,
        "broken_connections": statistics.failed,
        "result_codes": statistics.results,
        "entries_per_operation": summary.per_operation(count(statistics.entries)),
        "latency_us": {
            "p50": micros(latency.quantile(0.5)),
            "p99": micros(latency.quantile(0.99)),
            "max": micros(latency.max()),
        },
        "server_cpu_us_per_operation": summary.server_micros(),
        "server_resident_kib": summary.server.map(|server| server.resident_kib),
        "client_cpu_us_per_operation": summary.client_micros(),
        "examples": statistics.examples,
    })
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

pub(crate) fn dash() -> String {
    "-".to_owned()
}
