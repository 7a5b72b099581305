//! Controls on requests and responses (RFC 4511 section 4.1.11).

mod known;
pub mod oid;
mod search;
mod value;

pub use self::{
    known::{ControlError, RequestControls, applies_to, supported},
    search::{
        DerefSpec, ExtendedDnForm, PagedResults, PersistentSearch, SortKey, SyncMode, SyncRequest,
        Target, VirtualListView,
    },
};
use crate::ber::{self, BerError, Reader};

/// One control as sent, borrowed from its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control<'a> {
    /// The dotted OID, as sent.
    pub oid: &'a [u8],
    /// Whether the operation must fail where the control is not known.
    pub criticality: bool,
    /// What the control carries; its form depends on the OID.
    pub value: Option<&'a [u8]>,
}

/// Decodes the contents of `controls [0]`.
pub(super) fn decode_list<'a>(mut list: Reader<'a>) -> Result<Vec<Control<'a>>, BerError> {
    let mut controls = Vec::new();
    while !list.is_empty() {
        let mut control = list.expect(ber::SEQUENCE)?.reader();
        let oid = control.octets()?;
        let criticality = match control.optional(ber::BOOLEAN)? {
            Some(element) => element.boolean()?,
            None => false,
        };
        let value = control
            .optional(ber::OCTET_STRING)?
            .map(|element| element.contents);
        // A criticality behind the value must not get lost.
        control.refuse(ber::BOOLEAN)?;
        control.skip_trailing()?;
        controls.push(Control {
            oid,
            criticality,
            value,
        });
    }
    Ok(controls)
}

#[cfg(test)]
mod tests;
