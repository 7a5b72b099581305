//! Ambiguous name resolution: one assertion of what people are called by (MS-ADTS section
//! 3.1.1.3.1.3.4).

use super::{Binder, BoundFilter, Types};
use crate::proto::request::{AttributeValueAssertion, Filter, Substring};

/// The attributes that are asked, by the beginnings of their values.
const NAMES: &[&str] = &[
    "displayName",
    "givenName",
    "sn",
    "name",
    "cn",
    "sAMAccountName",
    "physicalDeliveryOfficeName",
    "proxyAddresses",
];
/// Asked by its whole value.
const WHOLE: &str = "legacyExchangeDN";

/// Whether a description names what stands for all of them.
pub(super) fn is_meant(attribute: &[u8]) -> bool {
    attribute.eq_ignore_ascii_case(b"anr") || attribute == b"1.2.840.113556.1.4.1208"
}

impl Binder<'_> {
    /// What `(anr=value)` stands for; an equals sign before the value asks for whole values.
    pub(super) fn ambiguous_name(&self, value: &[u8]) -> BoundFilter {
        let value = value.trim_ascii_start();
        let (names, whole) = match value.strip_prefix(b"=") {
            Some(exact) => (self.each(NAMES, |name| self.whole(name, exact)), exact),
            None => (self.each(NAMES, |name| self.begins(name, value)), value),
        };
        if whole.is_empty() {
            return BoundFilter::Undefined;
        }
        let mut parts = names;
        parts.push(self.whole(WHOLE, whole));
        if let Some((first, last)) = two_names(value) {
            for (given_name, sn) in [(first, last), (last, first)] {
                parts.push(BoundFilter::And(vec![
                    self.begins("givenName", given_name),
                    self.begins("sn", sn),
                ]));
            }
        }
        BoundFilter::Or(parts)
    }

    fn each(&self, names: &[&str], bind: impl Fn(&str) -> BoundFilter) -> Vec<BoundFilter> {
        names.iter().map(|name| bind(name)).collect()
    }

    fn whole(&self, name: &str, value: &[u8]) -> BoundFilter {
        let attribute = name.as_bytes();
        self.without_subtypes(
            name,
            &Filter::Equality(AttributeValueAssertion { attribute, value }),
        )
    }

    fn begins(&self, name: &str, value: &[u8]) -> BoundFilter {
        let attribute = name.as_bytes();
        let pieces = vec![Substring::Initial(value)];
        self.without_subtypes(name, &Filter::Substrings { attribute, pieces })
    }

    /// AD's `name` is the RDN's value, and has no subtypes.
    fn without_subtypes(&self, name: &str, filter: &Filter<'_>) -> BoundFilter {
        let mut bound = self.bind(filter);
        let id = self.snapshot.schema().attribute(name.as_bytes());
        if let BoundFilter::Item(item) = &mut bound {
            item.attributes = match id.filter(|id| item.attributes.contains(id)) {
                Some(id) => Types::One(id),
                None => Types::Many(Box::default()),
            };
        }
        bound
    }
}

/// The parts before and after the first space.
fn two_names(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let value = value.trim_ascii();
    let space = value.iter().position(|octet| *octet == b' ')?;
    let (first, last) = value.split_at_checked(space)?;
    (!first.starts_with(b"=")).then(|| (first, last.trim_ascii_start()))
}
