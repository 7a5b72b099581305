//! From a bound filter to the entries worth evaluating it on.

use super::{
    EntryId,
    bound::{BoundFilter, Item, Test},
    derived::Derivation,
    found::Found,
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
    Some(Found),
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
            return Self::Some(Found::of(snapshot.special.subentries.as_ref()));
        }
        match scope {
            SearchScope::BaseObject => Self::Some(base.into()),
            SearchScope::SingleLevel => {
                let children = || match region {
                    Some(region) => children_of(snapshot, base).or(region.single().clone().into()),
                    None => children_of(snapshot, base),
                };
                Self::Some(match of(snapshot, filter) {
                    Some(found) if found.len() <= FEW => found,
                    Some(found) => found.and(children()),
                    None => children(),
                })
            }
            SearchScope::WholeSubtree | SearchScope::Subordinates => {
                of(snapshot, filter).map_or(Self::All, Self::Some)
            }
        }
    }
}

/// The entries right below a base, or the tops.
fn children_of(snapshot: &Snapshot, base: Option<EntryId>) -> Found {
    match base {
        Some(base) => Found::of(snapshot.children.get(&base)),
        None => snapshot.tops.iter().copied().collect(),
    }
}

/// The entries a filter can be true of; `None` where the indexes cannot tell.
fn of(snapshot: &Snapshot, filter: &BoundFilter) -> Option<Found> {
    match filter {
        BoundFilter::And(parts) => conjunction(snapshot, parts),
        BoundFilter::Or(parts) => {
            let mut union = Found::NONE;
            for part in parts {
                union = union.or(of(snapshot, part)?);
            }
            Some(union)
        }
        BoundFilter::Item(item) => of_item(snapshot, item),
        BoundFilter::Undefined => Some(Found::NONE),
        BoundFilter::Not(_) => None,
    }
}

/// A conjunct that may be looked up, or was.
enum Part<'f> {
    Open(&'f BoundFilter),
    Looked(Found),
}

/// The cheapest conjunct first; the others only while there is something to gain.
fn conjunction(snapshot: &Snapshot, parts: &[BoundFilter]) -> Option<Found> {
    let mut order: Vec<(u64, Part<'_>)> = Vec::new();
    for part in parts {
        match exactly(snapshot, part) {
            // None of the others can leave much less to look at.
            Some(found) if found.len() <= 1 => return Some(found),
            Some(found) => order.push((found.len(), Part::Looked(found))),
            None => order.push((estimate(snapshot, part), Part::Open(part))),
        }
    }
    order.sort_by_key(|(estimate, _)| *estimate);
    let mut result: Option<Found> = None;
    for (_, part) in order {
        if result.as_ref().is_some_and(|found| found.len() <= FEW) {
            break;
        }
        let found = match part {
            Part::Open(part) => of(snapshot, part),
            Part::Looked(found) => Some(found),
        };
        if let Some(found) = found {
            result = Some(match result {
                Some(so_far) => so_far.and(found),
                None => found,
            });
        }
    }
    result
}

/// The entries a filter can be true of where they are found by one look at the index, which tells
/// their number as well.
fn exactly(snapshot: &Snapshot, filter: &BoundFilter) -> Option<Found> {
    match filter {
        BoundFilter::Undefined => Some(Found::NONE),
        BoundFilter::Item(item) if is_equality_indexed(snapshot, item) => of_item(snapshot, item),
        _ => None,
    }
}

/// About how many entries a filter leaves, without building the set.
fn estimate(snapshot: &Snapshot, filter: &BoundFilter) -> u64 {
    if let Some(found) = exactly(snapshot, filter) {
        return found.len();
    }
    match filter {
        BoundFilter::Undefined => 0,
        BoundFilter::Item(item) => match &item.test {
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
    let of_type = |id: &AttributeId| is_equality_of(snapshot, item, *id);
    !item.in_dn && item.attributes.iter().all(of_type)
}

/// Whether the index knows of a type what an item asks.
fn is_equality_of(snapshot: &Snapshot, item: &Item, attribute: AttributeId) -> bool {
    // It holds values as the type's own rule normalizes them.
    matches!(&item.test, Test::Equal { rule, .. }
        if snapshot.schema.attribute_type(attribute).equality == Some(*rule))
        && is_indexed(snapshot, attribute)
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

fn of_item(snapshot: &Snapshot, item: &Item) -> Option<Found> {
    if item.in_dn {
        return None;
    }
    let index = &snapshot.index;
    let is_derived = |id: &AttributeId| snapshot.derivations().of(*id).is_some();
    if item.derived.is_none() && item.options.is_empty() && item.attributes.iter().any(is_derived) {
        return None;
    }
    let mut found = item.derived.clone().unwrap_or(Found::NONE);
    for attribute in item.attributes.iter() {
        let more = match &item.test {
            Test::Equal { value, .. } if is_equality_of(snapshot, item, *attribute) => {
                Found::of(index.equality(*attribute, value))
            }
            // The index holds values as the type's own rules normalize them.
            Test::Contains { rule, parts }
                if snapshot.schema.attribute_type(*attribute).substring == Some(*rule) =>
            {
                match index.substrings(*attribute, parts) {
                    Some(matching) => matching,
                    None => presence(snapshot, *attribute)?,
                }
            }
            _ => presence(snapshot, *attribute)?,
        };
        found = found.or(more);
    }
    Some(found)
}

fn presence(snapshot: &Snapshot, attribute: AttributeId) -> Option<Found> {
    // An attribute that is derived may be had without being stored, which `of_item` knows.
    let never_stored = snapshot
        .derivations()
        .of(attribute)
        .is_some_and(Derivation::is_never_stored);
    (never_stored || snapshot.index.has_equality(attribute))
        .then(|| Found::of(snapshot.index.presence(attribute)))
}
