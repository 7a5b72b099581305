//! What monitoring reads: health, readiness, metrics and status.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use common::sample;
use common::server::Site;
use serde_json::Value;

#[test]
fn a_server_without_sources_is_healthy_and_ready() {
    let server = sample::server("");
    assert_eq!(server.http("/healthz").0, 200);
    assert_eq!(server.http("/readyz").0, 200);
    assert_eq!(server.http("/nothing").0, 404);
}

#[test]
fn a_source_without_a_first_sync_is_not_ready_and_says_why() {
    let server = Site::new(|dir| {
        std::fs::copy(dir.join("ca.crt"), dir.join("corp-ca.pem")).unwrap();
        std::fs::write(dir.join("corp.password"), "secret-of-the-source").unwrap();
        // Nobody listens on port 1.
        "[[source]]\nname = \"corp\"\ndomain = \"corp.example.com\"\n\
         servers = [\"ldaps://dc1.corp.example.com:1@127.0.0.1\"]\nca_file = \"corp-ca.pem\"\n\
         account = \"svc@corp.example.com\"\npassword_file = \"corp.password\"\n"
            .to_owned()
    })
    .start();
    assert_eq!(server.http("/healthz").0, 200);
    let (status, reason) = server.http("/readyz");
    assert_eq!(status, 503);
    assert!(reason.contains("corp"), "{reason}");
    let source = server.source_status();
    assert_eq!(source["source"], "corp");
    assert!(
        ["first-sync", "failing"].contains(&source["state"].as_str().unwrap()),
        "{source}"
    );
    assert_eq!(source["last_success"], Value::Null);
    assert_eq!(source["held"], Value::Null);
}

#[test]
fn metrics_count_operations() {
    let server = sample::server("");
    sample::alice(&server).search(sample::BASE, "(uid=alice)", &["cn"]);
    let (status, text) = server.http("/metrics");
    assert_eq!(status, 200);
    let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(
        samples.iter().any(|line| line.starts_with("adduct_")),
        "{text}"
    );
    for line in samples.iter().filter(|line| !line.is_empty()) {
        let value = line.rsplit(' ').next().unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    assert!(text.to_lowercase().contains("search"), "{text}");
    assert!(!text.contains("alice"), "no names in metrics");
}

#[test]
fn status_reaches_the_running_server() {
    let server = sample::server("");
    let text = server.site().run_ok(&["status", "--json"]);
    assert!(
        serde_json::from_str::<Value>(&text).unwrap().is_object(),
        "{text}"
    );
    assert!(!server.site().run_ok(&["status"]).is_empty());
    let socket = server.site().path("data/admin.sock");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(socket).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}
