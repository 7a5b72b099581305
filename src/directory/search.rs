//! A search under way: candidates in, entries that match out.
//!
//! Performance critical: no lock, no allocation, no waiting. It works in slices, so that whoever
//! drives it can write, flush, look for an Abandon, and let others run.

use std::{ops::Range, sync::Arc};

use super::{
    EntryId,
    bound::{BoundFilter, Test},
    column::Scan,
    evaluate::Subject,
    found::{Few, Found},
    plan::Candidates,
    proven::Proof,
    region::Region,
    snapshot::Snapshot,
};
use crate::proto::request::SearchScope;

/// Candidates that it pays to look at in columns first, and to remember.
const MANY: usize = if cfg!(test) { 1 } else { 256 };

/// The entries of one version of the directory that a search finds, one after the other.
#[derive(Debug)]
pub struct Search {
    snapshot: Arc<Snapshot>,
    base: Option<EntryId>,
    scope: SearchScope,
    filter: BoundFilter,
    /// Where the scope alone does not say where to look.
    region: Option<Box<Region>>,
    /// What can be told of many candidates at once.
    scan: Option<Box<Scan>>,
    /// What is known of many candidates.
    proof: Option<Box<Proof>>,
    rest: Rest,
    /// Candidates looked at so far.
    pub examined: u64,
}

enum Rest {
    All(Range<u32>),
    Few(Few),
    Some(roaring::bitmap::IntoIter),
}

impl std::fmt::Debug for Rest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::All(_) => "All",
            Self::Few(_) => "Few",
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
        Self::within(snapshot, base, scope, None, filter)
    }

    /// The same where a region says where to look.
    pub fn within(
        snapshot: Arc<Snapshot>,
        base: Option<EntryId>,
        scope: SearchScope,
        region: Option<Box<Region>>,
        filter: BoundFilter,
    ) -> Self {
        let mut proof = None;
        let rest = match Candidates::plan(&snapshot, base, scope, region.as_deref(), &filter) {
            Candidates::All => Rest::All(0..snapshot.id_bound()),
            Candidates::Some(Found::Few(few)) if few.as_slice().len() <= MANY => Rest::Few(few),
            Candidates::Some(found) => {
                let mut bitmap = found.into_bitmap();
                if region.is_none() && bitmap.len() > MANY as u64 {
                    proof = Proof::narrow(&snapshot, base, scope, &filter, &mut bitmap);
                }
                Rest::Some(bitmap.into_iter())
            }
        };
        let scan = (rest.len() > MANY)
            .then(|| Scan::of(&snapshot, &filter).map(Box::new))
            .flatten();
        Self {
            scan,
            proof: proof.map(Box::new),
            rest,
            ..Self::of_none(snapshot, base, scope, region, filter)
        }
    }

    /// A search to ask about single entries: by itself it finds none.
    pub fn of_none(
        snapshot: Arc<Snapshot>,
        base: Option<EntryId>,
        scope: SearchScope,
        region: Option<Box<Region>>,
        filter: BoundFilter,
    ) -> Self {
        Self {
            snapshot,
            base,
            scope,
            filter,
            region,
            scan: None,
            proof: None,
            rest: Rest::All(0..0),
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
            self.examined += 1;
            if let Some(proof) = &mut self.proof
                && proof.is_known(candidate)
            {
                *budget = left;
                return Step::Match(candidate);
            }
            if let Some(scan) = &mut self.scan
                && !scan.may_match(&self.snapshot, candidate, budget)
            {
                continue;
            }
            *budget = left.min(*budget);
            let is_match = self.matches(candidate);
            if let Some(proof) = &mut self.proof {
                proof.learn(candidate, is_match);
            }
            if is_match {
                return Step::Match(candidate);
            }
        }
    }

    /// Lets go of what is held to look at many candidates in a row.
    pub fn rest(&mut self) {
        if let Some(proof) = &mut self.proof {
            proof.keep();
        }
    }

    /// Whether it has many candidates, or had: its entries are worth to be kept as they are written.
    pub fn is_wide(&self) -> bool {
        self.proof.is_some() || self.examined > MANY as u64
    }

    /// About how many more entries will be found, if the candidates to come are like those of which
    /// `found` were.
    pub fn estimate(&self, found: u64) -> u64 {
        let left = self.rest.len() as u64;
        let rate = u128::from(found.min(self.examined));
        match self.examined {
            0 => left,
            examined => {
                u64::try_from(u128::from(left) * rate / u128::from(examined)).unwrap_or(u64::MAX)
            }
        }
    }

    /// About how many octets are held, the snapshot aside.
    pub fn octets(&self) -> usize {
        let rest = match &self.rest {
            Rest::All(_) | Rest::Few(_) => 0,
            Rest::Some(ids) => 2 * ids.len(),
        };
        let scan = self.scan.as_ref().map_or(0, |scan| scan.octets());
        let proof = self.proof.as_ref().map_or(0, |proof| proof.octets());
        size_of::<Self>() + rest + scan + proof + octets_of(&self.filter)
    }

    /// Whether an entry is one of those this search finds.
    pub fn matches(&self, candidate: EntryId) -> bool {
        let snapshot = &self.snapshot;
        let Some(entry) = snapshot.entry(candidate) else {
            return false;
        };
        let found = match (&self.region, self.scope) {
            (Some(region), _) => {
                region.contains(snapshot, candidate) && snapshot.is_served(candidate)
            }
            (None, SearchScope::BaseObject) => {
                Some(candidate) == self.base && snapshot.is_served(candidate)
            }
            (None, SearchScope::SingleLevel) => {
                entry.parent == self.base && snapshot.is_served(candidate)
            }
            (None, SearchScope::WholeSubtree) => {
                snapshot.is_served_within(candidate, entry, self.base)
            }
            (None, SearchScope::Subordinates) => {
                Some(candidate) != self.base
                    && snapshot.is_served_within(candidate, entry, self.base)
            }
        };
        found
            && self.filter.evaluate(Subject {
                snapshot,
                id: Some(candidate),
                attributes: &entry.attributes,
            }) == Some(true)
    }
}

/// About how many octets a filter takes.
fn octets_of(filter: &BoundFilter) -> usize {
    let own = match filter {
        BoundFilter::And(parts) | BoundFilter::Or(parts) => parts.iter().map(octets_of).sum(),
        BoundFilter::Not(part) => octets_of(part),
        BoundFilter::Item(item) => {
            let value = match &item.test {
                Test::Equal { value, .. } => value.len(),
                Test::AtLeast { value, .. }
                | Test::AtMost { value, .. }
                | Test::Before { value, .. }
                | Test::Word { value, .. } => value.len(),
                Test::Contains { parts, .. } => {
                    let ends = [&parts.initial, &parts.last];
                    let ends = ends.into_iter().flatten().map(Vec::len);
                    ends.chain(
                        parts
                            .any
                            .iter()
                            .map(|part| part.len() + size_of::<Vec<u8>>()),
                    )
                    .sum()
                }
                Test::Present | Test::Bits { .. } => 0,
            };
            let derived = item.derived.as_ref();
            value + item.attributes.len() * size_of::<u16>() + derived.map_or(0, Found::octets)
        }
        BoundFilter::Undefined => 0,
    };
    size_of::<BoundFilter>() + own
}

impl Rest {
    fn len(&self) -> usize {
        match self {
            Self::All(range) => range.len(),
            Self::Few(few) => few.as_slice().len(),
            Self::Some(ids) => ids.len(),
        }
    }

    fn next(&mut self) -> Option<EntryId> {
        match self {
            Self::All(range) => range.next().map(EntryId),
            Self::Few(few) => few.take_first(),
            Self::Some(ids) => ids.next().map(EntryId),
        }
    }
}
