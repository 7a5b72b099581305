//! A reader that borrows from its input and never looks past it.

use thiserror::Error;

use super::{BOOLEAN, ENUMERATED, INTEGER, OCTET_STRING, Tag};

/// One element: its tag and its contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    /// The identifier octet.
    pub tag: Tag,
    /// The contents octets.
    pub contents: &'a [u8],
    /// Where the contents start, counted from the start of the message.
    pub offset: usize,
}

impl<'a> Element<'a> {
    /// A reader over the contents, for constructed elements.
    pub fn reader(&self) -> Reader<'a> {
        Reader::at(self.contents, self.offset)
    }

    /// The contents as a signed integer of at most 64 bits.
    ///
    /// # Errors
    /// [`BerErrorKind::Integer`] for no octets or more than eight.
    pub fn integer(&self) -> Result<i64, BerError> {
        let first = match self.contents {
            [first, ..] if self.contents.len() <= 8 => *first,
            _ => return Err(self.error(BerErrorKind::Integer)),
        };
        let sign = if first & 0x80 == 0 { 0i64 } else { -1 };
        Ok(self
            .contents
            .iter()
            .fold(sign, |value, octet| (value << 8) | i64::from(*octet)))
    }

    /// The contents as a boolean; any octet but zero means true (X.690 section 8.2).
    ///
    /// # Errors
    /// [`BerErrorKind::Boolean`] unless there is exactly one octet.
    pub fn boolean(&self) -> Result<bool, BerError> {
        match self.contents {
            [octet] => Ok(*octet != 0),
            _ => Err(self.error(BerErrorKind::Boolean)),
        }
    }

    fn error(&self, kind: BerErrorKind) -> BerError {
        BerError {
            offset: self.offset,
            kind,
        }
    }
}

/// Reads elements one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// A reader over a whole message.
    pub fn new(input: &'a [u8]) -> Self {
        Self::at(input, 0)
    }

    fn at(rest: &'a [u8], offset: usize) -> Self {
        Self { rest, offset }
    }

    /// Whether everything was read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Octets not read yet.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The tag of the next element, without reading it.
    pub fn peek(&self) -> Option<Tag> {
        self.rest.first().copied()
    }

    /// Reads the next element, whatever its tag.
    ///
    /// An element with a number above 30 comes with the first octet of its identifier, which is
    /// that of no element LDAP knows: it may be passed over where others of the future may stand.
    ///
    /// # Errors
    /// [`BerError`] where the header is malformed or the contents are cut short.
    #[inline]
    pub fn element(&mut self) -> Result<Element<'a>, BerError> {
        // Nearly all are of this form.
        if let [tag, length @ 0..=0x7f, after @ ..] = self.rest
            && tag & HIGH_NUMBER != HIGH_NUMBER
            && let Some((contents, rest)) = after.split_at_checked(usize::from(*length))
        {
            let offset = self.offset + 2;
            self.rest = rest;
            self.offset = offset + contents.len();
            return Ok(Element {
                tag: *tag,
                contents,
                offset,
            });
        }
        self.element_of_any_form()
    }

    fn element_of_any_form(&mut self) -> Result<Element<'a>, BerError> {
        // Messages and lists are of these.
        let header = match self.rest {
            [tag, 0x81, length, after @ ..] => Some((*tag, u16::from(*length), after)),
            [tag, 0x82, high, low, after @ ..] => {
                Some((*tag, u16::from_be_bytes([*high, *low]), after))
            }
            _ => None,
        };
        if let Some((tag, length, after)) = header
            && tag & HIGH_NUMBER != HIGH_NUMBER
            && let Some((contents, rest)) = after.split_at_checked(length.into())
        {
            let offset = self.offset + (self.rest.len() - after.len());
            self.rest = rest;
            self.offset = offset + contents.len();
            return Ok(Element {
                tag,
                contents,
                offset,
            });
        }
        let [tag, after @ ..] = self.rest else {
            return Err(self.error(BerErrorKind::Truncated));
        };
        let number = if tag & HIGH_NUMBER == HIGH_NUMBER {
            high_number_octets(after).map_err(|kind| self.error(kind))?
        } else {
            0
        };
        let (length, octets) = match length_of(after.get(number..).unwrap_or_default()) {
            Ok(Some(found)) => found,
            Ok(None) => return Err(self.error(BerErrorKind::Truncated)),
            Err(kind) => return Err(self.error(kind)),
        };
        let start = 1 + number + octets;
        let end = start.saturating_add(length);
        let Some(contents) = self.rest.get(start..end) else {
            return Err(self.error(BerErrorKind::Truncated));
        };
        let element = Element {
            tag: *tag,
            contents,
            offset: self.offset + start,
        };
        self.rest = self.rest.get(end..).unwrap_or_default();
        self.offset += end;
        Ok(element)
    }

    /// Reads the next element and insists on its tag.
    ///
    /// # Errors
    /// [`BerErrorKind::Tag`] for another tag, else as [`Reader::element`].
    pub fn expect(&mut self, tag: Tag) -> Result<Element<'a>, BerError> {
        match self.peek() {
            Some(found) if found != tag => Err(self.error(BerErrorKind::Tag {
                found,
                expected: Some(tag),
            })),
            _ => self.element(),
        }
    }

    /// Reads the next element if it has this tag; for OPTIONAL and DEFAULT components.
    ///
    /// # Errors
    /// As [`Reader::element`].
    pub fn optional(&mut self, tag: Tag) -> Result<Option<Element<'a>>, BerError> {
        if self.peek() == Some(tag) {
            self.element().map(Some)
        } else {
            Ok(None)
        }
    }

    /// Refuses a next element with this tag: one that is known, but not here or not in this form,
    /// must not be passed over as if it came from the future.
    ///
    /// # Errors
    /// [`BerErrorKind::Tag`] if it is there.
    pub fn refuse(&self, tag: Tag) -> Result<(), BerError> {
        match self.peek() {
            Some(found) if found == tag => Err(self.error(BerErrorKind::Tag {
                found,
                expected: None,
            })),
            _ => Ok(()),
        }
    }

    /// Passes over the components that a later version may have added (RFC 4511 section 4).
    ///
    /// # Errors
    /// As [`Reader::element`].
    pub fn skip_trailing(mut self) -> Result<(), BerError> {
        while !self.is_empty() {
            self.element()?;
        }
        Ok(())
    }

    /// Reads an OCTET STRING.
    ///
    /// # Errors
    /// As [`Reader::expect`].
    pub fn octets(&mut self) -> Result<&'a [u8], BerError> {
        self.expect(OCTET_STRING).map(|element| element.contents)
    }

    /// Reads an INTEGER of at most 64 bits.
    ///
    /// # Errors
    /// As [`Reader::expect`] and [`Element::integer`].
    pub fn integer(&mut self) -> Result<i64, BerError> {
        self.expect(INTEGER)?.integer()
    }

    /// Reads an ENUMERATED.
    ///
    /// # Errors
    /// As [`Reader::expect`] and [`Element::integer`].
    pub fn enumerated(&mut self) -> Result<i64, BerError> {
        self.expect(ENUMERATED)?.integer()
    }

    /// Reads a BOOLEAN.
    ///
    /// # Errors
    /// As [`Reader::expect`] and [`Element::boolean`].
    pub fn boolean(&mut self) -> Result<bool, BerError> {
        self.expect(BOOLEAN)?.boolean()
    }

    fn error(&self, kind: BerErrorKind) -> BerError {
        BerError {
            offset: self.offset,
            kind,
        }
    }
}

/// The number of an identifier whose number is in the octets that follow.
const HIGH_NUMBER: Tag = 0x1f;

/// How many octets tell the number of a tag above 30 (X.690 section 8.1.2.4); at most four.
fn high_number_octets(input: &[u8]) -> Result<usize, BerErrorKind> {
    match input.iter().take(4).position(|octet| octet & 0x80 == 0) {
        Some(last) => Ok(last + 1),
        None if input.len() < 4 => Err(BerErrorKind::Truncated),
        None => Err(BerErrorKind::TagNumber),
    }
}

/// Decodes length octets: the length and how many octets told it; `None` when more are needed.
///
/// Non-minimal long forms are accepted, as BER allows them; lengths above 2^32-1 are not.
///
/// # Errors
/// [`BerErrorKind::IndefiniteLength`] (RFC 4511 section 5.1 restriction 1) and
/// [`BerErrorKind::LengthTooLarge`].
pub fn length_of(input: &[u8]) -> Result<Option<(usize, usize)>, BerErrorKind> {
    let [first, rest @ ..] = input else {
        return Ok(None);
    };
    match *first {
        short @ 0..=0x7f => Ok(Some((usize::from(short), 1))),
        0x80 => Err(BerErrorKind::IndefiniteLength),
        0xff => Err(BerErrorKind::LengthTooLarge),
        long => {
            let count = usize::from(long & 0x7f);
            let mut value = 0usize;
            for octet in rest.iter().take(count) {
                if value > (u32::MAX >> 8) as usize {
                    return Err(BerErrorKind::LengthTooLarge);
                }
                value = (value << 8) | usize::from(*octet);
            }
            if rest.len() < count {
                return Ok(None);
            }
            Ok(Some((value, 1 + count)))
        }
    }
}

/// What is wrong, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{kind} at octet {offset}")]
pub struct BerError {
    /// Octets from the start of the message.
    pub offset: usize,
    /// What is wrong.
    pub kind: BerErrorKind,
}

/// The ways in which an encoding is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BerErrorKind {
    /// The input ends inside an element.
    #[error("truncated element")]
    Truncated,
    /// The length is not definite.
    #[error("indefinite length")]
    IndefiniteLength,
    /// The length does not fit 32 bits.
    #[error("length too large")]
    LengthTooLarge,
    /// Another element was expected.
    #[error("unexpected tag {found:#04x}")]
    Tag {
        /// The tag that was found.
        found: Tag,
        /// The one that belongs there.
        expected: Option<Tag>,
    },
    /// The number of a tag does not fit 28 bits.
    #[error("tag number too large")]
    TagNumber,
    /// No octets, or more than eight.
    #[error("malformed integer")]
    Integer,
    /// Not exactly one octet.
    #[error("malformed boolean")]
    Boolean,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ber::{SEQUENCE, write_integer, write_nested, write_octets};

    #[test]
    fn reads_short_and_long_and_non_minimal_lengths() {
        for input in [
            &[0x04, 0x02, b'h', b'i'][..],
            &[0x04, 0x81, 0x02, b'h', b'i'],
            &[0x04, 0x84, 0, 0, 0, 0x02, b'h', b'i'],
            &[0x04, 0x86, 0, 0, 0, 0, 0, 0x02, b'h', b'i'],
        ] {
            assert_eq!(Reader::new(input).octets(), Ok(&b"hi"[..]), "{input:x?}");
        }
    }

    #[test]
    fn refuses_what_ldap_forbids() {
        let kind = |input: &[u8]| Reader::new(input).element().unwrap_err().kind;
        assert_eq!(kind(&[0x30, 0x80, 0, 0]), BerErrorKind::IndefiniteLength);
        assert_eq!(kind(&[0x30, 0xff]), BerErrorKind::LengthTooLarge);
        assert_eq!(
            kind(&[0x30, 0x85, 1, 0, 0, 0, 0]),
            BerErrorKind::LengthTooLarge
        );
        assert_eq!(kind(&[0x30, 0x03, 0]), BerErrorKind::Truncated);
        assert_eq!(kind(&[0x30]), BerErrorKind::Truncated);
        assert_eq!(kind(&[]), BerErrorKind::Truncated);
        assert_eq!(kind(&[0xbf, 0xff, 0xff]), BerErrorKind::Truncated);
        assert_eq!(
            kind(&[0xbf, 0xff, 0xff, 0xff, 0xff, 1, 0]),
            BerErrorKind::TagNumber
        );
        let constructed = Reader::new(&[0x24, 4, 4, 2, b'h', b'i']).octets();
        assert_eq!(
            constructed.unwrap_err().kind,
            BerErrorKind::Tag {
                found: 0x24,
                expected: Some(0x04)
            }
        );
    }

    #[test]
    fn elements_with_high_tag_numbers_are_passed_over() {
        let input = [0xbf, 0x81, 0x05, 0x02, b'h', b'i', 0x04, 0x01, b'x'];
        let mut reader = Reader::new(&input);
        let high = reader.element().unwrap();
        assert_eq!(
            (high.tag, high.contents, high.offset),
            (0xbf, &b"hi"[..], 4)
        );
        assert_eq!(reader.octets(), Ok(&b"x"[..]));
    }

    #[test]
    fn integers_are_signed() {
        let integer = |contents: &[u8]| {
            Element {
                tag: INTEGER,
                contents,
                offset: 0,
            }
            .integer()
        };
        assert_eq!(integer(&[0xff]), Ok(-1));
        assert_eq!(integer(&[0x00, 0xff]), Ok(255));
        assert_eq!(integer(&[0x80, 0, 0, 0]), Ok(-2_147_483_648));
        assert!(integer(&[]).is_err());
        assert!(integer(&[0; 9]).is_err());
    }

    #[test]
    fn errors_tell_the_offset_in_the_message() {
        let message = [0x30, 0x05, 0x02, 0x01, 0x07, 0x04, 0x09];
        let mut reader = Reader::new(&message).expect(SEQUENCE).unwrap().reader();
        assert_eq!(reader.integer(), Ok(7));
        assert_eq!(reader.octets().unwrap_err().offset, 5);
    }

    proptest! {
        #[test]
        fn reads_back_what_was_written(value: i64, octets: Vec<u8>) {
            let mut out = Vec::new();
            write_nested(&mut out, SEQUENCE, |out| {
                write_integer(out, INTEGER, value);
                write_octets(out, OCTET_STRING, &octets);
            });
            let mut reader = Reader::new(&out).expect(SEQUENCE).unwrap().reader();
            prop_assert_eq!(reader.integer(), Ok(value));
            prop_assert_eq!(reader.octets(), Ok(&octets[..]));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn never_panics(input: Vec<u8>) {
            let mut reader = Reader::new(&input);
            while let Ok(element) = reader.element() {
                let _ = element.integer();
                if reader.is_empty() { break; }
            }
        }
    }
}
