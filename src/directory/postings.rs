//! Sets of entries, shared between snapshots.

use std::{hash::Hash, sync::Arc};

use roaring::RoaringBitmap;

use super::{EntryId, shards::Shards};

/// A set of at least one entry; most have one to three, which cost no allocation.
#[derive(Clone, Debug)]
pub enum Postings {
    /// Exactly this entry.
    One(EntryId),
    /// Two or three entries, ascending; of two, the second stands twice.
    Few([EntryId; 3]),
    /// More than three entries.
    Many(Arc<RoaringBitmap>),
}

impl Postings {
    /// These entries, ascending and without repetitions; `None` where there are none.
    fn of(ids: &[u32]) -> Option<Self> {
        Some(match *ids {
            [] => return None,
            [one] => Self::One(EntryId(one)),
            [first, second] => Self::Few([first, second, second].map(EntryId)),
            [first, second, third] => Self::Few([first, second, third].map(EntryId)),
            _ => Self::Many(Arc::new(ids.iter().copied().collect())),
        })
    }

    /// How many entries there are.
    pub fn len(&self) -> u64 {
        match self {
            Self::One(_) => 1,
            Self::Few([_, second, third]) => 2 + u64::from(second != third),
            Self::Many(bitmap) => bitmap.len(),
        }
    }

    /// Whether there are none; true of no set that an index holds.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether this entry is one of them.
    pub fn contains(&self, id: EntryId) -> bool {
        match self {
            Self::One(one) => *one == id,
            Self::Few(ids) => ids.contains(&id),
            Self::Many(bitmap) => bitmap.contains(id.0),
        }
    }

    /// The entries in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = EntryId> + '_ {
        let many = match self {
            Self::One(_) | Self::Few(_) => None,
            Self::Many(bitmap) => Some(bitmap.iter().map(EntryId)),
        };
        let few = self.few().iter().copied();
        few.chain(many.into_iter().flatten())
    }

    /// Adds these entries to a bitmap.
    pub fn union_into(&self, bitmap: &mut RoaringBitmap) {
        match self {
            Self::One(_) | Self::Few(_) => {
                bitmap.extend(self.few().iter().map(|id| id.0));
            }
            Self::Many(many) => *bitmap |= many.as_ref(),
        }
    }

    /// The entries of those sets that are no bitmaps.
    fn few(&self) -> &[EntryId] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Few(two @ [.., second, third]) if second == third => {
                two.get(..2).unwrap_or_default()
            }
            Self::Few(three) => three,
            Self::Many(_) => &[],
        }
    }

    fn insert(&mut self, id: EntryId) {
        match self {
            Self::Many(bitmap) => {
                Arc::make_mut(bitmap).insert(id.0);
            }
            Self::One(_) | Self::Few(_) => self.extend(&[id.0]),
        }
    }

    fn extend(&mut self, ids: &[u32]) {
        if let Self::Many(bitmap) = self {
            let bitmap = Arc::make_mut(bitmap);
            // What is new has the highest ids, as a rule; where not, some are in it twice by now.
            if bitmap.append(ids.iter().copied()).is_err() {
                bitmap.extend(ids.iter().copied());
            }
            return;
        }
        let mut all = self.few().iter().map(|id| id.0).collect::<Vec<_>>();
        all.extend(ids);
        all.sort_unstable();
        all.dedup();
        if let Some(all) = Self::of(&all) {
            *self = all;
        }
    }

    /// Removes an entry; false when none is left.
    fn remove(&mut self, id: EntryId) -> bool {
        let left = match self {
            Self::Many(bitmap) => {
                let bitmap = Arc::make_mut(bitmap);
                bitmap.remove(id.0);
                if bitmap.len() > 3 {
                    return true;
                }
                Self::of(&bitmap.iter().collect::<Vec<_>>())
            }
            Self::One(_) | Self::Few(_) => {
                let left = self.few().iter().filter(|own| **own != id);
                Self::of(&left.map(|id| id.0).collect::<Vec<_>>())
            }
        };
        let is_left = left.is_some();
        if let Some(left) = left {
            *self = left;
        }
        is_left
    }

    /// Lets go of what a set was given to grow in.
    fn shrink(&mut self) {
        if let Self::Many(bitmap) = self {
            // A copy is made to measure.
            *bitmap = Arc::new(RoaringBitmap::clone(bitmap));
        }
    }
}

/// A persistent map from keys to sets of entries; cloning it costs nothing.
#[derive(Clone, Debug)]
pub(super) struct PostingsMap<K> {
    sets: Shards<K, Postings>,
}

impl<K> Default for PostingsMap<K> {
    fn default() -> Self {
        Self {
            sets: Shards::default(),
        }
    }
}

impl<K: Clone + Ord + Hash + Send + Sync> PostingsMap<K> {
    /// The sets of pairs of a key and an entry, made at once by as many threads as there are
    /// shares.
    pub(super) fn of_shares(shares: Vec<Vec<(K, u32)>>) -> Self {
        let mut ids = Vec::new();
        Self {
            sets: Shards::of_shares(shares, |pairs| {
                ids.clear();
                ids.extend(pairs.iter().map(|(_, id)| *id));
                ids.dedup();
                Postings::of(&ids)
            }),
        }
    }
}

impl<K: Clone + Ord + Hash> PostingsMap<K> {
    pub(super) fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// The entries under a key.
    pub(super) fn get(&self, key: &K) -> Option<&Postings> {
        self.sets.get(key)
    }

    /// Adds an entry under a key.
    pub(super) fn insert(&mut self, key: K, id: EntryId) {
        match self.sets.get_mut(&key) {
            Some(postings) => postings.insert(id),
            None => self.sets.insert(key, Postings::One(id)),
        }
    }

    /// Adds entries under a key; ascending, without repetitions.
    pub(super) fn extend(&mut self, key: K, ids: &[u32]) {
        match self.sets.get_mut(&key) {
            Some(postings) => postings.extend(ids),
            None => {
                if let Some(postings) = Postings::of(ids) {
                    self.sets.insert(key, postings);
                }
            }
        }
    }

    /// Removes an entry from under a key.
    pub(super) fn remove(&mut self, key: &K, id: EntryId) {
        if let Some(postings) = self.sets.get_mut(key)
            && !postings.remove(id)
        {
            self.sets.remove(key);
        }
    }

    /// Lets go of what sets were given to grow in, once they are not expected to.
    pub(super) fn shrink(&mut self) {
        self.sets.values_mut().for_each(Postings::shrink);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_as_a_map_of_sets(operations in prop::collection::vec((0u8..4, 0u8..4, 0u32..12), 0..80)) {
            let mut map = PostingsMap::default();
            let mut model: BTreeMap<u8, BTreeSet<u32>> = BTreeMap::new();
            let before = map.clone();
            for (operation, key, id) in operations {
                let set = model.entry(key).or_default();
                match operation {
                    0 => {
                        map.insert(key, EntryId(id));
                        set.insert(id);
                    }
                    1 => {
                        map.extend(key, &[id, id + 3, id + 4]);
                        set.extend([id, id + 3, id + 4]);
                    }
                    _ => {
                        map.remove(&key, EntryId(id));
                        set.remove(&id);
                    }
                }
            }
            map.shrink();
            for key in 0u8..4 {
                let expected: Vec<u32> = model.get(&key).into_iter().flatten().copied().collect();
                let found: Vec<u32> = map.get(&key).into_iter().flat_map(Postings::iter).map(|id| id.0).collect();
                prop_assert_eq!(&found, &expected);
                prop_assert_eq!(map.get(&key).is_none(), expected.is_empty());
                if let Some(found) = map.get(&key) {
                    prop_assert_eq!(found.len(), expected.len() as u64);
                    prop_assert!((0u32..16).all(|id| found.contains(EntryId(id)) == expected.contains(&id)));
                    let mut union = RoaringBitmap::new();
                    found.union_into(&mut union);
                    prop_assert_eq!(&union.iter().collect::<Vec<_>>(), &expected);
                }
                prop_assert!(before.get(&key).is_none());
            }
        }
    }
}
