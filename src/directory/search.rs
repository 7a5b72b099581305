//! A search under way: candidates in, encoded entries out.
//!
//! Performance critical: no lock, no allocation per attribute, no waiting. It works in slices, so
//! that whoever drives it can flush, look for an Abandon, and let others run.

use std::{ops::Range, sync::Arc};

use super::{
    EntryId, bound::BoundFilter, evaluate::Subject, plan::Candidates,
    selection::AttributeSelection, snapshot::Snapshot,
};
use crate::proto::{MessageId, request::SearchScope, response::write_entry};

/// A search over one version of the directory.
#[derive(Debug)]
pub struct Search {
    snapshot: Arc<Snapshot>,
    base: Option<EntryId>,
    scope: SearchScope,
    filter: BoundFilter,
    selection: AttributeSelection,
    rest: Rest,
    /// Entries that may still be returned; `None` for no limit.
    left: Option<u32>,
    /// Entries returned so far.
    pub returned: u64,
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

/// How far a search has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The output or the budget is used up; there may be more.
    Paused,
    /// Every candidate was looked at.
    Complete,
    /// One more entry would have been returned than allowed.
    SizeLimitExceeded,
}

impl Search {
    /// A search that is ready to run; without a base it is above every naming context.
    ///
    /// `size_limit` is in entries, 0 meaning none.
    pub fn new(
        snapshot: Arc<Snapshot>,
        base: Option<EntryId>,
        scope: SearchScope,
        filter: BoundFilter,
        selection: AttributeSelection,
        size_limit: u32,
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
            selection,
            rest,
            left: (size_limit > 0).then_some(size_limit),
            returned: 0,
            examined: 0,
        }
    }

    /// Appends entries to `out` until it holds `mark` octets or `budget` candidates were looked at.
    pub fn run(
        &mut self,
        id: MessageId,
        out: &mut Vec<u8>,
        mark: usize,
        budget: usize,
    ) -> Progress {
        for _ in 0..budget {
            if out.len() >= mark {
                return Progress::Paused;
            }
            let Some(candidate) = self.rest.next() else {
                return Progress::Complete;
            };
            self.examined += 1;
            if !self.matches(candidate) {
                continue;
            }
            match &mut self.left {
                Some(0) => return Progress::SizeLimitExceeded,
                Some(left) => *left -= 1,
                None => {}
            }
            self.returned += 1;
            self.write(id, candidate, out);
        }
        Progress::Paused
    }

    fn matches(&self, candidate: EntryId) -> bool {
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

    fn write(&self, id: MessageId, candidate: EntryId, out: &mut Vec<u8>) {
        let Some(entry) = self.snapshot.entry(candidate) else {
            return;
        };
        write_entry(
            out,
            id,
            |out| self.snapshot.write_dn(candidate, out),
            |out| {
                self.selection
                    .write(&self.snapshot, candidate, &entry.attributes, out)
            },
        );
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
