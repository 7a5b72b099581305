//! Simple paged results (RFC 2696).
//!
//! Between two pages the search stays where it is, on the version of the directory that it began
//! with: later changes neither show nor disturb. It waits on its connection, under a cookie that is
//! good for one page, on this connection, until the next bind.
//!
//! | because | result code |
//! | --- | --- |
//! | a cookie that was not given out here, was used, is too old, or belongs to another search | unwillingToPerform |
//! | no room for one more search that waits | busy |
//!
//! `sizeLimit` is for all pages together, `[limits] size_limit` for each answer, so for each page:
//! a longer page ends there, with a cookie. Time limits are for each page. Page size 0 ends the
//! search of a cookie; without a cookie it asks for the estimate alone.

use std::{
    hash::BuildHasher,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Answer, Call, Running};
use crate::{
    ber::{self, write_integer, write_nested, write_octets},
    directory::{EntryId, Search},
    proto::{
        LdapResult, RequestControls, ResultCode,
        control::{PagedResults, oid},
        request::SearchRequest,
        response::ResponseControl,
    },
    server::budget::{Budget, Held},
};

/// Searches of one connection that may wait; beyond it the one that waits longest is dropped.
const MAX_WAITING: usize = 16;
/// How long one may wait: it keeps an old version of the directory in memory.
const MAX_AGE: Duration = Duration::from_secs(5 * 60);
/// What a search that waits takes beside what it says itself.
const OVERHEAD: usize = 2048;

/// The place of an answer in a search that comes in pages.
pub(super) struct Page {
    /// Identifies the request, so that a cookie continues no other.
    fingerprint: u64,
    /// About how many octets its attribute list takes while it waits.
    list_octets: usize,
    /// Entries this page has room for.
    left: u32,
    /// Entries of the pages before.
    before: u64,
    /// The first entry of the next page.
    ahead: Option<EntryId>,
}

impl Page {
    /// The first page of a search, not bound to it yet.
    pub(super) fn new(call: &Call<'_>, request: &PagedResults<'_>) -> Self {
        Self {
            fingerprint: 0,
            list_octets: 0,
            left: page_size(call, request),
            before: 0,
            ahead: None,
        }
    }

    /// Whether no entries are wanted at all.
    pub(super) fn is_estimate(&self) -> bool {
        self.left == 0
    }

    /// Binds the pages to a request.
    pub(super) fn bind(&mut self, fingerprint: u64, request: &SearchRequest<'_>) {
        self.fingerprint = fingerprint;
        // A name with options stands for as many as the type has subtypes.
        let octets = request.attributes.iter().map(|name| 256 + 64 * name.len());
        self.list_octets = octets.sum();
    }

    /// Begins the next page after one with `returned` entries.
    pub(super) fn turn(&mut self, call: &Call<'_>, request: &PagedResults<'_>, returned: u64) {
        self.left = page_size(call, request);
        self.before += returned;
    }

    /// Entries of the pages before.
    pub(super) fn before(&self) -> u64 {
        self.before
    }

    /// About how many octets the search takes while it waits for the next page.
    pub(super) fn octets(&self, search: &Search) -> usize {
        OVERHEAD + self.list_octets + search.octets()
    }

    /// Whether there is a next page.
    pub(super) fn has_more(&self) -> bool {
        self.ahead.is_some()
    }

    /// The entry that was found for this page already.
    pub(super) fn take_ahead(&mut self) -> Option<EntryId> {
        if self.left > 0 {
            self.ahead.take()
        } else {
            None
        }
    }

    /// Whether an entry belongs into this page. One that does not begins the next, unless it was
    /// one too many in all.
    pub(super) fn take_place(&mut self, entry: EntryId, spent: bool) -> bool {
        if self.left == 0 && !spent {
            self.ahead = Some(entry);
            return false;
        }
        self.left = self.left.saturating_sub(1);
        true
    }
}

fn page_size(call: &Call<'_>, request: &PagedResults<'_>) -> u32 {
    match u32::try_from(call.settings.limits.size_limit) {
        Ok(limit) if limit > 0 => request.size.min(limit),
        _ => request.size,
    }
}

/// realSearchControlValue with an estimate of all entries.
pub(super) fn control(estimate: u64, cookie: &[u8]) -> ResponseControl {
    let size = i32::try_from(estimate).unwrap_or(i32::MAX);
    let mut value = Vec::new();
    write_nested(&mut value, ber::SEQUENCE, |out| {
        write_integer(out, ber::INTEGER, size.into());
        write_octets(out, ber::OCTET_STRING, cookie);
    });
    ResponseControl {
        oid: oid::PAGED_RESULTS,
        value: Some(value),
    }
}

/// The answer to a search without entries.
pub(super) fn answer(estimate: u64) -> Answer {
    Answer {
        result: LdapResult::SUCCESS,
        controls: vec![control(estimate, &[])],
    }
}

type Cookie = [u8; 16];

/// The searches of one connection that wait for their next page.
pub(in crate::server) struct Pages<S = Box<Running>> {
    /// The one that waits longest first.
    waiting: Vec<Waiting<S>>,
    hasher: foldhash::fast::RandomState,
}

struct Waiting<S> {
    cookie: Cookie,
    since: Instant,
    search: S,
    /// Given back when it is dropped.
    _held: Held,
}

/// Room for one more search, and the cookie it will have.
pub(super) struct Room {
    pub(super) cookie: Cookie,
    held: Held,
}

impl Pages {
    /// What tells one search from another: everything but cookie, page size and time limit.
    pub(super) fn fingerprint(&self, call: &Call<'_>, request: &SearchRequest<'_>) -> u64 {
        let controls = RequestControls {
            paged: None,
            ..call.controls.clone()
        };
        self.hasher.hash_one((
            (request.base_object, request.scope, request.deref_aliases),
            (request.size_limit, request.types_only),
            (&request.filter, &request.attributes),
            controls,
        ))
    }

    /// Continues the search of a cookie with its next page; `None` where the client ends it.
    pub(super) fn resume(
        &mut self,
        call: &Call<'_>,
        request: &SearchRequest<'_>,
        paged: &PagedResults<'_>,
    ) -> Result<Option<Box<Running>>, LdapResult> {
        let Some(mut running) = self.take(paged.cookie) else {
            return Err(refused(
                "this cookie is not, or no more, good on this connection: begin anew",
            ));
        };
        if paged.size == 0 {
            return Ok(None);
        }
        let fingerprint = self.fingerprint(call, request);
        let same = running
            .page()
            .is_some_and(|page| page.fingerprint == fingerprint);
        if !same {
            return Err(refused("this cookie belongs to another search"));
        }
        running.resume(call, request, paged);
        Ok(Some(running))
    }
}

impl<S> Pages<S> {
    /// Drops all of them.
    pub(in crate::server) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// Drops those that waited too long; gives when the next one will have.
    pub(in crate::server) fn expire(&mut self) -> Option<Instant> {
        if self.waiting.is_empty() {
            return None;
        }
        self.expire_at(Instant::now())
    }

    fn expire_at(&mut self, now: Instant) -> Option<Instant> {
        let expired = self
            .waiting
            .partition_point(|waiting| now.saturating_duration_since(waiting.since) >= MAX_AGE);
        self.waiting.drain(..expired);
        let first = self.waiting.first()?;
        first.since.checked_add(MAX_AGE)
    }

    /// Takes out the search of a cookie: it is good once, whatever comes of it.
    fn take(&mut self, cookie: &[u8]) -> Option<S> {
        self.expire();
        let place = self
            .waiting
            .iter()
            .position(|waiting| waiting.cookie == cookie)?;
        Some(self.waiting.remove(place).search)
    }

    /// Makes room for a search of this many octets.
    ///
    /// # Errors
    /// busy, where too many searches wait on all connections.
    pub(super) fn make_room(
        &mut self,
        memory: &Arc<Budget>,
        octets: usize,
    ) -> Result<Room, LdapResult> {
        if self.waiting.len() >= MAX_WAITING {
            self.waiting.remove(0);
        }
        let mut held = Held::new(memory);
        while !held.resize(octets) {
            if self.waiting.is_empty() {
                return Err(LdapResult::new(
                    ResultCode::BUSY,
                    "too many searches wait for their next page: try again later",
                ));
            }
            self.waiting.remove(0);
        }
        let mut cookie = Cookie::default();
        getrandom::fill(&mut cookie).map_err(|_| {
            LdapResult::new(ResultCode::OTHER, "the system gives no random numbers")
        })?;
        Ok(Room { cookie, held })
    }

    /// Keeps a search until its next page is asked for.
    pub(super) fn keep(&mut self, search: S, room: Room) {
        self.waiting.push(Waiting {
            cookie: room.cookie,
            since: Instant::now(),
            search,
            _held: room.held,
        });
    }
}

impl<S> Default for Pages<S> {
    fn default() -> Self {
        Self {
            waiting: Vec::new(),
            hasher: foldhash::fast::RandomState::default(),
        }
    }
}

impl<S> std::fmt::Debug for Pages<S> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Pages({})", self.waiting.len())
    }
}

fn refused(why: &str) -> LdapResult {
    LdapResult::new(ResultCode::UNWILLING_TO_PERFORM, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(pages: &mut Pages<u32>, memory: &Arc<Budget>, search: u32) -> Cookie {
        let room = pages.make_room(memory, 10).unwrap();
        let cookie = room.cookie;
        pages.keep(search, room);
        cookie
    }

    #[test]
    fn cookies_differ_and_are_good_once() {
        let memory = Budget::new(1000);
        let mut pages = Pages::default();
        let one = keep(&mut pages, &memory, 1);
        let other = keep(&mut pages, &memory, 2);
        assert_ne!(one, other);
        assert_eq!(pages.take(b""), None);
        assert_eq!(pages.take(&other), Some(2));
        assert_eq!(pages.take(&other), None);
        assert_eq!(pages.take(&one), Some(1));
        let one = keep(&mut pages, &memory, 1);
        pages.clear();
        assert_eq!(pages.take(&one), None);
    }

    #[test]
    fn what_waits_too_long_is_dropped() {
        let memory = Budget::new(1000);
        let mut pages = Pages::default();
        assert_eq!(pages.expire(), None);
        let one = keep(&mut pages, &memory, 1);
        let other = keep(&mut pages, &memory, 2);
        let first = pages.waiting[0].since;
        assert_eq!(pages.expire(), Some(first + MAX_AGE));
        pages.waiting[1].since = first + Duration::from_secs(1);
        let then = pages.expire_at(first + MAX_AGE);
        assert_eq!(then, Some(first + MAX_AGE + Duration::from_secs(1)));
        assert_eq!(pages.take(&one), None);
        assert_eq!(pages.take(&other), Some(2));
    }

    #[test]
    fn all_connections_share_one_bound() {
        let memory = Budget::new(25);
        let (mut one, mut other) = (Pages::default(), Pages::default());
        let first = keep(&mut one, &memory, 1);
        keep(&mut one, &memory, 2);
        // Somebody else's are not dropped for it, one's own are.
        let refused = other.make_room(&memory, 10).map(|_| ()).unwrap_err();
        assert_eq!(refused.code, ResultCode::BUSY);
        let third = keep(&mut one, &memory, 3);
        assert_eq!(one.take(&first), None);
        assert_eq!(one.take(&third), Some(3));
        keep(&mut other, &memory, 4);
        drop(other);
        keep(&mut one, &memory, 5);
        assert_eq!(one.waiting.len(), 2);
    }
}
