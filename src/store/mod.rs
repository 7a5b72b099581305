//! Durable records; the only place that knows sled.
//!
//! A store is an ordered map from keys to payloads that changes by atomic, durable commits. Its
//! reader is the start of the process, which takes everything into memory; after that it is
//! written to, and read only entry by entry. Keys that begin with `0x00` are the store's own.

mod memory;
mod record;
mod sled;

#[cfg(test)]
mod contract;

use std::{collections::BTreeMap, io, path::PathBuf};

pub use self::{memory::MemoryStore, record::FrameError, sled::SledStore};

/// The position of a commit in the order of all commits of one store, from 1 on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeSeq(pub u64);

/// The largest payload of one record, in octets.
///
/// Larger values make sled 0.34 write files beside its log that it never syncs.
pub const MAX_PAYLOAD: usize = 8 * 1024 - 64;

/// The longest key, in octets.
pub const MAX_KEY: usize = 1024;

/// What one commit does: for each key a new payload, or `None` to remove the record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Keys in order, so that two engines see the same sequence.
    pub operations: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

/// What [`Store::load`] and [`Store::scan`] call with key and payload of each sound record.
pub type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]);

/// Records on durable storage, in the order of their keys.
///
/// All methods may be called from several threads; commits follow one another.
pub trait Store: Send + Sync + std::fmt::Debug {
    /// Visits every sound record in key order.
    ///
    /// Damaged records are not visited but listed in the report. When the report is not
    /// [sound](LoadReport::is_sound), something was lost: whoever has the data from elsewhere must
    /// fetch it again, and should say so in the next commit (e.g. by removing a cookie), since from
    /// then on the store counts from what it found. Commits wait until the load is over; `visit`
    /// must not commit.
    ///
    /// # Errors
    /// [`StoreError::Version`] for records of another version; [`StoreError::Engine`] or
    /// [`StoreError::Io`] where reading failed.
    fn load(&self, visit: Visit<'_>) -> Result<LoadReport, StoreError>;

    /// The payload of one record.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for a damaged record; otherwise as for [`Store::load`].
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Visits the sound records whose keys begin with `prefix` in key order; returns the damaged.
    ///
    /// A commit meanwhile may be seen in part; `visit` must not commit.
    ///
    /// # Errors
    /// As for [`Store::load`].
    fn scan(&self, prefix: &[u8], visit: Visit<'_>) -> Result<Vec<CorruptRecord>, StoreError>;

    /// Applies the whole batch or nothing; what it returns is on the disk.
    ///
    /// An empty batch writes nothing and returns the sequence of the last commit.
    ///
    /// # Errors
    /// Refused before anything is written: [`StoreError::EmptyKey`], [`StoreError::ReservedKey`],
    /// [`StoreError::KeyTooLong`], [`StoreError::PayloadTooLarge`]. Any other error leaves open
    /// whether the batch is on the disk; the store then refuses further commits with
    /// [`StoreError::Halted`] until it is opened again.
    fn commit(&self, batch: Batch) -> Result<ChangeSeq, StoreError>;

    /// The sequence of the last commit; 0 for a store nothing was ever written to.
    fn last_seq(&self) -> ChangeSeq;

    /// Reads and checks every record, changes nothing; commits wait meanwhile.
    ///
    /// # Errors
    /// As for [`Store::load`].
    fn verify(&self) -> Result<LoadReport, StoreError>;
}

/// What a walk over all records found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Sound records.
    pub records: u64,
    /// Damaged records, in key order.
    pub corrupt: Vec<CorruptRecord>,
    /// The sequence of the last commit.
    pub last_seq: ChangeSeq,
    /// A sequence the store is known to have reached; beyond `last_seq` where its end was cut off.
    pub reached: ChangeSeq,
    /// How many records the last commit left; `None` where that note itself is damaged.
    pub expected_records: Option<u64>,
    /// Sound records of a later commit than the last one noted: parts of the store are older than
    /// others.
    pub newer_than_last_seq: u64,
}

impl LoadReport {
    /// How many records are gone without a trace.
    pub fn missing(&self) -> u64 {
        self.expected_records
            .unwrap_or(0)
            .saturating_sub(self.present())
    }

    /// Whether every record was there and undamaged, as far as anybody can tell.
    pub fn is_sound(&self) -> bool {
        self.corrupt.is_empty()
            && self.newer_than_last_seq == 0
            && self.reached <= self.last_seq
            && self.expected_records == Some(self.records)
    }

    /// Records that are there, sound or damaged; the store's own are not counted.
    fn present(&self) -> u64 {
        let damaged = self
            .corrupt
            .iter()
            .filter(|record| !record::is_reserved(&record.key))
            .count();
        self.records + damaged as u64
    }
}

/// A record that is there but cannot be believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record '{}' is damaged: {reason}", key.escape_ascii())]
pub struct CorruptRecord {
    /// The key it was found under.
    pub key: Vec<u8>,
    /// What is wrong with it.
    pub reason: FrameError,
}

/// Why a store could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A batch with an empty key.
    #[error("a record needs a key")]
    EmptyKey,
    /// A batch with a key that begins with `0x00`.
    #[error("key '{}' is reserved for the store itself", key.escape_ascii())]
    ReservedKey {
        /// The key.
        key: Vec<u8>,
    },
    /// A batch with a key longer than [`MAX_KEY`].
    #[error("a key has {length} octets, {MAX_KEY} are allowed")]
    KeyTooLong {
        /// The key's length.
        length: usize,
    },
    /// A batch with a payload longer than [`MAX_PAYLOAD`].
    #[error(
        "the payload of '{}' has {length} octets, {MAX_PAYLOAD} are allowed",
        key.escape_ascii()
    )]
    PayloadTooLarge {
        /// The key.
        key: Vec<u8>,
        /// The payload's length.
        length: usize,
    },
    /// The record asked for is damaged.
    #[error(transparent)]
    Corrupt(#[from] CorruptRecord),
    /// The records were written by another version of this program.
    #[error(
        "the store has records of format {found}, this program reads format {expected}: start the \
         version that wrote them, export with it, and import into a new store"
    )]
    Version {
        /// The version found.
        found: u8,
        /// The version this program reads and writes.
        expected: u8,
    },
    /// Another process has the store open.
    #[error(
        "the store in {} is held by another adduct{}: stop it first, or talk to it over its admin \
         socket",
        directory.display(),
        holder.map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    InUse {
        /// The store's directory.
        directory: PathBuf,
        /// The process that holds it, where that is known.
        holder: Option<u32>,
    },
    /// The operating system refused something.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// The answer.
        source: io::Error,
    },
    /// The storage engine failed.
    #[error("cannot {action} the store in {}: {reason}", directory.display())]
    Engine {
        /// What was tried.
        action: &'static str,
        /// The store's directory.
        directory: PathBuf,
        /// The engine's words.
        reason: String,
    },
    /// An earlier commit failed half-way, so nobody knows what is on the disk.
    #[error("an earlier commit failed; nothing is written until the store is opened again")]
    Halted,
    /// A failure a test asked for.
    #[error("this commit was told to fail")]
    Injected,
}

impl StoreError {
    /// Whether the same call may succeed later although nobody repaired anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::InUse { .. } | Self::Injected => true,
            Self::Io { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
            ),
            _ => false,
        }
    }
}
