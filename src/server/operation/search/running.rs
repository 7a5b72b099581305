//! A search under way: its limits, its slices, its end.

use std::time::{Duration, Instant};

use super::{Call, EntryWriter};
use crate::{
    directory::{Search, Step},
    proto::{
        LdapResult, MessageId, ResultCode,
        request::SearchRequest,
        response::{self, write_result},
    },
    server::{Service, metrics::OperationKind},
};

/// A search under way on a connection.
pub(in crate::server) struct Running {
    id: MessageId,
    search: Search,
    writer: EntryWriter,
    /// Entries that may still be returned; `None` for no limit.
    left: Option<u32>,
    returned: u64,
    started: Instant,
    deadline: Option<Instant>,
}

impl Running {
    pub(super) fn new(
        call: &Call<'_>,
        request: &SearchRequest<'_>,
        search: Search,
        writer: EntryWriter,
    ) -> Self {
        let limits = &call.settings.limits;
        let own = u32::try_from(limits.size_limit).unwrap_or(u32::MAX);
        let size_limit = lower(request.size_limit, own);
        let asked = Duration::from_secs(u64::from(request.time_limit));
        let time_limit = match (asked.is_zero(), limits.time_limit.is_zero()) {
            (true, true) => None,
            (true, false) => Some(limits.time_limit),
            (false, true) => Some(asked),
            (false, false) => Some(asked.min(limits.time_limit)),
        };
        Self {
            id: call.id,
            search,
            writer,
            left: (size_limit > 0).then_some(size_limit),
            returned: 0,
            started: call.started,
            deadline: time_limit.and_then(|limit| call.started.checked_add(limit)),
        }
    }

    /// The operation's number.
    pub(in crate::server) fn id(&self) -> MessageId {
        self.id
    }

    /// Works on it until `out` holds `mark` octets or `slice` candidates were looked at; true when
    /// it is answered.
    pub(in crate::server) fn advance(
        &mut self,
        service: &Service,
        out: &mut Vec<u8>,
        mark: usize,
        slice: usize,
    ) -> bool {
        let Some(result) = self.run(out, mark, slice) else {
            return false;
        };
        write_result(out, self.id, response::tag::SEARCH_DONE, &result, &[]);
        self.count(service, &result);
        true
    }

    /// Writes entries; the result once there is one.
    fn run(&mut self, out: &mut Vec<u8>, mark: usize, slice: usize) -> Option<LdapResult> {
        let mut budget = slice;
        while out.len() < mark {
            match self.search.next(&mut budget) {
                Step::Match(entry) => {
                    match &mut self.left {
                        Some(0) => return Some(too_many()),
                        Some(left) => *left -= 1,
                        None => {}
                    }
                    self.returned += 1;
                    let snapshot = self.search.snapshot();
                    self.writer.write(snapshot, self.id, entry, &[], out);
                }
                Step::Paused => break,
                Step::Complete => return Some(LdapResult::SUCCESS),
            }
        }
        self.is_late().then(too_late)
    }

    fn is_late(&self) -> bool {
        self.deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
    }

    fn count(&self, service: &Service, result: &LdapResult) {
        let metrics = &service.metrics;
        let elapsed = self.started.elapsed();
        metrics.operation(OperationKind::Search, result.code.0, elapsed);
        metrics.entries_returned_total.add(self.returned);
        tracing::debug!(
            target: "adduct::access",
            op = "search",
            msg.id = self.id.0,
            result.code = result.code.0,
            entries = self.returned,
            candidates = self.search.examined,
            "operation"
        );
    }
}

fn too_many() -> LdapResult {
    LdapResult::new(
        ResultCode::SIZE_LIMIT_EXCEEDED,
        "there are more entries than the size limit allows",
    )
}

fn too_late() -> LdapResult {
    LdapResult::new(
        ResultCode::TIME_LIMIT_EXCEEDED,
        "the time limit was reached: make the filter narrower",
    )
}

/// The stricter of two limits of which 0 means none.
fn lower(left: u32, right: u32) -> u32 {
    match (left, right) {
        (0, other) | (other, 0) => other,
        (left, right) => left.min(right),
    }
}
