//! Search filters (RFC 4511 section 4.5.1.7) as a client wrote them, and their text (RFC 4515).
//!
//! Nothing here is checked against the schema: attribute descriptions and values are as received.

mod text;

pub use text::{FilterError, MAX_DEPTH};

use crate::proto::request::{self, AttributeValueAssertion, Substring};

/// A search filter that owns its parts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Filter {
    /// All of them; none is true (RFC 4526).
    And(Vec<Self>),
    /// Any of them; none is false (RFC 4526).
    Or(Vec<Self>),
    /// Not this one.
    Not(Box<Self>),
    /// A value equal to the assertion value.
    Equality {
        /// The attribute description as written.
        attribute: String,
        /// The assertion value's octets.
        value: Vec<u8>,
    },
    /// A value made of these parts in this order; there is at least one, and none is empty.
    Substrings {
        /// The attribute description as written.
        attribute: String,
        /// What it begins with.
        initial: Option<Vec<u8>>,
        /// What it holds in between.
        any: Vec<Vec<u8>>,
        /// What it ends with.
        final_: Option<Vec<u8>>,
    },
    /// A value not before the assertion value.
    GreaterOrEqual {
        /// The attribute description as written.
        attribute: String,
        /// The assertion value's octets.
        value: Vec<u8>,
    },
    /// A value not after the assertion value.
    LessOrEqual {
        /// The attribute description as written.
        attribute: String,
        /// The assertion value's octets.
        value: Vec<u8>,
    },
    /// Any value at all, of this attribute description.
    Present(String),
    /// A value that resembles the assertion value.
    Approx {
        /// The attribute description as written.
        attribute: String,
        /// The assertion value's octets.
        value: Vec<u8>,
    },
    /// A value that matches by a named rule (RFC 4511 section 4.5.1.7.7).
    Extensible {
        /// The matching rule's name or OID; `None` means the attribute's equality rule.
        rule: Option<String>,
        /// The attribute description; `None` means every attribute the rule applies to.
        attribute: Option<String>,
        /// The assertion value's octets.
        value: Vec<u8>,
        /// Whether the values in the entry's name count, too.
        dn_attributes: bool,
    },
}

impl Filter {
    /// The filter of a request, to be kept; what cannot be evaluated asks for no attribute.
    pub fn from_request(filter: &request::Filter<'_>) -> Self {
        let parts = |parts: &[request::Filter<'_>]| parts.iter().map(Self::from_request).collect();
        let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap_or_default();
        let attribute = |assertion: &AttributeValueAssertion<'_>| text(assertion.attribute);
        let value = |assertion: &AttributeValueAssertion<'_>| assertion.value.to_vec();
        match filter {
            request::Filter::And(list) => Self::And(parts(list)),
            request::Filter::Or(list) => Self::Or(parts(list)),
            request::Filter::Not(part) => Self::Not(Box::new(Self::from_request(part))),
            request::Filter::Equality(assertion) => Self::Equality {
                attribute: attribute(assertion),
                value: value(assertion),
            },
            request::Filter::GreaterOrEqual(assertion) => Self::GreaterOrEqual {
                attribute: attribute(assertion),
                value: value(assertion),
            },
            request::Filter::LessOrEqual(assertion) => Self::LessOrEqual {
                attribute: attribute(assertion),
                value: value(assertion),
            },
            request::Filter::Approximate(assertion) => Self::Approx {
                attribute: attribute(assertion),
                value: value(assertion),
            },
            request::Filter::Present(attribute) => Self::Present(text(attribute)),
            request::Filter::Substrings { attribute, pieces } => {
                let (mut initial, mut any, mut final_) = (None, Vec::new(), None);
                for piece in pieces {
                    match piece {
                        Substring::Initial(part) => initial = Some(part.to_vec()),
                        Substring::Any(part) => any.push(part.to_vec()),
                        Substring::Final(part) => final_ = Some(part.to_vec()),
                    }
                }
                Self::Substrings {
                    attribute: text(attribute),
                    initial,
                    any,
                    final_,
                }
            }
            request::Filter::Extensible {
                rule,
                attribute,
                value,
                dn_attributes,
            } => Self::Extensible {
                rule: rule.map(text),
                attribute: attribute.map(text),
                value: value.to_vec(),
                dn_attributes: *dn_attributes,
            },
            request::Filter::Unknown => Self::Present(String::new()),
        }
    }

    /// The filter in the form in which requests carry it.
    pub fn as_request(&self) -> request::Filter<'_> {
        match self {
            Self::And(parts) => request::Filter::And(parts.iter().map(Self::as_request).collect()),
            Self::Or(parts) => request::Filter::Or(parts.iter().map(Self::as_request).collect()),
            Self::Not(part) => request::Filter::Not(Box::new(part.as_request())),
            Self::Equality { attribute, value } => {
                request::Filter::Equality(assert(attribute, value))
            }
            Self::GreaterOrEqual { attribute, value } => {
                request::Filter::GreaterOrEqual(assert(attribute, value))
            }
            Self::LessOrEqual { attribute, value } => {
                request::Filter::LessOrEqual(assert(attribute, value))
            }
            Self::Approx { attribute, value } => {
                request::Filter::Approximate(assert(attribute, value))
            }
            Self::Present(attribute) => request::Filter::Present(attribute.as_bytes()),
            Self::Substrings {
                attribute,
                initial,
                any,
                final_,
            } => request::Filter::Substrings {
                attribute: attribute.as_bytes(),
                pieces: initial
                    .iter()
                    .map(|part| Substring::Initial(part))
                    .chain(any.iter().map(|part| Substring::Any(part)))
                    .chain(final_.iter().map(|part| Substring::Final(part)))
                    .collect(),
            },
            Self::Extensible {
                rule,
                attribute,
                value,
                dn_attributes,
            } => request::Filter::Extensible {
                rule: rule.as_ref().map(String::as_bytes),
                attribute: attribute.as_ref().map(String::as_bytes),
                value,
                dn_attributes: *dn_attributes,
            },
        }
    }
}

fn assert<'f>(attribute: &'f str, value: &'f [u8]) -> AttributeValueAssertion<'f> {
    AttributeValueAssertion {
        attribute: attribute.as_bytes(),
        value,
    }
}

#[cfg(test)]
mod tests;
