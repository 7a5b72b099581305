//! A search under way: its slices, its end.

use std::time::Instant;

use super::{
    Call, EntryWriter, Pages,
    limits::Limits,
    paged::{self, Page, Room},
    shape::Shape,
};
use crate::{
    directory::{Search, Step},
    proto::{
        LdapResult, MessageId, ResultCode,
        control::PagedResults,
        request::SearchRequest,
        response::{self, write_result},
    },
    server::{Service, metrics::OperationKind},
};

/// Candidates that are looked at in the first moment of a search.
const MOMENT: usize = 64;
/// Octets of output beyond which a search waits for its turn.
const MOMENT_MARK: usize = 32 * 1024;

/// A search under way on a connection.
pub(in crate::server) struct Running {
    id: MessageId,
    search: Search,
    writer: EntryWriter,
    /// What controls make of it.
    shape: Option<Box<Shape>>,
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
        shape: Option<Box<Shape>>,
    ) -> Self {
        // The server's own size limit is for each page.
        let in_pages = shape.as_ref().is_some_and(|shape| shape.page.is_some());
        let limits = if in_pages {
            Limits::of_pages(call, request)
        } else {
            Limits::new(call, request)
        };
        Self {
            id: call.id,
            search,
            writer,
            shape,
            limits,
            returned: 0,
            started: call.started,
        }
    }

    /// The pages it comes in.
    pub(super) fn page(&self) -> Option<&Page> {
        self.shape.as_ref()?.page.as_ref()
    }

    /// Begins the next page, as the answer to another request.
    pub(super) fn resume(
        &mut self,
        call: &Call<'_>,
        request: &SearchRequest<'_>,
        paged: &PagedResults<'_>,
    ) {
        if let Some(page) = self.shape.as_mut().and_then(|shape| shape.page.as_mut()) {
            page.turn(call, paged, self.returned);
        }
        self.id = call.id;
        self.returned = 0;
        self.started = call.started;
        self.limits.renew(call, request);
    }

    /// The operation's number.
    pub(in crate::server) fn id(&self) -> MessageId {
        self.id
    }

    /// Works on it for a moment, in which nearly all are answered, before it is given room of its
    /// own; gives it back unless it is.
    pub(super) fn begin(
        mut self,
        call: &Call<'_>,
        pages: &mut Pages,
        request: &SearchRequest<'_>,
        out: &mut Vec<u8>,
    ) -> Option<Box<Self>> {
        let mut result = None;
        if self.shape.as_ref().is_none_or(|shape| shape.is_unsorted()) {
            result = self.run(out, MOMENT_MARK, MOMENT);
        }
        let page = self.shape.as_mut().and_then(|shape| shape.page.as_mut());
        // Which request it was matters only where another is to go on with it.
        if let Some(page) = page.filter(|page| result.is_none() || page.has_more()) {
            page.bind(pages.fingerprint(call, request), request);
        }
        let Some(result) = result else {
            return Some(Box::new(self));
        };
        if let Some(room) = self.end(result, call.service, pages, out) {
            pages.keep(Box::new(self), room);
        }
        None
    }

    /// Works on it until `out` holds `mark` octets or `slice` candidates were looked at; gives it
    /// back unless it is answered. Between two pages it stays in `pages`.
    pub(in crate::server) fn advance(
        mut self: Box<Self>,
        service: &Service,
        pages: &mut Pages,
        out: &mut Vec<u8>,
        mark: usize,
        slice: usize,
    ) -> Option<Box<Self>> {
        let Some(result) = self.run(out, mark, slice) else {
            self.rest();
            return Some(self);
        };
        if let Some(room) = self.end(result, service, pages, out) {
            pages.keep(self, room);
        }
        None
    }

    /// Lets go of what it can do without, since many may wait for clients that do not read.
    fn rest(&mut self) {
        self.writer.rest();
        self.search.rest();
    }

    /// Writes entries; the result once there is one.
    fn run(&mut self, out: &mut Vec<u8>, mark: usize, slice: usize) -> Option<LdapResult> {
        let mut budget = slice;
        while out.len() < mark {
            match self.next(&mut budget) {
                Step::Match(entry) => {
                    if let Err(result) = self.limits.take() {
                        return Some(result);
                    }
                    let snapshot = self.search.snapshot();
                    let written = if self.search.is_wide() {
                        let writer = &mut self.writer;
                        writer.write_one_of_many(snapshot, self.id, entry, out)
                    } else {
                        self.writer.write(snapshot, self.id, entry, &[], out)
                    };
                    if let Err(result) = written {
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

    fn next(&mut self, budget: &mut usize) -> Step {
        match &mut self.shape {
            None => self.search.next(budget),
            Some(shape) => shape.next(&mut self.search, budget, self.limits.are_used_up()),
        }
    }

    /// Answers it, with what its controls ask for; gives the room for it where there is a next page.
    fn end(
        &mut self,
        mut result: LdapResult,
        service: &Service,
        pages: &mut Pages,
        out: &mut Vec<u8>,
    ) -> Option<Room> {
        let mut room = None;
        let mut controls = Vec::new();
        if let Some(shape) = &mut self.shape {
            if result.code == ResultCode::SUCCESS {
                if let Some(failure) = shape.take_failure() {
                    (result, controls) = (failure.result, failure.controls);
                } else if let Some(page) = shape.page.as_ref().filter(|page| page.has_more()) {
                    let octets = page.octets(&self.search);
                    match pages.make_room(&service.memory, octets) {
                        Ok(made) => room = Some(made),
                        Err(refused) => result = refused,
                    }
                }
            }
            controls.extend(shape.controls(&result, self.returned));
            if shape.page.is_some() {
                let estimate = shape.estimate(&self.search, self.returned);
                let cookie = room.as_ref().map_or(&[][..], |room| &room.cookie);
                controls.push(paged::control(estimate, cookie));
            }
        }
        write_result(out, self.id, response::tag::SEARCH_DONE, &result, &controls);
        self.count(service, &result);
        if room.is_some() {
            self.rest();
        }
        room
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
