//! Proxied authorization (RFC 4370).

use super::Call;
use crate::{
    access::AuthorizationIdentity,
    proto::{LdapResult, ResultCode},
};

/// Who an authzId stands for, if `bound` may act for it.
pub(super) fn identity(
    _call: &Call<'_>,
    _bound: &AuthorizationIdentity,
    _authorization_id: &[u8],
) -> Result<AuthorizationIdentity, LdapResult> {
    Err(LdapResult::new(
        ResultCode::AUTHORIZATION_DENIED,
        "nobody acts for others here",
    ))
}
