//! Extended operations (RFC 4511 section 4.12), one file each.

mod cancel;
mod password_modify;
mod start_tls;
mod who_am_i;

use super::{Answer, Call, Next, Outstanding};
use crate::{
    proto::{LdapResult, ResultCode, extended, request::ExtendedRequest, response::write_extended},
    server::{Settings, session::Session},
};

/// The operations that are offered under these settings.
pub(super) fn supported(settings: &Settings) -> Vec<&'static str> {
    let tls = settings.tls.is_some().then_some(extended::START_TLS);
    tls.into_iter()
        .chain([
            extended::WHO_AM_I,
            extended::PASSWORD_MODIFY,
            extended::CANCEL,
        ])
        .collect()
}

/// Starts an extended operation.
pub(super) async fn start(
    call: &Call<'_>,
    session: &Session,
    outstanding: Outstanding<'_>,
    request: &ExtendedRequest<'_>,
    out: &mut Vec<u8>,
) -> Next {
    let name = std::str::from_utf8(request.name).unwrap_or_default();
    let mut oid = None;
    let mut next = Next::Done;
    let (answer, value) = match name {
        extended::START_TLS => {
            oid = Some(extended::START_TLS);
            let result = match start_tls::refuse(call, session, outstanding, request) {
                Some(refusal) => refusal,
                None => {
                    next = Next::StartTls;
                    LdapResult::SUCCESS
                }
            };
            (result.into(), None)
        }
        extended::WHO_AM_I => match who_am_i::name(call, request) {
            Ok(name) => (LdapResult::SUCCESS.into(), Some(name)),
            Err(refusal) => (refusal.into(), None),
        },
        extended::PASSWORD_MODIFY => password_modify::modify(call, session, request).await,
        extended::CANCEL => {
            let (result, canceled) = cancel::cancel(call, outstanding, request, out);
            next = canceled.map_or(Next::Done, Next::Abandon);
            (result.into(), None)
        }
        _ => (unknown(request).into(), None),
    };
    let Answer { result, controls } = &answer;
    write_extended(out, call.id, result, oid, value.as_deref(), controls);
    call.count(result.code);
    next
}

fn unknown(request: &ExtendedRequest<'_>) -> LdapResult {
    LdapResult::new(
        ResultCode::PROTOCOL_ERROR,
        format!(
            "the extended operation {} is not supported",
            request.name.escape_ascii()
        ),
    )
}
