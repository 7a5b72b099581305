//! The metrics page, in the text format of Prometheus.
//!
//! | name | labels | is |
//! |---|---|---|
//! | `adduct_build_info` | `version` | always 1 |
//! | `adduct_connections` | | connections open now |
//! | `adduct_connections_total` | | connections accepted |
//! | `adduct_connections_refused_total` | | connections turned away by a limit |
//! | `adduct_tls_handshakes_failed_total` | | TLS handshakes that failed |
//! | `adduct_received_bytes_total` | | octets read from clients |
//! | `adduct_sent_bytes_total` | | octets written to clients |
//! | `adduct_entries_returned_total` | | entries returned by searches |
//! | `adduct_operations_total` | `operation`, `result` | operations answered; `result` is a class of result codes |
//! | `adduct_operation_seconds` | `operation`, `le` | histogram of the time from request to answer |
//! | `adduct_binds_total` | `outcome` | binds by who decided them |
//! | `adduct_entries` | | entries served |
//! | `adduct_ready` | | 1 when `/readyz` says so |
//! | `adduct_source_up` | `source` | 1 when the last round succeeded |
//! | `adduct_source_age_seconds` | `source` | time since the last success |
//! | `adduct_source_entries` | `source`, `kind` | users and groups served from it |
//! | `adduct_source_held_changes` | `source` | removals that the brake holds |
//! | `adduct_sync_rounds_total` | `source`, `result` | rounds that succeeded and failed |
//! | `process_resident_memory_bytes` | | memory in use |
//! | `process_start_time_seconds` | | start, as Unix time |

use std::{
    fmt::{self, Write as _},
    fs,
    time::SystemTime,
};

use crate::{
    server::metrics::{BindOutcome, Histogram, OperationKind, ResultClass, ServerMetrics},
    sync::state::{SourceStatus, State},
};

/// Everything the page is made of.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What the server counted.
    pub server: &'a ServerMetrics,
    /// The state of the sources.
    pub sources: &'a [SourceStatus],
    /// Entries served.
    pub entries: u64,
    /// Whether `/readyz` says so.
    pub ready: bool,
    /// When the process started.
    pub started: SystemTime,
}

/// The metrics page.
pub fn render(facts: &Facts<'_>) -> String {
    let mut page = Page(String::with_capacity(16 * 1024));
    // Writing to a string does not fail.
    let _ = page.fill(facts);
    page.0
}

/// The memory this process has in use, in octets; 0 where the system does not tell.
pub fn resident_memory_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|size| size.trim().strip_suffix(" kB"))
        .and_then(|kilobytes| kilobytes.trim().parse::<u64>().ok())
        .map_or(0, |kilobytes| kilobytes * 1024)
}

struct Page(String);

impl Page {
    fn fill(&mut self, facts: &Facts<'_>) -> fmt::Result {
        self.head("adduct_build_info", "gauge", "the version of the program")?;
        let version = env!("CARGO_PKG_VERSION");
        writeln!(self.0, "adduct_build_info{{version=\"{version}\"}} 1")?;
        self.server(facts.server)?;
        self.single("adduct_entries", "gauge", "entries served", facts.entries)?;
        self.single(
            "adduct_ready",
            "gauge",
            "whether every source is served as it should be",
            u64::from(facts.ready),
        )?;
        self.sources(facts.sources)?;
        self.single(
            "process_resident_memory_bytes",
            "gauge",
            "memory in use",
            resident_memory_bytes(),
        )?;
        let started = facts
            .started
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        self.single(
            "process_start_time_seconds",
            "gauge",
            "start as Unix time",
            started.as_secs(),
        )
    }

    fn server(&mut self, server: &ServerMetrics) -> fmt::Result {
        let single = [
            (
                "connections_total",
                "connections accepted",
                &server.connections_total,
            ),
            (
                "connections_refused_total",
                "connections turned away by a limit",
                &server.connections_refused_total,
            ),
            (
                "tls_handshakes_failed_total",
                "TLS handshakes that failed",
                &server.handshakes_failed_total,
            ),
            (
                "received_bytes_total",
                "octets read from clients",
                &server.bytes_received_total,
            ),
            (
                "sent_bytes_total",
                "octets written to clients",
                &server.bytes_sent_total,
            ),
            (
                "entries_returned_total",
                "entries returned by searches",
                &server.entries_returned_total,
            ),
        ];
        self.single(
            "adduct_connections",
            "gauge",
            "connections open now",
            server.connections.value(),
        )?;
        for (name, help, counter) in single {
            self.single(&format!("adduct_{name}"), "counter", help, counter.value())?;
        }
        self.operations(server)?;
        self.head("adduct_binds_total", "counter", "binds by who decided them")?;
        for outcome in BindOutcome::ALL {
            let (label, value) = (outcome.as_str(), server.binds(outcome));
            writeln!(self.0, "adduct_binds_total{{outcome=\"{label}\"}} {value}")?;
        }
        Ok(())
    }

    fn operations(&mut self, server: &ServerMetrics) -> fmt::Result {
        let name = "adduct_operations_total";
        self.head(
            name,
            "counter",
            "operations answered, by class of result code",
        )?;
        for kind in OperationKind::ALL {
            for class in ResultClass::ALL {
                let value = server.operations(kind, class);
                // What never happened is left out, but success, so that rates have a start.
                if value > 0 || class == ResultClass::Success {
                    let (operation, result) = (kind.as_str(), class.as_str());
                    writeln!(
                        self.0,
                        "{name}{{operation=\"{operation}\",result=\"{result}\"}} {value}"
                    )?;
                }
            }
        }
        let name = "adduct_operation_seconds";
        self.head(name, "histogram", "time from request to answer")?;
        for kind in OperationKind::ALL {
            self.histogram(name, kind.as_str(), server.seconds(kind))?;
        }
        Ok(())
    }

    fn histogram(&mut self, name: &str, operation: &str, histogram: &Histogram) -> fmt::Result {
        let counts = histogram.counts();
        let mut sum = 0;
        for (position, count) in counts.iter().enumerate() {
            sum += count;
            let bound = Histogram::BOUNDS
                .get(position)
                .map_or_else(|| "+Inf".to_owned(), |bound| seconds(*bound));
            writeln!(
                self.0,
                "{name}_bucket{{operation=\"{operation}\",le=\"{bound}\"}} {sum}"
            )?;
        }
        let total = seconds(histogram.sum_microseconds());
        writeln!(self.0, "{name}_sum{{operation=\"{operation}\"}} {total}")?;
        writeln!(self.0, "{name}_count{{operation=\"{operation}\"}} {sum}")
    }

    fn sources(&mut self, sources: &[SourceStatus]) -> fmt::Result {
        let up = |source: &SourceStatus| match source.state {
            State::Current | State::Behind => 1,
            State::FirstSync | State::Failing => 0,
        };
        self.head(
            "adduct_source_up",
            "gauge",
            "whether the last round succeeded",
        )?;
        for source in sources {
            let (name, value) = (label(&source.source), up(source));
            writeln!(self.0, "adduct_source_up{{source=\"{name}\"}} {value}")?;
        }
        self.head(
            "adduct_source_age_seconds",
            "gauge",
            "time since the last success",
        )?;
        for source in sources {
            if let Some(age) = source.age_seconds {
                let name = label(&source.source);
                writeln!(
                    self.0,
                    "adduct_source_age_seconds{{source=\"{name}\"}} {age}"
                )?;
            }
        }
        self.head(
            "adduct_source_entries",
            "gauge",
            "users and groups served from it",
        )?;
        for source in sources {
            self.pair(
                "adduct_source_entries",
                source,
                "kind",
                [("user", source.users), ("group", source.groups)],
            )?;
        }
        self.head(
            "adduct_source_held_changes",
            "gauge",
            "removals that the brake holds",
        )?;
        for source in sources {
            let name = label(&source.source);
            let held = source.held.as_ref().map_or(0, |held| {
                held.deletes + held.left_selection + held.member_removals
            });
            writeln!(
                self.0,
                "adduct_source_held_changes{{source=\"{name}\"}} {held}"
            )?;
        }
        self.head(
            "adduct_sync_rounds_total",
            "counter",
            "rounds by their result",
        )?;
        for source in sources {
            self.pair(
                "adduct_sync_rounds_total",
                source,
                "result",
                [
                    ("success", source.rounds_succeeded),
                    ("failure", source.rounds_failed),
                ],
            )?;
        }
        Ok(())
    }

    fn pair(
        &mut self,
        name: &str,
        source: &SourceStatus,
        kind: &str,
        values: [(&str, u64); 2],
    ) -> fmt::Result {
        let source = label(&source.source);
        for (text, value) in values {
            writeln!(
                self.0,
                "{name}{{source=\"{source}\",{kind}=\"{text}\"}} {value}"
            )?;
        }
        Ok(())
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: u64) -> fmt::Result {
        self.head(name, kind, help)?;
        writeln!(self.0, "{name} {value}")
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) -> fmt::Result {
        writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}")
    }
}

/// A label's value with what the format wants escaped.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// Microseconds as seconds, exactly.
fn seconds(microseconds: u64) -> String {
    let (whole, rest) = (microseconds / 1_000_000, microseconds % 1_000_000);
    if rest == 0 {
        return whole.to_string();
    }
    let digits = format!("{rest:06}");
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::{collections::BTreeSet, time::Duration};

    use super::*;
    use crate::sync::state::SourceState;

    fn page() -> String {
        let server = ServerMetrics::default();
        server.connections.increment();
        server.operation(OperationKind::Search, 0, Duration::from_micros(150));
        server.operation(OperationKind::Search, 32, Duration::from_millis(5));
        let mut source = SourceState::new("corp");
        source.state = State::Current;
        source.last_success = Some(SystemTime::UNIX_EPOCH);
        source.users = 7;
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(3);
        render(&Facts {
            server: &server,
            sources: &[source.status(now)],
            entries: 12,
            ready: true,
            started: SystemTime::UNIX_EPOCH + Duration::from_secs(1),
        })
    }

    #[test]
    fn values_are_where_they_belong() {
        let page = page();
        for line in [
            "adduct_connections 1",
            "adduct_entries 12",
            "adduct_operations_total{operation=\"search\",result=\"success\"} 1",
            "adduct_operations_total{operation=\"search\",result=\"no_such_object\"} 1",
            "adduct_operation_seconds_bucket{operation=\"search\",le=\"0.0001\"} 0",
            "adduct_operation_seconds_bucket{operation=\"search\",le=\"0.001\"} 1",
            "adduct_operation_seconds_bucket{operation=\"search\",le=\"+Inf\"} 2",
            "adduct_operation_seconds_sum{operation=\"search\"} 0.00515",
            "adduct_source_up{source=\"corp\"} 1",
            "adduct_source_age_seconds{source=\"corp\"} 3",
            "adduct_source_entries{source=\"corp\",kind=\"user\"} 7",
            "process_start_time_seconds 1",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
        assert!(resident_memory_bytes() > 0);
    }

    #[test]
    fn every_metric_is_in_the_table_and_every_row_is_a_metric() {
        let page = page();
        let served: BTreeSet<&str> = page
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE "))
            .filter_map(|line| line.split(' ').next())
            .collect();
        let table: BTreeSet<&str> = include_str!("metrics.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("//! | `"))
            .filter_map(|line| line.split('`').next())
            .collect();
        assert_eq!(served, table);
    }
}
