//! What the RFCs make of a filter and an entry that is nothing but descriptions and values.

use std::{collections::BTreeMap, sync::Arc};

use super::super::{
    build::*,
    reference::{Role, Validity, holds, holds_parts, validity},
};
use crate::{
    access::Secrets,
    directory::Snapshot,
    filter::Filter,
    proto::request::SearchScope,
    schema::{AttributeDescription, AttributeId, MatchingRule, RuleKind, Schema},
};

/// One entry as the reference sees it: description options and value by attribute type.
pub(super) struct Plain {
    values: Vec<(AttributeId, Vec<String>, Vec<u8>)>,
    rdns: Vec<(AttributeId, Vec<u8>)>,
}

/// Everything in `* +` of every served entry, by DN.
pub(super) fn plain(snapshot: &Arc<Snapshot>) -> BTreeMap<String, Plain> {
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
    pub(super) fn evaluate(&self, schema: &Schema, filter: &Filter) -> Option<bool> {
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
