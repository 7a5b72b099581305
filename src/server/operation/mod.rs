//! The operations, one file each: what a request means, and which result code it gets.

mod bind;
mod compare;
mod control;
mod extended;
mod root_dse;
mod search;
mod update;

use std::time::Instant;

use super::{Service, Settings, metrics::OperationKind, session::Session};
use crate::{
    ber::Tag,
    proto::{
        LdapResult, MessageId, Operation, Request, ResultCode,
        response::{self, write_result},
    },
};

pub(super) use self::search::Running;

/// What a connection has to do after a request was started.
pub(super) enum Next {
    /// Nothing: the answer is written, or there is none.
    Done,
    /// Move this search on until it is done.
    Search(Box<Running>),
    /// Drop this operation; it gets no answer.
    Abandon(MessageId),
    /// Make the handshake; the answer is written.
    StartTls,
    /// End the connection.
    Unbind,
}

/// Starts an operation; `outstanding` others are under way.
pub(super) async fn start(
    service: &Service,
    settings: &Settings,
    session: &mut Session,
    outstanding: usize,
    request: &Request<'_>,
    out: &mut Vec<u8>,
) -> Next {
    let call = Call {
        service,
        settings,
        id: request.id,
        started: Instant::now(),
    };
    let refusal = control::refusal(&request.controls);
    match &request.operation {
        Operation::Unbind => {
            call.count(OperationKind::Unbind, ResultCode::SUCCESS);
            Next::Unbind
        }
        Operation::Abandon(id) => {
            call.count(OperationKind::Abandon, ResultCode::SUCCESS);
            Next::Abandon(*id)
        }
        Operation::Bind(bind) => {
            let result = match refusal {
                Some(refusal) => refusal,
                None => bind::bind(&call, session, bind).await,
            };
            call.answer(OperationKind::Bind, response::tag::BIND, &result, out)
        }
        Operation::Search(search) => {
            let started = match refusal {
                Some(refusal) => Err(refusal),
                None => search::start(&call, session, search, out),
            };
            match started {
                Ok(search::Started::Running(running)) => Next::Search(running),
                Ok(search::Started::Answered) => {
                    let tag = response::tag::SEARCH_DONE;
                    call.answer(OperationKind::Search, tag, &LdapResult::SUCCESS, out)
                }
                Err(result) => call.answer(
                    OperationKind::Search,
                    response::tag::SEARCH_DONE,
                    &result,
                    out,
                ),
            }
        }
        Operation::Compare(compare) => {
            let result = refusal.unwrap_or_else(|| compare::compare(&call, session, compare));
            call.answer(OperationKind::Compare, response::tag::COMPARE, &result, out)
        }
        Operation::Extended(extended) => match refusal {
            Some(refusal) => call.answer(
                OperationKind::Extended,
                response::tag::EXTENDED,
                &refusal,
                out,
            ),
            None => extended::start(&call, session, outstanding, extended, out),
        },
        Operation::Update(update) => {
            let result = refusal.unwrap_or_else(|| update::refuse(&call, session, update));
            let (kind, tag) = update::kind(update.kind);
            call.answer(kind, tag, &result, out)
        }
    }
}

/// One request and what it is worked on with.
struct Call<'c> {
    service: &'c Service,
    settings: &'c Settings,
    id: MessageId,
    started: Instant,
}

impl Call<'_> {
    /// Writes an answer that is nothing but a result.
    fn answer(
        &self,
        kind: OperationKind,
        tag: Tag,
        result: &LdapResult,
        out: &mut Vec<u8>,
    ) -> Next {
        write_result(out, self.id, tag, result);
        self.count(kind, result.code);
        Next::Done
    }

    fn count(&self, kind: OperationKind, code: ResultCode) {
        self.service
            .metrics
            .operation(kind, code.0, self.started.elapsed());
        tracing::debug!(
            target: "adduct::access",
            op = kind.as_str(),
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
}

/// What anonymous clients are told.
fn bind_first() -> LdapResult {
    LdapResult::new(
        ResultCode::INSUFFICIENT_ACCESS_RIGHTS,
        "anonymous clients read the root DSE and the subschema only: bind first",
    )
}
