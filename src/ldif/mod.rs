//! LDIF content records (RFC 2849): what `import` reads and `export` writes.
//!
//! [`LdifReader`] streams records out of any [`BufRead`](std::io::BufRead); [`LdifWriter`] writes
//! them so that the reader gives back the same records. Change records other than
//! `changetype: add` are refused, for they cannot be answered from the file alone.

mod reader;
mod writer;

use std::fmt;

use thiserror::Error;

pub use reader::LdifReader;
pub use writer::LdifWriter;

use crate::entry::Attribute;

/// One content record: a DN and its attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LdifRecord {
    /// The number of the line that holds the DN, counted from 1; 0 for a record not read from LDIF.
    pub line: u64,
    /// The DN as written, in the string form of RFC 4514.
    pub dn: String,
    /// One attribute per description in order of first appearance, its values in order.
    pub attributes: Vec<Attribute>,
}

/// What is wrong in an LDIF, and where.
#[derive(Debug, Error)]
#[error("line {line}{}: {kind}", Named(.dn.as_deref()))]
pub struct LdifError {
    /// The line at fault, counted from 1; of a folded line the first.
    pub line: u64,
    /// The DN of the record it belongs to, where that is known already.
    pub dn: Option<String>,
    /// What is wrong.
    pub kind: LdifErrorKind,
}

/// What can be wrong in an LDIF.
#[derive(Debug, Error)]
pub enum LdifErrorKind {
    /// The input could not be read.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// Only version 1 exists.
    #[error("version {found:?} of LDIF is not known, only version 1 is")]
    Version {
        /// What the file says.
        found: String,
    },
    /// A line that starts with a space, but nothing stands before it.
    #[error("the line starts with a space, but there is no line before it to continue")]
    NothingToContinue,
    /// A line without a colon.
    #[error(
        "no colon in {start:?}; expected `attribute: value`, `attribute:: base64` or a comment"
    )]
    NoColon {
        /// The beginning of the line.
        start: String,
    },
    /// The record does not start with `dn:`.
    #[error("a record starts with `dn:`, found {found:?}")]
    NoDn {
        /// What stands before the colon instead.
        found: String,
    },
    /// A second `dn:` in one record.
    #[error("a second `dn:` in one record; an empty line between two records is missing")]
    SecondDn,
    /// A DN without attributes.
    #[error("the record has no attributes")]
    NoAttributes,
    /// Something that is no attribute description (RFC 4512 section 2.5).
    #[error("{found:?} is no attribute description")]
    Description {
        /// What stands before the colon.
        found: String,
    },
    /// A change record other than an addition.
    #[error(
        "`changetype: {found}` is not content; only entries to add are taken (`changetype: add` or none)"
    )]
    ChangeType {
        /// The type of change.
        found: String,
    },
    /// `changetype` after an attribute.
    #[error("`changetype` stands right after `dn`, before all attributes")]
    LateChangeType,
    /// A change record's control.
    #[error("`control` belongs to change records; only entries to add are taken")]
    Control,
    /// A value after `::` that is not base64.
    #[error("the value of {description:?} is not base64: {reason}")]
    Base64 {
        /// The attribute description.
        description: String,
        /// What the decoder met.
        reason: base64::DecodeError,
    },
    /// A value that is neither text nor marked as base64.
    #[error("the value of {description:?} is not UTF-8 text; write it as base64 after `::`")]
    NotText {
        /// The attribute description.
        description: String,
    },
    /// A value after `:<` whose URL is not taken.
    #[error("the value of {description:?} is at {url:?}; only `file:///absolute/path` is taken")]
    Url {
        /// The attribute description.
        description: String,
        /// The URL as written.
        url: String,
    },
    /// A value after `:<`, while files are not to be read.
    #[error("the value of {description:?} is in a file, and reading files is not allowed here")]
    UrlNotAllowed {
        /// The attribute description.
        description: String,
    },
    /// A value after `:<` whose file cannot be read.
    #[error("the value of {description:?} cannot be read from {url:?}: {source}")]
    File {
        /// The attribute description.
        description: String,
        /// The URL as written.
        url: String,
        /// Why.
        source: std::io::Error,
    },
    /// A record beyond the limit.
    #[error("the record is longer than {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
}

/// Prints the DN in an error's prefix, if there is one.
struct Named<'a>(Option<&'a str>);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(dn) => write!(f, " (dn: {dn})"),
            None => Ok(()),
        }
    }
}

/// Whether this is an attribute description: a short name or a numeric OID, then options
/// (RFC 4512 section 2.5).
fn is_description(text: &str) -> bool {
    let keychars = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
    };
    let mut parts = text.split(';');
    let kind = parts.next().unwrap_or_default();
    let named = kind.starts_with(|first: char| first.is_ascii_alphabetic()) && keychars(kind);
    let numbered = || {
        kind.split('.')
            .all(|arc| !arc.is_empty() && arc.bytes().all(|octet| octet.is_ascii_digit()))
    };
    (named || numbered()) && parts.all(keychars)
}

#[cfg(test)]
mod tests;
