//! The engine for tests: the same frames in a map, and faults on demand.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use super::{
    Batch, ChangeSeq, CorruptRecord, LoadReport, Store, StoreError, Visit,
    record::{self, TALLY_KEY, Tally, Walk},
};

/// A store that forgets everything when it is dropped.
#[derive(Debug, Default)]
pub struct MemoryStore {
    contents: RwLock<Contents>,
}

#[derive(Debug, Default)]
struct Contents {
    frames: BTreeMap<Vec<u8>, Vec<u8>>,
    tally: Tally,
    fail_next_commit: bool,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the next commit fail with [`StoreError::Injected`]; it changes nothing then.
    pub fn fail_next_commit(&self) {
        self.write().fail_next_commit = true;
    }

    /// Damages the record under `key`; returns whether there is one.
    pub fn corrupt(&self, key: &[u8]) -> bool {
        match self
            .write()
            .frames
            .get_mut(key)
            .and_then(|frame| frame.last_mut())
        {
            Some(octet) => {
                *octet ^= 1;
                true
            }
            None => false,
        }
    }

    /// Takes the record under `key` away behind the store's back; returns whether there was one.
    pub fn lose(&self, key: &[u8]) -> bool {
        self.write().frames.remove(key).is_some()
    }

    // A panic of another thread leaves the map as it was or with a whole commit, see `commit`.
    fn read(&self) -> RwLockReadGuard<'_, Contents> {
        self.contents.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Contents> {
        self.contents
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Contents {
    fn walk(&self, visit: Visit<'_>) -> Result<(LoadReport, Tally), StoreError> {
        let mut walk = Walk::new(self.tally.last_seq, visit);
        for (key, frame) in &self.frames {
            walk.take(key, frame)?;
        }
        Ok(walk.finish())
    }
}

impl Store for MemoryStore {
    fn load(&self, visit: Visit<'_>) -> Result<LoadReport, StoreError> {
        let mut contents = self.write();
        let (report, tally) = contents.walk(visit)?;
        contents.tally = tally;
        Ok(report)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if record::is_reserved(key) {
            return Ok(None);
        }
        self.read()
            .frames
            .get(key)
            .map(|frame| record::payload(key, frame))
            .transpose()
    }

    fn scan(&self, prefix: &[u8], visit: Visit<'_>) -> Result<Vec<CorruptRecord>, StoreError> {
        let contents = self.read();
        let mut walk = Walk::new(contents.tally.last_seq, visit);
        for (key, frame) in contents.frames.range(prefix.to_vec()..) {
            if !key.starts_with(prefix) {
                break;
            }
            if !record::is_reserved(key) {
                walk.take(key, frame)?;
            }
        }
        Ok(walk.damaged())
    }

    fn commit(&self, batch: Batch) -> Result<ChangeSeq, StoreError> {
        record::check(&batch)?;
        let mut contents = self.write();
        if batch.operations.is_empty() {
            return Ok(contents.tally.last_seq);
        }
        if std::mem::take(&mut contents.fail_next_commit) {
            return Err(StoreError::Injected);
        }
        let last_seq = ChangeSeq(contents.tally.last_seq.0 + 1);
        for (key, payload) in batch.operations {
            match payload {
                Some(payload) => {
                    let frame = record::encode(last_seq, &key, &payload);
                    if contents.frames.insert(key, frame).is_none() {
                        contents.tally.records += 1;
                    }
                }
                None => {
                    if contents.frames.remove(&key).is_some() {
                        contents.tally.records = contents.tally.records.saturating_sub(1);
                    }
                }
            }
        }
        contents.tally.last_seq = last_seq;
        let tally = contents.tally.encode();
        contents.frames.insert(TALLY_KEY.to_vec(), tally);
        Ok(last_seq)
    }

    fn last_seq(&self) -> ChangeSeq {
        self.read().tally.last_seq
    }

    fn verify(&self) -> Result<LoadReport, StoreError> {
        Ok(self.read().walk(&mut |_, _| {})?.0)
    }
}
