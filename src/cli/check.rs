//! `check`: reads the configuration and the files it names.

use std::{path::Path, process::ExitCode};

use serde::Serialize;

use super::{EXIT_USAGE, args::CheckArgs, output};
use crate::config::{Config, Finding};

pub(super) fn run(file: &Path, args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let (errors, warnings) = match Config::load(file) {
        Ok(config) => (Vec::new(), config.warnings),
        Err(errors) => (errors.0, Vec::new()),
    };
    if args.json {
        output::print_json(&rows(&errors, &warnings))?;
    } else {
        output::print(&report(file, &errors, &warnings))?;
    }
    Ok(if errors.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_USAGE)
    })
}

/// One finding as `--json` shows it.
#[derive(Serialize)]
struct Row<'a> {
    level: &'static str,
    file: String,
    line: Option<usize>,
    key: &'a str,
    problem: &'a str,
    allowed: Option<&'a str>,
    nearest: Option<&'a str>,
}

fn rows<'a>(errors: &'a [Finding], warnings: &'a [Finding]) -> Vec<Row<'a>> {
    let row = |level, finding: &'a Finding| Row {
        level,
        file: finding.file.display().to_string(),
        line: finding.line,
        key: &finding.key,
        problem: &finding.problem,
        allowed: finding.allowed.as_deref(),
        nearest: finding.nearest.as_deref(),
    };
    let errors = errors.iter().map(|finding| row("error", finding));
    let warnings = warnings.iter().map(|finding| row("warning", finding));
    errors.chain(warnings).collect()
}

fn report(file: &Path, errors: &[Finding], warnings: &[Finding]) -> String {
    let mut lines: Vec<String> = errors.iter().map(Finding::to_string).collect();
    lines.extend(warnings.iter().map(|warning| format!("warning: {warning}")));
    let sum = match errors.len() {
        0 => "no errors".to_owned(),
        1 => "1 error".to_owned(),
        number => format!("{number} errors"),
    };
    lines.push(format!("{}: {sum}", file.display()));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn a_report_has_every_finding_and_a_sum() {
        let file = Path::new("a.toml");
        let errors = Config::parse(file, "versoin = 1\nlisten = 5\n")
            .unwrap_err()
            .0;
        assert_eq!(
            report(file, &errors, &[]),
            "a.toml:1: versoin: unknown key; allowed: version, data_dir, listen, tls, directory, \
             access, auth, limits, source; did you mean \"version\"?\n\
             a.toml:2: listen: found integer 5; allowed: a table\n\
             a.toml: 2 errors"
        );
        let config = Config::parse(file, "[auth]\nlockout_reserve = 1\n").unwrap();
        assert_eq!(
            report(file, &[], &config.warnings),
            "warning: a.toml:2: auth.lockout_reserve: has no effect in this version\n\
             a.toml: no errors"
        );
        let rows = serde_json::to_value(rows(&errors, &[])).unwrap();
        assert_eq!(rows[0]["level"], "error");
        assert_eq!(rows[0]["line"], 1);
        assert_eq!(rows[0]["nearest"], "version");
    }
}
