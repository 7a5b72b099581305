//! Updates of a directory in memory, beside entries from AD.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod random;

use std::path::PathBuf;

use super::*;
use crate::{
    directory::{
        Directory, WriteError,
        tests::build::{Fixture, With, attribute, domain, group, id, local, local_top, ou, user},
    },
    dn::{Dn, Rdn},
    entry::Attribute,
    proto::request::ChangeOperation,
};

const ANN: &str = "CN=ann,DC=corp,DC=example,DC=com";

fn world() -> Fixture {
    Fixture::new([
        domain(1),
        user(11, 1, "ann"),
        ou(12, 1, "staff"),
        user(13, 12, "bob"),
        local_top(50),
        local(51, Some(50), "ou=people", "organizationalUnit"),
        local(52, Some(51), "cn=carl", "person").with("sn", &["carl"]),
        local(53, Some(51), "cn=team", "groupOfNames").linked("member", &[11, 52]),
    ])
}

fn write<T>(
    directory: &Directory,
    change: impl FnOnce(&mut Update<'_, '_>) -> Result<T, LdapResult>,
) -> Result<T, LdapResult> {
    let stamp = Stamp::now("cn=admin");
    directory
        .write(|transaction| {
            change(&mut Update {
                transaction,
                stamp: &stamp,
                manage_dsa_it: false,
                naming_contexts: &[],
            })
        })
        .map_err(|error| match error {
            WriteError::Refused(result) => result,
            WriteError::Directory(error) => failed(&error),
        })
}

fn entry_of(update: &Update<'_, '_>, dn: &str) -> Result<crate::directory::EntryId, LdapResult> {
    find(
        update.transaction.snapshot(),
        &Dn::parse(dn).unwrap(),
        false,
    )
}

fn add(fixture: &Fixture, dn: &str, attributes: &[(&str, &[&str])]) -> Result<Uuid, LdapResult> {
    let attributes = attributes
        .iter()
        .map(|(description, values)| attribute(description, values))
        .collect();
    let dn = Dn::parse(dn).unwrap();
    write(&fixture.directory, |update| update.add(&dn, attributes))
}

fn add_person(fixture: &Fixture, dn: &str) -> Result<Uuid, LdapResult> {
    add(fixture, dn, &[("objectClass", &["person"]), ("sn", &["x"])])
}

fn modify(
    fixture: &Fixture,
    dn: &str,
    operation: ChangeOperation,
    description: &str,
    values: &[&str],
) -> u32 {
    let attribute = attribute(description, values);
    let changes = vec![Change {
        operation,
        attribute,
    }];
    modify_all(fixture, dn, changes)
}

fn modify_all(fixture: &Fixture, dn: &str, changes: Vec<Change>) -> u32 {
    code(write(&fixture.directory, |update| {
        let id = entry_of(update, dn)?;
        update.modify(id, changes)
    }))
}

fn delete(fixture: &Fixture, dn: &str, tree: bool) -> u32 {
    code(write(&fixture.directory, |update| {
        let id = entry_of(update, dn)?;
        update.delete(id, tree)
    }))
}

fn rename(fixture: &Fixture, dn: &str, rdn: &str, superior: Option<&str>) -> u32 {
    let rename = Rename {
        rdn: Rdn::parse(rdn).unwrap(),
        delete_old: true,
        superior: superior.map(|dn| Dn::parse(dn).unwrap()),
    };
    code(write(&fixture.directory, |update| {
        let id = entry_of(update, dn)?;
        update.rename(id, &rename)
    }))
}

fn code<T>(result: Result<T, LdapResult>) -> u32 {
    result.map_or_else(|refusal| refusal.code.0, |_| 0)
}

const CARL: &str = "cn=carl,ou=people,dc=example,dc=com";

#[test]
fn entries_from_ad_are_changed_there() {
    let fixture = world();
    assert_eq!(
        modify(&fixture, ANN, ChangeOperation::Replace, "sn", &["x"]),
        53
    );
    assert_eq!(modify_all(&fixture, ANN, Vec::new()), 53);
    assert_eq!(delete(&fixture, ANN, false), 53);
    assert_eq!(delete(&fixture, ANN, true), 53);
    assert_eq!(rename(&fixture, ANN, "cn=x", None), 53);
    assert_eq!(
        rename(&fixture, CARL, "cn=carl", Some("DC=corp,DC=example,DC=com")),
        53
    );
    let refusal = write(&fixture.directory, |update| {
        let id = entry_of(update, ANN)?;
        update.delete(id, false)
    });
    let text = refusal.unwrap_err().diagnostic;
    assert!(text.contains("Active Directory (source corp)"), "{text}");
}

#[test]
fn local_entries_may_lie_below_containers_of_ad() {
    let fixture = world();
    assert_eq!(code(add_person(&fixture, &format!("cn=x,{ANN}"))), 53);
    let dn = "cn=x,OU=staff,DC=corp,DC=example,DC=com";
    add_person(&fixture, dn).unwrap();
    assert_eq!(
        modify(&fixture, dn, ChangeOperation::Replace, "sn", &["y"]),
        0
    );
    assert_eq!(rename(&fixture, dn, "cn=y", None), 0);
    assert_eq!(
        delete(&fixture, "cn=y,OU=staff,DC=corp,DC=example,DC=com", false),
        0
    );
}

#[test]
fn a_name_above_the_domain_is_not_deleted() {
    let fixture = world();
    assert_eq!(delete(&fixture, "ou=people,dc=example,dc=com", true), 0);
    // DC=corp,DC=example,DC=com is another naming context with its name below.
    assert_eq!(delete(&fixture, "dc=example,dc=com", false), 66);
    assert_eq!(delete(&fixture, "dc=example,dc=com", true), 66);
}

#[test]
fn a_deleted_member_leaves_every_local_group_and_those_are_stamped() {
    let fixture = world();
    assert_eq!(delete(&fixture, CARL, false), 0);
    let team = fixture.stored(53);
    assert_eq!(
        team.link("member")
            .unwrap()
            .iter()
            .copied()
            .collect::<Vec<_>>(),
        [id(11)]
    );
    assert_eq!(team.first_str("modifiersName"), Some("cn=admin"));
}

#[test]
fn a_failed_commit_is_told_and_changes_nothing() {
    let fixture = world();
    let before = fixture.now();
    fixture.store.fail_next_commit();
    assert_eq!(
        modify(&fixture, CARL, ChangeOperation::Replace, "sn", &["x"]),
        80
    );
    assert!(std::sync::Arc::ptr_eq(&before, &fixture.now()));
    assert_eq!(
        modify(&fixture, CARL, ChangeOperation::Replace, "sn", &["x"]),
        0
    );
    assert_eq!(fixture.values(52, "sn"), ["x"]);
}

#[test]
fn what_was_wrong_before_does_not_stand_in_the_way() {
    let fixture = world();
    // An import may bring what an update does not let in.
    fixture.put([
        local(60, Some(51), "cn=odd", "person"),
        local(61, Some(51), "cn=lax", "person")
            .with("SN", &["a"])
            .with("mail", &["m"]),
    ]);
    let odd = "cn=odd,ou=people,dc=example,dc=com";
    let lax = "cn=lax,ou=people,dc=example,dc=com";
    assert_eq!(
        modify(
            &fixture,
            odd,
            ChangeOperation::Replace,
            "description",
            &["x"]
        ),
        0
    );
    assert_eq!(
        modify(
            &fixture,
            lax,
            ChangeOperation::Replace,
            "description",
            &["x"]
        ),
        0
    );
    assert_eq!(rename(&fixture, lax, "cn=laxer", None), 0);
    let laxer = "cn=laxer,ou=people,dc=example,dc=com";
    assert_eq!(
        modify(&fixture, laxer, ChangeOperation::Delete, "sn", &[]),
        65
    );
    assert_eq!(
        modify(&fixture, laxer, ChangeOperation::Add, "o", &["x"]),
        65
    );
    assert_eq!(
        modify(&fixture, laxer, ChangeOperation::Add, "sn", &["A"]),
        20
    );
}

#[test]
fn an_obsolete_class_is_not_given_to_an_entry() {
    let definitions = "objectclass ( 1.3.6.1.4.1.99999.1 NAME 'oldThing' OBSOLETE SUP top \
                       STRUCTURAL MUST cn )";
    let file = (PathBuf::from("old.schema"), definitions.to_owned());
    let schema = Schema::with_files(&[file]).unwrap();
    let attributes = [
        attribute("objectClass", &["oldThing"]),
        attribute("cn", &["x"]),
    ];
    let rdn = Rdn::parse("cn=x").unwrap();
    assert_eq!(
        check::problems(&schema, &rdn, &attributes, &[]),
        [check::Problem::ObsoleteClass("oldThing".to_owned())]
    );
}

#[test]
fn extensible_objects_take_every_attribute() {
    let fixture = world();
    let dn = "cn=x,ou=people,dc=example,dc=com";
    let classes: &[&str] = &["person", "extensibleObject"];
    let more: &[(&str, &[&str])] = &[
        ("objectClass", classes),
        ("sn", &["x"]),
        ("mail", &["x"]),
        ("uidNumber", &["1"]),
    ];
    add(&fixture, dn, more).unwrap();
    assert_eq!(
        modify(
            &fixture,
            dn,
            ChangeOperation::Delete,
            "objectClass",
            &["extensibleObject"]
        ),
        65
    );
}

#[test]
fn an_update_that_changes_nothing_makes_no_version() {
    let fixture = world();
    let before = fixture.now();
    assert_eq!(modify_all(&fixture, CARL, Vec::new()), 0);
    assert_eq!(
        modify(&fixture, CARL, ChangeOperation::Delete, "mail", &[]),
        16
    );
    assert!(std::sync::Arc::ptr_eq(&before, &fixture.now()));
}

#[test]
fn links_are_written_as_text_where_they_name_nothing() {
    let fixture = world();
    let nobody = "cn=nobody,dc=example,dc=com";
    let team = "cn=team,ou=people,dc=example,dc=com";
    assert_eq!(
        modify(
            &fixture,
            team,
            ChangeOperation::Replace,
            "member",
            &[nobody, ANN]
        ),
        0
    );
    assert_eq!(fixture.values(53, "member"), [ANN, nobody]);
    assert_eq!(
        modify(
            &fixture,
            team,
            ChangeOperation::Add,
            "member",
            &["CN=Nobody,dc=example,dc=com"]
        ),
        20
    );
    assert_eq!(
        modify(
            &fixture,
            team,
            ChangeOperation::Delete,
            "member",
            &["CN=Nobody, dc=example,dc=com"]
        ),
        0
    );
    assert_eq!(
        modify(&fixture, team, ChangeOperation::Delete, "member", &[ANN]),
        65
    );
    // An empty name is a member like others: the usual stand-in of an empty group.
    assert_eq!(
        modify(&fixture, team, ChangeOperation::Replace, "member", &[""]),
        0
    );
    assert_eq!(fixture.stored(53).first("member"), Some(b"".as_slice()));
}

#[test]
fn groups_of_ad_keep_their_members() {
    let fixture = world();
    fixture.put([group(31, 1, "inner", &[52])]);
    assert_eq!(delete(&fixture, CARL, false), 0);
    assert!(fixture.stored(31).link("member").unwrap().contains(&id(52)));
}

#[test]
fn a_subtree_grows_no_deeper_than_names_may_be() {
    let fixture = world();
    let mut entries = Vec::new();
    for number in 0..200 {
        let parent = if number == 0 { 51 } else { 999 + number };
        entries.push(local(
            1000 + number,
            Some(parent),
            "ou=a",
            "organizationalUnit",
        ));
        let parent = if number == 0 { 51 } else { 1999 + number };
        entries.push(local(
            2000 + number,
            Some(parent),
            "ou=b",
            "organizationalUnit",
        ));
    }
    fixture.put(entries);
    let deepest = fixture.dn(1199);
    let other = fixture.dn(2000);
    assert_eq!(rename(&fixture, &other, "ou=b", Some(&deepest)), 53);
    let low = fixture.dn(2150);
    assert_eq!(rename(&fixture, &low, "ou=b", Some(&deepest)), 0);
    assert_eq!(
        rename(&fixture, &fixture.dn(1000), "ou=a", Some(&fixture.dn(2199))),
        53
    );
}

#[test]
fn messages_stay_short_and_ascii() {
    let fixture = world();
    let long = "é".repeat(100_000);
    let options = format!("sn{}", ";lang-de".repeat(10_000));
    for attributes in [
        [("objectClass", [long.as_str()].as_slice()), ("sn", &["x"])],
        [("objectClass", &["person"]), (long.as_str(), &["x"])],
        [("objectClass", &["person"]), (options.as_str(), &["x"])],
    ] {
        let refusal = add(&fixture, "cn=x,ou=people,dc=example,dc=com", &attributes).unwrap_err();
        let text = refusal.diagnostic;
        assert!(text.len() < 1000 && text.is_ascii(), "{text}");
    }
}

#[test]
fn debug_shows_no_values() {
    let change = Change {
        operation: ChangeOperation::Add,
        attribute: Attribute {
            description: "userPassword".to_owned(),
            values: vec![b"secret".to_vec()],
        },
    };
    assert_eq!(format!("{change:?}"), "Add userPassword");
}
