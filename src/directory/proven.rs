//! Of which entries a search with many candidates was found to be true, for the next like it.
//!
//! Performance critical: to evaluate a filter costs several misses of the cache for each entry,
//! while clients that give all users ask the same each time. A version starts with what was known
//! of the one before it, less what its change affects.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use roaring::RoaringBitmap;

use super::{
    EntryId,
    bound::{BoundFilter, Item},
    snapshot::Snapshot,
};
use crate::proto::request::SearchScope;

/// How many searches are remembered.
const MOST: usize = 16;
/// What is learnt at once.
const PORTION: usize = 1024;

/// What was proven of one version of the directory.
#[derive(Debug, Default)]
pub(super) struct Proven(Mutex<Vec<Known>>);

/// What is known of one search.
#[derive(Clone, Debug)]
struct Known {
    question: Arc<Question>,
    examined: Arc<RoaringBitmap>,
    found: Arc<RoaringBitmap>,
}

/// What a search asks of each entry.
#[derive(Debug, PartialEq)]
struct Question {
    base: Option<EntryId>,
    scope: SearchScope,
    filter: BoundFilter,
}

impl Proven {
    /// What still holds after a change that affects these entries.
    pub(super) fn without(&self, affected: &[EntryId]) -> Self {
        let mut known = self.known().clone();
        for known in &mut known {
            for id in affected {
                if known.examined.contains(id.0) {
                    Arc::make_mut(&mut known.examined).remove(id.0);
                    Arc::make_mut(&mut known.found).remove(id.0);
                }
            }
        }
        Self(Mutex::new(known))
    }

    fn known(&self) -> MutexGuard<'_, Vec<Known>> {
        // Nothing panics half way through a change of it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of a search; the one that was asked last is the last.
    fn of(&self, question: Question) -> Known {
        let mut all = self.known();
        let place = all.iter().position(|known| *known.question == question);
        let known = match place {
            Some(place) => all.remove(place),
            None => Known {
                question: Arc::new(question),
                examined: Arc::default(),
                found: Arc::default(),
            },
        };
        if all.len() >= MOST {
            all.remove(0);
        }
        all.push(known.clone());
        known
    }
}

/// What one search knows already, and learns.
pub(super) struct Proof {
    proven: Arc<Proven>,
    question: Arc<Question>,
    /// The candidates that must be looked at.
    unknown: roaring::bitmap::IntoIter,
    next: Option<u32>,
    examined: Vec<u32>,
    found: Vec<u32>,
}

impl Proof {
    /// Leaves of the candidates those that are not known to be none; `None` where more than the
    /// entries that the change log names may be found otherwise after a change.
    pub(super) fn narrow(
        snapshot: &Snapshot,
        base: Option<EntryId>,
        scope: SearchScope,
        filter: &BoundFilter,
        candidates: &mut RoaringBitmap,
    ) -> Option<Self> {
        if !is_of_the_entry_alone(snapshot, filter) {
            return None;
        }
        let known = snapshot.proven.of(Question {
            base,
            scope,
            filter: filter.clone(),
        });
        let unknown = &*candidates - &*known.examined;
        *candidates &= &unknown | &*known.found;
        let mut unknown = unknown.into_iter();
        Some(Self {
            proven: Arc::clone(&snapshot.proven),
            question: known.question,
            next: unknown.next(),
            unknown,
            examined: Vec::new(),
            found: Vec::new(),
        })
    }

    /// Whether a candidate is known to match; they come in order.
    pub(super) fn is_known(&mut self, candidate: EntryId) -> bool {
        if self.next != Some(candidate.0) {
            return true;
        }
        self.next = self.unknown.next();
        false
    }

    /// Takes note of what an entry was found to be.
    pub(super) fn learn(&mut self, candidate: EntryId, is_match: bool) {
        self.examined.push(candidate.0);
        if is_match {
            self.found.push(candidate.0);
        }
        if self.examined.len() >= PORTION {
            self.keep();
        }
    }

    /// About how many octets are held.
    pub(super) fn octets(&self) -> usize {
        size_of::<Self>() + 2 * self.unknown.len() + 2 * PORTION * size_of::<u32>()
    }

    /// Makes known what was learnt, and holds it no longer.
    pub(super) fn keep(&mut self) {
        if self.examined.is_empty() {
            return;
        }
        let examined = std::mem::take(&mut self.examined);
        let found = std::mem::take(&mut self.found);
        let mut all = self.proven.known();
        let known = all
            .iter_mut()
            .find(|known| Arc::ptr_eq(&known.question, &self.question));
        if let Some(known) = known {
            Arc::make_mut(&mut known.examined).extend(examined);
            Arc::make_mut(&mut known.found).extend(found);
        }
    }
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Proof({:?})", self.question)
    }
}

impl Drop for Proof {
    fn drop(&mut self) {
        self.keep();
    }
}

/// Whether a filter is true of an entry because of what the entry stores, or of sets of entries
/// that are part of the filter.
fn is_of_the_entry_alone(snapshot: &Snapshot, filter: &BoundFilter) -> bool {
    match filter {
        BoundFilter::And(parts) | BoundFilter::Or(parts) => parts
            .iter()
            .all(|part| is_of_the_entry_alone(snapshot, part)),
        BoundFilter::Not(part) => is_of_the_entry_alone(snapshot, part),
        BoundFilter::Item(Item {
            attributes,
            options,
            derived,
            in_dn,
            ..
        }) => {
            let is_derived = || {
                let mut attributes = attributes.iter();
                attributes.any(|id| snapshot.derivations().of(*id).is_some())
            };
            !in_dn && (derived.is_some() || !options.is_empty() || !is_derived())
        }
        BoundFilter::Undefined => true,
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::directory::tests::build::*;

    fn person(number: u32, uid: &str) -> crate::entry::Entry {
        local(number, Some(2), &format!("cn=p{number}"), "inetOrgPerson")
            .with("sn", &["x"])
            .with("uid", &[uid])
    }

    #[test]
    fn what_a_change_affects_is_looked_at_again_and_nothing_else() {
        let fixture = Fixture::new([local_top(2), person(3, "a"), person(4, "b"), person(5, "c")]);
        let before = fixture.now();
        let filter = "(&(objectClass=person)(!(uid=a)))";
        assert_eq!(find(&before, filter), [4, 5]);
        assert_eq!(find(&before, filter), [4, 5]);
        let known = |snapshot: &Snapshot| {
            let all = snapshot.proven.known();
            (all.len(), all[0].examined.len(), all[0].found.len())
        };
        assert_eq!(known(&before).1, 3);
        assert_eq!(known(&before).2, 2);
        fixture.put([person(3, "z")]);
        let after = fixture.now();
        assert_eq!(known(&after).1, 2);
        assert_eq!(find(&after, filter), [3, 4, 5]);
        fixture.put([person(5, "a")]);
        assert_eq!(find(&fixture.now(), filter), [3, 4]);
        assert_eq!(find(&before, filter), [4, 5]);
        let questions: Vec<String> = (0..2 * MOST)
            .map(|uid| format!("(&(objectClass=person)(!(uid={uid})))"))
            .collect();
        for filter in &questions {
            find(&after, filter);
        }
        assert_eq!(known(&after).0, MOST);
    }

    #[test]
    fn what_depends_on_other_entries_is_not_remembered() {
        let fixture = Fixture::new([local_top(2), person(3, "a"), person(4, "b")]);
        let now = fixture.now();
        for (filter, alone) in [
            ("(uid=*)", true),
            ("(!(uid=a))", true),
            ("(memberOf=dc=example,dc=com)", true),
            ("(|(uid=a)(numSubordinates>=1))", false),
            ("(memberOf=*)", false),
            ("(dc:dn:=example)", false),
        ] {
            let bound = bind(&now, filter);
            assert_eq!(is_of_the_entry_alone(&now, &bound), alone, "{filter}");
        }
    }
}
