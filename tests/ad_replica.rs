//! A domain of usual size is replicated whole, and changes arrive within seconds.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::time::{Duration, Instant};

use common::ldap::{Session, Tools, escaped};
use common::samba::{Samba, Source};
use common::server::Adduct;
use common::{model, percentiles};
use serde_json::json;

/// The promise for a change in AD to be answered.
const VISIBLE: Duration = Duration::from_secs(5);

#[test]
fn a_domain_is_found_by_every_name_it_has() {
    let samba = Samba::shared();
    let server = replica(samba);
    let tools = reader(&server, samba);
    let expected = model::expected(&samba.dump(), samba.domain_sid());

    for (guid, wanted) in expected
        .iter()
        .filter(|(_, e)| e.text("uid").is_some())
        .take(40)
    {
        let sam = wanted.text("sAMAccountName").unwrap();
        for filter in [
            format!("(sAMAccountName={})", escaped(sam.as_bytes())),
            format!("(uid={})", escaped(wanted.text("uid").unwrap().as_bytes())),
            format!("(uidNumber={})", wanted.text("uidNumber").unwrap()),
            format!("(objectGUID={})", escaped(guid)),
            format!("(objectSid={})", escaped(&wanted.values("objectSid")[0])),
            format!(
                "(&(objectClass=posixAccount)(entryUUID={}))",
                wanted.text("entryUUID").unwrap()
            ),
        ] {
            let found = tools.search(samba.base(), &filter, &["objectGUID"]);
            assert_eq!(found.len(), 1, "{filter}");
            assert_eq!(&found[0].values("objectGUID")[0], guid, "{filter}");
        }
    }

    let team = format!("CN=Team 03,OU=Groups,{}", samba.base());
    let members = tools.read(&team, &["member"]).unwrap().texts("member");
    assert!(!members.is_empty());
    let filter = format!("(member={})", escaped(members[0].as_bytes()));
    let groups = tools.search(samba.base(), &filter, &["cn"]);
    assert!(
        groups.iter().any(|group| model::same_dn(&group.dn, &team)),
        "{filter}"
    );
}

#[test]
fn a_group_of_1600_comes_whole() {
    let samba = Samba::shared();
    let server = replica(samba);
    let dn = format!("CN=Everybody In,OU=Groups,{}", samba.base());
    let group = reader(&server, samba)
        .read(&dn, &["member", "memberUid"])
        .unwrap();
    assert_eq!(group.values("member").len(), 1600);
    assert_eq!(group.values("memberUid").len(), 1600);
    assert!(
        group.attributes.keys().all(|name| !name.contains("range")),
        "{:?}",
        group.dn
    );
}

#[test]
fn a_change_is_visible_within_five_seconds() {
    let samba = Samba::shared();
    let server = replica(samba);
    let account = samba.account("svc-plain");
    let name = format!("{}@corp.example.com", account.sam);
    let mut session = Session::open(&server, &name, &account.password);

    let mut times = Vec::new();
    for number in 200..230 {
        let user = samba.user(number);
        let value = format!("Seen {number}");
        samba.replace(&user.dn, "description", &[&value]);
        let begin = Instant::now();
        let filter = format!("(description={value})");
        while session.search(samba.base(), &filter, &["1.1"]).is_empty() {
            assert!(
                begin.elapsed() < VISIBLE,
                "{filter} not visible after {VISIBLE:?}"
            );
            std::thread::park_timeout(Duration::from_millis(2));
        }
        times.push(begin.elapsed());
    }
    common::report(&format!("change to answer: {}", percentiles(times)));
}

#[test]
fn a_disabled_user_is_out_at_once_and_let_in_again() {
    let samba = Samba::shared();
    let server = replica(samba);
    let tools = Tools::new(&server);
    let user = samba.user(260);
    assert_eq!(tools.bind_code(&user.dn, &user.password), 0);
    for (enabled, code) in [(false, 49), (true, 0)] {
        samba.perform(&json!({"do": "enable", "dn": user.dn, "enabled": enabled}));
        common::eventually("the new state", VISIBLE, || {
            (tools.bind_code(&user.dn, &user.password) == code).then_some(())
        });
    }
}

#[test]
fn sub_codes_are_those_of_ad() {
    let samba = Samba::shared();
    let server = replica(samba);
    let tools = Tools::new(&server);
    for (state, data) in [
        ("disabled", "533"),
        ("account-expired", "701"),
        ("must-change", "773"),
        ("password-expired", "532"),
        ("locked", "775"),
        ("no-logon-hours", "530"),
    ] {
        let user = samba
            .users()
            .into_iter()
            .find(|user| user.state == state)
            .unwrap();
        let (code, text) = tools.bind(&user.dn, &user.password);
        assert_eq!(code, 49, "{state}");
        assert!(text.contains(&format!("data {data}")), "{state}: {text}");
    }
}

fn replica(samba: &Samba) -> Adduct {
    let server = Adduct::start(|dir| samba.source(dir, &Source::default()));
    server.wait_until_synced();
    server
}

fn reader(server: &Adduct, samba: &Samba) -> Tools {
    let account = samba.account("svc-plain");
    Tools::new(server).bound("svc-plain@corp.example.com", &account.password)
}
