//! A filter whose names are resolved and whose assertion values are normalized.
//!
//! What cannot be evaluated is Undefined from here on (RFC 4511 section 4.5.1.7), so that an
//! unchecked filter cannot be run.

mod anr;

use std::{borrow::Cow, ops::Deref};

use roaring::RoaringBitmap;
use uuid::Uuid;

use super::{
    EntryId, derived::Derivation, evaluate::integer, found::Found, octets::Octets,
    postings::Postings, snapshot::Snapshot,
};
use crate::{
    access::Secrets,
    proto::request::{AttributeValueAssertion, Filter, Substring},
    schema::{AttributeDescription, AttributeId, MatchingRule, ObjectClassId, Position, RuleKind},
};

/// A filter that can be evaluated against one snapshot.
#[derive(Clone, Debug, PartialEq)]
pub enum BoundFilter {
    /// All of these; none means true (RFC 4526).
    And(Vec<Self>),
    /// Any of these; none means false.
    Or(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
    /// An assertion about values.
    Item(Item),
    /// Cannot be evaluated: an unknown attribute or rule, an invalid assertion value.
    Undefined,
}

/// An assertion about the values of some attribute types.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The type asked about and its subtypes.
    pub(super) attributes: Types,
    /// Options a description must have.
    pub(super) options: Vec<String>,
    /// What must hold of one value.
    pub(super) test: Test,
    /// Entries of which it holds by what is derived: links, names, identities. `None` where each
    /// entry's derived values must be looked at.
    pub(super) derived: Option<Found>,
    /// Whether the RDNs count as values too (extensible match with `:dn`).
    pub(super) in_dn: bool,
    /// Whether the assertion is outside what the schema knows: not of the rule's assertion syntax,
    /// or with an option nobody defined. It is Undefined where it is not true: entries from AD hold
    /// values beyond the schema, and can be found by them.
    pub(super) outside: bool,
}

/// The attribute types of an item: nearly always one.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Types {
    One(AttributeId),
    Many(Box<[AttributeId]>),
}

impl Types {
    fn new(all: &[AttributeId], secrets: &Secrets) -> Self {
        match all {
            [one] if !secrets.contains(*one) => Self::One(*one),
            all => {
                let readable = all.iter().copied().filter(|id| !secrets.contains(*id));
                Self::Many(readable.collect())
            }
        }
    }
}

impl Deref for Types {
    type Target = [AttributeId];

    fn deref(&self) -> &[AttributeId] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// What must hold of one value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    Present,
    Equal {
        rule: MatchingRule,
        value: Octets,
        /// The class whose OID the value is: entries have its name, as a rule in the spelling of its
        /// definition, and others are looked up.
        class: Option<ObjectClassId>,
    },
    AtLeast {
        rule: MatchingRule,
        value: Vec<u8>,
    },
    AtMost {
        rule: MatchingRule,
        value: Vec<u8>,
    },
    /// Before a value in order: what an ordering rule says in an extensible match.
    Before {
        rule: MatchingRule,
        value: Vec<u8>,
    },
    Contains {
        rule: MatchingRule,
        parts: Box<Parts>,
    },
    /// A word in a text.
    Word {
        rule: MatchingRule,
        value: Vec<u8>,
    },
    /// AD's bit rules: all or any of the bits of the mask.
    Bits {
        mask: i64,
        all: bool,
    },
}

/// The normalized parts of a substring assertion.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Parts {
    pub(super) initial: Option<Vec<u8>>,
    pub(super) any: Vec<Vec<u8>>,
    pub(super) last: Option<Vec<u8>>,
}

impl BoundFilter {
    /// Binds a filter as received to a snapshot.
    pub fn bind(filter: &Filter<'_>, snapshot: &Snapshot, secrets: &Secrets) -> Self {
        Binder { snapshot, secrets }.bind(filter)
    }
}

struct Binder<'s> {
    snapshot: &'s Snapshot,
    secrets: &'s Secrets,
}

impl Binder<'_> {
    fn bind(&self, filter: &Filter<'_>) -> BoundFilter {
        let item = match filter {
            Filter::And(parts) => {
                return BoundFilter::And(parts.iter().map(|part| self.bind(part)).collect());
            }
            Filter::Or(parts) => {
                return BoundFilter::Or(parts.iter().map(|part| self.bind(part)).collect());
            }
            Filter::Not(part) => return BoundFilter::Not(Box::new(self.bind(part))),
            Filter::Equality(assertion) | Filter::Approximate(assertion)
                if anr::is_meant(assertion.attribute) =>
            {
                return self.ambiguous_name(assertion.value);
            }
            Filter::Equality(assertion) | Filter::Approximate(assertion) => {
                self.equality(assertion)
            }
            Filter::GreaterOrEqual(assertion) => {
                self.ordering(assertion, |rule, value| Test::AtLeast { rule, value })
            }
            Filter::LessOrEqual(assertion) => {
                self.ordering(assertion, |rule, value| Test::AtMost { rule, value })
            }
            Filter::Present(attribute) => self.item(attribute, |_| Some((Test::Present, true))),
            Filter::Substrings { attribute, pieces } => match pieces.as_slice() {
                [Substring::Initial(value)] if anr::is_meant(attribute) => {
                    return self.ambiguous_name(value);
                }
                pieces => self.substrings(attribute, pieces),
            },
            Filter::Extensible {
                rule,
                attribute,
                value,
                dn_attributes,
            } => self.extensible(*rule, *attribute, value, *dn_attributes),
            Filter::Unknown => None,
        };
        item.map_or(BoundFilter::Undefined, BoundFilter::Item)
    }

    /// The item of an attribute description and of what `test` makes of its type: the test, and
    /// whether the assertion is of the rule's syntax.
    fn item(
        &self,
        attribute: &[u8],
        test: impl FnOnce(AttributeId) -> Option<(Test, bool)>,
    ) -> Option<Item> {
        let schema = self.snapshot.schema();
        let (id, options) = if attribute.contains(&b';') {
            let mut description = AttributeDescription::parse(attribute)?;
            // It says how values travel, and is no subtype (RFC 4522 section 4).
            description.options.retain(|option| option != "binary");
            let id = schema.attribute(description.base.as_bytes())?;
            (id, description.options)
        } else {
            (schema.attribute(attribute)?, Vec::new())
        };
        if self.secrets.contains(id) {
            return None;
        }
        let (test, inside) = test(id)?;
        Some(Item {
            attributes: Types::new(schema.subtypes(id), self.secrets),
            outside: !inside || !options.iter().all(|option| is_known(option)),
            options,
            test,
            derived: None,
            in_dn: false,
        })
    }

    fn equality(&self, assertion: &AttributeValueAssertion<'_>) -> Option<Item> {
        let schema = self.snapshot.schema();
        let value = self.as_octets(assertion);
        let value = value.as_deref().unwrap_or(assertion.value);
        let mut item = self.item(assertion.attribute, |id| {
            self.equal_by(schema.attribute_type(id).equality?, value)
        })?;
        item.derived = self.derived(&item, |derivation| {
            derivation.entries_with(self.snapshot, value, &item.test)
        });
        Some(item)
    }

    /// The octets of an objectGUID given as text, the way AD's own clients may write it.
    fn as_octets(&self, assertion: &AttributeValueAssertion<'_>) -> Option<Vec<u8>> {
        let is_guid = assertion.value.len() == 36;
        let is_sid = assertion.value.starts_with(b"S-1-");
        if !is_guid && !is_sid {
            return None;
        }
        let known = self.snapshot.known();
        let id = self.snapshot.schema().attribute(assertion.attribute)?;
        let text = || std::str::from_utf8(assertion.value).ok();
        if id == known.object_guid && is_guid {
            Some(Uuid::parse_str(text()?).ok()?.to_bytes_le().to_vec())
        } else if id == known.object_sid && is_sid {
            Some(text()?.parse::<crate::mapping::sid::Sid>().ok()?.to_bytes())
        } else {
            None
        }
    }

    /// The entries of which an item holds by what is derived, as `find` says of each derivation;
    /// `None` where it cannot say.
    fn derived(&self, item: &Item, find: impl Fn(Derivation) -> Option<Found>) -> Option<Found> {
        let mut found = Found::NONE;
        // What is derived has no options.
        if !item.options.is_empty() {
            return Some(found);
        }
        for attribute in item.attributes.iter() {
            if let Some(derivation) = self.snapshot.derivations().of(*attribute) {
                found = found.or(find(derivation)?);
            }
        }
        Some(found)
    }

    fn ordering(
        &self,
        assertion: &AttributeValueAssertion<'_>,
        test: impl FnOnce(MatchingRule, Vec<u8>) -> Test,
    ) -> Option<Item> {
        let schema = self.snapshot.schema();
        self.item(assertion.attribute, |id| {
            let rule = schema.attribute_type(id).ordering?;
            let (value, inside) = self.assertion(rule, assertion.value)?;
            Some((test(rule, value.into_owned()), inside))
        })
    }

    fn substrings(&self, attribute: &[u8], pieces: &[Substring<'_>]) -> Option<Item> {
        let schema = self.snapshot.schema();
        self.item(attribute, |id| {
            let rule = schema.attribute_type(id).substring?;
            let mut parts = Box::<Parts>::default();
            let mut inside = true;
            for piece in pieces {
                let (position, octets) = match piece {
                    Substring::Initial(octets) => (Position::Initial, octets),
                    Substring::Any(octets) => (Position::Any, octets),
                    Substring::Final(octets) => (Position::Final, octets),
                };
                inside &= rule.is_assertion(schema, octets);
                parts.add(rule, position, octets)?;
            }
            Some((Test::Contains { rule, parts }, inside))
        })
    }

    fn extensible(
        &self,
        rule: Option<&[u8]>,
        attribute: Option<&[u8]>,
        value: &[u8],
        dn_attributes: bool,
    ) -> Option<Item> {
        let schema = self.snapshot.schema();
        let named = match rule {
            Some(name) => Some(schema.matching_rule(name)?),
            None => None,
        };
        let mut item = match (attribute, named) {
            (None, None) => return None,
            (Some(attribute), None) => {
                self.equality(&AttributeValueAssertion { attribute, value })?
            }
            (Some(attribute), Some(MatchingRule::BitAndMatch)) => {
                self.bits(attribute, value, true)?
            }
            (Some(attribute), Some(MatchingRule::BitOrMatch)) => {
                self.bits(attribute, value, false)?
            }
            (Some(attribute), Some(MatchingRule::InChainMatch)) => {
                self.in_chain(attribute, value)?
            }
            (Some(attribute), Some(rule)) => self.by_rule(attribute, rule, value)?,
            (None, Some(rule)) => self.of_every_type(rule, value)?,
        };
        item.in_dn = dn_attributes;
        Some(item)
    }

    fn by_rule(&self, attribute: &[u8], rule: MatchingRule, value: &[u8]) -> Option<Item> {
        let schema = self.snapshot.schema();
        let id = schema.attribute(AttributeDescription::parse(attribute)?.base.as_bytes())?;
        let definition = schema.attribute_type(id);
        if definition.equality == Some(rule) {
            return self.equality(&AttributeValueAssertion { attribute, value });
        }
        if !rule.applies_to(definition) {
            return None;
        }
        self.item(attribute, |_| self.test_by(rule, value))
    }

    /// "All attributes that support that matching rule" (RFC 4511 section 4.5.1.7.7).
    fn of_every_type(&self, rule: MatchingRule, value: &[u8]) -> Option<Item> {
        let attributes: Vec<AttributeId> = self
            .snapshot
            .schema()
            .attributes()
            .filter(|attribute| rule.applies_to(attribute))
            .map(|attribute| attribute.id)
            .filter(|id| !self.secrets.contains(*id))
            .collect();
        if attributes.is_empty() {
            return None;
        }
        let (test, inside) = self.test_by(rule, value)?;
        Some(Item {
            attributes: Types::Many(attributes.into()),
            options: Vec::new(),
            test,
            derived: None,
            in_dn: false,
            outside: !inside,
        })
    }

    /// The assertion's normalized form, and whether it is of the rule's syntax.
    fn assertion<'v>(
        &'v self,
        rule: MatchingRule,
        value: &'v [u8],
    ) -> Option<(Cow<'v, [u8]>, bool)> {
        let schema = self.snapshot.schema();
        let normalized = rule.normalize_assertion(schema, value).ok()?;
        Some((normalized, rule.is_assertion(schema, value)))
    }

    fn equal_by(&self, rule: MatchingRule, value: &[u8]) -> Option<(Test, bool)> {
        let schema = self.snapshot.schema();
        if rule == MatchingRule::ObjectIdentifierMatch
            && let Some(class) = schema.object_class(value)
        {
            let value = schema.object_class_def(class).oid.as_bytes().into();
            let class = Some(class);
            return Some((Test::Equal { rule, value, class }, true));
        }
        let (value, inside) = self.assertion(rule, value)?;
        let value = value.into();
        let class = None;
        Some((Test::Equal { rule, value, class }, inside))
    }

    /// What a rule of any kind says of a value in an extensible match.
    fn test_by(&self, rule: MatchingRule, value: &[u8]) -> Option<(Test, bool)> {
        match rule.kind() {
            // AD's rules for bits and chains need an attribute.
            RuleKind::Equality => match rule {
                MatchingRule::BitAndMatch
                | MatchingRule::BitOrMatch
                | MatchingRule::InChainMatch => None,
                _ => self.equal_by(rule, value),
            },
            RuleKind::Ordering => {
                let (value, inside) = self.assertion(rule, value)?;
                let value = value.into_owned();
                Some((Test::Before { rule, value }, inside))
            }
            RuleKind::Words => {
                let (value, inside) = self.assertion(rule, value)?;
                let value = value.into_owned();
                Some((Test::Word { rule, value }, inside))
            }
            RuleKind::Substrings => {
                let (initial, any, last) = rule.substring_assertion(value)?;
                let mut parts = Box::<Parts>::default();
                let mut inside = true;
                let given = initial.iter().map(|octets| (Position::Initial, octets));
                let given = given.chain(any.iter().map(|octets| (Position::Any, octets)));
                for (position, octets) in
                    given.chain(last.iter().map(|octets| (Position::Final, octets)))
                {
                    inside &= rule.is_assertion(self.snapshot.schema(), octets);
                    parts.add(rule, position, octets)?;
                }
                Some((Test::Contains { rule, parts }, inside))
            }
        }
    }

    fn bits(&self, attribute: &[u8], value: &[u8], all: bool) -> Option<Item> {
        let mask = integer(value)?;
        let schema = self.snapshot.schema();
        self.item(attribute, |id| {
            let rule = schema.attribute_type(id).equality?;
            (rule == MatchingRule::IntegerMatch).then_some((Test::Bits { mask, all }, true))
        })
    }

    /// AD's in-chain rule: memberOf of nested groups, members of nested groups, chains of managers.
    fn in_chain(&self, attribute: &[u8], dn: &[u8]) -> Option<Item> {
        let assertion = AttributeValueAssertion {
            attribute,
            value: dn,
        };
        // Values that are text because they name no entry are a chain of one.
        let mut item = self.equality(&assertion)?;
        let derivations = self.snapshot.derivations();
        let linked = item.attributes.iter().any(|id| {
            matches!(
                derivations.of(*id),
                Some(Derivation::Link(_) | Derivation::MemberOf)
            )
        });
        if !linked {
            return None;
        }
        item.derived = self.derived(&item, |derivation| {
            derivation.entries_in_chain(self.snapshot, dn)
        });
        Some(item)
    }
}

impl Parts {
    fn add(&mut self, rule: MatchingRule, position: Position, octets: &[u8]) -> Option<()> {
        let part = rule
            .normalize_substring(octets, position)
            .ok()?
            .into_owned();
        match position {
            Position::Initial => self.initial = Some(part),
            Position::Any => self.any.push(part),
            Position::Final => self.last = Some(part),
        }
        Some(())
    }
}

/// Whether an attribute option is defined: languages (RFC 3866), AD's ranges, or private ones
/// (RFC 4512 section 2.5.2); given in lower case.
fn is_known(option: &str) -> bool {
    ["lang-", "x-", "range="]
        .iter()
        .any(|prefix| option.starts_with(prefix))
}

/// The entries of one set of postings, as a bitmap.
pub(super) fn bitmap(postings: Option<&Postings>) -> RoaringBitmap {
    let mut found = RoaringBitmap::new();
    if let Some(postings) = postings {
        postings.union_into(&mut found);
    }
    found
}

/// The bitmap of at most one entry.
pub(super) fn single(id: Option<EntryId>) -> RoaringBitmap {
    id.into_iter().map(|id| id.0).collect()
}
