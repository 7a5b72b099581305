//! Entries as store records, and back.
//!
//! | key | payload |
//! | --- | --- |
//! | `e`, uuid (16), part (4, big endian) | a part of the body: all but link targets; the top bit of the part's number says that the entry is local |
//! | `l`, uuid (16), length of the name (2), name, first target (16) | a chunk of a link's targets |
//! | `m`, name | a value that belongs to no entry, e.g. a cookie |
//!
//! Where a chunk of targets ends is said by the targets themselves, so that one more or one less
//! member changes the chunk it is in and no other, however large the group is.

mod body;
mod links;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

pub(super) use self::body::BodyView;
use self::{
    body::{Body, body_records},
    links::{add_targets, decode_targets, link_records},
};
use crate::{
    entry::Entry,
    store::{Batch, CorruptRecord},
};

const BODY: u8 = b'e';
const LINKS: u8 = b'l';
const META: u8 = b'm';

/// Set in the part numbers of local entries: whose a body is can be told even when it is damaged.
const LOCAL: u32 = 1 << 31;

/// The version of bodies and link chunks that is written, and the only one that is read.
const FORMAT: u8 = 1;

/// An entry's records: key and payload.
pub(super) type Records = BTreeMap<Vec<u8>, Vec<u8>>;

/// Why records make no entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RecordError {
    /// A key of none of the known forms.
    #[error("key '{}' is of no known form", key.escape_ascii())]
    Key {
        /// The key.
        key: Vec<u8>,
    },
    /// A record of another entry.
    #[error("a record of entry {found} among those of {expected}")]
    ForeignRecord {
        /// The entry that is read.
        expected: Uuid,
        /// The entry the record belongs to.
        found: Uuid,
    },
    /// Written by another version of this program.
    #[error("it has format {found}, {FORMAT} is expected")]
    Format {
        /// The format found.
        found: u8,
    },
    /// There are link targets, or nothing at all, but no body.
    #[error("it has no body")]
    NoBody,
    /// A part of the body is not there.
    #[error("part {part} of its body is missing")]
    MissingPart {
        /// The number of the part, from 0 on.
        part: u32,
    },
    /// More parts than the first one says.
    #[error("its body has {expected} parts, but there is a part {found}")]
    ExcessPart {
        /// How many there should be.
        expected: u32,
        /// The number of the first one too many.
        found: u32,
    },
    /// The body does not follow its format.
    #[error("its body breaks off or makes no sense where {expected} should be")]
    Body {
        /// What should be there.
        expected: &'static str,
    },
    /// A link chunk of a link the body does not name.
    #[error("there are targets of a link '{attribute}' its body does not name")]
    UnknownLink {
        /// The link's name.
        attribute: String,
    },
    /// A link chunk that is cut, or that is stored under another chunk's key.
    #[error("a chunk of the targets of '{attribute}' makes no sense")]
    LinkChunk {
        /// The link's name.
        attribute: String,
    },
    /// A record the store found damaged.
    #[error("{reason}")]
    Damaged {
        /// The store's words.
        reason: String,
    },
}

/// The key of a value that belongs to no entry.
pub(super) fn meta_key(name: &str) -> Vec<u8> {
    [&[META], name.as_bytes()].concat()
}

/// The prefixes of all keys of one entry: of its body and of its links.
pub(super) fn entry_prefixes(uuid: Uuid) -> [Vec<u8>; 2] {
    [BODY, LINKS].map(|namespace| [&[namespace], uuid.as_bytes().as_slice()].concat())
}

/// The entry a key belongs to; `None` for a value that belongs to no entry.
pub(super) fn key_uuid(key: &[u8]) -> Option<Uuid> {
    match key.split_first_chunk()? {
        ([BODY | LINKS], rest) => Some(Uuid::from_bytes(*rest.first_chunk()?)),
        _ => None,
    }
}

/// Whether the records of an entry, damaged or not, are those of a local one.
pub(super) fn are_local(records: &Records) -> bool {
    records.keys().any(|key| {
        let part = key.strip_prefix(&[BODY]).and_then(<[u8]>::last_chunk);
        part.is_some_and(|part| u32::from_be_bytes(*part) & LOCAL != 0)
    })
}

/// What a commit has to do to come from one state of an entry's records to another.
pub(super) fn diff(old: &Records, new: Records) -> Batch {
    let mut batch = Batch::default();
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        batch.operations.insert(key.clone(), None);
    }
    let changed = new
        .into_iter()
        .filter(|(key, payload)| old.get(key) != Some(payload))
        .map(|(key, payload)| (key, Some(payload)));
    batch.operations.extend(changed);
    batch
}

/// Turns an entry into its records; the same entry always gives the same ones.
///
/// Links of one name, written in the same case, become one.
pub(super) fn records_of(entry: &Entry) -> Records {
    let mut records = Records::new();
    let mut links: BTreeMap<&str, Vec<Uuid>> = BTreeMap::new();
    for link in &entry.links {
        links
            .entry(&link.attribute)
            .or_default()
            .extend(&link.targets);
    }
    body_records(entry, &mut records);
    for (attribute, mut targets) in links {
        targets.sort_unstable();
        targets.dedup();
        link_records(entry.uuid, attribute, &targets, &mut records);
    }
    records
}

/// Makes an entry of all its records, given in key order.
///
/// # Errors
/// [`RecordError`] says what is missing or wrong; a single wrong record is enough, since an entry
/// with half its values would be believed.
pub(super) fn entry_from<'r>(
    records: impl IntoIterator<Item = (&'r [u8], &'r [u8])>,
) -> Result<Entry, RecordError> {
    let mut body: Option<Body> = None;
    let mut complete: Option<Entry> = None;
    for (key, payload) in records {
        let key = Key::parse(key)?;
        let (found, expected) = (key.uuid(), body.as_ref().map(|body| body.uuid));
        if let (Some(found), Some(expected)) = (found, expected)
            && found != expected
        {
            return Err(RecordError::ForeignRecord { expected, found });
        }
        match key {
            Key::Body { uuid, part } => {
                let body = body.get_or_insert_with(|| Body::new(uuid));
                let entry = body.take(part, payload, |view| view.to_entry())?;
                complete = entry.or(complete);
            }
            Key::Links {
                attribute, first, ..
            } => match (&mut complete, &body) {
                (Some(entry), _) => add_targets(entry, attribute, first, payload)?,
                (None, Some(body)) => return Err(body.incomplete()),
                (None, None) => return Err(RecordError::NoBody),
            },
            Key::Meta(_) => {}
        }
    }
    match (complete, body) {
        (Some(entry), _) => Ok(entry),
        (None, Some(body)) => Err(body.incomplete()),
        (None, None) => Err(RecordError::NoBody),
    }
}

/// What the records of a store say, piece by piece.
#[derive(Debug)]
pub(super) enum Loaded<B> {
    /// What was made of an entry whose links have no targets yet.
    Body(B),
    /// Some targets of a link of an entry whose body came before.
    Targets {
        /// The entry.
        uuid: Uuid,
        /// The link's name.
        attribute: String,
        /// Where it points.
        targets: Vec<Uuid>,
    },
    /// A value that belongs to no entry.
    Meta {
        /// Its name.
        name: String,
        /// What it is.
        payload: Vec<u8>,
    },
    /// An entry that cannot be believed; its body may have come before.
    Rejected {
        /// The entry.
        uuid: Uuid,
        /// What is wrong with it.
        reason: RecordError,
    },
    /// A record that belongs to no entry and makes no sense.
    Problem(String),
}

/// Takes all records of a store as they come by, in key order, and keeps none of them.
#[derive(Debug)]
pub(super) struct EntryLoader<M> {
    /// Makes something of each body.
    make: M,
    /// The entries whose bodies came; ascending, as the keys of their bodies are.
    entries: Vec<Uuid>,
    body: Option<Body>,
    rejected: BTreeSet<Uuid>,
}

/// What is called with each piece.
pub(super) type Take<'t, B> = &'t mut dyn FnMut(Loaded<B>);

impl<B, M: FnMut(BodyView<'_>) -> B> EntryLoader<M> {
    pub(super) fn new(make: M) -> Self {
        Self {
            make,
            entries: Vec::new(),
            body: None,
            rejected: BTreeSet::new(),
        }
    }

    /// Takes one sound record.
    pub(super) fn visit(&mut self, key: &[u8], payload: &[u8], take: Take<'_, B>) {
        match Key::parse(key) {
            Ok(Key::Body { uuid, part }) => self.visit_body(uuid, part, payload, take),
            Ok(Key::Links {
                uuid,
                attribute,
                first,
            }) => self.visit_links(uuid, attribute, first, payload, take),
            Ok(Key::Meta(name)) => take(Loaded::Meta {
                name: name.to_owned(),
                payload: payload.to_vec(),
            }),
            Err(error) => take(Loaded::Problem(error.to_string())),
        }
    }

    /// Takes note of a damaged record: the entry it belongs to is rejected.
    pub(super) fn visit_damaged(&mut self, record: &CorruptRecord, take: Take<'_, B>) {
        let reason = record.to_string();
        match key_uuid(&record.key) {
            Some(uuid) => self.reject(uuid, RecordError::Damaged { reason }, take),
            None => take(Loaded::Problem(reason)),
        }
    }

    /// No more records will come.
    pub(super) fn finish(mut self, take: Take<'_, B>) {
        self.leave_body(take);
    }

    fn visit_body(&mut self, uuid: Uuid, part: u32, payload: &[u8], take: Take<'_, B>) {
        if self.body.as_ref().is_none_or(|body| body.uuid != uuid) {
            self.leave_body(take);
            self.body = Some(Body::new(uuid));
        }
        let make = &mut self.make;
        let taken = self.body.as_mut();
        match taken.map(|body| body.take(part, payload, make)) {
            Some(Ok(Some(body))) if !self.rejected.contains(&uuid) => {
                self.entries.push(uuid);
                take(Loaded::Body(body));
            }
            Some(Ok(_)) | None => {}
            Some(Err(error)) => self.reject(uuid, error, take),
        }
    }

    /// No more parts of the present body will come.
    fn leave_body(&mut self, take: Take<'_, B>) {
        if let Some(body) = self.body.take()
            && !body.is_complete()
        {
            self.reject(body.uuid, body.incomplete(), take);
        }
    }

    fn visit_links(
        &mut self,
        uuid: Uuid,
        attribute: &str,
        first: Uuid,
        payload: &[u8],
        take: Take<'_, B>,
    ) {
        self.leave_body(take);
        if self.rejected.contains(&uuid) {
            return;
        }
        if self.entries.binary_search(&uuid).is_err() {
            self.reject(uuid, RecordError::NoBody, take);
            return;
        }
        match decode_targets(attribute, first, payload) {
            Ok(targets) => take(Loaded::Targets {
                uuid,
                attribute: attribute.to_owned(),
                targets,
            }),
            Err(error) => self.reject(uuid, error, take),
        }
    }

    /// The first reason is told: later ones often follow from it.
    fn reject(&mut self, uuid: Uuid, reason: RecordError, take: Take<'_, B>) {
        if self.rejected.insert(uuid) {
            take(Loaded::Rejected { uuid, reason });
        }
    }
}

/// A key, taken apart.
#[derive(Debug, PartialEq, Eq)]
enum Key<'k> {
    Body {
        uuid: Uuid,
        part: u32,
    },
    Links {
        uuid: Uuid,
        attribute: &'k str,
        first: Uuid,
    },
    Meta(&'k str),
}

impl<'k> Key<'k> {
    fn parse(key: &'k [u8]) -> Result<Self, RecordError> {
        Self::parse_known(key).ok_or_else(|| RecordError::Key { key: key.to_vec() })
    }

    fn parse_known(key: &'k [u8]) -> Option<Self> {
        let (&[namespace], rest) = key.split_first_chunk()?;
        if namespace == META {
            return Some(Self::Meta(std::str::from_utf8(rest).ok()?));
        }
        let (&uuid, rest) = rest.split_first_chunk()?;
        let uuid = Uuid::from_bytes(uuid);
        match namespace {
            BODY => Some(Self::Body {
                uuid,
                part: u32::from_be_bytes(rest.try_into().ok()?) & !LOCAL,
            }),
            LINKS => {
                let (&length, rest) = rest.split_first_chunk()?;
                let (attribute, first) =
                    rest.split_at_checked(usize::from(u16::from_be_bytes(length)))?;
                Some(Self::Links {
                    uuid,
                    attribute: std::str::from_utf8(attribute).ok()?,
                    first: Uuid::from_bytes(first.try_into().ok()?),
                })
            }
            _ => None,
        }
    }

    fn uuid(&self) -> Option<Uuid> {
        match self {
            Self::Body { uuid, .. } | Self::Links { uuid, .. } => Some(*uuid),
            Self::Meta(_) => None,
        }
    }
}
