//! Add, Delete, Modify, ModifyDN: refused, with the reason.

use super::{Call, bind_first};
use crate::{
    ber::Tag,
    directory::{Kind, Resolved},
    dn::Dn,
    proto::{
        LdapResult, ResultCode,
        request::{UpdateKind, UpdateRequest},
        response,
    },
    server::{metrics::OperationKind, session::Session},
};

/// The result of an update: entries of AD are changed in AD, local ones by import.
pub(super) fn refuse(call: &Call<'_>, session: &Session, update: &UpdateRequest) -> LdapResult {
    if let Some(busy) = call.busy() {
        return busy;
    }
    if !session.is_bound() {
        return bind_first();
    }
    let dn = match Dn::parse(&update.dn) {
        Ok(dn) => dn,
        Err(error) => return LdapResult::new(ResultCode::INVALID_DN_SYNTAX, error.to_string()),
    };
    let snapshot = call.service.directory.snapshot();
    let of_ad = match snapshot.resolve(&dn) {
        Resolved::Found(id) => Some(id),
        Resolved::Missing { nearest } => nearest,
    }
    .and_then(|id| snapshot.entry(id))
    .is_some_and(|entry| entry.kind != Kind::Local);
    let text = if of_ad {
        "this entry comes from Active Directory: change it there, it follows within seconds"
    } else {
        "local entries are changed by `adduct import` in this version"
    };
    LdapResult::new(ResultCode::UNWILLING_TO_PERFORM, text)
}

/// How an update is counted and answered.
pub(super) fn kind(update: UpdateKind) -> (OperationKind, Tag) {
    match update {
        UpdateKind::Add => (OperationKind::Add, response::tag::ADD),
        UpdateKind::Delete => (OperationKind::Delete, response::tag::DELETE),
        UpdateKind::Modify => (OperationKind::Modify, response::tag::MODIFY),
        UpdateKind::ModifyDn => (OperationKind::ModifyDn, response::tag::MODIFY_DN),
    }
}
