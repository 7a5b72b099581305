//! Which keys an entry has in the indexes.

use std::{hash::BuildHasher, sync::Arc};

use crate::{
    directory::snapshot::{OriginId, ServedEntry},
    schema::{AttributeId, Schema},
};

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

/// Stands before the first and after the last octet of a value in its trigrams; never part of UTF-8.
pub(super) const START: u8 = 0xfe;
pub(super) const END: u8 = 0xff;

/// Which keys an entry has.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    kinds: Arc<[Kinds]>,
    hasher: foldhash::fast::RandomState,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kinds {
    pub(super) equality: bool,
    /// Whether many entries have the same value.
    shared: bool,
    pub(super) substring: bool,
    /// Indexed for local entries; those from AD are found by their identity.
    identity: bool,
    /// Looked for while everything is loaded.
    pub(super) early: bool,
}

/// One key of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Presence(AttributeId),
    Equality(u64),
    /// One that many entries have.
    Shared(u64),
    /// One that is looked for while everything is loaded.
    Early(u64),
    Trigram(u64),
}

/// Which of an entry's keys are meant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// Presence and equality of what is looked for while everything is loaded.
    pub(super) early: bool,
    /// The same of all else.
    pub(super) late: bool,
    pub(super) trigrams: bool,
}

impl Part {
    pub(super) const TRIGRAMS: Self = Self {
        early: false,
        late: false,
        trigrams: true,
    };
}

impl Keys {
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
            kinds: kinds.into(),
            hasher: foldhash::fast::RandomState::default(),
        }
    }

    /// Passes on the keys of some of an entry's attribute types, some of them more than once.
    pub(super) fn each(
        &self,
        schema: &Schema,
        entry: &ServedEntry,
        part: Part,
        is_meant: impl Fn(AttributeId) -> bool,
        mut act: impl FnMut(Key),
    ) {
        for attribute in entry.attributes.iter() {
            let kinds = self.kinds(attribute.attribute);
            let by_value = kinds.equality || (kinds.identity && entry.origin == OriginId::LOCAL);
            let by_value = by_value && if kinds.early { part.early } else { part.late };
            let by_parts = kinds.substring && part.trigrams;
            if !(by_value || by_parts) || !is_meant(attribute.attribute) {
                continue;
            }
            if by_value {
                act(Key::Presence(attribute.attribute));
            }
            let Some(rule) = schema.attribute_type(attribute.attribute).equality else {
                continue;
            };
            for value in attribute.values() {
                let Ok(normalized) = rule.normalize(schema, value) else {
                    continue;
                };
                if by_value {
                    let key = self.equality(attribute.attribute, &normalized);
                    act(match kinds {
                        Kinds { early: true, .. } => Key::Early(key),
                        Kinds { shared: true, .. } => Key::Shared(key),
                        _ => Key::Equality(key),
                    });
                }
                if by_parts {
                    for trigram in trigrams(&bounded(&[START], &normalized, &[END])) {
                        act(Key::Trigram(trigram_key(attribute.attribute, trigram)));
                    }
                }
            }
        }
    }

    pub(super) fn kinds(&self, attribute: AttributeId) -> Kinds {
        self.kinds
            .get(usize::from(attribute.0))
            .copied()
            .unwrap_or_default()
    }

    pub(super) fn equality(&self, attribute: AttributeId, normalized: &[u8]) -> u64 {
        self.hasher.hash_one((attribute.0, normalized))
    }
}

/// A text between its markers, without the spaces that face the rest of the value: a value has one
/// space where RFC 4518 counts two, so that they say nothing of its trigrams.
pub(super) fn bounded(start: &[u8], text: &[u8], end: &[u8]) -> Vec<u8> {
    [start, text.trim_ascii(), end].concat()
}

pub(super) fn trigrams(octets: &[u8]) -> impl Iterator<Item = [u8; 3]> + '_ {
    octets
        .windows(3)
        .filter_map(|window| window.try_into().ok())
}

pub(super) fn trigram_key(attribute: AttributeId, [a, b, c]: [u8; 3]) -> u64 {
    (u64::from(attribute.0) << 24) | (u64::from(a) << 16) | (u64::from(b) << 8) | u64::from(c)
}
