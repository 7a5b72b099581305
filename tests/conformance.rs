//! What RFC 4511 and RFC 4513 demand in single sentences, and that `docs/conformance.md` is true.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use common::{
    ldap::{Raw, Tools, bind_request, extended_request, search_request, tlv},
    sample::{self, ALICE, BASE, PASSWORD},
    server::Adduct,
    wire::{self, Answer, BIND_RESPONSE, DONE, ENTRY, EXTENDED_RESPONSE, element, request, search},
};

const TABLE: &str = include_str!("../docs/conformance.md");
const OPEN: &str = "[auth]\ninsecure_plaintext_bind = true\n\
    [access]\nadministrators = [\"uid=alice,ou=people,dc=example,dc=org\"]\n";
const WHO_AM_I: &str = "1.3.6.1.4.1.4203.1.11.3";
const START_TLS: &str = "1.3.6.1.4.1.1466.20037";
const CANCEL: &str = "1.3.6.1.1.8";
const PERSISTENT: &str = "2.16.840.1.113730.3.4.3";
const STAFF: &str = "cn=staff,ou=groups,dc=example,dc=org";

/// Section, requirement and test of each row; the rows of deviations have no test.
fn rows() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    TABLE.lines().filter_map(|line| {
        let cells = line.strip_prefix("| ")?.strip_suffix(" |")?;
        let cells: Vec<&str> = cells.split(" | ").collect();
        match cells.as_slice() {
            [section, requirement, tests] if tests.contains("::") => {
                Some((*section, *requirement, *tests))
            }
            _ => None,
        }
    })
}

#[test]
fn every_test_in_the_table_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources: BTreeMap<&str, String> = BTreeMap::new();
    let mut count = 0;
    for (section, requirement, tests) in rows() {
        for test in tests.split(", ") {
            let (file, name) = test
                .trim_matches('`')
                .split_once("::")
                .unwrap_or_else(|| panic!("{section} {requirement}: {test} names no test"));
            let source = sources.entry(file).or_insert_with(|| {
                std::fs::read_to_string(root.join(file))
                    .unwrap_or_else(|error| panic!("{file}: {error}"))
            });
            let place = source
                .find(&format!("fn {name}("))
                .unwrap_or_else(|| panic!("{file} has no test {name}"));
            let line = source[..place].rfind('\n').unwrap_or_default();
            let is_test = source[..line]
                .lines()
                .rev()
                .map(str::trim)
                .take_while(|line| line.starts_with("#[") || line.starts_with("///"))
                .any(|line| line == "#[test]" || line.starts_with("#[tokio::test"));
            assert!(is_test, "{file}: {name} is no test");
            count += 1;
        }
    }
    assert!(
        count > 150,
        "only {count} tests are named: is the table read?"
    );
}

#[test]
fn what_is_advertised_has_a_row() {
    let server = sample::server("");
    let names = [
        "supportedControl",
        "supportedExtension",
        "supportedFeatures",
        "supportedSASLMechanisms",
    ];
    let root = Tools::new(&server).read("", &names).unwrap();
    let requirements: Vec<&str> = rows().map(|(_, requirement, _)| requirement).collect();
    let mut count = 0;
    for name in names {
        for value in root.texts(name) {
            let words = |text: &str| {
                text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '-'))
                    .any(|word| word.trim_end_matches('.') == value)
            };
            assert!(
                requirements.iter().any(|text| words(text)),
                "{name} {value} has no row in docs/conformance.md"
            );
            count += 1;
        }
    }
    assert!(count > 20, "the root DSE tells {count} values");
}

/// A connection that alice is bound on.
struct Bound(Raw);

impl Bound {
    fn new(server: &Adduct) -> Self {
        let mut raw = Raw::connect(server.address("ldap"));
        raw.send(&request(1, &bind_request(ALICE, PASSWORD)));
        assert_eq!(wire::last(&mut raw).outline(), (1, BIND_RESPONSE, Some(0)));
        Self(raw)
    }

    fn ask(&mut self, operation: &[u8], controls: &[Vec<u8>]) -> Answer {
        self.send(2, operation, controls);
        let answer = wire::last(&mut self.0);
        assert_eq!(answer.id, 2);
        answer
    }

    fn send(&mut self, id: u32, operation: &[u8], controls: &[Vec<u8>]) {
        let list = match controls {
            [] => Vec::new(),
            controls => tlv(0xa0, &controls.concat()),
        };
        self.0.send(&request(id, &[operation, &list].concat()));
    }

    fn code(&mut self, operation: &[u8], controls: &[Vec<u8>]) -> u32 {
        self.ask(operation, controls).code.unwrap()
    }

    /// The descriptions of the attributes of one entry.
    fn attributes(&mut self, dn: &str, list: &[&[u8]]) -> BTreeSet<String> {
        let any = tlv(0x87, b"objectClass");
        self.send(2, &search(dn.as_bytes(), 0, &any, list), &[]);
        let entry = wire::next(&mut self.0).unwrap();
        assert_eq!(entry.tag, ENTRY);
        assert_eq!(wire::last(&mut self.0).outline(), (2, DONE, Some(0)));
        let (_, _, rest) = element(&entry.rest);
        let (_, mut rest, _) = element(rest);
        let mut found = BTreeSet::new();
        while !rest.is_empty() {
            let (_, attribute, next) = element(rest);
            let (_, description, _) = element(attribute);
            let description = String::from_utf8(description.to_vec()).unwrap();
            assert!(found.insert(description), "an attribute comes twice");
            rest = next;
        }
        found
    }
}

fn control(oid: &str, critical: Option<bool>, value: Option<&[u8]>) -> Vec<u8> {
    let critical = critical.map_or(Vec::new(), |critical| {
        tlv(1, &[if critical { 0xff } else { 0 }])
    });
    let value = value.map_or(Vec::new(), |value| tlv(4, value));
    tlv(0x30, &[tlv(4, oid.as_bytes()), critical, value].concat())
}

fn compare(dn: &str, attribute: &str, value: &str) -> Vec<u8> {
    let assertion = [tlv(4, attribute.as_bytes()), tlv(4, value.as_bytes())].concat();
    tlv(
        0x6e,
        &[tlv(4, dn.as_bytes()), tlv(0x30, &assertion)].concat(),
    )
}

fn attribute(name: &str, value: &str) -> Vec<u8> {
    let values = tlv(0x31, &tlv(4, value.as_bytes()));
    tlv(0x30, &[tlv(4, name.as_bytes()), values].concat())
}

fn add(dn: &str, attributes: &[(&str, &str)]) -> Vec<u8> {
    let list: Vec<u8> = attributes
        .iter()
        .flat_map(|(name, value)| attribute(name, value))
        .collect();
    tlv(0x68, &[tlv(4, dn.as_bytes()), tlv(0x30, &list)].concat())
}

fn replace(dn: &str, name: &str, value: &str) -> Vec<u8> {
    let change = [tlv(0x0a, &[2]), attribute(name, value)].concat();
    let changes = tlv(0x30, &tlv(0x30, &change));
    tlv(0x66, &[tlv(4, dn.as_bytes()), changes].concat())
}

fn delete(dn: &str) -> Vec<u8> {
    tlv(0x4a, dn.as_bytes())
}

fn rename(dn: &str, rdn: &str, superior: Option<&str>) -> Vec<u8> {
    let superior = superior.map_or(Vec::new(), |dn| tlv(0x80, dn.as_bytes()));
    let parts = [
        tlv(4, dn.as_bytes()),
        tlv(4, rdn.as_bytes()),
        tlv(1, &[0]),
        superior,
    ];
    tlv(0x6c, &parts.concat())
}

/// Each operation that is answered, with the code it gets without controls; none changes anything
/// that another one sees.
fn operations() -> Vec<(&'static str, Vec<u8>, u32)> {
    let nobody = format!("cn=nobody,{BASE}");
    vec![
        ("search", search_request(BASE, 0), 0),
        ("compare", compare(ALICE, "uid", "alice"), 6),
        ("add", add(BASE, &[("objectClass", "domain")]), 68),
        ("delete", delete(&nobody), 32),
        ("modify", replace(&nobody, "sn", "x"), 32),
        ("modify DN", rename(&nobody, "cn=x", None), 32),
        ("extended", extended_request(WHO_AM_I), 0),
        ("bind", bind_request(ALICE, PASSWORD), 0),
    ]
}

/// The controls with the operations they belong to.
const CONTROLS: &[(&str, &[&str])] = &[
    ("2.16.840.1.113730.3.4.2", ENTRIES),
    ("1.2.840.113556.1.4.319", &["search"]),
    ("1.2.840.113556.1.4.473", &["search"]),
    ("2.16.840.1.113730.3.4.9", &["search"]),
    ("1.3.6.1.1.12", ENTRIES),
    ("1.2.826.0.1.3344810.2.3", &["search"]),
    ("1.3.6.1.1.13.1", &["delete", "modify", "modify DN"]),
    ("1.3.6.1.1.13.2", &["add", "modify", "modify DN"]),
    ("1.3.6.1.4.1.4203.1.10.1", &["search"]),
    ("1.3.6.1.1.22", &["search", "compare"]),
    ("1.3.6.1.4.1.4203.666.5.16", &["search"]),
    ("1.3.6.1.4.1.4203.1.9.1.1", &["search"]),
    (PERSISTENT, &["search"]),
    ("1.2.840.113556.1.4.805", &["delete"]),
    ("1.2.840.113556.1.4.1339", ENTRIES),
    ("1.2.840.113556.1.4.529", &["search"]),
    ("1.2.840.113556.1.4.417", &["search"]),
];
const ENTRIES: &[&str] = &["search", "compare", "add", "delete", "modify", "modify DN"];

#[test]
fn a_control_counts_where_it_belongs_only() {
    let server = sample::server(OPEN);
    let mut bound = Bound::new(&server);
    // No control has such a value.
    let garbage = Some(&[0xff][..]);
    for (operation, octets, plain) in operations() {
        assert_eq!(bound.code(&octets, &[]), plain, "{operation}");
        for (oid, belongs) in CONTROLS {
            let critical = bound.code(&octets, &[control(oid, Some(true), garbage)]);
            let not_critical = bound.code(&octets, &[control(oid, Some(false), garbage)]);
            let by_default = bound.code(&octets, &[control(oid, None, garbage)]);
            assert_eq!(not_critical, by_default, "{oid} on {operation}");
            if belongs.contains(&operation) {
                assert_ne!(critical, 12, "{oid} on {operation}");
                assert_eq!(critical, by_default, "{oid} on {operation}");
            } else {
                assert_eq!((critical, by_default), (12, plain), "{oid} on {operation}");
            }
            if operation == "bind" {
                assert_eq!(bound.code(&octets, &[]), 0);
            }
        }
    }
}

#[test]
fn unknown_controls_are_refused_where_critical_on_every_operation() {
    let server = sample::server(OPEN);
    let mut bound = Bound::new(&server);
    for (operation, octets, plain) in operations() {
        for oid in ["1.2.3.4", "", "no oid"] {
            for twice in [1, 2] {
                let with = |critical| vec![control(oid, critical, None); twice];
                assert_eq!(bound.code(&octets, &with(Some(true))), 12, "{operation}");
                if operation == "bind" {
                    assert_eq!(bound.code(&octets, &[]), 0);
                }
                assert_eq!(
                    bound.code(&octets, &with(Some(false))),
                    plain,
                    "{operation}"
                );
                assert_eq!(bound.code(&octets, &with(None)), plain, "{operation}");
            }
        }
    }
    // An empty list is a list.
    bound.send(3, &[search_request("", 0), vec![0xa0, 0]].concat(), &[]);
    assert_eq!(wire::last(&mut bound.0).outline(), (3, DONE, Some(0)));
}

#[test]
fn a_control_stands_once_on_a_request() {
    let server = sample::server(OPEN);
    let mut bound = Bound::new(&server);
    let manage = control("2.16.840.1.113730.3.4.2", Some(true), None);
    let twice = [manage.clone(), manage];
    assert_eq!(bound.code(&search_request(BASE, 0), &twice), 2);
}

#[test]
fn the_password_policy_control_goes_with_every_operation() {
    let server = sample::server(OPEN);
    let mut bound = Bound::new(&server);
    let aware = control("1.3.6.1.4.1.42.2.27.8.5.1", Some(true), None);
    for (operation, octets, plain) in operations() {
        let code = bound.code(&octets, std::slice::from_ref(&aware));
        assert_eq!(code, plain, "{operation}");
    }
}

#[test]
fn a_refused_search_brings_no_references() {
    let server = sample::server(OPEN);
    let mut bound = Bound::new(&server);
    let referral = [
        ("objectClass", "referral"),
        ("objectClass", "extensibleObject"),
        ("ou", "far"),
        ("ref", "ldap://far.example/ou=far"),
    ];
    let far = format!("ou=far,{BASE}");
    assert_eq!(bound.code(&merged(&far, &referral), &[]), 0);
    let everything = search_request(BASE, 2);
    bound.send(2, &everything, &[]);
    let all: Vec<u8> = std::iter::from_fn(|| wire::next(&mut bound.0).filter(|a| !a.is_final()))
        .map(|answer| answer.tag)
        .collect();
    assert!(all.contains(&0x73), "a reference is there: {all:02x?}");
    let list = |parts: &[&[u8]]| tlv(0x30, &parts.concat());
    let sort = |name: &[u8]| list(&[&list(&[&tlv(4, name)])]);
    let by_unknown = control("1.2.840.113556.1.4.473", Some(true), Some(&sort(b"nosuch")));
    let offset = tlv(0xa0, &[tlv(2, &[1]), tlv(2, &[0])].concat());
    let window = list(&[&tlv(2, &[0]), &tlv(2, &[1]), &offset]);
    let window = control("2.16.840.1.113730.3.4.9", Some(true), Some(&window));
    let deref = list(&[&list(&[&tlv(4, b"cn"), &list(&[&tlv(4, b"uid")])])]);
    let deref = control("1.3.6.1.4.1.4203.666.5.16", Some(true), Some(&deref));
    let estimate = list(&[&tlv(2, &[0]), &tlv(4, b"")]);
    let estimate = control("1.2.840.113556.1.4.319", Some(true), Some(&estimate));
    for (control, code) in [(by_unknown, 12), (window, 76), (deref, 2), (estimate, 0)] {
        bound.send(2, &everything, &[control]);
        let first = wire::next(&mut bound.0).unwrap();
        assert_eq!(first.outline(), (2, DONE, Some(code)));
    }
}

#[test]
fn an_assertion_on_an_add_is_about_the_entry_to_be_added() {
    let server = sample::server(OPEN);
    let mut bound = Bound::new(&server);
    let asserted = |name: &str, value: &str| {
        let filter = [tlv(4, name.as_bytes()), tlv(4, value.as_bytes())].concat();
        [control(
            "1.3.6.1.1.12",
            Some(true),
            Some(&tlv(0xa3, &filter)),
        )]
    };
    let dn = format!("cn=New,ou=people,{BASE}");
    let new = add(&dn, &[("objectClass", "person"), ("sn", "One")]);
    for (name, value) in [("sn", "two"), ("nosuch", "x"), ("userPassword", "x")] {
        assert_eq!(bound.code(&new, &asserted(name, value)), 122, "{name}");
    }
    assert_eq!(bound.code(&search_request(&dn, 0), &[]), 32);
    for (name, value) in [("sn", "one"), ("cn", "new"), ("objectClass", "top")] {
        assert_eq!(bound.code(&new, &asserted(name, value)), 0, "{name}");
        assert_eq!(bound.code(&new, &asserted(name, value)), 68, "{name}");
        assert_eq!(bound.code(&delete(&dn), &[]), 0);
    }
}

/// A search that stays outstanding.
fn listen(bound: &mut Bound, id: u32) {
    let value = [tlv(2, &[15]), tlv(1, &[0xff]), tlv(1, &[0xff])].concat();
    let value = tlv(0x30, &value);
    bound.send(
        id,
        &search_request(BASE, 2),
        &[control(PERSISTENT, Some(true), Some(&value))],
    );
}

/// The code of a Cancel, and that of what it canceled.
fn cancel(bound: &mut Bound, id: u8) -> (Option<u32>, Option<u32>) {
    let value = tlv(0x81, &tlv(0x30, &tlv(2, &[id])));
    let operation = tlv(0x77, &[tlv(0x80, CANCEL.as_bytes()), value].concat());
    bound.send(9, &operation, &[]);
    let first = wire::last(&mut bound.0);
    if first.id == 9 {
        return (first.code, None);
    }
    assert_eq!(first.id, u32::from(id));
    let own = wire::last(&mut bound.0);
    assert_eq!(own.id, 9);
    (own.code, first.code)
}

#[test]
fn the_id_of_a_search_that_goes_on_is_in_use() {
    let server = sample::server(OPEN);
    let mut bound = Bound::new(&server);
    listen(&mut bound, 5);
    for operation in [search_request(BASE, 0), extended_request(WHO_AM_I)] {
        bound.send(5, &operation, &[]);
        let answer = wire::last(&mut bound.0);
        assert_eq!((answer.id, answer.code), (5, Some(2)));
    }
    assert_eq!(cancel(&mut bound, 5), (Some(0), Some(118)));
    // It is free again.
    bound.send(5, &search_request(BASE, 0), &[]);
    assert_eq!(wire::last(&mut bound.0).outline(), (5, DONE, Some(0)));
}

#[test]
fn an_abandon_under_an_unknown_critical_control_is_not_done() {
    let server = sample::server(OPEN);
    let mut bound = Bound::new(&server);
    listen(&mut bound, 5);
    let abandon = tlv(0x50, &[5]);
    bound.send(6, &abandon, &[control("1.2.3.4", Some(true), None)]);
    assert_eq!(cancel(&mut bound, 5), (Some(0), Some(118)));
    listen(&mut bound, 5);
    bound.send(6, &abandon, &[control("1.2.3.4", Some(false), None)]);
    // noSuchOperation: it was abandoned.
    assert_eq!(cancel(&mut bound, 5), (Some(119), None));
}

#[test]
fn names_with_impossible_values_are_no_names() {
    let server = sample::server(OPEN);
    let mut bound = Bound::new(&server);
    for rdn in ["cn=", "cn=+sn=x", "uidNumber=ten", "c=Germany", "nosuch="] {
        let dn = format!("{rdn},{BASE}");
        let below = format!("cn=x,{dn}");
        for dn in [rdn, &dn, &below] {
            for (what, operation) in [
                ("search", search_request(dn, 2)),
                ("compare", compare(dn, "cn", "x")),
                ("delete", delete(dn)),
                ("modify", replace(dn, "sn", "x")),
                ("modify DN", rename(dn, "cn=x", None)),
                ("new superior", rename(STAFF, "cn=staff", Some(dn))),
                ("bind", bind_request(dn, "x")),
            ] {
                let answer = bound.ask(&operation, &[]);
                assert_eq!(answer.code, Some(34), "{what} {dn}");
                assert_eq!(answer.matched, b"", "{what} {dn}");
                if what == "bind" {
                    assert_eq!(bound.code(&bind_request(ALICE, PASSWORD), &[]), 0);
                }
            }
        }
        if rdn.starts_with("nosuch") {
            continue;
        }
        let person = [("objectClass", "person"), ("cn", "x"), ("sn", "x")];
        assert_eq!(bound.code(&add(&dn, &person), &[]), 34, "add {dn}");
        let below = add(&below, &person);
        assert_eq!(bound.code(&below, &[]), 34, "add below {dn}");
        assert_eq!(bound.code(&rename(STAFF, rdn, None), &[]), 34, "to {rdn}");
    }
    // A type nobody defined has some value or other, so that there may be such a name elsewhere.
    let answer = bound.ask(&search_request(&format!("nosuch=x,{BASE}"), 0), &[]);
    assert_eq!((answer.code, &*answer.matched), (Some(32), BASE.as_bytes()));
}

#[test]
fn matched_dn_and_referral_stand_where_they_mean_something() {
    let server = sample::server(OPEN);
    let mut bound = Bound::new(&server);
    let referral = [
        ("objectClass", "referral"),
        ("objectClass", "extensibleObject"),
        ("ou", "far"),
        ("ref", "ldap://far.example/ou=far"),
    ];
    let far = format!("ou=far,{BASE}");
    assert_eq!(bound.code(&merged(&far, &referral), &[]), 0);
    let nobody = format!("cn=a,cn=b,ou=people,{BASE}");
    let people = format!("ou=people,{BASE}");
    let below_far = format!("cn=x,{far}");
    let each = |dn: &str| {
        [
            search_request(dn, 2),
            compare(dn, "cn", "x"),
            delete(dn),
            replace(dn, "sn", "x"),
            rename(dn, "cn=x", None),
        ]
    };
    for operation in each(&nobody) {
        let answer = bound.ask(&operation, &[]);
        assert_eq!(
            (answer.code, &*answer.matched),
            (Some(32), people.as_bytes())
        );
        assert_eq!(answer.rest, b"", "a referral only with its code");
    }
    for dn in [&far, &below_far] {
        for operation in each(dn) {
            let answer = bound.ask(&operation, &[]);
            assert_eq!((answer.code, &*answer.matched), (Some(10), far.as_bytes()));
            let (tag, uris, after) = element(&answer.rest);
            assert_eq!((tag, after), (0xa3, &[][..]));
            let (tag, uri, after) = element(uris);
            assert_eq!((tag, after), (4, &[][..]));
            assert!(uri.starts_with(b"ldap://far.example/"), "{uri:?}");
        }
    }
    let success = bound.ask(&search_request(BASE, 0), &[]);
    assert_eq!(
        (&*success.matched, &*success.diagnostic, &*success.rest),
        (&b""[..], &b""[..], &b""[..])
    );
}

/// An add whose values of one type stand together.
fn merged(dn: &str, attributes: &[(&str, &str)]) -> Vec<u8> {
    let mut by_type: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    for (name, value) in attributes {
        by_type
            .entry(name)
            .or_default()
            .extend(tlv(4, value.as_bytes()));
    }
    let list: Vec<u8> = by_type
        .iter()
        .flat_map(|(name, values)| {
            tlv(0x30, &[tlv(4, name.as_bytes()), tlv(0x31, values)].concat())
        })
        .collect();
    tlv(0x68, &[tlv(4, dn.as_bytes()), tlv(0x30, &list)].concat())
}

#[test]
fn operational_attributes_of_local_entries_come_on_request() {
    let server = sample::server(OPEN);
    let mut bound = Bound::new(&server);
    let stored = [
        "cn",
        "gidNumber",
        "homeDirectory",
        "mail",
        "objectClass",
        "sn",
        "uid",
        "uidNumber",
    ];
    // memberOf comes with either, as clients of AD and of other servers expect it.
    let user: BTreeSet<String> = stored
        .iter()
        .chain(&["memberOf"])
        .map(|name| (*name).to_owned())
        .collect();
    assert_eq!(bound.attributes(ALICE, &[]), user);
    assert_eq!(bound.attributes(ALICE, &[b"*"]), user);
    assert_eq!(bound.attributes(ALICE, &[b"1.1", b"*"]), user);
    let operational = bound.attributes(ALICE, &[b"+"]);
    for name in stored {
        assert!(!operational.contains(name), "{name}");
    }
    for name in [
        "entryUUID",
        "entryDN",
        "structuralObjectClass",
        "createTimestamp",
        "modifyTimestamp",
        "creatorsName",
        "modifiersName",
        "hasSubordinates",
        "numSubordinates",
        "subschemaSubentry",
        "memberOf",
        "uSNChanged",
    ] {
        assert!(operational.contains(name), "{name}");
        let alone = bound.attributes(ALICE, &[name.as_bytes()]);
        assert_eq!(alone, BTreeSet::from([name.to_owned()]));
    }
    let all: BTreeSet<String> = user.union(&operational).cloned().collect();
    assert_eq!(bound.attributes(ALICE, &[b"*", b"+"]), all);
    assert!(bound.attributes(ALICE, &[b"1.1"]).is_empty());
}

#[test]
fn substrings_and_rules_have_their_order() {
    let server = sample::server(OPEN);
    let mut bound = Bound::new(&server);
    let pieces = |list: &[(u8, &str)]| {
        let list: Vec<u8> = list
            .iter()
            .flat_map(|(tag, text)| tlv(*tag, text.as_bytes()))
            .collect();
        tlv(0xa4, &[tlv(4, b"cn"), tlv(0x30, &list)].concat())
    };
    let extensible = |parts: &[(u8, &[u8])]| {
        let parts: Vec<u8> = parts
            .iter()
            .flat_map(|(tag, text)| tlv(*tag, text))
            .collect();
        tlv(0xa9, &parts)
    };
    for (filter, code) in [
        (
            pieces(&[(0x80, "a"), (0x81, "l"), (0x81, "i"), (0x82, "e")]),
            0,
        ),
        (pieces(&[(0x82, "e"), (0x80, "a")]), 2),
        (pieces(&[(0x81, "l"), (0x80, "a")]), 2),
        (pieces(&[(0x80, "a"), (0x80, "a")]), 2),
        (pieces(&[(0x82, "e"), (0x82, "e")]), 2),
        (pieces(&[(0x82, "e"), (0x81, "l")]), 2),
        (pieces(&[(0x83, "e")]), 2),
        (extensible(&[(0x83, b"x")]), 2),
        (extensible(&[(0x82, b"cn")]), 2),
        (
            extensible(&[(0x82, b"cn"), (0x81, b"2.5.13.2"), (0x83, b"x")]),
            2,
        ),
        (
            extensible(&[(0x82, b"cn"), (0x83, b"x"), (0x84, &[0xff])]),
            0,
        ),
    ] {
        let operation = search(BASE.as_bytes(), 2, &filter, &[]);
        assert_eq!(bound.code(&operation, &[]), code, "{filter:02x?}");
    }
}

#[test]
fn the_largest_numbers_are_numbers() {
    let server = sample::server(OPEN);
    let mut bound = Bound::new(&server);
    let largest = [0x7f, 0xff, 0xff, 0xff];
    let parts = [
        tlv(4, BASE.as_bytes()),
        tlv(0x0a, &[2]),
        tlv(0x0a, &[3]),
        tlv(2, &largest),
        tlv(2, &largest),
        tlv(1, &[0]),
        tlv(0x87, b"objectClass"),
        tlv(0x30, &[]),
    ];
    bound.send(0x7fff_ffff, &tlv(0x63, &parts.concat()), &[]);
    let answer = wire::last(&mut bound.0);
    assert_eq!(answer.outline(), (0x7fff_ffff, DONE, Some(0)));
}

#[test]
fn extended_operations_nobody_knows_are_protocol_errors() {
    let server = sample::server(OPEN);
    let mut bound = Bound::new(&server);
    // A notice of disconnection is for the server to send.
    for oid in ["1.2.3.4", "", "no oid", "1.3.6.1.4.1.1466.20036"] {
        let answer = bound.ask(&extended_request(oid), &[]);
        assert_eq!((answer.tag, answer.code), (EXTENDED_RESPONSE, Some(2)));
        assert_eq!(answer.rest, b"", "neither a name nor a value");
    }
    let valued = tlv(
        0x77,
        &[tlv(0x80, WHO_AM_I.as_bytes()), tlv(0x81, b"x")].concat(),
    );
    assert_eq!(bound.code(&valued, &[]), 2);
    let cancel = extended_request(CANCEL);
    assert_eq!(bound.code(&cancel, &[]), 2);
}

#[test]
fn start_tls_waits_for_nothing_else() {
    let server = sample::server(OPEN);
    let mut bound = Bound::new(&server);
    let start = extended_request(START_TLS);
    let unknown = control("1.2.3.4", Some(true), None);
    assert_eq!(bound.code(&start, &[unknown]), 12);
    let myself = format!("dn:{ALICE}");
    let for_another = control(
        "2.16.840.1.113730.3.4.18",
        Some(true),
        Some(myself.as_bytes()),
    );
    assert_eq!(bound.code(&start, &[for_another]), 12);
    listen(&mut bound, 5);
    assert_eq!(bound.code(&start, &[]), 1);
    assert_eq!(cancel(&mut bound, 5), (Some(0), Some(118)));
    // In a SASL negotiation.
    let mechanism = tlv(0xa3, &tlv(4, b"PLAIN"));
    let begin = tlv(0x60, &[tlv(2, &[3]), tlv(4, b""), mechanism].concat());
    assert_eq!(bound.code(&begin, &[]), 14);
    assert_eq!(bound.code(&start, &[]), 1);
    // The refusals changed nothing.
    assert_eq!(bound.code(&bind_request(ALICE, PASSWORD), &[]), 0);
    bound.send(7, &start, &[]);
    assert_eq!(
        wire::last(&mut bound.0).outline(),
        (7, EXTENDED_RESPONSE, Some(0))
    );
}

#[test]
fn any_octet_of_a_password_counts() {
    let server = sample::server(OPEN);
    let mut bound = Bound::new(&server);
    for wrong in [
        "Sample-word-1\0",
        "Sample-word-1 ",
        "\0",
        "Sample-word-\0",
        " Sample-word-1",
    ] {
        assert_eq!(
            bound.code(&bind_request(ALICE, wrong), &[]),
            49,
            "{wrong:?}"
        );
        assert_eq!(
            bound.ask(&extended_request(WHO_AM_I), &[]).rest,
            tlv(0x8b, b"")
        );
    }
    let spelled = "UID = alice, OU=People , 0.9.2342.19200300.100.1.25=example,DC=ORG";
    assert_eq!(bound.code(&bind_request(spelled, PASSWORD), &[]), 0);
    let name = tlv(0x8b, format!("dn:{ALICE}").as_bytes());
    assert_eq!(bound.ask(&extended_request(WHO_AM_I), &[]).rest, name);
}
