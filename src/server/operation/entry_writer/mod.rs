//! How the entries of one answer are written.

use crate::{
    directory::{AttributeSelection, EntryId, Snapshot},
    proto::{
        MessageId,
        response::{ResponseControl, write_entry},
    },
};

/// What clients get of each entry of one answer.
#[derive(Debug)]
pub(super) struct EntryWriter {
    selection: AttributeSelection,
}

impl EntryWriter {
    pub(super) fn new(selection: AttributeSelection) -> Self {
        Self { selection }
    }

    /// Appends a SearchResultEntry, with these controls besides those of the answer.
    pub(super) fn write(
        &self,
        snapshot: &Snapshot,
        message: MessageId,
        id: EntryId,
        controls: &[ResponseControl],
        out: &mut Vec<u8>,
    ) {
        let Some(entry) = snapshot.entry(id) else {
            return;
        };
        write_entry(
            out,
            message,
            |out| snapshot.write_dn(id, out),
            |out| {
                self.selection.write(snapshot, id, &entry.attributes, out);
            },
            controls,
        );
    }
}
