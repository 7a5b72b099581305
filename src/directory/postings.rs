//! Sets of entries, shared between snapshots.

use std::sync::Arc;

use roaring::RoaringBitmap;

use super::EntryId;

/// A set of at least one entry; most have one, so that one costs no allocation.
#[derive(Clone, Debug)]
pub enum Postings {
    /// Exactly this entry.
    One(EntryId),
    /// These entries.
    Many(Arc<RoaringBitmap>),
}

impl Postings {
    /// How many entries there are.
    pub fn len(&self) -> u64 {
        match self {
            Self::One(_) => 1,
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
            Self::Many(bitmap) => bitmap.contains(id.0),
        }
    }

    /// The entries in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = EntryId> + '_ {
        let (one, many) = match self {
            Self::One(id) => (Some(*id), None),
            Self::Many(bitmap) => (None, Some(bitmap.iter().map(EntryId))),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// Adds these entries to a bitmap.
    pub fn union_into(&self, bitmap: &mut RoaringBitmap) {
        match self {
            Self::One(id) => {
                bitmap.insert(id.0);
            }
            Self::Many(many) => *bitmap |= many.as_ref(),
        }
    }

    fn insert(&mut self, id: EntryId) {
        match self {
            Self::One(one) if *one == id => {}
            Self::One(one) => {
                *self = Self::Many(Arc::new([one.0, id.0].into_iter().collect()));
            }
            Self::Many(bitmap) => {
                Arc::make_mut(bitmap).insert(id.0);
            }
        }
    }

    fn extend(&mut self, ids: &[u32]) {
        let more = ids.iter().copied();
        match self {
            Self::One(one) => {
                let bitmap: RoaringBitmap = more.chain([one.0]).collect();
                if bitmap.len() > 1 {
                    *self = Self::Many(Arc::new(bitmap));
                }
            }
            Self::Many(bitmap) => Arc::make_mut(bitmap).extend(more),
        }
    }

    /// Removes an entry; false when none is left.
    fn remove(&mut self, id: EntryId) -> bool {
        match self {
            Self::One(one) => *one != id,
            Self::Many(bitmap) => {
                let bitmap = Arc::make_mut(bitmap);
                bitmap.remove(id.0);
                match (bitmap.len(), bitmap.min()) {
                    (0, _) | (_, None) => false,
                    (1, Some(last)) => {
                        *self = Self::One(EntryId(last));
                        true
                    }
                    _ => true,
                }
            }
        }
    }
}

/// A persistent map from keys to sets of entries; cloning it costs nothing.
#[derive(Clone, Debug)]
pub(super) struct PostingsMap<K: Clone + Eq + std::hash::Hash> {
    sets: imbl::GenericHashMap<
        K,
        Postings,
        foldhash::fast::RandomState,
        imbl::shared_ptr::DefaultSharedPtr,
    >,
}

impl<K: Clone + Eq + std::hash::Hash> Default for PostingsMap<K> {
    fn default() -> Self {
        Self {
            sets: imbl::GenericHashMap::default(),
        }
    }
}

impl<K: Clone + Eq + std::hash::Hash> PostingsMap<K> {
    /// The entries under a key.
    pub(super) fn get(&self, key: &K) -> Option<&Postings> {
        self.sets.get(key)
    }

    /// Adds an entry under a key.
    pub(super) fn insert(&mut self, key: K, id: EntryId) {
        match self.sets.get_mut(&key) {
            Some(postings) => postings.insert(id),
            None => {
                self.sets.insert(key, Postings::One(id));
            }
        }
    }

    /// Adds entries under a key; ascending, without repetitions.
    pub(super) fn extend(&mut self, key: K, ids: &[u32]) {
        match (self.sets.get_mut(&key), ids) {
            (_, []) => {}
            (Some(postings), ids) => postings.extend(ids),
            (None, [one]) => {
                self.sets.insert(key, Postings::One(EntryId(*one)));
            }
            (None, many) => {
                let bitmap = many.iter().copied().collect();
                self.sets.insert(key, Postings::Many(Arc::new(bitmap)));
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
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_as_a_map_of_sets(operations in prop::collection::vec((any::<bool>(), 0u8..4, 0u32..12), 0..80)) {
            let mut map = PostingsMap::default();
            let mut model: BTreeMap<u8, BTreeSet<u32>> = BTreeMap::new();
            let before = map.clone();
            for (insert, key, id) in operations {
                if insert {
                    map.insert(key, EntryId(id));
                    model.entry(key).or_default().insert(id);
                } else {
                    map.remove(&key, EntryId(id));
                    model.entry(key).or_default().remove(&id);
                }
            }
            for key in 0u8..4 {
                let expected: Vec<u32> = model.get(&key).into_iter().flatten().copied().collect();
                let found: Vec<u32> = map.get(&key).into_iter().flat_map(Postings::iter).map(|id| id.0).collect();
                prop_assert_eq!(&found, &expected);
                prop_assert_eq!(map.get(&key).is_none(), expected.is_empty());
                prop_assert!(before.get(&key).is_none());
            }
        }
    }
}
