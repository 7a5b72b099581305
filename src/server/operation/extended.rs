//! Extended operations (RFC 4511 section 4.12): StartTLS, Who am I? and Cancel.

use super::{Call, Next, Outstanding, cancel::cancel};
use crate::{
    access::AuthorizationIdentity,
    proto::{LdapResult, ResultCode, extended, request::ExtendedRequest, response::write_extended},
    server::{Settings, session::Session},
};

/// The operations that are offered under these settings.
pub(super) fn supported(settings: &Settings) -> Vec<&'static str> {
    let tls = settings.tls.is_some().then_some(extended::START_TLS);
    tls.into_iter()
        .chain([extended::WHO_AM_I, extended::CANCEL])
        .collect()
}

/// Starts an extended operation.
pub(super) fn start(
    call: &Call<'_>,
    session: &Session,
    outstanding: Outstanding<'_>,
    request: &ExtendedRequest<'_>,
    out: &mut Vec<u8>,
) -> Next {
    let name = std::str::from_utf8(request.name).unwrap_or_default();
    let (result, value, next) = match name {
        extended::START_TLS => match refuse_start_tls(call, session, outstanding.len(), request) {
            Some(refusal) => (refusal, None, Next::Done),
            None => (LdapResult::SUCCESS, None, Next::StartTls),
        },
        extended::WHO_AM_I => who_am_i(call, request),
        extended::CANCEL => {
            let (result, canceled) = cancel(call, outstanding, request, out);
            (result, None, canceled.map_or(Next::Done, Next::Abandon))
        }
        _ => (
            LdapResult::new(
                ResultCode::PROTOCOL_ERROR,
                format!(
                    "the extended operation {} is not supported",
                    request.name.escape_ascii()
                ),
            ),
            None,
            Next::Done,
        ),
    };
    let oid = (name == extended::START_TLS).then_some(extended::START_TLS);
    write_extended(out, call.id, &result, oid, value.as_deref(), &[]);
    call.count(result.code);
    next
}

/// RFC 4511 section 4.14.
fn refuse_start_tls(
    call: &Call<'_>,
    session: &Session,
    outstanding: usize,
    request: &ExtendedRequest<'_>,
) -> Option<LdapResult> {
    let refusal = |code, text: &str| Some(LdapResult::new(code, text));
    if request.value.is_some() {
        refusal(ResultCode::PROTOCOL_ERROR, "StartTLS carries no value")
    } else if session.tls {
        refusal(ResultCode::OPERATIONS_ERROR, "TLS is established already")
    } else if outstanding > 0 {
        refusal(ResultCode::OPERATIONS_ERROR, "operations are outstanding")
    } else if call.settings.tls.is_none() {
        refusal(
            ResultCode::UNAVAILABLE,
            "no certificate is configured: set [tls]",
        )
    } else {
        None
    }
}

/// RFC 4532: an authzId, empty for anonymous.
fn who_am_i(call: &Call<'_>, request: &ExtendedRequest<'_>) -> (LdapResult, Option<Vec<u8>>, Next) {
    if request.value.is_some() {
        let result = LdapResult::new(ResultCode::PROTOCOL_ERROR, "Who am I? carries no value");
        return (result, None, Next::Done);
    }
    if let Some(busy) = call.busy() {
        return (busy, None, Next::Done);
    }
    let name = match call.identity {
        AuthorizationIdentity::Anonymous => String::new(),
        AuthorizationIdentity::Entry { uuid, dn, .. } => {
            let snapshot = call.service.directory.snapshot();
            // The present DN: an entry may have been renamed since the bind.
            let id = snapshot.id_of(*uuid).filter(|id| snapshot.is_served(*id));
            format!("dn:{}", id.map_or_else(|| dn.clone(), |id| snapshot.dn(id)))
        }
    };
    (LdapResult::SUCCESS, Some(name.into_bytes()), Next::Done)
}
