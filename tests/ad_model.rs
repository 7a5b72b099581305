//! Hundreds of random changes of every kind: what is served is what the model computes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::time::{Duration, Instant};

use common::ldap::Tools;
use common::model;
use common::samba::{Samba, Size, Source};
use common::server::Adduct;
use serde_json::json;

const ROUNDS: u64 = 10;
const CHANGES: u64 = 60;
/// A round of changes must be there within the promise for one change.
const SETTLED: Duration = Duration::from_secs(8);

#[test]
fn random_changes_leave_no_difference() {
    let samba = Samba::provision(Size::SMALL);
    // The brake would hold what the dice delete.
    let brake =
        "[source.brake]\nmax_deletes = 10000\nmax_percent = 100\nmax_member_percent = 100\n";
    let source = Source {
        more: brake,
        ..Source::default()
    };
    let server = Adduct::start(|dir| samba.source(dir, &source));
    server.wait_until_synced();
    expect_no_difference(&server, &samba, "after the first sync");

    for seed in 1..=ROUNDS {
        let made = samba.perform(&json!({"do": "churn", "seed": seed, "count": CHANGES}));
        expect_no_difference(&server, &samba, &format!("after round {seed}: {made}"));
    }

    let server = server.restart();
    server.wait_until_synced();
    expect_no_difference(&server, &samba, "after a restart");

    let output = server.site().run(&["sync", "resync"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    expect_no_difference(&server, &samba, "after a full comparison");
}

fn expect_no_difference(server: &Adduct, samba: &Samba, when: &str) {
    let expected = model::expected(&samba.dump(), samba.domain_sid());
    let account = samba.account("svc-plain");
    let tools = Tools::new(server).bound("svc-plain@corp.example.com", &account.password);
    let begin = Instant::now();
    loop {
        let found = tools.search(samba.base(), "(objectClass=*)", &["*", "+"]);
        let differences = model::differences(&expected, &found);
        if differences.is_empty() {
            common::report(&format!("{} entries equal {when}", found.len()));
            return;
        }
        assert!(
            begin.elapsed() < SETTLED,
            "{} differences {when}:\n{}",
            differences.len(),
            differences[..differences.len().min(30)].join("\n")
        );
        std::thread::park_timeout(Duration::from_millis(100));
    }
}
