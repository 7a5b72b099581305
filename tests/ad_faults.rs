//! What goes wrong between the server and AD is named, survived, and over when its cause is.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::time::Duration;

use common::ldap::{Session, Tools};
use common::samba::{Samba, Size, Source};
use common::server::Adduct;
use serde_json::{Value, json};

/// Retries are spaced out, so recovery takes longer than a round.
const RECOVERED: Duration = Duration::from_secs(60);

#[test]
fn a_wrong_authority_is_named_and_can_be_corrected() {
    let samba = Samba::provision(Size::SMALL);
    let server = Adduct::start(|dir| {
        std::fs::copy(dir.join("ca.crt"), dir.join("corp-ca.pem")).unwrap();
        let source = samba.source(dir, &Source::default());
        source.replace(samba.ca_file(), "corp-ca.pem")
    });
    expect_failure(&server, &["certificate", "ca_file"]);
    expect_busy(&server, samba.base());

    std::fs::copy(samba.ca_file(), server.site().path("corp-ca.pem")).unwrap();
    expect_recovery(&server);
}

#[test]
fn a_wrong_password_is_named_and_can_be_corrected() {
    let samba = Samba::provision(Size::SMALL);
    let server = Adduct::start(|dir| {
        let source = samba.source(dir, &Source::default());
        std::fs::write(dir.join("corp.password"), "not the password").unwrap();
        source
    });
    expect_failure(&server, &["svc-adduct", "password"]);

    let password = samba.account("svc-adduct").password;
    std::fs::write(server.site().path("corp.password"), &password).unwrap();
    expect_recovery(&server);
    let (_, metrics) = server.http("/metrics");
    assert!(!metrics.contains(&password));
}

#[test]
fn retries_with_a_wrong_password_do_not_lock_the_account() {
    let samba = Samba::provision(Size::SMALL);
    let server = Adduct::start(|dir| {
        let source = samba.source(
            dir,
            &Source {
                more: "poll = \"100ms\"\n",
                ..Source::default()
            },
        );
        std::fs::write(dir.join("corp.password"), "not the password").unwrap();
        source
    });
    expect_failure(&server, &["svc-adduct"]);
    for _ in 0..10 {
        // Each asks for a round, as an impatient administrator does.
        server.site().run(&["sync", "now"]);
    }
    let dn = samba.account("svc-adduct").dn;
    let entry = samba.perform(&json!({"do": "entry", "dn": dn, "attributes": ["lockoutTime"]}));
    assert_eq!(
        entry["attributes"].get("lockoutTime"),
        None,
        "the account is locked"
    );
}

#[test]
fn an_unreachable_controller_is_waited_for() {
    let samba = Samba::provision(Size::SMALL);
    samba.kill();
    let server = Adduct::start(|dir| samba.source(dir, &Source::default()));
    expect_failure(&server, &[samba.address()]);
    expect_busy(&server, samba.base());
    samba.start();
    expect_recovery(&server);

    // With data, an outage is no reason not to answer. A password can be neither right nor wrong.
    let tools = Tools::new(&server);
    let user = samba.user(8);
    let mut session = Session::open(&server, &user.dn, &user.password);
    samba.kill();
    let found = session.search(samba.base(), "(sAMAccountName=u0008)", &["uid"]);
    assert_eq!(found.len(), 1);
    let unavailable = 52;
    assert_eq!(tools.bind_code(&user.dn, &user.password), unavailable);
    assert_eq!(tools.bind_code(&user.dn, "wrong"), unavailable);
    samba.start();
    common::eventually("the user can bind again", RECOVERED, || {
        (tools.bind_code(&user.dn, &user.password) == 0).then_some(())
    });
}

#[test]
fn a_missing_replication_right_is_named_and_can_be_granted() {
    let samba = Samba::provision(Size::SMALL);
    let restrict = |allowed| json!({"do": "restrict", "account": "svc-adduct", "right": "get-changes", "allowed": allowed});
    samba.perform(&restrict(false));
    let more = "method = \"dirsync\"\n";
    let server = Adduct::start(|dir| {
        samba.source(
            dir,
            &Source {
                more,
                ..Source::default()
            },
        )
    });
    expect_failure(&server, &["Get-Changes"]);
    samba.perform(&restrict(true));
    expect_recovery(&server);
}

#[test]
fn deletions_that_cannot_be_seen_are_reported() {
    let samba = Samba::provision(Size::SMALL);
    let source = Source {
        account: "svc-blind",
        ..Source::default()
    };
    let mut server = Adduct::start(|dir| samba.source(dir, &source));
    server.wait_for_log("word about Deleted Objects", RECOVERED, |line| {
        line.to_string().contains("Deleted Objects").then_some(())
    });

    // Whether it waits for the right or compares everything: a deleted user must not stay.
    samba.perform(&json!({
        "do": "restrict", "account": "svc-blind", "right": "deleted-objects", "allowed": true,
    }));
    expect_recovery(&server);
    let user = samba.user(8);
    samba.perform(&json!({"do": "delete", "dn": user.dn}));
    let account = samba.account("svc-plain");
    let tools = Tools::new(&server).bound(&account.dn, &account.password);
    common::eventually("the deleted user is gone", RECOVERED, || {
        tools.read(&user.dn, &["1.1"]).is_none().then_some(())
    });
}

/// The process runs, is not ready, and says in status and `/readyz` why.
fn expect_failure(server: &Adduct, words: &[&str]) {
    let mut last = Value::Null;
    common::eventually(&format!("an error that says {words:?}"), RECOVERED, || {
        let status = server.source_status();
        let error = status["error"].as_str().unwrap_or_default().to_owned();
        if status != last {
            eprintln!("status: {status}");
            last = status;
        }
        words.iter().all(|word| error.contains(word)).then_some(())
    });
    assert_eq!(server.http("/healthz").0, 200);
    let (status, reason) = server.http("/readyz");
    assert_eq!(status, 503);
    assert!(reason.contains("corp"), "{reason}");
}

/// Before the first sync an answer would be an empty success.
fn expect_busy(server: &Adduct, base: &str) {
    let tools = Tools::new(server);
    let output = tools.run("ldapsearch", &["-LLL", "-b", base, "(objectClass=*)"]);
    assert_eq!(
        output.status.code(),
        Some(51),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(tools.read("", &["supportedLDAPVersion"]).is_some());
}

/// The cause is gone; SIGHUP has the files read anew, and nobody restarts anything.
fn expect_recovery(server: &Adduct) {
    server.signal("HUP");
    common::eventually("the source is current", RECOVERED, || {
        (server.http("/readyz").0 == 200).then_some(())
    });
    let status = server.source_status();
    assert_eq!(status["state"], "current", "{status}");
    assert_eq!(status["error"], Value::Null, "{status}");
}
