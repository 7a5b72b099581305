//! The entry as it was and as it became, for the read controls (RFC 4527).

use uuid::Uuid;

use super::Call;
use crate::{
    ber,
    directory::{AttributeSelection, EntryId, Snapshot},
    proto::{
        control::oid,
        response::{self, ResponseControl, write_entry_contents},
    },
};

/// What is to be read, and what was read so far.
pub(super) struct ReadControls<'c> {
    call: &'c Call<'c>,
    before: Option<Vec<u8>>,
    after: Option<Uuid>,
}

impl<'c> ReadControls<'c> {
    pub(super) fn new(call: &'c Call<'c>) -> Self {
        Self {
            call,
            before: None,
            after: None,
        }
    }

    /// Reads the entry before it changes.
    pub(super) fn before(&mut self, snapshot: &Snapshot, id: EntryId) {
        if let Some(attributes) = &self.call.controls.pre_read {
            self.before = self.read(snapshot, id, attributes);
        }
    }

    /// Takes note of the entry to be read once it is written.
    pub(super) fn after(&mut self, uuid: Uuid) {
        self.after = Some(uuid);
    }

    /// The response controls; `version` shows the change.
    pub(super) fn controls(self, version: &Snapshot) -> Vec<ResponseControl> {
        let attributes = self.call.controls.post_read.as_ref();
        let after = attributes
            .zip(self.after)
            .and_then(|(list, uuid)| self.read(version, version.id_of(uuid)?, list));
        let control = |oid, value: Option<Vec<u8>>| {
            value.map(|value| ResponseControl {
                oid,
                value: Some(value),
            })
        };
        control(oid::PRE_READ, self.before)
            .into_iter()
            .chain(control(oid::POST_READ, after))
            .collect()
    }

    /// A SearchResultEntry with the attributes asked for, as a search would give them.
    fn read(&self, snapshot: &Snapshot, id: EntryId, attributes: &[&[u8]]) -> Option<Vec<u8>> {
        let entry = snapshot.entry(id)?;
        let secrets = self.call.settings.access.secrets();
        let selection = AttributeSelection::new(snapshot, attributes, false, secrets);
        let mut value = Vec::with_capacity(512);
        ber::write_nested(&mut value, response::tag::SEARCH_ENTRY, |out| {
            write_entry_contents(
                out,
                |out| snapshot.write_dn(id, out),
                |out| selection.write(snapshot, id, &entry.attributes, out),
            );
        });
        Some(value)
    }
}
