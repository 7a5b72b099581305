//! The one writer: from a change to records, to the next snapshot.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use thiserror::Error;
use uuid::Uuid;

use super::{
    build::Builder,
    derived::{Derivations, LINK_ATTRIBUTES},
    index::Index,
    known::Known,
    links::Links,
    postings::PostingsMap,
    record::{self, EntryLoader, Loaded, Records},
    snapshot::{OriginView, Snapshot},
    source::{SourceRecord, SourceSettings},
};
use crate::{
    entry::{Entry, Origin},
    mapping::{idmap::SliceTable, policy::MemberUid, sid::Sid},
    schema::Schema,
    store::{Batch, ChangeSeq, LoadReport, Store, StoreError},
};

/// The meta record with the slices of ids that were given out.
const SLICES: &str = "idmap";
/// The meta records with what is remembered of each source start so.
const SOURCE: &str = "source/";

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
    store: Arc<dyn Store>,
    sources: Vec<SourceSettings>,
    slices: SliceTable,
    /// Entries whose records were found damaged and are still in the store.
    damaged: BTreeSet<Uuid>,
}

impl Writer {
    /// Reads everything once.
    pub(super) fn load(
        store: Arc<dyn Store>,
        schema: Arc<Schema>,
        sources: Vec<SourceSettings>,
    ) -> Result<(Self, Snapshot, LoadSummary), DirectoryError> {
        let empty = empty_snapshot(schema, &sources)?;
        let summary = LoadSummary::default();
        let slices = match store.get(&record::meta_key(SLICES))? {
            Some(octets) => SliceTable::from_bytes(&octets)
                .map_err(|error| DirectoryError::Slices(error.to_string()))?,
            None => SliceTable::default(),
        };
        let seq = store.last_seq();
        let mut load = Load {
            builder: Builder::new(&empty, slices, &sources, seq),
            groups: Vec::new(),
            dependents: BTreeSet::new(),
            names: BTreeSet::new(),
            damaged: BTreeSet::new(),
            summary,
        };
        let mut loader = EntryLoader::default();
        let report = store.load(&mut |key, payload| {
            loader.visit(key, payload, &mut |loaded| load.take(loaded));
        })?;
        for damaged in &report.corrupt {
            loader.visit_damaged(damaged, &mut |loaded| load.take(loaded));
        }
        loader.finish(&mut |loaded| load.take(loaded));
        load.judge(&report);
        let Load {
            mut builder,
            groups,
            mut dependents,
            names,
            damaged,
            mut summary,
        } = load;
        // A user's gid follows that of his primary group, which may have come after him.
        for group in groups {
            dependents.extend(builder.dependents(group));
        }
        for uuid in dependents {
            if let Some(entry) = read_entry(store.as_ref(), uuid)? {
                builder.put_body(&entry, last_change(&entry).unwrap_or(seq));
            }
        }
        if !summary.problems.is_empty() {
            forget_progress(store.as_ref(), &mut builder.next)?;
        }
        let (snapshot, mut slices) = builder.finish();
        // Ids that were given out now stay as they are, whatever comes next.
        if slices.take_changed() {
            let mut batch = Batch::default();
            let key = record::meta_key(SLICES);
            batch.operations.insert(key, Some(slices.to_bytes()));
            store.commit(batch)?;
        }
        summary.entries = snapshot.stored();
        summary.unknown_sources = names
            .into_iter()
            .filter(|name| sources.iter().all(|source| source.name != *name))
            .collect();
        let writer = Self {
            store,
            slices,
            sources,
            damaged,
        };
        Ok((writer, snapshot, summary))
    }

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
        let mut builder = Builder::new(last, self.slices.clone(), &self.sources, seq);
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
        let (next, mut slices) = builder.finish();
        if slices.take_changed() {
            let key = record::meta_key(SLICES);
            batch.operations.insert(key, Some(slices.to_bytes()));
        }
        if batch.operations.is_empty() {
            return Ok(None);
        }
        self.store.commit(batch)?;
        self.slices = slices;
        self.damaged.retain(|uuid| !entries.contains_key(uuid));
        Ok(Some(next))
    }
}

/// The state of a load while records come by.
struct Load<'s> {
    builder: Builder<'s>,
    /// Groups with a gid of their own, on which the gids of users may depend.
    groups: Vec<Uuid>,
    /// Users whose gids came from a group that was found damaged after them.
    dependents: BTreeSet<Uuid>,
    /// Entries that were found damaged.
    damaged: BTreeSet<Uuid>,
    /// The sources that entries came from.
    names: BTreeSet<String>,
    summary: LoadSummary,
}

impl Load<'_> {
    fn take(&mut self, loaded: Loaded<'_>) {
        match loaded {
            Loaded::Body(entry) => {
                if let Origin::Source(name) = &entry.origin
                    && !self.names.contains(name)
                {
                    self.names.insert(name.clone());
                }
                self.builder
                    .put_body(&entry, last_change(&entry).unwrap_or_default());
                if is_group(&entry) && entry.attribute("gidNumber").is_some() {
                    self.groups.push(entry.uuid);
                }
            }
            Loaded::Targets {
                uuid,
                attribute,
                targets,
            } => {
                for target in targets {
                    self.builder.put_link(uuid, attribute, target);
                }
            }
            Loaded::Meta { name, payload } => {
                let Some(source) = name.strip_prefix(SOURCE) else {
                    return;
                };
                match serde_json::from_slice::<SourceRecord>(payload) {
                    Ok(record) => {
                        self.builder
                            .next
                            .sources
                            .insert(source.to_owned(), Arc::new(record));
                    }
                    Err(error) => self
                        .summary
                        .problems
                        .push(format!("source {source}: {error}")),
                }
            }
            Loaded::Rejected { uuid, reason } => {
                self.dependents.extend(self.builder.dependents(uuid));
                self.builder.delete(uuid);
                self.damaged.insert(uuid);
                self.summary
                    .problems
                    .push(format!("entry {uuid}: {reason}"));
            }
            Loaded::Problem(problem) => self.summary.problems.push(problem),
        }
    }

    /// Adds what the store itself found wrong.
    fn judge(&mut self, report: &LoadReport) {
        let problems = &mut self.summary.problems;
        if report.missing() > 0 {
            problems.push(format!(
                "{} of {} records are missing",
                report.missing(),
                report.expected_records.unwrap_or_default()
            ));
        }
        if !report.is_sound() && report.expected_records.is_some() && problems.is_empty() {
            problems.push("parts of the store are older than its last commit".to_owned());
        }
    }
}

/// The operational attribute that keeps the commit an entry was changed by.
const CHANGED: &str = "uSNChanged";

fn stamp(entries: &mut BTreeMap<Uuid, Option<Entry>>, seq: ChangeSeq) {
    for entry in entries.values_mut().flatten() {
        entry.set(CHANGED, vec![seq.0.to_string().into_bytes()]);
    }
}

fn last_change(entry: &Entry) -> Option<ChangeSeq> {
    entry.first_str(CHANGED)?.parse().ok().map(ChangeSeq)
}

fn read_records(store: &dyn Store, uuid: Uuid) -> Result<Records, DirectoryError> {
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

/// Makes every source compare everything, since nobody can tell what was lost.
///
/// Committed at once: from the next commit on the store counts from what it has now.
fn forget_progress(store: &dyn Store, snapshot: &mut Snapshot) -> Result<(), DirectoryError> {
    let forgotten: Vec<SourceRecord> = snapshot
        .sources
        .values()
        .map(|source| SourceRecord {
            progress: None,
            ..SourceRecord::clone(source)
        })
        .collect();
    let mut batch = Batch::default();
    for source in forgotten {
        let (key, payload) = source_record(&source)?;
        batch.operations.insert(key, Some(payload));
        snapshot
            .sources
            .insert(source.name.clone(), Arc::new(source));
    }
    store.commit(batch)?;
    Ok(())
}

fn source_record(source: &SourceRecord) -> Result<(Vec<u8>, Vec<u8>), DirectoryError> {
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

fn is_group(entry: &Entry) -> bool {
    entry.attribute("groupType").is_some()
}

fn empty_snapshot(
    schema: Arc<Schema>,
    sources: &[SourceSettings],
) -> Result<Snapshot, DirectoryError> {
    let known = Known::new(&schema).map_err(DirectoryError::Schema)?;
    if let Some(missing) = LINK_ATTRIBUTES
        .iter()
        .find(|name| schema.attribute(name.as_bytes()).is_none())
    {
        return Err(DirectoryError::Schema(missing));
    }
    let local = OriginView {
        origin: Origin::Local,
        nested_member_uid: false,
    };
    let origins = std::iter::once(local).chain(sources.iter().map(|source| OriginView {
        origin: Origin::Source(source.name.clone()),
        nested_member_uid: source.posix.member_uid == MemberUid::Nested,
    }));
    Ok(Snapshot {
        seq: ChangeSeq(0),
        derivations: Arc::new(Derivations::new(&schema, &known)),
        known,
        origins: origins.collect(),
        sources: imbl::OrdMap::new(),
        entries: imbl::GenericVector::new(),
        ids: imbl::GenericHashMap::default(),
        children: PostingsMap::default(),
        names: PostingsMap::default(),
        tops: imbl::Vector::new(),
        wanted_below: imbl::GenericHashMap::default(),
        links: Links::default(),
        index: Index::new(&schema),
        count: 0,
        unselective: false,
        hasher: foldhash::fast::RandomState::default(),
        schema,
    })
}

/// What [`super::Directory::open`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadSummary {
    /// Entries loaded, served or not.
    pub entries: usize,
    /// What was damaged or missing; each names the entry.
    pub problems: Vec<String>,
    /// Sources that entries came from and that are not configured any more.
    pub unknown_sources: Vec<String>,
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
