//! Search (RFC 4511 section 4.5).
//!
//! | because | result code |
//! | --- | --- |
//! | no DN | invalidDNSyntax |
//! | no such base | noSuchObject, with the nearest entry above |
//! | nobody is bound | insufficientAccessRights |
//! | the first synchronisation | busy |
//! | more entries than allowed, more time than allowed | sizeLimitExceeded, timeLimitExceeded |

use std::time::{Duration, Instant};

use super::{Call, bind_first, compare::no_such_object, root_dse};
use crate::{
    directory::{
        AttributeSelection, BoundFilter, PackedAttributes, Progress, Resolved, Search, Snapshot,
        Subject,
    },
    dn::Dn,
    proto::{
        LdapResult, MessageId, ResultCode,
        request::{SearchRequest, SearchScope},
        response::{self, write_entry, write_result},
    },
    server::{Service, metrics::OperationKind, session::Session},
};

/// What became of a search so far.
pub(super) enum Started {
    /// All entries are written; success remains to be said.
    Answered,
    /// It is ready to run.
    Running(Box<Running>),
}

/// A search under way on a connection.
pub(in crate::server) struct Running {
    id: MessageId,
    search: Search,
    started: Instant,
    deadline: Option<Instant>,
}

/// Checks and plans a search.
pub(super) fn start(
    call: &Call<'_>,
    session: &Session,
    request: &SearchRequest<'_>,
    out: &mut Vec<u8>,
) -> Result<Started, LdapResult> {
    let invalid = |text: String| LdapResult::new(ResultCode::INVALID_DN_SYNTAX, text);
    let base =
        std::str::from_utf8(request.base_object).map_err(|error| invalid(error.to_string()))?;
    let dn = Dn::parse(base).map_err(|error| invalid(error.to_string()))?;
    let snapshot = call.service.directory.snapshot();
    if request.scope == SearchScope::BaseObject {
        if dn.is_root() {
            let attributes = root_dse::root_dse(&snapshot, call.settings);
            write_made_up(call, request, &snapshot, "", &attributes, out);
            return Ok(Started::Answered);
        }
        if root_dse::is_subschema(&snapshot, &dn) {
            if let Some(busy) = call.busy() {
                return Err(busy);
            }
            let name = crate::directory::derived::SUBSCHEMA_DN;
            write_made_up(
                call,
                request,
                &snapshot,
                name,
                &root_dse::subschema(&snapshot),
                out,
            );
            return Ok(Started::Answered);
        }
    }
    if let Some(busy) = call.busy() {
        return Err(busy);
    }
    let access = &call.settings.access;
    if !access.may_read(&session.identity) {
        return Err(bind_first());
    }
    // The empty DN is above every naming context.
    let base = if dn.is_root() {
        None
    } else {
        match snapshot.resolve(&dn) {
            Resolved::Found(id) => Some(id),
            Resolved::Missing { nearest } => return Err(no_such_object(&snapshot, nearest)),
        }
    };
    let limits = &call.settings.limits;
    let filter = BoundFilter::bind(&request.filter, &snapshot, access.secrets());
    let selection = AttributeSelection::new(
        &snapshot,
        &request.attributes,
        request.types_only,
        access.secrets(),
    );
    let size_limit = lower(
        request.size_limit,
        u32::try_from(limits.size_limit).unwrap_or(u32::MAX),
    );
    let asked = Duration::from_secs(u64::from(request.time_limit));
    let time_limit = match (asked.is_zero(), limits.time_limit.is_zero()) {
        (true, true) => None,
        (true, false) => Some(limits.time_limit),
        (false, true) => Some(asked),
        (false, false) => Some(asked.min(limits.time_limit)),
    };
    Ok(Started::Running(Box::new(Running {
        id: call.id,
        search: Search::new(snapshot, base, request.scope, filter, selection, size_limit),
        started: call.started,
        deadline: time_limit.and_then(|limit| call.started.checked_add(limit)),
    })))
}

impl Running {
    /// The operation's number.
    pub(in crate::server) fn id(&self) -> MessageId {
        self.id
    }

    /// Works on it for a slice; true when it is answered.
    pub(in crate::server) fn advance(
        &mut self,
        service: &Service,
        out: &mut Vec<u8>,
        mark: usize,
        slice: usize,
    ) -> bool {
        let result = match self.search.run(self.id, out, mark, slice) {
            Progress::Paused if self.is_late() => LdapResult::new(
                ResultCode::TIME_LIMIT_EXCEEDED,
                "the time limit was reached: make the filter narrower",
            ),
            Progress::Paused => return false,
            Progress::Complete => LdapResult::SUCCESS,
            Progress::SizeLimitExceeded => LdapResult::new(
                ResultCode::SIZE_LIMIT_EXCEEDED,
                "there are more entries than the size limit allows",
            ),
        };
        write_result(out, self.id, response::tag::SEARCH_DONE, &result);
        let elapsed = self.started.elapsed();
        service
            .metrics
            .operation(OperationKind::Search, result.code.0, elapsed);
        service
            .metrics
            .entries_returned_total
            .add(self.search.returned);
        tracing::debug!(
            target: "adduct::access",
            op = "search",
            msg.id = self.id.0,
            result.code = result.code.0,
            entries = self.search.returned,
            candidates = self.search.examined,
            "operation"
        );
        true
    }

    fn is_late(&self) -> bool {
        self.deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
    }
}

/// The stricter of two limits of which 0 means none.
fn lower(left: u32, right: u32) -> u32 {
    match (left, right) {
        (0, other) | (other, 0) => other,
        (left, right) => left.min(right),
    }
}

/// Writes an entry that is made up, if the filter is true of it.
fn write_made_up(
    call: &Call<'_>,
    request: &SearchRequest<'_>,
    snapshot: &Snapshot,
    dn: &str,
    attributes: &PackedAttributes,
    out: &mut Vec<u8>,
) {
    let secrets = call.settings.access.secrets();
    let filter = BoundFilter::bind(&request.filter, snapshot, secrets);
    let subject = Subject {
        snapshot,
        id: None,
        attributes,
    };
    if filter.evaluate(subject) != Some(true) {
        return;
    }
    let selection =
        AttributeSelection::new(snapshot, &request.attributes, request.types_only, secrets);
    write_entry(
        out,
        call.id,
        |out| out.extend_from_slice(dn.as_bytes()),
        |out| selection.write_made_up(snapshot, attributes, out),
    );
}
