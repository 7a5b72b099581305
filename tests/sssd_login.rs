//! A Linux host with SSSD: names, ids, groups and logins of AD users through the server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::time::Duration;

use common::model;
use common::samba::{Samba, Source};
use common::server::Adduct;
use common::sssd::Sssd;
use serde_json::json;

const VISIBLE: Duration = Duration::from_secs(5);

#[test]
fn a_host_sees_ad_users_and_lets_them_in() {
    let samba = Samba::shared();
    let (server, sssd) = host(samba);
    let expected = model::expected(&samba.dump(), samba.domain_sid());

    for number in [1, 2, 3, 5, 7, 12, 36] {
        let account = samba.user(number);
        let entry = expected
            .values()
            .find(|entry| entry.text("sAMAccountName").as_ref() == Some(&account.sam))
            .unwrap();
        let uid = entry.text("uid").unwrap();
        let line = sssd
            .getent("passwd", &uid)
            .unwrap_or_else(|| panic!("no user {uid}"));
        let fields: Vec<_> = line.split(':').collect();
        let of = |name: &str| entry.text(name).unwrap();
        assert_eq!(
            [fields[0], fields[2], fields[3], fields[5], fields[6]],
            [
                &uid,
                &of("uidNumber"),
                &of("gidNumber"),
                &of("homeDirectory"),
                &of("loginShell")
            ]
        );
        // By number it is the same one.
        assert_eq!(
            sssd.getent("passwd", fields[2]).as_deref(),
            Some(line.as_str())
        );
    }

    // A member of Team 08 is through it in Division 1, and with that in Linux-Users and Universal.
    let groups = sssd.groups("u0008");
    for name in ["Team 08", "Division 1", "Linux-Users", "Universal"] {
        assert!(
            groups.iter().any(|group| group.eq_ignore_ascii_case(name)),
            "{name}: {groups:?}"
        );
    }
    // No distribution list is a group of the host.
    assert!(
        groups.iter().all(|group| !group.starts_with("Newsletter")),
        "{groups:?}"
    );

    let user = samba.user(8);
    assert!(sssd.login("u0008", &user.password));
    assert!(!sssd.login("u0008", "wrong"));
    assert!(!sssd.login("u0004", &samba.user(4).password), "disabled");
    assert!(!sssd.login("u0014", &samba.user(14).password), "expired");
    assert!(!sssd.login("nobody-of-this-name", "wrong"));

    // Disabled in AD: out, on this host, within seconds.
    samba.perform(&json!({"do": "enable", "dn": user.dn, "enabled": false}));
    common::eventually("the disabled user is refused", VISIBLE, || {
        (!sssd.login("u0008", &user.password)).then_some(())
    });
    samba.perform(&json!({"do": "enable", "dn": user.dn, "enabled": true}));
    common::eventually("the enabled user is let in", VISIBLE, || {
        sssd.login("u0008", &user.password).then_some(())
    });

    drop(server);
}

/// A server that follows the domain and a host that asks it.
fn host(samba: &Samba) -> (Adduct, Sssd) {
    let server = Adduct::start(|dir| samba.source(dir, &Source::default()));
    server.wait_until_synced();
    let account = samba.account("svc-plain");
    // SSSD binds once more while every controller is down: by then this account has been let in.
    let bind = (account.dn.as_str(), account.password.as_str());
    let ca_file = server.site().ca_file();
    let domain = Sssd::rfc2307bis(&server.ldaps_url(), &ca_file, samba.base(), bind);
    let sssd = Sssd::start(&domain, "u0001");
    (server, sssd)
}
