//! Lists of attribute descriptions, as sent.

use std::fmt;

use crate::ber::{BerError, Element, OCTET_STRING, Reader};

/// The AttributeSelection of a search (RFC 4511 section 4.5.1.8), left encoded: clients send the
/// same list again and again, and know it by its octets.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct AttributeList<'a> {
    /// OCTET STRINGs, one after the other.
    octets: &'a [u8],
}

impl<'a> AttributeList<'a> {
    /// Checks that a SEQUENCE holds nothing but OCTET STRINGs.
    ///
    /// # Errors
    /// [`BerError`] for the first that is none.
    pub(super) fn decode(list: Element<'a>) -> Result<Self, BerError> {
        let octets = list.contents;
        if !are_short(octets) {
            let mut reader = list.reader();
            while !reader.is_empty() {
                reader.octets()?;
            }
        }
        Ok(Self { octets })
    }

    /// A list of these encoded elements.
    #[cfg(test)]
    pub(crate) fn of(octets: &'a [u8]) -> Self {
        Self { octets }
    }

    /// The encoded elements; equal octets name the same.
    pub fn octets(self) -> &'a [u8] {
        self.octets
    }

    /// The descriptions, in order.
    pub fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        let mut reader = Reader::new(self.octets);
        std::iter::from_fn(move || reader.octets().ok())
    }
}

/// Whether octets are nothing but OCTET STRINGs with lengths of one octet, as nearly all lists are.
fn are_short(mut octets: &[u8]) -> bool {
    while let [OCTET_STRING, length @ 0..=0x7f, after @ ..] = octets
        && let Some(rest) = after.get(usize::from(*length)..)
    {
        octets = rest;
    }
    octets.is_empty()
}

impl fmt::Debug for AttributeList<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let descriptions = self.iter().map(<[u8]>::escape_ascii);
        let mut list = formatter.debug_list();
        for description in descriptions {
            list.entry(&format_args!("{description}"));
        }
        list.finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn decoded(contents: &[u8]) -> Result<AttributeList<'_>, BerError> {
        AttributeList::decode(Element {
            tag: crate::ber::SEQUENCE,
            contents,
            offset: 0,
        })
    }

    #[test]
    fn a_list_is_read_only_where_every_element_is_a_string() {
        let list = decoded(b"\x04\x02cn\x04\x81\x01*\x04\x00").unwrap();
        assert_eq!(list.iter().collect::<Vec<_>>(), [&b"cn"[..], b"*", b""]);
        assert_eq!(format!("{list:?}"), "[cn, *, ]");
        let long = [&b"\x04\x81\x80"[..], &[b'a'; 0x80], b"\x04\x02cn"].concat();
        assert_eq!(decoded(&long).unwrap().iter().count(), 2);
        for broken in [&b"\x04\x02c"[..], b"\x04\x02cn\x30\x00", b"\x04\x80"] {
            assert!(decoded(broken).is_err(), "{broken:?}");
        }
    }
}
