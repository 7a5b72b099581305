//! The fixtures themselves: the test domain, its driver and SSSD beside it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use common::samba::{Samba, Size};
use common::sssd::Sssd;
use common::{ldap, model};
use serde_json::json;

/// Ids of users on a host that gets them from AD itself are those the model computes.
#[test]
fn sssd_maps_ids_as_the_model_does() {
    let samba = Samba::shared();
    let account = samba.account("svc-plain");
    let url = format!("ldaps://{}", samba.address());
    let bind = (account.dn.as_str(), account.password.as_str());
    let domain = Sssd::id_mapping(&url, samba.ca_file().as_ref(), samba.base(), bind);
    let user = samba.user(8);
    let sssd = Sssd::start(&domain, &user.sam);

    let expected = model::expected(&samba.dump(), samba.domain_sid());
    for number in [3, 5, 7, 8, 12, 36] {
        let account = samba.user(number);
        let line = sssd.getent("passwd", &account.sam).expect(&account.sam);
        let fields: Vec<_> = line.split(':').collect();
        let entry = expected
            .values()
            .find(|entry| entry.text("sAMAccountName").as_ref() == Some(&account.sam))
            .unwrap();
        // SSSD shows AD's names in lower case.
        assert_eq!(fields[0], entry.text("uid").unwrap());
        // User 12 has a uidNumber of his own, which this SSSD does not look at.
        if number != 12 {
            assert_eq!(fields[2], entry.text("uidNumber").unwrap(), "{line}");
        }
        assert_eq!(fields[3], entry.text("gidNumber").unwrap(), "{line}");
    }
    assert!(sssd.login(&user.sam, &user.password));
    assert!(!sssd.login(&user.sam, "wrong"));
}

/// Every kind of change can be made, and the accounts differ in their rights.
#[test]
fn the_domain_can_be_changed() {
    let samba = Samba::provision(Size::SMALL);
    let made = samba.perform(&json!({"do": "churn", "seed": 7, "count": 200}));
    assert!(made.as_object().unwrap().len() > 25, "{made}");

    let url = format!("ldaps://{}", samba.address());
    let tools = ldap::Tools::to(&url, samba.ca_file().as_ref());
    let dirsync = ["-E", "!1.2.840.113556.1.4.841=::MAgCAQACAQAEAA=="];
    for (name, code, deleted) in [
        ("svc-adduct", Some(0), true),
        ("svc-blind", Some(0), false),
        ("svc-plain", Some(50), false),
    ] {
        let account = samba.account(name);
        let bound = tools.bound(&account.dn, &account.password);
        let mut arguments = vec!["-LLL", "-b", samba.base()];
        arguments.extend(dirsync);
        arguments.extend(["(isDeleted=TRUE)", "name"]);
        let output = bound.run("ldapsearch", &arguments);
        assert_eq!(output.status.code(), code, "{name}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.contains("0ADEL"), deleted, "{name}: {text}");
    }

    samba.kill();
    let user = samba.user(8);
    assert_ne!(tools.bind_code(&user.dn, &user.password), 0);
    samba.start();
}
