//! How much a search may return, and how long it may take (RFC 4511 section 4.5.1.4 and 4.5.1.5).

use std::time::{Duration, Instant};

use super::Call;
use crate::proto::{LdapResult, ResultCode, request::SearchRequest};

/// The stricter of a client's wish and the server's own limits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Entries that may still be returned; `None` for no limit.
    left: Option<u32>,
    deadline: Option<Instant>,
}

impl Limits {
    /// No limits at all.
    pub(super) const NONE: Self = Self {
        left: None,
        deadline: None,
    };

    pub(super) fn new(call: &Call<'_>, request: &SearchRequest<'_>) -> Self {
        let own = u32::try_from(call.settings.limits.size_limit).unwrap_or(u32::MAX);
        let size_limit = lower(request.size_limit, own);
        Self {
            left: (size_limit > 0).then_some(size_limit),
            deadline: deadline(call, request),
        }
    }

    /// The limits of a search in pages: the client's size limit counts over all of them.
    pub(super) fn of_pages(call: &Call<'_>, request: &SearchRequest<'_>) -> Self {
        Self {
            left: (request.size_limit > 0).then_some(request.size_limit),
            deadline: deadline(call, request),
        }
    }

    /// Gives the next page its own time.
    pub(super) fn renew(&mut self, call: &Call<'_>, request: &SearchRequest<'_>) {
        self.deadline = deadline(call, request);
    }

    /// Whether the next entry would be one too many.
    pub(super) fn are_used_up(&self) -> bool {
        self.left == Some(0)
    }

    /// Counts one more entry; the result where it is one too many.
    pub(super) fn take(&mut self) -> Result<(), LdapResult> {
        match &mut self.left {
            Some(0) => Err(LdapResult::new(
                ResultCode::SIZE_LIMIT_EXCEEDED,
                "there are more entries than the size limit allows",
            )),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The result where the time is over.
    pub(super) fn late(&self) -> Option<LdapResult> {
        let is_late = self
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline);
        is_late.then(|| {
            LdapResult::new(
                ResultCode::TIME_LIMIT_EXCEEDED,
                "the time limit was reached: make the filter narrower",
            )
        })
    }
}

/// When a request must be answered.
fn deadline(call: &Call<'_>, request: &SearchRequest<'_>) -> Option<Instant> {
    let asked = Duration::from_secs(u64::from(request.time_limit));
    let limit = lower(asked, call.settings.limits.time_limit);
    (limit > Duration::ZERO).then(|| call.started.checked_add(limit))?
}

/// The stricter of two limits of which 0 means none.
fn lower<T: Ord + Default>(left: T, right: T) -> T {
    let none = T::default();
    if left == none || (right != none && right < left) {
        right
    } else {
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stricter_limit_counts_and_ends_the_search() {
        for (left, right, stricter) in [(0, 0, 0), (0, 5, 5), (5, 0, 5), (5, 7, 5), (7, 5, 5)] {
            assert_eq!(lower(left, right), stricter, "{left} and {right}");
        }
        let now = Instant::now();
        let until = |deadline| Limits {
            left: None,
            deadline,
        };
        let late = until(Some(now)).late().map(|result| result.code);
        assert_eq!(late, Some(ResultCode::TIME_LIMIT_EXCEEDED));
        let hour = now.checked_add(Duration::from_secs(3600));
        assert_eq!(until(hour).late(), None);
        assert_eq!(until(None).late(), None);
    }
}
