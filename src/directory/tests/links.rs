//! Links in both directions, and what follows from them.

use super::build::*;
use crate::{entry::Entry, mapping::policy::MemberUid};

const INNER: &str = "CN=inner,DC=corp,DC=example,DC=com";
const OUTER: &str = "CN=outer,DC=corp,DC=example,DC=com";
const ANN: &str = "CN=ann,DC=corp,DC=example,DC=com";

fn world() -> Vec<Entry> {
    vec![
        domain(1),
        user(11, 1, "ann"),
        user(12, 1, "bob")
            .with("primaryGroupID", &["1033"])
            .linked("manager", &[11]),
        group(30, 1, "outer", &[31]),
        group(31, 1, "inner", &[11]),
        group(33, 1, "primary", &[]),
        group(513, 1, "Domain Users", &[]),
    ]
}

#[test]
fn membership_shows_in_both_directions() {
    let fixture = Fixture::new(world());
    assert_eq!(fixture.values(31, "member"), [ANN]);
    assert_eq!(fixture.values(11, "memberOf"), [INNER]);
    assert_eq!(fixture.values(30, "member"), [INNER]);
    assert_eq!(fixture.values(31, "memberOf"), [OUTER]);
    for (filter, expected) in [
        ("(member=cn=ANN, dc=Corp,dc=example,dc=com)", vec![31]),
        ("(memberOf=cn=inner,dc=corp,dc=example,dc=com)", vec![11]),
        ("(memberOf=cn=outer,dc=corp,dc=example,dc=com)", vec![31]),
        (
            "(member:1.2.840.113556.1.4.1941:=cn=ann,dc=corp,dc=example,dc=com)",
            vec![30, 31],
        ),
        (
            "(memberOf:1.2.840.113556.1.4.1941:=cn=outer,dc=corp,dc=example,dc=com)",
            vec![11, 31],
        ),
        (
            "(memberOf:1.2.840.113556.1.4.1941:=cn=nobody,dc=corp,dc=example,dc=com)",
            vec![],
        ),
        (
            "(!(cn:1.2.840.113556.1.4.1941:=cn=outer,dc=corp,dc=example,dc=com))",
            vec![],
        ),
        ("(!(memberOf:1.2.840.113556.1.4.1941:=no DN))", vec![]),
        ("(manager=cn=ann,dc=corp,dc=example,dc=com)", vec![12]),
        ("(memberOf;x-a=cn=inner,dc=corp,dc=example,dc=com)", vec![]),
        (
            "(member:distinguishedNameMatch:=cn=ann,dc=corp,dc=example,dc=com)",
            vec![31],
        ),
        ("(member=no DN)", vec![]),
        ("(!(member=no DN))", vec![]),
        ("(member=*)", vec![30, 31, 33]),
        ("(memberOf=*)", vec![11, 12, 31]),
        ("(manager=*)", vec![12]),
        ("(memberUid=*)", vec![30, 31, 33]),
    ] {
        assert_eq!(fixture.find(filter), expected, "{filter}");
    }
}

#[test]
fn links_wait_for_their_targets() {
    let fixture = Fixture::new([domain(1), group(31, 1, "inner", &[11, 12])]);
    assert_eq!(fixture.values(31, "member"), NO_VALUES);
    assert_eq!(fixture.find("(member=*)"), NOBODY);
    fixture.put([user(11, 1, "ann")]);
    assert_eq!(fixture.values(31, "member"), [ANN]);
    fixture.delete(&[11]);
    assert_eq!(fixture.values(31, "member"), NO_VALUES);
    fixture.put([user(11, 1, "ann")]);
    assert_eq!(fixture.values(31, "member"), [ANN]);
    assert_eq!(fixture.values(11, "memberOf"), [INNER]);
    // The group's own deletion takes its links along.
    fixture.delete(&[31]);
    assert_eq!(fixture.values(11, "memberOf"), NO_VALUES);
    fixture.put([group(31, 1, "inner", &[])]);
    assert_eq!(fixture.values(11, "memberOf"), NO_VALUES);
}

#[test]
fn links_follow_renames() {
    let fixture = Fixture::new(world());
    fixture.put([ou(2, 1, "Staff"), user(11, 2, "ann").named("CN=Ann Smith")]);
    let dn = "CN=Ann Smith,OU=Staff,DC=corp,DC=example,DC=com";
    assert_eq!(fixture.values(31, "member"), [dn]);
    assert_eq!(fixture.values(12, "manager"), [dn]);
    assert_eq!(fixture.find(&format!("(member={dn})")), [31]);
    assert_eq!(fixture.find(&format!("(member={ANN})")), NOBODY);
}

#[test]
fn loops_end() {
    let fixture = Fixture::new([
        domain(1),
        user(11, 1, "ann").linked("manager", &[11]),
        group(30, 1, "outer", &[31, 30]),
        group(31, 1, "inner", &[30, 11]),
    ]);
    for group in [OUTER, INNER] {
        let filter = format!("(memberOf:1.2.840.113556.1.4.1941:={group})");
        assert_eq!(fixture.find(&filter), [11, 30, 31]);
    }
    let filter = format!("(manager:1.2.840.113556.1.4.1941:={ANN})");
    assert_eq!(fixture.find(&filter), [11]);
    assert_eq!(fixture.values(30, "memberUid"), ["ann"]);
    assert_eq!(fixture.find("(memberUid=ANN)"), [30, 31]);
}

#[test]
fn primary_groups_count_unless_they_are_the_default_ones() {
    let fixture = Fixture::new(world());
    let primary = "CN=primary,DC=corp,DC=example,DC=com";
    assert_eq!(
        fixture.values(33, "member"),
        ["CN=bob,DC=corp,DC=example,DC=com"]
    );
    assert_eq!(fixture.values(12, "memberOf"), [primary]);
    assert_eq!(fixture.values(513, "member"), NO_VALUES);
    assert_eq!(fixture.values(513, "memberUid"), NO_VALUES);
    assert_eq!(fixture.find(&format!("(memberOf={primary})")), [12]);
    for rid in [513, 514, 515, 516, 521] {
        let fixture = Fixture::new([
            domain(1),
            group(rid, 1, "default", &[]),
            user(11, 1, "ann").with("primaryGroupID", &[&rid.to_string()]),
        ]);
        assert_eq!(fixture.values(11, "memberOf"), NO_VALUES, "{rid}");
        assert_eq!(fixture.find("(member=*)"), NOBODY, "{rid}");
    }
    // The user changes to another one, and the group may come after him.
    fixture.put([user(12, 1, "bob").with("primaryGroupID", &["1034"])]);
    assert_eq!(fixture.values(33, "member"), NO_VALUES);
    fixture.put([group(34, 1, "late", &[])]);
    assert_eq!(
        fixture.values(34, "member"),
        ["CN=bob,DC=corp,DC=example,DC=com"]
    );
}

#[test]
fn member_uid_names_nested_members_or_direct_ones() {
    let nested = Fixture::new(world());
    assert_eq!(nested.values(30, "memberUid"), ["ann"]);
    assert_eq!(nested.find("(memberUid=ann)"), [30, 31]);
    assert_eq!(nested.find("(memberUid=BOB)"), [33]);
    assert_eq!(
        nested.find("(&(objectClass=posixGroup)(memberUid=a*))"),
        [30, 31]
    );
    let mut source = settings(Default::default());
    source.posix.member_uid = MemberUid::Direct;
    let direct = Fixture::with_sources(vec![source], world());
    assert_eq!(direct.values(30, "memberUid"), NO_VALUES);
    assert_eq!(direct.values(31, "memberUid"), ["ann"]);
    assert_eq!(direct.find("(memberUid=ann)"), [31]);
    // A distribution group is no POSIX group.
    nested.put([group(31, 1, "inner", &[11]).with("groupType", &["2"])]);
    assert_eq!(nested.values(31, "memberUid"), NO_VALUES);
    assert_eq!(nested.values(31, "member"), [ANN]);
}

#[test]
fn the_groups_source_decides_whether_its_member_uid_is_nested() {
    let mut flat = settings(Default::default());
    flat.name = "flat".to_owned();
    flat.posix.member_uid = MemberUid::Direct;
    let mut outer = group(40, 1, "flat outer", &[31]);
    outer.origin = crate::entry::Origin::Source("flat".to_owned());
    let fixture = Fixture::with_sources(
        vec![settings(Default::default()), flat],
        world().into_iter().chain([outer]),
    );
    assert_eq!(fixture.values(40, "memberUid"), NO_VALUES);
    assert_eq!(fixture.find("(memberUid=ann)"), [30, 31]);
}

#[test]
fn a_local_group_has_members_from_ad_and_such_as_are_text() {
    let local_group = local(50, Some(49), "cn=admins", "groupOfNames")
        .with("member", &["cn=ghost,dc=example,dc=com"])
        .with("member;x-a", &["cn=other,dc=example,dc=com"])
        .linked("member", &[11]);
    let fixture = Fixture::new(world().into_iter().chain([local_top(49), local_group]));
    assert_eq!(
        fixture.values(50, "member"),
        [
            ANN,
            "cn=ghost,dc=example,dc=com",
            "cn=other,dc=example,dc=com"
        ]
    );
    let now = fixture.now();
    let found = search(
        &now,
        None,
        crate::proto::request::SearchScope::WholeSubtree,
        bind(&now, "(cn=admins)"),
        &["member"],
    );
    let values = |name: &str| found[0].1[name].len();
    assert_eq!((values("member"), values("member;x-a")), (2, 1));
    assert_eq!(fixture.find("(member=CN=Ghost,dc=example,dc=com)"), [50]);
    assert_eq!(fixture.find(&format!("(member={ANN})")), [31, 50]);
    assert_eq!(fixture.find("(member;x-a=*)"), [50]);
    assert_eq!(
        fixture.values(11, "memberOf"),
        [INNER, "cn=admins,dc=example,dc=com"]
    );
}

#[test]
fn what_is_not_served_is_in_no_link() {
    let select = crate::directory::SelectSettings {
        exclude: Some("(sAMAccountName=ann)".to_owned()),
        ..Default::default()
    };
    let fixture = Fixture::selecting(select, world());
    assert_eq!(fixture.values(31, "member"), NO_VALUES);
    assert_eq!(fixture.values(12, "manager"), NO_VALUES);
    assert_eq!(fixture.find(&format!("(member={ANN})")), NOBODY);
    assert_eq!(fixture.find("(memberUid=ann)"), NOBODY);
    assert_eq!(fixture.find("(manager=*)"), NOBODY);
}
