//! Content synchronisation (RFC 4533).

use uuid::Uuid;

use super::following::{Change, Report, Versions};
use crate::{
    ber::{self, write_boolean, write_integer, write_nested, write_octets},
    directory::{EntryId, Position, Snapshot},
    proto::{
        LdapResult, MessageId, ResultCode,
        control::{SyncMode, SyncRequest, oid},
        extended::SYNC_INFO,
        request::DerefAliases,
        response::{ResponseControl, write_intermediate},
    },
};

/// Identities in one message.
pub(super) const IN_SET: usize = 500;
/// Commits without an effect on the content after which the client gets a new cookie all the same,
/// lest its last one becomes too old.
const QUIET: u64 = 1024;

/// One client's synchronisation.
#[derive(Debug)]
pub(super) struct ContentSync {
    mode: SyncMode,
    /// Whether what is gone was told, so that what was not told is still there.
    deletes: bool,
    /// The position of the last cookie that was sent, or will be at the end of the refresh.
    told: Position,
}

/// The entries affected since a request's cookie; `None` where all of the content is to be sent.
///
/// # Errors
/// e-syncRefreshRequired for a cookie that says nothing to this server any more, unless the client
/// takes everything anew.
pub(super) fn affected(
    request: &SyncRequest<'_>,
    deref_aliases: DerefAliases,
    snapshot: &Snapshot,
) -> Result<Option<Vec<Uuid>>, LdapResult> {
    if matches!(
        deref_aliases,
        DerefAliases::InSearching | DerefAliases::Always
    ) {
        return Err(LdapResult::new(
            ResultCode::PROTOCOL_ERROR,
            "synchronisation does not follow aliases in searching",
        ));
    }
    let Some(cookie) = request.cookie.filter(|cookie| !names_consumer_only(cookie)) else {
        return Ok(None);
    };
    let position = std::str::from_utf8(cookie)
        .ok()
        .and_then(|text| text.parse::<Position>().ok());
    let reason = match &position {
        None => "the cookie is none of this server's",
        Some(position) => match snapshot.affected_since(position) {
            Some(affected) => return Ok(Some(affected)),
            None => "the cookie is of another server or too old",
        },
    };
    if request.reload_hint {
        return Ok(None);
    }
    Err(LdapResult::new(
        ResultCode::SYNC_REFRESH_REQUIRED,
        format!("{reason}: ask without a cookie"),
    ))
}

/// OpenLDAP's consumer has a cookie before it has any content, with its own number in it.
fn names_consumer_only(cookie: &[u8]) -> bool {
    cookie.is_empty()
        || (cookie.starts_with(b"rid=") && !cookie.windows(4).any(|part| part == b"csn="))
}

impl ContentSync {
    pub(super) fn new(mode: SyncMode, deletes: bool, position: Position) -> Self {
        Self {
            mode,
            deletes,
            told: position,
        }
    }

    pub(super) fn persists(&self) -> bool {
        self.mode == SyncMode::RefreshAndPersist
    }

    /// Tells that the refresh is over; the control for the result where that is the end.
    pub(super) fn refreshed(&self, id: MessageId, out: &mut Vec<u8>) -> Option<ResponseControl> {
        let cookie = self.told.to_string();
        if self.persists() {
            // refreshDelete or refreshPresent; refreshDone is TRUE by default.
            let choice = ber::context_constructed(if self.deletes { 1 } else { 2 });
            write_info(id, out, |out| {
                write_nested(out, choice, |out| {
                    write_octets(out, ber::OCTET_STRING, cookie.as_bytes());
                });
            });
            return None;
        }
        let mut value = Vec::new();
        write_nested(&mut value, ber::SEQUENCE, |out| {
            write_octets(out, ber::OCTET_STRING, cookie.as_bytes());
            if self.deletes {
                write_boolean(out, true);
            }
        });
        Some(ResponseControl {
            oid: oid::SYNC_DONE,
            value: Some(value),
        })
    }

    /// Gives the client the cookie of a version whose difference it was told.
    pub(super) fn differed(
        &mut self,
        id: MessageId,
        position: Position,
        anything: bool,
        out: &mut Vec<u8>,
    ) {
        if anything || position.commits_since(&self.told) >= QUIET {
            self.told = position;
            write_info(id, out, |out| {
                write_octets(out, ber::context(0), position.to_string().as_bytes());
            });
        }
    }
}

/// The control on an entry of the refresh; the client may have it already.
pub(super) fn added(uuid: Uuid) -> ResponseControl {
    state(1, uuid)
}

/// How a change is told while the search persists.
pub(super) fn report(change: Change, versions: Versions<'_>, id: EntryId) -> Option<Report> {
    let (number, is_gone) = match change {
        Change::Entered => (1, false),
        Change::Changed => (2, false),
        Change::Left => (3, true),
    };
    let version = if is_gone {
        versions.before
    } else {
        versions.after
    };
    Some(Report {
        controls: vec![state(number, version.entry(id)?.uuid)],
        as_before: is_gone,
        bare: is_gone,
    })
}

/// Tells which entries are gone, or may never have been there.
pub(super) fn write_gone(id: MessageId, uuids: &[Uuid], out: &mut Vec<u8>) {
    write_info(id, out, |out| {
        write_nested(out, ber::context_constructed(3), |out| {
            write_boolean(out, true);
            write_nested(out, ber::SET, |out| {
                for uuid in uuids {
                    write_octets(out, ber::OCTET_STRING, uuid.as_bytes());
                }
            });
        });
    });
}

fn write_info(id: MessageId, out: &mut Vec<u8>, contents: impl FnOnce(&mut Vec<u8>)) {
    let mut value = Vec::new();
    contents(&mut value);
    write_intermediate(out, id, SYNC_INFO, Some(&value));
}

fn state(number: i64, uuid: Uuid) -> ResponseControl {
    let mut value = Vec::with_capacity(32);
    write_nested(&mut value, ber::SEQUENCE, |out| {
        write_integer(out, ber::ENUMERATED, number);
        write_octets(out, ber::OCTET_STRING, uuid.as_bytes());
    });
    ResponseControl {
        oid: oid::SYNC_STATE,
        value: Some(value),
    }
}
