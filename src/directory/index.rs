//! Equality, presence and substring indexes over the stored attributes.
//!
//! A key is a hash of the attribute type and the normalized value, so that a candidate is only
//! likely to match: the filter is evaluated on it all the same. In return a key takes eight octets
//! whatever the value, and an absent key is a certain no.
//!
//! The substring index is most of the work and asked least: what is loaded is served without it,
//! and gets it later ([`Index::set_substrings`]).

mod keys;

use std::{collections::HashMap, hash::Hash, sync::Arc};

use self::keys::{END, Key, Keys, Part, START, bounded, trigram_key, trigrams};
use super::{
    EntryId,
    bound::Parts,
    found::Found,
    parallel,
    postings::{Postings, PostingsMap},
    snapshot::ServedEntry,
};
use crate::schema::{AttributeId, Schema};

/// Entries that are worth to share among processors.
const MANY: usize = if cfg!(test) { 16 } else { 2048 };
/// Entries that are worked on at once, so that their keys take some 15 MB at most.
const BATCH: usize = if cfg!(test) { 32 } else { 4096 };
const MOST_THREADS: usize = 16;

/// The indexes of one snapshot.
#[derive(Clone, Debug)]
pub struct Index {
    equality: PostingsMap<u64>,
    /// The same of the attribute types that are looked for while everything is loaded.
    early: PostingsMap<u64>,
    presence: PostingsMap<AttributeId>,
    /// `None` until they are set: by then a substring assertion narrows nothing.
    substrings: Option<Substrings>,
    pending: Pending,
    keys: Keys,
    /// While everything is loaded: what was inserted since, but for the keys that the load itself
    /// looks for.
    bulk: Option<Vec<Inserted>>,
}

/// The entries of each trigram of each attribute type.
#[derive(Clone, Debug, Default)]
pub(super) struct Substrings(PostingsMap<u64>);

/// An entry that is in the index, and its id.
type Inserted = (EntryId, Arc<ServedEntry>);

/// An id, and the entry it had before a change and has after it.
type Changed<'e> = (
    EntryId,
    Option<&'e Arc<ServedEntry>>,
    Option<&'e Arc<ServedEntry>>,
);

/// Entries, ascending, of keys that many share.
type Sets<K> = HashMap<K, Vec<u32>, foldhash::fast::RandomState>;

/// What was inserted since the last [`Index::settle`], under keys that many entries share.
#[derive(Clone, Debug, Default)]
struct Pending {
    equality: Sets<u64>,
    presence: Sets<AttributeId>,
    substrings: Sets<u64>,
}

impl Index {
    /// Empty indexes over the attribute types of a schema.
    pub(super) fn new(schema: &Schema) -> Self {
        Self {
            equality: PostingsMap::default(),
            early: PostingsMap::default(),
            presence: PostingsMap::default(),
            substrings: None,
            pending: Pending::default(),
            keys: Keys::new(schema),
            bulk: None,
        }
    }

    /// Whether [`Index::equality`] and [`Index::presence`] know this type.
    pub fn has_equality(&self, attribute: AttributeId) -> bool {
        self.keys.kinds(attribute).equality
    }

    /// Entries that may have this normalized value; `None` means certainly none.
    pub fn equality(&self, attribute: AttributeId, normalized: &[u8]) -> Option<&Postings> {
        let sets = match self.keys.kinds(attribute).early {
            true => &self.early,
            false => &self.equality,
        };
        sets.get(&self.keys.equality(attribute, normalized))
    }

    /// Entries that have the attribute.
    pub fn presence(&self, attribute: AttributeId) -> Option<&Postings> {
        self.presence.get(&attribute)
    }

    /// Entries whose values may have the normalized parts; `None` where the index cannot tell.
    pub(super) fn substrings(&self, attribute: AttributeId, parts: &Parts) -> Option<Found> {
        let Substrings(sets) = self.substrings.as_ref()?;
        if !self.keys.kinds(attribute).substring {
            return None;
        }
        let initial = parts
            .initial
            .iter()
            .map(|part| bounded(&[START], part, &[]));
        let any = parts.any.iter().map(|part| bounded(&[], part, &[]));
        let last = parts.last.iter().map(|part| bounded(&[], part, &[END]));
        let mut result: Option<Found> = None;
        for part in initial.chain(any).chain(last) {
            for trigram in trigrams(&part) {
                let found = Found::of(sets.get(&trigram_key(attribute, trigram)));
                let narrowed = match result {
                    Some(so_far) => so_far.and(found),
                    None => found,
                };
                if narrowed.is_empty() {
                    return Some(narrowed);
                }
                result = Some(narrowed);
            }
        }
        result
    }

    /// Whether there is a substring index.
    pub(super) fn has_substrings(&self) -> bool {
        self.substrings.is_some()
    }

    /// Makes the substring index of these entries, all there are.
    pub(super) fn make_substrings<'e>(
        &self,
        schema: &Schema,
        entries: impl Iterator<Item = (EntryId, &'e Arc<ServedEntry>)>,
    ) -> Substrings {
        let mut made = Substrings::default();
        let mut batch = Vec::with_capacity(BATCH);
        let mut add = |batch: &mut Vec<Inserted>| {
            let found = FoundKeys::of_all(&self.keys, schema, batch, Part::TRIGRAMS);
            add_pairs(&mut made.0, found.into_iter().map(|share| share.substrings));
            batch.clear();
        };
        for (id, entry) in entries {
            batch.push((id, Arc::clone(entry)));
            if batch.len() == BATCH {
                add(&mut batch);
            }
        }
        add(&mut batch);
        made.0.shrink();
        made
    }

    /// Begins to narrow substring assertions; of `changed` entries what is there now counts, not
    /// what the index was made of.
    pub(super) fn set_substrings<'e>(
        &mut self,
        schema: &Schema,
        made: Substrings,
        changed: impl Iterator<Item = Changed<'e>>,
    ) {
        self.substrings = Some(made);
        for (id, before, after) in changed {
            if let Some(before) = before {
                let gone = self.keys_of(schema, before, Part::TRIGRAMS, |_| true);
                gone.into_iter().for_each(|key| self.remove_key(key, id));
            }
            if let Some(after) = after {
                self.insert_part(schema, id, after, Part::TRIGRAMS);
            }
        }
        self.settle(schema);
    }

    /// From here until [`Index::end_bulk`] most of what is inserted waits for [`Index::settle`],
    /// which shares the work among all processors.
    pub(super) fn begin_bulk(&mut self) {
        self.bulk.get_or_insert_default();
    }

    /// Makes the indexes complete, and keeps them so.
    pub(super) fn end_bulk(&mut self, schema: &Schema) {
        self.settle(schema);
        // Looks at everything there is, which single changes must not pay for.
        if self.bulk.take().is_some() {
            self.equality.shrink();
            self.early.shrink();
            self.presence.shrink();
            if let Some(Substrings(sets)) = &mut self.substrings {
                sets.shrink();
            }
        }
    }

    /// Adds an entry's attributes.
    pub(super) fn insert(&mut self, schema: &Schema, id: EntryId, entry: &Arc<ServedEntry>) {
        let all = self.all();
        let Some(bulk) = &mut self.bulk else {
            self.insert_part(schema, id, entry, all);
            return;
        };
        bulk.push((id, Arc::clone(entry)));
        // Without substrings there are few keys, which are best all made at once.
        let full = bulk.len() >= BATCH && all.trigrams;
        let early = Part {
            late: false,
            trigrams: false,
            ..all
        };
        self.insert_part(schema, id, entry, early);
        if full {
            self.insert_waiting(schema);
        }
    }

    /// Removes an entry's attributes, as they were inserted.
    pub(super) fn remove(&mut self, schema: &Schema, id: EntryId, entry: &ServedEntry) {
        self.settle(schema);
        let gone = self.keys_of(schema, entry, self.all(), |_| true);
        gone.into_iter().for_each(|key| self.remove_key(key, id));
    }

    /// Puts an entry's attributes in the place of those it had; what is as before costs nothing,
    /// however many entries share it.
    pub(super) fn replace(
        &mut self,
        schema: &Schema,
        id: EntryId,
        before: &ServedEntry,
        after: &Arc<ServedEntry>,
    ) {
        // Whose an entry is decides about keys of its own.
        if self.bulk.is_some() || before.origin != after.origin {
            self.remove(schema, id, before);
            self.insert(schema, id, after);
            return;
        }
        self.settle(schema);
        let differs = |attribute| !before.attributes.has_same(attribute, &after.attributes);
        let gone = self.keys_of(schema, before, self.all(), differs);
        let come = self.keys_of(schema, after, self.all(), differs);
        for key in &gone {
            if come.binary_search(key).is_err() {
                self.remove_key(*key, id);
            }
        }
        for key in come {
            if gone.binary_search(&key).is_err() {
                self.insert_key(key, id);
            }
        }
    }

    /// Makes the indexes complete; until then they lack what was inserted last under keys that
    /// many entries share: those are added key by key, which costs a fraction of adding them entry
    /// by entry.
    pub(super) fn settle(&mut self, schema: &Schema) {
        self.insert_waiting(schema);
        let Pending {
            equality,
            presence,
            substrings,
        } = std::mem::take(&mut self.pending);
        add_all(&mut self.equality, equality);
        add_all(&mut self.presence, presence);
        if let Some(Substrings(sets)) = &mut self.substrings {
            add_all(sets, substrings);
        }
    }

    fn insert_waiting(&mut self, schema: &Schema) {
        let late = Part {
            early: false,
            ..self.all()
        };
        let bulk = self.bulk.as_mut().map(std::mem::take).unwrap_or_default();
        if bulk.len() < MANY {
            for (id, entry) in bulk {
                self.insert_part(schema, id, &entry, late);
            }
        } else {
            self.insert_bulk(schema, &bulk, late);
        }
    }

    /// Adds many entries at once: each processor takes its share of them, and then of the keys.
    fn insert_bulk(&mut self, schema: &Schema, bulk: &[Inserted], part: Part) {
        let found = FoundKeys::of_all(&self.keys, schema, bulk, part);
        let (mut equality, mut substrings) = (Vec::new(), Vec::new());
        let (mut shared, mut presence) = (Vec::new(), Vec::new());
        for share in found {
            equality.push(share.equality);
            substrings.push(share.substrings);
            shared.push(share.shared);
            presence.push(share.presence);
        }
        std::thread::scope(|scope| {
            if let Some(Substrings(sets)) = &mut self.substrings {
                scope.spawn(|| add_pairs(sets, substrings));
            }
            if self.equality.is_empty() {
                self.equality = PostingsMap::of_shares(equality);
            } else {
                for share in &mut equality {
                    sort(share);
                }
                add_pairs(&mut self.equality, equality);
            }
            for share in shared {
                add_all(&mut self.equality, share);
            }
            for share in presence {
                add_all(&mut self.presence, share);
            }
        });
    }

    fn insert_part(&mut self, schema: &Schema, id: EntryId, entry: &ServedEntry, part: Part) {
        let Self {
            equality,
            early,
            pending,
            keys,
            ..
        } = self;
        keys.each(
            schema,
            entry,
            part,
            |_| true,
            |key| match key {
                Key::Equality(key) => equality.insert(key, id),
                Key::Early(key) => early.insert(key, id),
                Key::Shared(key) => push(&mut pending.equality, key, id),
                Key::Presence(attribute) => push(&mut pending.presence, attribute, id),
                Key::Trigram(key) => push(&mut pending.substrings, key, id),
            },
        );
    }

    /// Every key that there is a place for.
    fn all(&self) -> Part {
        Part {
            early: true,
            late: true,
            trigrams: self.has_substrings(),
        }
    }

    /// The keys of some attribute types, ascending and without repetitions.
    fn keys_of(
        &self,
        schema: &Schema,
        entry: &ServedEntry,
        part: Part,
        is_meant: impl Fn(AttributeId) -> bool,
    ) -> Vec<Key> {
        let mut keys = Vec::new();
        self.keys
            .each(schema, entry, part, is_meant, |key| keys.push(key));
        sort(&mut keys);
        keys
    }

    fn insert_key(&mut self, key: Key, id: EntryId) {
        match key {
            Key::Presence(attribute) => self.presence.insert(attribute, id),
            Key::Equality(key) | Key::Shared(key) => self.equality.insert(key, id),
            Key::Early(key) => self.early.insert(key, id),
            Key::Trigram(key) => {
                if let Some(Substrings(sets)) = &mut self.substrings {
                    sets.insert(key, id);
                }
            }
        }
    }

    fn remove_key(&mut self, key: Key, id: EntryId) {
        match key {
            Key::Presence(attribute) => self.presence.remove(&attribute, id),
            Key::Equality(key) | Key::Shared(key) => self.equality.remove(&key, id),
            Key::Early(key) => self.early.remove(&key, id),
            Key::Trigram(key) => {
                if let Some(Substrings(sets)) = &mut self.substrings {
                    sets.remove(&key, id);
                }
            }
        }
    }
}

/// The keys of many entries, but for early ones.
#[derive(Default)]
struct FoundKeys {
    equality: Vec<(u64, u32)>,
    shared: Sets<u64>,
    presence: Sets<AttributeId>,
    /// Ascending and without repetitions.
    substrings: Vec<(u64, u32)>,
}

impl FoundKeys {
    /// The keys of many entries, in as many shares as there are processors.
    fn of_all(keys: &Keys, schema: &Schema, entries: &[Inserted], part: Part) -> Vec<Self> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let share = entries.len().div_ceil(processors.min(MOST_THREADS)).max(1);
        parallel::map(entries.chunks(share), |share| {
            Self::of(keys, schema, share, part)
        })
    }

    fn of(keys: &Keys, schema: &Schema, entries: &[Inserted], part: Part) -> Self {
        let mut found = Self::default();
        for (id, entry) in entries {
            keys.each(
                schema,
                entry,
                part,
                |_| true,
                |key| match key {
                    Key::Equality(key) => found.equality.push((key, id.0)),
                    Key::Shared(key) => push(&mut found.shared, key, *id),
                    Key::Presence(attribute) => push(&mut found.presence, attribute, *id),
                    Key::Trigram(key) => found.substrings.push((key, id.0)),
                    Key::Early(_) => {}
                },
            );
        }
        sort(&mut found.substrings);
        found
    }
}

fn sort<T: Ord>(pairs: &mut Vec<T>) {
    pairs.sort_unstable();
    pairs.dedup();
}

/// Adds an entry, which has none of those after it under the key.
fn push<K: Eq + Hash>(sets: &mut Sets<K>, key: K, id: EntryId) {
    let ids = sets.entry(key).or_default();
    if ids.last() != Some(&id.0) {
        ids.push(id.0);
    }
}

/// Adds pairs of a key and an entry, share by share; each is let go of before the next.
fn add_pairs<K: Clone + Ord + Hash>(
    sets: &mut PostingsMap<K>,
    shares: impl IntoIterator<Item = Vec<(K, u32)>>,
) {
    let mut ids = Vec::new();
    for pairs in shares {
        for same in pairs.chunk_by(|left, right| left.0 == right.0) {
            if let Some((key, _)) = same.first() {
                ids.clear();
                ids.extend(same.iter().map(|(_, id)| *id));
                sets.extend(key.clone(), &ids);
            }
        }
    }
}

fn add_all<K: Clone + Ord + Hash>(sets: &mut PostingsMap<K>, added: Sets<K>) {
    for (key, mut ids) in added {
        sort(&mut ids);
        sets.extend(key, &ids);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::directory::{snapshot::Snapshot, tests::build::*};

    const PEOPLE: u32 = 4;

    /// What entries had in one version: who has which names, mail address and language of a name.
    type Version = Vec<(u32, Vec<u8>, Option<u8>, bool)>;

    fn version() -> impl Strategy<Value = Version> {
        let names = prop::collection::vec(0u8..5, 1..4);
        let person = (
            10..10 + PEOPLE,
            names,
            prop::option::of(0u8..3),
            any::<bool>(),
        );
        prop::collection::vec(person, 0..4)
    }

    fn put(fixture: &Fixture, version: &Version) {
        for (number, names, mail, in_english) in version {
            let names: Vec<String> = names.iter().map(|name| format!("name {name}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let mut entry = local(*number, Some(2), &format!("uid=p{number}"), "inetOrgPerson")
                .with("sn", &["x"])
                .with("cn", &names);
            if *in_english {
                entry = entry.with("cn;lang-en", &names[..1]);
            }
            if let Some(mail) = mail {
                entry = entry.with("mail", &[&format!("{mail}@example.com")]);
            }
            fixture.put([entry]);
        }
    }

    fn entries(snapshot: &Snapshot) -> impl Iterator<Item = (EntryId, &Arc<ServedEntry>)> {
        let ids = (0..snapshot.id_bound()).map(EntryId);
        ids.filter_map(|id| Some((id, snapshot.entry(id)?)))
    }

    fn keys(snapshot: &Snapshot) -> BTreeSet<Key> {
        let index = &snapshot.index;
        entries(snapshot)
            .flat_map(|(_, entry)| index.keys_of(&snapshot.schema, entry, index.all(), |_| true))
            .collect()
    }

    /// The index of a version, made from nothing but its entries.
    fn made_anew(snapshot: &Snapshot) -> Index {
        let mut index = Index {
            equality: PostingsMap::default(),
            early: PostingsMap::default(),
            presence: PostingsMap::default(),
            substrings: None,
            ..snapshot.index.clone()
        };
        for (id, entry) in entries(snapshot) {
            index.insert(&snapshot.schema, id, entry);
        }
        index.settle(&snapshot.schema);
        index.substrings = Some(index.make_substrings(&snapshot.schema, entries(snapshot)));
        index
    }

    fn under(index: &Index, key: Key) -> Vec<EntryId> {
        let found = match key {
            Key::Presence(attribute) => index.presence.get(&attribute),
            Key::Equality(key) | Key::Shared(key) => index.equality.get(&key),
            Key::Early(key) => index.early.get(&key),
            Key::Trigram(key) => index.substrings.as_ref().and_then(|sets| sets.0.get(&key)),
        };
        found.into_iter().flat_map(Postings::iter).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..Default::default() })]

        #[test]
        fn what_is_replaced_leaves_nothing_and_loses_nothing(
            versions in prop::collection::vec(version(), 1..4),
        ) {
            let fixture = Fixture::new([local_top(2)]);
            let first = fixture.now();
            let mut known = keys(&first);
            for version in &versions {
                put(&fixture, version);
                known.append(&mut keys(&fixture.now()));
            }
            let last = fixture.now();
            let expected = made_anew(&last);
            // The same where the substring index comes when entries have changed since.
            let mut late = Index { substrings: None, ..expected.clone() };
            let made = first.index.make_substrings(&first.schema, entries(&first));
            let ids = (0..last.id_bound()).map(EntryId);
            let changed = ids.map(|id| (id, first.entry(id), last.entry(id)));
            late.set_substrings(&last.schema, made, changed);
            for key in known {
                prop_assert_eq!(under(&last.index, key), under(&expected, key));
                prop_assert_eq!(under(&late, key), under(&expected, key));
            }
        }
    }

    #[test]
    fn substrings_are_found_before_there_is_an_index_of_them() {
        let fixture = Fixture::new([local_top(2)]);
        put(&fixture, &vec![(10, vec![1, 2], None, true)]);
        let (directory, _) = crate::directory::Directory::open(
            Arc::clone(&fixture.store) as Arc<_>,
            Arc::clone(&fixture.now().schema),
            Vec::new(),
        )
        .unwrap();
        let before = directory.snapshot();
        assert!(!before.index.has_substrings());
        assert_eq!(find(&before, "(cn=*me 2)"), [10]);
        directory.index_substrings();
        let after = directory.snapshot();
        assert!(after.index.has_substrings());
        assert_eq!(after.seq(), before.seq());
        assert_eq!(find(&after, "(cn=*me 2)"), [10]);
        directory.index_substrings();
        assert!(Arc::ptr_eq(&directory.snapshot(), &after));
    }
}
