//! Sets of entries that were found by something: most have one or a few, and need no bitmap.

use std::sync::Arc;

use roaring::RoaringBitmap;

use super::{EntryId, postings::Postings};

/// A set of entries.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Found {
    Few(Few),
    /// More than a few, shared with the postings they are of.
    Many(Arc<RoaringBitmap>),
}

impl Found {
    pub(super) const NONE: Self = Self::Few(Few::NONE);

    /// The entries of one set of postings.
    pub(super) fn of(postings: Option<&Postings>) -> Self {
        let (ids, len) = match postings {
            None => return Self::NONE,
            Some(Postings::One(one)) => ([*one; Few::MOST], 1),
            Some(Postings::Few(two @ [_, second, third])) if second == third => (*two, 2),
            Some(Postings::Few(three)) => (*three, 3),
            Some(Postings::Many(many)) => return Self::Many(Arc::clone(many)),
        };
        Self::Few(Few { ids, len })
    }

    pub(super) fn for_each(&self, mut act: impl FnMut(EntryId)) {
        match self {
            Self::Few(few) => few.as_slice().iter().copied().for_each(act),
            Self::Many(many) => many.iter().for_each(|id| act(EntryId(id))),
        }
    }

    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Few(few) => few.as_slice().len() as u64,
            Self::Many(many) => many.len(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn contains(&self, id: EntryId) -> bool {
        match self {
            Self::Few(few) => few.as_slice().contains(&id),
            Self::Many(many) => many.contains(id.0),
        }
    }

    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Few(few), set) | (set, Self::Few(few)) if few == Few::NONE => set,
            (Self::Few(left), Self::Few(right)) => {
                let mut union = left;
                let all_fit = right.as_slice().iter().all(|id| union.insert(*id));
                if all_fit {
                    Self::Few(union)
                } else {
                    (Self::Few(left).into_bitmap() | Self::Few(right).into_bitmap()).into()
                }
            }
            (left, right) => (left.into_bitmap() | right.into_bitmap()).into(),
        }
    }

    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Few(few), set) | (set, Self::Few(few)) => {
                let both = few.as_slice().iter().copied();
                both.filter(|id| set.contains(*id)).collect()
            }
            (Self::Many(left), Self::Many(right)) => (&*left & &*right).into(),
        }
    }

    pub(super) fn into_bitmap(self) -> RoaringBitmap {
        match self {
            Self::Few(few) => few.as_slice().iter().map(|id| id.0).collect(),
            Self::Many(many) => Arc::unwrap_or_clone(many),
        }
    }

    /// About how many octets are held besides the set itself.
    pub(super) fn octets(&self) -> usize {
        match self {
            Self::Few(_) => 0,
            Self::Many(many) => many.serialized_size(),
        }
    }
}

impl From<RoaringBitmap> for Found {
    fn from(bitmap: RoaringBitmap) -> Self {
        if bitmap.len() <= Few::MOST as u64 {
            bitmap.iter().map(EntryId).collect()
        } else {
            Self::Many(Arc::new(bitmap))
        }
    }
}

impl From<Option<EntryId>> for Found {
    fn from(one: Option<EntryId>) -> Self {
        one.into_iter().collect()
    }
}

impl FromIterator<EntryId> for Found {
    fn from_iter<I: IntoIterator<Item = EntryId>>(ids: I) -> Self {
        let mut ids = ids.into_iter();
        let mut few = Few::NONE;
        while let Some(id) = ids.next() {
            if !few.insert(id) {
                let mut many = Self::Few(few).into_bitmap();
                many.insert(id.0);
                many.extend(ids.map(|id| id.0));
                return many.into();
            }
        }
        Self::Few(few)
    }
}

/// A few entries, ascending.
#[derive(Clone, Copy, Debug)]
pub(super) struct Few {
    ids: [EntryId; Self::MOST],
    len: u8,
}

impl Few {
    /// As many as postings have without a bitmap.
    const MOST: usize = 3;
    const NONE: Self = Self {
        ids: [EntryId(0); Self::MOST],
        len: 0,
    };

    pub(super) fn as_slice(&self) -> &[EntryId] {
        self.ids.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Takes the first one out.
    pub(super) fn take_first(&mut self) -> Option<EntryId> {
        self.len = self.len.checked_sub(1)?;
        let [first, second, third] = self.ids;
        self.ids = [second, third, third];
        Some(first)
    }

    /// Adds an entry; false where there is no room for it.
    fn insert(&mut self, id: EntryId) -> bool {
        match self.as_slice().binary_search(&id) {
            Ok(_) => true,
            Err(place) => {
                let Some(rest) = self.ids.get_mut(place..=usize::from(self.len)) else {
                    return false;
                };
                rest.rotate_right(1);
                if let Some(slot) = rest.first_mut() {
                    *slot = id;
                }
                self.len += 1;
                true
            }
        }
    }
}

impl PartialEq for Few {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn found(ids: &BTreeSet<u32>) -> Found {
        ids.iter().copied().map(EntryId).collect()
    }

    proptest! {
        #[test]
        fn what_postings_have_is_found(ids in prop::collection::btree_set(0..12u32, 0..7)) {
            let mut postings = crate::directory::postings::PostingsMap::<u64>::default();
            for id in &ids {
                postings.insert(1, EntryId(*id));
            }
            prop_assert_eq!(Found::of(postings.get(&1)), found(&ids));
        }

        #[test]
        fn behaves_as_a_set(
            left in prop::collection::btree_set(0..12u32, 0..7),
            right in prop::collection::btree_set(0..12u32, 0..7),
            shuffled in prop::collection::vec(0..12u32, 0..7),
        ) {
            let ids = |found: &Found| found.clone().into_bitmap().iter().collect::<BTreeSet<u32>>();
            for set in [&left, &right] {
                prop_assert_eq!(&ids(&found(set)), set);
                prop_assert_eq!(found(set).len(), set.len() as u64);
                prop_assert_eq!(found(set).is_empty(), set.is_empty());
                prop_assert_eq!(Found::from(found(set).into_bitmap()), found(set));
                prop_assert!((0..12).all(|id| found(set).contains(EntryId(id)) == set.contains(&id)));
            }
            let union = left.union(&right).copied().collect();
            prop_assert_eq!(found(&left).or(found(&right)), found(&union));
            let both = left.intersection(&right).copied().collect();
            prop_assert_eq!(found(&left).and(found(&right)), found(&both));
            prop_assert_eq!(found(&left) == found(&right), left == right);
            let any: Found = shuffled.iter().copied().map(EntryId).collect();
            prop_assert_eq!(any, found(&shuffled.into_iter().collect()));
            let mut each = Vec::new();
            found(&left).for_each(|id| each.push(id.0));
            prop_assert_eq!(each, left.iter().copied().collect::<Vec<_>>());
            if let Found::Few(mut few) = found(&left) {
                let taken: Vec<u32> = std::iter::from_fn(|| few.take_first()).map(|id| id.0).collect();
                prop_assert_eq!(taken, left.into_iter().collect::<Vec<_>>());
            }
        }
    }
}
