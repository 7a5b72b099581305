//! StartTLS (RFC 4511 section 4.14).
//!
//! Who is bound stays bound: TLS changes what is confidential, not who speaks (RFC 4513 section 4).
//! A client that thinks otherwise binds again.

use crate::{
    proto::{LdapResult, ResultCode, request::ExtendedRequest},
    server::{
        operation::{Call, Outstanding},
        session::Session,
    },
};

/// Why there will be no handshake.
pub(super) fn refuse(
    call: &Call<'_>,
    session: &Session,
    outstanding: Outstanding<'_>,
    request: &ExtendedRequest<'_>,
) -> Option<LdapResult> {
    let refusal = |code, text: &str| Some(LdapResult::new(code, text));
    if request.value.is_some() {
        refusal(ResultCode::PROTOCOL_ERROR, "StartTLS carries no value")
    } else if call.controls.proxied_authorization.is_some() {
        // Nobody starts TLS for another.
        refusal(
            ResultCode::UNAVAILABLE_CRITICAL_EXTENSION,
            "StartTLS is not done on behalf of others",
        )
    } else if session.tls {
        refusal(ResultCode::OPERATIONS_ERROR, "TLS is established already")
    } else if outstanding.len() > 0 {
        refusal(ResultCode::OPERATIONS_ERROR, "operations are outstanding")
    } else if outstanding.more {
        refusal(
            ResultCode::OPERATIONS_ERROR,
            "more came with the StartTLS request: its answer must be waited for",
        )
    } else if session.sasl_in_progress {
        refusal(
            ResultCode::OPERATIONS_ERROR,
            "a SASL negotiation is under way",
        )
    } else if call.settings.tls.is_none() {
        refusal(
            ResultCode::UNAVAILABLE,
            "no certificate is configured: set [tls]",
        )
    } else {
        None
    }
}
