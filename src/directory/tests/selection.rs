//! Which attributes an answer carries, limits, and slices.

use std::{collections::BTreeSet, sync::Arc};

use super::build::*;
use crate::{
    directory::{Search, Step},
    entry::Entry,
    proto::request::SearchScope,
};

fn world() -> Vec<Entry> {
    vec![
        local_top(1),
        local(2, Some(1), "cn=Ann", "inetOrgPerson")
            .with("sn", &["Smith"])
            .with("CN;lang-DE;x-a", &["Anna"])
            .with("userPassword", &["secret"])
            .with("userPassword;x-a", &["secret"])
            .with("createTimestamp", &["20260101000000Z"])
            .with("nosuchattribute", &["x"])
            .with("memberOf", &["cn=lie"])
            .with("entryUUID", &["not this one"]),
        domain(10),
        user(11, 10, "ann"),
        group(12, 10, "team", &[11]),
    ]
}

fn names(fixture: &Fixture, number: u32, list: &[&str]) -> BTreeSet<String> {
    let now = fixture.now();
    let found = search(
        &now,
        now.id_of(id(number)),
        SearchScope::BaseObject,
        bind(&now, "(objectClass=*)"),
        list,
    );
    found[0].1.keys().cloned().collect()
}

#[test]
fn lists_select_what_the_rfc_says() {
    let fixture = Fixture::new(world());
    let user = ["cn", "cn;lang-de;x-a", "objectClass", "sn"];
    let operational = [
        "createTimestamp",
        "entryDN",
        "entryUUID",
        "hasSubordinates",
        "numSubordinates",
        "structuralObjectClass",
        "subschemaSubentry",
        "uSNChanged",
    ];
    let both = [user.as_slice(), &operational].concat();
    for (list, expected) in [
        (&[][..], &user[..]),
        (&["*"], &user),
        (&["+"], &operational),
        (&["*", "+"], &both),
        (&["1.1"], &[]),
        (&["1.1", "sn"], &["sn"]),
        (&["nosuch", "sn;;", "", "SN"], &["sn"]),
        (&["sn", "surname", "2.5.4.4"], &["sn"]),
        (&["cn"], &["cn", "cn;lang-de;x-a"]),
        (&["cn;x-a"], &["cn;lang-de;x-a"]),
        (&["CN;LANG-de;X-A"], &["cn;lang-de;x-a"]),
        (&["cn;lang-fr"], &[]),
        (&["name"], &["cn", "cn;lang-de;x-a", "sn"]),
        (&["name", "cn;x-a"], &["cn", "cn;lang-de;x-a", "sn"]),
        (&["userPassword"], &[]),
        (&["2.5.4.35", "userPassword;x-a"], &[]),
        (&["memberOf", "distinguishedName"], &[]),
        (&["entrydn"], &["entryDN"]),
        (&["entryDN;x-a"], &[]),
        (&["dn", "distinguishedName"], &[]),
        // The class allows sn, cn and userPassword among others, the one above it objectClass.
        (&["@person"], &["cn", "cn;lang-de;x-a", "objectClass", "sn"]),
        (
            &["@2.5.6.6", "@PERSON"],
            &["cn", "cn;lang-de;x-a", "objectClass", "sn"],
        ),
        (&["@person;x-a"], &["cn;lang-de;x-a"]),
        (&["@person;lang-fr"], &[]),
        (&["@top", "sn"], &["objectClass", "sn"]),
        (&["@nosuch", "@", "@@person", "@sn"], &[]),
        (&["@extensibleObject"], &user),
    ] {
        let expected: BTreeSet<String> = expected.iter().map(|name| (*name).to_owned()).collect();
        let found = names(&fixture, 2, list);
        assert_eq!(found, expected, "{list:?}");
    }
    assert_eq!(fixture.values(2, "entryUUID"), [id(2).to_string()]);
    assert_eq!(
        fixture.values(2, "structuralObjectClass"),
        ["inetOrgPerson"]
    );
}

#[test]
fn derived_attributes_come_on_request() {
    let fixture = Fixture::new(world());
    for list in [&["*"][..], &["+"], &[], &["memberof", "distinguishedname"]] {
        let found = names(&fixture, 11, list);
        assert!(found.contains("memberOf"), "{list:?}");
        assert!(found.contains("distinguishedName"), "{list:?}");
    }
    assert!(names(&fixture, 12, &[]).contains("memberUid"));
    assert!(names(&fixture, 12, &[]).contains("member"));
    assert!(!names(&fixture, 12, &["+"]).contains("member"));
    assert_eq!(fixture.values(10, "hasSubordinates"), ["TRUE"]);
    assert_eq!(fixture.values(10, "numSubordinates"), ["2"]);
    assert_eq!(fixture.values(11, "hasSubordinates"), ["FALSE"]);
    assert_eq!(
        fixture.values(11, "entryDN"),
        ["CN=ann,DC=corp,DC=example,DC=com"]
    );
    assert_eq!(fixture.values(11, "subschemaSubentry"), ["cn=Subschema"]);
}

/// Each name stands for many attributes: what is kept must not be their product.
#[test]
fn long_lists_are_no_burden() {
    let fixture = Fixture::new(world());
    let now = fixture.now();
    let mut list = Vec::new();
    let optioned: Vec<String> = (0..4000).map(|n| format!("@user;x-{n}")).collect();
    for name in &optioned {
        list.extend([name.as_str(), "@user", "name", "name;range=0-0"]);
    }
    let selection = select(&now, &list, false);
    let debug = format!("{selection:?}");
    assert!(debug.len() < 1_000_000, "{}", debug.len());
}

#[test]
fn types_only_leaves_the_values_out() {
    let fixture = Fixture::new(world());
    let now = fixture.now();
    let everything = |types_only| {
        let search = Search::new(
            Arc::clone(&now),
            None,
            SearchScope::WholeSubtree,
            bind(&now, "(objectClass=*)"),
        );
        run(search, &select(&now, &["*", "+"], types_only), usize::MAX)
    };
    let (types, values) = (everything(true), everything(false));
    assert_eq!(types.len(), values.len());
    for (types, values) in types.iter().zip(&values) {
        assert!(types.1.keys().eq(values.1.keys()));
        assert!(types.1.values().all(Vec::is_empty));
        assert!(values.1.values().all(|values| !values.is_empty()));
    }
}

#[test]
fn slices_lose_and_repeat_nothing() {
    let fixture = Fixture::new(
        [domain(1)]
            .into_iter()
            .chain((10..50).map(|number| user(number, 1, &format!("u{number}")))),
    );
    let now = fixture.now();
    for filter in ["(uid=*)", "(&(objectClass=*)(uid=u*))", "(!(uid=u10))"] {
        let sliced = |slice| {
            let scope = SearchScope::WholeSubtree;
            let search = Search::new(Arc::clone(&now), None, scope, bind(&now, filter));
            run(search, &select(&now, &[], false), slice)
        };
        let all = sliced(usize::MAX);
        assert_eq!(all.len(), 40);
        for slice in [1, 3, 40] {
            assert_eq!(sliced(slice), all);
        }
    }
}

#[test]
fn a_search_that_waits_finds_what_it_began_with() {
    let fixture = Fixture::new(
        [domain(1)]
            .into_iter()
            .chain((10..50).map(|number| user(number, 1, &format!("u{number}")))),
    );
    let now = fixture.now();
    let scope = SearchScope::WholeSubtree;
    let mut search = Search::new(Arc::clone(&now), None, scope, bind(&now, "(uid=u*)"));
    let mut found = Vec::new();
    for round in 0u32.. {
        // Between any two pages everything may change.
        let number = 10 + round;
        fixture.change(
            [user(number, 1, "other"), user(100 + round, 1, "ufresh")],
            &[49 - round],
        );
        let mut budget = 7;
        let page = std::iter::from_fn(|| match search.next(&mut budget) {
            Step::Match(entry) => Some(entry),
            Step::Paused | Step::Complete => None,
        });
        let before = found.len();
        found.extend(page.map(|entry| now.dn(entry)));
        if found.len() == before {
            break;
        }
    }
    found.sort();
    let expected: Vec<String> = (10..50)
        .map(|number| format!("CN=u{number},DC=corp,DC=example,DC=com"))
        .collect();
    assert_eq!(found, expected);
}
