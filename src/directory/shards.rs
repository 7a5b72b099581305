//! A persistent map of small things, found by hash in short sorted lists.
//!
//! Lists are split one by one as the map grows (linear hashing), so that no change pays for more
//! than the lists it touches and the way to them, and cloning costs nothing. A key and its value
//! cost what they are and two octets, where a trie of hashes needs several times as much.

use std::{
    hash::{BuildHasher, Hash},
    sync::Arc,
};

use imbl::{GenericVector, shared_ptr::DefaultSharedPtr};

use super::parallel;

/// How long the lists are at most, taken all together.
const MEAN: usize = if cfg!(test) { 2 } else { 24 };

/// Ascending by key.
type List<K, V> = Arc<[(K, V)]>;

#[derive(Clone, Debug)]
pub(super) struct Shards<K, V> {
    lists: GenericVector<List<K, V>, DefaultSharedPtr>,
    len: usize,
    hasher: foldhash::fast::RandomState,
}

impl<K, V> Default for Shards<K, V> {
    fn default() -> Self {
        Self {
            lists: GenericVector::new(),
            len: 0,
            hasher: foldhash::fast::RandomState::default(),
        }
    }
}

impl<K: Clone + Ord + Hash, V: Clone> Shards<K, V> {
    /// A map made at once, by as many threads as there are shares, which costs a fraction of one
    /// insertion after the other. `join` makes the value of the pairs of one key, ascending, of
    /// which some may be there twice; without one there is nothing under the key.
    pub(super) fn of_shares<P>(
        shares: Vec<Vec<(K, P)>>,
        mut join: impl FnMut(&[(K, P)]) -> Option<V>,
    ) -> Self
    where
        K: Send + Sync,
        P: Ord + Clone + Send + Sync,
    {
        let mut map = Self::default();
        let lists = shares.iter().map(Vec::len).sum::<usize>().div_ceil(MEAN);
        let hasher = &map.hasher;
        let placed = |share: Vec<(K, P)>| {
            let place = |pair: (K, P)| (place(hasher, lists, &pair.0), pair);
            let mut placed: Vec<_> = share.into_iter().map(place).collect();
            placed.sort_unstable();
            placed.into_iter().peekable()
        };
        let mut shares = parallel::map(shares.into_iter(), placed);
        let mut found = Vec::new();
        for place in 0..lists {
            found.clear();
            for share in &mut shares {
                found.extend(
                    std::iter::from_fn(|| share.next_if(|(own, _)| *own == place))
                        .map(|(_, pair)| pair),
                );
            }
            found.sort_unstable();
            let list: List<K, V> = found
                .chunk_by(|left, right| left.0 == right.0)
                .filter_map(|same| Some((same.first()?.0.clone(), join(same)?)))
                .collect();
            map.len += list.len();
            map.lists.push_back(list);
        }
        map
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What is under a key.
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        let list = self.lists.get(self.place(key))?;
        let position = find(list, key).ok()?;
        list.get(position).map(|(_, value)| value)
    }

    /// The same, to be changed.
    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let place = self.place(key);
        // Found before it is copied, which a key that is not there is not worth.
        let position = find(self.lists.get(place)?, key).ok()?;
        let list = Arc::make_mut(self.lists.get_mut(place)?);
        list.get_mut(position).map(|(_, value)| value)
    }

    /// Puts something under a key, in place of what is there.
    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.len >= self.lists.len() * MEAN {
            self.split();
        }
        let place = self.place(&key);
        let Some(list) = self.lists.get_mut(place) else {
            return;
        };
        match find(list, &key) {
            Ok(position) => {
                if let Some(slot) = Arc::make_mut(list).get_mut(position) {
                    slot.1 = value;
                }
            }
            Err(position) => {
                let (before, after) = list.split_at(position);
                let with = before.iter().cloned().chain([(key, value)]);
                *list = with.chain(after.iter().cloned()).collect();
                self.len += 1;
            }
        }
    }

    /// Removes a key and what is under it.
    pub(super) fn remove(&mut self, key: &K) {
        let place = self.place(key);
        let Some(list) = self.lists.get(place) else {
            return;
        };
        let Ok(position) = find(list, key) else {
            return;
        };
        let (before, after) = list.split_at(position);
        let without: List<K, V> = before.iter().chain(after.iter().skip(1)).cloned().collect();
        self.lists.set(place, without);
        self.len -= 1;
    }

    /// Everything that is under some key.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.lists
            .iter_mut()
            .flat_map(|list| Arc::make_mut(list).iter_mut().map(|(_, value)| value))
    }

    /// Makes one list more and moves there what belongs to it.
    fn split(&mut self) {
        let added = self.lists.len();
        self.lists.push_back(Arc::default());
        // Where those are that have only the highest bit more; none for the first list.
        let Some(highest) = added.checked_ilog2() else {
            return;
        };
        let place = added - (1 << highest);
        let Some(list) = self.lists.get(place) else {
            return;
        };
        let (stay, go): (Vec<_>, Vec<_>) = list
            .iter()
            .cloned()
            .partition(|(key, _)| self.place(key) == place);
        self.lists.set(place, stay.into());
        self.lists.set(added, go.into());
    }

    /// The list of a key: by as many bits of its hash as it takes, less the highest where that
    /// list is not made yet.
    fn place(&self, key: &K) -> usize {
        place(&self.hasher, self.lists.len(), key)
    }
}

fn place(hasher: &impl BuildHasher, lists: usize, key: &impl Hash) -> usize {
    let mask = lists.next_power_of_two() - 1;
    let hash = hasher.hash_one(key) & mask as u64;
    match usize::try_from(hash) {
        Ok(place) if place < lists => place,
        Ok(place) => place & (mask >> 1),
        Err(_) => 0,
    }
}

fn find<K: Ord, V>(list: &[(K, V)], key: &K) -> Result<usize, usize> {
    list.binary_search_by(|(own, _)| own.cmp(key))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_made_at_once_is_what_is_made_one_by_one(
            shares in prop::collection::vec(prop::collection::vec((0u16..60, 0u8..4), 0..60), 0..4),
            more in prop::collection::vec(0u16..80, 0..20),
        ) {
            let sum = |pairs: &[(u16, u8)]| {
                let sum: u8 = pairs.iter().map(|(_, value)| value).collect::<BTreeSet<_>>().into_iter().sum();
                (sum > 0).then_some(sum)
            };
            let mut model: BTreeMap<u16, BTreeSet<u8>> = BTreeMap::new();
            for (key, value) in shares.iter().flatten() {
                model.entry(*key).or_default().insert(*value);
            }
            let mut model: BTreeMap<u16, u8> = model
                .into_iter()
                .map(|(key, values)| (key, values.into_iter().sum()))
                .filter(|(_, sum)| *sum > 0)
                .collect();
            let mut map = Shards::of_shares(shares, sum);
            prop_assert_eq!(map.is_empty(), model.is_empty());
            for key in more {
                map.insert(key, 9);
                model.insert(key, 9);
            }
            prop_assert_eq!(map.len, model.len());
            for key in 0..80 {
                prop_assert_eq!(map.get(&key), model.get(&key));
            }
        }

        #[test]
        fn behaves_as_a_map(operations in prop::collection::vec((0u8..4, 0u16..60, any::<u8>()), 0..300)) {
            let (mut map, mut model) = (Shards::default(), BTreeMap::new());
            let mut versions = Vec::new();
            for (operation, key, value) in operations {
                match operation {
                    0 => {
                        map.remove(&key);
                        model.remove(&key);
                    }
                    1 => {
                        let found = (map.get_mut(&key), model.get_mut(&key));
                        prop_assert_eq!(&found.0, &found.1);
                        if let (Some(own), Some(other)) = found {
                            (*own, *other) = (value, value);
                        }
                    }
                    _ => {
                        map.insert(key, value);
                        model.insert(key, value);
                    }
                }
                if key % 16 == 0 {
                    versions.push((map.clone(), model.clone()));
                }
            }
            versions.push((map, model));
            // Each version stays as it was, whatever came after it.
            for (mut map, model) in versions {
                prop_assert_eq!(map.len, model.len());
                for key in 0..60 {
                    prop_assert_eq!(map.get(&key), model.get(&key));
                }
                let mut values: Vec<u8> = map.values_mut().map(|value| *value).collect();
                let mut expected: Vec<u8> = model.into_values().collect();
                values.sort_unstable();
                expected.sort_unstable();
                prop_assert_eq!(values, expected);
            }
        }
    }
}
