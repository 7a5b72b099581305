//! The `range` option: a run of an attribute's values (MS-ADTS section 3.1.1.3.1.3.3).

use std::collections::BTreeMap;

use crate::{
    directory::packed::PackedAttribute,
    schema::{AttributeId, Schema},
};

/// The places of the first and the last value wanted, from 0 on; no last one means all that follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: u64,
    pub(super) last: Option<u64>,
}

/// The attributes of which ranges are wanted; of several ranges of one the first counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Ranges {
    /// By type, subtypes included.
    types: BTreeMap<AttributeId, Range>,
    /// Those with further options; by the type that was named.
    with_options: Vec<(AttributeId, Vec<String>, Range)>,
}

impl Ranges {
    pub(super) fn add(
        &mut self,
        schema: &Schema,
        id: AttributeId,
        options: Vec<String>,
        range: Range,
    ) {
        if !options.is_empty() {
            self.with_options.push((id, options, range));
        } else if !self.types.contains_key(&id) {
            for id in schema.subtypes(id) {
                self.types.entry(*id).or_insert(range);
            }
        }
    }

    /// The range wanted of a type without options.
    pub(super) fn of_type(&self, id: AttributeId) -> Option<Range> {
        self.types.get(&id).copied()
    }

    /// The range wanted of a stored attribute.
    pub(super) fn of(&self, schema: &Schema, stored: &PackedAttribute<'_>) -> Option<Range> {
        let plain = self.of_type(stored.attribute);
        if plain.is_some() || !stored.has_options {
            return plain;
        }
        self.with_options
            .iter()
            .find(|(id, options, _)| {
                stored.has_options(options) && schema.subtypes(*id).contains(&stored.attribute)
            })
            .map(|(_, _, range)| *range)
    }
}

/// A `range` option that makes no sense, or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoRange;

impl Range {
    /// Takes the range out of a description's options.
    pub(super) fn take_from(options: &mut Vec<String>) -> Result<Option<Self>, NoRange> {
        let mut found = None;
        let mut wrong = false;
        options.retain(|option| {
            let Some(text) = option.strip_prefix("range=") else {
                return true;
            };
            let range = Self::parse(text);
            wrong |= range.is_none() || found.is_some();
            found = range;
            false
        });
        if wrong { Err(NoRange) } else { Ok(found) }
    }

    fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
            digits.then(|| text.parse().ok()).flatten()
        };
        let (first, last) = text.split_once('-')?;
        let first = number(first)?;
        let last = match last {
            "*" => None,
            last => Some(number(last)?),
        };
        last.is_none_or(|last| first <= last)
            .then_some(Self { first, last })
    }

    /// The option that says which values came; `more` that others follow.
    pub(super) fn option(self, more: bool) -> String {
        match self.last.filter(|_| more) {
            Some(last) => format!(";range={}-{last}", self.first),
            None => format!(";range={}-*", self.first),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(options: &[&str]) -> Result<(Option<Range>, Vec<String>), NoRange> {
        let mut options = options.iter().map(|option| (*option).to_owned()).collect();
        Ok((Range::take_from(&mut options)?, options))
    }

    #[test]
    fn ranges_are_read_and_other_options_left() {
        for (option, first, last) in [
            ("range=0-*", 0, None),
            ("range=0-1499", 0, Some(1499)),
            ("range=7-7", 7, Some(7)),
        ] {
            let (range, rest) = taken(&["lang-de", option, "x-a"]).unwrap();
            assert_eq!(range, Some(Range { first, last }), "{option}");
            assert_eq!(rest, ["lang-de", "x-a"]);
        }
        assert_eq!(taken(&["lang-de"]).unwrap().0, None);
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for option in [
            "range=",
            "range=-",
            "range=1",
            "range=*-1",
            "range=-1-2",
            "range=+1-2",
            "range=2-1",
            "range=1-2-3",
            "range=1-99999999999999999999999",
        ] {
            assert_eq!(taken(&[option]), Err(NoRange), "{option}");
        }
        assert_eq!(taken(&["range=0-1", "range=2-3"]), Err(NoRange));
    }
}
