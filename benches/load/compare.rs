//! What servers cost beside each other.

#![allow(
    clippy::print_stdout,
    reason = "the report is what this program is for"
)]

use comfy_table::{CellAlignment, Table, presets};

use crate::floor;
use crate::report::{Report, dash};
use crate::run::{Plan, Summary};

/// Prints the server's processor time for each operation, and adduct's in ratio to the others'.
pub(crate) fn print(reports: &[Report]) {
    let by_name = |name| reports.iter().find(|report| report.server == Some(name));
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
    for (plan, summary) in &adduct.runs {
        let micros = |report| at(report, plan).and_then(Summary::server_micros);
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
            rate(at(slapd, plan).map(Summary::rate)),
        ]);
    }
    println!("\n{table}");
}

fn at<'a>(report: Option<&'a Report>, plan: &Plan) -> Option<&'a Summary> {
    report?.run(plan.workload)
}

pub(crate) fn number(micros: Option<f64>) -> String {
    match micros {
        Some(micros) if micros < 10.0 => format!("{micros:.2}"),
        Some(micros) => format!("{micros:.1}"),
        None => dash(),
    }
}

pub(crate) fn ratio(above: Option<f64>, below: Option<f64>) -> String {
    above.zip(below).map_or_else(dash, |(above, below)| {
        format!("{:.2}", above / below.max(f64::EPSILON))
    })
}
