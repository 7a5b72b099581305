//! BER as LDAP restricts it (RFC 4511 section 5.1), enough for a client: one writer, one reader.

use std::fmt;

/// ASN.1 tags of the universal class that LDAP uses.
pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const ENUMERATED: u8 = 0x0a;
pub(crate) const SEQUENCE: u8 = 0x30;

/// Appends an element whose content `content` writes; the length takes as few octets as it can.
pub(crate) fn nested(out: &mut Vec<u8>, tag: u8, content: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    let start = out.len();
    content(out);
    let (length, octets) = length_octets(out.len() - start);
    out.splice(start..start, length.into_iter().take(octets));
}

/// Appends a primitive element.
pub(crate) fn octets(out: &mut Vec<u8>, tag: u8, value: &[u8]) {
    header(out, tag, value.len());
    out.extend_from_slice(value);
}

/// Appends tag and length of an element whose content follows.
pub(crate) fn header(out: &mut Vec<u8>, tag: u8, length: usize) {
    let (length, octets) = length_octets(length);
    out.push(tag);
    out.extend(length.into_iter().take(octets));
}

/// Appends an INTEGER or ENUMERATED in as few octets as it takes.
pub(crate) fn integer(out: &mut Vec<u8>, tag: u8, value: i32) {
    let bytes = value.to_be_bytes();
    let redundant = bytes
        .windows(2)
        .take_while(|pair| {
            matches!(pair, [0x00, next] if next & 0x80 == 0)
                || matches!(pair, [0xff, next] if next & 0x80 != 0)
        })
        .count();
    octets(out, tag, bytes.get(redundant..).unwrap_or(&bytes));
}

/// Appends a BOOLEAN.
pub(crate) fn boolean(out: &mut Vec<u8>, value: bool) {
    octets(out, BOOLEAN, &[if value { 0xff } else { 0x00 }]);
}

/// The octets of a definite length, and how many of the five are used.
fn length_octets(length: usize) -> ([u8; 5], usize) {
    let [.., b3, b2, b1, b0] = length.to_be_bytes();
    match length {
        0..=0x7f => ([b0, 0, 0, 0, 0], 1),
        0x80..=0xff => ([0x81, b0, 0, 0, 0], 2),
        0x100..=0xffff => ([0x82, b1, b0, 0, 0], 3),
        0x1_0000..=0xff_ffff => ([0x83, b2, b1, b0, 0], 4),
        // Longer than 4 GiB cannot be held in a message this client writes.
        _ => ([0x84, b3, b2, b1, b0], 5),
    }
}

/// Walks the elements of one content.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(content: &'a [u8]) -> Self {
        Self { rest: content }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next element's tag and content.
    pub(crate) fn next(&mut self) -> Result<(u8, &'a [u8]), Malformed> {
        let header = Header::read(self.rest)?.ok_or(Malformed("element is cut short"))?;
        let (element, rest) = self
            .rest
            .split_at_checked(header.total())
            .ok_or(Malformed("element is cut short"))?;
        self.rest = rest;
        let content = element.get(header.octets..).unwrap_or_default();
        Ok((header.tag, content))
    }

    /// The next element's content, which must have this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        match self.next()? {
            (found, content) if found == tag => Ok(content),
            _ => Err(Malformed("element of another tag")),
        }
    }

    /// The next element as an INTEGER or ENUMERATED.
    pub(crate) fn integer(&mut self, tag: u8) -> Result<i32, Malformed> {
        let content = self.expect(tag)?;
        let (Some(first), 1..=4) = (content.first(), content.len()) else {
            return Err(Malformed("integer of no or more than four octets"));
        };
        let sign = if first & 0x80 == 0 { 0 } else { -1 };
        Ok(content
            .iter()
            .fold(sign, |value, &octet| (value << 8) | i32::from(octet)))
    }
}

/// How long the first message in `bytes` is, header included; `None` until its header is complete.
pub(crate) fn message_length(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    match Header::read(bytes)? {
        Some(header) if header.tag != SEQUENCE => Err(Malformed("message is not a SEQUENCE")),
        Some(header) if header.content > MAX_MESSAGE => Err(Malformed("message is too long")),
        header => Ok(header.map(|header| header.total())),
    }
}

/// No answer a bench asks for comes near this many octets.
const MAX_MESSAGE: usize = 64 << 20;

struct Header {
    tag: u8,
    octets: usize,
    content: usize,
}

impl Header {
    /// Reads tag and length; `None` where `bytes` ends before they do.
    fn read(bytes: &[u8]) -> Result<Option<Self>, Malformed> {
        let [tag, first, rest @ ..] = bytes else {
            return Ok(None);
        };
        let (octets, content) = match first {
            0..=0x7f => (2, usize::from(*first)),
            0x81..=0x84 => {
                let count = usize::from(first & 0x7f);
                let Some(length) = rest.get(..count) else {
                    return Ok(None);
                };
                let length = length
                    .iter()
                    .fold(0, |length, &octet| (length << 8) | usize::from(octet));
                (2 + count, length)
            }
            _ => return Err(Malformed("length form that LDAP does not allow")),
        };
        Ok(Some(Self {
            tag: *tag,
            octets,
            content,
        }))
    }

    fn total(&self) -> usize {
        self.octets + self.content
    }
}

/// Bytes that are not BER, or not the BER that was expected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Malformed(pub(crate) &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed answer: {}", self.0)
    }
}

impl std::error::Error for Malformed {}
