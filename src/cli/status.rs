//! `status`: the state of the running server.

use std::{path::Path, process::ExitCode, time::Duration};

use anyhow::bail;

use super::{args::StatusArgs, output, sync};
use crate::admin::{
    client::ask,
    protocol::{Request, Response, ServerStatus},
};

/// A running server answers at once; a hanging one should not hang us, too.
const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn run(socket: &Path, args: StatusArgs) -> anyhow::Result<ExitCode> {
    match ask(socket, &Request::Status, TIMEOUT)? {
        Response::Status(status) if args.json => output::print_json(&status)?,
        Response::Status(status) => output::print(&text(&status))?,
        Response::Error(problem) => bail!("{problem}"),
        Response::Sources(_) => bail!("the server answered something else"),
    }
    Ok(ExitCode::SUCCESS)
}

fn text(status: &ServerStatus) -> String {
    let ready = match &status.reason {
        _ if status.ready => "yes".to_owned(),
        Some(reason) => format!("no: {reason}"),
        None => "no".to_owned(),
    };
    let listen = &status.listen;
    let rows = [
        ("version", status.version.clone()),
        ("process", status.pid.to_string()),
        (
            "started",
            format!(
                "{} ({} ago)",
                status.started,
                output::age(status.uptime_seconds)
            ),
        ),
        ("ready", ready),
        ("ldap", listen.ldap.join(", ")),
        ("ldaps", listen.ldaps.join(", ")),
        ("metrics", listen.metrics.clone().unwrap_or_default()),
        ("naming contexts", status.naming_contexts.join("\n")),
        ("entries", status.entries.to_string()),
        (
            "connections",
            format!(
                "{} open, {} in all",
                status.connections, status.connections_total
            ),
        ),
        ("operations", operations(status)),
        ("memory", format!("{} MiB", status.memory_bytes >> 20)),
    ];
    let mut table = output::table(["adduct", ""]);
    for (name, value) in rows {
        if !value.is_empty() {
            table.add_row([name.to_owned(), value]);
        }
    }
    let mut text = output::text(&table);
    if !status.sources.is_empty() {
        text.push_str("\n\n");
        text.push_str(&sync::text(&status.sources));
    }
    text
}

/// The operations by kind and result, the total first.
fn operations(status: &ServerStatus) -> String {
    let mut lines = vec![format!("{} in all", status.operations_total)];
    for counted in &status.operations {
        lines.push(format!(
            "{} {}: {}",
            counted.operation, counted.result, counted.count
        ));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;
    use crate::admin::protocol::Listeners;

    #[test]
    fn a_status_is_a_short_table() {
        let status = ServerStatus {
            version: "0.1.0".to_owned(),
            pid: 7,
            started: "1970-01-01T00:00:00Z".to_owned(),
            uptime_seconds: 61,
            reason: Some("source corp: first sync is not complete".to_owned()),
            listen: Listeners {
                ldap: vec!["127.0.0.1:3389".to_owned()],
                ..Listeners::default()
            },
            memory_bytes: 5 << 20,
            ..ServerStatus::default()
        };
        let expected = "
 adduct
 version      0.1.0
 process      7
 started      1970-01-01T00:00:00Z (1m 1s ago)
 ready        no: source corp: first sync is not complete
 ldap         127.0.0.1:3389
 entries      0
 connections  0 open, 0 in all
 operations   0 in all
 memory       5 MiB";
        assert_eq!(format!("\n{}", text(&status)), expected);
    }
}
