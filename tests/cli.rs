//! The program as scripts meet it: what is printed where, and the exit status.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

fn adduct(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_adduct"));
    command
        .args(arguments)
        .current_dir(directory)
        .env_remove("RUST_LOG")
        .env_remove("CREDENTIALS_DIRECTORY");
    command
}

fn run(directory: &Path, arguments: &[&str]) -> Output {
    adduct(directory, arguments)
        .output()
        .expect("the program runs")
}

fn text(octets: &[u8]) -> &str {
    std::str::from_utf8(octets).expect("output is UTF-8")
}

#[test]
fn check_prints_every_error_to_stdout_and_ends_with_2() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("adduct.toml");
    fs::write(&file, "versoin = 1\n[limits]\ntime_limit = 60\n").unwrap();
    let output = run(directory.path(), &["check"]);
    assert_eq!(output.status.code(), Some(2));
    let lines: Vec<&str> = text(&output.stdout).lines().collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].starts_with("adduct.toml:1: versoin: unknown key; "));
    assert!(lines[0].ends_with("did you mean \"version\"?"));
    assert!(lines[1].starts_with("adduct.toml:3: limits.time_limit: found integer 60; "));
    assert_eq!(lines[2], "adduct.toml: 2 errors");

    let output = run(directory.path(), &["check", "--json"]);
    assert_eq!(output.status.code(), Some(2));
    let findings: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(findings[1]["key"], "limits.time_limit");

    fs::write(&file, "version = 1\n").unwrap();
    let output = run(directory.path(), &["check"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), "adduct.toml: no errors\n");
}

#[test]
fn other_commands_print_errors_of_the_configuration_to_stderr() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a.toml"), "listen = 5\n").unwrap();
    let output = run(directory.path(), &["--config", "a.toml", "serve"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        text(&output.stderr),
        "a.toml:1: listen: found integer 5; allowed: a table\n"
    );
    assert!(output.stdout.is_empty());
}

#[test]
fn asking_without_a_server_ends_with_3() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("adduct.toml"), "version = 1\n").unwrap();
    for command in [
        &["status", "--json"][..],
        &["sync", "status"],
        &["sync", "now", "corp"],
    ] {
        let output = run(directory.path(), command);
        assert_eq!(output.status.code(), Some(3), "{command:?}");
        assert_eq!(
            text(&output.stderr),
            "adduct: no server runs here: nobody answers at data/admin.sock\n"
        );
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in [&[][..], &["bogus"], &["sync"], &["--config", "x", "check"]] {
        let output = run(directory.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_password_may_be_a_systemd_credential() {
    let directory = tempfile::tempdir().unwrap();
    let text = "[[source]]\nname = \"corp\"\ndomain = \"corp.example.com\"\naccount = \"svc\"\n";
    fs::write(directory.path().join("adduct.toml"), text).unwrap();
    assert_eq!(
        run(directory.path(), &["check"]).status.code(),
        Some(2),
        "there is no password"
    );
    let credentials = directory.path().join("credentials");
    fs::create_dir(&credentials).unwrap();
    fs::write(credentials.join("corp.password"), "secret\n").unwrap();
    let output = adduct(directory.path(), &["check"])
        .env("CREDENTIALS_DIRECTORY", &credentials)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
}
