//! Requests that change entries (RFC 4511 sections 4.6 to 4.9, RFC 4525).

use super::Reason;
use crate::ber::{self, Reader};

/// AddRequest (RFC 4511 section 4.7).
#[derive(PartialEq, Eq)]
pub struct AddRequest<'a> {
    /// The new entry's DN, as sent.
    pub entry: &'a [u8],
    /// Its attributes.
    pub attributes: Vec<PartialAttribute<'a>>,
}

/// An attribute description with values (RFC 4511 section 4.1.7).
#[derive(PartialEq, Eq)]
pub struct PartialAttribute<'a> {
    /// The attribute description, as sent.
    pub description: &'a [u8],
    /// The values, any octets; whether there must be some is for the operation to say.
    pub values: Vec<&'a [u8]>,
}

/// ModifyRequest (RFC 4511 section 4.6).
#[derive(Debug, PartialEq, Eq)]
pub struct ModifyRequest<'a> {
    /// The entry's DN, as sent.
    pub object: &'a [u8],
    /// The changes, to be made in this order.
    pub changes: Vec<Change<'a>>,
}

/// One change of a ModifyRequest.
#[derive(Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// What is done.
    pub operation: ChangeOperation,
    /// To which attribute, with which values.
    pub modification: PartialAttribute<'a>,
}

/// The operation of a [`Change`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ChangeOperation {
    Add,
    Delete,
    Replace,
    /// RFC 4525.
    Increment,
    /// One this version does not know.
    Other(i64),
}

/// ModifyDNRequest (RFC 4511 section 4.9).
#[derive(Debug, PartialEq, Eq)]
pub struct ModifyDnRequest<'a> {
    /// The entry's DN, as sent.
    pub entry: &'a [u8],
    /// Its new RDN.
    pub new_rdn: &'a [u8],
    /// Whether the values of the old RDN go.
    pub delete_old_rdn: bool,
    /// The entry it is moved below; `None` leaves it where it is.
    pub new_superior: Option<&'a [u8]>,
}

// Values may be passwords.
impl std::fmt::Debug for AddRequest<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "AddRequest({})", self.entry.escape_ascii())
    }
}

impl std::fmt::Debug for PartialAttribute<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let description = self.description.escape_ascii();
        write!(formatter, "{description} ({} values)", self.values.len())
    }
}

pub(super) fn add(mut request: Reader<'_>) -> Result<AddRequest<'_>, Reason> {
    let entry = request.octets()?;
    let mut list = request.expect(ber::SEQUENCE)?.reader();
    let mut attributes = Vec::new();
    while !list.is_empty() {
        attributes.push(attribute(list.expect(ber::SEQUENCE)?.reader())?);
    }
    request.skip_trailing()?;
    Ok(AddRequest { entry, attributes })
}

pub(super) fn modify(mut request: Reader<'_>) -> Result<ModifyRequest<'_>, Reason> {
    let object = request.octets()?;
    let mut list = request.expect(ber::SEQUENCE)?.reader();
    let mut changes = Vec::new();
    while !list.is_empty() {
        let mut change = list.expect(ber::SEQUENCE)?.reader();
        let operation = match change.enumerated()? {
            0 => ChangeOperation::Add,
            1 => ChangeOperation::Delete,
            2 => ChangeOperation::Replace,
            3 => ChangeOperation::Increment,
            other => ChangeOperation::Other(other),
        };
        let modification = attribute(change.expect(ber::SEQUENCE)?.reader())?;
        change.skip_trailing()?;
        changes.push(Change {
            operation,
            modification,
        });
    }
    request.skip_trailing()?;
    Ok(ModifyRequest { object, changes })
}

pub(super) fn modify_dn(mut request: Reader<'_>) -> Result<ModifyDnRequest<'_>, Reason> {
    let entry = request.octets()?;
    let new_rdn = request.octets()?;
    let delete_old_rdn = request.boolean()?;
    let new_superior = request
        .optional(ber::context(0))?
        .map(|element| element.contents);
    // A superior in the wrong form must not make a mere rename of a move.
    request.refuse(ber::context_constructed(0))?;
    request.skip_trailing()?;
    Ok(ModifyDnRequest {
        entry,
        new_rdn,
        delete_old_rdn,
        new_superior,
    })
}

fn attribute(mut attribute: Reader<'_>) -> Result<PartialAttribute<'_>, Reason> {
    let description = attribute.octets()?;
    let mut set = attribute.expect(ber::SET)?.reader();
    let mut values = Vec::new();
    while !set.is_empty() {
        values.push(set.octets()?);
    }
    attribute.skip_trailing()?;
    Ok(PartialAttribute {
        description,
        values,
    })
}
