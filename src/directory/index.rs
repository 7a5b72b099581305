//! Equality, presence and substring indexes over the stored attributes.
//!
//! A key is a hash of the attribute type and the normalized value, so that a candidate is only
//! likely to match: the filter is evaluated on it all the same. In return a key takes eight octets
//! whatever the value, and an absent key is a certain no.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash},
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
    kinds: imbl::GenericVector<Kinds, imbl::shared_ptr::DefaultSharedPtr>,
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
        Self {
            equality: PostingsMap::default(),
            presence: PostingsMap::default(),
            substrings: PostingsMap::default(),
            pending: Pending::default(),
            kinds: kinds.into_iter().collect(),
            hasher: foldhash::fast::RandomState::default(),
        }
    }

    /// Whether [`Index::equality`] and [`Index::presence`] know this type.
    pub fn has_equality(&self, attribute: AttributeId) -> bool {
        self.kinds(attribute).equality
    }

    /// Entries that may have this normalized value; `None` means certainly none.
    pub fn equality(&self, attribute: AttributeId, normalized: &[u8]) -> Option<&Postings> {
        self.equality.get(&self.key(attribute, normalized))
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
        if !self.kinds(attribute).substring {
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

    /// Adds an entry's attributes.
    pub(super) fn insert(&mut self, schema: &Schema, id: EntryId, entry: &ServedEntry) {
        self.each_key(schema, entry, |index, key| match key {
            Key::Equality { key, shared: false } => index.equality.insert(key, id),
            Key::Equality { key, shared: true } => {
                index.pending.equality.entry(key).or_default().push(id.0);
            }
            Key::Presence(attribute) => {
                index
                    .pending
                    .presence
                    .entry(attribute)
                    .or_default()
                    .push(id.0);
            }
            Key::Trigram(key) => index.pending.substrings.entry(key).or_default().push(id.0),
        });
    }

    /// Makes the indexes complete; until then they lack what was inserted last under keys that
    /// many entries share: those are added key by key, which costs a fraction of adding them entry
    /// by entry.
    pub(super) fn settle(&mut self) {
        let Pending {
            equality,
            presence,
            substrings,
        } = std::mem::take(&mut self.pending);
        add_all(&mut self.equality, equality);
        add_all(&mut self.presence, presence);
        add_all(&mut self.substrings, substrings);
    }

    /// Removes an entry's attributes, as they were inserted.
    pub(super) fn remove(&mut self, schema: &Schema, id: EntryId, entry: &ServedEntry) {
        self.settle();
        self.each_key(schema, entry, |index, key| match key {
            Key::Presence(attribute) => index.presence.remove(&attribute, id),
            Key::Equality { key, .. } => index.equality.remove(&key, id),
            Key::Trigram(key) => index.substrings.remove(&key, id),
        });
    }

    fn each_key(
        &mut self,
        schema: &Schema,
        entry: &ServedEntry,
        mut act: impl FnMut(&mut Self, Key),
    ) {
        for attribute in entry.attributes.iter() {
            let kinds = self.kinds(attribute.attribute);
            let by_identity = kinds.identity && entry.origin == OriginId::LOCAL;
            if !kinds.equality && !kinds.substring && !by_identity {
                continue;
            }
            act(self, Key::Presence(attribute.attribute));
            let Some(rule) = schema.attribute_type(attribute.attribute).equality else {
                continue;
            };
            for value in attribute.values() {
                let Ok(normalized) = rule.normalize(schema, value) else {
                    continue;
                };
                if kinds.equality || by_identity {
                    let key = self.key(attribute.attribute, &normalized);
                    let shared = kinds.shared;
                    act(self, Key::Equality { key, shared });
                }
                if kinds.substring {
                    for trigram in trigrams(&bounded(&[START], &normalized, &[END])) {
                        act(
                            self,
                            Key::Trigram(trigram_key(attribute.attribute, trigram)),
                        );
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

    fn key(&self, attribute: AttributeId, normalized: &[u8]) -> u64 {
        self.hasher.hash_one((attribute.0, normalized))
    }
}

fn add_all<K: Clone + Eq + Hash>(
    sets: &mut PostingsMap<K>,
    added: HashMap<K, Vec<u32>, foldhash::fast::RandomState>,
) {
    for (key, mut ids) in added {
        ids.sort_unstable();
        ids.dedup();
        sets.extend(key, &ids);
    }
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
