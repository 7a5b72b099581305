//! The fixtures themselves: the test domain, its driver and SSSD beside it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use common::ldap::{self, Raw, message, outline, search_request};
use common::model;
use common::samba::{Object, Samba, Size};
use common::sssd::Sssd;
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
    let made = samba.perform(&json!({"do": "churn", "seed": 7, "count": 400}));
    assert!(made.as_object().unwrap().len() > 25, "{made}");
    assert!(made["refused"].as_u64().unwrap_or_default() < 40, "{made}");
    assert!(!model::expected(&samba.dump(), samba.domain_sid()).is_empty());

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

    // Five wrong passwords lock.
    let user = samba.user(8);
    for _ in 0..5 {
        assert_eq!(tools.bind_code(&user.dn, "wrong"), 49);
    }
    assert!(tools.bind(&user.dn, &user.password).1.contains("data 775"));

    samba.kill();
    assert_ne!(tools.bind_code(&user.dn, &user.password), 0);
    samba.start();
}

/// The model has no difference to itself and sees each kind of error.
#[test]
fn the_model_sees_differences() {
    let samba = Samba::shared();
    let dump = samba.dump();
    let expected = model::expected(&dump, samba.domain_sid());
    let mut found: Vec<_> = expected.values().cloned().collect();
    assert_eq!(model::differences(&expected, &found), [""; 0]);

    let group = found
        .iter()
        .position(|e| e.values("member").len() > 5)
        .unwrap();
    found[group].attributes.get_mut("member").unwrap().pop();
    let user = found
        .iter()
        .position(|e| !e.values("uid").is_empty())
        .unwrap();
    found[user]
        .attributes
        .insert("uidnumber".to_owned(), vec![b"1".to_vec()]);
    let lost = found
        .iter()
        .rposition(|e| !e.values("uid").is_empty())
        .unwrap();
    found.remove(lost);
    let differences = model::differences(&expected, &found);
    assert_eq!(differences.len(), 3, "{differences:?}");
}

/// A user's ways into groups, as AD's own token has them: the closure of the model is the same.
#[test]
fn nested_groups_are_those_of_the_token() {
    let samba = Samba::shared();
    let expected = model::expected(&samba.dump(), samba.domain_sid());
    for number in [3, 8, 12] {
        let account = samba.user(number);
        let entry = samba.perform(&json!({
            "do": "entry", "dn": account.dn, "attributes": ["tokenGroups", "sAMAccountName"],
        }));
        let token = Object::from_json(&entry);
        let uid = account.sam.to_lowercase();
        for group in expected
            .values()
            .filter(|e| e.texts("objectClass").contains(&"posixGroup".to_owned()))
        {
            let listed = group.texts("memberUid").contains(&uid);
            let in_token = token
                .values("tokenGroups")
                .contains(&group.values("objectSid")[0]);
            // Default primary groups are in every token and list nobody.
            let default =
                ["Domain Users"].contains(&group.text("sAMAccountName").unwrap().as_str());
            assert!(listed == in_token || default, "{uid} in {}", group.dn);
        }
    }
}

/// Raw bytes go out and whole messages come back.
#[test]
fn raw_messages_are_cut_out_of_the_stream() {
    let samba = Samba::shared();
    let address = format!("{}:389", samba.address()).parse().unwrap();
    let mut raw = Raw::connect(address);
    raw.send(&message(5, &search_request("", 0)));
    assert_eq!(outline(&raw.receive().unwrap()).1, 0x64);
    assert_eq!(outline(&raw.receive().unwrap()), (5, 0x65, Some(0)));
}

/// Values in Base64, long values and names with escapes are read as they are.
#[test]
fn ldapsearch_is_read_without_loss() {
    let samba = Samba::shared();
    let account = samba.account("svc-plain");
    let url = format!("ldaps://{}", samba.address());
    let tools =
        ldap::Tools::to(&url, samba.ca_file().as_ref()).bound(&account.dn, &account.password);
    for object in samba
        .dump()
        .iter()
        .filter(|o| o.text("sAMAccountName").is_some())
        .step_by(40)
    {
        let found = tools
            .read(&object.dn, &["objectGUID", "sAMAccountName", "cn"])
            .unwrap();
        assert!(
            model::same_dn(&found.dn, &object.dn),
            "{} {}",
            found.dn,
            object.dn
        );
        for name in ["objectGUID", "sAMAccountName", "cn"] {
            assert_eq!(found.values(name), object.values(name), "{}", object.dn);
        }
        let filter = format!(
            "(objectGUID={})",
            ldap::escaped(&object.values("objectGUID")[0])
        );
        assert_eq!(tools.search(samba.base(), &filter, &["1.1"]).len(), 1);
    }
}
