//! Search (RFC 4511 section 4.5).
//!
//! | because | result code |
//! | --- | --- |
//! | no DN | invalidDNSyntax |
//! | no such base | noSuchObject, with the nearest entry above |
//! | other servers hold the base | referral |
//! | an alias leads nowhere, or in a circle | aliasProblem, loopDetect |
//! | nobody is bound | insufficientAccessRights |
//! | the first synchronisation | busy |
//! | more entries than allowed, more time than allowed | sizeLimitExceeded, timeLimitExceeded |

mod base;
mod content_sync;
mod following;
mod limits;
mod persistent;
mod running;

pub(in crate::server) use self::{
    following::{Following, Progress},
    running::Running,
};
use super::{
    Call,
    entry_writer::EntryWriter,
    root_dse,
    target::{self, Name},
};
use crate::{
    directory::{BoundFilter, Search},
    proto::{LdapResult, request::SearchRequest},
};

/// What became of a search so far.
pub(super) enum Started {
    /// All entries are written; success remains to be said.
    Answered,
    /// It is ready to run.
    Running(Box<Running>),
    /// It is ready to run, and goes on with changes.
    Following(Box<Following>),
}

/// Checks and plans a search.
pub(super) fn start(
    call: &Call<'_>,
    request: &SearchRequest<'_>,
    outstanding: usize,
    out: &mut Vec<u8>,
) -> Result<Started, LdapResult> {
    if let Some(wanted) = following::wanted(call.controls)? {
        let following = following::start(call, request, wanted, outstanding)?;
        return Ok(Started::Following(Box::new(following)));
    }
    let name = Name::parse(request.base_object)?;
    let snapshot = call.service.directory.snapshot();
    if base::answer_made_up(call, request, &snapshot, &name, out)? {
        return Ok(Started::Answered);
    }
    if let Some(busy) = call.busy() {
        return Err(busy);
    }
    call.may_read()?;
    let place = base::find(call, request, &snapshot, &name, out)?;
    let secrets = call.settings.access.secrets();
    let filter = BoundFilter::bind(&request.filter, &snapshot, secrets);
    let writer = EntryWriter::new(call, request, &snapshot)?;
    let search = Search::within(snapshot, place.base, request.scope, place.region, filter);
    Ok(Started::Running(Box::new(Running::new(
        call, request, search, writer,
    ))))
}
