//! The engine of production: sled 0.34, with remedies for what is known to be wrong with it.
//!
//! 1. A crash while sled writes a snapshot of its page table leaves a file that it later takes for
//!    a snapshot and stumbles over. Such files are removed before it starts, and where it still
//!    calls a snapshot corrupt, all of them are set aside and it rebuilds the table from its log.
//! 2. `flush` hands the data to the operating system, but on Linux no further. After it the log
//!    file is synced through a handle of our own.
//! 3. Large values go to files that are never synced: hence [`MAX_PAYLOAD`](super::MAX_PAYLOAD).
//! 4. Not every flipped bit is noticed: hence the frames and the tally.
//! 5. Of a log that was cut it makes an older state or even an empty one, and says nothing: hence
//!    a note of its own file of how far the store had come, see [`Reached`].
//!
//! Everything is in one tree, since a batch is atomic within one tree only.

mod files;
mod portions;
mod reached;

use std::{
    fs::{DirBuilder, File},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use ::sled::{Db, IVec};

use self::{
    files::{
        io_error, remove_unfinished_snapshots, set_snapshots_aside, sync_new_files, take_lock,
    },
    reached::Reached,
};
use super::{
    Batch, ChangeSeq, CorruptRecord, FrameError, LoadReport, Store, StoreError, Visit,
    record::{self, TALLY_KEY, Tally, Walk},
};

/// Sled's page cache, in octets.
///
/// A store that was filled before is read once, at the start, and then by the few changes that come,
/// so that little will do.
const CACHE_CAPACITY: u64 = 2 * 1024 * 1024;

/// The same while a store is filled for the first time: with half of it a first import of 300,000
/// entries takes half as long again.
const FIRST_CACHE_CAPACITY: u64 = 32 * 1024 * 1024;

/// Of how many records one is looked up again while all are read.
///
/// Sled asks whether its cache is full only after every 64th look at one of the pages of each
/// 256th part of it, so that up to 16,000 pages would stay that nobody needs any more.
const LOOK_AGAIN: usize = 4;

/// How long sled may take to let go of its files after it was closed.
const CLOSING: Duration = Duration::from_secs(1);

/// Sled's log, in the store's directory.
const LOG_FILE: &str = "db";

/// How many commits may pass until that file is written again.
const REACHED_INTERVAL: u64 = 256;

/// A store in a directory of its own.
#[derive(Debug)]
pub struct SledStore {
    directory: PathBuf,
    db: Db,
    log: File,
    /// The last commit that is on the disk; changed by the writer only.
    last_seq: AtomicU64,
    writer: Mutex<Writer>,
    reached: Reached,
    // Let go last, when sled is closed.
    _lock: File,
}

/// What only the one who commits needs.
#[derive(Debug)]
struct Writer {
    records: u64,
    /// Set while a commit is under way, so that one that fails or panics leaves it set.
    halted: bool,
}

impl SledStore {
    /// Opens the store in `directory`, which is made (mode 0700) where it does not exist.
    ///
    /// # Errors
    /// [`StoreError::InUse`] while another process has it open; [`StoreError::Version`] for a store
    /// of another version; [`StoreError::Engine`] and [`StoreError::Io`] where it cannot be read.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|source| io_error("make the directory", directory, source))?;
        // Nothing may be touched before this: the files may be those of a running process.
        let lock = take_lock(directory)?;
        remove_unfinished_snapshots(directory)?;
        let reached = Reached::read(directory)?;
        let db = start(directory)?;
        let log_path = directory.join(LOG_FILE);
        let log = File::open(&log_path).map_err(|source| io_error("open", &log_path, source))?;
        sync_new_files(directory)?;
        let store = Self {
            directory: directory.to_owned(),
            db,
            log,
            last_seq: AtomicU64::new(0),
            writer: Mutex::new(Writer {
                records: 0,
                halted: false,
            }),
            reached,
            _lock: lock,
        };
        store.clean_up()?;
        let tally = store.read_tally()?;
        store.adopt(&mut store.writer(), tally);
        store.reached.raise(tally.last_seq)?;
        Ok(store)
    }

    fn read_tally(&self) -> Result<Tally, StoreError> {
        let frame = self
            .db
            .get(TALLY_KEY)
            .map_err(|error| self.engine_error("read", &error))?;
        let reason = match frame.as_deref().map(Tally::decode) {
            Some(Ok(tally)) => return Ok(tally),
            None if self.db.is_empty() => return Ok(Tally::default()),
            None => FrameError::TallyMissing,
            Some(Err(reason)) => reason,
        };
        match record::unreadable(TALLY_KEY, reason) {
            StoreError::Corrupt(record) => {
                tracing::warn!(directory = %self.directory.display(), %record, "counting the store's records anew");
                Ok(self.walk(&mut |_, _| {})?.1)
            }
            error => Err(error),
        }
    }

    fn adopt(&self, writer: &mut Writer, tally: Tally) {
        writer.records = tally.records;
        self.last_seq.store(tally.last_seq.0, Ordering::Release);
    }

    /// The caller holds the writer, else the report mixes the states before and after a commit.
    fn walk(&self, visit: Visit<'_>) -> Result<(LoadReport, Tally), StoreError> {
        let mut walk = Walk::new(self.last_seq(), visit);
        let records = self.db.iter().enumerate().map(|(number, record)| {
            if number.is_multiple_of(LOOK_AGAIN)
                && let Ok((key, _)) = &record
            {
                self.db.contains_key(key)?;
            }
            record
        });
        self.feed(&mut walk, records)?;
        let (mut report, mut tally) = walk.finish();
        report.reached = self.reached.seq();
        // Sequences are never given out twice, even when the commits they stood for are lost.
        tally.last_seq = tally.last_seq.max(report.reached);
        Ok((report, tally))
    }

    fn feed(
        &self,
        walk: &mut Walk<'_>,
        records: impl Iterator<Item = ::sled::Result<(IVec, IVec)>>,
    ) -> Result<(), StoreError> {
        for record in records {
            let (key, frame) = record.map_err(|error| self.engine_error("read", &error))?;
            walk.take(&key, &frame)?;
        }
        Ok(())
    }

    /// Removes what a crash left of a large commit. Whatever else is newer than the tally is damage,
    /// which is told of and not made greater.
    fn clean_up(&self) -> Result<(), StoreError> {
        if !self.is_unfinished() {
            return Ok(());
        }
        let frame = self
            .db
            .get(TALLY_KEY)
            .map_err(|error| self.engine_error("read", &error))?;
        match frame.as_deref().map(Tally::decode) {
            Some(Ok(tally)) => self.remove_newer(tally.last_seq),
            // There was no commit before it.
            None if self.reached.seq() == ChangeSeq(0) => self.remove_newer(ChangeSeq(0)),
            // Nobody can tell what belongs to it.
            Some(Err(_)) | None => Ok(()),
        }
    }

    /// Builds sled's batch, and the tally after it.
    fn prepare(&self, batch: Batch, tally: &mut Tally) -> Result<::sled::Batch, StoreError> {
        let mut prepared = ::sled::Batch::default();
        for (key, payload) in batch.operations {
            let exists = self.contains(&key)?;
            match payload {
                Some(payload) => {
                    tally.records += u64::from(!exists);
                    let frame = record::encode(tally.last_seq, &key, &payload);
                    prepared.insert(key, frame);
                }
                None if exists => {
                    tally.records = tally.records.saturating_sub(1);
                    prepared.remove(key);
                }
                None => {}
            }
        }
        prepared.insert(TALLY_KEY, tally.encode());
        Ok(prepared)
    }

    fn contains(&self, key: &[u8]) -> Result<bool, StoreError> {
        self.db
            .contains_key(key)
            .map_err(|error| self.engine_error("read", &error))
    }

    fn apply(&self, batch: ::sled::Batch) -> Result<(), StoreError> {
        self.db
            .apply_batch(batch)
            .map_err(|error| self.engine_error("write to", &error))
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.db
            .flush()
            .map_err(|error| self.engine_error("flush", &error))?;
        self.log
            .sync_data()
            .map_err(|source| io_error("sync", &self.directory.join(LOG_FILE), source))
    }

    // Whatever a panic left behind is covered by `halted`.
    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn engine_error(&self, action: &'static str, error: &::sled::Error) -> StoreError {
        engine_error(action, &self.directory, error)
    }
}

impl Store for SledStore {
    fn load(&self, visit: Visit<'_>) -> Result<LoadReport, StoreError> {
        let mut writer = self.writer();
        let (report, tally) = self.walk(visit)?;
        self.adopt(&mut writer, tally);
        Ok(report)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if record::is_reserved(key) {
            return Ok(None);
        }
        self.db
            .get(key)
            .map_err(|error| self.engine_error("read", &error))?
            .map(|frame| record::payload(key, &frame))
            .transpose()
    }

    fn scan(&self, prefix: &[u8], visit: Visit<'_>) -> Result<Vec<CorruptRecord>, StoreError> {
        let mut walk = Walk::new(self.last_seq(), visit);
        let records = self
            .db
            .scan_prefix(prefix)
            .filter(|record| !matches!(record, Ok((key, _)) if record::is_reserved(key)));
        self.feed(&mut walk, records)?;
        Ok(walk.damaged())
    }

    fn commit(&self, batch: Batch) -> Result<ChangeSeq, StoreError> {
        record::check(&batch)?;
        let mut writer = self.writer();
        if writer.halted {
            return Err(StoreError::Halted);
        }
        let last_seq = self.last_seq();
        if batch.operations.is_empty() {
            return Ok(last_seq);
        }
        let mut after = Tally {
            last_seq: ChangeSeq(last_seq.0 + 1),
            records: writer.records,
        };
        writer.halted = true;
        let is_large = portions::is_large(&batch);
        let rest = if is_large {
            self.apply_new(batch, &mut after)?
        } else {
            batch
        };
        let prepared = self.prepare(rest, &mut after)?;
        self.apply(prepared)?;
        self.sync()?;
        if is_large {
            self.note_finished();
        }
        if after.last_seq.0 == 1 || after.last_seq.0.is_multiple_of(REACHED_INTERVAL) {
            self.reached.raise(after.last_seq)?;
        }
        writer.halted = false;
        self.adopt(&mut writer, after);
        Ok(after.last_seq)
    }

    fn last_seq(&self) -> ChangeSeq {
        ChangeSeq(self.last_seq.load(Ordering::Acquire))
    }

    fn verify(&self) -> Result<LoadReport, StoreError> {
        let _writer = self.writer();
        Ok(self.walk(&mut |_, _| {})?.0)
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        // Every commit is on the disk already; this is for what sled moved about since.
        let closed = self
            .sync()
            .and_then(|()| self.reached.raise(self.last_seq()));
        if let Err(error) = closed {
            tracing::error!(%error, "closing the store");
        }
    }
}

/// Opens sled, where need be without its snapshots.
fn start(directory: &Path) -> Result<Db, StoreError> {
    let is_new = !directory.join(LOG_FILE).exists();
    let config = ::sled::Config::new()
        .path(directory)
        .cache_capacity(if is_new {
            FIRST_CACHE_CAPACITY
        } else {
            CACHE_CAPACITY
        });
    let error = match open_when_closed(&config) {
        Ok(db) => return Ok(db),
        Err(error) => error,
    };
    let may_be_snapshot = matches!(
        error,
        ::sled::Error::Corruption { .. } | ::sled::Error::ReportableBug(_)
    );
    if may_be_snapshot && set_snapshots_aside(directory)? {
        return config
            .open()
            .map_err(|error| engine_error("open", directory, &error));
    }
    Err(engine_error("open", directory, &error))
}

/// Opens sled; waits for one of this process that is being closed.
///
/// Our own lock is held, so that sled's is most likely held by threads of its own, which end a
/// moment after it is let go.
#[allow(
    clippy::disallowed_methods,
    reason = "sled tells nobody when it is done"
)]
fn open_when_closed(config: &::sled::Config) -> ::sled::Result<Db> {
    let deadline = Instant::now() + CLOSING;
    loop {
        match config.open() {
            Err(error) if is_taken(&error) && Instant::now() < deadline => {
                thread::sleep(CLOSING / 100);
            }
            outcome => return outcome,
        }
    }
}

/// Whether somebody holds sled's lock, which it tells by its text alone.
fn is_taken(error: &::sled::Error) -> bool {
    matches!(error, ::sled::Error::Io(source) if source.to_string().starts_with("could not acquire lock"))
}

fn engine_error(action: &'static str, directory: &Path, error: &::sled::Error) -> StoreError {
    // Ours is taken before, so this is a foreign tool.
    if is_taken(error) {
        return StoreError::InUse {
            directory: directory.to_owned(),
            holder: None,
        };
    }
    StoreError::Engine {
        action,
        directory: directory.to_owned(),
        reason: error.to_string(),
    }
}

#[cfg(test)]
impl SledStore {
    /// Changes a raw record behind the store's back; `None` takes it away.
    pub(super) fn tamper(&self, key: &[u8], change: impl Fn(&mut Vec<u8>) -> Option<()>) -> bool {
        let Some(frame) = self.db.get(key).unwrap() else {
            return false;
        };
        let mut frame = frame.to_vec();
        match change(&mut frame) {
            Some(()) => self.db.insert(key, frame).unwrap(),
            None => self.db.remove(key).unwrap(),
        };
        true
    }
}
