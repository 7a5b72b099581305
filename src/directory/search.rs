//! A search under way: candidates in, entries that match out.
//!
//! Performance critical: no lock, no allocation, no waiting. It works in slices, so that whoever
//! drives it can write, flush, look for an Abandon, and let others run.

use std::{ops::Range, sync::Arc};

use roaring::RoaringBitmap;

use super::{EntryId, bound::BoundFilter, evaluate::Subject, plan::Candidates, snapshot::Snapshot};
use crate::proto::request::SearchScope;

/// The entries of one version of the directory that a search finds, one after the other.
#[derive(Debug)]
pub struct Search {
    snapshot: Arc<Snapshot>,
    base: Option<EntryId>,
    scope: SearchScope,
    filter: BoundFilter,
    rest: Rest,
    /// Candidates looked at so far.
    pub examined: u64,
}

enum Rest {
    All(Range<u32>),
    Some(roaring::bitmap::IntoIter),
}

impl std::fmt::Debug for Rest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::All(_) => "All",
            Self::Some(_) => "Some",
        })
    }
}

/// What a search came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// This entry matches.
    Match(EntryId),
    /// The budget is used up; there may be more.
    Paused,
    /// Every candidate was looked at.
    Complete,
}

impl Search {
    /// A search that is ready to run; without a base it is above every naming context.
    pub fn new(
        snapshot: Arc<Snapshot>,
        base: Option<EntryId>,
        scope: SearchScope,
        filter: BoundFilter,
    ) -> Self {
        let rest = match Candidates::plan(&snapshot, base, scope, &filter) {
            Candidates::All => Rest::All(0..snapshot.id_bound()),
            Candidates::Some(bitmap) => Rest::Some(bitmap.into_iter()),
        };
        Self {
            snapshot,
            base,
            scope,
            filter,
            rest,
            examined: 0,
        }
    }

    /// The same search of some entries alone.
    pub fn among(
        snapshot: Arc<Snapshot>,
        base: Option<EntryId>,
        scope: SearchScope,
        filter: BoundFilter,
        candidates: RoaringBitmap,
    ) -> Self {
        Self {
            snapshot,
            base,
            scope,
            filter,
            rest: Rest::Some(candidates.into_iter()),
            examined: 0,
        }
    }

    /// The version that is searched.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Looks for the next entry that matches, at no more candidates than `budget`, which it takes
    /// what it used from.
    pub fn next(&mut self, budget: &mut usize) -> Step {
        loop {
            let Some(left) = budget.checked_sub(1) else {
                return Step::Paused;
            };
            let Some(candidate) = self.rest.next() else {
                return Step::Complete;
            };
            *budget = left;
            self.examined += 1;
            if self.matches(candidate) {
                return Step::Match(candidate);
            }
        }
    }

    /// Whether an entry is one of those this search finds.
    pub fn matches(&self, candidate: EntryId) -> bool {
        let snapshot = &self.snapshot;
        let Some(entry) = snapshot.entry(candidate) else {
            return false;
        };
        let in_scope = match self.scope {
            SearchScope::BaseObject => Some(candidate) == self.base,
            SearchScope::SingleLevel => entry.parent == self.base,
            SearchScope::WholeSubtree => self.is_below(candidate),
            SearchScope::Subordinates => Some(candidate) != self.base && self.is_below(candidate),
        };
        in_scope
            && snapshot.is_served(candidate)
            && self.filter.evaluate(Subject {
                snapshot,
                id: Some(candidate),
                attributes: &entry.attributes,
            }) == Some(true)
    }

    fn is_below(&self, candidate: EntryId) -> bool {
        self.base
            .is_none_or(|base| self.snapshot.is_within(candidate, base))
    }
}

impl Rest {
    fn next(&mut self) -> Option<EntryId> {
        match self {
            Self::All(range) => range.next(),
            Self::Some(ids) => ids.next(),
        }
        .map(EntryId)
    }
}
