//! What is known of a few containers, while many entries are looked at that lie in them.
//!
//! The members of a group lie in a handful of OUs, and each DN is its RDN and that of its OU. Kept
//! for the length of one loop, this makes the DN of a member cost one entry instead of one for
//! each level, and leaves the snapshot without DNs, so that a renamed OU stays one entry changed.

use std::ops::Range;

use super::{EntryId, snapshot::Snapshot};
use crate::ber;

const SLOTS: usize = 8;

/// The last finding about each of a few containers.
pub(super) struct Containers<T>([Option<(EntryId, T)>; SLOTS]);

impl<T: Clone> Containers<T> {
    pub(super) fn new() -> Self {
        Self([const { None }; SLOTS])
    }

    /// What is known of a container, else what `find` says of it.
    pub(super) fn get(&mut self, id: EntryId, find: impl FnOnce() -> T) -> T {
        if let Some(known) = self.known(id) {
            return known.clone();
        }
        let found = find();
        self.set(id, found.clone());
        found
    }

    fn known(&self, id: EntryId) -> Option<&T> {
        match self.0.get(slot(id)) {
            Some(Some((known, value))) if *known == id => Some(value),
            _ => None,
        }
    }

    fn set(&mut self, id: EntryId, value: T) {
        if let Some(slot) = self.0.get_mut(slot(id)) {
            *slot = Some((id, value));
        }
    }
}

fn slot(id: EntryId) -> usize {
    id.0 as usize % SLOTS
}

/// Appends DNs as OCTET STRINGs, copying what was written of a container before.
pub(super) struct DnWriter<'s> {
    snapshot: &'s Snapshot,
    /// Where in the output the comma and the DN of a container are.
    written: Containers<Range<usize>>,
}

impl<'s> DnWriter<'s> {
    pub(super) fn new(snapshot: &'s Snapshot) -> Self {
        Self {
            snapshot,
            written: Containers::new(),
        }
    }

    /// Appends a DN; always to the same buffer, to which others at most append in between.
    pub(super) fn write(&mut self, id: EntryId, out: &mut Vec<u8>) {
        let Some(entry) = self.snapshot.entry(id) else {
            return;
        };
        let known = entry.parent.and_then(|parent| self.written.known(parent));
        if let Some(above) = known.filter(|above| above.end <= out.len()) {
            // The length is known, so that nothing written moves.
            let rdn = entry.rdn.as_bytes();
            ber::write_header(out, ber::OCTET_STRING, rdn.len() + above.len());
            out.extend_from_slice(rdn);
            out.extend_from_within(above.clone());
            return;
        }
        let mut length = 0;
        ber::write_nested(out, ber::OCTET_STRING, |out| {
            let start = out.len();
            self.snapshot.write_dn(id, out);
            length = out.len() - start;
        });
        if let Some(parent) = entry.parent {
            let above = length.saturating_sub(entry.rdn.len());
            self.written.set(parent, out.len() - above..out.len());
        }
    }
}
