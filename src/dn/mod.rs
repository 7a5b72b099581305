//! Distinguished names (RFC 4514).
//!
//! The types hold what was written: equality here is equality of spelling. Two spellings of one
//! name are compared by their normalized form, which needs the schema (`Schema::normalize_rdn`).

use std::fmt;
use std::str::FromStr;

use crate::ber;

mod encoded;
mod parse;
mod plain;

pub use parse::{DnError, MAX_AVAS, MAX_RDNS};
pub use plain::PlainDn;

/// A distinguished name: relative names from the entry itself up to the top.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Dn {
    /// The relative names, leftmost (the entry's own) first; none for the root DSE.
    pub rdns: Vec<Rdn>,
}

/// A relative distinguished name: one or more attribute value assertions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rdn {
    /// At least one assertion, in the order they were written.
    pub avas: Vec<Ava>,
}

/// One attribute value assertion of a relative name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ava {
    /// The attribute type as written: a short name or a dotted OID, without `OID.`.
    pub attribute: String,
    /// The value's octets, unescaped.
    pub value: Vec<u8>,
}

impl Dn {
    /// The name of the root DSE, with no relative names.
    pub const ROOT: Self = Self { rdns: Vec::new() };

    /// Reads the string form (RFC 4514 section 3); the empty string is the root.
    ///
    /// What LDAPv2 clients and tools send is understood as well: spaces around separators, `;`
    /// between relative names, quoted values and `OID.` before a dotted OID. A value given as the
    /// hex digits of its BER encoding becomes what it is in its string form.
    ///
    /// # Errors
    /// [`DnError`] with the byte offset and what was expected there; also for two assertions of one
    /// attribute type in a relative name (RFC 4512 section 2.3.1).
    pub fn parse(text: &str) -> Result<Self, DnError> {
        parse::dn(text)
    }

    /// Whether this is the name of the root DSE.
    pub fn is_root(&self) -> bool {
        self.rdns.is_empty()
    }

    /// The number of relative names.
    pub fn len(&self) -> usize {
        self.rdns.len()
    }

    /// The same as [`Dn::is_root`], for those who come from collections.
    pub fn is_empty(&self) -> bool {
        self.is_root()
    }

    /// The entry's own relative name; `None` for the root.
    pub fn rdn(&self) -> Option<&Rdn> {
        self.rdns.first()
    }

    /// The name of the superior entry; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        let (_, parent) = self.split_first()?;
        Some(parent)
    }

    /// The entry's own relative name and the name of its superior; `None` for the root.
    pub fn split_first(&self) -> Option<(&Rdn, Self)> {
        let (rdn, rest) = self.rdns.split_first()?;
        Some((
            rdn,
            Self {
                rdns: rest.to_vec(),
            },
        ))
    }

    /// The name of an entry below this one.
    pub fn child(&self, rdn: Rdn) -> Self {
        let mut rdns = Vec::with_capacity(self.rdns.len() + 1);
        rdns.push(rdn);
        rdns.extend_from_slice(&self.rdns);
        Self { rdns }
    }
}

impl Rdn {
    /// A relative name of one assertion.
    pub fn new(attribute: &str, value: &[u8]) -> Self {
        Self {
            avas: vec![Ava {
                attribute: attribute.to_owned(),
                value: value.to_vec(),
            }],
        }
    }

    /// Reads the string form of one relative name.
    ///
    /// # Errors
    /// As [`Dn::parse`]; also when there is none, or more than one.
    pub fn parse(text: &str) -> Result<Self, DnError> {
        parse::rdn(text)
    }
}

impl FromStr for Dn {
    type Err = DnError;

    fn from_str(text: &str) -> Result<Self, DnError> {
        Self::parse(text)
    }
}

impl FromStr for Rdn {
    type Err = DnError;

    fn from_str(text: &str) -> Result<Self, DnError> {
        Self::parse(text)
    }
}

impl fmt::Display for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, rdn) in self.rdns.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            rdn.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Rdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, ava) in self.avas.iter().enumerate() {
            if index > 0 {
                f.write_str("+")?;
            }
            ava.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Ava {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", self.attribute)?;
        write_value(f, &self.value)
    }
}

/// Writes a value escaped as RFC 4514 section 2.4 wants it, control characters as hex pairs; one
/// that is no text as an OCTET STRING after `#`.
fn write_value(f: &mut fmt::Formatter<'_>, value: &[u8]) -> fmt::Result {
    let Ok(text) = std::str::from_utf8(value) else {
        return write_encoded(f, value);
    };
    let last = value.len().saturating_sub(1);
    for (position, character) in text.char_indices() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => write!(f, "\\{character}")?,
            '#' if position == 0 => f.write_str("\\#")?,
            ' ' if position == 0 || position == last => f.write_str("\\ ")?,
            '\0'..='\x1f' | '\x7f' => write!(f, "\\{:02X}", u32::from(character))?,
            _ => fmt::Write::write_char(f, character)?,
        }
    }
    Ok(())
}

fn write_encoded(f: &mut fmt::Formatter<'_>, value: &[u8]) -> fmt::Result {
    let mut encoding = Vec::with_capacity(value.len() + 6);
    ber::write_octets(&mut encoding, ber::OCTET_STRING, value);
    f.write_str("#")?;
    encoding.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
}

#[cfg(test)]
mod tests;
