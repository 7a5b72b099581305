//! The one writer: from a change to records, to the next snapshot.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use thiserror::Error;
use uuid::Uuid;

use super::{
    EntryId,
    affected::Trace,
    anchors::Anchors,
    attributes_view::AttributesView,
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

/// Entries of one change from which on the indexes are made in bulk.
const MANY: usize = if cfg!(test) { 8 } else { 4096 };

/// A change while it is made: the records it writes and the snapshot that will show it. Nothing of
/// it is stored or seen before the end.
///
/// What is put is worked on at once and not kept, so that a large change costs little memory.
#[derive(Debug)]
pub struct Transaction<'w> {
    writer: &'w Writer,
    last: &'w Snapshot,
    builder: Builder<'w>,
    batch: Batch,
    touched: BTreeSet<Uuid>,
    /// The groups touched, as they were before each touch.
    groups: BTreeMap<Uuid, GroupBefore>,
    sources: BTreeMap<String, SourceRecord>,
    /// Why the store could not be read where nobody could be told at once.
    failed: Option<DirectoryError>,
}

/// What users had from a group, before this change or in the course of it.
#[derive(Debug, Default)]
struct GroupBefore {
    gids: BTreeSet<Option<u32>>,
    users: BTreeSet<Uuid>,
}

/// What a change comes to.
pub(super) struct Changes {
    batch: Batch,
    built: Built,
    touched: BTreeSet<Uuid>,
}

impl<'w> Transaction<'w> {
    pub(super) fn new(writer: &'w Writer, last: &'w Snapshot) -> Self {
        let seq = ChangeSeq(writer.store.last_seq().0 + 1);
        Self {
            writer,
            last,
            builder: Builder::new(
                last,
                writer.slices.clone(),
                writer.anchors.clone(),
                &writer.sources,
                seq,
            ),
            batch: Batch::default(),
            touched: BTreeSet::new(),
            groups: BTreeMap::new(),
            sources: BTreeMap::new(),
            failed: None,
        }
    }

    /// The version before this change.
    pub fn snapshot(&self) -> &'w Snapshot {
        self.last
    }

    /// The entry of an identity as this change sees it.
    ///
    /// # Errors
    /// [`DirectoryError::Store`] where it cannot be read. A damaged entry is none.
    pub fn get(&self, uuid: Uuid) -> Result<Option<Entry>, DirectoryError> {
        let known = self.last.id_of(uuid).and_then(|id| self.last.entry(id));
        if known.is_none() && !self.touched.contains(&uuid) {
            return Ok(None);
        }
        let records = self.records(uuid)?;
        if records.is_empty() {
            return Ok(None);
        }
        let pairs = records
            .iter()
            .map(|(key, payload)| (key.as_slice(), payload.as_slice()));
        match record::entry_from(pairs) {
            Ok(entry) => Ok(Some(entry)),
            Err(error) => {
                tracing::warn!(entry = %uuid, %error, "a stored entry cannot be read");
                Ok(None)
            }
        }
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
    pub fn put(&mut self, mut entry: Entry) {
        let stamp = self.builder.seq().0.to_string().into_bytes();
        entry.set(CHANGED, vec![stamp]);
        if is_group(&entry) || self.builder.is_group(entry.uuid) {
            self.note_group(entry.uuid);
        }
        self.stage(entry.uuid, record::records_of(&entry));
        if self.touched.len() >= MANY {
            self.builder.next.index.begin_bulk();
        }
        self.builder.put(&entry);
    }

    /// Removes an entry; its links go with it, links to it stay with those that have them.
    pub fn delete(&mut self, uuid: Uuid) {
        self.note_group(uuid);
        self.stage(uuid, Records::new());
        self.builder.delete(uuid);
    }

    /// Makes a domain known before its entries, so that its ids come from its own slice.
    pub fn add_domain(&mut self, sid: &Sid) {
        self.builder.slices.add_domain(sid);
    }

    /// Remembers something of a source, in the same commit as its entries.
    pub fn put_source(&mut self, source: SourceRecord) {
        self.sources.insert(source.name.clone(), source);
    }

    /// How many entries this change touches.
    pub fn len(&self) -> usize {
        self.touched.len()
    }

    /// Whether it touches none.
    pub fn is_empty(&self) -> bool {
        self.touched.is_empty()
    }

    /// What all of it comes to; `None` for nothing.
    pub(super) fn into_changes(mut self) -> Result<Option<Changes>, DirectoryError> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        for uuid in self.dependents() {
            if let Some(entry) = self.get(uuid)? {
                let attributes = AttributesView::from(entry.attributes.as_slice());
                let changed = last_change(&attributes).unwrap_or_else(|| self.builder.seq());
                self.builder.put_body(&entry, changed);
            }
        }
        for (name, source) in self.sources {
            let (key, payload) = source_record(&source)?;
            self.batch.operations.insert(key, Some(payload));
            self.builder.next.sources.insert(name, Arc::new(source));
        }
        let mut built = self.builder.finish();
        if built.slices.take_changed() {
            let key = record::meta_key(SLICES);
            self.batch
                .operations
                .insert(key, Some(built.slices.to_bytes()));
        }
        let before = self.writer.anchors.records();
        let found = record::diff(&before, built.anchors.records());
        self.batch.operations.extend(found.operations);
        if self.batch.operations.is_empty() {
            return Ok(None);
        }
        let trace = std::mem::replace(&mut built.trace, Trace::none());
        let affected = trace.affected(self.last, &built.snapshot);
        if let Some(affected) = &affected {
            let ids: Vec<EntryId> = affected
                .iter()
                .filter_map(|uuid| built.snapshot.id_of(*uuid))
                .collect();
            built.snapshot.written = Arc::new(self.last.written.without(ids.iter().copied()));
            built.snapshot.copies = Arc::new(self.last.copies.without(&ids));
            built.snapshot.proven = Arc::new(self.last.proven.without(&ids));
        }
        built
            .snapshot
            .changes
            .record(built.snapshot.seq, affected, &mut self.batch);
        Ok(Some(Changes {
            batch: self.batch,
            built,
            touched: self.touched,
        }))
    }

    /// Takes note of a group before it changes; users may have come to it since it changed first.
    fn note_group(&mut self, uuid: Uuid) {
        let before = self.groups.entry(uuid).or_default();
        before.gids.insert(self.builder.gid_of(uuid));
        before.users.extend(self.builder.dependents(uuid));
    }

    /// The users whose gid follows from a group in which it is another now.
    ///
    /// A user whose group is not there has the id of its SID, where ids are computed at all: that
    /// the group came then changes nothing, unless it brought a number of its own.
    fn dependents(&self) -> BTreeSet<Uuid> {
        let mut dependents = BTreeSet::new();
        for (group, before) in &self.groups {
            let without = self.builder.computed_gid(*group);
            let after = self.builder.gid_of(*group).or(without);
            if before.gids.iter().any(|gid| gid.or(without) != after) {
                dependents.extend(&before.users);
                dependents.extend(self.builder.dependents(*group));
            }
        }
        dependents
    }

    /// Writes what differs between an entry's records and those it shall have.
    fn stage(&mut self, uuid: Uuid, new: Records) {
        match self.records(uuid) {
            // `append` would rebuild the whole map each time.
            Ok(old) => self
                .batch
                .operations
                .extend(record::diff(&old, new).operations),
            Err(error) => self.failed = self.failed.take().or(Some(error)),
        }
        self.touched.insert(uuid);
    }

    /// The records of an entry as this change leaves them.
    fn records(&self, uuid: Uuid) -> Result<Records, DirectoryError> {
        let mut records = self.writer.records(self.last, uuid)?;
        if self.touched.contains(&uuid) {
            for prefix in record::entry_prefixes(uuid) {
                let staged = self.batch.operations.range(prefix.clone()..);
                for (key, payload) in staged.take_while(|(key, _)| key.starts_with(&prefix)) {
                    match payload {
                        Some(payload) => records.insert(key.clone(), payload.clone()),
                        None => records.remove(key),
                    };
                }
            }
        }
        Ok(records)
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
    /// The records the store has of an entry, which is not asked where there are none.
    fn records(&self, last: &Snapshot, uuid: Uuid) -> Result<Records, DirectoryError> {
        let is_stored = last.id_of(uuid).and_then(|id| last.entry(id)).is_some()
            // A damaged entry is in no snapshot, but what is left of it is in the store.
            || self.damaged.contains(&uuid);
        if is_stored {
            read_records(self.store.as_ref(), uuid)
        } else {
            Ok(Records::new())
        }
    }

    /// Commits a change; the snapshot that shows it may be published then.
    pub(super) fn commit(&mut self, changes: Changes) -> Result<Snapshot, DirectoryError> {
        let Changes {
            batch,
            built,
            touched,
        } = changes;
        self.store.commit(batch)?;
        self.slices = built.slices;
        self.anchors = built.anchors;
        self.damaged.retain(|uuid| !touched.contains(uuid));
        Ok(built.snapshot)
    }

    /// Commits entries without making the version that would show them.
    pub(super) fn fill(
        &self,
        last: &Snapshot,
        entries: impl Iterator<Item = Entry>,
    ) -> Result<(), DirectoryError> {
        let seq = ChangeSeq(self.store.last_seq().0 + 1);
        let stamp = seq.0.to_string().into_bytes();
        let mut operations = Vec::new();
        for mut entry in entries {
            entry.set(CHANGED, vec![stamp.clone()]);
            let old = self.records(last, entry.uuid)?;
            operations.extend(record::diff(&old, record::records_of(&entry)).operations);
        }
        let mut batch = Batch {
            operations: operations.into_iter().collect(),
        };
        last.changes.clone().record(seq, None, &mut batch);
        self.store.commit(batch)?;
        Ok(())
    }
}

/// The operational attribute that keeps the commit an entry was changed by.
const CHANGED: &str = "uSNChanged";

pub(super) fn last_change(attributes: &AttributesView<'_>) -> Option<ChangeSeq> {
    let text = std::str::from_utf8(attributes.first(CHANGED)?).ok()?;
    text.parse().ok().map(ChangeSeq)
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
