//! Search (RFC 4511 section 4.5).
//!
//! | because | result code |
//! | --- | --- |
//! | no DN | invalidDNSyntax |
//! | no such base | noSuchObject, with the nearest entry above |
//! | nobody is bound | insufficientAccessRights |
//! | the first synchronisation | busy |
//! | more entries than allowed, more time than allowed | sizeLimitExceeded, timeLimitExceeded |

mod content_sync;
mod following;
mod limits;
mod persistent;
mod running;

pub(in crate::server) use self::{
    following::{Following, Progress},
    running::Running,
};
use super::{Call, entry_writer::EntryWriter, find, parse_dn, root_dse};
use crate::{
    directory::{BoundFilter, PackedAttributes, Search, Snapshot, Subject},
    proto::{
        LdapResult,
        request::{SearchRequest, SearchScope},
    },
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
    let dn = parse_dn(request.base_object)?;
    let snapshot = call.service.directory.snapshot();
    if request.scope == SearchScope::BaseObject {
        if dn.is_root() {
            let attributes = root_dse::root_dse(&snapshot, call.settings);
            write_made_up(call, request, &snapshot, "", &attributes, out)?;
            return Ok(Started::Answered);
        }
        if root_dse::is_subschema(&snapshot, &dn) {
            if let Some(busy) = call.busy() {
                return Err(busy);
            }
            let name = crate::directory::derived::SUBSCHEMA_DN;
            let attributes = root_dse::subschema(&snapshot);
            write_made_up(call, request, &snapshot, name, &attributes, out)?;
            return Ok(Started::Answered);
        }
    }
    if let Some(busy) = call.busy() {
        return Err(busy);
    }
    call.may_read()?;
    // The empty DN is above every naming context.
    let base = if dn.is_root() {
        None
    } else {
        let id = find(&snapshot, &dn)?;
        call.assert(&snapshot, id)?;
        Some(id)
    };
    let secrets = call.settings.access.secrets();
    let filter = BoundFilter::bind(&request.filter, &snapshot, secrets);
    let writer = EntryWriter::new(call, request, &snapshot)?;
    let search = Search::new(snapshot, base, request.scope, filter);
    Ok(Started::Running(Box::new(Running::new(
        call, request, search, writer,
    ))))
}

/// Writes an entry that is made up, if the filter is true of it.
fn write_made_up(
    call: &Call<'_>,
    request: &SearchRequest<'_>,
    snapshot: &Snapshot,
    dn: &str,
    attributes: &PackedAttributes,
    out: &mut Vec<u8>,
) -> Result<(), LdapResult> {
    let writer = EntryWriter::new(call, request, snapshot)?;
    let secrets = call.settings.access.secrets();
    let filter = BoundFilter::bind(&request.filter, snapshot, secrets);
    let subject = Subject {
        snapshot,
        id: None,
        attributes,
    };
    if filter.evaluate(subject) == Some(true) {
        writer.write_made_up(snapshot, call.id, dn, attributes, out);
    }
    Ok(())
}
