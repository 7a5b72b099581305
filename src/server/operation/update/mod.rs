//! Add, Delete, Modify and Modify DN of local entries (RFC 4511 sections 4.6 to 4.9); what they
//! make of an entry, and most result codes, are in [`crate::update`].
//!
//! | refused because | result code |
//! | --- | --- |
//! | the first synchronisation, a change that takes long | busy |
//! | not an administrator | insufficientAccessRights |
//! | no DN, no RDN | invalidDNSyntax |
//! | the root DSE, the subschema | unwillingToPerform |
//! | the assertion does not hold | assertionFailed |
//! | the store failed | other |

mod password;
mod read;

use std::time::{Duration, Instant};

use uuid::Uuid;

use self::read::ReadControls;
use super::{Answer, Call, parse_dn, root_dse};
use crate::{
    access::AuthorizationIdentity,
    directory::{EntryId, PackedAttributes, Snapshot, Subject, WriteError},
    dn::{Dn, Rdn},
    entry::Attribute,
    proto::{
        LdapResult, ResultCode,
        request::{AddRequest, ModifyDnRequest, ModifyRequest, PartialAttribute},
    },
    server::session::Session,
    update::{Change, Rename, Stamp, Update, failed, find},
};

/// How long an update waits for others, and for a round that replaces everything.
const PATIENCE: Duration = Duration::from_secs(30);

/// How much of a DN is written down.
const LONGEST_LOGGED: usize = 1024;

/// Adds an entry.
pub(super) async fn add(call: &Call<'_>, session: &Session, request: &AddRequest<'_>) -> Answer {
    let answer = async {
        let dn = begin(call, request.entry)?;
        let attributes: Vec<_> = request.attributes.iter().map(owned).collect();
        let asserted = call
            .controls
            .assertion
            .is_some()
            .then(|| attributes.clone());
        let attributes = password::hash_all(call, attributes).await?;
        write(call, |update, reads| {
            let uuid = update.add(&dn, attributes)?;
            if let Some(asserted) = asserted {
                assert_of_new(call, update, uuid, asserted)?;
            }
            reads.after(uuid);
            Ok(())
        })
        .await
    };
    finish(call, session, request.entry, answer.await)
}

/// Deletes an entry, or a subtree.
pub(super) async fn delete(call: &Call<'_>, session: &Session, dn: &[u8]) -> Answer {
    let answer = async {
        let name = begin(call, dn)?;
        write(call, |update, reads| {
            let id = target(call, update, reads, &name)?;
            update.delete(id, call.controls.tree_delete)
        })
        .await
    };
    finish(call, session, dn, answer.await)
}

/// Modifies an entry.
pub(super) async fn modify(
    call: &Call<'_>,
    session: &Session,
    request: &ModifyRequest<'_>,
) -> Answer {
    let answer = async {
        let dn = begin(call, request.object)?;
        let changes = request.changes.iter().map(|change| Change {
            operation: change.operation,
            attribute: owned(&change.modification),
        });
        let changes = password::hash_changes(call, &dn, changes.collect()).await?;
        write(call, |update, reads| {
            let id = target(call, update, reads, &dn)?;
            let uuid = update.modify(id, changes)?;
            reads.after(uuid);
            Ok(())
        })
        .await
    };
    finish(call, session, request.object, answer.await)
}

/// Renames or moves an entry.
pub(super) async fn modify_dn(
    call: &Call<'_>,
    session: &Session,
    request: &ModifyDnRequest<'_>,
) -> Answer {
    let answer = async {
        let dn = begin(call, request.entry)?;
        let rename = Rename {
            rdn: parse_rdn(request.new_rdn)?,
            delete_old: request.delete_old_rdn,
            superior: request.new_superior.map(parse_dn).transpose()?,
        };
        write(call, |update, reads| {
            let id = target(call, update, reads, &dn)?;
            let uuid = update.rename(id, &rename)?;
            reads.after(uuid);
            Ok(())
        })
        .await
    };
    finish(call, session, request.entry, answer.await)
}

/// Checks who asks, and what can be told of the DN without looking for its entry.
fn begin(call: &Call<'_>, dn: &[u8]) -> Result<Dn, LdapResult> {
    if let Some(busy) = call.busy() {
        return Err(busy);
    }
    let is_administrator = matches!(
        call.identity,
        AuthorizationIdentity::Entry {
            administrator: true,
            ..
        }
    );
    if !is_administrator {
        return Err(LdapResult::new(
            ResultCode::INSUFFICIENT_ACCESS_RIGHTS,
            "only administrators write: their DNs are listed in [access] administrators",
        ));
    }
    let dn = parse_dn(dn)?;
    let snapshot = call.service.directory.snapshot();
    if dn.is_root() || root_dse::is_subschema(&snapshot, &dn) {
        return Err(LdapResult::new(
            ResultCode::UNWILLING_TO_PERFORM,
            "the server makes this entry itself: change its configuration and schema_dir",
        ));
    }
    Ok(dn)
}

/// Refuses a new entry of which the request's assertion does not hold: the target of an add is
/// what is to be added (RFC 4528).
fn assert_of_new(
    call: &Call<'_>,
    update: &Update<'_, '_>,
    new: Uuid,
    mut attributes: Vec<Attribute>,
) -> Result<(), LdapResult> {
    // The names in links are in the request alone, what is implied in the entry alone.
    let entry = update.transaction.get(new);
    let entry = entry.map_err(|error| failed(&error))?;
    attributes.extend(entry.into_iter().flat_map(|entry| entry.attributes));
    let snapshot = update.transaction.snapshot();
    call.assert_of(Subject {
        snapshot,
        id: None,
        attributes: &PackedAttributes::pack(snapshot.schema(), &attributes),
    })
}

/// The entry of a DN if the request's assertion holds of it.
fn target(
    call: &Call<'_>,
    update: &Update<'_, '_>,
    reads: &mut ReadControls<'_>,
    dn: &Dn,
) -> Result<EntryId, LdapResult> {
    let snapshot = update.transaction.snapshot();
    let id = find(snapshot, dn, call.controls.manage_dsa_it)?;
    call.assert(snapshot, id)?;
    reads.before(snapshot, id);
    Ok(id)
}

/// Writes one update, one after the other; it is durable when this returns.
///
/// Cancel safe: yes; a write that has begun is done in any case.
async fn write(
    call: &Call<'_>,
    change: impl FnOnce(&mut Update<'_, '_>, &mut ReadControls<'_>) -> Result<(), LdapResult>,
) -> Result<Answer, LdapResult> {
    let deadline = Instant::now() + PATIENCE;
    let turn = tokio::time::timeout(PATIENCE, call.service.updates.acquire()).await;
    let Ok(Ok(_turn)) = turn else {
        return Err(late());
    };
    let directory = &call.service.directory;
    let stamp = Stamp::now(&author(call, &directory.snapshot()));
    let mut reads = ReadControls::new(call);
    // The lock of the writer and the disk are waited for outside of the runtime's turns. What is
    // borrowed from the request could not go to another thread.
    let written = tokio::task::block_in_place(|| {
        directory.write_by(deadline, |transaction| {
            let mut update = Update {
                transaction,
                stamp: &stamp,
                manage_dsa_it: call.controls.manage_dsa_it,
                naming_contexts: &call.settings.naming_contexts,
            };
            change(&mut update, &mut reads)
        })
    });
    match written {
        Ok(None) => Err(late()),
        Ok(Some(((), version))) => Ok(Answer {
            result: LdapResult::SUCCESS,
            controls: reads.controls(&version),
        }),
        Err(WriteError::Refused(result)) => Err(result),
        Err(WriteError::Directory(error)) => Err(failed(&error)),
    }
}

fn late() -> LdapResult {
    LdapResult::new(
        ResultCode::BUSY,
        "other changes take long: nothing was changed, try again",
    )
}

/// The present DN of who writes; he may have been renamed since the bind.
fn author(call: &Call<'_>, snapshot: &Snapshot) -> String {
    match call.identity {
        AuthorizationIdentity::Anonymous => String::new(),
        AuthorizationIdentity::Entry { uuid, dn, .. } => {
            let id = snapshot.id_of(*uuid).filter(|id| snapshot.is_served(*id));
            id.map_or_else(|| dn.clone(), |id| snapshot.dn(id))
        }
    }
}

/// Writes down who changed what; values stay out of it.
fn finish(
    call: &Call<'_>,
    session: &Session,
    dn: &[u8],
    answer: Result<Answer, LdapResult>,
) -> Answer {
    let answer = answer.unwrap_or_else(Answer::from);
    tracing::info!(
        target: "adduct::audit",
        op = call.kind.as_str(),
        dn = %String::from_utf8_lossy(dn.get(..LONGEST_LOGGED).unwrap_or(dn)),
        conn.id = session.id,
        peer.addr = %session.peer,
        tls = session.tls,
        bind.dn = session.identity.dn(),
        authz.dn = call.identity.dn(),
        result.code = answer.result.code.0,
        "update"
    );
    answer
}

fn owned(attribute: &PartialAttribute<'_>) -> Attribute {
    Attribute {
        // What is no UTF-8 is no description either, which is found out later.
        description: String::from_utf8_lossy(attribute.description).into_owned(),
        values: attribute
            .values
            .iter()
            .map(|value| value.to_vec())
            .collect(),
    }
}

fn parse_rdn(octets: &[u8]) -> Result<Rdn, LdapResult> {
    let invalid = |text: String| LdapResult::new(ResultCode::INVALID_DN_SYNTAX, text);
    let text = std::str::from_utf8(octets).map_err(|error| invalid(error.to_string()))?;
    Rdn::parse(text).map_err(|error| invalid(error.to_string()))
}
