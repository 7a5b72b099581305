//! Commits of more records than sled should be given at once.
//!
//! Of a batch sled keeps all that it replaces on the way until the batch is applied: some eight
//! kilobytes for each record. So the new records of a large commit go ahead in portions, under a
//! sequence that the tally has not reached, and the batch that comes last makes them count. What a
//! crash leaves of them is removed when the store is opened next; a file says that there may be
//! something, since to look for it means to read everything.

use std::{
    fs::{self, File},
    io,
    path::PathBuf,
};

use super::{SledStore, files::io_error};
use crate::store::{
    Batch, ChangeSeq, StoreError,
    record::{self, TALLY_KEY, Tally},
};

/// Records that are applied at once.
const AT_ONCE: usize = if cfg!(test) { 8 } else { 4096 };

/// The file that is there while a large commit is under way.
const UNFINISHED_FILE: &str = "unfinished";

pub(super) fn is_large(batch: &Batch) -> bool {
    batch.operations.len() > AT_ONCE
}

impl SledStore {
    /// Applies the records of a large batch that are new, and counts them; what is left makes the
    /// commit.
    pub(super) fn apply_new(&self, batch: Batch, after: &mut Tally) -> Result<Batch, StoreError> {
        self.note_unfinished()?;
        let is_empty = self.db.is_empty();
        let mut portion = Portion::new(self);
        let mut rest = Batch::default();
        for (key, payload) in batch.operations {
            match payload {
                Some(payload) if is_empty || !self.contains(&key)? => {
                    let frame = record::encode(after.last_seq, &key, &payload);
                    after.records += 1;
                    portion.change(|batch| batch.insert(key, frame))?;
                }
                payload => {
                    rest.operations.insert(key, payload);
                }
            }
        }
        portion.apply()?;
        Ok(rest)
    }

    /// Takes note that a large commit is durable, or that nothing is left of it.
    pub(super) fn note_finished(&self) {
        let removed = fs::remove_file(self.unfinished()).and_then(|()| self.sync_directory());
        if let Err(error) = removed {
            // Nothing is lost by it: what is left is looked for in vain at the next start.
            tracing::warn!(%error, file = %self.unfinished().display(), "cannot be removed");
        }
    }

    /// Whether a large commit may have been cut short.
    pub(super) fn is_unfinished(&self) -> bool {
        self.unfinished().exists()
    }

    /// Removes the records of a large commit that was cut short: those after the last one that was
    /// not.
    pub(super) fn remove_newer(&self, last: ChangeSeq) -> Result<(), StoreError> {
        let mut portion = Portion::new(self);
        let mut removed: u64 = 0;
        for record in self.db.iter() {
            let (key, frame) = record.map_err(|error| self.engine_error("read", &error))?;
            let is_newer = record::decode(&key, &frame).is_ok_and(|(seq, _)| seq > last);
            if is_newer && key != TALLY_KEY {
                removed += 1;
                portion.change(|batch| batch.remove(key))?;
            }
        }
        portion.apply()?;
        self.sync()?;
        self.note_finished();
        tracing::warn!(
            directory = %self.directory.display(),
            removed,
            "removed the records of a change that did not come to its end"
        );
        Ok(())
    }

    fn note_unfinished(&self) -> Result<(), StoreError> {
        File::create(self.unfinished())
            .and_then(|file| file.sync_all())
            .and_then(|()| self.sync_directory())
            .map_err(|source| io_error("write", &self.unfinished(), source))
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }

    fn unfinished(&self) -> PathBuf {
        self.directory.join(UNFINISHED_FILE)
    }
}

/// Changes that are applied as soon as they are many enough.
struct Portion<'s> {
    store: &'s SledStore,
    batch: ::sled::Batch,
    changes: usize,
}

impl<'s> Portion<'s> {
    fn new(store: &'s SledStore) -> Self {
        Self {
            store,
            batch: ::sled::Batch::default(),
            changes: 0,
        }
    }

    fn change(&mut self, make: impl FnOnce(&mut ::sled::Batch)) -> Result<(), StoreError> {
        make(&mut self.batch);
        self.changes += 1;
        if self.changes == AT_ONCE {
            self.apply()?;
        }
        Ok(())
    }

    fn apply(&mut self) -> Result<(), StoreError> {
        self.changes = 0;
        self.store.apply(std::mem::take(&mut self.batch))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::store::{LoadReport, Store as _};

    fn batch(numbers: std::ops::Range<u8>, payload: &[u8]) -> Batch {
        let operations = numbers.map(|number| (vec![1, number], Some(payload.to_vec())));
        Batch {
            operations: operations.collect(),
        }
    }

    /// The numbers of all records with their payloads, and what the store thinks of them.
    fn loaded(store: &SledStore) -> (BTreeMap<u8, u8>, LoadReport) {
        let mut records = BTreeMap::new();
        let report = store.load(&mut |key, payload| {
            records.insert(key[1], payload[0]);
        });
        (records, report.unwrap())
    }

    /// Does what a commit does until it is cut short.
    fn begin(store: &SledStore, batch: Batch) {
        let mut after = Tally {
            last_seq: ChangeSeq(store.last_seq().0 + 1),
            records: 0,
        };
        store.apply_new(batch, &mut after).unwrap();
    }

    #[test]
    fn a_large_commit_is_all_or_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let open = || SledStore::open(&path).unwrap();
        // Where there was nothing, nothing is left.
        begin(&open(), batch(0..30, b"a"));
        let store = open();
        let (records, report) = loaded(&store);
        assert!(records.is_empty() && report.is_sound(), "{report:?}");
        assert_eq!(store.last_seq(), ChangeSeq(0));

        store.commit(batch(5..9, b"b")).unwrap();
        let before = loaded(&store).0;
        begin(&store, batch(0..40, b"c"));
        drop(store);
        let store = open();
        let (records, report) = loaded(&store);
        assert_eq!(records, before);
        assert!(report.is_sound(), "{report:?}");
        assert_eq!(store.last_seq(), ChangeSeq(1));
        assert!(!store.is_unfinished());

        // One that comes to its end replaces and removes as well.
        let mut all = batch(0..40, b"d");
        all.operations.insert(vec![1, 6], None);
        store.commit(all).unwrap();
        assert!(!store.is_unfinished());
        drop(store);
        let store = open();
        let (records, report) = loaded(&store);
        assert!(report.is_sound(), "{report:?}");
        assert_eq!(store.last_seq(), ChangeSeq(2));
        let expected = (0..40).filter(|number| *number != 6);
        assert_eq!(records, expected.map(|number| (number, b'd')).collect());
    }

    #[test]
    fn a_note_that_could_not_be_removed_costs_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let store = SledStore::open(&path).unwrap();
        store.commit(batch(0..20, b"a")).unwrap();
        store.note_unfinished().unwrap();
        store.commit(batch(3..5, b"b")).unwrap();
        let before = loaded(&store).0;
        drop(store);
        let store = SledStore::open(&path).unwrap();
        assert_eq!(loaded(&store).0, before);
        assert!(!store.is_unfinished());
    }
}
