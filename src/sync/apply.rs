//! Putting what a round brought into the directory: one transaction, the position included.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use uuid::Uuid;

use super::{
    brake,
    merge::{self, Merged},
};
use crate::{
    directory::{
        Directory, DirectoryError, EntryId, Kind as ServedKind, ServedEntry, Snapshot,
        SourceRecord, Transaction, WriteError,
    },
    entry::{Attribute, Entry, Origin},
    mapping::derive::{self, Kind},
    upstream::DirSyncObject,
};

/// The attribute that the directory stamps with its own commits, of which AD knows nothing.
const STAMP: &str = "uSNChanged";

/// What all objects of one source have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The name of the source.
    pub(super) source: String,
    /// The objectGUID of the domain, the top of the naming context.
    pub(super) domain: Uuid,
}

/// Whether an object is stored.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// It is a user, a group or a container.
    Yes(Entry),
    /// It is deleted, of another kind, or too little is known of it.
    No,
}

/// The entry to store for an object, from what was known of it and what is told now.
pub(super) fn keep(old: Option<Entry>, object: DirSyncObject, place: &Place) -> Kept {
    let top = (object.guid == place.domain).then(|| object.dn.clone());
    let unchanged = old.clone();
    let merged = merge::merge(old, object, &place.source);
    let ((Merged::Put(mut entry), _) | (Merged::Unchanged, Some(mut entry))) = (merged, unchanged)
    else {
        return Kept::No;
    };
    if let Some(top) = top {
        // The superior of a domain in a forest is no entry of ours.
        entry.parent = None;
        entry.rdn = top;
    } else if entry.parent.is_none() {
        return Kept::No;
    }
    if derive::classify(&entry) == Kind::Unserved {
        return Kept::No;
    }
    Kept::Yes(entry)
}

/// A container in the place of an object of another kind that has entries below it.
///
/// Only its name and place matter, so nothing else of it is kept.
pub(super) fn stand_in(mut object: DirSyncObject, place: &Place) -> Option<Entry> {
    let container = vec![b"top".to_vec(), b"container".to_vec()];
    object
        .attributes
        .retain(|(description, _)| description.eq_ignore_ascii_case("name"));
    object
        .attributes
        .push(("objectClass".to_owned(), container));
    object.links_replaced.clear();
    object.link_adds.clear();
    object.link_removes.clear();
    match keep(None, object, place) {
        Kept::Yes(entry) => Some(entry),
        Kept::No => None,
    }
}

/// Whether two entries say the same, in whatever order and whenever they were stored.
pub(super) fn is_same(one: &Entry, other: &Entry) -> bool {
    fn of_ad(entry: &Entry) -> impl Iterator<Item = &Attribute> {
        entry
            .attributes
            .iter()
            .filter(|attribute| !attribute.description.eq_ignore_ascii_case(STAMP))
    }
    one.parent == other.parent
        && one.rdn == other.rdn
        && one.origin == other.origin
        && one.links.len() == other.links.len()
        && of_ad(one).count() == of_ad(other).count()
        && one
            .links
            .iter()
            .all(|link| other.link(&link.attribute) == Some(&link.targets))
        && of_ad(one).all(|attribute| {
            other
                .attribute(&attribute.description)
                .is_some_and(|found| found.values == attribute.values)
        })
}

/// What a round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Applied {
    /// Entries stored.
    pub(super) stored: usize,
    /// Entries removed.
    pub(super) removed: usize,
}

impl Applied {
    /// Whether nothing changed but perhaps the position.
    pub(super) fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

/// Applies changes, and stores the position where something changed or `keep_position` says so.
///
/// Most rounds bring nothing that is stored, such as the changes of computers: those write nothing.
pub(super) fn changes(
    directory: &Directory,
    place: &Place,
    objects: &[DirSyncObject],
    stand_ins: Vec<Entry>,
    record: SourceRecord,
    keep_position: bool,
) -> Result<Applied, DirectoryError> {
    write(directory, |transaction| {
        // AD drops the links to what it deletes without a word about those that had them. Were they
        // kept here, an object that is brought back would be in its old groups.
        for object in objects {
            if object.is_deleted || object.is_reanimated {
                detach(transaction, object.guid)?;
            }
        }
        let mut applied = Applied::default();
        for entry in stand_ins {
            if transaction.get(entry.uuid)?.is_none() {
                applied.stored += 1;
                transaction.put(entry);
            }
        }
        let mut removals = BTreeSet::new();
        for object in objects {
            let old = transaction.get(object.guid)?;
            // One that is back is told whole, and nothing of what it was counts.
            let known = old.clone().filter(|_| !object.is_reanimated);
            // The same object may come again: what is told last counts.
            match (keep(known, object.clone(), place), old) {
                (Kept::Yes(new), old) => {
                    removals.remove(&new.uuid);
                    if !old.is_some_and(|old| is_same(&old, &new)) {
                        applied.stored += 1;
                        transaction.put(new);
                    }
                }
                (Kept::No, Some(_)) => {
                    removals.insert(object.guid);
                }
                (Kept::No, None) => {}
            }
        }
        let removals: Vec<Uuid> = removals.into_iter().collect();
        applied.removed = remove(transaction, removals);
        if keep_position || !transaction.is_empty() {
            transaction.put_source(record);
        }
        Ok(applied)
    })
}

/// Removes the entries of a source that a full round did not bring; returns how many.
pub(super) fn remove_unseen(
    transaction: &mut Transaction<'_>,
    place: &Place,
    seen: &HashSet<Uuid>,
) -> Result<usize, DirectoryError> {
    let unseen: Vec<Uuid> = of_source(transaction.snapshot(), &place.source)
        .map(|(_, entry)| entry.uuid)
        .filter(|uuid| !seen.contains(uuid))
        .collect();
    for uuid in &unseen {
        detach(transaction, *uuid)?;
    }
    Ok(remove(transaction, unseen))
}

/// Users and groups of a source that are served.
pub(super) fn count(snapshot: &Snapshot, source: &str) -> (u64, u64) {
    let mut users = 0;
    let mut groups = 0;
    for (id, entry) in of_source(snapshot, source) {
        let counter = match entry.kind {
            ServedKind::User => &mut users,
            ServedKind::Group { .. } => &mut groups,
            ServedKind::Local | ServedKind::Container => continue,
        };
        if snapshot.is_served(id) {
            *counter += 1;
        }
    }
    (users, groups)
}

fn of_source<'s>(
    snapshot: &'s Snapshot,
    source: &str,
) -> impl Iterator<Item = (EntryId, &'s Arc<ServedEntry>)> {
    let wanted = Origin::Source(source.to_owned());
    (0..snapshot.id_bound())
        .map(EntryId)
        .filter_map(|id| Some((id, snapshot.entry(id)?)))
        .filter(move |(_, entry)| {
            snapshot
                .origin(entry.origin)
                .is_some_and(|view| view.origin == wanted)
        })
}

/// Removes an entry from all links that name it.
fn detach(transaction: &mut Transaction<'_>, uuid: Uuid) -> Result<(), DirectoryError> {
    for referrer in transaction.referrers(uuid) {
        let Some(mut entry) = transaction.get(referrer)? else {
            continue;
        };
        for link in &mut entry.links {
            link.targets.remove(&uuid);
        }
        entry.links.retain(|link| !link.targets.is_empty());
        transaction.put(entry);
    }
    Ok(())
}

fn remove(transaction: &mut Transaction<'_>, removals: Vec<Uuid>) -> usize {
    let held: HashSet<Uuid> = brake::held(&removals).into_iter().collect();
    let mut removed = 0;
    for uuid in removals.into_iter().filter(|uuid| !held.contains(uuid)) {
        removed += 1;
        transaction.delete(uuid);
    }
    removed
}

fn write<T>(
    directory: &Directory,
    change: impl FnOnce(&mut Transaction<'_>) -> Result<T, DirectoryError>,
) -> Result<T, DirectoryError> {
    directory.write(change).map_err(|error| match error {
        WriteError::Refused(error) | WriteError::Directory(error) => error,
    })
}
