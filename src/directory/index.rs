//! Equality, presence and substring indexes over the stored attributes.
//!
//! A key is a hash of the attribute type and the normalized value, so that a candidate is only
//! likely to match: the filter is evaluated on it all the same. In return a key takes eight octets
//! whatever the value, and an absent key is a certain no.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash},
    panic::resume_unwind,
    sync::Arc,
};

use roaring::RoaringBitmap;

use super::{
    EntryId,
    bound::{Parts, bitmap},
    postings::{Postings, PostingsMap},
    snapshot::{OriginId, ServedEntry},
};
use crate::schema::{AttributeId, Schema};

/// What clients look entries up by; entryUUID has a map of its own, as have the objectGUIDs of
/// entries from AD.
const EQUALITY: &[&str] = &[
    "objectClass",
    "uid",
    "uidNumber",
    "gidNumber",
    "cn",
    "sn",
    "givenName",
    "name",
    "displayName",
    "mail",
    "proxyAddresses",
    "sAMAccountName",
    "userPrincipalName",
    "objectSid",
    "primaryGroupID",
    "sAMAccountType",
    "employeeID",
    "employeeNumber",
    "telephoneNumber",
    "mobile",
    "memberUid",
    "member",
    "uniqueMember",
    "manager",
    "ou",
    "o",
    "dc",
    "sudoHost",
    "sudoUser",
    "automountMapName",
    "automountKey",
    "ipHostNumber",
    "krbPrincipalName",
    "extensionAttribute1",
    "servicePrincipalName",
    "physicalDeliveryOfficeName",
    "legacyExchangeDN",
];

/// What people search parts of.
const SUBSTRING: &[&str] = &[
    "uid",
    "cn",
    "sn",
    "givenName",
    "name",
    "displayName",
    "mail",
    "sAMAccountName",
    "userPrincipalName",
    "telephoneNumber",
    "physicalDeliveryOfficeName",
    "proxyAddresses",
];

/// What many entries have the same value of.
const SHARED: &[&str] = &["objectClass", "gidNumber", "sAMAccountType"];

/// What the derived attributes of other entries are looked up by while they are made.
const EARLY: &[&str] = &["objectSid", "primaryGroupID"];

/// Entries that are worth to share among processors.
const MANY: usize = if cfg!(test) { 16 } else { 2048 };
/// Entries that are worked on at once, so that their keys take some 15 MB at most.
const BATCH: usize = if cfg!(test) { 32 } else { 4096 };
const MOST_THREADS: usize = 16;

/// Stands before the first and after the last octet of a value in its trigrams; never part of UTF-8.
const START: u8 = 0xfe;
const END: u8 = 0xff;

/// The indexes of one snapshot.
#[derive(Clone, Debug)]
pub struct Index {
    equality: PostingsMap<u64>,
    presence: PostingsMap<AttributeId>,
    substrings: PostingsMap<u64>,
    pending: Pending,
    keys: Keys,
    /// While everything is loaded: what was inserted since, but for the keys that the load itself
    /// looks for.
    bulk: Option<Vec<(EntryId, Arc<ServedEntry>)>>,
}

/// Which keys an entry has.
#[derive(Clone, Debug)]
struct Keys {
    kinds: Arc<[Kinds]>,
    hasher: foldhash::fast::RandomState,
}

/// What was inserted since the last [`Index::settle`], under keys that many entries share.
#[derive(Clone, Debug, Default)]
struct Pending {
    equality: HashMap<u64, Vec<u32>, foldhash::fast::RandomState>,
    presence: HashMap<AttributeId, Vec<u32>, foldhash::fast::RandomState>,
    substrings: HashMap<u64, Vec<u32>, foldhash::fast::RandomState>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Kinds {
    equality: bool,
    /// Whether many entries have the same value.
    shared: bool,
    substring: bool,
    /// Indexed for local entries; those from AD are found by their identity.
    identity: bool,
    /// Looked for while everything is loaded.
    early: bool,
}

impl Index {
    /// Empty indexes over the attribute types of a schema.
    pub(super) fn new(schema: &Schema) -> Self {
        let mut kinds = vec![Kinds::default(); schema.attributes().count()];
        // With subtypes, since an assertion about a type asks about them too.
        let mut mark = |names: &[&str], set: fn(&mut Kinds)| {
            for id in names
                .iter()
                .filter_map(|name| schema.attribute(name.as_bytes()))
                .flat_map(|id| schema.subtypes(id))
            {
                if let Some(kinds) = kinds.get_mut(usize::from(id.0)) {
                    set(kinds);
                }
            }
        };
        mark(EQUALITY, |kinds| kinds.equality = true);
        mark(SUBSTRING, |kinds| kinds.substring = true);
        mark(SHARED, |kinds| kinds.shared = true);
        mark(&["objectGUID"], |kinds| kinds.identity = true);
        mark(EARLY, |kinds| kinds.early = true);
        Self {
            equality: PostingsMap::default(),
            presence: PostingsMap::default(),
            substrings: PostingsMap::default(),
            pending: Pending::default(),
            keys: Keys {
                kinds: kinds.into(),
                hasher: foldhash::fast::RandomState::default(),
            },
            bulk: None,
        }
    }

    /// Whether [`Index::equality`] and [`Index::presence`] know this type.
    pub fn has_equality(&self, attribute: AttributeId) -> bool {
        self.keys.kinds(attribute).equality
    }

    /// Entries that may have this normalized value; `None` means certainly none.
    pub fn equality(&self, attribute: AttributeId, normalized: &[u8]) -> Option<&Postings> {
        self.equality
            .get(&self.keys.equality(attribute, normalized))
    }

    /// Entries that have the attribute.
    pub fn presence(&self, attribute: AttributeId) -> Option<&Postings> {
        self.presence.get(&attribute)
    }

    /// Entries whose values may have the normalized parts; `None` where the index cannot tell.
    pub(super) fn substrings(
        &self,
        attribute: AttributeId,
        parts: &Parts,
    ) -> Option<RoaringBitmap> {
        if !self.keys.kinds(attribute).substring {
            return None;
        }
        let initial = parts
            .initial
            .iter()
            .map(|part| bounded(&[START], part, &[]));
        let any = parts.any.iter().map(|part| bounded(&[], part, &[]));
        let last = parts.last.iter().map(|part| bounded(&[], part, &[END]));
        let mut result: Option<RoaringBitmap> = None;
        for part in initial.chain(any).chain(last) {
            for trigram in trigrams(&part) {
                let found = bitmap(self.substrings.get(&trigram_key(attribute, trigram)));
                let narrowed = match result {
                    Some(so_far) => so_far & found,
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
            self.presence.shrink();
            self.substrings.shrink();
        }
    }

    /// Adds an entry's attributes.
    pub(super) fn insert(&mut self, schema: &Schema, id: EntryId, entry: &Arc<ServedEntry>) {
        let Some(bulk) = &mut self.bulk else {
            self.insert_part(schema, id, entry, Part::All);
            return;
        };
        bulk.push((id, Arc::clone(entry)));
        let full = bulk.len() >= BATCH;
        self.insert_part(schema, id, entry, Part::Early);
        if full {
            self.insert_waiting(schema);
        }
    }

    fn insert_part(&mut self, schema: &Schema, id: EntryId, entry: &ServedEntry, part: Part) {
        let Self {
            equality,
            pending,
            keys,
            ..
        } = self;
        keys.each(schema, entry, part, |key| match key {
            Key::Equality { key, shared: false } => equality.insert(key, id),
            Key::Equality { key, shared: true } => {
                pending.equality.entry(key).or_default().push(id.0);
            }
            Key::Presence(attribute) => {
                pending.presence.entry(attribute).or_default().push(id.0);
            }
            Key::Trigram(key) => pending.substrings.entry(key).or_default().push(id.0),
        });
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
        add_all(&mut self.substrings, substrings);
    }

    fn insert_waiting(&mut self, schema: &Schema) {
        let bulk = self.bulk.as_mut().map(std::mem::take).unwrap_or_default();
        if bulk.len() < MANY {
            for (id, entry) in bulk {
                self.insert_part(schema, id, &entry, Part::Late);
            }
        } else {
            self.insert_bulk(schema, &bulk);
        }
    }

    /// Adds many entries at once: each processor takes its share of them, and then of the keys.
    fn insert_bulk(&mut self, schema: &Schema, bulk: &[(EntryId, Arc<ServedEntry>)]) {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let share = bulk.len().div_ceil(processors.min(MOST_THREADS));
        let keys = &self.keys;
        let found: Vec<Found> = std::thread::scope(|scope| {
            let shares: Vec<_> = bulk
                .chunks(share)
                .map(|share| scope.spawn(move || Found::of(keys, schema, share)))
                .collect();
            // One that panicked is as good as a panic here.
            shares
                .into_iter()
                .map(|share| share.join().unwrap_or_else(|panic| resume_unwind(panic)))
                .collect()
        });
        let (mut equality, mut presence, mut substrings) = (Vec::new(), Vec::new(), Vec::new());
        for share in found {
            equality.push(share.equality);
            presence.push(share.presence);
            substrings.push(share.substrings);
        }
        std::thread::scope(|scope| {
            scope.spawn(|| add_pairs(&mut self.substrings, substrings));
            add_pairs(&mut self.presence, presence);
            add_pairs(&mut self.equality, equality);
        });
    }

    /// Removes an entry's attributes, as they were inserted.
    pub(super) fn remove(&mut self, schema: &Schema, id: EntryId, entry: &ServedEntry) {
        self.settle(schema);
        let Self {
            equality,
            presence,
            substrings,
            keys,
            ..
        } = self;
        keys.each(schema, entry, Part::All, |key| match key {
            Key::Presence(attribute) => presence.remove(&attribute, id),
            Key::Equality { key, .. } => equality.remove(&key, id),
            Key::Trigram(key) => substrings.remove(&key, id),
        });
    }
}

/// The keys of many entries, each with the entry it is of, ascending and without repetitions.
#[derive(Default)]
struct Found {
    equality: Vec<(u64, u32)>,
    presence: Vec<(AttributeId, u32)>,
    substrings: Vec<(u64, u32)>,
}

impl Found {
    fn of(keys: &Keys, schema: &Schema, entries: &[(EntryId, Arc<ServedEntry>)]) -> Self {
        let mut found = Self::default();
        for (id, entry) in entries {
            keys.each(schema, entry, Part::Late, |key| match key {
                Key::Equality { key, .. } => found.equality.push((key, id.0)),
                Key::Presence(attribute) => found.presence.push((attribute, id.0)),
                Key::Trigram(key) => found.substrings.push((key, id.0)),
            });
        }
        sort(&mut found.equality);
        sort(&mut found.presence);
        sort(&mut found.substrings);
        found
    }
}

impl Keys {
    fn each(&self, schema: &Schema, entry: &ServedEntry, part: Part, mut act: impl FnMut(Key)) {
        for attribute in entry.attributes.iter() {
            let kinds = self.kinds(attribute.attribute);
            let by_identity = kinds.identity && entry.origin == OriginId::LOCAL;
            let is_meant = match part {
                Part::All => true,
                Part::Early => kinds.early,
                Part::Late => !kinds.early,
            };
            if !is_meant || (!kinds.equality && !kinds.substring && !by_identity) {
                continue;
            }
            act(Key::Presence(attribute.attribute));
            let Some(rule) = schema.attribute_type(attribute.attribute).equality else {
                continue;
            };
            for value in attribute.values() {
                let Ok(normalized) = rule.normalize(schema, value) else {
                    continue;
                };
                if kinds.equality || by_identity {
                    let key = self.equality(attribute.attribute, &normalized);
                    let shared = kinds.shared;
                    act(Key::Equality { key, shared });
                }
                if kinds.substring {
                    for trigram in trigrams(&bounded(&[START], &normalized, &[END])) {
                        act(Key::Trigram(trigram_key(attribute.attribute, trigram)));
                    }
                }
            }
        }
    }

    fn kinds(&self, attribute: AttributeId) -> Kinds {
        self.kinds
            .get(usize::from(attribute.0))
            .copied()
            .unwrap_or_default()
    }

    fn equality(&self, attribute: AttributeId, normalized: &[u8]) -> u64 {
        self.hasher.hash_one((attribute.0, normalized))
    }
}

fn sort<T: Ord>(pairs: &mut Vec<T>) {
    pairs.sort_unstable();
    pairs.dedup();
}

/// Adds pairs of a key and an entry, share by share; each is let go of before the next.
fn add_pairs<K: Clone + Ord + Hash>(sets: &mut PostingsMap<K>, shares: Vec<Vec<(K, u32)>>) {
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

fn add_all<K: Clone + Ord + Hash>(
    sets: &mut PostingsMap<K>,
    added: HashMap<K, Vec<u32>, foldhash::fast::RandomState>,
) {
    for (key, mut ids) in added {
        sort(&mut ids);
        sets.extend(key, &ids);
    }
}

/// Which of an entry's keys are meant.
#[derive(Clone, Copy)]
enum Part {
    All,
    /// Those that are looked for while everything is loaded.
    Early,
    /// All others.
    Late,
}

enum Key {
    Presence(AttributeId),
    Equality { key: u64, shared: bool },
    Trigram(u64),
}

/// A text between its markers, without the spaces that face the rest of the value: a value has one
/// space where RFC 4518 counts two, so that they say nothing of its trigrams.
fn bounded(start: &[u8], text: &[u8], end: &[u8]) -> Vec<u8> {
    [start, text.trim_ascii(), end].concat()
}

fn trigrams(octets: &[u8]) -> impl Iterator<Item = [u8; 3]> + '_ {
    octets
        .windows(3)
        .filter_map(|window| window.try_into().ok())
}

fn trigram_key(attribute: AttributeId, [a, b, c]: [u8; 3]) -> u64 {
    (u64::from(attribute.0) << 24) | (u64::from(a) << 16) | (u64::from(b) << 8) | u64::from(c)
}
