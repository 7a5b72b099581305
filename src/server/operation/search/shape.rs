//! What controls make of a search: sorted, in pages, or a window of the sorted list.

use super::{
    Call,
    paged::{self, Page},
    sort::{SortResult, Sorted},
    vlv::{self, View},
};
use crate::{
    directory::{Order, Search, Snapshot, Step},
    proto::{LdapResult, ResultCode, response::ResponseControl},
    server::operation::Answer,
};

/// The shape of one search.
#[derive(Default)]
pub(super) struct Shape {
    sort: Option<Sort>,
    pub(super) page: Option<Page>,
    /// What the search fails with.
    failure: Option<Answer>,
}

struct Sort {
    critical: bool,
    /// Whether there is an order.
    sorted: Result<Sorted, SortResult>,
}

impl Shape {
    /// Checks what the controls of a request ask for; `None` where they ask for nothing.
    ///
    /// # Errors
    /// The answer to a search that cannot be what it must be.
    pub(super) fn of(call: &Call<'_>, snapshot: &Snapshot) -> Result<Option<Self>, Answer> {
        let controls = call.controls;
        if controls.sort.is_none() && controls.paged.is_none() && controls.vlv.is_none() {
            return Ok(None);
        }
        if controls.paged.is_some() && controls.vlv.is_some() {
            return Err(LdapResult::new(
                ResultCode::UNWILLING_TO_PERFORM,
                "a search comes in pages or as a virtual list view, not both",
            )
            .into());
        }
        if controls.vlv.is_some() && controls.sort.is_none() {
            return Err(fail_view(ResultCode::SORT_CONTROL_MISSING, None));
        }
        let sort = match &controls.sort {
            None => None,
            Some((keys, critical)) => {
                let secrets = call.settings.access.secrets();
                let order = Order::bind(keys, snapshot, secrets).map_err(SortResult::from);
                let sorted = match order {
                    Ok(order) => {
                        let view = view(call, &order, snapshot)?;
                        Ok(Sorted::new(&call.service.memory, order, view))
                    }
                    Err(result) if controls.vlv.is_some() => {
                        return Err(fail_view(result.code, Some(&result)));
                    }
                    Err(result) if *critical => return Err(fail_sort(&result)),
                    Err(result) => Err(result),
                };
                Some(Sort {
                    critical: *critical,
                    sorted,
                })
            }
        };
        Ok(Some(Self {
            sort,
            page: controls.paged.as_ref().map(|paged| Page::new(call, paged)),
            failure: None,
        }))
    }

    /// Whether no entries are wanted, but how many there are.
    pub(super) fn is_estimate(&self) -> bool {
        self.page.as_ref().is_some_and(Page::is_estimate)
    }

    /// Whether entries come as they are found.
    pub(super) fn is_unsorted(&self) -> bool {
        self.sort.is_none()
    }

    /// The next entry; `spent` says that the client wants no more of them.
    pub(super) fn next(&mut self, search: &mut Search, budget: &mut usize, spent: bool) -> Step {
        let step = match self.page.as_mut().and_then(Page::take_ahead) {
            Some(entry) => Step::Match(entry),
            None => self.next_of_all(search, budget),
        };
        if let (Step::Match(entry), Some(page)) = (step, &mut self.page)
            && !page.take_place(entry, spent)
        {
            return Step::Complete;
        }
        step
    }

    fn next_of_all(&mut self, search: &mut Search, budget: &mut usize) -> Step {
        let Some(Sort {
            critical,
            sorted: Ok(sorted),
        }) = &mut self.sort
        else {
            return search.next(budget);
        };
        let step = sorted.next(search, budget);
        if sorted.result.code != ResultCode::SUCCESS && self.failure.is_none() {
            if sorted.view.is_some() {
                self.failure = Some(fail_view(sorted.result.code, Some(&sorted.result)));
            } else if *critical {
                self.failure = Some(fail_sort(&sorted.result));
            }
        }
        if self.failure.is_some() {
            return Step::Complete;
        }
        step
    }

    /// The answer to a search that came to its end by itself.
    pub(super) fn take_failure(&mut self) -> Option<Answer> {
        self.failure.take()
    }

    /// About how many entries there are in all, of which `returned` were written.
    pub(super) fn estimate(&self, search: &Search, returned: u64) -> u64 {
        let before = self.page.as_ref().map_or(0, Page::before);
        let found = before + returned;
        let ahead = u64::from(self.page.as_ref().is_some_and(Page::has_more));
        let left = match &self.sort {
            Some(Sort {
                sorted: Ok(sorted), ..
            }) => sorted.estimate(search, found + ahead),
            _ => search.estimate(found + ahead),
        };
        found + ahead + left
    }

    /// What is said of sort and view with a result.
    ///
    /// "If the search request failed for any reason and/or there are no searchResultEntry messages
    /// returned for the search response, then the server SHOULD omit the sortKeyResponseControl".
    pub(super) fn controls(&self, result: &LdapResult, returned: u64) -> Vec<ResponseControl> {
        let mut controls = Vec::new();
        let Some(sort) = &self.sort else {
            return controls;
        };
        if result.code != ResultCode::SUCCESS {
            return controls;
        }
        if returned > 0 {
            controls.push(match &sort.sorted {
                Ok(sorted) => sorted.result.control(),
                Err(result) => result.control(),
            });
        }
        if let Ok(Sorted {
            view: Some(view), ..
        }) = &sort.sorted
        {
            controls.push(view.control());
        }
        controls
    }

    /// The answer to a search of an entry that is made up; `write` gives how many it wrote.
    pub(super) fn answer_made_up(
        call: &Call<'_>,
        snapshot: &Snapshot,
        write: impl FnOnce() -> u64,
    ) -> Answer {
        let shape = match Self::of(call, snapshot) {
            Ok(Some(shape)) => shape,
            Ok(None) => {
                write();
                return LdapResult::SUCCESS.into();
            }
            Err(answer) => return answer,
        };
        if call.controls.vlv.is_some() {
            return fail_view(ResultCode::UNWILLING_TO_PERFORM, None);
        }
        match &shape.page {
            Some(page) if page.is_estimate() => paged::answer(1),
            page => {
                let returned = write();
                let mut controls = shape.controls(&LdapResult::SUCCESS, returned);
                controls.extend(page.as_ref().map(|_| paged::control(returned, &[])));
                Answer {
                    result: LdapResult::SUCCESS,
                    controls,
                }
            }
        }
    }
}

fn view(call: &Call<'_>, order: &Order, snapshot: &Snapshot) -> Result<Option<View>, Answer> {
    let Some(request) = &call.controls.vlv else {
        return Ok(None);
    };
    View::new(request, order, snapshot)
        .map(Some)
        .map_err(|code| fail_view(code, None))
}

fn fail_view(code: ResultCode, sort: Option<&SortResult>) -> Answer {
    let (result, control) = vlv::failure(code);
    let mut controls = vec![control];
    controls.extend(sort.map(SortResult::control));
    Answer { result, controls }
}

fn fail_sort(sort: &SortResult) -> Answer {
    Answer {
        result: sort.failure(),
        controls: vec![sort.control()],
    }
}
