//! A round that reads everything: what came, without a second copy of what is stored already.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::apply::{self, Kept, Place};
use crate::{directory::Directory, entry::Entry, upstream::DirSyncObject};

/// What the objects of a full round amount to, while they come in.
///
/// An entry that is stored already, as it is, is remembered by its identity alone.
pub(super) struct FullAnswer<'d> {
    directory: &'d Directory,
    place: Place,
    collected: Collected,
    /// The superiors of what is kept.
    parents: HashSet<Uuid>,
}

/// What a full round amounts to.
#[derive(Default)]
pub(super) struct Collected {
    /// Everything that is kept.
    pub(super) seen: HashSet<Uuid>,
    /// What of it is new or different.
    pub(super) changed: HashMap<Uuid, Entry>,
}

impl<'d> FullAnswer<'d> {
    pub(super) fn new(directory: &'d Directory, place: Place) -> Self {
        Self {
            directory,
            place,
            collected: Collected::default(),
            parents: HashSet::new(),
        }
    }

    /// Takes the next object. The same one may come again.
    pub(super) fn take(&mut self, object: &DirSyncObject) {
        let old = if self.collected.seen.remove(&object.guid) {
            self.collected
                .changed
                .remove(&object.guid)
                .or_else(|| self.stored(object.guid))
        } else {
            None
        };
        if let Kept::Yes(entry) = apply::keep(old, object, &self.place) {
            self.stage(entry);
        }
    }

    /// Takes a container that stands for a superior of another kind.
    pub(super) fn take_stand_in(&mut self, object: DirSyncObject) {
        if let Some(entry) = apply::stand_in(object, &self.place) {
            self.stage(entry);
        }
    }

    /// The superiors that did not come.
    pub(super) fn missing_parents(&self) -> Vec<Uuid> {
        self.parents
            .difference(&self.collected.seen)
            .copied()
            .collect()
    }

    /// Everything that is kept.
    pub(super) fn len(&self) -> usize {
        self.collected.seen.len()
    }

    pub(super) fn finish(self) -> Collected {
        self.collected
    }

    fn stage(&mut self, entry: Entry) {
        self.collected.seen.insert(entry.uuid);
        self.parents.extend(entry.parent);
        let same = self
            .stored(entry.uuid)
            .is_some_and(|stored| apply::is_same(&stored, &entry));
        if !same {
            self.collected.changed.insert(entry.uuid, entry);
        }
    }

    /// What is stored; one that cannot be read is as good as none, and will be stored anew.
    fn stored(&self, uuid: Uuid) -> Option<Entry> {
        self.directory.stored(uuid).unwrap_or_else(|error| {
            tracing::warn!(entry = %uuid, %error, "a stored entry cannot be read");
            None
        })
    }
}
