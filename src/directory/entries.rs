//! The entries of one version of the directory, by id.
//!
//! Every step of an answer looks some up, so that one costs three loads: a tree of fixed width, of
//! which the next version copies the way to what changed and shares the rest.

use std::sync::Arc;

use super::{EntryId, snapshot::ServedEntry};

const WIDTH: usize = 64;
const BRANCH: usize = WIDTH * WIDTH;

type Leaf = [Option<Arc<ServedEntry>>; WIDTH];
type Branch = [Option<Arc<Leaf>>; WIDTH];

/// A persistent table; cloning it costs nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Entries {
    branches: Arc<Vec<Arc<Branch>>>,
    bound: u32,
}

impl Entries {
    /// One past the highest id in use.
    pub(super) fn bound(&self) -> u32 {
        self.bound
    }

    /// The entry of an id; an id may be in use without one.
    #[inline]
    pub(super) fn get(&self, id: EntryId) -> Option<&Arc<ServedEntry>> {
        let place = id.0 as usize;
        let branch = self.branches.get(place / BRANCH)?;
        let leaf = branch.get(place / WIDTH % WIDTH)?.as_ref()?;
        leaf.get(place % WIDTH)?.as_ref()
    }

    /// Gives out the next id, which has no entry yet.
    pub(super) fn next_id(&mut self) -> EntryId {
        let id = EntryId(self.bound);
        if id.0 as usize / BRANCH == self.branches.len() {
            let branches = Arc::make_mut(&mut self.branches);
            branches.push(Arc::new([const { None }; WIDTH]));
        }
        self.bound = self.bound.saturating_add(1);
        id
    }

    /// Puts an entry in the place of what an id had; nothing for an id that was not given out.
    pub(super) fn set(&mut self, id: EntryId, entry: Option<Arc<ServedEntry>>) {
        let place = id.0 as usize;
        if let Some(branch) = Arc::make_mut(&mut self.branches).get_mut(place / BRANCH)
            && let Some(leaf) = Arc::make_mut(branch).get_mut(place / WIDTH % WIDTH)
        {
            let leaf = leaf.get_or_insert_with(|| Arc::new([const { None }; WIDTH]));
            if let Some(slot) = Arc::make_mut(leaf).get_mut(place % WIDTH) {
                *slot = entry;
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::directory::tests::build::*;

    #[test]
    fn a_later_version_leaves_the_earlier_one_alone() {
        let snapshot = Fixture::new([domain(1), user(11, 1, "ann")]).now();
        let [ann, top] = [11, 1].map(|number| {
            let id = snapshot.id_of(id(number)).unwrap();
            Arc::clone(snapshot.entry(id).unwrap())
        });
        let mut entries = Entries::default();
        let ids: Vec<EntryId> = (0..2 * BRANCH + 1).map(|_| entries.next_id()).collect();
        let [first, last] = [ids[BRANCH - 1], ids[2 * BRANCH]];
        entries.set(first, Some(Arc::clone(&ann)));
        let before = entries.clone();
        entries.set(first, None);
        entries.set(last, Some(Arc::clone(&top)));
        let next = entries.next_id();

        let is = |entries: &Entries, id, entry: &Arc<ServedEntry>| {
            entries.get(id).is_some_and(|own| Arc::ptr_eq(own, entry))
        };
        assert!(is(&before, first, &ann) && before.get(last).is_none());
        assert!(entries.get(first).is_none() && is(&entries, last, &top));
        assert_eq!((before.bound(), entries.bound()), (next.0, next.0 + 1));
        for id in ids.into_iter().filter(|id| ![first, last].contains(id)) {
            assert!(entries.get(id).is_none(), "{id:?}");
        }
        entries.set(EntryId(u32::MAX), Some(top));
        assert!(entries.get(EntryId(u32::MAX)).is_none());
    }
}
