//! Which values of an answer's attributes are wanted (RFC 3876).

use super::{bound::BoundFilter, packed::PackedAttribute, snapshot::Snapshot};
use crate::{access::Secrets, proto::request::Filter, schema::AttributeId};

/// A ValuesReturnFilter, bound to one snapshot.
#[derive(Clone, Debug)]
pub struct ValueFilter(Vec<BoundFilter>);

impl ValueFilter {
    /// Binds the items; what cannot be evaluated is true of no value.
    pub fn bind(items: &[Filter<'_>], snapshot: &Snapshot, secrets: &Secrets) -> Self {
        let items = items.iter();
        Self(
            items
                .map(|item| BoundFilter::bind(item, snapshot, secrets))
                .collect(),
        )
    }

    /// Whether any item is true of a value; `stored` is the attribute where it is stored under a
    /// description of its own.
    pub(super) fn accepts(
        &self,
        snapshot: &Snapshot,
        attribute: AttributeId,
        stored: Option<&PackedAttribute<'_>>,
        value: &[u8],
    ) -> bool {
        self.0
            .iter()
            .any(|item| is_true(item, snapshot, attribute, stored, value))
    }
}

fn is_true(
    filter: &BoundFilter,
    snapshot: &Snapshot,
    attribute: AttributeId,
    stored: Option<&PackedAttribute<'_>>,
    value: &[u8],
) -> bool {
    match filter {
        BoundFilter::Item(item) => {
            item.attributes.contains(&attribute)
                && stored.map_or(item.options.is_empty(), |stored| {
                    stored.has_options(&item.options)
                })
                && item.test.matches(snapshot, value)
        }
        // One name may stand for several.
        BoundFilter::Or(parts) => parts
            .iter()
            .any(|part| is_true(part, snapshot, attribute, stored, value)),
        BoundFilter::And(_) | BoundFilter::Not(_) | BoundFilter::Undefined => false,
    }
}
