//! Who names whom: links between entries by identity, in both directions.

use super::{
    EntryId,
    postings::{Postings, PostingsMap},
};
use crate::schema::AttributeId;

/// The DN-valued attributes whose values are identities.
///
/// Links to entries that are not served are kept, so that they show once their target is.
#[derive(Clone, Debug, Default)]
pub(super) struct Links {
    forward: PostingsMap<(EntryId, AttributeId)>,
    back: PostingsMap<(EntryId, AttributeId)>,
}

impl Links {
    /// The entries that `from` names in `attribute`.
    pub(super) fn targets(&self, from: EntryId, attribute: AttributeId) -> Option<&Postings> {
        self.forward.get(&(from, attribute))
    }

    /// The entries that name `to` in `attribute`.
    pub(super) fn sources(&self, to: EntryId, attribute: AttributeId) -> Option<&Postings> {
        self.back.get(&(to, attribute))
    }

    pub(super) fn insert(&mut self, from: EntryId, attribute: AttributeId, to: EntryId) {
        self.forward.insert((from, attribute), to);
        self.back.insert((to, attribute), from);
    }

    pub(super) fn remove(&mut self, from: EntryId, attribute: AttributeId, to: EntryId) {
        self.forward.remove(&(from, attribute), to);
        self.back.remove(&(to, attribute), from);
    }
}
