//! Definitions to the letter of RFC 4512 section 4.1, for values of the description syntaxes.
//!
//! The files of an administrator are read more leniently, by `schema::description`.

use std::str;

use super::{is_descriptor, is_numeric_oid, is_oid};

/// What follows a keyword.
#[derive(Clone, Copy)]
enum Argument {
    /// Nothing.
    Nothing,
    /// `qdescrs`.
    Names,
    /// `qdstring`.
    Text,
    /// `oid`.
    Oid,
    /// `oids`.
    Oids,
    /// `numericoid`.
    NumericOid,
    /// `noidlen`.
    OidWithLength,
    /// `usage`.
    Usage,
    /// `ruleids`.
    RuleIds,
}

/// A keyword with its argument, and whether it has to be there.
type Field = (&'static str, Argument, bool);

const NAME: Field = ("NAME", Argument::Names, false);
const DESC: Field = ("DESC", Argument::Text, false);
const OBSOLETE: Field = ("OBSOLETE", Argument::Nothing, false);

/// Section 4.1.2.
pub(super) fn is_attribute_type(value: &[u8]) -> bool {
    has(
        value,
        is_numeric_oid,
        &[
            NAME,
            DESC,
            OBSOLETE,
            ("SUP", Argument::Oid, false),
            ("EQUALITY", Argument::Oid, false),
            ("ORDERING", Argument::Oid, false),
            ("SUBSTR", Argument::Oid, false),
            ("SYNTAX", Argument::OidWithLength, false),
            ("SINGLE-VALUE", Argument::Nothing, false),
            ("COLLECTIVE", Argument::Nothing, false),
            ("NO-USER-MODIFICATION", Argument::Nothing, false),
            ("USAGE", Argument::Usage, false),
        ],
    )
}

/// Section 4.1.1; one of the three kinds.
pub(super) fn is_object_class(value: &[u8]) -> bool {
    ["ABSTRACT", "STRUCTURAL", "AUXILIARY"].iter().any(|kind| {
        has(
            value,
            is_numeric_oid,
            &[
                NAME,
                DESC,
                OBSOLETE,
                ("SUP", Argument::Oids, false),
                (kind, Argument::Nothing, false),
                ("MUST", Argument::Oids, false),
                ("MAY", Argument::Oids, false),
            ],
        )
    })
}

/// Section 4.1.3.
pub(super) fn is_matching_rule(value: &[u8]) -> bool {
    let syntax = ("SYNTAX", Argument::NumericOid, true);
    has(value, is_numeric_oid, &[NAME, DESC, OBSOLETE, syntax])
}

/// Section 4.1.4.
pub(super) fn is_matching_rule_use(value: &[u8]) -> bool {
    let applies = ("APPLIES", Argument::Oids, true);
    has(value, is_numeric_oid, &[NAME, DESC, OBSOLETE, applies])
}

/// Section 4.1.5.
pub(super) fn is_syntax(value: &[u8]) -> bool {
    has(value, is_numeric_oid, &[DESC])
}

/// Section 4.1.6.
pub(super) fn is_content_rule(value: &[u8]) -> bool {
    has(
        value,
        is_numeric_oid,
        &[
            NAME,
            DESC,
            OBSOLETE,
            ("AUX", Argument::Oids, false),
            ("MUST", Argument::Oids, false),
            ("MAY", Argument::Oids, false),
            ("NOT", Argument::Oids, false),
        ],
    )
}

/// Section 4.1.7.1.
pub(super) fn is_structure_rule(value: &[u8]) -> bool {
    has(
        value,
        is_number,
        &[
            NAME,
            DESC,
            OBSOLETE,
            ("FORM", Argument::Oid, true),
            ("SUP", Argument::RuleIds, false),
        ],
    )
}

/// Section 4.1.7.2.
pub(super) fn is_name_form(value: &[u8]) -> bool {
    has(
        value,
        is_numeric_oid,
        &[
            NAME,
            DESC,
            OBSOLETE,
            ("OC", Argument::Oid, true),
            ("MUST", Argument::Oids, true),
            ("MAY", Argument::Oids, false),
        ],
    )
}

/// `number`: no leading zeros.
pub(super) fn is_number(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_digit)
        && (text.len() == 1 || !text.starts_with(b"0"))
        && !text.is_empty()
}

fn has(value: &[u8], first: fn(&[u8]) -> bool, fields: &[Field]) -> bool {
    let Ok(text) = str::from_utf8(value) else {
        return false;
    };
    Cursor { rest: text }.definition(first, fields).is_some()
}

struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn definition(&mut self, first: fn(&[u8]) -> bool, fields: &[Field]) -> Option<()> {
        self.character('(')?;
        self.spaces();
        if !first(self.word().as_bytes()) {
            return None;
        }
        for &(keyword, argument, needed) in fields {
            if self.keyword(keyword) {
                self.argument(argument)?;
            } else if needed {
                return None;
            }
        }
        self.extensions()?;
        self.spaces();
        self.character(')')?;
        self.rest.is_empty().then_some(())
    }

    fn character(&mut self, character: char) -> Option<()> {
        self.rest = self.rest.strip_prefix(character)?;
        Some(())
    }

    /// `WSP`; tells whether there was any.
    fn spaces(&mut self) -> bool {
        let before = self.rest.len();
        self.rest = self.rest.trim_start_matches(' ');
        self.rest.len() < before
    }

    /// Everything up to a space or a character with a meaning of its own.
    fn word(&mut self) -> &'a str {
        let end = self
            .rest
            .find([' ', '(', ')', '$', '\''])
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    /// A space and this keyword, if they come next; keywords are in upper or lower case as ABNF
    /// has it.
    fn keyword(&mut self, keyword: &str) -> bool {
        let start = self.rest;
        if self.spaces() && self.word().eq_ignore_ascii_case(keyword) {
            return true;
        }
        self.rest = start;
        false
    }

    fn argument(&mut self, argument: Argument) -> Option<()> {
        if matches!(argument, Argument::Nothing) {
            return Some(());
        }
        if !self.spaces() {
            return None;
        }
        let right = match argument {
            Argument::Nothing => true,
            Argument::Names => return self.quoted(|name| is_descriptor(name.as_bytes())),
            Argument::Text => return self.text(&is_text),
            Argument::Oid => is_oid(self.word().as_bytes()),
            Argument::NumericOid => is_numeric_oid(self.word().as_bytes()),
            Argument::OidWithLength => {
                let word = self.word();
                let (oid, length) = match word.split_once('{') {
                    Some((oid, length)) => (oid, Some(length.strip_suffix('}')?)),
                    None => (word, None),
                };
                is_numeric_oid(oid.as_bytes())
                    && length.is_none_or(|length| is_number(length.as_bytes()))
            }
            Argument::Usage => [
                "userApplications",
                "directoryOperation",
                "distributedOperation",
                "dSAOperation",
            ]
            .contains(&self.word()),
            Argument::Oids => return self.list(Some('$'), is_oid),
            Argument::RuleIds => return self.list(None, is_number),
        };
        right.then_some(())
    }

    /// One, or several in parentheses with a separator between them, or with spaces.
    fn list(&mut self, separator: Option<char>, right: fn(&[u8]) -> bool) -> Option<()> {
        if self.character('(').is_none() {
            return right(self.word().as_bytes()).then_some(());
        }
        self.spaces();
        loop {
            if !right(self.word().as_bytes()) {
                return None;
            }
            let spaces = self.spaces();
            if self.character(')').is_some() {
                return Some(());
            }
            match separator {
                Some(separator) => {
                    self.character(separator)?;
                    self.spaces();
                }
                None if spaces => {}
                None => return None,
            }
        }
    }

    /// One quoted string, or several in parentheses with spaces between them.
    fn quoted(&mut self, right: impl Fn(&str) -> bool) -> Option<()> {
        if self.character('(').is_none() {
            return self.text(&right);
        }
        self.spaces();
        loop {
            if self.character(')').is_some() {
                return Some(());
            }
            self.text(&right)?;
            if !self.spaces() && !self.rest.starts_with(')') {
                return None;
            }
        }
    }

    fn text(&mut self, right: &dyn Fn(&str) -> bool) -> Option<()> {
        self.character('\'')?;
        let (text, rest) = self.rest.split_once('\'')?;
        self.rest = rest;
        right(text).then_some(())
    }

    /// `extensions`: `X-` and letters, hyphens or underscores, then `qdstrings`.
    fn extensions(&mut self) -> Option<()> {
        loop {
            let start = self.rest;
            let word = if self.spaces() { self.word() } else { "" };
            let name = match word.split_at_checked(2) {
                Some((prefix, name)) if prefix.eq_ignore_ascii_case("X-") => name,
                _ => {
                    self.rest = start;
                    return Some(());
                }
            };
            let right = |byte: u8| byte.is_ascii_alphabetic() || b"-_".contains(&byte);
            if name.is_empty() || !name.bytes().all(right) || !self.spaces() {
                return None;
            }
            self.quoted(is_text)?;
        }
    }
}

/// `dstring`: at least one character, `\` only before `27` and `5C`.
fn is_text(text: &str) -> bool {
    let escaped = text.split('\\').skip(1);
    !text.is_empty()
        && escaped.into_iter().all(|rest| {
            rest.get(..2)
                .is_some_and(|code| code == "27" || code.eq_ignore_ascii_case("5c"))
        })
}
