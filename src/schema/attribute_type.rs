//! Attribute types (RFC 4512 section 2.5) and the descriptions that name them.

use std::str;

use super::{AttributeId, MatchingRule, Syntax, syntax};

/// An attribute type with everything it inherits from its supertype.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeType {
    /// Its number.
    pub id: AttributeId,
    /// The dotted OID.
    pub oid: String,
    /// The short names; the first is the one that is served.
    pub names: Vec<String>,
    /// Text for people; may be empty.
    pub description: String,
    /// Not for use in new entries.
    pub obsolete: bool,
    /// The direct supertype.
    pub sup: Option<AttributeId>,
    /// The equality rule, its own or inherited.
    pub equality: Option<MatchingRule>,
    /// The ordering rule, its own or inherited.
    pub ordering: Option<MatchingRule>,
    /// The substring rule, its own or inherited.
    pub substring: Option<MatchingRule>,
    /// The syntax, its own or inherited.
    pub syntax: Syntax,
    /// At most one value.
    pub single_value: bool,
    /// Shared by a collection of entries (RFC 3671).
    pub collective: bool,
    /// Clients may not write it.
    pub no_user_modification: bool,
    /// What it is for.
    pub usage: Usage,
}

/// The application of an attribute type (RFC 4512 section 4.1.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Usage {
    /// Data of users.
    #[default]
    UserApplications,
    /// Operational, about the entry.
    DirectoryOperation,
    /// Operational, shared by servers.
    DistributedOperation,
    /// Operational, of this server.
    DsaOperation,
}

impl AttributeType {
    /// The name it is served under: the first short name, else the OID.
    pub fn name(&self) -> &str {
        self.names.first().unwrap_or(&self.oid)
    }

    /// Whether it is returned only when asked for by name or by `+` (RFC 3673).
    pub fn is_operational(&self) -> bool {
        self.usage != Usage::UserApplications
    }
}

impl Usage {
    /// The word in a definition.
    pub fn name(self) -> &'static str {
        match self {
            Self::UserApplications => "userApplications",
            Self::DirectoryOperation => "directoryOperation",
            Self::DistributedOperation => "distributedOperation",
            Self::DsaOperation => "dSAOperation",
        }
    }

    pub(super) fn by_name(word: &str) -> Option<Self> {
        [
            Self::UserApplications,
            Self::DirectoryOperation,
            Self::DistributedOperation,
            Self::DsaOperation,
        ]
        .into_iter()
        .find(|usage| usage.name().eq_ignore_ascii_case(word))
    }
}

/// An attribute description: a type's name or OID with options (RFC 4512 section 2.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeDescription<'a> {
    /// The attribute type as written.
    pub base: &'a str,
    /// The options in lower case, sorted, each once; AD's `range=0-*` is one, too.
    pub options: Vec<String>,
}

impl<'a> AttributeDescription<'a> {
    /// Splits a description; `None` where it is not one. Allocates for options only.
    pub fn parse(description: &'a [u8]) -> Option<Self> {
        let text = str::from_utf8(description).ok()?;
        let (base, rest) = match text.split_once(';') {
            Some((base, rest)) => (base, Some(rest)),
            None => (text, None),
        };
        if !syntax::is_descriptor(base.as_bytes()) && !syntax::is_numeric_oid(base.as_bytes()) {
            return None;
        }
        let mut options = Vec::new();
        for option in rest.into_iter().flat_map(|rest| rest.split(';')) {
            let right = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=*.".contains(&byte);
            if option.is_empty() || !option.bytes().all(right) {
                return None;
            }
            options.push(option.to_ascii_lowercase());
        }
        options.sort();
        options.dedup();
        Some(Self { base, options })
    }
}
