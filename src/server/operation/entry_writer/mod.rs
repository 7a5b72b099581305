//! How the entries of one answer are written.

mod deref;
mod selections;

use std::sync::Arc;

use self::deref::Dereference;
pub(super) use self::selections::resolve;
pub(in crate::server) use self::selections::{Selections, SharedSelections};
use super::Call;
use crate::{
    directory::{AttributeSelection, Copier, EntryId, PackedAttributes, Snapshot, ValueFilter},
    proto::{
        LdapResult, MessageId,
        response::{ResponseControl, write_entry, write_entry_of, write_entry_operation},
    },
};

/// What clients get of each entry of one answer.
#[derive(Debug)]
pub(super) struct EntryWriter {
    selection: Arc<AttributeSelection>,
    dereference: Option<Dereference>,
    /// What entries are copied from, for an answer that has many.
    copier: Option<Copier>,
}

impl EntryWriter {
    /// Writes the attributes selected the way the controls say.
    ///
    /// # Errors
    /// protocolError for a critical dereference control that cannot be followed.
    pub(super) fn new(
        call: &Call<'_>,
        mut selection: Arc<AttributeSelection>,
        snapshot: &Snapshot,
    ) -> Result<Self, LdapResult> {
        let secrets = call.settings.access.secrets();
        if let Some(items) = &call.controls.matched_values {
            let filter = ValueFilter::bind(items, snapshot, secrets);
            selection = Arc::new(Arc::unwrap_or_clone(selection).matching(filter));
        }
        if let Some(form) = call.controls.extended_dn {
            selection = Arc::new(Arc::unwrap_or_clone(selection).with_extended_dns(form));
        }
        let dereference = match &call.controls.deref {
            Some((specs, critical)) => Dereference::new(snapshot, specs, *critical, secrets)?,
            None => None,
        };
        Ok(Self {
            selection,
            dereference,
            copier: None,
        })
    }

    /// Whether an entry that is served in both versions is written otherwise in the later one.
    pub(super) fn is_changed(&self, before: &Snapshot, after: &Snapshot, id: EntryId) -> bool {
        self.selection.is_changed(before, after, id)
    }

    /// Appends a SearchResultEntry, with these controls besides those of the answer.
    ///
    /// # Errors
    /// adminLimitExceeded where the entries it names make it too large; nothing is appended then.
    pub(super) fn write(
        &self,
        snapshot: &Snapshot,
        message: MessageId,
        id: EntryId,
        controls: &[ResponseControl],
        out: &mut Vec<u8>,
    ) -> Result<(), LdapResult> {
        let Some(entry) = snapshot.entry(id) else {
            return Ok(());
        };
        let followed = match &self.dereference {
            Some(dereference) => dereference.control(snapshot, id, &entry.attributes)?,
            None => None,
        };
        let both;
        let controls = match followed {
            None => controls,
            Some(followed) => {
                both = [controls, &[followed]].concat();
                &both
            }
        };
        write_entry(
            out,
            message,
            |out| self.selection.write_name(snapshot, id, out),
            |out| {
                self.selection.write(snapshot, id, &entry.attributes, out);
            },
            controls,
        );
        Ok(())
    }

    /// Appends one of many SearchResultEntries, all of one version of the directory, as it was
    /// written before where that is known.
    ///
    /// # Errors
    /// As [`EntryWriter::write`].
    pub(super) fn write_one_of_many(
        &mut self,
        snapshot: &Snapshot,
        message: MessageId,
        id: EntryId,
        out: &mut Vec<u8>,
    ) -> Result<(), LdapResult> {
        if self.copier.is_none() && self.dereference.is_none() {
            self.copier = Copier::new(snapshot, &self.selection, &[]);
        }
        let Some(copier) = &mut self.copier else {
            return self.write(snapshot, message, id, &[], out);
        };
        let selection = &self.selection;
        let operation = copier.get(id, |out| {
            let Some(entry) = snapshot.entry(id) else {
                return;
            };
            write_entry_operation(
                out,
                |out| selection.write_name(snapshot, id, out),
                |out| selection.write(snapshot, id, &entry.attributes, out),
            );
        });
        if !operation.is_empty() {
            write_entry_of(out, message, operation);
        }
        Ok(())
    }

    /// Lets go of what is held to write many.
    pub(super) fn rest(&mut self) {
        self.copier = None;
    }

    /// Appends a SearchResultEntry of an entry that is made up, like the root DSE.
    pub(super) fn write_made_up(
        &self,
        snapshot: &Snapshot,
        message: MessageId,
        dn: &str,
        attributes: &PackedAttributes,
        out: &mut Vec<u8>,
    ) {
        write_entry(
            out,
            message,
            |out| out.extend_from_slice(dn.as_bytes()),
            |out| self.selection.write_made_up(snapshot, attributes, out),
            &[],
        );
    }
}
