//! Commands, their exit codes, and what they say about a wrong configuration.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::process::Command;

use common::server::Site;

fn adduct(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_adduct"))
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn help_and_version_succeed_and_wrong_usage_is_2() {
    let (code, help, _) = adduct(&["--help"]);
    assert_eq!(code, Some(0));
    for command in [
        "demo", "check", "serve", "import", "export", "status", "sync",
    ] {
        assert!(help.contains(command), "{command}");
    }
    let (code, version, _) = adduct(&["--version"]);
    assert_eq!(
        (code, version.trim()),
        (Some(0), concat!("adduct ", env!("CARGO_PKG_VERSION")))
    );
    assert_eq!(adduct(&["nonsense"]).0, Some(2));
    assert_eq!(adduct(&["serve", "--nonsense"]).0, Some(2));
    assert_eq!(
        adduct(&["--config", "/nonexistent/adduct.toml", "check"]).0,
        Some(2)
    );
}

#[test]
fn a_right_configuration_passes() {
    let site = Site::new(|_| String::new());
    let output = site.run(&["check"]);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn check_prints_every_error_with_its_place_and_the_nearest_key() {
    let site = Site::new(|_| String::new());
    let file = site.path("adduct.toml");
    let text = "version = 1\ndata_dir = \"data\"\n\n[listen]\nldap = [\"127.0.0.1:0\"]\n\n\
                [limits]\nidle_timout = \"15m\"\ntime_limit = \"sixty\"\n\n\
                [access]\nanonymous = \"everything\"\n";
    std::fs::write(&file, text).unwrap();
    let output = site.run(&["check"]);
    assert_eq!(output.status.code(), Some(2));
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    for (line, words) in [
        (8, ["idle_timout", "idle_timeout"]),
        (9, ["time_limit", "sixty"]),
        (12, ["anonymous", "rootdse"]),
    ] {
        let place = format!("adduct.toml:{line}:");
        let error = said.lines().find(|text| text.contains(&place));
        let error = error.unwrap_or_else(|| panic!("nothing about {place}\n{said}"));
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
    // A configuration that does not pass is not served either.
    assert_eq!(site.run(&["serve"]).status.code(), Some(2));
}

#[test]
fn files_that_are_missing_are_errors() {
    let site = Site::new(|_| String::new());
    std::fs::remove_file(site.path("server.key")).unwrap();
    let output = site.run(&["check"]);
    assert_eq!(output.status.code(), Some(2));
    let said = [output.stdout, output.stderr].concat();
    assert!(String::from_utf8(said).unwrap().contains("server.key"));
}

#[test]
fn a_server_that_does_not_run_cannot_be_reached() {
    let site = Site::new(|_| String::new());
    for arguments in [&["status"][..], &["sync", "status"], &["sync", "now"]] {
        assert_eq!(site.run(arguments).status.code(), Some(3), "{arguments:?}");
    }
}

#[test]
fn two_servers_do_not_share_a_store() {
    let server = Site::new(|_| String::new()).start();
    let output = server.site().run(&["serve"]);
    assert_eq!(
        output.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
