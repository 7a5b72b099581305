//! A search under way: its slices, its end.

use std::time::Instant;

use super::{Call, EntryWriter, limits::Limits};
use crate::{
    directory::{Search, Step},
    proto::{
        LdapResult, MessageId,
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
    limits: Limits,
    returned: u64,
    started: Instant,
}

impl Running {
    pub(super) fn new(
        call: &Call<'_>,
        request: &SearchRequest<'_>,
        search: Search,
        writer: EntryWriter,
    ) -> Self {
        Self {
            id: call.id,
            search,
            writer,
            limits: Limits::new(call, request),
            returned: 0,
            started: call.started,
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
                    if let Err(result) = self.limits.take() {
                        return Some(result);
                    }
                    let snapshot = self.search.snapshot();
                    if let Err(result) = self.writer.write(snapshot, self.id, entry, &[], out) {
                        return Some(result);
                    }
                    self.returned += 1;
                }
                Step::Paused => break,
                Step::Complete => return Some(LdapResult::SUCCESS),
            }
        }
        self.limits.late()
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
