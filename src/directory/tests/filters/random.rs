//! Random filters, and entries they may hold of.

use proptest::{prelude::*, sample::select};

use super::super::build::*;
use crate::{entry::Entry, filter::Filter, schema::MatchingRule};

const WORDS: &[&str] = &[
    "a",
    "A",
    "ab",
    "AB",
    "abc",
    "a b",
    " a  b ",
    "abcabc",
    "aBc d",
    "é",
    "É",
    "smith",
    "Smith, J",
    "e\u{301}",
    "a\u{ad}b",
    "a\u{a0}b",
    "a\tb",
    "  ",
    "ﬁn",
    "FIN",
    "Straße",
    "STRASSE",
    "a-b",
    "+1 2-3",
    "\u{e000}a",
    "\u{301}a",
    "a\u{378}",
    "a$b",
    "a$b$ab",
    "a\\24b",
    "a\\5cb",
    "ab\\",
    "1 2",
    "12",
    "a *b",
    "a.b-ab (abc)",
    "\u{1f389} a",
    "a\0b",
];
/// By attribute: values of it, in and out of its syntax.
const TYPED: &[(&str, &[&str])] = &[
    (
        "krbPasswordExpiration",
        &[
            "20240101000000Z",
            "202401010100+0100",
            "2024010100Z",
            "2024010100.5Z",
            "20240101003000,0Z",
            "20240101000000.25Z",
            "20231231235960Z",
            "19000228120000-1130",
            "20240230000000Z",
            "2024",
        ],
    ),
    (
        "x500UniqueIdentifier",
        &["'01'B", "'010'B", "''B", "'02'B", "01"],
    ),
    ("loginDisabled", &["TRUE", "FALSE", "true", "1"]),
    (
        "pwdAttribute",
        &[
            "userPassword",
            "2.5.4.35",
            "USERPASSWORD",
            "cn",
            "2.5.4.3",
            "madeUp",
            "MADEUP",
            "1.2.3",
            "a b",
            "1",
        ],
    ),
    ("x121Address", &["1 2", "12", " 1 2 ", "1a", "13", "  "]),
    ("dnQualifier", &["a", "B", " a  b ", "ab", "é"]),
    (
        "mailPreferenceOption",
        &[
            "0",
            "-5",
            "17",
            "170141183460469231731687303715884105728",
            "-170141183460469231731687303715884105728",
            "-170141183460469231731687303715884105729",
            "007",
            "x",
        ],
    ),
    (
        "dITStructureRules",
        &["( 2 NAME 'a' FORM b )", "2", "( 3 FORM b )", "02", "( x )"],
    ),
    (
        "attributeTypes",
        &[
            "( 2.5.4.3 NAME 'cn' )",
            "cn",
            "2.5.4.3",
            "( 2.5.4.4 )",
            "sn",
            "madeUp",
            "( 1.2 )",
            "1.2",
        ],
    ),
    ("c", &["DE", "de", "FR", "DEU"]),
    ("audio", &["a", "A"]),
    ("jpegPhoto", &["a", "b", "ab"]),
    (
        "uniqueMember",
        &[
            "cn=E5,ou=o1,dc=example,dc=com#'01'B",
            "CN=e5, OU=O1,DC=example,dc=com#'01'B",
            "cn=e5,ou=o1,dc=example,dc=com#'0'B",
        ],
    ),
];
const NUMBERS: &[&str] = &["0", "1", "2", "3", "10", "513", "-5", "512", "514", "1000"];
const DNS: &[&str] = &[
    "dc=example,dc=com",
    "OU=o1, DC=example,dc=com",
    "cn=e5,ou=o1,dc=example,dc=com",
    "cn=E6,ou=o1,dc=example,dc=com",
    "CN=u20,DC=corp,DC=example,DC=com",
    "CN=g30,dc=corp,dc=example,dc=com",
    "CN=g31,dc=corp,dc=example,dc=com",
    "cn=nobody,dc=example,dc=com",
];
const ODD: &[&str] = &[
    "",
    "=",
    "x=y=z,,",
    "TRUE",
    "true",
    "inetOrgPerson",
    "2.5.6.6",
    "person",
];
const WORDY: &[&str] = &[
    "cn",
    "sn",
    "name",
    "description",
    "cn;lang-de",
    "description;lang-de;x-a",
    "title",
    "mail",
    "telephoneNumber",
    "displayName",
    "uid",
    "2.5.4.3",
    "CommonName",
    "postalAddress",
    "description;nosuch",
    "serialNumber",
    "facsimileTelephoneNumber",
];
const NUMERIC: &[&str] = &[
    "uidNumber",
    "gidNumber",
    "userAccountControl",
    "primaryGroupID",
    "numSubordinates",
    "departmentNumber",
];
const LINKED: &[&str] = &[
    "member",
    "memberOf",
    "manager",
    "seeAlso",
    "uniqueMember",
    "entryDN",
    "distinguishedName",
    "member;x-a",
    "memberOf;x-a",
];
const OTHER: &[&str] = &[
    "objectClass",
    "structuralObjectClass",
    "hasSubordinates",
    "subschemaSubentry",
    "memberUid",
    "entryUUID",
    "objectGUID",
    "userPassword",
    "nosuch",
    "createTimestamp",
    "c;;",
    "userCertificate",
    "userCertificate;binary",
    "countryName",
    "loginDisabled",
];

fn attributes() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => select(WORDY), 2 => select(NUMERIC), 2 => select(LINKED), 2 => select(OTHER)
    ]
    .prop_map(str::to_owned)
}

fn octets() -> impl Strategy<Value = Vec<u8>> {
    let identity = (0..40u32, any::<bool>()).prop_map(|(number, text)| {
        if text {
            id(number).to_string().into_bytes()
        } else {
            id(number).to_bytes_le().to_vec()
        }
    });
    prop_oneof![
        4 => select(WORDS).prop_map(|text| text.as_bytes().to_vec()),
        3 => select(NUMBERS).prop_map(|text| text.as_bytes().to_vec()),
        3 => select(DNS).prop_map(|text| text.as_bytes().to_vec()),
        2 => select(ODD).prop_map(|text| text.as_bytes().to_vec()),
        1 => (0..40u32).prop_map(|number| format!("u{number}").into_bytes()),
        1 => identity,
        1 => Just(b"cn=Subschema".to_vec()),
    ]
}

/// An attribute with a value that suits it more often than not.
fn assertions() -> impl Strategy<Value = (String, Vec<u8>)> {
    let pick = |names: &'static [&'static str], values: &'static [&'static str]| {
        (select(names), select(values))
            .prop_map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
    };
    prop_oneof![
        3 => pick(WORDY, WORDS),
        2 => pick(NUMERIC, NUMBERS),
        3 => pick(LINKED, DNS),
        4 => typed(),
        3 => (attributes(), octets()),
    ]
}

fn typed() -> impl Strategy<Value = (String, Vec<u8>)> {
    select(TYPED).prop_flat_map(|(name, values)| {
        select(values).prop_map(|value| (name.to_owned(), value.as_bytes().to_vec()))
    })
}

fn parts() -> impl Strategy<Value = Vec<u8>> {
    select(
        &[
            "a", "b", "ab", "bc", "abc", " ", "a ", " b", "smi", "th", "É", "u2", "1", "g", "$",
            "\\24", "24", "\\5c", "a$b", "-", "@", "\u{301}", "\u{ad}", "  a  b", "fi", "ss", "*",
        ][..],
    )
    .prop_map(|part| part.as_bytes().to_vec())
}

fn items() -> impl Strategy<Value = Filter> {
    let every: Vec<String> = MatchingRule::all()
        .filter(|rule| *rule != MatchingRule::InChainMatch)
        .flat_map(|rule| [rule.name().to_owned(), rule.oid().to_owned()])
        .chain(["nosuchrule".to_owned(), "1.2.3".to_owned()])
        .collect();
    let common = select(
        &[
            "caseExactMatch",
            "caseIgnoreMatch",
            "2.5.13.14",
            "distinguishedNameMatch",
            "1.2.840.113556.1.4.803",
            "1.2.840.113556.1.4.804",
            "caseIgnoreSubstringsMatch",
            "caseExactSubstringsMatch",
            "integerOrderingMatch",
            "wordMatch",
            "keywordMatch",
        ][..],
    )
    .prop_map(str::to_owned);
    let rules = prop_oneof![select(every), common];
    let asserted = select(
        &[
            "*", "a*", "*a", "a*b", "*a b*", "a", "**", "\\2A*", "*\\5c*", "*$*", "A*", "ab*ab",
            "AB*", "*aBc*", "aBc*d", "*é",
        ][..],
    )
    .prop_map(|text| text.as_bytes().to_vec());
    let asserted = (select(WORDY), asserted).prop_map(|(name, value)| (name.to_owned(), value));
    let extensible = prop_oneof![3 => assertions(), 1 => asserted];
    prop_oneof![
        4 => assertions().prop_map(|(attribute, value)| Filter::Equality { attribute, value }),
        1 => assertions().prop_map(|(attribute, value)| Filter::Approx { attribute, value }),
        2 => assertions().prop_map(|(attribute, value)| Filter::GreaterOrEqual { attribute, value }),
        2 => assertions().prop_map(|(attribute, value)| Filter::LessOrEqual { attribute, value }),
        2 => attributes().prop_map(Filter::Present),
        4 => (attributes(), prop::option::of(parts()), prop::collection::vec(parts(), 0..3),
              prop::option::of(parts()))
            .prop_filter("there is a part", |(_, initial, any, last)| {
                initial.is_some() || !any.is_empty() || last.is_some()
            })
            .prop_map(|(attribute, initial, any, final_)| {
                Filter::Substrings { attribute, initial, any, final_ }
            }),
        3 => (prop::option::of(rules), extensible, any::<bool>(), 0..4)
            .prop_filter("a rule or an attribute", |(rule, _, _, name)| rule.is_some() || *name > 0)
            .prop_map(|(rule, (attribute, value), dn_attributes, name)| Filter::Extensible {
                rule,
                attribute: (name > 0).then_some(attribute),
                value,
                dn_attributes,
            }),
    ]
}

pub(super) fn filters() -> impl Strategy<Value = Filter> {
    items().prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Filter::And),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Filter::Or),
            inner.prop_map(|part| Filter::Not(Box::new(part))),
        ]
    })
}

/// Values of attributes that are no plain strings.
type Typed = Vec<(String, Vec<u8>)>;

/// Sets what is random of an entry: words, numbers, text DNs and links.
fn dress(
    mut entry: Entry,
    (words, typed): &(Vec<(&str, &str)>, Typed),
    number: &str,
    links: &[(&str, u32)],
) -> Entry {
    for (name, value) in typed {
        let mut values = entry
            .attribute(name)
            .map(|attribute| attribute.values.clone())
            .unwrap_or_default();
        values.push(value.clone());
        entry.set(name, values);
    }
    for (description, word) in words {
        // Single-valued or not: the directory takes what it is given.
        let mut values = entry
            .attribute(description)
            .map(|attribute| attribute.values.clone())
            .unwrap_or_default();
        values.push(word.as_bytes().to_vec());
        entry.set(description, values);
    }
    if !number.is_empty() {
        entry.set("uidNumber", vec![number.as_bytes().to_vec()]);
        entry.set("userAccountControl", vec![number.as_bytes().to_vec()]);
    }
    for (name, target) in links {
        entry.link_mut(name).insert(id(*target));
    }
    entry
}

pub(super) fn worlds() -> impl Strategy<Value = Vec<Entry>> {
    let words = || {
        let words = prop::collection::vec(
            (
                select(
                    &[
                        "cn",
                        "sn",
                        "description",
                        "CN;lang-de",
                        "description;x-a;lang-DE",
                        "title",
                        "mail",
                        "telephoneNumber",
                        "displayName",
                        "postalAddress",
                        "postalAddress",
                        "serialNumber",
                        "facsimileTelephoneNumber",
                        "description;nosuch",
                        "userCertificate;binary",
                    ][..],
                ),
                select(WORDS),
            ),
            0..6,
        );
        (words, prop::collection::vec(typed(), 0..5))
    };
    let number = || prop_oneof![Just(""), select(NUMBERS)];
    let links = |names: &'static [&'static str]| {
        prop::collection::vec(
            (
                select(names),
                select(&[1u32, 2, 5, 6, 7, 20, 21, 22, 30, 31, 32, 39][..]),
            ),
            0..4,
        )
    };
    let locals = prop::collection::vec(
        (
            words(),
            number(),
            links(&["member", "manager", "seeAlso", "uniqueMember"]),
            0..4u8,
        ),
        1..5,
    );
    let users = prop::collection::vec((words(), number(), links(&["manager"]), 0..3u32), 1..4);
    let groups = prop::collection::vec((words(), links(&["member"])), 1..4);
    (locals, users, groups).prop_map(|(locals, users, groups)| {
        let mut top = domain(10);
        top.set("objectGUID", vec![id(10).to_bytes_le().to_vec()]);
        let mut entries = vec![
            local_top(1),
            local(2, Some(1), "ou=o1", "organizationalUnit"),
            top,
        ];
        for (number, (words, uid, links, kind)) in (5..).zip(locals) {
            let mut made = dress(
                local(number, Some(2), &format!("cn=e{number}"), "inetOrgPerson"),
                &words,
                uid,
                &links,
            );
            match kind {
                0 => made.set("member", vec![b"cn=nobody,dc=example,dc=com".to_vec()]),
                1 => made.set("objectGUID", vec![id(number + 1).to_bytes_le().to_vec()]),
                2 => made.set("memberUid", vec![b"u20".to_vec(), b"ab".to_vec()]),
                _ => made.set("member;x-a", vec![b"dc=example,dc=com".to_vec()]),
            }
            made.set("userPassword", vec![b"ab".to_vec()]);
            entries.push(made);
        }
        for (number, (words, uid, links, primary)) in (20..).zip(users) {
            let mut made = user(number, 10, &format!("u{number}")).with(
                "primaryGroupID",
                &[["513", "1030", "1031"][primary as usize]],
            );
            made.set("objectGUID", vec![id(number).to_bytes_le().to_vec()]);
            entries.push(dress(made, &words, uid, &links));
        }
        for (number, (words, links)) in (30..).zip(groups) {
            let mut made = group(number, 10, &format!("g{number}"), &[]);
            made.set("objectGUID", vec![id(number).to_bytes_le().to_vec()]);
            entries.push(dress(made, &words, "", &links));
        }
        entries
    })
}
