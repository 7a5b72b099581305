//! The start: from all records to the first snapshot, and what is repaired on the way.

mod read;

use std::{
    collections::BTreeSet,
    panic::resume_unwind,
    sync::{Arc, mpsc::sync_channel},
    thread,
};

use uuid::Uuid;

use self::read::{MOST_BATCHES, Made, Prepared, read};
use super::{
    affected::Trace,
    anchors::{Anchors, SELECT},
    attributes_view::AttributesView,
    build::{Builder, Built},
    changes::{self, CHANGES, ChangeLoader, ChangeLog},
    derived::{Derivations, LINK_ATTRIBUTES},
    entries::Entries,
    form::Forms,
    index::Index,
    known::Known,
    links::Links,
    postings::PostingsMap,
    record::{self, Loaded, Records},
    shards::Shards,
    snapshot::{OriginView, Snapshot},
    source::{SourceRecord, SourceSettings},
    special::Special,
    write::{
        DirectoryError, SLICES, SOURCE, Writer, last_change, read_entry, read_records,
        source_record,
    },
};
use crate::{
    entry::Origin,
    mapping::{idmap::SliceTable, policy::MemberUid},
    schema::Schema,
    store::{Batch, ChangeSeq, CorruptRecord, LoadReport, Store},
};

/// Reads everything once.
pub(super) fn load(
    store: Arc<dyn Store>,
    schema: Arc<Schema>,
    sources: Vec<SourceSettings>,
) -> Result<(Writer, Snapshot, LoadSummary), DirectoryError> {
    let empty = empty_snapshot(schema, &sources)?;
    let summary = LoadSummary::default();
    let slices = match store.get(&record::meta_key(SLICES))? {
        Some(octets) => SliceTable::from_bytes(&octets)
            .map_err(|error| DirectoryError::Slices(error.to_string()))?,
        None => SliceTable::default(),
    };
    let seq = store.last_seq();
    let mut load = Load {
        builder: Builder::new(&empty, slices, Anchors::default(), &sources, seq),
        sources: &sources,
        kept_anchors: Records::new(),
        kept_changes: ChangeLoader::default(),
        unreadable: Vec::new(),
        groups: Vec::new(),
        dependents: BTreeSet::new(),
        names: BTreeSet::new(),
        damaged: BTreeSet::new(),
        summary,
    };
    // What is loaded is nothing new to those who saw it before.
    load.builder.trace = Trace::none();
    load.builder.next.index.begin_bulk();
    let report = thread::scope(|scope| {
        let (sender, batches) = sync_channel(MOST_BATCHES);
        let store = store.as_ref();
        let forms = Forms {
            schema: &empty.schema,
            derivations: &empty.derivations,
        };
        let reader = scope.spawn(move || read(store, forms, &sender));
        for loaded in batches.into_iter().flatten() {
            load.take(loaded);
        }
        // One that panicked is as good as a panic here.
        reader.join().unwrap_or_else(|panic| resume_unwind(panic))
    })?;
    load.judge(&report);
    let Load {
        mut builder,
        kept_anchors,
        kept_changes,
        unreadable,
        groups,
        mut dependents,
        names,
        damaged,
        mut summary,
        sources: _,
    } = load;
    // A user's gid follows that of his primary group, which may have come after him.
    for group in groups {
        dependents.extend(builder.dependents(group));
    }
    let schema = Arc::clone(&builder.next.schema);
    builder.next.index.end_bulk(&schema);
    for uuid in dependents {
        if let Some(entry) = read_entry(store.as_ref(), uuid)? {
            let attributes = AttributesView::from(entry.attributes.as_slice());
            builder.put_body(&entry, last_change(&attributes).unwrap_or(seq));
        }
    }
    let mut repair = Batch::default();
    for key in unreadable {
        repair.operations.insert(key, None);
    }
    let damaged = remove_leftovers(store.as_ref(), damaged, &mut repair)?;
    // The loss of a local entry is none of a source's.
    if summary.problems.len() > damaged.len() {
        forget_progress(&mut builder.next, &mut repair)?;
    }
    let is_sound = summary.problems.is_empty();
    let Built {
        mut snapshot,
        mut slices,
        anchors,
        trace: _,
    } = builder.finish();
    // Ids that were given out now stay as they are, whatever comes next.
    if slices.take_changed() {
        let key = record::meta_key(SLICES);
        repair.operations.insert(key, Some(slices.to_bytes()));
    }
    let changed = record::diff(&kept_anchors, anchors.records());
    repair.operations.extend(changed.operations);
    let fingerprint = changes::fingerprint(&snapshot.schema, &sources);
    snapshot.changes = kept_changes.finish(is_sound, fingerprint, seq, &mut repair);
    // At once: from the next commit on the store counts from what it has now.
    store.commit(repair)?;
    summary.entries = snapshot.stored();
    summary.unknown_sources = names
        .into_iter()
        .filter(|name| sources.iter().all(|source| source.name != *name))
        .collect();
    let writer = Writer {
        store,
        slices,
        anchors,
        sources,
        damaged,
    };
    Ok((writer, snapshot, summary))
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

/// The state of a load while records come by.
struct Load<'s> {
    builder: Builder<'s>,
    sources: &'s [SourceSettings],
    /// What the store keeps of the anchors, sound or not.
    kept_anchors: Records,
    kept_changes: ChangeLoader,
    /// The keys of what is remembered of sources and cannot be read.
    unreadable: Vec<Vec<u8>>,
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
    fn take_body(&mut self, body: Prepared) {
        let uuid = match body.made {
            Made::Local(form) => {
                let uuid = form.uuid;
                self.builder.put_local(form, body.changed);
                uuid
            }
            Made::Replicated(entry) => {
                if let Origin::Source(name) = &entry.origin
                    && !self.names.contains(name)
                {
                    self.names.insert(name.clone());
                }
                self.builder.put_body(&entry, body.changed);
                entry.uuid
            }
        };
        if body.is_group_with_gid {
            self.groups.push(uuid);
        }
    }

    fn take(&mut self, loaded: Loaded<Prepared>) {
        match loaded {
            Loaded::Body(body) => self.take_body(body),
            Loaded::Targets {
                uuid,
                attribute,
                targets,
            } => {
                for target in targets {
                    self.builder.put_link(uuid, &attribute, target);
                }
            }
            Loaded::Meta { name, payload } => {
                if name.starts_with(CHANGES) {
                    self.kept_changes.take(&name, &payload);
                }
                if name.starts_with(SELECT) {
                    self.take_anchor(&name, &payload);
                }
                let Some(source) = name.strip_prefix(SOURCE) else {
                    return;
                };
                match serde_json::from_slice::<SourceRecord>(&payload) {
                    Ok(record) => {
                        self.builder
                            .next
                            .sources
                            .insert(source.to_owned(), Arc::new(record));
                    }
                    Err(error) => {
                        self.unreadable.push(record::meta_key(&name));
                        let problem = format!("source {source}: {error}");
                        self.summary.problems.push(problem);
                    }
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

    fn take_anchor(&mut self, name: &str, payload: &[u8]) {
        let anchors = &mut self.builder.anchors;
        if anchors.recall(name, payload, self.sources).is_none() {
            let problem = format!("{name} makes no sense");
            self.summary.problems.push(problem);
        }
        self.kept_anchors
            .insert(record::meta_key(name), payload.to_vec());
    }

    /// Adds what the store itself found wrong.
    fn judge(&mut self, report: &LoadReport) {
        let (select, source) = (record::meta_key(SELECT), record::meta_key(SOURCE));
        for CorruptRecord { key, .. } in &report.corrupt {
            self.kept_changes.take_damaged(key);
            if key.starts_with(&select) {
                self.kept_anchors.insert(key.clone(), Vec::new());
            } else if key.starts_with(&source) {
                self.unreadable.push(key.clone());
            }
        }
        let problems = &mut self.summary.problems;
        if report.missing() > 0 {
            problems.push(format!(
                "{} of {} records are missing",
                report.missing(),
                report.expected_records.unwrap_or_default()
            ));
        }
        let is_mixed = report.newer_than_last_seq > 0 || report.reached > report.last_seq;
        let is_unsound = !report.is_sound() && report.expected_records.is_some();
        if is_mixed || (is_unsound && problems.is_empty()) {
            problems.push("parts of the store are older than its last commit".to_owned());
        }
    }
}

/// Removes what is left of damaged entries that come from a source, which sends them again where
/// they are still there; returns those that are kept.
///
/// Nobody sends a local entry again, so that it is told of at each start until it is replaced or
/// deleted.
fn remove_leftovers(
    store: &dyn Store,
    damaged: BTreeSet<Uuid>,
    repair: &mut Batch,
) -> Result<BTreeSet<Uuid>, DirectoryError> {
    let mut kept = BTreeSet::new();
    for uuid in damaged {
        let left = read_records(store, uuid)?;
        if record::are_local(&left) {
            kept.insert(uuid);
        } else {
            let removal = record::diff(&left, Records::new());
            repair.operations.extend(removal.operations);
        }
    }
    Ok(kept)
}

/// Makes every source compare everything, since nobody can tell what was lost.
fn forget_progress(snapshot: &mut Snapshot, repair: &mut Batch) -> Result<(), DirectoryError> {
    let forgotten: Vec<SourceRecord> = snapshot
        .sources
        .values()
        .map(|source| SourceRecord {
            progress: None,
            ..SourceRecord::clone(source)
        })
        .collect();
    for source in forgotten {
        let (key, payload) = source_record(&source)?;
        repair.operations.insert(key, Some(payload));
        snapshot
            .sources
            .insert(source.name.clone(), Arc::new(source));
    }
    Ok(())
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
        entries: Entries::default(),
        ids: Shards::default(),
        children: PostingsMap::default(),
        names: PostingsMap::default(),
        tops: imbl::Vector::new(),
        wanted_below: imbl::GenericHashMap::default(),
        links: Links::default(),
        index: Index::new(&schema),
        changes: ChangeLog::empty(),
        special: Special::default(),
        written: Arc::default(),
        copies: Arc::default(),
        proven: Arc::default(),
        columns: Arc::default(),
        count: 0,
        unselective: false,
        hasher: foldhash::fast::RandomState::default(),
        schema,
    })
}
