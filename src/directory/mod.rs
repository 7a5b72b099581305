//! The searchable replica: one immutable snapshot for readers, one way to make the next.
//!
//! [`Directory::snapshot`] never waits. [`Directory::write`] is the only way to change anything: it
//! commits to the store first and publishes the next snapshot after, by one pointer swap.

mod affected;
mod anchors;
mod attributes_view;
mod bound;
mod build;
mod changes;
mod column;
pub mod config;
mod containers;
mod copies;
pub mod derived;
mod entries;
mod evaluate;
mod extended_dn;
mod form;
mod found;
mod identity;
mod index;
mod known;
mod links;
mod load;
mod matched;
mod naming;
mod octets;
mod packed;
mod parallel;
mod plan;
mod postings;
mod proven;
mod record;
mod reference;
mod region;
mod search;
mod selected;
mod selection;
mod shards;
mod snapshot;
mod sort;
mod source;
mod special;
mod token_groups;
mod turn;
mod write;
mod written;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use arc_swap::ArcSwap;
use uuid::Uuid;

pub use self::{
    bound::BoundFilter,
    changes::{NoPosition, Position},
    copies::Copier,
    evaluate::Subject,
    identity::{Identity, InvalidIdentity},
    load::LoadSummary,
    matched::ValueFilter,
    naming::{Diversions, Target},
    packed::{PackedAttributes, canonical_description},
    postings::Postings,
    reference::Reference,
    region::{Reach, Region},
    search::{Search, Step},
    selection::AttributeSelection,
    snapshot::{Kind, OriginId, Resolved, ServedEntry, Snapshot},
    sort::{MAX_SORT_KEYS, Order, Sorter, Unsortable, UnsortableReason},
    source::{SelectSettings, SourceRecord, SourceSettings},
    write::{DirectoryError, Transaction, WriteError},
};
use self::{turn::Turns, write::Writer};
use crate::{entry::Entry, schema::Schema, store::Store};

/// A small number that stands for an entry within one process; given out at first mention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId(pub u32);

/// The replica: what readers see, and the one writer.
#[derive(Debug)]
pub struct Directory {
    current: ArcSwap<Snapshot>,
    turns: Turns,
    writer: Mutex<Writer>,
    store: Arc<dyn Store>,
    observers: Observers,
}

/// Who is told that there is a next version.
#[derive(Default)]
struct Observers(Mutex<Vec<Box<dyn Fn() + Send + Sync>>>);

impl std::fmt::Debug for Observers {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Observers").finish_non_exhaustive()
    }
}

impl Directory {
    /// Loads everything from a store; [`Directory::index_substrings`] is to follow where it is
    /// searched.
    ///
    /// Damaged entries are left out and named in the summary. Those that came from a source are
    /// removed and all sources lose their progress, so that they fetch everything again.
    ///
    /// # Errors
    /// [`DirectoryError`] where the store cannot be read at all.
    pub fn open(
        store: Arc<dyn Store>,
        schema: Arc<Schema>,
        sources: Vec<SourceSettings>,
    ) -> Result<(Self, LoadSummary), DirectoryError> {
        let (writer, snapshot, summary) = load::load(Arc::clone(&store), schema, sources)?;
        let directory = Self {
            current: ArcSwap::from_pointee(snapshot),
            turns: Turns::default(),
            writer: Mutex::new(writer),
            store,
            observers: Observers::default(),
        };
        Ok((directory, summary))
    }

    /// Makes the substring index, which a directory is opened without: until then substring
    /// assertions are true of the same entries, but take long.
    ///
    /// Blocks for seconds where there are many entries; changes go on meanwhile, all but the last
    /// moment.
    pub fn index_substrings(&self) {
        let seen = self.snapshot();
        if seen.index.has_substrings() {
            return;
        }
        let entries = |snapshot: &Snapshot| (0..snapshot.id_bound()).map(EntryId);
        let made = seen.index.make_substrings(
            &seen.schema,
            entries(&seen).filter_map(|id| Some((id, seen.entry(id)?))),
        );
        let _turn = self.turns.take();
        let now = self.snapshot();
        let mut next = Snapshot::clone(&now);
        let changed = entries(&now).filter_map(|id| {
            let (before, after) = (seen.entry(id), now.entry(id));
            let same = before.map(Arc::as_ptr) == after.map(Arc::as_ptr);
            (!same).then_some((id, before, after))
        });
        next.index.set_substrings(&now.schema, made, changed);
        self.current.store(Arc::new(next));
    }

    /// The present version; never waits.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Calls `observer` after each version is published, for as long as the directory lives.
    ///
    /// The next change waits for it, so that it must not wait for anything.
    pub fn on_publish(&self, observer: impl Fn() + Send + Sync + 'static) {
        let observers = self.observers.0.lock();
        observers
            .unwrap_or_else(PoisonError::into_inner)
            .push(Box::new(observer));
    }

    /// The entry of an identity as it is stored, links included; a damaged one is none.
    ///
    /// Reads from the disk. A change to this entry at the same moment may be seen in part.
    ///
    /// # Errors
    /// [`DirectoryError::Store`] where it cannot be read.
    pub fn stored(&self, uuid: Uuid) -> Result<Option<Entry>, DirectoryError> {
        let snapshot = self.snapshot();
        if snapshot
            .id_of(uuid)
            .and_then(|id| snapshot.entry(id))
            .is_none()
        {
            return Ok(None);
        }
        write::read_entry(self.store.as_ref(), uuid)
    }

    /// Puts local entries into a directory that is closed with it: a part of the work of
    /// [`Directory::write`], since nobody will see the version that shows them.
    ///
    /// Blocks. All of it is durable when this returns, or nothing.
    ///
    /// # Errors
    /// [`DirectoryError::Store`] where the store failed.
    pub fn fill(self, entries: impl IntoIterator<Item = Entry>) -> Result<(), DirectoryError> {
        let last = self.snapshot();
        let writer = self.writer.into_inner();
        let writer = writer.unwrap_or_else(PoisonError::into_inner);
        writer.fill(&last, entries.into_iter())
    }

    /// Runs a change: all of it is durable and visible when this returns, or nothing.
    ///
    /// Changes follow one another; this blocks meanwhile, and on the disk.
    ///
    /// # Errors
    /// [`WriteError::Refused`] with what `change` returned, [`WriteError::Directory`] where the
    /// store failed. Nothing is changed then.
    pub fn write<T, E>(
        &self,
        change: impl FnOnce(&mut Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, WriteError<E>> {
        let _turn = self.turns.take();
        self.write_in_turn(change).map(|(value, _)| value)
    }

    /// Runs a change as [`Directory::write`] does, and gives the version that shows it and nothing
    /// that came after it; `None` where other changes went on until `deadline`.
    ///
    /// # Errors
    /// As [`Directory::write`].
    pub fn write_by<T, E>(
        &self,
        deadline: Instant,
        change: impl FnOnce(&mut Transaction<'_>) -> Result<T, E>,
    ) -> Result<Option<(T, Arc<Snapshot>)>, WriteError<E>> {
        let Some(_turn) = self.turns.take_by(deadline) else {
            return Ok(None);
        };
        self.write_in_turn(change).map(Some)
    }

    fn write_in_turn<T, E>(
        &self,
        change: impl FnOnce(&mut Transaction<'_>) -> Result<T, E>,
    ) -> Result<(T, Arc<Snapshot>), WriteError<E>> {
        // A panic in a change leaves the writer as it was: it changes only after the commit.
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let last = self.snapshot();
        let mut transaction = Transaction::new(&writer, &last);
        let value = change(&mut transaction).map_err(WriteError::Refused)?;
        match transaction.into_changes()? {
            Some(changes) => {
                let next = Arc::new(writer.commit(changes)?);
                self.current.store(Arc::clone(&next));
                let observers = self.observers.0.lock();
                for observer in observers.unwrap_or_else(PoisonError::into_inner).iter() {
                    observer();
                }
                Ok((value, next))
            }
            None => Ok((value, last)),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
