//! Attributes as they stand somewhere else: in an entry, or in the octets of a record.

use crate::entry::Attribute;

/// Borrowed attributes, in two allocations however many there are.
#[derive(Debug, Default)]
pub(super) struct AttributesView<'a> {
    /// Descriptions, and where in the values theirs begin.
    described: Vec<(&'a str, usize)>,
    values: Vec<&'a [u8]>,
}

impl<'a> AttributesView<'a> {
    /// Adds an attribute, to which the values belong that are added next.
    pub(super) fn describe(&mut self, description: &'a str) {
        self.described.push((description, self.values.len()));
    }

    /// Adds a value of the attribute that was described last.
    pub(super) fn add_value(&mut self, value: &'a [u8]) {
        self.values.push(value);
    }

    /// Descriptions with their values.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a str, &[&'a [u8]])> {
        let starts = self.described.iter().map(|(_, start)| *start);
        let ends = starts.skip(1).chain([self.values.len()]);
        let described = self.described.iter().zip(ends);
        described.map(|((description, start), end)| {
            let values = self.values.get(*start..end).unwrap_or_default();
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

impl<'a> From<&'a [Attribute]> for AttributesView<'a> {
    fn from(attributes: &'a [Attribute]) -> Self {
        let mut view = Self::default();
        for attribute in attributes {
            view.describe(&attribute.description);
            view.values
                .extend(attribute.values.iter().map(Vec::as_slice));
        }
        view
    }
}
