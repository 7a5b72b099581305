//! The forms that values of several controls have.

use super::Control;
use crate::{
    ber::{self, Reader},
    proto::request::{self, Filter, Reason},
};

/// No value; gives `true`, for the flag it sets.
pub(super) fn absent(value: Option<&[u8]>) -> Result<bool, Reason> {
    match value {
        None => Ok(true),
        Some(_) => Err(Reason::Control("it carries no value")),
    }
}

pub(super) fn present(value: Option<&[u8]>) -> Result<&[u8], Reason> {
    value.ok_or(Reason::Control("its value is missing"))
}

/// Some controls must be critical, lest they be ignored.
pub(super) fn critical(control: &Control<'_>) -> Result<(), Reason> {
    if control.criticality {
        Ok(())
    } else {
        Err(Reason::Control("it must be critical"))
    }
}

/// Reads one element of this tag that is all of the value.
pub(super) fn whole<'a>(
    value: Option<&'a [u8]>,
    tag: ber::Tag,
) -> Result<ber::Element<'a>, Reason> {
    let mut reader = Reader::new(present(value)?);
    let element = reader.expect(tag)?;
    end(reader)?;
    Ok(element)
}

fn end(reader: Reader<'_>) -> Result<(), Reason> {
    if reader.is_empty() {
        Ok(())
    } else {
        Err(Reason::Control("octets follow its value"))
    }
}

pub(super) fn boolean(value: Option<&[u8]>) -> Result<bool, Reason> {
    Ok(whole(value, ber::BOOLEAN)?.boolean()?)
}

pub(super) fn filter(value: Option<&[u8]>) -> Result<Filter<'_>, Reason> {
    let mut reader = Reader::new(present(value)?);
    let filter = request::decode_filter(reader.element()?)?;
    end(reader)?;
    Ok(filter)
}

/// A SEQUENCE OF OCTET STRING.
pub(super) fn list(value: Option<&[u8]>) -> Result<Vec<&[u8]>, Reason> {
    octets_of(whole(value, ber::SEQUENCE)?.reader())
}

pub(super) fn octets_of(mut list: Reader<'_>) -> Result<Vec<&[u8]>, Reason> {
    let mut found = Vec::new();
    while !list.is_empty() {
        found.push(list.octets()?);
    }
    Ok(found)
}
