//! Values of an answer that are computed, cut or written otherwise than they are stored.

use std::{collections::BTreeSet, sync::Arc};

use super::build::*;
use crate::{
    access::Secrets,
    directory::{AttributeSelection, Search, Snapshot, ValueFilter},
    entry::Entry,
    filter::Filter,
    mapping::sid::Sid,
    proto::{control::ExtendedDnForm, request::SearchScope},
};

const SUFFIX: &str = "DC=corp,DC=example,DC=com";

fn read(snapshot: &Arc<Snapshot>, number: u32, selection: &AttributeSelection) -> Found {
    let search = Search::new(
        Arc::clone(snapshot),
        snapshot.id_of(id(number)),
        SearchScope::BaseObject,
        bind(snapshot, "(&)"),
    );
    run(search, selection, usize::MAX).remove(0)
}

fn texts(found: &Found, description: &str) -> Option<Vec<String>> {
    let values = found.1.get(description)?.iter();
    Some(
        values
            .map(|value| String::from_utf8_lossy(value).into_owned())
            .collect(),
    )
}

/// A group whose members lie in more containers than are kept in mind, with names of all lengths.
fn scattered() -> Fixture {
    let mut entries: Vec<Entry> = vec![domain(1)];
    entries.extend((2..22).map(|number| {
        let name = "o".repeat(usize::try_from(number).unwrap() * 7);
        ou(number, 1, &name)
    }));
    entries.extend((100..300).map(|number| user(number, 2 + number % 20, &format!("u{number}"))));
    entries.push(user(300, 1, "top"));
    entries.push(group(400, 1, "all", &(100..=300).collect::<Vec<_>>()));
    Fixture::new(entries)
}

#[test]
fn dns_of_many_members_are_those_of_each() {
    let fixture = scattered();
    let mut expected: Vec<String> = (100..=300).map(|number| fixture.dn(number)).collect();
    expected.sort();
    assert_eq!(fixture.values(400, "member"), expected);
    assert!(expected.iter().any(|dn| dn.len() > 127));

    // A renamed container shows in all of them.
    fixture.put([ou(2, 1, "renamed")]);
    let now = fixture.values(400, "member");
    let below = format!(",OU=renamed,{SUFFIX}");
    assert_eq!(now.iter().filter(|dn| dn.ends_with(&below)).count(), 10);
}

#[test]
fn a_range_gives_some_of_the_values_and_says_which() {
    let fixture = scattered();
    let now = fixture.now();
    let all: BTreeSet<String> = fixture.values(400, "member").into_iter().collect();
    let mut seen = BTreeSet::new();
    for (asked, given, count) in [
        ("member;range=0-49", "member;range=0-49", 50),
        ("MEMBER;Range=50-199", "member;range=50-199", 150),
        ("2.5.4.31;range=200-*", "member;range=200-*", 1),
    ] {
        let found = read(&now, 400, &select(&now, &[asked], false));
        assert_eq!(found.1.keys().collect::<Vec<_>>(), [given]);
        let values = texts(&found, given).unwrap();
        assert_eq!(values.len(), count, "{asked}");
        seen.extend(values);
    }
    assert_eq!(seen, all, "the ranges give each value once");

    for (asked, given) in [
        ("member;range=0-*", Some("member;range=0-*")),
        ("member;range=0-200", Some("member;range=0-*")),
        ("member;range=190-5000", Some("member;range=190-*")),
        ("cn;range=0-0", Some("cn;range=0-*")),
        ("member;range=201-*", None),
        ("member;range=x", None),
        ("member;range=5-4", None),
        ("member;x-a;range=0-*", None),
        ("userPassword;range=0-*", None),
        ("nosuch;range=0-*", None),
    ] {
        let found = read(&now, 400, &select(&now, &[asked], false));
        let keys: Vec<&str> = found.1.keys().map(String::as_str).collect();
        assert_eq!(keys, given.as_slice(), "{asked}");
        let types = read(&now, 400, &select(&now, &[asked], true));
        assert!(types.1.keys().eq(found.1.keys()), "{asked}");
        assert!(types.1.values().all(Vec::is_empty), "{asked}");
    }
    // It stands for the whole attribute, which is not given again.
    let found = read(&now, 400, &select(&now, &["*", "member;range=0-9"], false));
    assert!(found.1.contains_key("member;range=0-9") && found.1.contains_key("cn"));
    assert!(!found.1.contains_key("member"));
}

#[test]
fn a_range_may_have_options() {
    let fixture = Fixture::new([local_top(1).with("description;lang-de", &["a", "b", "c"])]);
    let now = fixture.now();
    let found = read(
        &now,
        1,
        &select(&now, &["description;lang-de;range=1-1"], false),
    );
    let values = texts(&found, "description;lang-de;range=1-1");
    assert_eq!(values.as_deref(), Some(&["b".to_owned()][..]));
}

fn matching(
    snapshot: &Snapshot,
    list: &[&str],
    types_only: bool,
    filters: &[&str],
) -> AttributeSelection {
    let filters: Vec<Filter> = filters
        .iter()
        .map(|filter| Filter::parse(filter).unwrap())
        .collect();
    let items: Vec<_> = filters.iter().map(Filter::as_request).collect();
    let secrets = Secrets::new(snapshot.schema());
    select(snapshot, list, types_only).matching(ValueFilter::bind(&items, snapshot, &secrets))
}

#[test]
fn only_values_that_match_are_given() {
    let fixture = Fixture::new([
        domain(1),
        user(11, 1, "ann"),
        user(12, 1, "bob"),
        group(20, 1, "team", &[11, 12]),
        local_top(2),
        local(3, Some(2), "cn=Ann", "inetOrgPerson")
            .with("sn", &["Smith", "Jones"])
            .with("cn", &["Ann", "Annie"])
            .with("cn;lang-de", &["Anna"])
            .with("uidNumber", &["7", "70"])
            .with("userPassword", &["secret"]),
    ]);
    let now = fixture.now();
    let given = |number, list: &[&str], filters: &[&str], name: &str| {
        let found = read(&now, number, &matching(&now, list, false, filters));
        texts(&found, name)
    };
    let some = |values: &[&str]| Some(values.iter().map(|value| (*value).to_owned()).collect());
    for (filters, name, expected) in [
        (&["(sn=smith)"][..], "sn", some(&["Smith"])),
        (&["(sn=smith)"], "cn", some(&[])),
        (&["(sn=smith)", "(cn=*)"], "cn", some(&["Ann", "Annie"])),
        (&["(cn=*nie)", "(cn=ann)"], "cn", some(&["Ann", "Annie"])),
        (&["(cn=an*)"], "cn;lang-de", some(&["Anna"])),
        (&["(cn;lang-de=*)"], "cn", some(&[])),
        (&["(cn;lang-de=*)"], "cn;lang-de", some(&["Anna"])),
        // The supertype speaks for its subtypes.
        (&["(name=jones)"], "sn", some(&["Jones"])),
        (&["(uidNumber>=8)"], "uidNumber", some(&["70"])),
        (&["(uidNumber<=8)"], "uidNumber", some(&["7"])),
        (&["(uidNumber=seven)"], "uidNumber", some(&[])),
        (&["(nosuch=x)"], "sn", some(&[])),
        // A rule alone is for every attribute it can be used with.
        (&["(:caseExactMatch:=Smith)"], "sn", some(&["Smith"])),
        (&["(:caseExactMatch:=Smith)"], "uidNumber", some(&[])),
        (&["(sn:caseExactMatch:=Smith)"], "sn", some(&["Smith"])),
        (&["(sn:caseExactMatch:=smith)"], "sn", some(&[])),
        // What the entry does not have is not made up.
        (&["(mail=*)"], "mail", None),
        (&["(userPassword=secret)"], "userPassword", None),
    ] {
        assert_eq!(
            given(3, &["*"], filters, name),
            expected,
            "{filters:?} {name}"
        );
    }
    let ann = format!("CN=ann,{SUFFIX}");
    let filter = format!("(member=cn=ANN, {SUFFIX})");
    assert_eq!(given(20, &["member"], &[&filter], "member"), some(&[&ann]));
    assert_eq!(
        given(20, &["memberUid"], &["(memberUid=b*)"], "memberUid"),
        some(&["bob"])
    );
    let filter = format!("(memberOf=CN=other,{SUFFIX})");
    assert_eq!(given(11, &["memberOf"], &[&filter], "memberOf"), some(&[]));
    assert_eq!(given(12, &["manager"], &["(manager=*)"], "manager"), None);
    assert_eq!(
        given(
            20,
            &["member;range=0-0"],
            &["(member=CN=bob*)"],
            "member;range=0-*"
        ),
        None,
        "DNs have no substrings"
    );

    // Without values there is nothing to match.
    let types = read(
        &now,
        3,
        &matching(&now, &["sn", "cn"], true, &["(sn=smith)"]),
    );
    let plain = read(&now, 3, &select(&now, &["sn", "cn"], true));
    assert_eq!(types, plain);
}

#[test]
fn extended_dns_carry_guid_and_sid() {
    let fixture = Fixture::new([
        domain(1),
        ou(2, 1, "staff"),
        user(11, 2, "ann"),
        user(12, 2, "bob").linked("manager", &[11]),
        group(20, 2, "team", &[11]).with("info", &["CN=ann,OU=staff"]),
    ]);
    let now = fixture.now();
    let ann = fixture.dn(11);
    let sid = "S-1-5-21-2966102495-3163130805-921133302-1011";
    let octets: String = sid
        .parse::<Sid>()
        .unwrap()
        .to_bytes()
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect();
    for (form, expected) in [
        (
            ExtendedDnForm::Text,
            format!("<GUID={}>;<SID={sid}>;{ann}", id(11)),
        ),
        (
            ExtendedDnForm::Hexadecimal,
            // The first three parts of a GUID are little endian.
            format!("<GUID=0000001000000040800000000000000b>;<SID={octets}>;{ann}"),
        ),
    ] {
        let with = |list: &[&str]| select(&now, list, false).with_extended_dns(form);
        let found = read(&now, 20, &with(&["member", "info"]));
        assert_eq!(texts(&found, "member"), Some(vec![expected.clone()]));
        assert_eq!(
            texts(&found, "info"),
            Some(vec!["CN=ann,OU=staff".to_owned()])
        );
        let found = read(&now, 12, &with(&["manager"]));
        assert_eq!(texts(&found, "manager"), Some(vec![expected.clone()]));
        let found = read(
            &now,
            11,
            &with(&["distinguishedName", "memberOf", "subschemaSubentry"]),
        );
        assert_eq!(texts(&found, "distinguishedName"), Some(vec![expected]));
        assert!(texts(&found, "memberOf").unwrap()[0].starts_with("<GUID="));
        assert_eq!(
            texts(&found, "subschemaSubentry"),
            Some(vec!["cn=Subschema".to_owned()])
        );
    }
    let mut name = Vec::new();
    let selection = select(&now, &[], false).with_extended_dns(ExtendedDnForm::Text);
    selection.write_name(&now, now.id_of(id(2)).unwrap(), &mut name);
    let expected = format!("<GUID={}>;{}", id(2), fixture.dn(2));
    assert_eq!(
        String::from_utf8(name).unwrap(),
        expected,
        "OUs have no SID"
    );
}

/// The RIDs of a SID-valued attribute.
fn rids(fixture: &Fixture, number: u32, attribute: &str) -> Vec<u32> {
    let now = fixture.now();
    let found = read(&now, number, &select(&now, &[attribute], false));
    let values = found.1.get(attribute).cloned().unwrap_or_default();
    let mut rids: Vec<u32> = values
        .iter()
        .map(|sid| Sid::from_bytes(sid).unwrap().rid().unwrap())
        .collect();
    rids.sort_unstable();
    rids
}

#[test]
fn token_groups_are_all_security_groups_with_nesting_and_primary_group() {
    let fixture = Fixture::new([
        domain(1),
        user(11, 1, "ann"),
        user(12, 1, "bob").with("primaryGroupID", &["1030"]),
        group(513, 1, "Domain Users", &[]),
        // Domain Users is in it, and with it everybody.
        group(20, 1, "everybody", &[513]).with("groupType", &["-2147483644"]),
        group(21, 1, "direct", &[11]),
        group(22, 1, "nested", &[21, 23]),
        group(23, 1, "loop", &[22]),
        group(24, 1, "letters", &[11]).with("groupType", &["2"]),
        group(25, 1, "behind letters", &[24]),
        group(30, 1, "primary", &[]),
    ]);
    let all = [513, 1020, 1021, 1022, 1023];
    assert_eq!(rids(&fixture, 11, "tokenGroups"), all);
    assert_eq!(rids(&fixture, 11, "tokenGroupsNoGCAcceptable"), all);
    assert_eq!(
        rids(&fixture, 11, "tokenGroupsGlobalAndUniversal"),
        [513, 1021, 1022, 1023]
    );
    assert_eq!(rids(&fixture, 12, "tokenGroups"), [1030]);
    assert_eq!(rids(&fixture, 1, "tokenGroups"), NOBODY);
    let now = fixture.now();
    for list in [&[][..], &["*", "+"], &["@user"]] {
        let found = read(&now, 11, &select(&now, list, false));
        assert_eq!(
            found.1.contains_key("tokenGroups"),
            list == ["@user"],
            "{list:?}"
        );
    }
}

#[test]
fn certificates_travel_as_binary() {
    let fixture = Fixture::new([local_top(1)
        .with("userCertificate", &["one"])
        .with("userCertificate;binary", &["two"])
        .with("userCertificate;lang-de", &["three"])
        .with("jpegPhoto", &["picture"])]);
    let now = fixture.now();
    for asked in [
        "userCertificate",
        "userCertificate;binary",
        "2.5.4.36;Binary",
    ] {
        let found = read(&now, 1, &select(&now, &[asked], false));
        assert_eq!(
            texts(&found, "userCertificate;binary"),
            Some(vec!["one".to_owned(), "two".to_owned()]),
            "{asked}"
        );
        assert!(found.1.contains_key("userCertificate;binary;lang-de"));
        assert_eq!(found.1.len(), 2);
    }
    let found = read(&now, 1, &select(&now, &["*"], false));
    assert!(found.1.contains_key("jpegPhoto"));
    assert_eq!(fixture.find("(userCertificate=*)"), [1]);
    assert_eq!(fixture.find("(userCertificate;binary=one)"), [1]);
}
