//! Entries as store records, and back.
//!
//! | key | payload |
//! | --- | --- |
//! | `e`, uuid (16), part (4, big endian) | a part of the [body](encode_body): all but link targets |
//! | `l`, uuid (16), length of the name (2), name, first target (16) | a chunk of a link's targets |
//! | `m`, name | a value that belongs to no entry, e.g. a cookie |
//!
//! Where a chunk of targets ends is said by the targets themselves, so that one more or one less
//! member changes the chunk it is in and no other, however large the group is.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::{
    entry::{Attribute, Entry, Link, Origin},
    store::{Batch, CorruptRecord, MAX_PAYLOAD},
};

const BODY: u8 = b'e';
const LINKS: u8 = b'l';
const META: u8 = b'm';

/// The version of body and link chunk that is written, and the only one that is read.
const FORMAT: u8 = 1;

/// Octets before a body in its first part: format and number of parts.
const BODY_HEADER: usize = 1 + 4;

/// One in this many targets ends its chunk.
///
/// Small enough that a chunk hardly ever gets as long as [`MAX_CHUNK`] by itself (one in 2,000).
const MEAN_CHUNK: u64 = 64;

/// The most targets in one chunk; they fill 7.5 KiB.
const MAX_CHUNK: usize = 480;

/// An entry's records: key and payload.
pub(crate) type Records = BTreeMap<Vec<u8>, Vec<u8>>;

/// Why records make no entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RecordError {
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
pub(crate) fn meta_key(name: &str) -> Vec<u8> {
    [&[META], name.as_bytes()].concat()
}

/// The prefixes of all keys of one entry: of its body and of its links.
pub(crate) fn entry_prefixes(uuid: Uuid) -> [Vec<u8>; 2] {
    [BODY, LINKS].map(|namespace| [&[namespace], uuid.as_bytes().as_slice()].concat())
}

/// The entry a key belongs to; `None` for a value that belongs to no entry.
pub(crate) fn key_uuid(key: &[u8]) -> Option<Uuid> {
    match key.split_first_chunk()? {
        ([BODY | LINKS], rest) => Some(Uuid::from_bytes(*rest.first_chunk()?)),
        _ => None,
    }
}

/// What a commit has to do to come from one state of an entry's records to another.
pub(crate) fn diff(old: &Records, new: &Records) -> Batch {
    let mut batch = Batch::default();
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        batch.operations.insert(key.clone(), None);
    }
    for (key, payload) in new {
        if old.get(key) != Some(payload) {
            batch.operations.insert(key.clone(), Some(payload.clone()));
        }
    }
    batch
}

/// Turns an entry into its records; the same entry always gives the same ones.
///
/// Links of one name, written in the same case, become one.
pub(crate) fn records_of(entry: &Entry) -> Records {
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
pub(crate) fn entry_from<'r>(
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
                complete = body.take(part, payload)?.or(complete);
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
pub(super) enum Loaded<'r> {
    /// An entry whose links have no targets yet.
    Body(Entry),
    /// Some targets of a link of an entry whose body came before.
    Targets {
        /// The entry.
        uuid: Uuid,
        /// The link's name.
        attribute: &'r str,
        /// Where it points.
        targets: Vec<Uuid>,
    },
    /// A value that belongs to no entry.
    Meta {
        /// Its name.
        name: &'r str,
        /// What it is.
        payload: &'r [u8],
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
#[derive(Debug, Default)]
pub(super) struct EntryLoader {
    /// The entries whose bodies came; ascending, as the keys of their bodies are.
    entries: Vec<Uuid>,
    body: Option<Body>,
    rejected: BTreeSet<Uuid>,
}

/// What is called with each piece.
pub(super) type Take<'t> = &'t mut dyn FnMut(Loaded<'_>);

impl EntryLoader {
    /// Takes one sound record.
    pub(super) fn visit(&mut self, key: &[u8], payload: &[u8], take: Take<'_>) {
        match Key::parse(key) {
            Ok(Key::Body { uuid, part }) => self.visit_body(uuid, part, payload, take),
            Ok(Key::Links {
                uuid,
                attribute,
                first,
            }) => self.visit_links(uuid, attribute, first, payload, take),
            Ok(Key::Meta(name)) => take(Loaded::Meta { name, payload }),
            Err(error) => take(Loaded::Problem(error.to_string())),
        }
    }

    /// Takes note of a damaged record: the entry it belongs to is rejected.
    pub(super) fn visit_damaged(&mut self, record: &CorruptRecord, take: Take<'_>) {
        let reason = record.to_string();
        match key_uuid(&record.key) {
            Some(uuid) => self.reject(uuid, RecordError::Damaged { reason }, take),
            None => take(Loaded::Problem(reason)),
        }
    }

    /// No more records will come.
    pub(super) fn finish(mut self, take: Take<'_>) {
        self.leave_body(take);
    }

    fn visit_body(&mut self, uuid: Uuid, part: u32, payload: &[u8], take: Take<'_>) {
        if self.body.as_ref().is_none_or(|body| body.uuid != uuid) {
            self.leave_body(take);
            self.body = Some(Body::new(uuid));
        }
        match self.body.as_mut().map(|body| body.take(part, payload)) {
            Some(Ok(Some(entry))) if !self.rejected.contains(&uuid) => {
                self.entries.push(uuid);
                take(Loaded::Body(entry));
            }
            Some(Ok(_)) | None => {}
            Some(Err(error)) => self.reject(uuid, error, take),
        }
    }

    /// No more parts of the present body will come.
    fn leave_body(&mut self, take: Take<'_>) {
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
        take: Take<'_>,
    ) {
        self.leave_body(take);
        if self.entries.binary_search(&uuid).is_err() {
            self.reject(uuid, RecordError::NoBody, take);
            return;
        }
        match decode_targets(attribute, first, payload) {
            Ok(targets) => take(Loaded::Targets {
                uuid,
                attribute,
                targets,
            }),
            Err(error) => self.reject(uuid, error, take),
        }
    }

    /// The first reason is told: later ones often follow from it.
    fn reject(&mut self, uuid: Uuid, reason: RecordError, take: Take<'_>) {
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
                part: u32::from_be_bytes(rest.try_into().ok()?),
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

/// Puts the parts of a body together.
#[derive(Debug)]
struct Body {
    uuid: Uuid,
    /// How many there must be; known from the first on.
    parts: Option<u32>,
    next: u32,
    /// What came so far of a body of several parts.
    octets: Vec<u8>,
}

impl Body {
    fn new(uuid: Uuid) -> Self {
        Self {
            uuid,
            parts: None,
            next: 0,
            octets: Vec::new(),
        }
    }

    /// Takes the next part; the entry, still without link targets, once it was the last.
    fn take(&mut self, part: u32, payload: &[u8]) -> Result<Option<Entry>, RecordError> {
        if let Some(expected) = self.parts
            && part >= expected
        {
            return Err(RecordError::ExcessPart {
                expected,
                found: part,
            });
        }
        if part != self.next {
            return Err(self.incomplete());
        }
        self.next += 1;
        let (parts, octets) = match self.parts {
            Some(parts) => (parts, payload),
            None => {
                let (parts, octets) = body_header(payload)?;
                self.parts = Some(parts);
                (parts, octets)
            }
        };
        if parts == 1 {
            return decode_body(self.uuid, octets).map(Some);
        }
        self.octets.extend_from_slice(octets);
        if self.next < parts {
            return Ok(None);
        }
        decode_body(self.uuid, &std::mem::take(&mut self.octets)).map(Some)
    }

    fn is_complete(&self) -> bool {
        self.parts == Some(self.next)
    }

    fn incomplete(&self) -> RecordError {
        RecordError::MissingPart { part: self.next }
    }
}

fn body_header(payload: &[u8]) -> Result<(u32, &[u8]), RecordError> {
    let broken = RecordError::Body {
        expected: "its format and number of parts",
    };
    match payload.split_first_chunk() {
        Some((&[FORMAT], rest)) => match rest.split_first_chunk() {
            Some((&parts, rest)) if parts != [0; 4] => Ok((u32::from_be_bytes(parts), rest)),
            _ => Err(broken),
        },
        Some((&[found], _)) => Err(RecordError::Format { found }),
        None => Err(broken),
    }
}

fn body_records(entry: &Entry, records: &mut Records) {
    let [prefix, _] = entry_prefixes(entry.uuid);
    let mut body = vec![0; BODY_HEADER];
    encode_body(entry, &mut body);
    let parts = u32::try_from(body.len().div_ceil(MAX_PAYLOAD)).unwrap_or(u32::MAX);
    body.splice(
        ..BODY_HEADER,
        std::iter::once(FORMAT).chain(parts.to_be_bytes()),
    );
    for (part, payload) in (0_u32..).zip(body.chunks(MAX_PAYLOAD)) {
        let key = [prefix.as_slice(), &part.to_be_bytes()].concat();
        records.insert(key, payload.to_vec());
    }
}

/// Parent, RDN, origin, attributes, names of links; lengths and counts as [`put_number`] does.
fn encode_body(entry: &Entry, out: &mut Vec<u8>) {
    match entry.parent {
        Some(parent) => {
            out.push(1);
            out.extend_from_slice(parent.as_bytes());
        }
        None => out.push(0),
    }
    put_octets(entry.rdn.as_bytes(), out);
    match &entry.origin {
        Origin::Local => out.push(0),
        Origin::Source(name) => {
            out.push(1);
            put_octets(name.as_bytes(), out);
        }
    }
    put_number(entry.attributes.len(), out);
    for attribute in &entry.attributes {
        put_octets(attribute.description.as_bytes(), out);
        put_number(attribute.values.len(), out);
        for value in &attribute.values {
            put_octets(value, out);
        }
    }
    // Without their targets, which have records of their own; a link may be empty.
    let mut names: Vec<&str> = Vec::new();
    for link in &entry.links {
        if !names.contains(&link.attribute.as_str()) {
            names.push(&link.attribute);
        }
    }
    put_number(names.len(), out);
    for name in names {
        put_octets(name.as_bytes(), out);
    }
}

fn decode_body(uuid: Uuid, body: &[u8]) -> Result<Entry, RecordError> {
    let mut reader = Reader { rest: body };
    let parent = match reader.octet("the parent")? {
        0 => None,
        _ => Some(Uuid::from_bytes(reader.array("the parent")?)),
    };
    let rdn = reader.text("the RDN")?;
    let origin = match reader.octet("the origin")? {
        0 => Origin::Local,
        _ => Origin::Source(reader.text("the origin")?),
    };
    let attributes = reader.list("the attributes", |reader| {
        Ok(Attribute {
            description: reader.text("an attribute description")?,
            values: reader.list("the values", |reader| {
                Ok(reader.octets("a value")?.to_vec())
            })?,
        })
    })?;
    let links = reader.list("the links", |reader| {
        Ok(Link {
            attribute: reader.text("a link")?,
            targets: BTreeSet::new(),
        })
    })?;
    match reader.rest {
        [] => Ok(Entry {
            uuid,
            parent,
            rdn,
            origin,
            attributes,
            links,
        }),
        _ => Err(RecordError::Body {
            expected: "the end",
        }),
    }
}

/// Seven bits an octet, the lowest first; the top bit says that more follow.
fn put_number(mut number: usize, out: &mut Vec<u8>) {
    loop {
        // Seven bits fit.
        #[allow(clippy::cast_possible_truncation)]
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

fn put_octets(octets: &[u8], out: &mut Vec<u8>) {
    put_number(octets.len(), out);
    out.extend_from_slice(octets);
}

/// Takes a body apart from front to back.
struct Reader<'b> {
    rest: &'b [u8],
}

impl<'b> Reader<'b> {
    fn array<const N: usize>(&mut self, expected: &'static str) -> Result<[u8; N], RecordError> {
        let (&array, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(RecordError::Body { expected })?;
        self.rest = rest;
        Ok(array)
    }

    fn octet(&mut self, expected: &'static str) -> Result<u8, RecordError> {
        let [octet] = self.array(expected)?;
        Ok(octet)
    }

    fn number(&mut self, expected: &'static str) -> Result<usize, RecordError> {
        let mut number = 0;
        for shift in (0..usize::BITS).step_by(7) {
            let octet = self.octet(expected)?;
            let bits = usize::from(octet & 0x7f);
            if (bits << shift) >> shift != bits {
                break;
            }
            number |= bits << shift;
            if octet & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(RecordError::Body { expected })
    }

    fn octets(&mut self, expected: &'static str) -> Result<&'b [u8], RecordError> {
        let length = self.number(expected)?;
        let (octets, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(RecordError::Body { expected })?;
        self.rest = rest;
        Ok(octets)
    }

    fn text(&mut self, expected: &'static str) -> Result<String, RecordError> {
        match std::str::from_utf8(self.octets(expected)?) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(RecordError::Body { expected }),
        }
    }

    fn list<T>(
        &mut self,
        expected: &'static str,
        mut item: impl FnMut(&mut Self) -> Result<T, RecordError>,
    ) -> Result<Vec<T>, RecordError> {
        let count = self.number(expected)?;
        // Each item takes an octet at least, so that a wrong count cannot ask for much memory.
        if count > self.rest.len() {
            return Err(RecordError::Body { expected });
        }
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(items)
    }
}

fn link_records(uuid: Uuid, attribute: &str, targets: &[Uuid], records: &mut Records) {
    let [_, mut prefix] = entry_prefixes(uuid);
    // A longer name makes a key the store refuses anyway.
    prefix.extend_from_slice(
        &u16::try_from(attribute.len())
            .unwrap_or(u16::MAX)
            .to_be_bytes(),
    );
    prefix.extend_from_slice(attribute.as_bytes());
    for chunk in chunks(targets) {
        let Some(first) = chunk.first() else { continue };
        let mut payload = Vec::with_capacity(1 + 16 * chunk.len());
        payload.push(FORMAT);
        for target in chunk {
            payload.extend_from_slice(target.as_bytes());
        }
        records.insert([prefix.as_slice(), first.as_bytes()].concat(), payload);
    }
}

fn decode_targets(
    attribute: &str,
    first: Uuid,
    payload: &[u8],
) -> Result<Vec<Uuid>, RecordError> {
    let chunk = || RecordError::LinkChunk {
        attribute: attribute.to_owned(),
    };
    let rest = match payload.split_first() {
        Some((&FORMAT, rest)) => rest,
        Some((&found, _)) => return Err(RecordError::Format { found }),
        None => return Err(chunk()),
    };
    let (targets, []) = rest.as_chunks::<16>() else {
        return Err(chunk());
    };
    if targets.first() != Some(first.as_bytes()) {
        return Err(chunk());
    }
    Ok(targets.iter().copied().map(Uuid::from_bytes).collect())
}

fn add_targets(
    entry: &mut Entry,
    attribute: &str,
    first: Uuid,
    payload: &[u8],
) -> Result<(), RecordError> {
    let targets = decode_targets(attribute, first, payload)?;
    let mut links = entry.links.iter_mut();
    match links.find(|link| link.attribute == attribute) {
        Some(link) => {
            link.targets.extend(targets);
            Ok(())
        }
        None => Err(RecordError::UnknownLink {
            attribute: attribute.to_owned(),
        }),
    }
}

/// Cuts sorted targets into chunks of at most [`MAX_CHUNK`].
///
/// First after every target whose weight says so, which no other target can change. What is still
/// too long is cut after its heaviest target, and so on: a new target moves such a cut only in the
/// rare case that it is heavier than all others around it.
fn chunks(targets: &[Uuid]) -> Vec<&[Uuid]> {
    let mut chunks = Vec::new();
    let mut uncut = Vec::new();
    for run in targets.split_inclusive(|target| weight(*target) % MEAN_CHUNK == 0) {
        uncut.push(run);
        while let Some(run) = uncut.pop() {
            if run.len() <= MAX_CHUNK {
                chunks.push(run);
                continue;
            }
            // Not after the last one: that is a cut already.
            let heaviest = (0..run.len() - 1)
                .zip(run)
                .max_by_key(|(_, target)| weight(**target))
                .map_or(0, |(position, _)| position);
            let (front, back) = run.split_at(heaviest + 1);
            uncut.push(back);
            uncut.push(front);
        }
    }
    chunks
}

/// A number that looks random. Changing it rewrites the chunks of every group.
fn weight(target: Uuid) -> u64 {
    let (high, low) = target.as_u64_pair();
    mix(high ^ mix(low))
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests;
