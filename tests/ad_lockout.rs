//! What comes through the server cannot lock an account in AD.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use common::ldap::Tools;
use common::samba::{Account, Object, Samba, Size, Source};
use common::server::Adduct;
use serde_json::json;

/// Wrong passwords after which the domain locks; see `tests/ad/populate.py`.
const THRESHOLD: u32 = 5;
/// The server's default reserve below it.
const RESERVE: u32 = 2;

#[test]
fn many_wrong_passwords_stop_short_of_the_lockout() {
    let samba = Samba::provision(Size::SMALL);
    let server = replica(&samba);
    let tools = Tools::new(&server);
    let user = samba.user(8);
    let mut last = String::new();
    for number in 0..2 * THRESHOLD {
        let (code, text) = tools.bind(&user.dn, &format!("Wrong-{number}"));
        assert_eq!(code, 49);
        last = text;
    }
    assert!(
        last.contains("data 775"),
        "a throttled name gets the answer of a locked one: {last}"
    );
    let (count, locked) = state(&samba, &user);
    assert!(!locked, "locked after {count}");
    assert!(
        count <= THRESHOLD - RESERVE,
        "{count} wrong passwords reached AD"
    );
}

#[test]
fn the_same_wrong_password_counts_once() {
    let samba = Samba::provision(Size::SMALL);
    let server = replica(&samba);
    let tools = Tools::new(&server);
    let user = samba.user(8);
    for _ in 0..4 * THRESHOLD {
        assert_eq!(tools.bind_code(&user.dn, "A-stale-password"), 49);
    }
    assert_eq!(state(&samba, &user), (1, false));
    // Nobody is kept out by the mistake of an application.
    assert_eq!(tools.bind_code(&user.dn, &user.password), 0);

    // The remembered password may become the right one.
    samba.perform(&json!({"do": "set_password", "dn": user.dn, "password": "A-stale-password"}));
    common::eventually(
        "the new password",
        std::time::Duration::from_secs(5),
        || (tools.bind_code(&user.dn, "A-stale-password") == 0).then_some(()),
    );
}

#[test]
fn wrong_passwords_tried_elsewhere_count() {
    let samba = Samba::provision(Size::SMALL);
    let server = replica(&samba);
    let user = samba.user(8);
    let url = format!("ldaps://{}", samba.address());
    let controller = Tools::to(&url, samba.ca_file().as_ref());
    for number in 0..2 {
        assert_eq!(
            controller.bind_code(&user.dn, &format!("Elsewhere-{number}")),
            49
        );
    }
    for number in 0..2 * THRESHOLD {
        assert_eq!(
            Tools::new(&server).bind_code(&user.dn, &format!("Wrong-{number}")),
            49
        );
    }
    assert!(!state(&samba, &user).1, "locked");
}

/// badPwdCount, and whether AD has locked the account.
fn state(samba: &Samba, user: &Account) -> (u32, bool) {
    let attributes = ["badPwdCount", "lockoutTime"];
    let entry = samba.perform(&json!({"do": "entry", "dn": user.dn, "attributes": attributes}));
    let entry = Object::from_json(&entry);
    let count = entry
        .text("badPwdCount")
        .map_or(0, |text| text.parse().unwrap());
    (
        count,
        entry.text("lockoutTime").is_some_and(|time| time != "0"),
    )
}

fn replica(samba: &Samba) -> Adduct {
    let server = Adduct::start(|dir| samba.source(dir, &Source::default()));
    server.wait_until_synced();
    server
}
