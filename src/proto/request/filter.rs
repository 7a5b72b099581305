//! Filters as received (RFC 4511 section 4.5.1.7).

use super::{Reason, is_choice_beyond};
use crate::ber::{self, Element};

/// Nesting of a filter beyond which a request is refused.
pub const MAX_FILTER_DEPTH: usize = 100;

/// A filter as received (RFC 4511 section 4.5.1.7).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Filter<'a> {
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    Equality(AttributeValueAssertion<'a>),
    Substrings {
        attribute: &'a [u8],
        pieces: Vec<Substring<'a>>,
    },
    GreaterOrEqual(AttributeValueAssertion<'a>),
    LessOrEqual(AttributeValueAssertion<'a>),
    Present(&'a [u8]),
    Approximate(AttributeValueAssertion<'a>),
    Extensible {
        rule: Option<&'a [u8]>,
        attribute: Option<&'a [u8]>,
        value: &'a [u8],
        dn_attributes: bool,
    },
    /// A kind of filter this version does not know: evaluates to Undefined.
    Unknown,
}

/// AttributeValueAssertion (RFC 4511 section 4.1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AttributeValueAssertion<'a> {
    /// The attribute description.
    pub attribute: &'a [u8],
    /// The assertion value, any octets.
    pub value: &'a [u8],
}

/// One piece of a substring filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Substring<'a> {
    Initial(&'a [u8]),
    Any(&'a [u8]),
    Final(&'a [u8]),
}

/// Decodes a filter.
///
/// # Errors
/// [`Reason`] where it is malformed or nested too deep.
pub(in crate::proto) fn decode(element: Element<'_>) -> Result<Filter<'_>, Reason> {
    nested(element, MAX_FILTER_DEPTH)
}

fn nested(element: Element<'_>, depth: usize) -> Result<Filter<'_>, Reason> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(Reason::FilterDepth);
    };
    Ok(match element.tag {
        0xa0 => Filter::And(filter_set(element, depth)?),
        0xa1 => Filter::Or(filter_set(element, depth)?),
        0xa2 => {
            let mut inner = element.reader();
            let negated = nested(inner.element()?, depth)?;
            if !inner.is_empty() {
                return Err(Reason::Filter("more than one filter inside a not"));
            }
            Filter::Not(Box::new(negated))
        }
        0xa3 => Filter::Equality(assertion(element)?),
        0xa4 => substrings(element)?,
        0xa5 => Filter::GreaterOrEqual(assertion(element)?),
        0xa6 => Filter::LessOrEqual(assertion(element)?),
        0x87 => Filter::Present(element.contents),
        0xa8 => Filter::Approximate(assertion(element)?),
        0xa9 => extensible(element)?,
        // "The type of filtering requested is not implemented": Undefined (section 4.5.1.7).
        tag if is_choice_beyond(tag, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]) => Filter::Unknown,
        _ => return Err(Reason::Filter("not a filter")),
    })
}

fn filter_set(element: Element<'_>, depth: usize) -> Result<Vec<Filter<'_>>, Reason> {
    let mut reader = element.reader();
    let mut parts = Vec::new();
    while !reader.is_empty() {
        parts.push(nested(reader.element()?, depth)?);
    }
    Ok(parts)
}

pub(super) fn assertion(element: Element<'_>) -> Result<AttributeValueAssertion<'_>, Reason> {
    let mut reader = element.reader();
    let assertion = AttributeValueAssertion {
        attribute: reader.octets()?,
        value: reader.octets()?,
    };
    reader.skip_trailing()?;
    Ok(assertion)
}

fn substrings(element: Element<'_>) -> Result<Filter<'_>, Reason> {
    let mut reader = element.reader();
    let attribute = reader.octets()?;
    let mut list = reader.expect(ber::SEQUENCE)?.reader();
    let mut pieces = Vec::new();
    while !list.is_empty() {
        let piece = list.element()?;
        let last_is_final = matches!(pieces.last(), Some(Substring::Final(_)));
        pieces.push(match piece.tag {
            0x80 if pieces.is_empty() => Substring::Initial(piece.contents),
            0x81 if !last_is_final => Substring::Any(piece.contents),
            0x82 if !last_is_final => Substring::Final(piece.contents),
            _ => return Err(Reason::Filter("substrings out of order")),
        });
    }
    if pieces.is_empty() {
        return Err(Reason::Filter("no substrings"));
    }
    reader.skip_trailing()?;
    Ok(Filter::Substrings { attribute, pieces })
}

fn extensible(element: Element<'_>) -> Result<Filter<'_>, Reason> {
    let mut reader = element.reader();
    let rule = reader.optional(0x81)?.map(|element| element.contents);
    let attribute = reader.optional(0x82)?.map(|element| element.contents);
    let value = reader.expect(0x83)?.contents;
    let dn_attributes = match reader.optional(0x84)? {
        Some(element) => element.boolean()?,
        None => false,
    };
    if rule.is_none() && attribute.is_none() {
        return Err(Reason::Filter(
            "extensible match with neither attribute nor rule",
        ));
    }
    reader.skip_trailing()?;
    Ok(Filter::Extensible {
        rule,
        attribute,
        value,
        dn_attributes,
    })
}
