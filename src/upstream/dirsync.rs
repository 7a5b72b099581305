//! Reading changes with the DirSync control (MS-ADTS 3.1.1.3.4.1.3).
//!
//! A round is everything from one position (cookie) to the next. It counts only as a whole: the
//! objects handed out before an error must be thrown away with it.

use ldap3_proto::{
    control::LdapControl,
    proto::{LdapFilter, LdapSearchScope},
};
use uuid::Uuid;

use super::{
    Connection, SearchDone, SearchEntry, SearchRequest, ServerAddress, UpstreamError,
    search::{any, extended_dn_control},
};
use crate::{
    ber::{self, BerError, Reader, write_integer, write_nested, write_octets},
    proto::ResultCode,
};

mod object;

pub use object::DirSyncObject;

const DIRSYNC: &str = "1.2.840.113556.1.4.841";
/// The caller needs no right but sees only what it may read.
const OBJECT_SECURITY: i32 = 0x0000_0001;
/// Parents come before children where the server heeds it.
const ANCESTORS_FIRST_ORDER: i32 = 0x0000_0800;
/// Only the link values that changed; bit 31 of a signed number.
const INCREMENTAL_VALUES: i32 = i32::MIN;
/// What a server may put into one answer before it asks to be called again.
const ANSWER_OCTETS: i32 = 8 * 1024 * 1024;
/// Attributes without which deletions and renames would not be seen.
const ALWAYS: [&str; 4] = ["name", "isDeleted", "objectClass", "lastKnownParent"];

/// What a round reads.
#[derive(Clone, Debug, PartialEq)]
pub struct DirSyncRequest {
    /// The root of a naming context; DirSync takes nothing else.
    pub base: String,
    /// Which objects, as they are now. One that stops matching is never heard of again.
    pub filter: LdapFilter,
    /// The attributes to watch, link attributes included.
    pub attributes: Vec<String>,
    /// Which of them are links, so that their values become identities.
    pub links: Vec<String>,
    /// Do without the right to replicate and see only what the account may read.
    pub object_security: bool,
    /// The account's name, for messages.
    pub account: String,
}

/// A round that came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirSyncRound {
    /// The position to continue from; to be stored together with what the round brought.
    pub cookie: Vec<u8>,
    /// Objects handed out.
    pub objects: usize,
    /// Answers it took.
    pub answers: usize,
}

impl DirSyncRequest {
    /// Watches these attributes and links on every object of a naming context.
    ///
    /// What a replica cannot do without is added: `name`, `isDeleted`, `objectClass`,
    /// `lastKnownParent`.
    pub fn new(base: &str, attributes: &[&str], links: &[&str], account: &str) -> Self {
        let mut all: Vec<String> = Vec::new();
        for &name in ALWAYS.iter().chain(attributes).chain(links) {
            if !all.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                all.push(name.to_owned());
            }
        }
        Self {
            base: base.to_owned(),
            filter: any(),
            attributes: all,
            links: links.iter().map(|&name| name.to_owned()).collect(),
            object_security: false,
            account: account.to_owned(),
        }
    }
}

/// Reads all changes since `cookie`, or everything where it is empty.
///
/// The objects come in no order, children possibly before parents, and one object possibly more
/// than once. `CN=Deleted Objects` itself is left out.
///
/// Cancel safe: the connection cannot be used afterwards and the round must be started anew.
///
/// # Errors
/// [`UpstreamError::CookieRejected`]: start from an empty cookie. [`UpstreamError::MissingRight`].
/// [`UpstreamError::Incomplete`] for an answer that ended early or without a new cookie.
pub async fn round(
    connection: &mut Connection,
    request: &DirSyncRequest,
    cookie: &[u8],
    mut each: impl FnMut(DirSyncObject),
) -> Result<DirSyncRound, UpstreamError> {
    let server = connection.server().clone();
    let full = cookie.is_empty();
    let mut round = DirSyncRound {
        cookie: cookie.to_vec(),
        objects: 0,
        answers: 0,
    };
    loop {
        let mut stream = connection
            .search(search_request(
                request,
                &round.cookie,
                if full {
                    Some(connection.timeouts().dump)
                } else {
                    None
                },
            ))
            .await?;
        let mut objects = 0;
        // Objects of which the server gave a part of a link only.
        let mut partial = Vec::new();
        while let Some(entry) = stream.next().await? {
            if is_container_of_deleted(&entry, &request.base) {
                continue;
            }
            objects += 1;
            let (object, ranged) = DirSyncObject::from_entry(entry, &request.links)
                .map_err(|problem| UpstreamError::protocol(&server, problem))?;
            if ranged.is_empty() {
                each(object);
            } else {
                partial.push((object, ranged));
            }
        }
        let done = stream.finish().await?;
        let position = position(&server, request, &round.cookie, &done)?;
        for (mut object, ranged) in partial {
            complete(connection, &mut object, ranged).await?;
            each(object);
        }
        round.answers += 1;
        round.objects += objects;
        let stuck = objects == 0 && position.cookie == round.cookie;
        round.cookie = position.cookie;
        if !position.more {
            return Ok(round);
        }
        if stuck {
            return Err(UpstreamError::Incomplete {
                server,
                code: ResultCode::SUCCESS,
                text: "it promises more changes but sends none".to_owned(),
            });
        }
    }
}

/// Reads one object as it is now, in the form of a change that holds everything.
///
/// For changes of an object that is not known here: one that was deleted and is back, or one
/// that is of interest only now. `None` where it is not there, deleted, or not to be seen.
///
/// # Errors
/// As [`Connection::search_all`].
pub async fn read_object(
    connection: &mut Connection,
    request: &DirSyncRequest,
    guid: Uuid,
) -> Result<Option<DirSyncObject>, UpstreamError> {
    let mut attributes: Vec<&str> = vec!["objectGUID", "parentGUID"];
    attributes.extend(request.attributes.iter().map(String::as_str));
    let search = SearchRequest::base(format!("<GUID={guid}>"), &attributes).extended_dn();
    let entry = match connection.search_all(search, 1).await {
        Ok(entries) => entries.into_iter().next(),
        Err(UpstreamError::Refused { code, .. }) if code == ResultCode::NO_SUCH_OBJECT => None,
        Err(error) => return Err(error),
    };
    let Some(entry) = entry else {
        return Ok(None);
    };
    let server = connection.server().clone();
    let (mut object, ranged) = DirSyncObject::from_entry(entry, &request.links)
        .map_err(|problem| UpstreamError::protocol(&server, problem))?;
    complete(connection, &mut object, ranged).await?;
    Ok(Some(object))
}

/// Reads the links of which the server gave a part only.
async fn complete(
    connection: &mut Connection,
    object: &mut DirSyncObject,
    ranged: Vec<String>,
) -> Result<(), UpstreamError> {
    for attribute in ranged {
        let target = format!("<GUID={}>", object.guid);
        // An object that is gone by now comes as deleted in the next round.
        if let Some(values) = read_link(connection, &target, &attribute).await? {
            object.links_replaced.push((attribute, values));
        }
    }
    Ok(())
}

/// Asks whether the account may read changes at all, without reading any.
///
/// # Errors
/// As [`round`].
pub async fn check_right(
    connection: &mut Connection,
    request: &DirSyncRequest,
) -> Result<(), UpstreamError> {
    let server = connection.server().clone();
    let nothing = DirSyncRequest {
        // A filter that no object matches.
        filter: LdapFilter::Equality("objectClass".to_owned(), "subSchema".to_owned()),
        attributes: vec!["name".to_owned()],
        ..request.clone()
    };
    let dump = connection.timeouts().dump;
    let done = connection
        .search(search_request(&nothing, &[], Some(dump)))
        .await?
        .finish()
        .await?;
    position(&server, request, &[], &done).map(|_| ())
}

fn search_request(
    request: &DirSyncRequest,
    cookie: &[u8],
    answer_timeout: Option<std::time::Duration>,
) -> SearchRequest {
    let mut flags = INCREMENTAL_VALUES | ANCESTORS_FIRST_ORDER;
    if request.object_security {
        flags |= OBJECT_SECURITY;
    }
    SearchRequest {
        base: request.base.clone(),
        scope: LdapSearchScope::Subtree,
        filter: request.filter.clone(),
        attributes: request.attributes.clone(),
        controls: vec![
            LdapControl::Unknown {
                oid: DIRSYNC.to_owned(),
                criticality: true,
                value: Some(encode_control(flags, ANSWER_OCTETS, cookie)),
            },
            extended_dn_control(),
        ],
        answer_timeout,
    }
}

fn encode_control(flags: i32, max_octets: i32, cookie: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(cookie.len() + 24);
    write_nested(&mut value, ber::SEQUENCE, |value| {
        write_integer(value, ber::INTEGER, i64::from(flags));
        write_integer(value, ber::INTEGER, i64::from(max_octets));
        write_octets(value, ber::OCTET_STRING, cookie);
    });
    value
}

/// What the response control says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Position {
    more: bool,
    cookie: Vec<u8>,
}

pub(super) fn decode_control(value: &[u8]) -> Result<Position, BerError> {
    let mut fields = Reader::new(value).expect(ber::SEQUENCE)?.reader();
    let more = fields.integer()? != 0;
    fields.integer()?;
    Ok(Position {
        more,
        cookie: fields.octets()?.to_vec(),
    })
}

/// Only success with a control counts; everything else is an error that says what to do.
fn position(
    server: &ServerAddress,
    request: &DirSyncRequest,
    cookie: &[u8],
    done: &SearchDone,
) -> Result<Position, UpstreamError> {
    let incomplete = |text: String| UpstreamError::Incomplete {
        server: server.clone(),
        code: done.result.code,
        text,
    };
    let text = done.result.diagnostic.clone();
    match done.result.code {
        ResultCode::SUCCESS => {
            let value = done.control(DIRSYNC).ok_or_else(|| {
                incomplete("the answer has no DirSync control, so no position".to_owned())
            })?;
            let position =
                decode_control(value).map_err(|error| UpstreamError::protocol(server, error))?;
            if position.cookie.is_empty() {
                return Err(incomplete(
                    "the answer has an empty DirSync cookie".to_owned(),
                ));
            }
            Ok(position)
        }
        ResultCode::UNAVAILABLE_CRITICAL_EXTENSION if cookie.is_empty() => {
            Err(UpstreamError::NotUsable {
                server: server.clone(),
                problem: format!("it does not know the DirSync control ({text})"),
            })
        }
        ResultCode::UNAVAILABLE_CRITICAL_EXTENSION => Err(UpstreamError::CookieRejected {
            server: server.clone(),
            text,
        }),
        ResultCode::INSUFFICIENT_ACCESS_RIGHTS => Err(UpstreamError::MissingRight {
            account: request.account.clone(),
            right: "\"Replicating Directory Changes\" (DS-Replication-Get-Changes)",
            object: request.base.clone(),
            remedy: grant_get_changes(&request.base, &request.account),
        }),
        ResultCode::NO_SUCH_OBJECT
        | ResultCode::UNWILLING_TO_PERFORM
        | ResultCode::STRONGER_AUTH_REQUIRED
        | ResultCode::INVALID_DN_SYNTAX => Err(UpstreamError::Refused {
            server: server.clone(),
            what: format!("read changes of {}", request.base),
            code: done.result.code,
            text,
        }),
        _ => Err(incomplete(text)),
    }
}

fn grant_get_changes(base: &str, account: &str) -> String {
    format!(
        "grant it with dsacls \"{base}\" /G \"{account}:CA;Replicating Directory Changes\" on Windows, or samba-tool dsacl set --objectdn=\"{base}\" --sddl=\"(OA;;CR;1131f6aa-9c07-11d1-f79f-00c04fc2dcd2;;SID-OF-THE-ACCOUNT)\" on Samba"
    )
}

fn is_container_of_deleted(entry: &SearchEntry, base: &str) -> bool {
    let dn = super::ExtendedDn::parse(&entry.dn).dn;
    dn.split_once(',').is_some_and(|(rdn, parent)| {
        rdn.eq_ignore_ascii_case("CN=Deleted Objects") && parent.eq_ignore_ascii_case(base)
    })
}

/// Reads all values of a link, however many at a time the server gives; `None` where the object
/// is gone.
async fn read_link(
    connection: &mut Connection,
    target: &str,
    attribute: &str,
) -> Result<Option<Vec<super::LinkValue>>, UpstreamError> {
    let mut values = Vec::new();
    let mut start = 0u64;
    loop {
        let description = format!("{attribute};range={start}-*");
        let search = SearchRequest::base(target, &[&description]).extended_dn();
        let entry = match connection.search_all(search, 1).await {
            Ok(entries) => entries.into_iter().next(),
            Err(UpstreamError::Refused { code, .. }) if code == ResultCode::NO_SUCH_OBJECT => None,
            Err(error) => return Err(error),
        };
        let Some(entry) = entry else {
            return Ok(None);
        };
        let Some((range, found)) = entry.attributes.iter().find_map(|(description, found)| {
            let (name, range) = object::range_of(description);
            name.eq_ignore_ascii_case(attribute)
                .then_some(range)
                .flatten()
                .map(|range| (range, found))
        }) else {
            // Beyond the end, or no values at all.
            return Ok(Some(values));
        };
        values.extend(object::link_values(attribute, found));
        match range.last.and_then(|last| last.checked_add(1)) {
            Some(next) if next > start => start = next,
            _ => return Ok(Some(values)),
        }
    }
}

#[cfg(test)]
mod tests;
