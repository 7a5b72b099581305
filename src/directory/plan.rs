//! From a bound filter to the entries worth evaluating it on.

use roaring::RoaringBitmap;

use super::{
    EntryId,
    bound::{BoundFilter, Item, Test, bitmap, single},
    derived::Derivation,
    region::Region,
    snapshot::Snapshot,
};
use crate::{proto::request::SearchScope, schema::AttributeId};

/// Below this many candidates it costs less to evaluate than to intersect further.
const FEW: u64 = 32;

/// Where to look for entries: a superset of those that match.
#[derive(Clone, Debug)]
pub(super) enum Candidates {
    /// Every entry there is.
    All,
    /// These.
    Some(RoaringBitmap),
}

impl Candidates {
    /// Plans a search.
    pub(super) fn plan(
        snapshot: &Snapshot,
        base: Option<EntryId>,
        scope: SearchScope,
        region: Option<&Region>,
        filter: &BoundFilter,
    ) -> Self {
        if region.is_some_and(Region::is_of_subentries) {
            return Self::Some(bitmap(snapshot.special.subentries.as_ref()));
        }
        match scope {
            SearchScope::BaseObject => Self::Some(single(base)),
            SearchScope::SingleLevel => {
                let children = || match region {
                    Some(region) => children_of(snapshot, base) | region.single(),
                    None => children_of(snapshot, base),
                };
                match of(snapshot, filter) {
                    Some(found) if found.len() <= FEW => Self::Some(found),
                    Some(found) => Self::Some(found & children()),
                    None => Self::Some(children()),
                }
            }
            SearchScope::WholeSubtree | SearchScope::Subordinates => {
                of(snapshot, filter).map_or(Self::All, Self::Some)
            }
        }
    }
}

/// The entries right below a base, or the tops.
fn children_of(snapshot: &Snapshot, base: Option<EntryId>) -> RoaringBitmap {
    match base {
        Some(base) => bitmap(snapshot.children.get(&base)),
        None => snapshot.tops.iter().map(|id| id.0).collect(),
    }
}

/// The entries a filter can be true of; `None` where the indexes cannot tell.
fn of(snapshot: &Snapshot, filter: &BoundFilter) -> Option<RoaringBitmap> {
    match filter {
        BoundFilter::And(parts) => conjunction(snapshot, parts),
        BoundFilter::Or(parts) => {
            let mut union = RoaringBitmap::new();
            for part in parts {
                union |= of(snapshot, part)?;
            }
            Some(union)
        }
        BoundFilter::Item(item) => of_item(snapshot, item),
        BoundFilter::Undefined => Some(RoaringBitmap::new()),
        BoundFilter::Not(_) => None,
    }
}

/// The cheapest conjunct first; the others only while there is something to gain.
fn conjunction(snapshot: &Snapshot, parts: &[BoundFilter]) -> Option<RoaringBitmap> {
    let mut order: Vec<(u64, &BoundFilter)> = parts
        .iter()
        .map(|part| (estimate(snapshot, part), part))
        .collect();
    order.sort_by_key(|(estimate, _)| *estimate);
    let mut result: Option<RoaringBitmap> = None;
    for (_, part) in order {
        if result.as_ref().is_some_and(|found| found.len() <= FEW) {
            break;
        }
        if let Some(found) = of(snapshot, part) {
            result = Some(match result {
                Some(so_far) => so_far & found,
                None => found,
            });
        }
    }
    result
}

/// About how many entries a filter leaves, without building the set.
fn estimate(snapshot: &Snapshot, filter: &BoundFilter) -> u64 {
    match filter {
        BoundFilter::Undefined => 0,
        BoundFilter::Item(item) => match &item.test {
            Test::Equal { value, .. } if is_equality_indexed(snapshot, item) => {
                let stored: u64 = item
                    .attributes
                    .iter()
                    .filter_map(|id| snapshot.index.equality(*id, value))
                    .map(super::Postings::len)
                    .sum();
                stored + item.derived.as_ref().map_or(0, RoaringBitmap::len)
            }
            Test::Contains { .. } => u64::from(snapshot.id_bound()) / 16,
            _ => u64::from(snapshot.id_bound()) / 2,
        },
        BoundFilter::Or(_) => u64::from(snapshot.id_bound()) / 4,
        BoundFilter::And(parts) => parts
            .iter()
            .map(|part| estimate(snapshot, part))
            .min()
            .unwrap_or(u64::MAX),
        BoundFilter::Not(_) => u64::MAX,
    }
}

fn is_equality_indexed(snapshot: &Snapshot, item: &Item) -> bool {
    !item.in_dn && item.attributes.iter().all(|id| is_indexed(snapshot, *id))
}

/// Whether an absent key in the equality index means that no entry has the value stored.
fn is_indexed(snapshot: &Snapshot, attribute: AttributeId) -> bool {
    snapshot.index.has_equality(attribute)
        || snapshot
            .derivations()
            .of(attribute)
            .is_some_and(|derivation| {
                // The identity is looked up by the derivation, or indexed for local entries.
                derivation.is_never_stored()
                    || matches!(derivation, Derivation::EntryUuid | Derivation::ObjectGuid)
            })
}

fn of_item(snapshot: &Snapshot, item: &Item) -> Option<RoaringBitmap> {
    if item.in_dn {
        return None;
    }
    let index = &snapshot.index;
    let is_derived = |id: &AttributeId| snapshot.derivations().of(*id).is_some();
    if item.derived.is_none() && item.options.is_empty() && item.attributes.iter().any(is_derived) {
        return None;
    }
    let mut found = item.derived.clone().unwrap_or_default();
    for attribute in &item.attributes {
        match &item.test {
            Test::Equal { rule, value }
                if is_indexed(snapshot, *attribute)
                    && snapshot.schema.attribute_type(*attribute).equality == Some(*rule) =>
            {
                found |= bitmap(index.equality(*attribute, value));
            }
            // The index holds values as the type's own rules normalize them.
            Test::Contains { rule, parts }
                if snapshot.schema.attribute_type(*attribute).substring == Some(*rule) =>
            {
                match index.substrings(*attribute, parts) {
                    Some(matching) => found |= matching,
                    None => found |= presence(snapshot, *attribute)?,
                }
            }
            _ => found |= presence(snapshot, *attribute)?,
        }
    }
    Some(found)
}

fn presence(snapshot: &Snapshot, attribute: AttributeId) -> Option<RoaringBitmap> {
    // An attribute that is derived may be had without being stored, which `of_item` knows.
    let never_stored = snapshot
        .derivations()
        .of(attribute)
        .is_some_and(Derivation::is_never_stored);
    (never_stored || snapshot.index.has_equality(attribute))
        .then(|| bitmap(snapshot.index.presence(attribute)))
}
