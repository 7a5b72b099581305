//! What servers cost beside each other.

#![allow(
    clippy::print_stdout,
    reason = "the report is what this program is for"
)]

use comfy_table::{CellAlignment, Table, presets};

use crate::floor;
use crate::report::Report;
use crate::run::Summary;

/// Prints the server's processor time for each operation, and adduct's in ratio to the others'.
pub(crate) fn print(reports: &[&Report]) {
    let by_name = |name| {
        reports
            .iter()
            .find(|report| report.server == Some(name))
            .copied()
    };
    let Some(adduct) = by_name("adduct") else {
        return;
    };
    let (floor, slapd) = (by_name(floor::NAME), by_name("slapd"));
    if floor.is_none() && slapd.is_none() {
        return;
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "server us/op",
        "floor",
        "adduct",
        "slapd",
        "x floor",
        "slapd / adduct",
        "adduct op/s",
        "slapd op/s",
    ]);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for (position, (plan, summary)) in adduct.runs.iter().enumerate() {
        let micros = |report| at(report, position).and_then(Summary::server_micros);
        let (below, own, above) = (micros(floor), summary.server_micros(), micros(slapd));
        let rate = |rate: Option<f64>| rate.map_or_else(dash, |rate| format!("{rate:.0}"));
        table.add_row([
            plan.workload.to_string(),
            number(below),
            number(own),
            number(above),
            ratio(own, below),
            ratio(above, own),
            rate(Some(summary.rate())),
            rate(at(slapd, position).map(Summary::rate)),
        ]);
    }
    println!("\n{table}");
}

fn at(report: Option<&Report>, position: usize) -> Option<&Summary> {
    report?.runs.get(position).map(|(_, summary)| summary)
}

fn number(micros: Option<f64>) -> String {
    match micros {
        Some(micros) if micros < 10.0 => format!("{micros:.2}"),
        Some(micros) => format!("{micros:.1}"),
        None => dash(),
    }
}

fn ratio(above: Option<f64>, below: Option<f64>) -> String {
    above.zip(below).map_or_else(dash, |(above, below)| {
        format!("{:.2}", above / below.max(f64::EPSILON))
    })
}

fn dash() -> String {
    "-".to_owned()
}
