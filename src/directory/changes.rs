//! The change log: which entries each of the last commits affected, as clients see them.
//!
//! It is part of every snapshot and of the store, where it is written in the same commit as the
//! entries. What it says ends at its floor: a commit that affects too much to be logged is a cut,
//! and the oldest commits fall out of it. Whoever saw an older version than that must look at
//! everything.
//!
//! | record | payload |
//! | --- | --- |
//! | `changes` | the log's identity (16), a fingerprint of what entries are made by (8), sequence and tag of the floor (8 each, big endian) |
//! | `changes/`, sequence, `/`, part (hexadecimal) | tag of the commit (8), the identities of entries (16 each) |

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    record::{self, Records},
    snapshot::Snapshot,
    source::SourceSettings,
};
use crate::{
    schema::Schema,
    store::{Batch, ChangeSeq},
};

/// The meta records of the log start so.
pub(super) const CHANGES: &str = "changes";
/// Entries that one commit may affect and still be logged.
pub(super) const MAX_AFFECTED: usize = 4096;
/// Entries that all commits of the log may affect together.
const MAX_LOGGED: usize = 4 * MAX_AFFECTED;
/// Entries in one record, which holds 8 KiB.
const IN_RECORD: usize = 500;

/// The last commits, oldest first.
#[derive(Clone, Debug)]
pub(super) struct ChangeLog {
    /// Of this log alone; another one begins where a store is damaged or entries are made otherwise.
    identity: Uuid,
    fingerprint: [u8; 8],
    floor: Mark,
    commits: imbl::OrdMap<ChangeSeq, Arc<Commit>>,
    /// Entries in all commits.
    logged: usize,
    /// Whether the store knows identity and floor.
    is_kept: bool,
}

/// A commit; the tag tells it from one of another history, as after a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    seq: ChangeSeq,
    tag: u64,
}

#[derive(Debug)]
struct Commit {
    tag: u64,
    affected: Box<[Uuid]>,
}

/// A version of a directory, told from those of every other store and history.
///
/// Its text is opaque to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    log: Uuid,
    /// The version's own sequence.
    seq: ChangeSeq,
    /// The tag of the last logged commit up to it.
    tag: u64,
}

impl ChangeLog {
    /// A log that begins after a commit.
    fn begin(fingerprint: [u8; 8], seq: ChangeSeq) -> Self {
        Self {
            identity: Uuid::new_v4(),
            fingerprint,
            floor: Mark { seq, tag: tag() },
            commits: imbl::OrdMap::new(),
            logged: 0,
            is_kept: false,
        }
    }

    /// A log for a directory that is not loaded yet.
    pub(super) fn empty() -> Self {
        Self::begin([0; 8], ChangeSeq(0))
    }

    /// Adds a commit, and what it changes of the log to the commit's batch; `None` for more than
    /// can be logged.
    pub(super) fn record(
        &mut self,
        seq: ChangeSeq,
        affected: Option<Vec<Uuid>>,
        batch: &mut Batch,
    ) {
        let tag = tag();
        match affected {
            Some(affected) if affected.is_empty() => {}
            Some(affected) => {
                let commit = Commit {
                    tag,
                    affected: affected.into(),
                };
                for (key, payload) in commit.records(seq) {
                    batch.operations.insert(key, Some(payload));
                }
                self.logged += commit.affected.len();
                self.commits.insert(seq, Arc::new(commit));
                if self.logged > MAX_LOGGED {
                    self.shrink(batch);
                }
            }
            None => {
                while self.drop_oldest(batch) {}
                self.floor = Mark { seq, tag };
                self.is_kept = false;
            }
        }
        if !self.is_kept {
            self.is_kept = true;
            batch
                .operations
                .insert(record::meta_key(CHANGES), Some(self.header()));
        }
    }

    /// Makes room for a while, since the floor is a record too.
    fn shrink(&mut self, batch: &mut Batch) {
        while self.logged > MAX_LOGGED / 4 * 3 && self.drop_oldest(batch) {}
        self.is_kept = false;
    }

    fn drop_oldest(&mut self, batch: &mut Batch) -> bool {
        let Some((seq, commit)) = self
            .commits
            .get_min()
            .map(|(seq, commit)| (*seq, Arc::clone(commit)))
        else {
            return false;
        };
        self.commits.remove(&seq);
        self.logged -= commit.affected.len();
        self.floor = Mark {
            seq,
            tag: commit.tag,
        };
        for key in commit.records(seq).into_keys() {
            batch.operations.insert(key, None);
        }
        true
    }

    fn header(&self) -> Vec<u8> {
        [
            self.identity.as_bytes().as_slice(),
            &self.fingerprint,
            &self.floor.seq.0.to_be_bytes(),
            &self.floor.tag.to_be_bytes(),
        ]
        .concat()
    }

    /// The last logged commit up to a sequence.
    fn mark(&self, seq: ChangeSeq) -> Option<Mark> {
        if let Some((seq, commit)) = self.commits.range(..=seq).next_back() {
            return Some(Mark {
                seq: *seq,
                tag: commit.tag,
            });
        }
        (self.floor.seq <= seq).then_some(self.floor)
    }

    /// The entries affected after a sequence; `None` where that is no longer known.
    fn since(&self, seq: ChangeSeq) -> Option<impl Iterator<Item = Uuid> + '_> {
        let next = ChangeSeq(seq.0 + 1);
        (self.floor.seq <= seq).then(|| {
            let later = self.commits.range(next..);
            later.flat_map(|(_, commit)| commit.affected.iter().copied())
        })
    }
}

impl Commit {
    fn records(&self, seq: ChangeSeq) -> Records {
        let parts = self.affected.chunks(IN_RECORD).enumerate();
        parts
            .map(|(part, affected)| {
                let key = record::meta_key(&format!("{CHANGES}/{:016x}/{part:04x}", seq.0));
                let mut payload = self.tag.to_be_bytes().to_vec();
                for uuid in affected {
                    payload.extend_from_slice(uuid.as_bytes());
                }
                (key, payload)
            })
            .collect()
    }
}

impl Snapshot {
    /// Where this version stands in the history of its store.
    pub fn position(&self) -> Position {
        let log = &self.changes;
        Position {
            log: log.identity,
            seq: self.seq,
            tag: log.mark(self.seq).unwrap_or(log.floor).tag,
        }
    }

    /// The entries that look different in this version than in an older one, and perhaps some that
    /// do not; those that are gone as well. `None` where the log does not reach back so far, or
    /// where the position is of another history.
    pub fn affected_since(&self, position: &Position) -> Option<Vec<Uuid>> {
        let log = &self.changes;
        let known = position.log == log.identity
            && position.seq <= self.seq
            && log.mark(position.seq)?.tag == position.tag;
        let mut affected: Vec<Uuid> = known.then(|| log.since(position.seq))??.collect();
        affected.sort_unstable();
        affected.dedup();
        Some(affected)
    }
}

impl Position {
    /// How many commits lie between an older version and this one.
    pub fn commits_since(&self, before: &Self) -> u64 {
        self.seq.0.saturating_sub(before.seq.0)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}.{:x}.{:016x}",
            self.log.simple(),
            self.seq.0,
            self.tag
        )
    }
}

/// A text that is no position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is none of this server's")]
pub struct NoPosition;

impl FromStr for Position {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        let mut parts = text.split('.');
        let mut part = || parts.next().ok_or(NoPosition);
        let number = |text: &str| u64::from_str_radix(text, 16).map_err(|_| NoPosition);
        let position = Self {
            log: Uuid::try_parse(part()?).map_err(|_| NoPosition)?,
            seq: ChangeSeq(number(part()?)?),
            tag: number(part()?)?,
        };
        // In one spelling only.
        (position.to_string() == text)
            .then_some(position)
            .ok_or(NoPosition)
    }
}

/// The log as the records of a store tell it.
#[derive(Debug, Default)]
pub(super) struct ChangeLoader {
    records: Records,
}

impl ChangeLoader {
    /// Takes a record whose name begins with [`CHANGES`].
    pub(super) fn take(&mut self, name: &str, payload: &[u8]) {
        self.records
            .insert(record::meta_key(name), payload.to_vec());
    }

    /// Takes note of a damaged record, if it is one of the log.
    pub(super) fn take_damaged(&mut self, key: &[u8]) {
        if key.starts_with(&record::meta_key(CHANGES)) {
            self.records.insert(key.to_vec(), Vec::new());
        }
    }

    /// The log, where it is whole and entries are made as they were; otherwise one that begins
    /// with the version that is loaded, and `repair` removes the old one.
    pub(super) fn finish(
        self,
        is_sound: bool,
        fingerprint: [u8; 8],
        seq: ChangeSeq,
        repair: &mut Batch,
    ) -> ChangeLog {
        let kept = is_sound
            .then(|| self.read())
            .flatten()
            .filter(|log| log.fingerprint == fingerprint && log.floor.seq <= seq);
        kept.unwrap_or_else(|| {
            for key in self.records.into_keys() {
                repair.operations.insert(key, None);
            }
            ChangeLog::begin(fingerprint, seq)
        })
    }

    fn read(&self) -> Option<ChangeLog> {
        let header = self.records.get(&record::meta_key(CHANGES))?;
        let (identity, rest) = header.split_first_chunk()?;
        let (fingerprint, rest) = rest.split_first_chunk()?;
        let (seq, tag) = rest.split_first_chunk()?;
        let mut log = ChangeLog {
            identity: Uuid::from_bytes(*identity),
            fingerprint: *fingerprint,
            floor: Mark {
                seq: ChangeSeq(u64::from_be_bytes(*seq)),
                tag: u64::from_be_bytes(tag.try_into().ok()?),
            },
            commits: imbl::OrdMap::new(),
            logged: 0,
            is_kept: true,
        };
        let mut commits: BTreeMap<ChangeSeq, (u64, Vec<Uuid>)> = BTreeMap::new();
        let prefix = record::meta_key(&format!("{CHANGES}/"));
        for (key, payload) in &self.records {
            let Some(name) = key.strip_prefix(prefix.as_slice()) else {
                continue;
            };
            let (seq, _) = std::str::from_utf8(name).ok()?.split_once('/')?;
            let seq = ChangeSeq(u64::from_str_radix(seq, 16).ok()?);
            let (tag, uuids) = payload.split_first_chunk()?;
            let (uuids, []) = uuids.as_chunks::<16>() else {
                return None;
            };
            let commit = commits.entry(seq).or_default();
            commit.0 = u64::from_be_bytes(*tag);
            commit.1.extend(uuids.iter().copied().map(Uuid::from_bytes));
        }
        for (seq, (tag, affected)) in commits {
            log.logged += affected.len();
            let affected = affected.into();
            log.commits.insert(seq, Arc::new(Commit { tag, affected }));
        }
        Some(log)
    }
}

/// What decides how stored entries look: after a change of it all may look different, and no log
/// says so.
pub(super) fn fingerprint(schema: &Schema, sources: &[SourceSettings]) -> [u8; 8] {
    let mut hash = Sha256::new();
    hash.update(env!("CARGO_PKG_VERSION"));
    hash.update(format!("{sources:?}"));
    for definition in schema
        .attribute_type_definitions()
        .iter()
        .chain(&schema.object_class_definitions())
    {
        hash.update(definition);
    }
    let digest: [u8; 32] = hash.finalize().into();
    digest.first_chunk().copied().unwrap_or_default()
}

fn tag() -> u64 {
    Uuid::new_v4().as_u64_pair().0
}
