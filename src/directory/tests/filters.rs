//! Filters: through the indexes, by scan, and by an evaluator that knows nothing of either.

use std::{collections::BTreeMap, sync::Arc};

use proptest::{prelude::*, sample::select};

use super::{
    build::*,
    reference::{Role, Validity, holds, holds_parts, validity},
};
use crate::{
    access::Secrets,
    directory::{BoundFilter, EntryId, Snapshot},
    entry::Entry,
    filter::Filter,
    proto::request::SearchScope,
    schema::{AttributeDescription, AttributeId, MatchingRule, RuleKind, Schema},
};

/// One entry as the reference sees it: description options and value by attribute type.
struct Plain {
    values: Vec<(AttributeId, Vec<String>, Vec<u8>)>,
    rdns: Vec<(AttributeId, Vec<u8>)>,
}

/// Everything in `* +` of every served entry, by DN.
fn plain(snapshot: &Arc<Snapshot>) -> BTreeMap<String, Plain> {
    let schema = snapshot.schema();
    let everything = bind(snapshot, "(&)");
    search(
        snapshot,
        None,
        SearchScope::WholeSubtree,
        everything,
        &["*", "+"],
    )
    .into_iter()
    .map(|(dn, attributes)| {
        let mut values = Vec::new();
        for (description, octets) in attributes {
            let description = AttributeDescription::parse(description.as_bytes()).unwrap();
            let id = schema.attribute(description.base.as_bytes()).unwrap();
            for value in octets {
                values.push((id, description.options.clone(), value));
            }
        }
        let rdns = crate::dn::Dn::parse(&dn)
            .unwrap()
            .rdns
            .into_iter()
            .flat_map(|rdn| rdn.avas)
            .filter_map(|ava| Some((schema.attribute(ava.attribute.as_bytes())?, ava.value)))
            .collect();
        (dn, Plain { values, rdns })
    })
    .collect()
}

impl Plain {
    /// RFC 4511 section 4.5.1.7, value by value.
    fn evaluate(&self, schema: &Schema, filter: &Filter) -> Option<bool> {
        match filter {
            Filter::And(parts) => {
                let truths: Vec<_> = parts.iter().map(|p| self.evaluate(schema, p)).collect();
                if truths.contains(&Some(false)) {
                    Some(false)
                } else if truths.contains(&None) {
                    None
                } else {
                    Some(true)
                }
            }
            Filter::Or(parts) => {
                let truths: Vec<_> = parts.iter().map(|p| self.evaluate(schema, p)).collect();
                if truths.contains(&Some(true)) {
                    Some(true)
                } else if truths.contains(&None) {
                    None
                } else {
                    Some(false)
                }
            }
            Filter::Not(part) => self.evaluate(schema, part).map(|truth| !truth),
            Filter::Present(attribute) => {
                let truth = self.of(schema, attribute)?.next().is_some();
                inside(truth, true, attribute)
            }
            Filter::Equality { attribute, value } | Filter::Approx { attribute, value } => {
                let rule = definition(schema, attribute)?.equality?;
                self.matches(schema, attribute, rule, value)
            }
            Filter::GreaterOrEqual { attribute, value } => {
                // Not before the value.
                let rule = definition(schema, attribute)?.ordering?;
                self.compares(schema, attribute, rule, value, |own| {
                    validity(schema, rule, own, Role::Whole) != Validity::Invalid
                        && !holds(schema, rule, own, value)
                })
            }
            Filter::LessOrEqual { attribute, value } => {
                // Before the value, or the same.
                let rule = definition(schema, attribute)?.ordering?;
                self.compares(schema, attribute, rule, value, |own| {
                    validity(schema, rule, own, Role::Whole) != Validity::Invalid
                        && !holds(schema, rule, value, own)
                })
            }
            Filter::Substrings {
                attribute,
                initial,
                any,
                final_,
            } => {
                let rule = definition(schema, attribute)?.substring?;
                let parts = parts_of(initial, any, final_);
                self.has_parts(schema, attribute, rule, &parts)
            }
            Filter::Extensible {
                rule,
                attribute,
                value,
                dn_attributes,
            } => self.extensible(
                schema,
                rule.as_deref(),
                attribute.as_deref(),
                value,
                *dn_attributes,
            ),
        }
    }

    fn extensible(
        &self,
        schema: &Schema,
        rule: Option<&str>,
        attribute: Option<&str>,
        value: &[u8],
        dn: bool,
    ) -> Option<bool> {
        let named = rule.is_some();
        let rule = match rule {
            Some(rule) => schema.matching_rule(rule.as_bytes())?,
            None => definition(schema, attribute?)?.equality?,
        };
        let secrets = Secrets::new(schema);
        let asked: Vec<AttributeId> = match attribute {
            Some(attribute) => {
                let definition = definition(schema, attribute)?;
                if named && !rule.applies_to(definition) {
                    return None;
                }
                schema.subtypes(definition.id).to_vec()
            }
            None => schema
                .attributes()
                .filter(|definition| rule.applies_to(definition))
                .map(|definition| definition.id)
                .collect(),
        };
        let asked: Vec<AttributeId> = asked
            .into_iter()
            .filter(|id| !secrets.contains(*id))
            .collect();
        if asked.is_empty() {
            return None;
        }
        let options = match attribute {
            Some(attribute) => tags(AttributeDescription::parse(attribute.as_bytes())?),
            None => Vec::new(),
        };
        let own = self
            .values
            .iter()
            .filter(|(id, with, _)| {
                asked.contains(id) && options.iter().all(|option| with.contains(option))
            })
            .map(|(_, _, value)| value.as_slice());
        // What stands in a name has no options.
        let in_name = self
            .rdns
            .iter()
            .filter(|(id, _)| dn && options.is_empty() && asked.contains(id))
            .map(|(_, value)| value.as_slice());
        let mut all = own.chain(in_name);
        let description = attribute.unwrap_or_default();
        match rule.kind() {
            RuleKind::Equality
                if matches!(rule, MatchingRule::BitAndMatch | MatchingRule::BitOrMatch) =>
            {
                let mask: i64 = str::from_utf8(value).ok()?.parse().ok()?;
                if definition(schema, attribute?)?.equality != Some(MatchingRule::IntegerMatch) {
                    return None;
                }
                let truth = all.any(|own| {
                    let own: Option<i64> =
                        str::from_utf8(own).ok().and_then(|own| own.parse().ok());
                    own.is_some_and(|own| match rule {
                        MatchingRule::BitAndMatch => own & mask == mask,
                        _ => own & mask != 0,
                    })
                });
                inside(truth, true, description)
            }
            RuleKind::Substrings => {
                let parts = substring_assertion(rule, value)?;
                let (truth, known) = parts_hold(schema, rule, &parts, all)?;
                inside(truth, known, description)
            }
            _ => {
                let value = as_octets(schema, attribute, rule, value);
                let known = validity(schema, rule, &value, Role::Whole);
                if known == Validity::Invalid {
                    return None;
                }
                let truth = all.any(|own| holds(schema, rule, own, &value));
                inside(truth, known == Validity::Inside, description)
            }
        }
    }

    fn matches(
        &self,
        schema: &Schema,
        attribute: &str,
        rule: MatchingRule,
        value: &[u8],
    ) -> Option<bool> {
        let value = as_octets(schema, Some(attribute), rule, value);
        self.compares(schema, attribute, rule, &value, |own| {
            holds(schema, rule, own, &value)
        })
    }

    fn compares(
        &self,
        schema: &Schema,
        attribute: &str,
        rule: MatchingRule,
        value: &[u8],
        test: impl Fn(&[u8]) -> bool,
    ) -> Option<bool> {
        let known = validity(schema, rule, value, Role::Whole);
        if known == Validity::Invalid {
            return None;
        }
        let truth = self.of(schema, attribute)?.any(test);
        inside(truth, known == Validity::Inside, attribute)
    }

    fn has_parts(
        &self,
        schema: &Schema,
        attribute: &str,
        rule: MatchingRule,
        parts: &[(Role, Vec<u8>)],
    ) -> Option<bool> {
        let (truth, known) = parts_hold(schema, rule, parts, self.of(schema, attribute)?)?;
        inside(truth, known, attribute)
    }

    fn of<'p>(
        &'p self,
        schema: &'p Schema,
        description: &str,
    ) -> Option<impl Iterator<Item = &'p [u8]> + use<'p>> {
        let parsed = AttributeDescription::parse(description.as_bytes())?;
        let id = schema.attribute(parsed.base.as_bytes())?;
        if Secrets::new(schema).contains(id) {
            return None;
        }
        let options = tags(parsed);
        Some(
            self.values
                .iter()
                .filter(move |(own, with, _)| {
                    schema.subtypes(id).contains(own)
                        && options.iter().all(|option| with.contains(option))
                })
                .map(|(_, _, value)| value.as_slice()),
        )
    }
}

/// The options that make a subtype; `binary` is none of them.
fn tags(description: AttributeDescription<'_>) -> Vec<String> {
    let mut options = description.options;
    options.retain(|option| option != "binary");
    options
}

/// The truth of an assertion: what is outside of what the schema knows is never false.
fn inside(truth: bool, known: bool, description: &str) -> Option<bool> {
    let options = description.split(';').skip(1).map(str::to_ascii_lowercase);
    let mut options = options.filter(|option| {
        option != "binary" && !option.starts_with("lang-") && !option.starts_with("x-")
    });
    match truth {
        false if !known || options.next().is_some() => None,
        truth => Some(truth),
    }
}

/// AD takes an objectGUID as text, too.
fn as_octets(
    schema: &Schema,
    attribute: Option<&str>,
    rule: MatchingRule,
    value: &[u8],
) -> Vec<u8> {
    let guid = attribute
        .and_then(|attribute| definition(schema, attribute))
        .is_some_and(|own| own.name() == "objectGUID" && own.equality == Some(rule));
    str::from_utf8(value)
        .ok()
        .filter(|text| guid && text.len() == 36)
        .and_then(|text| uuid::Uuid::parse_str(text).ok())
        .map_or_else(|| value.to_vec(), |uuid| uuid.to_bytes_le().to_vec())
}

fn parts_of(
    initial: &Option<Vec<u8>>,
    any: &[Vec<u8>],
    last: &Option<Vec<u8>>,
) -> Vec<(Role, Vec<u8>)> {
    let initial = initial.iter().map(|part| (Role::Initial, part.clone()));
    let any = any.iter().map(|part| (Role::Any, part.clone()));
    let last = last.iter().map(|part| (Role::Final, part.clone()));
    initial.chain(any).chain(last).collect()
}

/// The parts of a Substring Assertion as they stand in a filter: there, a list has its escapes.
fn substring_assertion(rule: MatchingRule, value: &[u8]) -> Option<Vec<(Role, Vec<u8>)>> {
    let text = str::from_utf8(value).ok()?;
    let list = rule.name() == "caseIgnoreListSubstringsMatch";
    let parts: Option<Vec<Vec<u8>>> = text
        .split('*')
        .map(|part| {
            let bare = part.replace("\\2A", "").replace("\\2a", "");
            let bare = bare.replace("\\5C", "").replace("\\5c", "");
            if bare.contains('\\') {
                return None;
            }
            let part = part.replace("\\2A", "*").replace("\\2a", "*");
            let part = part.replace("\\5c", "\\5C");
            Some(if list {
                part.replace('$', "\\24").into_bytes()
            } else {
                part.replace("\\5C", "\\").into_bytes()
            })
        })
        .collect();
    let parts = parts?;
    let [first, between @ .., last] = parts.as_slice() else {
        return None;
    };
    if between.iter().any(Vec::is_empty) {
        return None;
    }
    let some = |part: &Vec<u8>| (!part.is_empty()).then(|| part.clone());
    Some(parts_of(&some(first), between, &some(last)))
}

/// Whether one of the values has the parts, and whether all parts are of the assertion syntax.
fn parts_hold<'v>(
    schema: &Schema,
    rule: MatchingRule,
    parts: &[(Role, Vec<u8>)],
    mut values: impl Iterator<Item = &'v [u8]>,
) -> Option<(bool, bool)> {
    let mut known = true;
    for (role, part) in parts {
        match validity(schema, rule, part, *role) {
            Validity::Invalid => return None,
            Validity::Outside => known = false,
            Validity::Inside => {}
        }
        if part.is_empty() {
            return None;
        }
    }
    Some((values.any(|own| holds_parts(rule, own, parts)), known))
}

fn definition<'s>(
    schema: &'s Schema,
    description: &str,
) -> Option<&'s crate::schema::AttributeType> {
    let parsed = AttributeDescription::parse(description.as_bytes())?;
    let id = schema.attribute(parsed.base.as_bytes())?;
    (!Secrets::new(schema).contains(id)).then(|| schema.attribute_type(id))
}

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

fn filters() -> impl Strategy<Value = Filter> {
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

fn worlds() -> impl Strategy<Value = Vec<Entry>> {
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, max_shrink_iters: 400, ..Default::default() })]

    #[test]
    fn the_indexes_a_scan_and_the_rfc_agree(
        world in worlds(),
        filters in prop::collection::vec((filters(), 0..3u32), 40),
    ) {
        let fixture = Fixture::new(world);
        let now = fixture.now();
        let plain = plain(&now);
        let secrets = Secrets::new(now.schema());
        for (filter, scope) in filters {
            let request = filter.as_request();
            let bound = BoundFilter::bind(&request, &now, &secrets);
            let expected: Vec<&String> = plain
                .iter()
                .filter(|(_, entry)| entry.evaluate(now.schema(), &filter) == Some(true))
                .map(|(dn, _)| dn)
                .collect();
            let mut scanned: Vec<String> =
                scan(&now, &bound).into_iter().map(|id| now.dn(id)).collect();
            scanned.sort();
            prop_assert_eq!(scanned.iter().collect::<Vec<_>>(), expected.clone(), "scan of {:?}", filter);
            let searched = dns(&now, None, SearchScope::WholeSubtree, &bound);
            prop_assert_eq!(searched.iter().collect::<Vec<_>>(), expected.clone(), "plan of {:?}", filter);
            // Below each entry: the same, cut by the DN alone.
            let scope = [
                SearchScope::SingleLevel,
                SearchScope::WholeSubtree,
                SearchScope::Subordinates,
            ][scope as usize];
            for base in (0..now.id_bound()).map(EntryId).filter(|id| now.is_served(*id)) {
                let base_dn = now.dn(base);
                let below = |dn: &str| {
                    // The inner naming context is no part of the outer one.
                    let inner = dn.ends_with("DC=corp,DC=example,DC=com")
                        == base_dn.ends_with("DC=corp,DC=example,DC=com");
                    let rest = dn.strip_suffix(base_dn.as_str()).filter(|_| inner)?;
                    (rest.is_empty() || rest.ends_with(',')).then(|| rest.matches(',').count())
                };
                let expected: Vec<&String> = expected
                    .iter()
                    .copied()
                    .filter(|dn| match (below(dn), scope) {
                        (None, _) => false,
                        (Some(levels), SearchScope::SingleLevel) => levels == 1,
                        (Some(levels), SearchScope::Subordinates) => levels > 0,
                        (Some(_), _) => true,
                    })
                    .collect();
                let found = dns(&now, Some(base), scope, &bound);
                prop_assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{:?} {} {:?}", scope, base_dn, filter);
                let itself = dns(&now, Some(base), SearchScope::BaseObject, &bound);
                prop_assert_eq!(itself.len(), usize::from(scanned.contains(&base_dn)));
            }
        }
    }
}

fn dns(
    now: &Arc<Snapshot>,
    base: Option<EntryId>,
    scope: SearchScope,
    filter: &BoundFilter,
) -> Vec<String> {
    let mut found: Vec<String> = search(now, base, scope, filter.clone(), &["1.1"])
        .into_iter()
        .map(|(dn, _)| dn)
        .collect();
    found.sort();
    found
}

#[test]
fn bits_are_compared_as_ad_does() {
    let fixture = Fixture::new([
        domain(1),
        user(2, 1, "a"),
        user(3, 1, "b").with("userAccountControl", &["514"]),
        group(4, 1, "g", &[]),
        group(5, 1, "d", &[]).with("groupType", &["2"]),
    ]);
    for (filter, expected) in [
        ("(userAccountControl:1.2.840.113556.1.4.803:=2)", vec![3]),
        ("(userAccountControl:1.2.840.113556.1.4.803:=514)", vec![3]),
        ("(userAccountControl:1.2.840.113556.1.4.803:=0)", vec![2, 3]),
        (
            "(userAccountControl:1.2.840.113556.1.4.804:=514)",
            vec![2, 3],
        ),
        ("(userAccountControl:1.2.840.113556.1.4.804:=0)", vec![]),
        (
            "(&(uid=*)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))",
            vec![2],
        ),
        ("(groupType:1.2.840.113556.1.4.803:=2147483648)", vec![4]),
        ("(!(cn:1.2.840.113556.1.4.803:=2))", vec![]),
        ("(!(userAccountControl:1.2.840.113556.1.4.803:=x))", vec![]),
        ("(!(:1.2.840.113556.1.4.803:=2))", vec![]),
    ] {
        assert_eq!(fixture.find(filter), expected, "{filter}");
    }
}

#[test]
fn identities_are_found_as_octets_and_as_text() {
    let fixture = Fixture::new([domain(1), user(2, 1, "a")]);
    let octets: String = id(2)
        .to_bytes_le()
        .iter()
        .map(|octet| format!("\\{octet:02x}"))
        .collect();
    for filter in [
        format!("(objectGUID={octets})"),
        format!("(objectGUID={})", id(2)),
        format!("(entryUUID={})", id(2).to_string().to_uppercase()),
        "(objectSid=S-1-5-21-2966102495-3163130805-921133302-1002)".to_owned(),
    ] {
        assert_eq!(fixture.find(&filter), [2], "{filter}");
    }
}

#[test]
fn secrets_are_neither_found_nor_missed() {
    let fixture = Fixture::new([
        local_top(1),
        local(2, Some(1), "cn=a", "person").with("userPassword", &["secret"]),
    ]);
    for filter in [
        "(userPassword=secret)",
        "(userPassword=*)",
        "(!(userPassword=secret))",
        "(userPassword;x-a=*)",
        "(2.5.4.35=secret)",
    ] {
        assert_eq!(fixture.find(filter), NOBODY, "{filter}");
    }
    let by_rule = fixture.find("(:octetStringMatch:=secret)");
    assert_eq!(by_rule, NOBODY);
}

/// One local entry that lists its most specific class only.
fn ada() -> Entry {
    let mut made = local(3, Some(2), "cn=Ada", "inetOrgPerson")
        .with("sn", &["Lovelace"])
        .with("cn;lang-en", &["Augusta Ada"])
        .with("description", &["The quick brown fox.", "e-mail first"])
        .with("telephoneNumber", &["+1 800-FLOWERS"])
        .with("postalAddress", &["1 Main St$Anytown \\24 5"])
        .with("mail", &["Ada@example.com"])
        .with("uidNumber", &["1000"])
        .with("c", &["GB"])
        .with("title", &["AbcDef"])
        .with("preferredLanguage", &["en"])
        .with("uniqueMember", &["cn=Ada,ou=o1,dc=example,dc=com#'01'B"]);
    made.set("userCertificate;binary", vec![vec![0x30, 0]]);
    made.set("jpegPhoto", vec![b"a\0b".to_vec()]);
    made
}

fn little() -> Fixture {
    Fixture::new([
        local_top(1),
        local(2, Some(1), "ou=o1", "organizationalUnit"),
        ada(),
    ])
}

/// Filters with what they are of that entry: true, false or Undefined.
#[test]
fn each_kind_of_assertion_is_true_false_or_undefined() {
    const TRUE: Option<bool> = Some(true);
    const FALSE: Option<bool> = Some(false);
    let fixture = little();
    let scope = "(entryUUID=*)";
    for (filter, expected) in [
        // Classes by name, number and superclass.
        ("(objectClass=inetOrgPerson)", TRUE),
        ("(objectClass=INETORGPERSON)", TRUE),
        ("(objectClass=person)", TRUE),
        ("(objectClass=top)", TRUE),
        ("(objectClass=2.5.6.6)", TRUE),
        ("(2.5.4.0=2.5.6.7)", TRUE),
        ("(objectClass=device)", FALSE),
        ("(objectClass=1.2.3.4)", FALSE),
        ("(objectClass=noSuchClass)", None),
        ("(objectClass=no such)", None),
        // Subtypes and options.
        ("(name=ada)", TRUE),
        ("(name=lovelace)", TRUE),
        ("(name=gb)", TRUE),
        ("(cn=augusta ada)", TRUE),
        ("(cn;lang-en=augusta ada)", TRUE),
        ("(cn;LANG-EN=*)", TRUE),
        ("(name;lang-en=augusta ada)", TRUE),
        ("(cn;lang-en=ada)", FALSE),
        ("(cn;lang-de=*)", FALSE),
        ("(cn;no-such=*)", None),
        ("(userCertificate=*)", TRUE),
        ("(userCertificate;binary=\\30\\00)", TRUE),
        ("(jpegPhoto;binary=a\\00b)", TRUE),
        ("(jpegPhoto=a)", FALSE),
        // Unknown attributes.
        ("(noSuch=*)", None),
        ("(noSuch=a)", None),
        ("(noSuch>=a)", None),
        ("(noSuch~=a)", None),
        ("(noSuch=a*)", None),
        ("(noSuch:=a)", None),
        ("(1.2.3=*)", None),
        // Rules that there are not.
        ("(cn>=a)", None),
        ("(description<=z)", None),
        ("(uidNumber=1*)", None),
        ("(jpegPhoto=a*)", None),
        ("(userPKCS12=a)", None),
        ("(objectClass=inet*)", None),
        // Assertions of another syntax.
        ("(uidNumber=01000)", None),
        ("(uidNumber=1e3)", None),
        ("(uidNumber>=)", None),
        ("(cn=)", None),
        ("(cn=\\ff)", None),
        ("(cn=\\ed\\a0\\80)", None),
        ("(cn=\\f8\\88\\80\\80\\80)", None),
        ("(cn=\\ee\\80\\80)", None),
        ("(cn=*\\ff*)", None),
        ("(mail=\\c3\\a9)", None),
        ("(mail=*\\c3\\a9)", None),
        ("(mail=)", FALSE),
        ("(telephoneNumber=a@b)", None),
        ("(telephoneNumber=*@*)", None),
        ("(hasSubordinates=false)", None),
        ("(createTimestamp>=2024)", None),
        ("(entryUUID=1)", None),
        ("(member=a)", None),
        ("(seeAlso=cn=a+cn=b)", None),
        ("(postalAddress=a$)", None),
        // Operational and derived attributes.
        ("(hasSubordinates=FALSE)", TRUE),
        ("(numSubordinates=0)", TRUE),
        ("(numSubordinates<=-1)", FALSE),
        ("(entryDN=*)", TRUE),
        ("(entryDN=CN=ada, OU=O1,dc=EXAMPLE,dc=com)", TRUE),
        ("(entryDN=2.5.4.3=Ada,ou=o1,dc=example,dc=com)", TRUE),
        ("(entryDN=cn=#0403416461,ou=o1,dc=example,dc=com)", TRUE),
        ("(entryDN=ou=o1,dc=example,dc=com)", FALSE),
        ("(entryDN=noSuch=x)", FALSE),
        ("(structuralObjectClass=2.16.840.1.113730.3.2.2)", TRUE),
        ("(structuralObjectClass=*)", TRUE),
        ("(subschemaSubentry=CN=subschema)", TRUE),
        // Values as their rules compare them.
        ("(cn~=ADA)", TRUE),
        ("(telephoneNumber=1800flowers)", FALSE),
        ("(telephoneNumber=+1800flowers)", TRUE),
        ("(telephoneNumber=+1 8-00*FLO*ers)", TRUE),
        (
            "(uidNumber>=-170141183460469231731687303715884105729)",
            TRUE,
        ),
        (
            "(uidNumber>=170141183460469231731687303715884105729)",
            FALSE,
        ),
        ("(uidNumber<=1000)", TRUE),
        ("(uidNumber>=1001)", FALSE),
        ("(postalAddress=1 MAIN st$anytown \\5c24 5)", TRUE),
        ("(postalAddress=*main*\\5c24*)", TRUE),
        ("(postalAddress=*st$any*)", FALSE),
        ("(uniqueMember=CN=ADA,OU=o1,DC=example,DC=com#'01'B)", TRUE),
        ("(uniqueMember=CN=ADA,OU=o1,DC=example,DC=com)", FALSE),
        // Extensible matches.
        ("(title:=ABCDEF)", TRUE),
        ("(title:caseExactMatch:=AbcDef)", TRUE),
        ("(title:2.5.13.5:=abcdef)", FALSE),
        ("(title:CASEEXACTSUBSTRINGSMATCH:=\\2abcD\\2a)", TRUE),
        ("(title:caseExactSubstringsMatch:=\\2aBCD\\2a)", FALSE),
        ("(title:caseExactSubstringsMatch:=BCD)", None),
        ("(title:caseIgnoreOrderingMatch:=b)", TRUE),
        ("(title:caseIgnoreOrderingMatch:=abcdef)", FALSE),
        ("(uidNumber:integerOrderingMatch:=1001)", TRUE),
        ("(uidNumber:integerOrderingMatch:=1000)", FALSE),
        ("(description:wordMatch:=FOX)", TRUE),
        ("(description:wordMatch:=e-mail)", TRUE),
        ("(description:wordMatch:=quick brown)", FALSE),
        ("(description:2.5.13.33:=quick brown)", TRUE),
        ("(description:keywordMatch:=bro)", FALSE),
        ("(name:caseExactMatch:=Lovelace)", TRUE),
        ("(cn:integerMatch:=1)", None),
        ("(uidNumber:caseIgnoreMatch:=1000)", None),
        ("(mail:caseExactMatch:=Ada@example.com)", None),
        ("(mail:caseExactIA5Match:=Ada@example.com)", TRUE),
        ("(cn:noSuchMatch:=a)", None),
        ("(cn:1.2.3:=a)", None),
        ("(:noSuchMatch:=a)", None),
        ("(:caseExactMatch:=AbcDef)", TRUE),
        ("(:caseExactMatch:=abcdef)", FALSE),
        ("(:integerMatch:=1000)", TRUE),
        ("(:integerMatch:=x)", None),
        ("(:dn:caseExactMatch:=o1)", TRUE),
        ("(:caseExactMatch:=o1)", FALSE),
        ("(ou:dn:=O1)", TRUE),
        ("(ou:=O1)", FALSE),
        ("(ou:dn:caseExactMatch:=O1)", FALSE),
        ("(dc:dn:=example)", TRUE),
        ("(name:dn:=o1)", TRUE),
        // Three values.
        ("(&)", TRUE),
        ("(|)", FALSE),
        ("(&(cn=ada)(noSuch=a))", None),
        ("(&(cn=b)(noSuch=a))", FALSE),
        ("(|(cn=ada)(noSuch=a))", TRUE),
        ("(|(cn=b)(noSuch=a))", None),
        ("(!(!(noSuch=a)))", None),
    ] {
        let holds = |filter: &str| fixture.find(&format!("(&{scope}{filter})")).contains(&3);
        let found = match (holds(filter), holds(&format!("(!{filter})"))) {
            (true, false) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
            (true, true) => panic!("{filter} is true and false"),
        };
        assert_eq!(found, expected, "{filter}");
    }
}

#[test]
fn values_beyond_their_syntax_are_found_and_never_missed() {
    let fixture = Fixture::new([
        domain(1),
        user(2, 1, "a")
            .with("mail", &["j\u{fc}rgen@example.com"])
            .with("telephoneNumber", &["4*4"])
            .with("objectClass", &["top", "person", "user", "acmePerson"]),
        user(3, 1, "b").with("mail", &["b@example.com"]),
    ]);
    for (filter, expected) in [
        ("(mail=J\u{dc}RGEN@example.com)", vec![2]),
        ("(mail=*\u{fc}*)", vec![2]),
        ("(telephoneNumber=4\\2a4)", vec![2]),
        ("(objectClass=ACMEPERSON)", vec![2]),
        ("(&(uid=*)(!(mail=j\u{fc}rgen@example.com)))", vec![]),
        ("(&(uid=*)(!(mail=*\u{fc}*)))", vec![]),
        ("(&(uid=*)(!(objectClass=acmePerson)))", vec![]),
    ] {
        assert_eq!(fixture.find(filter), expected, "{filter}");
    }
}

#[test]
fn a_filter_may_have_thousands_of_parts() {
    let fixture = little();
    let parts: String = (0..5000).map(|n| format!("(uidNumber={n})")).collect();
    assert_eq!(fixture.find(&format!("(|{parts})")), [3]);
    assert_eq!(fixture.find(&format!("(&(cn=ada)(!(|{parts})))")), NOBODY);
    let parts: String = (0..5000)
        .map(|n| format!("(!(uidNumber={}))", n + 2000))
        .collect();
    assert_eq!(fixture.find(&format!("(&(uidNumber=*){parts})")), [3]);
}
