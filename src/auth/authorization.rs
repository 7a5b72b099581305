//! Who may act for whom (RFC 4513 section 5.2.1.8, RFC 4370).

use thiserror::Error;

use super::{
    bind::{Authenticator, identity},
    names::{self, Named},
};
use crate::{
    access::{Access, AuthorizationIdentity},
    directory::{EntryId, Snapshot},
    dn::Dn,
};

/// The identity is not known, or not for this one to take; which of both is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not allowed to act as this identity")]
pub struct NotAuthorized;

impl Authenticator {
    /// The identity that an authzId stands for, if who has proved to be `proved` may take it.
    ///
    /// Everybody may act as himself and as nobody, administrators as everybody who could bind. An
    /// administrator who acts for another has the rights of that one, and no others.
    ///
    /// # Errors
    /// [`NotAuthorized`], also for what is no authzId.
    pub fn act_as(
        &self,
        access: &Access,
        proved: &AuthorizationIdentity,
        authorization_id: &[u8],
    ) -> Result<AuthorizationIdentity, NotAuthorized> {
        let (uuid, administrator) = match proved {
            AuthorizationIdentity::Anonymous => (None, false),
            AuthorizationIdentity::Entry {
                uuid,
                administrator,
                ..
            } => (Some(*uuid), *administrator),
        };
        let snapshot = self.directory.snapshot();
        let Some(id) = wanted(&snapshot, authorization_id)? else {
            return Ok(AuthorizationIdentity::Anonymous);
        };
        let own = snapshot.entry(id).map(|entry| entry.uuid);
        if own.is_some() && own == uuid {
            return Ok(proved.clone());
        }
        if !administrator || self.is_still_let_in(id).is_err() {
            return Err(NotAuthorized);
        }
        Ok(identity(access, &snapshot, id))
    }
}

/// The account of an authzId; `None` for anonymous.
fn wanted(snapshot: &Snapshot, authorization_id: &[u8]) -> Result<Option<EntryId>, NotAuthorized> {
    let text = std::str::from_utf8(authorization_id).map_err(|_| NotAuthorized)?;
    if let Some(dn) = without(text, "dn:") {
        let dn = Dn::parse(dn).map_err(|_| NotAuthorized)?;
        if dn.is_root() {
            return Ok(None);
        }
        return match names::by_exact_dn(snapshot, &dn) {
            Some(id) => Ok(Some(id)),
            None => Err(NotAuthorized),
        };
    }
    match without(text, "u:") {
        Some(name) => match names::resolve(snapshot, name.as_bytes()) {
            Named::One(id) => Ok(Some(id)),
            Named::Nobody | Named::Ambiguous | Named::InvalidDn => Err(NotAuthorized),
        },
        None if text.is_empty() => Ok(None),
        None => Err(NotAuthorized),
    }
}

/// Literals of ABNF are the same in any case.
fn without<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (found, rest) = text.split_at_checked(prefix.len())?;
    found.eq_ignore_ascii_case(prefix).then_some(rest)
}
