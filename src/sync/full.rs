//! A round that reads everything: applied while it comes in, in one change that only a complete
//! answer ends.

use std::{
    collections::HashSet,
    sync::mpsc::{Receiver, RecvError},
};

use thiserror::Error;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::apply::{self, Applied, Kept, Place};
use crate::{
    directory::{Directory, DirectoryError, SourceRecord, Transaction, WriteError},
    entry::Entry,
    mapping::sid::Sid,
    upstream::DirSyncObject,
};

/// What a full round hands to the thread that applies it.
#[derive(Debug)]
pub(super) enum Piece {
    /// The next object. The same one may come again.
    Object(Box<DirSyncObject>),
    /// Asks for the superiors that did not come.
    MissingParents(oneshot::Sender<Vec<Uuid>>),
    /// A container that stands for a superior of another kind.
    StandIn(Box<DirSyncObject>),
    /// All is there: what is to be remembered of it.
    Done(Box<SourceRecord>),
}

/// Why a full round was not applied.
#[derive(Debug, Error)]
enum Refusal {
    /// The round ended without its end.
    #[error("the answer is not complete")]
    Incomplete(#[from] RecvError),
    /// The store.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

/// Applies a full round; what was not seen is gone. `None` where the round broke off: nothing is
/// changed then.
///
/// Other changes wait from the first object on.
pub(super) fn apply(
    directory: &Directory,
    place: &Place,
    domain_sid: Option<&Sid>,
    pieces: &Receiver<Piece>,
) -> Result<Option<Applied>, DirectoryError> {
    let Ok(first) = pieces.recv() else {
        return Ok(None);
    };
    let applied = directory.write(|transaction| {
        if let Some(sid) = domain_sid {
            transaction.add_domain(sid);
        }
        let mut answer = FullAnswer::new(transaction, place);
        let mut piece = first;
        loop {
            match piece {
                Piece::Object(object) => answer.take(*object)?,
                Piece::MissingParents(reply) => {
                    // Nobody is there to hear it where the round was given up.
                    let _ = reply.send(answer.missing_parents());
                }
                Piece::StandIn(object) => answer.take_stand_in(*object)?,
                Piece::Done(record) => return Ok(answer.finish(*record)?),
            }
            piece = pieces.recv()?;
        }
    });
    match applied {
        Ok(applied) => Ok(Some(applied)),
        Err(WriteError::Refused(Refusal::Incomplete(_))) => Ok(None),
        Err(WriteError::Refused(Refusal::Directory(error)) | WriteError::Directory(error)) => {
            Err(error)
        }
    }
}

/// What the objects of a full round amount to, while they come in.
struct FullAnswer<'t, 'w> {
    transaction: &'t mut Transaction<'w>,
    place: &'t Place,
    /// Everything that is kept.
    seen: HashSet<Uuid>,
    /// The superiors of what is kept.
    parents: HashSet<Uuid>,
    stored: usize,
}

impl<'t, 'w> FullAnswer<'t, 'w> {
    fn new(transaction: &'t mut Transaction<'w>, place: &'t Place) -> Self {
        Self {
            transaction,
            place,
            seen: HashSet::new(),
            parents: HashSet::new(),
            stored: 0,
        }
    }

    fn take(&mut self, object: DirSyncObject) -> Result<(), DirectoryError> {
        // Only what this same round brought counts as known.
        let old = if self.seen.remove(&object.guid) {
            self.transaction.get(object.guid)?
        } else {
            None
        };
        match apply::keep(old, object, self.place) {
            Kept::Yes(entry) => self.stage(entry),
            Kept::No => Ok(()),
        }
    }

    fn take_stand_in(&mut self, object: DirSyncObject) -> Result<(), DirectoryError> {
        match apply::stand_in(object, self.place) {
            Some(entry) => self.stage(entry),
            None => Ok(()),
        }
    }

    fn missing_parents(&self) -> Vec<Uuid> {
        self.parents.difference(&self.seen).copied().collect()
    }

    /// An entry that is stored already, as it is, is not written again.
    fn stage(&mut self, entry: Entry) -> Result<(), DirectoryError> {
        self.seen.insert(entry.uuid);
        self.parents.extend(entry.parent);
        let stored = self.transaction.get(entry.uuid)?;
        if !stored.is_some_and(|stored| apply::is_same(&stored, &entry)) {
            self.stored += 1;
            self.transaction.put(entry);
        }
        Ok(())
    }

    fn finish(self, record: SourceRecord) -> Result<Applied, DirectoryError> {
        let Self {
            transaction,
            place,
            seen,
            stored,
            ..
        } = self;
        let removed = apply::remove_unseen(transaction, place, &seen)?;
        transaction.put_source(record);
        Ok(Applied { stored, removed })
    }
}
