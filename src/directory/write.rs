//! The one writer: from a change to records, to the next snapshot.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use thiserror::Error;
use uuid::Uuid;

use super::{
    anchors::Anchors,
    build::{Builder, Built},
    derived::LINK_ATTRIBUTES,
    record::{self, Records},
    snapshot::Snapshot,
    source::{SourceRecord, SourceSettings},
};
use crate::{
    entry::Entry,
    mapping::{idmap::SliceTable, sid::Sid},
    store::{Batch, ChangeSeq, Store, StoreError},
};

/// The meta record with the slices of ids that were given out.
pub(super) const SLICES: &str = "idmap";
/// The meta records with what is remembered of each source start so.
pub(super) const SOURCE: &str = "source/";

/// What a change may do; nothing of it happens before the end.
#[derive(Debug)]
pub struct Transaction<'w> {
    store: &'w dyn Store,
    last: &'w Snapshot,
    changes: Changes,
}

/// What a change wants.
#[derive(Debug, Default)]
pub(super) struct Changes {
    entries: BTreeMap<Uuid, Option<Entry>>,
    /// The records of entries that were read, to tell what changes.
    read: BTreeMap<Uuid, Records>,
    sources: BTreeMap<String, SourceRecord>,
}

impl<'w> Transaction<'w> {
    pub(super) fn new(writer: &'w Writer, last: &'w Snapshot) -> Self {
        Self {
            store: writer.store.as_ref(),
            last,
            changes: Changes::default(),
        }
    }

    pub(super) fn into_changes(self) -> Changes {
        self.changes
    }

    /// The version before this change.
    pub fn snapshot(&self) -> &Snapshot {
        self.last
    }

    /// The entry of an identity as this change sees it.
    ///
    /// # Errors
    /// [`DirectoryError::Store`] where it cannot be read. A damaged entry is none.
    pub fn get(&mut self, uuid: Uuid) -> Result<Option<Entry>, DirectoryError> {
        if let Some(pending) = self.changes.entries.get(&uuid) {
            return Ok(pending.clone());
        }
        let known = self.last.id_of(uuid).and_then(|id| self.last.entry(id));
        if known.is_none() {
            return Ok(None);
        }
        let records = read_records(self.store, uuid)?;
        let pairs = records
            .iter()
            .map(|(key, payload)| (key.as_slice(), payload.as_slice()));
        let entry = match record::entry_from(pairs) {
            Ok(entry) => Some(entry),
            Err(error) => {
                tracing::warn!(entry = %uuid, %error, "a stored entry cannot be read");
                None
            }
        };
        self.changes.read.insert(uuid, records);
        Ok(entry)
    }

    /// The entries that named this one in a link before this change, served or not.
    pub fn referrers(&self, uuid: Uuid) -> Vec<Uuid> {
        let Some(id) = self.last.id_of(uuid) else {
            return Vec::new();
        };
        let found: BTreeSet<Uuid> = LINK_ATTRIBUTES
            .iter()
            .filter_map(|name| self.last.schema.attribute(name.as_bytes()))
            .filter_map(|attribute| self.last.links.sources(id, attribute))
            .flat_map(|sources| sources.iter())
            .filter_map(|source| Some(self.last.entry(source)?.uuid))
            .collect();
        found.into_iter().collect()
    }

    /// Puts an entry in place of the one of its identity.
    pub fn put(&mut self, entry: Entry) {
        self.changes.entries.insert(entry.uuid, Some(entry));
    }

    /// Removes an entry; its links go with it, links to it stay with those that have them.
    pub fn delete(&mut self, uuid: Uuid) {
        self.changes.entries.insert(uuid, None);
    }

    /// Remembers something of a source, in the same commit as its entries.
    pub fn put_source(&mut self, source: SourceRecord) {
        self.changes.sources.insert(source.name.clone(), source);
    }

    /// How many entries this change touches.
    pub fn len(&self) -> usize {
        self.changes.entries.len()
    }

    /// Whether it touches none.
    pub fn is_empty(&self) -> bool {
        self.changes.entries.is_empty()
    }
}

/// Owns the store and what is needed to make snapshots.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) store: Arc<dyn Store>,
    pub(super) sources: Vec<SourceSettings>,
    pub(super) slices: SliceTable,
    pub(super) anchors: Anchors,
    /// Entries whose records were found damaged and are still in the store.
    pub(super) damaged: BTreeSet<Uuid>,
}

impl Writer {
    /// Commits a change and makes the snapshot that shows it; `None` where nothing changes.
    pub(super) fn commit(
        &mut self,
        last: &Snapshot,
        changes: Changes,
    ) -> Result<Option<Snapshot>, DirectoryError> {
        let Changes {
            mut entries,
            mut read,
            sources,
        } = changes;
        if entries.is_empty() && sources.is_empty() {
            return Ok(None);
        }
        let seq = ChangeSeq(self.store.last_seq().0 + 1);
        let mut builder = Builder::new(
            last,
            self.slices.clone(),
            self.anchors.clone(),
            &self.sources,
            seq,
        );
        for source in sources.values() {
            let sid = source
                .domain_sid
                .as_ref()
                .and_then(|sid| sid.parse::<Sid>().ok());
            if let Some(sid) = sid {
                builder.slices.add_domain(&sid);
            }
        }
        stamp(&mut entries, seq);
        // What goes before groups, and groups before users: a user's gid follows from his group.
        let mut dependents = BTreeSet::new();
        for (uuid, _) in entries.iter().filter(|(_, entry)| entry.is_none()) {
            dependents.extend(builder.dependents(*uuid));
            builder.delete(*uuid);
        }
        let (groups, others): (Vec<&Entry>, Vec<&Entry>) = entries
            .values()
            .flatten()
            .partition(|entry| is_group(entry) || builder.is_group(entry.uuid));
        for entry in groups {
            let before = (builder.gid_of(entry.uuid), builder.dependents(entry.uuid));
            builder.put(entry);
            if builder.gid_of(entry.uuid) != before.0 {
                dependents.extend(before.1);
                dependents.extend(builder.dependents(entry.uuid));
            }
        }
        for entry in others {
            builder.put(entry);
        }
        for uuid in dependents {
            if entries.contains_key(&uuid) {
                continue;
            }
            if let Some(entry) = read_entry(self.store.as_ref(), uuid)? {
                builder.put_body(&entry, last_change(&entry).unwrap_or(seq));
            }
        }
        let mut batch = Batch::default();
        for (uuid, entry) in &entries {
            let old = match read.remove(uuid) {
                Some(records) => records,
                // A damaged entry is in no snapshot, but what is left of it is in the store.
                None if self.damaged.contains(uuid)
                    || last.id_of(*uuid).and_then(|id| last.entry(id)).is_some() =>
                {
                    read_records(self.store.as_ref(), *uuid)?
                }
                None => Records::new(),
            };
            let new = entry.as_ref().map(record::records_of).unwrap_or_default();
            // `append` would rebuild the whole map each time.
            batch.operations.extend(record::diff(&old, &new).operations);
        }
        for (name, source) in sources {
            let (key, payload) = source_record(&source)?;
            batch.operations.insert(key, Some(payload));
            builder.next.sources.insert(name, Arc::new(source));
        }
        let Built {
            snapshot: next,
            mut slices,
            anchors,
        } = builder.finish();
        if slices.take_changed() {
            let key = record::meta_key(SLICES);
            batch.operations.insert(key, Some(slices.to_bytes()));
        }
        let found = record::diff(&self.anchors.records(), &anchors.records());
        batch.operations.extend(found.operations);
        if batch.operations.is_empty() {
            return Ok(None);
        }
        self.store.commit(batch)?;
        self.slices = slices;
        self.anchors = anchors;
        self.damaged.retain(|uuid| !entries.contains_key(uuid));
        Ok(Some(next))
    }
}

/// The operational attribute that keeps the commit an entry was changed by.
const CHANGED: &str = "uSNChanged";

fn stamp(entries: &mut BTreeMap<Uuid, Option<Entry>>, seq: ChangeSeq) {
    for entry in entries.values_mut().flatten() {
        entry.set(CHANGED, vec![seq.0.to_string().into_bytes()]);
    }
}

pub(super) fn last_change(entry: &Entry) -> Option<ChangeSeq> {
    entry.first_str(CHANGED)?.parse().ok().map(ChangeSeq)
}

pub(super) fn read_records(store: &dyn Store, uuid: Uuid) -> Result<Records, DirectoryError> {
    let mut records = Records::new();
    for prefix in record::entry_prefixes(uuid) {
        let damaged = store.scan(&prefix, &mut |key, payload| {
            records.insert(key.to_vec(), payload.to_vec());
        })?;
        for record in damaged {
            tracing::warn!(entry = %uuid, error = %record, "a stored record is damaged");
            // Present, so that the next commit writes it anew or removes it.
            records.insert(record.key, Vec::new());
        }
    }
    Ok(records)
}

pub(super) fn source_record(source: &SourceRecord) -> Result<(Vec<u8>, Vec<u8>), DirectoryError> {
    let payload = serde_json::to_vec(source).map_err(DirectoryError::Source)?;
    Ok((
        record::meta_key(&format!("{SOURCE}{}", source.name)),
        payload,
    ))
}

pub(super) fn read_entry(store: &dyn Store, uuid: Uuid) -> Result<Option<Entry>, DirectoryError> {
    let records = read_records(store, uuid)?;
    let pairs = records
        .iter()
        .map(|(key, payload)| (key.as_slice(), payload.as_slice()));
    Ok(record::entry_from(pairs).ok())
}

pub(super) fn is_group(entry: &Entry) -> bool {
    entry.attribute("groupType").is_some()
}

/// Why the directory could not be read or changed.
#[derive(Debug, Error)]
pub enum DirectoryError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The schema lacks a definition the code relies on.
    #[error("the schema does not define {0}")]
    Schema(&'static str),
    /// The table of id ranges is damaged. Going on would give people new ids.
    #[error("the table of id ranges is damaged ({0}): restore the data directory from a backup")]
    Slices(String),
    /// What is remembered of a source has no text form.
    #[error("cannot store the state of a source: {0}")]
    Source(serde_json::Error),
}

/// Why a change did not happen.
#[derive(Debug, Error)]
pub enum WriteError<E> {
    /// The change itself decided so.
    #[error("{0}")]
    Refused(E),
    /// The directory failed.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}
