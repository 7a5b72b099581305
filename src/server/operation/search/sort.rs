//! Server-side sorting (RFC 2891): when it fails, what is said, and what is held meanwhile.
//!
//! | because | sortResult |
//! | --- | --- |
//! | no such attribute | noSuchAttribute |
//! | no ordering rule, or one that does not fit | inappropriateMatching |
//! | nobody reads the attribute | insufficientAccessRights |
//! | an attribute twice, too many keys | unwillingToPerform |
//! | more to sort than may be held | adminLimitExceeded |
//!
//! Where the control is critical, the search then fails with unavailableCriticalExtension;
//! otherwise the entries come in no order.

use std::{sync::Arc, vec};

use super::vlv::View;
use crate::{
    ber::{self, write_integer, write_nested, write_octets},
    directory::{
        EntryId, MAX_SORT_KEYS, Order, Search, Sorter, Step, Unsortable, UnsortableReason,
    },
    proto::{LdapResult, ResultCode, control::oid, response::ResponseControl},
    server::budget::{Budget, Held},
};

/// Octets that one search may hold to sort: some 500,000 names.
const MAX_OCTETS: usize = 64 * 1024 * 1024;
/// Octets that are asked for at once.
const STEP: usize = 256 * 1024;

/// What the client is told of the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SortResult {
    pub(super) code: ResultCode,
    /// The attribute at fault.
    attribute: Option<Vec<u8>>,
}

impl SortResult {
    fn new(code: ResultCode) -> Self {
        Self {
            code,
            attribute: None,
        }
    }

    /// SortResult of RFC 2891 section 1.2.
    pub(super) fn control(&self) -> ResponseControl {
        let mut value = Vec::new();
        write_nested(&mut value, ber::SEQUENCE, |out| {
            write_integer(out, ber::ENUMERATED, i64::from(self.code.0));
            if let Some(attribute) = &self.attribute {
                write_octets(out, ber::context(0), attribute);
            }
        });
        ResponseControl {
            oid: oid::SORT_RESPONSE,
            value: Some(value),
        }
    }

    /// The result of a search that must be sorted and cannot be.
    pub(super) fn failure(&self) -> LdapResult {
        let why = match self.code {
            ResultCode::NO_SUCH_ATTRIBUTE => "no such attribute".to_owned(),
            ResultCode::INAPPROPRIATE_MATCHING => {
                "the attribute has no such ordering rule".to_owned()
            }
            ResultCode::INSUFFICIENT_ACCESS_RIGHTS => "nobody reads the attribute".to_owned(),
            ResultCode::ADMIN_LIMIT_EXCEEDED => {
                "there are too many entries: make the filter narrower".to_owned()
            }
            _ => format!("each attribute may be there once, and {MAX_SORT_KEYS} at most"),
        };
        LdapResult::new(
            ResultCode::UNAVAILABLE_CRITICAL_EXTENSION,
            format!("the entries cannot be sorted: {why}"),
        )
    }
}

impl From<Unsortable> for SortResult {
    fn from(unsortable: Unsortable) -> Self {
        Self {
            code: match unsortable.reason {
                UnsortableReason::UnknownAttribute => ResultCode::NO_SUCH_ATTRIBUTE,
                UnsortableReason::NoOrder => ResultCode::INAPPROPRIATE_MATCHING,
                UnsortableReason::Secret => ResultCode::INSUFFICIENT_ACCESS_RIGHTS,
                UnsortableReason::TooMuch => ResultCode::UNWILLING_TO_PERFORM,
            },
            attribute: Some(unsortable.attribute),
        }
    }
}

/// The entries of a search in order.
pub(super) struct Sorted {
    state: State,
    held: Held,
    /// What becomes of the list; all of it is given where there is no view.
    pub(super) view: Option<View>,
    pub(super) result: SortResult,
}

enum State {
    Collecting(Sorter),
    /// These remain.
    Listed(vec::IntoIter<EntryId>),
    /// These remain, and then what the search still finds.
    Unsorted(vec::IntoIter<EntryId>),
}

impl Sorted {
    pub(super) fn new(memory: &Arc<Budget>, order: Order, view: Option<View>) -> Self {
        Self {
            state: State::Collecting(Sorter::new(order)),
            held: Held::new(memory),
            view,
            result: SortResult::new(ResultCode::SUCCESS),
        }
    }

    /// The next entry in order.
    pub(super) fn next(&mut self, search: &mut Search, budget: &mut usize) -> Step {
        while let State::Collecting(sorter) = &mut self.state {
            match search.next(budget) {
                Step::Match(entry) => {
                    let work = sorter.push(search.snapshot(), entry);
                    *budget = budget.saturating_sub(work);
                    let octets = sorter.octets();
                    if !has_room(&mut self.held, octets) {
                        self.give_up();
                    }
                }
                Step::Complete => self.arrange(),
                other => return other,
            }
        }
        let left = match &mut self.state {
            State::Listed(left) | State::Unsorted(left) => left,
            State::Collecting(_) => return Step::Paused,
        };
        if left.len() > 0 {
            let Some(less) = budget.checked_sub(1) else {
                return Step::Paused;
            };
            *budget = less;
        }
        match (left.next(), &self.state) {
            (Some(entry), _) => Step::Match(entry),
            (None, State::Unsorted(_)) => search.next(budget),
            (None, _) => Step::Complete,
        }
    }

    /// About how many more entries will come.
    pub(super) fn estimate(&self, search: &Search, found: u64) -> u64 {
        match &self.state {
            State::Collecting(_) => search.estimate(found),
            State::Listed(left) => left.len() as u64,
            State::Unsorted(left) => left.len() as u64 + search.estimate(found),
        }
    }

    fn take_sorter(&mut self) -> Option<Sorter> {
        let nothing = State::Listed(Vec::new().into_iter());
        match std::mem::replace(&mut self.state, nothing) {
            State::Collecting(sorter) => Some(sorter),
            listed => {
                self.state = listed;
                None
            }
        }
    }

    /// Puts in order what was collected, and cuts out what is wanted of it.
    fn arrange(&mut self) {
        let Some(sorter) = self.take_sorter() else {
            return;
        };
        let prefix = self.view.as_ref().map_or(&[][..], View::prefix);
        let (mut list, place) = sorter.into_sorted(prefix);
        if let Some(view) = &mut self.view {
            let window = view.place(list.len(), place);
            list = list.get(window).unwrap_or_default().to_vec();
        }
        list.shrink_to_fit();
        self.held.resize(list.len() * size_of::<EntryId>());
        self.state = State::Listed(list.into_iter());
    }

    fn give_up(&mut self) {
        self.result = SortResult::new(ResultCode::ADMIN_LIMIT_EXCEEDED);
        if let Some(sorter) = self.take_sorter() {
            let list = sorter.into_unsorted();
            self.held.resize(list.len() * size_of::<EntryId>());
            self.state = State::Unsorted(list.into_iter());
        }
    }
}

/// Asks the server's budget in large steps, since all connections share it.
fn has_room(held: &mut Held, octets: usize) -> bool {
    octets <= held.octets() || (octets <= MAX_OCTETS && held.resize(octets.next_multiple_of(STEP)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        access::Secrets,
        directory::{
            Snapshot,
            tests::build::{Fixture, bind, local, local_top},
        },
        proto::{control::SortKey, request::SearchScope},
    };

    fn fixture() -> Fixture {
        let people = (10..40u32)
            .map(|number| local(number, Some(1), &format!("cn=p{}", 100 - number), "person"));
        Fixture::new([local_top(1)].into_iter().chain(people))
    }

    /// Names in the order they come, in slices of `slice`.
    fn run(snapshot: &Arc<Snapshot>, memory: &Arc<Budget>, slice: usize) -> (Vec<String>, Sorted) {
        let key = SortKey {
            attribute: b"cn",
            ordering_rule: None,
            reverse: false,
        };
        let secrets = Secrets::new(snapshot.schema());
        let order = Order::bind(&[key], snapshot, &secrets).unwrap();
        let filter = bind(snapshot, "(cn=*)");
        let mut search = Search::new(
            Arc::clone(snapshot),
            None,
            SearchScope::WholeSubtree,
            filter,
        );
        let mut sorted = Sorted::new(memory, order, None);
        let mut names = Vec::new();
        let mut budget = slice;
        loop {
            match sorted.next(&mut search, &mut budget) {
                Step::Match(id) => names.push(snapshot.entry(id).unwrap().rdn.to_string()),
                Step::Paused => budget = slice,
                Step::Complete => return (names, sorted),
            }
        }
    }

    #[test]
    fn slices_change_nothing() {
        let fixture = fixture();
        let now = fixture.now();
        let memory = Budget::new(10 * STEP);
        let expected: Vec<String> = (61..=90).map(|number| format!("cn=p{number}")).collect();
        for slice in [1, 2, 7, 1000] {
            let (names, sorted) = run(&now, &memory, slice);
            assert_eq!(names, expected, "{slice}");
            assert_eq!(sorted.result.code, ResultCode::SUCCESS);
        }
    }

    #[test]
    fn what_is_too_much_to_sort_comes_unsorted_and_whole() {
        let fixture = fixture();
        let now = fixture.now();
        for (octets, slice) in [(0, 1), (STEP - 1, 3), (0, 1000)] {
            let memory = Budget::new(octets);
            let (mut names, sorted) = run(&now, &memory, slice);
            assert_eq!(sorted.result.code, ResultCode::ADMIN_LIMIT_EXCEEDED);
            names.sort();
            names.dedup();
            assert_eq!(names.len(), 30);
            drop(sorted);
            assert!(Held::new(&memory).resize(octets), "all is given back");
        }
    }
}
