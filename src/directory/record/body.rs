//! The body of an entry: everything but the targets of its links, in one or more parts.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::{FORMAT, LOCAL, RecordError, Records, entry_prefixes};
use crate::{
    entry::{Attribute, Entry, Link, Origin},
    store::MAX_PAYLOAD,
};

/// Octets before a body in its first part: format and number of parts.
const BODY_HEADER: usize = 1 + 4;

/// Puts the parts of a body together.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) uuid: Uuid,
    /// How many there must be; known from the first on.
    parts: Option<u32>,
    next: u32,
    /// What came so far of a body of several parts.
    octets: Vec<u8>,
}

impl Body {
    pub(super) fn new(uuid: Uuid) -> Self {
        Self {
            uuid,
            parts: None,
            next: 0,
            octets: Vec::new(),
        }
    }

    /// Takes the next part; the entry, still without link targets, once it was the last.
    pub(super) fn take(&mut self, part: u32, payload: &[u8]) -> Result<Option<Entry>, RecordError> {
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

    pub(super) fn is_complete(&self) -> bool {
        self.parts == Some(self.next)
    }

    pub(super) fn incomplete(&self) -> RecordError {
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

pub(super) fn body_records(entry: &Entry, records: &mut Records) {
    let [prefix, _] = entry_prefixes(entry.uuid);
    let mut body = vec![0; BODY_HEADER];
    encode_body(entry, &mut body);
    let parts = u32::try_from(body.len().div_ceil(MAX_PAYLOAD)).unwrap_or(u32::MAX);
    body.splice(
        ..BODY_HEADER,
        std::iter::once(FORMAT).chain(parts.to_be_bytes()),
    );
    let first = match entry.origin {
        Origin::Local => LOCAL,
        Origin::Source(_) => 0,
    };
    for (part, payload) in (first..).zip(body.chunks(MAX_PAYLOAD)) {
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

pub(super) fn decode_body(uuid: Uuid, body: &[u8]) -> Result<Entry, RecordError> {
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
