//! Proxied authorization (RFC 4370).

use super::Call;
use crate::{
    access::AuthorizationIdentity,
    proto::{LdapResult, ResultCode},
    server::session::Session,
};

/// Who an authzId stands for, if who is bound may act for him.
///
/// # Errors
/// authorizationDenied, with the same text whether there is such an identity or not.
pub(super) fn identity(
    call: &Call<'_>,
    session: &Session,
    authorization_id: &[u8],
) -> Result<AuthorizationIdentity, LdapResult> {
    if let Some(busy) = call.busy() {
        return Err(busy);
    }
    let acting = call.service.authenticator.act_as(
        &call.settings.access,
        &session.identity,
        authorization_id,
    );
    tracing::info!(
        target: "adduct::audit",
        name = %String::from_utf8_lossy(authorization_id),
        conn.id = session.id,
        peer.addr = %session.peer,
        op = call.kind.as_str(),
        msg.id = call.id.0,
        bind.dn = session.identity.dn(),
        acting.dn = acting.as_ref().map(AuthorizationIdentity::dn).ok(),
        allowed = acting.is_ok(),
        "proxied authorization"
    );
    acting.map_err(|refused| LdapResult::new(ResultCode::AUTHORIZATION_DENIED, refused.to_string()))
}
