//! Three-valued evaluation of a filter on one entry (RFC 4511 section 4.5.1.7).

use super::{
    EntryId,
    bound::{BoundFilter, Item, Test},
    packed::{PackedAttribute, PackedAttributes},
    snapshot::{MAX_DEPTH, Snapshot},
};
use crate::{
    dn::Rdn,
    schema::{AttributeId, MatchingRule, ObjectClass, holds_word, substrings_match},
};

/// What a filter is evaluated on.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'s> {
    /// The version it belongs to.
    pub snapshot: &'s Snapshot,
    /// The entry; `None` for those that are made up, like the root DSE.
    pub id: Option<EntryId>,
    /// The stored attributes.
    pub attributes: &'s PackedAttributes,
}

impl<'s> Subject<'s> {
    /// An entry; `None` where there is none of this id.
    pub fn of(snapshot: &'s Snapshot, id: EntryId) -> Option<Self> {
        Some(Self {
            snapshot,
            id: Some(id),
            attributes: &snapshot.entry(id)?.attributes,
        })
    }
}

impl BoundFilter {
    /// Whether the filter is true of an entry; `None` means Undefined.
    pub fn evaluate(&self, subject: Subject<'_>) -> Option<bool> {
        match self {
            Self::And(parts) => {
                let mut result = Some(true);
                for part in parts {
                    match part.evaluate(subject) {
                        Some(false) => return Some(false),
                        Some(true) => {}
                        None => result = None,
                    }
                }
                result
            }
            Self::Or(parts) => {
                let mut result = Some(false);
                for part in parts {
                    match part.evaluate(subject) {
                        Some(true) => return Some(true),
                        Some(false) => {}
                        None => result = None,
                    }
                }
                result
            }
            Self::Not(part) => part.evaluate(subject).map(|truth| !truth),
            Self::Item(item) => match item.holds(subject) {
                false if item.outside => None,
                truth => Some(truth),
            },
            Self::Undefined => None,
        }
    }
}

impl Item {
    fn holds(&self, subject: Subject<'_>) -> bool {
        if let (Some(derived), Some(id)) = (&self.derived, subject.id)
            && derived.contains(id)
        {
            return true;
        }
        self.attributes
            .iter()
            .any(|attribute| self.holds_of(subject, *attribute))
            || (self.in_dn && self.holds_in_dn(subject))
    }

    fn holds_of(&self, subject: Subject<'_>, attribute: AttributeId) -> bool {
        let stored = subject.attributes.of_type(attribute);
        let mut stored = stored.filter(|stored| stored.has_options(&self.options));
        let holds = match &self.test {
            Test::Present => stored.next().is_some(),
            // Its name as it is spelled most often is found without looking up others.
            Test::Equal {
                class: Some(class), ..
            } => {
                let class = subject.snapshot.schema().object_class_def(*class);
                stored.any(|stored| has_name(&stored, class) || self.test.is_true(subject, &stored))
            }
            test => stored.any(|stored| test.is_true(subject, &stored)),
        };
        holds || self.holds_of_derived(subject, attribute)
    }

    /// What holds by [`Item::derived`] is not asked again.
    fn holds_of_derived(&self, subject: Subject<'_>, attribute: AttributeId) -> bool {
        let Some(id) = subject.id else { return false };
        if !self.options.is_empty() || self.derived.is_some() {
            return false;
        }
        let Some(derivation) = subject.snapshot.derivations().of(attribute) else {
            return false;
        };
        if matches!(self.test, Test::Present) {
            return derivation.is_present(subject.snapshot, id);
        }
        let mut octets = Vec::new();
        derivation.write_values(subject.snapshot, id, &mut octets);
        let mut values = crate::ber::Reader::new(&octets);
        std::iter::from_fn(|| values.octets().ok())
            .any(|value| self.test.matches(subject.snapshot, value))
    }

    /// The values in names have no options.
    fn holds_in_dn(&self, subject: Subject<'_>) -> bool {
        if !self.options.is_empty() {
            return false;
        }
        let schema = subject.snapshot.schema();
        let mut next = subject.id;
        // The selection asks of entries whose parents may make a ring.
        for _ in 0..MAX_DEPTH {
            let Some(entry) = next.and_then(|id| subject.snapshot.entry(id)) else {
                return false;
            };
            let rdns = crate::dn::Dn::parse(&entry.rdn)
                .map(|dn| dn.rdns)
                .unwrap_or_default();
            let found = rdns.iter().flat_map(|Rdn { avas }| avas).any(|ava| {
                schema
                    .attribute(ava.attribute.as_bytes())
                    .is_some_and(|id| self.attributes.contains(&id))
                    && self.test.matches(subject.snapshot, &ava.value)
            });
            if found {
                return true;
            }
            next = entry.parent;
        }
        false
    }
}

impl Test {
    /// Whether it is true of one of the values of an attribute.
    fn is_true(&self, subject: Subject<'_>, stored: &PackedAttribute<'_>) -> bool {
        let mut values = stored.values();
        values.any(|value| self.matches(subject.snapshot, value))
    }

    pub(super) fn matches(&self, snapshot: &Snapshot, value: &[u8]) -> bool {
        let schema = snapshot.schema();
        match self {
            Self::Present => true,
            Self::Equal {
                rule,
                value: wanted,
                ..
            } => rule.is_normalized_to(schema, value, wanted),
            Self::Bits { mask, all } => integer(value).is_some_and(|value| {
                let common = value & mask;
                if *all { common == *mask } else { common != 0 }
            }),
            Self::AtLeast { rule, value: bound } => rule
                .normalize(schema, value)
                .is_ok_and(|value| *value >= **bound),
            Self::AtMost { rule, value: bound } => rule
                .normalize(schema, value)
                .is_ok_and(|value| *value <= **bound),
            Self::Before { rule, value: bound } => rule
                .normalize(schema, value)
                .is_ok_and(|value| *value < **bound),
            Self::Word {
                rule,
                value: wanted,
            } => rule
                .normalize(schema, value)
                .is_ok_and(|text| holds_word(&text, wanted, *rule == MatchingRule::KeywordMatch)),
            Self::Contains { rule, parts } => rule.normalize(schema, value).is_ok_and(|value| {
                substrings_match(
                    &value,
                    parts.initial.as_deref(),
                    &parts.any,
                    parts.last.as_deref(),
                )
            }),
        }
    }
}

fn has_name(stored: &PackedAttribute<'_>, class: &ObjectClass) -> bool {
    stored
        .values()
        .any(|value| value == class.name().as_bytes())
}

/// A value as AD computes with it: 32 bit numbers keep their sign.
pub(super) fn integer(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}
