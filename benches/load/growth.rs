//! How what an operation costs changes with the size of the directory.

#![allow(
    clippy::print_stdout,
    reason = "the report is what this program is for"
)]

use comfy_table::{CellAlignment, Table, presets};

use crate::compare::{number, ratio};
use crate::report::Report;
use crate::run::Summary;

/// Prints each server's figures by size, and how many times the first size's they are.
pub(crate) fn print(reports: &[Report]) {
    let mut sizes: Vec<u32> = reports.iter().map(|report| report.users).collect();
    sizes.dedup();
    let ([_, _, ..], Some(first)) = (sizes.as_slice(), sizes.first()) else {
        return;
    };
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let mut header = vec!["server us/op".to_owned(), "server".to_owned()];
    for size in &sizes {
        header.push(format!("{size} users"));
        if size != first {
            header.push("ratio".to_owned());
        }
    }
    table.set_header(header);
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for begin in reports.iter().filter(|report| report.users == *first) {
        for (plan, summary) in &begin.runs {
            let at_first = summary.server_micros();
            let server = begin.server.unwrap_or("-").to_owned();
            let mut row = vec![plan.workload.to_string(), server, number(at_first)];
            for size in sizes.iter().skip(1) {
                let mut others = reports.iter();
                let other =
                    others.find(|other| other.users == *size && other.server == begin.server);
                let summary = other.and_then(|other| other.run(plan.workload));
                let micros = summary.and_then(Summary::server_micros);
                row.extend([number(micros), ratio(micros, at_first)]);
            }
            table.add_row(row);
        }
    }
    println!("\n{table}");
}
