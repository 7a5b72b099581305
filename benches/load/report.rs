//! The results, for people and for machines.

#![allow(
    clippy::print_stdout,
    reason = "the report is what this program is for"
)]

use std::fmt::Write as _;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};

use crate::run::{Plan, Summary};

/// Gathers the runs and prints them at the end.
pub(crate) struct Report {
    /// The server's name, where it was started here.
    server: Option<&'static str>,
    json: bool,
    runs: Vec<(Plan, Summary)>,
}

impl Report {
    pub(crate) fn new(server: Option<&'static str>, json: bool) -> Self {
        Self {
            server,
            json,
            runs: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, plan: &Plan, summary: Summary) {
        self.runs.push((plan.clone(), summary));
    }

    /// Prints everything; false when any answer was wrong or any connection broke.
    pub(crate) fn print(&self) -> anyhow::Result<bool> {
        if self.json {
            let run = |(plan, summary): &_| json(self.server, plan, summary);
            let runs: Vec<_> = self.runs.iter().map(run).collect();
            println!("{}", serde_json::to_string_pretty(&runs)?);
        } else {
            if let Some(server) = self.server {
                println!("\n{server}");
            }
            println!("{}", self.table());
        }
        for (plan, summary) in &self.runs {
            for example in &summary.statistics.examples {
                eprintln!("load: {}: {example}", plan.workload);
            }
            if summary.statistics.latency.count() == 0 {
                eprintln!("load: {}: no operation was answered rightly", plan.workload);
            }
        }
        Ok(self.runs.iter().all(|(_, summary)| summary.is_right()))
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

    /// Per second of the time measured.
    fn rate(&self) -> f64 {
        count(self.statistics.latency.count()) / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }

    fn per_operation(&self, amount: f64) -> f64 {
        let operations: u64 = self.statistics.results.values().sum();
        amount / count(operations).max(1.0)
    }

    fn micros_per_operation(&self, processor: Duration) -> f64 {
        self.per_operation(processor.as_secs_f64() * 1e6)
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
        server.map_or_else(dash, |server| {
            format!("{:.1}", summary.micros_per_operation(server.processor))
        }),
        server.map_or_else(dash, |server| (server.resident_kib / 1024).to_string()),
        format!("{:.1}", summary.micros_per_operation(summary.client)),
    ]
}

fn json(server: Option<&str>, plan: &Plan, summary: &Summary) -> Value {
    let statistics = &summary.statistics;
    let latency = &statistics.latency;
    json!({
        "server": server,
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
        "server_cpu_us_per_operation":
            summary.server.map(|server| summary.micros_per_operation(server.processor)),
        "server_resident_kib": summary.server.map(|server| server.resident_kib),
        "client_cpu_us_per_operation": summary.micros_per_operation(summary.client),
        "examples": statistics.examples,
    })
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

#[allow(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
fn count(count: u64) -> f64 {
    count as f64
}

fn dash() -> String {
    "-".to_owned()
}
