//! How results and errors are printed.

use std::io::{self, IsTerminal as _, Write as _};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::config::ConfigErrors;

/// Prints a text and a line end to stdout.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Prints a value as JSON to stdout.
pub(super) fn print_json<T: Serialize + ?Sized>(value: &T) -> anyhow::Result<()> {
    Ok(print(&serde_json::to_string_pretty(value)?)?)
}

/// A table for people; as wide as the terminal, as wide as need be elsewhere.
pub(super) fn table<'a>(header: impl IntoIterator<Item = &'a str>) -> Table {
    let mut table = Table::new();
    let arrangement = if io::stdout().is_terminal() {
        ContentArrangement::Dynamic
    } else {
        ContentArrangement::Disabled
    };
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(arrangement)
        .set_header(header.into_iter().collect::<Vec<_>>());
    table
}

/// A table without the blanks that fill its last column.
pub(super) fn text(table: &Table) -> String {
    table.trim_fmt()
}

/// A duration in its two largest units: "3d 4h", "12s".
pub(super) fn age(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let Some(first) = units.iter().position(|(unit, _)| seconds >= *unit) else {
        return "0s".to_owned();
    };
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (unit, name) in units.iter().skip(first).take(2) {
        if rest >= *unit {
            parts.push(format!("{}{name}", rest / unit));
            rest %= unit;
        }
    }
    parts.join(" ")
}

/// Prints an error with its causes to stderr.
pub(super) fn complain(error: &anyhow::Error) {
    let mut err = io::stderr().lock();
    // There is nobody left to tell when this fails.
    let _ = match error.downcast_ref::<ConfigErrors>() {
        // These start with file and line, as editors want them.
        Some(errors) => writeln!(err, "{errors}"),
        None => writeln!(err, "adduct: {error:#}"),
    };
}

/// Whether an error is that of a reader who went away.
pub(super) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn ages_are_short() {
        for (seconds, text) in [
            (0, "0s"),
            (12, "12s"),
            (60, "1m"),
            (3_725, "1h 2m"),
            (90_000, "1d 1h"),
            (86_460, "1d"),
        ] {
            assert_eq!(age(seconds), text);
        }
    }
}
