//! From the octets of a store to pieces of a directory, on threads of their own.

use std::{
    panic::resume_unwind,
    sync::mpsc::{SyncSender, sync_channel},
    thread,
};

use crate::{
    directory::{
        form::{Form, Forms},
        record::{BodyView, EntryLoader, Loaded},
        write::last_change,
    },
    entry::Entry,
    store::{ChangeSeq, LoadReport, Store, StoreError},
};

/// Records, and pieces, that are passed on at once.
const BATCH: usize = if cfg!(test) { 4 } else { 256 };
/// Batches that may wait for the one who takes them.
pub(super) const MOST_BATCHES: usize = 16;

/// Reads and checks all records on a thread of its own, and makes of each entry what can be made
/// of it alone, while whoever receives works on what came before.
pub(super) fn read(
    store: &dyn Store,
    forms: Forms<'_>,
    sender: &SyncSender<Vec<Loaded<Prepared>>>,
) -> Result<LoadReport, StoreError> {
    let mut batch = Vec::with_capacity(BATCH);
    // Nobody takes anything any more only where the other thread panicked.
    let mut pass_on = |loaded| {
        batch.push(loaded);
        if batch.len() == BATCH {
            let full = std::mem::replace(&mut batch, Vec::with_capacity(BATCH));
            let _ = sender.send(full);
        }
    };
    let mut loader = EntryLoader::new(|view| Prepared::of(&view, forms));
    let report = thread::scope(|scope| {
        let (sender, records) = sync_channel(MOST_BATCHES);
        let reader = scope.spawn(move || read_all(store, &sender));
        for batch in records {
            for (key, payload) in batch.iter() {
                loader.visit(key, payload, &mut pass_on);
            }
        }
        // One that panicked is as good as a panic here.
        reader.join().unwrap_or_else(|panic| resume_unwind(panic))
    })?;
    for damaged in &report.corrupt {
        loader.visit_damaged(damaged, &mut pass_on);
    }
    loader.finish(&mut pass_on);
    let _ = sender.send(batch);
    Ok(report)
}

fn read_all(store: &dyn Store, sender: &SyncSender<RecordBatch>) -> Result<LoadReport, StoreError> {
    let mut batch = RecordBatch::default();
    let report = store.load(&mut |key, payload| {
        batch.push(key, payload);
        if batch.ends.len() == BATCH {
            let _ = sender.send(std::mem::take(&mut batch));
        }
    })?;
    let _ = sender.send(batch);
    Ok(report)
}

/// Copies of records, side by side.
#[derive(Default)]
struct RecordBatch {
    octets: Vec<u8>,
    /// Where the key and the payload of each end.
    ends: Vec<(usize, usize)>,
}

impl RecordBatch {
    fn push(&mut self, key: &[u8], payload: &[u8]) {
        self.octets.extend_from_slice(key);
        let end_of_key = self.octets.len();
        self.octets.extend_from_slice(payload);
        self.ends.push((end_of_key, self.octets.len()));
    }

    fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut start = 0;
        self.ends.iter().map(move |(end_of_key, end)| {
            let octets = |range| self.octets.get(range).unwrap_or_default();
            let record = (octets(start..*end_of_key), octets(*end_of_key..*end));
            start = *end;
            record
        })
    }
}

/// An entry as far as it can be made without looking at another.
pub(super) struct Prepared {
    pub(super) made: Made,
    pub(super) changed: ChangeSeq,
    /// Whether the gids of users may depend on it.
    pub(super) is_group_with_gid: bool,
}

pub(super) enum Made {
    Local(Form),
    Replicated(Entry),
}

impl Prepared {
    fn of(view: &BodyView<'_>, forms: Forms<'_>) -> Self {
        let attributes = &view.attributes;
        Self {
            changed: last_change(attributes).unwrap_or_default(),
            is_group_with_gid: attributes.first("groupType").is_some()
                && attributes.first("gidNumber").is_some(),
            made: match view.source {
                Some(_) => Made::Replicated(view.to_entry()),
                None => Made::Local(forms.local((view.uuid, view.parent), view.rdn, attributes)),
            },
        }
    }
}
