//! Who am I? (RFC 4532)

use crate::{
    access::AuthorizationIdentity,
    proto::{LdapResult, ResultCode, request::ExtendedRequest},
    server::operation::Call,
};

/// The authzId of who asks, or of whom he acts for; empty for anonymous.
pub(super) fn name(call: &Call<'_>, request: &ExtendedRequest<'_>) -> Result<Vec<u8>, LdapResult> {
    if request.value.is_some() {
        return Err(LdapResult::new(
            ResultCode::PROTOCOL_ERROR,
            "Who am I? carries no value",
        ));
    }
    if let Some(busy) = call.busy() {
        return Err(busy);
    }
    let AuthorizationIdentity::Entry { uuid, dn, .. } = call.identity else {
        return Ok(Vec::new());
    };
    let snapshot = call.service.directory.snapshot();
    // The present DN: an entry may have been renamed since the bind.
    let id = snapshot.id_of(*uuid).filter(|id| snapshot.is_served(*id));
    let dn = id.map_or_else(|| dn.clone(), |id| snapshot.dn(id));
    Ok(format!("dn:{dn}").into_bytes())
}
