//! The string form of names, read in one pass without recursion.

use std::str;

use super::{Ava, Dn, Rdn, encoded};

/// The most relative names a name may have.
pub const MAX_RDNS: usize = 256;

/// The most assertions one relative name may have.
pub const MAX_AVAS: usize = 64;

/// Why a text is not a distinguished name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid name at byte {offset}: expected {expected}")]
pub struct DnError {
    /// The byte offset in the text.
    pub offset: usize,
    /// What would have been right there.
    pub expected: &'static str,
}

pub(super) fn dn(text: &str) -> Result<Dn, DnError> {
    let mut parser = Parser::new(text);
    parser.skip_spaces();
    let mut rdns = Vec::new();
    if parser.peek().is_none() {
        return Ok(Dn { rdns });
    }
    loop {
        if rdns.len() == MAX_RDNS {
            return Err(parser.expected("at most 256 relative names"));
        }
        rdns.push(parser.rdn()?);
        match parser.peek() {
            None => return Ok(Dn { rdns }),
            Some(b',' | b';') => parser.advance(),
            Some(_) => return Err(parser.expected("`,` or the end of the name")),
        }
    }
}

pub(super) fn rdn(text: &str) -> Result<Rdn, DnError> {
    let mut parser = Parser::new(text);
    let rdn = parser.rdn()?;
    match parser.peek() {
        None => Ok(rdn),
        Some(_) => Err(parser.expected("the end of the relative name")),
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            bytes: text.as_bytes(),
            position: 0,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.position).copied()
    }

    fn advance(&mut self) {
        self.position += 1;
    }

    fn expected(&self, expected: &'static str) -> DnError {
        DnError {
            offset: self.position,
            expected,
        }
    }

    fn skip_spaces(&mut self) {
        while self.peek() == Some(b' ') {
            self.advance();
        }
    }

    fn take_while(&mut self, accept: impl Fn(u8) -> bool) -> &'a [u8] {
        let start = self.position;
        while self.peek().is_some_and(&accept) {
            self.advance();
        }
        self.bytes.get(start..self.position).unwrap_or_default()
    }

    /// One relative name, with the spaces on both sides of it.
    fn rdn(&mut self) -> Result<Rdn, DnError> {
        let mut avas = Vec::with_capacity(1);
        loop {
            if avas.len() == MAX_AVAS {
                return Err(self.expected("at most 64 assertions in a relative name"));
            }
            let start = self.position;
            let ava = self.ava()?;
            let same = |other: &Ava| other.attribute.eq_ignore_ascii_case(&ava.attribute);
            if avas.iter().any(same) {
                return Err(DnError {
                    offset: start,
                    expected: "each attribute type once in a relative name",
                });
            }
            avas.push(ava);
            if self.peek() != Some(b'+') {
                return Ok(Rdn { avas });
            }
            self.advance();
        }
    }

    fn ava(&mut self) -> Result<Ava, DnError> {
        self.skip_spaces();
        let attribute = self.attribute_type()?;
        self.skip_spaces();
        if self.peek() != Some(b'=') {
            return Err(self.expected("`=`"));
        }
        self.advance();
        self.skip_spaces();
        let start = self.position;
        let value = match self.peek() {
            Some(b'#') => self.hex_value()?,
            Some(b'"') => text(self.quoted_value()?, start)?,
            _ => text(self.string_value()?, start)?,
        };
        self.skip_spaces();
        Ok(Ava { attribute, value })
    }

    /// A short name, or a dotted OID with or without `OID.` before it.
    fn attribute_type(&mut self) -> Result<String, DnError> {
        if let Some([prefix @ .., digit]) = self.bytes.get(self.position..self.position + 5)
            && prefix.eq_ignore_ascii_case(b"oid.")
            && digit.is_ascii_digit()
        {
            self.position += 4;
        }
        let start = self.position;
        let name = match self.peek() {
            Some(first) if first.is_ascii_alphabetic() => {
                self.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            }
            Some(first) if first.is_ascii_digit() => {
                let oid = self.take_while(|byte| byte.is_ascii_digit() || byte == b'.');
                if !is_numeric_oid(oid) {
                    self.position = start;
                    return Err(self.expected("a dotted OID"));
                }
                oid
            }
            _ => return Err(self.expected("an attribute type")),
        };
        Ok(String::from_utf8_lossy(name).into_owned())
    }

    /// `string` of RFC 4514 section 3; unescaped spaces at the end belong to the separator.
    fn string_value(&mut self) -> Result<Vec<u8>, DnError> {
        let mut value = Vec::new();
        let mut significant = 0;
        loop {
            match self.peek() {
                None | Some(b',' | b';' | b'+') => break,
                Some(b'\\') => {
                    value.push(self.escape()?);
                    significant = value.len();
                }
                Some(b'"' | b'<' | b'>' | 0) => {
                    return Err(self.expected("this character escaped by `\\`"));
                }
                Some(byte) => {
                    value.push(byte);
                    if byte != b' ' {
                        significant = value.len();
                    }
                    self.advance();
                }
            }
        }
        value.truncate(significant);
        Ok(value)
    }

    /// A value in quotation marks (RFC 1779), in which only `"` and `\` need escaping.
    fn quoted_value(&mut self) -> Result<Vec<u8>, DnError> {
        self.advance();
        let mut value = Vec::new();
        loop {
            match self.peek() {
                None => return Err(self.expected("`\"` at the end of the quoted value")),
                Some(b'"') => {
                    self.advance();
                    return Ok(value);
                }
                Some(b'\\') => value.push(self.escape()?),
                Some(byte) => {
                    value.push(byte);
                    self.advance();
                }
            }
        }
    }

    /// `\` and the special character or the hex pair after it.
    fn escape(&mut self) -> Result<u8, DnError> {
        self.advance();
        match self.peek() {
            Some(byte @ (b'\\' | b'"' | b'+' | b',' | b';' | b'<' | b'>' | b' ' | b'#' | b'=')) => {
                self.advance();
                Ok(byte)
            }
            Some(_) => self
                .hex_pair()
                .ok_or_else(|| self.expected("a special character or two hex digits after `\\`")),
            None => Err(self.expected("a special character or two hex digits after `\\`")),
        }
    }

    fn hex_pair(&mut self) -> Option<u8> {
        let high = hex_digit(*self.bytes.get(self.position)?)?;
        let low = hex_digit(*self.bytes.get(self.position + 1)?)?;
        self.position += 2;
        Some(high << 4 | low)
    }

    /// `#` and the BER encoding of a value in hex.
    fn hex_value(&mut self) -> Result<Vec<u8>, DnError> {
        self.advance();
        let start = self.position;
        let mut encoding = Vec::new();
        while let Some(byte) = self.hex_pair() {
            encoding.push(byte);
        }
        encoded::value(&encoding).ok_or(DnError {
            offset: start,
            expected: "the BER encoding of one value, in hex",
        })
    }
}

/// A value's string form is UTF-8 once its escapes are undone (RFC 4514 section 2.4).
fn text(value: Vec<u8>, start: usize) -> Result<Vec<u8>, DnError> {
    match str::from_utf8(&value) {
        Ok(_) => Ok(value),
        Err(_) => Err(DnError {
            offset: start,
            expected: "UTF-8, or a BER encoding after `#`",
        }),
    }
}

/// `numericoid` of RFC 4512 section 1.4.
fn is_numeric_oid(oid: &[u8]) -> bool {
    oid.contains(&b'.')
        && oid
            .split(|&byte| byte == b'.')
            .all(|arc| !arc.is_empty() && (arc.len() == 1 || !arc.starts_with(b"0")))
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}
