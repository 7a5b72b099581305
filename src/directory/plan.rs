//! From a bound filter to the entries worth evaluating it on.

use roaring::RoaringBitmap;

use super::{
    EntryId,
    bound::{BoundFilter, Item, Test, bitmap, single},
    derived::Derivation,
    postings::Postings,
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
    /// This one, or none at all.
    One(Option<EntryId>),
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
            SearchScope::BaseObject => Self::One(base),
            SearchScope::SingleLevel => {
                let children = || match region {
                    Some(region) => children_of(snapshot, base) | region.single(),
                    None => children_of(snapshot, base),
                };
                match of(snapshot, filter) {
                    Some(found) if found.len() <= FEW => found.into(),
                    Some(found) => Self::Some(found.into_bitmap() & children()),
                    None => Self::Some(children()),
                }
            }
            SearchScope::WholeSubtree | SearchScope::Subordinates => {
                of(snapshot, filter).map_or(Self::All, Self::from)
            }
        }
    }
}

/// A set of entries: most that an index gives for a key have one, and need no bitmap.
enum Found {
    One(Option<EntryId>),
    Many(RoaringBitmap),
}

impl Found {
    fn of(postings: Option<&Postings>) -> Self {
        match postings {
            None => Self::One(None),
            Some(Postings::One(id)) => Self::One(Some(*id)),
            Some(Postings::Many(many)) => Self::Many(many.as_ref().clone()),
            few => Self::Many(bitmap(few)),
        }
    }

    fn len(&self) -> u64 {
        match self {
            Self::One(one) => u64::from(one.is_some()),
            Self::Many(many) => many.len(),
        }
    }

    fn into_bitmap(self) -> RoaringBitmap {
        match self {
            Self::One(one) => single(one),
            Self::Many(many) => many,
        }
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::One(None), set) | (set, Self::One(None)) => set,
            (left, right) => Self::Many(left.into_bitmap() | right.into_bitmap()),
        }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::One(one), Self::Many(many)) | (Self::Many(many), Self::One(one)) => {
                Self::One(one.filter(|id| many.contains(id.0)))
            }
            (Self::One(left), Self::One(right)) => Self::One(left.filter(|_| left == right)),
            (Self::Many(left), Self::Many(right)) => Self::Many(left & right),
        }
    }
}

impl From<Found> for Candidates {
    fn from(found: Found) -> Self {
        match found {
            Found::One(one) => Self::One(one),
            Found::Many(many) => Self::Some(many),
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
fn of(snapshot: &Snapshot, filter: &BoundFilter) -> Option<Found> {
    match filter {
        BoundFilter::And(parts) => conjunction(snapshot, parts),
        BoundFilter::Or(parts) => {
            let mut union = Found::One(None);
            for part in parts {
                union = union.or(of(snapshot, part)?);
            }
            Some(union)
        }
        BoundFilter::Item(item) => of_item(snapshot, item),
        BoundFilter::Undefined => Some(Found::One(None)),
        BoundFilter::Not(_) => None,
    }
}

/// The cheapest conjunct first; the others only while there is something to gain.
fn conjunction(snapshot: &Snapshot, parts: &[BoundFilter]) -> Option<Found> {
    let mut order: Vec<(u64, &BoundFilter)> = Vec::new();
    for part in parts {
        let estimate = estimate(snapshot, part);
        // None of the others can leave much less to look at.
        if estimate <= 1
            && let Some(found) = of(snapshot, part)
        {
            return Some(found);
        }
        order.push((estimate, part));
    }
    order.sort_by_key(|(estimate, _)| *estimate);
    let mut result: Option<Found> = None;
    for (_, part) in order {
        if result.as_ref().is_some_and(|found| found.len() <= FEW) {
            break;
        }
        if let Some(found) = of(snapshot, part) {
            result = Some(match result {
                Some(so_far) => so_far.and(found),
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
                    .map(Postings::len)
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

fn of_item(snapshot: &Snapshot, item: &Item) -> Option<Found> {
    if item.in_dn {
        return None;
    }
    let index = &snapshot.index;
    let is_derived = |id: &AttributeId| snapshot.derivations().of(*id).is_some();
    if item.derived.is_none() && item.options.is_empty() && item.attributes.iter().any(is_derived) {
        return None;
    }
    let mut found = match &item.derived {
        Some(derived) if !derived.is_empty() => Found::Many(derived.clone()),
        _ => Found::One(None),
    };
    for attribute in item.attributes.iter() {
        let more = match &item.test {
            Test::Equal { rule, value, .. }
                if is_indexed(snapshot, *attribute)
                    && snapshot.schema.attribute_type(*attribute).equality == Some(*rule) =>
            {
                Found::of(index.equality(*attribute, value))
            }
            // The index holds values as the type's own rules normalize them.
            Test::Contains { rule, parts }
                if snapshot.schema.attribute_type(*attribute).substring == Some(*rule) =>
            {
                match index.substrings(*attribute, parts) {
                    Some(matching) => Found::Many(matching),
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
