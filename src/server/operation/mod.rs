//! The operations, one file each: what a request means, and which result code it gets.

mod bind;
mod compare;
mod entry_writer;
mod extended;
mod proxied;
mod root_dse;
mod search;
mod target;
mod update;

use std::{collections::VecDeque, time::Instant};

pub(super) use self::{
    entry_writer::{Selections, SharedSelections},
    search::{Bases, Following, Pages, Progress, Running},
};
use super::{
    Service, Settings,
    followers::Followers,
    metrics::OperationKind,
    session::{Channel, Session},
};
use crate::{
    access::AuthorizationIdentity,
    directory::{BoundFilter, EntryId, Snapshot, Subject},
    dn::Dn,
    proto::{
        LdapResult, MessageId, Operation, Request, RequestControls, ResultCode,
        control::ControlError,
        response::{ResponseControl, write_result},
    },
};

/// What a connection has to do after a request was started.
pub(super) enum Next {
    /// Nothing: the answer is written, or there is none.
    Done,
    /// Move this search on until it is done.
    Search(Box<Running>),
    /// Move this search on whenever there is a next version.
    Follow(Box<Following>),
    /// Drop this operation; it gets no more answer.
    Abandon(MessageId),
    /// Make the handshake; the answer is written.
    StartTls,
    /// End the connection.
    Unbind,
}

/// What a connection has to do besides a request: the operations under way, and what came behind.
#[derive(Clone, Copy)]
pub(super) struct Outstanding<'o> {
    pub(super) running: &'o VecDeque<Box<Running>>,
    pub(super) followers: &'o Followers,
    /// Whether more came behind the request.
    pub(super) more: bool,
}

impl Outstanding<'_> {
    pub(super) fn len(self) -> usize {
        self.running.len() + self.followers.len()
    }

    pub(super) fn contains(self, id: MessageId) -> bool {
        self.running.iter().any(|running| running.id() == id) || self.followers.contains(id)
    }
}

/// Starts an operation; `outstanding` others are under way.
pub(super) async fn start(
    service: &Service,
    settings: &Settings,
    session: &mut Session,
    outstanding: Outstanding<'_>,
    request: &Request<'_>,
    out: &mut Vec<u8>,
) -> Next {
    let kind = OperationKind::of(&request.operation);
    let mut call = Call {
        service,
        settings,
        id: request.id,
        kind,
        started: Instant::now(),
        controls: RequestControls::NONE,
        channel: session.channel(),
        identity: &AuthorizationIdentity::Anonymous,
    };
    let mut continued = false;
    match &request.operation {
        Operation::Unbind => {
            call.count(ResultCode::SUCCESS);
            return Next::Unbind;
        }
        Operation::Abandon(id) => {
            call.count(ResultCode::SUCCESS);
            // It gets no answer, but it must not be done under a critical control nobody knows.
            return match RequestControls::decode(request.operation.tag(), &request.controls) {
                Ok(_) => Next::Abandon(*id),
                Err(_) => Next::Done,
            };
        }
        // The session is anonymous after a bind that fails, for whatever reason (RFC 4513
        // section 4).
        Operation::Bind(_) => continued = session.begin_bind(),
        _ => {}
    }
    let controls;
    if !request.controls.is_empty() {
        controls = match RequestControls::decode(request.operation.tag(), &request.controls) {
            Ok(controls) => controls,
            Err(error) => return call.answer(&refusal(&error).into(), out),
        };
        call.controls = &controls;
    }
    if let Operation::Bind(bind) = &request.operation {
        bind::bind(&call, session, continued, bind, out).await;
        return Next::Done;
    }
    let acting;
    call.identity = match call.controls.proxied_authorization {
        None => &session.identity,
        Some(authorization_id) => match proxied::identity(&call, session, authorization_id) {
            Ok(identity) => {
                acting = identity;
                &acting
            }
            Err(result) => return call.answer(&result.into(), out),
        },
    };
    let answer = match &request.operation {
        Operation::Search(search) => {
            let remembered = search::Remembered {
                pages: &mut session.pages,
                selections: &mut session.selections,
                bases: &mut session.bases,
            };
            match search::start(&call, remembered, search, outstanding.len(), out) {
                Ok(search::Started::Finished) => return Next::Done,
                Ok(search::Started::Running(running)) => return Next::Search(running),
                Ok(search::Started::Following(following)) => return Next::Follow(following),
                Ok(search::Started::Answered(answer)) => answer,
                Err(result) => result.into(),
            }
        }
        // Boxed, so that the other operations carry none of it.
        Operation::Extended(extended) => {
            return Box::pin(extended::start(&call, session, outstanding, extended, out)).await;
        }
        Operation::Compare(compare) => compare::compare(&call, compare).into(),
        Operation::Add(add) => Box::pin(update::add(&call, session, add)).await,
        Operation::Delete(dn) => Box::pin(update::delete(&call, session, dn)).await,
        Operation::Modify(modify) => Box::pin(update::modify(&call, session, modify)).await,
        Operation::ModifyDn(modify_dn) => {
            Box::pin(update::modify_dn(&call, session, modify_dn)).await
        }
        Operation::Unbind | Operation::Abandon(_) | Operation::Bind(_) => return Next::Done,
    };
    call.answer(&answer, out)
}

/// One request and what it is worked on with.
struct Call<'c> {
    service: &'c Service,
    settings: &'c Settings,
    id: MessageId,
    kind: OperationKind,
    started: Instant,
    controls: &'c RequestControls<'c>,
    channel: Channel,
    /// Who it is for: who is bound, or whom that one acts for.
    identity: &'c AuthorizationIdentity,
}

/// What an operation comes to.
struct Answer {
    result: LdapResult,
    controls: Vec<ResponseControl>,
}

impl From<LdapResult> for Answer {
    fn from(result: LdapResult) -> Self {
        Self {
            result,
            controls: Vec::new(),
        }
    }
}

impl Call<'_> {
    /// Writes an answer that is nothing but a result.
    fn answer(&self, answer: &Answer, out: &mut Vec<u8>) -> Next {
        if let Some(tag) = self.kind.answer() {
            write_result(out, self.id, tag, &answer.result, &answer.controls);
        }
        self.count(answer.result.code);
        Next::Done
    }

    fn count(&self, code: ResultCode) {
        self.service
            .metrics
            .operation(self.kind, code.0, self.started.elapsed());
        tracing::debug!(
            target: "adduct::access",
            op = self.kind.as_str(),
            msg.id = self.id.0,
            result.code = code.0,
            "operation"
        );
    }

    /// Before every source is replicated once, an empty answer would be taken for the truth.
    fn busy(&self) -> Option<LdapResult> {
        (!self.service.is_ready()).then(|| {
            LdapResult::new(
                ResultCode::BUSY,
                "the first synchronisation is not complete: try again later",
            )
        })
    }

    /// Whether passwords may be in the request and the answer.
    fn is_confidential(&self) -> bool {
        self.channel.takes_passwords(self.settings)
    }

    /// Refuses who may not read entries.
    fn may_read(&self) -> Result<(), LdapResult> {
        if self.settings.access.may_read(self.identity) {
            Ok(())
        } else {
            Err(bind_first())
        }
    }

    /// Refuses where the assertion of the request does not hold of an entry (RFC 4528).
    fn assert(&self, snapshot: &Snapshot, id: EntryId) -> Result<(), LdapResult> {
        if self.controls.assertion.is_none() {
            return Ok(());
        }
        match Subject::of(snapshot, id) {
            Some(subject) => self.assert_of(subject),
            None => Ok(()),
        }
    }

    /// The same of entries that may be made up.
    fn assert_of(&self, subject: Subject<'_>) -> Result<(), LdapResult> {
        let Some(assertion) = &self.controls.assertion else {
            return Ok(());
        };
        let secrets = self.settings.access.secrets();
        let filter = BoundFilter::bind(assertion, subject.snapshot, secrets);
        if filter.evaluate(subject) == Some(true) {
            Ok(())
        } else {
            Err(LdapResult::new(
                ResultCode::ASSERTION_FAILED,
                "the assertion does not hold of the entry",
            ))
        }
    }
}

/// The result for controls that cannot be obeyed (RFC 4511 section 4.1.11).
fn refusal(error: &ControlError) -> LdapResult {
    let code = match error {
        ControlError::Unavailable(_) => ResultCode::UNAVAILABLE_CRITICAL_EXTENSION,
        ControlError::Malformed { .. } | ControlError::Twice(_) => ResultCode::PROTOCOL_ERROR,
    };
    LdapResult::new(code, error.to_string())
}

/// A DN as sent, or invalidDNSyntax.
fn parse_dn(octets: &[u8]) -> Result<Dn, LdapResult> {
    Dn::parse(text(octets)?).map_err(|error| invalid_dn(error.to_string()))
}

/// A name as text.
fn text(octets: &[u8]) -> Result<&str, LdapResult> {
    std::str::from_utf8(octets).map_err(|error| invalid_dn(error.to_string()))
}

fn invalid_dn(text: String) -> LdapResult {
    LdapResult::new(ResultCode::INVALID_DN_SYNTAX, text)
}

/// What anonymous clients are told.
fn bind_first() -> LdapResult {
    LdapResult::new(
        ResultCode::INSUFFICIENT_ACCESS_RIGHTS,
        "anonymous clients read the root DSE and the subschema only: bind first",
    )
}
