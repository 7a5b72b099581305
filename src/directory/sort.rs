//! The order of what a search finds, by the values of attributes (RFC 2891).
//!
//! All keys of an entry become one string of octets whose order is the order that was asked for, so
//! that comparing two entries is comparing memory.

use super::{EntryId, snapshot::Snapshot};
use crate::{
    access::Secrets,
    ber::Reader,
    proto::control::SortKey,
    schema::{
        AttributeDescription, AttributeId, AttributeType, MatchingRule, RuleKind, Schema, Syntax,
    },
};

/// Keys of one order; more of them decide nothing, and each costs time for each entry.
pub const MAX_SORT_KEYS: usize = 16;
/// Entries that are sorted when they are collected, so that little is left to do at the end.
const RUN: usize = 4096;

/// An order of entries whose names are resolved against one snapshot.
#[derive(Clone, Debug)]
pub struct Order {
    keys: Vec<OrderKey>,
}

#[derive(Clone, Debug)]
struct OrderKey {
    /// The type asked for and its subtypes.
    attributes: Vec<AttributeId>,
    /// Options a description must have.
    options: Vec<String>,
    rule: MatchingRule,
    reverse: bool,
}

/// Why nothing can be sorted by these keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsortable {
    /// What is wrong.
    pub reason: UnsortableReason,
    /// The attribute description at fault, as it was sent.
    pub attribute: Vec<u8>,
}

/// What is wrong with a sort key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnsortableReason {
    /// No attribute type has this name.
    UnknownAttribute,
    /// The rule is no ordering rule, or does not fit; or there is none.
    NoOrder,
    /// Nobody reads this attribute.
    Secret,
    /// The attribute is there twice, or there are more keys than [`MAX_SORT_KEYS`].
    TooMuch,
}

impl Order {
    /// Resolves sort keys.
    ///
    /// Without a rule it is the type's own; where that has none, the ordering rule that belongs to
    /// its equality rule, since RFC 4519 gives none to the names that people sort by.
    ///
    /// # Errors
    /// [`Unsortable`] for the first key that cannot be followed.
    pub fn bind(
        keys: &[SortKey<'_>],
        snapshot: &Snapshot,
        secrets: &Secrets,
    ) -> Result<Self, Unsortable> {
        let mut bound: Vec<OrderKey> = Vec::with_capacity(keys.len().min(MAX_SORT_KEYS));
        for key in keys {
            let refused = |reason| Unsortable {
                reason,
                attribute: key.attribute.to_vec(),
            };
            let next = OrderKey::bind(key, snapshot.schema(), secrets).map_err(refused)?;
            // "An AttributeType should only be in the SortKeyList once."
            let twice = bound.iter().any(|other| {
                other.attributes.first() == next.attributes.first() && other.options == next.options
            });
            if twice || bound.len() == MAX_SORT_KEYS {
                return Err(refused(UnsortableReason::TooMuch));
            }
            bound.push(next);
        }
        Ok(Self { keys: bound })
    }

    /// Appends the key of an entry; gives how many values were looked at.
    fn write_key(&self, snapshot: &Snapshot, id: EntryId, out: &mut Vec<u8>) -> usize {
        let mut examined = 0;
        for key in &self.keys {
            let least = key.least(snapshot, id, &mut examined);
            key.write(least.as_deref(), out);
        }
        examined
    }

    /// What the keys of entries begin with that have this value of the first attribute; `None`
    /// for what is no value of it.
    pub fn prefix(&self, schema: &Schema, assertion: &[u8]) -> Option<Vec<u8>> {
        let first = self.keys.first()?;
        let value = first.rule.normalize_assertion(schema, assertion).ok()?;
        let mut out = Vec::with_capacity(value.len() + 4);
        first.write(Some(&value), &mut out);
        Some(out)
    }
}

impl OrderKey {
    fn bind(
        key: &SortKey<'_>,
        schema: &Schema,
        secrets: &Secrets,
    ) -> Result<Self, UnsortableReason> {
        let description =
            AttributeDescription::parse(key.attribute).ok_or(UnsortableReason::UnknownAttribute)?;
        let id = schema
            .attribute(description.base.as_bytes())
            .ok_or(UnsortableReason::UnknownAttribute)?;
        if secrets.contains(id) {
            return Err(UnsortableReason::Secret);
        }
        let attribute = schema.attribute_type(id);
        let rule = match key.ordering_rule {
            None => own_rule(attribute),
            Some(name) => schema
                .matching_rule(name)
                .filter(|rule| fits(*rule, attribute)),
        };
        Ok(Self {
            attributes: schema
                .subtypes(id)
                .iter()
                .copied()
                .filter(|id| !secrets.contains(*id))
                .collect(),
            options: description.options,
            rule: rule.ok_or(UnsortableReason::NoOrder)?,
            reverse: key.reverse,
        })
    }

    /// The least value of an entry, normalized: the one that counts where there are several, in
    /// whichever direction.
    fn least(&self, snapshot: &Snapshot, id: EntryId, examined: &mut usize) -> Option<Vec<u8>> {
        let schema = snapshot.schema();
        let entry = snapshot.entry(id)?;
        let mut least: Option<Vec<u8>> = None;
        let mut offer = |value: &[u8]| {
            *examined += 1;
            if let Ok(value) = self.rule.normalize(schema, value)
                && least.as_deref().is_none_or(|least| *value < *least)
            {
                least = Some(value.into_owned());
            }
        };
        for attribute in &self.attributes {
            entry
                .attributes
                .of_type(*attribute)
                .filter(|stored| stored.has_options(&self.options))
                .flat_map(|stored| stored.values())
                .for_each(&mut offer);
            // What is derived has no options.
            if self.options.is_empty()
                && let Some(derivation) = snapshot.derivations().of(*attribute)
            {
                let mut octets = Vec::new();
                derivation.write_values(snapshot, id, &mut octets);
                let mut values = Reader::new(&octets);
                std::iter::from_fn(|| values.octets().ok()).for_each(&mut offer);
            }
        }
        least
    }

    /// Appends a part of a key that ends where no other part goes on.
    ///
    /// Entries without a value come last, and first where the order is reversed: RFC 2891 takes
    /// them to have a value greater than all others.
    fn write(&self, value: Option<&[u8]>, out: &mut Vec<u8>) {
        let start = out.len();
        match value {
            Some(value) => {
                out.push(0);
                for octet in value {
                    out.push(*octet);
                    if *octet == 0 {
                        out.push(0xff);
                    }
                }
                out.extend_from_slice(&[0, 0]);
            }
            None => out.push(1),
        }
        if self.reverse {
            for octet in out.iter_mut().skip(start) {
                *octet = !*octet;
            }
        }
    }
}

/// The ordering rule of a type, or the one that belongs to its equality rule.
fn own_rule(attribute: &AttributeType) -> Option<MatchingRule> {
    use MatchingRule as Rule;

    attribute.ordering.or(match attribute.equality? {
        Rule::CaseIgnoreMatch | Rule::CaseIgnoreIa5Match => Some(Rule::CaseIgnoreOrderingMatch),
        Rule::CaseExactMatch | Rule::CaseExactIa5Match => Some(Rule::CaseExactOrderingMatch),
        Rule::NumericStringMatch => Some(Rule::NumericStringOrderingMatch),
        Rule::IntegerMatch => Some(Rule::IntegerOrderingMatch),
        Rule::GeneralizedTimeMatch => Some(Rule::GeneralizedTimeOrderingMatch),
        // Pictures and certificates have the rule, too, but no order that means anything.
        Rule::OctetStringMatch if attribute.syntax == Syntax::OctetString => {
            Some(Rule::OctetStringOrderingMatch)
        }
        Rule::UuidMatch => Some(Rule::UuidOrderingMatch),
        _ => None,
    })
}

/// Whether values of a type can be ordered by a rule.
fn fits(rule: MatchingRule, attribute: &AttributeType) -> bool {
    let of_text = matches!(
        rule,
        MatchingRule::CaseIgnoreOrderingMatch | MatchingRule::CaseExactOrderingMatch
    );
    rule.kind() == RuleKind::Ordering
        && (own_rule(attribute) == Some(rule)
            || rule.syntax() == attribute.syntax
            || (of_text && is_text(attribute.syntax)))
}

fn is_text(syntax: Syntax) -> bool {
    matches!(
        syntax,
        Syntax::DirectoryString
            | Syntax::Ia5String
            | Syntax::PrintableString
            | Syntax::NumericString
            | Syntax::CountryString
            | Syntax::TelephoneNumber
            | Syntax::AdCaseIgnoreString
            | Syntax::Oid
            | Syntax::Dn
    )
}

/// Collects entries with their keys, and puts them in order.
#[derive(Debug)]
pub struct Sorter {
    order: Order,
    keys: Vec<u8>,
    items: Vec<Item>,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    start: u32,
    length: u32,
    id: EntryId,
}

impl Sorter {
    /// Nothing collected yet.
    pub fn new(order: Order) -> Self {
        Self {
            order,
            keys: Vec::new(),
            items: Vec::new(),
        }
    }

    /// Adds an entry; gives about how many entries' worth of work that was.
    pub fn push(&mut self, snapshot: &Snapshot, id: EntryId) -> usize {
        let start = self.keys.len();
        let examined = self.order.write_key(snapshot, id, &mut self.keys);
        // Whoever collects stops far below 4 GiB.
        let item = Item {
            start: u32::try_from(start).unwrap_or(u32::MAX),
            length: u32::try_from(self.keys.len() - start).unwrap_or(u32::MAX),
            id,
        };
        self.items.push(item);
        if self.items.len().is_multiple_of(RUN) {
            let run = self.items.len() - RUN;
            let items = self.items.get_mut(run..).unwrap_or_default();
            sort(items, &self.keys);
        }
        examined
    }

    /// The octets held.
    pub fn octets(&self) -> usize {
        self.keys.capacity() + self.items.capacity() * size_of::<Item>()
    }

    /// What was collected, in no order.
    pub fn into_unsorted(self) -> Vec<EntryId> {
        self.items.into_iter().map(|item| item.id).collect()
    }

    /// What was collected, in order; entries with the same keys as they were found.
    ///
    /// With it comes the place of the first entry that is not before [`Order::prefix`]; it is the
    /// number of entries where there is none.
    pub fn into_sorted(mut self, prefix: &[u8]) -> (Vec<EntryId>, usize) {
        sort(&mut self.items, &self.keys);
        let place = self
            .items
            .partition_point(|item| key(&self.keys, item) < prefix);
        (self.into_unsorted(), place)
    }
}

/// Stable; takes what is in order already as it is.
fn sort(items: &mut [Item], keys: &[u8]) {
    items.sort_by(|left, right| key(keys, left).cmp(key(keys, right)));
}

fn key<'k>(keys: &'k [u8], item: &Item) -> &'k [u8] {
    let start = item.start as usize;
    keys.get(start..start + item.length as usize)
        .unwrap_or_default()
}
