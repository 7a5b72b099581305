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
//!
//! What the controls for pages, order and windows add to it stands in their files.

mod base;
mod bases;
mod content_sync;
mod following;
mod limits;
mod paged;
mod persistent;
mod running;
mod shape;
mod sort;
mod vlv;

use self::{base::Base, shape::Shape};
pub(in crate::server) use self::{
    bases::Bases,
    following::{Following, Progress},
    paged::Pages,
    running::Running,
};
use super::{
    Answer, Call,
    entry_writer::{EntryWriter, Selections},
    root_dse,
    target::{self, Name},
};
use crate::{
    directory::{BoundFilter, Search},
    proto::{LdapResult, request::SearchRequest},
};

/// What became of a search so far.
pub(super) enum Started {
    /// All entries are written; this remains to be said.
    Answered(Answer),
    /// Its answer is written.
    Finished,
    /// It is ready to run on.
    Running(Box<Running>),
    /// It is ready to run, and goes on with changes.
    Following(Box<Following>),
}

/// What a connection keeps from one search to the next.
pub(super) struct Remembered<'r> {
    pub(super) pages: &'r mut Pages,
    pub(super) selections: &'r mut Selections,
    pub(super) bases: &'r mut Bases,
}

/// Checks and plans a search, or goes on with one in pages.
pub(super) fn start(
    call: &Call<'_>,
    remembered: Remembered<'_>,
    request: &SearchRequest<'_>,
    outstanding: usize,
    out: &mut Vec<u8>,
) -> Result<Started, LdapResult> {
    let Remembered {
        pages,
        selections,
        bases,
    } = remembered;
    if let Some(wanted) = following::wanted(call.controls)? {
        let following = following::start(call, request, wanted, outstanding)?;
        return Ok(Started::Following(Box::new(following)));
    }
    if let Some(paged) = &call.controls.paged
        && !paged.cookie.is_empty()
    {
        call.may_read()?;
        return Ok(match pages.resume(call, request, paged)? {
            Some(running) => Started::Running(running),
            None => Started::Answered(paged::answer(0)),
        });
    }
    let snapshot = call.service.directory.snapshot();
    let base = match bases.get(request.base_object, &snapshot) {
        Some(known) => Base::Known(known),
        None => Base::Named(Name::parse(request.base_object)?),
    };
    if let Base::Named(name) = &base
        && let Some(answer) = base::answer_made_up(call, request, &snapshot, name, selections, out)?
    {
        return Ok(Started::Answered(answer));
    }
    if let Some(busy) = call.busy() {
        return Err(busy);
    }
    call.may_read()?;
    // Whatever is refused is refused without references.
    let start = out.len();
    let place = base::find(call, request, &snapshot, &base, bases, out)?;
    let secrets = call.settings.access.secrets();
    let filter = BoundFilter::bind(&request.filter, &snapshot, secrets);
    let shape = match Shape::of(call, &snapshot) {
        Ok(shape) => shape.map(Box::new),
        Err(answer) => {
            out.truncate(start);
            return Ok(Started::Answered(answer));
        }
    };
    let selection = selections.of(call, request, &snapshot);
    let writer =
        EntryWriter::new(call, selection, &snapshot).inspect_err(|_| out.truncate(start))?;
    let search = Search::within(snapshot, place.base, request.scope, place.region, filter);
    if shape.as_ref().is_some_and(|shape| shape.is_estimate()) {
        out.truncate(start);
        return Ok(Started::Answered(paged::answer(search.estimate(0))));
    }
    let running = Running::new(call, request, search, writer, shape);
    Ok(match running.begin(call, pages, request, out) {
        Some(running) => Started::Running(running),
        None => Started::Finished,
    })
}
