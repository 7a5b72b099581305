//! The body of an entry: everything but the targets of its links, in one or more parts.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::{FORMAT, LOCAL, RecordError, Records, entry_prefixes};
use crate::{
    directory::attributes_view::AttributesView,
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

    /// Takes the next part; what `make` makes of it all once it was the last.
    pub(super) fn take<B>(
        &mut self,
        part: u32,
        payload: &[u8],
        make: impl FnOnce(BodyView<'_>) -> B,
    ) -> Result<Option<B>, RecordError> {
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
            return BodyView::decode(self.uuid, octets).map(make).map(Some);
        }
        self.octets.extend_from_slice(octets);
        if self.next < parts {
            return Ok(None);
        }
        let octets = std::mem::take(&mut self.octets);
        BodyView::decode(self.uuid, &octets).map(make).map(Some)
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

/// What a body says, as it stands in its octets.
#[derive(Debug)]
pub(in crate::directory) struct BodyView<'b> {
    pub(in crate::directory) uuid: Uuid,
    pub(in crate::directory) parent: Option<Uuid>,
    pub(in crate::directory) rdn: &'b str,
    /// The source it comes from; `None` of a local entry.
    pub(in crate::directory) source: Option<&'b str>,
    pub(in crate::directory) attributes: AttributesView<'b>,
    /// The names of its links.
    links: Vec<&'b str>,
}

impl<'b> BodyView<'b> {
    pub(super) fn decode(uuid: Uuid, body: &'b [u8]) -> Result<Self, RecordError> {
        let mut reader = Reader { rest: body };
        let parent = match reader.octet("the parent")? {
            0 => None,
            _ => Some(Uuid::from_bytes(reader.array("the parent")?)),
        };
        let rdn = reader.text("the RDN")?;
        let source = match reader.octet("the origin")? {
            0 => None,
            _ => Some(reader.text("the origin")?),
        };
        let mut attributes = AttributesView::default();
        for _ in 0..reader.count("the attributes")? {
            attributes.describe(reader.text("an attribute description")?);
            for _ in 0..reader.count("the values")? {
                attributes.add_value(reader.octets("a value")?);
            }
        }
        let mut links = Vec::new();
        for _ in 0..reader.count("the links")? {
            links.push(reader.text("a link")?);
        }
        match reader.rest {
            [] => Ok(Self {
                uuid,
                parent,
                rdn,
                source,
                attributes,
                links,
            }),
            _ => Err(RecordError::Body {
                expected: "the end",
            }),
        }
    }

    /// The entry, without the targets of its links.
    pub(in crate::directory) fn to_entry(&self) -> Entry {
        let attributes = self
            .attributes
            .iter()
            .map(|(description, values)| Attribute {
                description: description.to_owned(),
                values: values.iter().map(|value| value.to_vec()).collect(),
            });
        let links = self.links.iter().map(|attribute| Link {
            attribute: (*attribute).to_owned(),
            targets: BTreeSet::new(),
        });
        Entry {
            uuid: self.uuid,
            parent: self.parent,
            rdn: self.rdn.to_owned(),
            origin: self
                .source
                .map_or(Origin::Local, |source| Origin::Source(source.to_owned())),
            attributes: attributes.collect(),
            links: links.collect(),
        }
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

    fn text(&mut self, expected: &'static str) -> Result<&'b str, RecordError> {
        std::str::from_utf8(self.octets(expected)?).map_err(|_| RecordError::Body { expected })
    }

    /// How many items follow.
    fn count(&mut self, expected: &'static str) -> Result<usize, RecordError> {
        let count = self.number(expected)?;
        // Each item takes an octet at least, so that a wrong count cannot ask for much.
        if count > self.rest.len() {
            return Err(RecordError::Body { expected });
        }
        Ok(count)
    }
}
