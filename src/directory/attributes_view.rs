//! Attributes as they stand somewhere else: in an entry, or in the octets of a record.

use std::ops::Range;

use crate::entry::Attribute;

/// Borrowed attributes, in two allocations however many there are.
#[derive(Debug, Default)]
pub(super) struct AttributeList<'a> {
    /// Descriptions, and which of the values are theirs.
    described: Vec<(&'a str, Range<usize>)>,
    values: Vec<&'a [u8]>,
}

impl<'a> AttributeList<'a> {
    /// Adds an attribute of values that are added by `add`.
    pub(super) fn push<E>(
        &mut self,
        description: &'a str,
        add: impl FnOnce(&mut Vec<&'a [u8]>) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = self.values.len();
        add(&mut self.values)?;
        self.described.push((description, start..self.values.len()));
        Ok(())
    }

    /// Descriptions with their values.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a str, &[&'a [u8]])> {
        self.described.iter().map(|(description, values)| {
            let values = self.values.get(values.clone()).unwrap_or_default();
            (*description, values)
        })
    }

    /// The first value of an attribute, named without options in this spelling or another case.
    pub(super) fn first(&self, description: &str) -> Option<&'a [u8]> {
        let mut same = self
            .iter()
            .filter(|(own, _)| own.eq_ignore_ascii_case(description));
        same.find_map(|(_, values)| values.first().copied())
    }
}

impl<'a> From<&'a [Attribute]> for AttributeList<'a> {
    fn from(attributes: &'a [Attribute]) -> Self {
        let mut list = Self {
            described: Vec::with_capacity(attributes.len()),
            values: Vec::with_capacity(attributes.len()),
        };
        for attribute in attributes {
            let values = attribute.values.iter().map(Vec::as_slice);
            let added: Result<(), std::convert::Infallible> =
                list.push(&attribute.description, |all| {
                    all.extend(values);
                    Ok(())
                });
            let Ok(()) = added;
        }
        list
    }
}
