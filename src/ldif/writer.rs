//! Writing: everything that is not plain printable ASCII goes out as base64.

use std::io::{self, Write};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::is_description;
use crate::entry::Attribute;

/// Writes content records that [`LdifReader`](super::LdifReader) takes back unchanged.
///
/// Lines are folded at 76 columns (RFC 2849 note 2). Output is written in small pieces, so hand in
/// a [`BufWriter`](std::io::BufWriter) for files.
#[derive(Debug)]
pub struct LdifWriter<W> {
    output: W,
    /// One line before folding, used again for each.
    line: String,
    started: bool,
}

/// The longest line written, without its end.
const COLUMNS: usize = 76;

impl<W: Write> LdifWriter<W> {
    /// A writer at the start of an LDIF; the version goes out with the first record or the end.
    pub const fn new(output: W) -> Self {
        Self {
            output,
            line: String::new(),
            started: false,
        }
    }

    /// Writes one record. Attributes without values are left out.
    ///
    /// # Errors
    /// What the output answers; [`io::ErrorKind::InvalidInput`] for a record that cannot be LDIF:
    /// without any value, or with something else than an attribute description for a name.
    pub fn write_record(&mut self, dn: &str, attributes: &[Attribute]) -> io::Result<()> {
        let invalid = |what: String| Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        if attributes
            .iter()
            .all(|attribute| attribute.values.is_empty())
        {
            return invalid(format!("the entry {dn:?} has no attributes"));
        }
        for Attribute { description, .. } in attributes {
            if !is_description(description)
                || RESERVED.contains(&&*description.to_ascii_lowercase())
            {
                return invalid(format!(
                    "{description:?} in the entry {dn:?} is no attribute description"
                ));
            }
        }
        self.write_version()?;
        self.output.write_all(b"\n")?;
        self.write_line("dn", dn.as_bytes())?;
        for attribute in attributes {
            for value in &attribute.values {
                self.write_line(&attribute.description, value)?;
            }
        }
        Ok(())
    }

    /// Flushes and gives back the output.
    ///
    /// # Errors
    /// What the output answers.
    pub fn finish(mut self) -> io::Result<W> {
        self.write_version()?;
        self.output.flush()?;
        Ok(self.output)
    }

    fn write_version(&mut self) -> io::Result<()> {
        if self.started {
            return Ok(());
        }
        self.started = true;
        self.output.write_all(b"version: 1\n")
    }

    fn write_line(&mut self, name: &str, value: &[u8]) -> io::Result<()> {
        self.line.clear();
        self.line.push_str(name);
        match std::str::from_utf8(value) {
            Ok("") => self.line.push(':'),
            Ok(text) if is_safe(text) => {
                self.line.push_str(": ");
                self.line.push_str(text);
            }
            _ => {
                self.line.push_str(":: ");
                STANDARD.encode_string(value, &mut self.line);
            }
        }
        // All of it is ASCII, so it can be cut anywhere.
        let mut rest = self.line.as_bytes();
        let mut columns = COLUMNS;
        while let Some((now, later)) = rest.split_at_checked(columns) {
            if later.is_empty() {
                break;
            }
            self.output.write_all(now)?;
            self.output.write_all(b"\n ")?;
            rest = later;
            columns = COLUMNS - 1;
        }
        self.output.write_all(rest)?;
        self.output.write_all(b"\n")
    }
}

/// Names that mean something else than an attribute in a record.
const RESERVED: [&str; 3] = ["dn", "changetype", "control"];

/// Whether a text goes out as it is.
///
/// Stricter than SAFE-STRING (RFC 2849): control characters become base64 too, so that a terminal
/// shows an LDIF rather than obeys it, and a space at the end, which people cannot see.
fn is_safe(text: &str) -> bool {
    text.bytes().all(|octet| matches!(octet, b' '..=b'~'))
        && !text.starts_with([' ', ':', '<'])
        && !text.ends_with(' ')
}
