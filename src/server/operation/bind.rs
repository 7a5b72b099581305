//! Bind (RFC 4511 section 4.2, RFC 4513 section 5).
//!
//! | refused because | result code |
//! | --- | --- |
//! | another version than 3, an unknown choice of authentication | protocolError |
//! | SASL | authMethodNotSupported |
//! | a password in the clear | confidentialityRequired |
//! | a name without a password | unwillingToPerform |
//! | a password without a name, a wrong one, an unknown name | invalidCredentials |
//! | a name that is no DN although it looks like one | invalidDNSyntax |
//! | the first synchronisation, too many binds | busy |
//! | no domain controller | unavailable |

use super::{Answer, Call};
use crate::{
    auth::BindRefused,
    proto::{
        LdapResult, ResultCode,
        request::{Authentication, BindRequest},
    },
    server::{metrics::BindOutcome, session::Session},
};

/// Decides a bind; the session is anonymous before it, and after one that fails.
pub(super) async fn bind(call: &Call<'_>, session: &mut Session, bind: &BindRequest<'_>) -> Answer {
    let (result, outcome) = decide(call, session, bind).await;
    call.service.metrics.bind(outcome);
    let name = String::from_utf8_lossy(bind.name);
    if outcome != BindOutcome::Anonymous {
        tracing::info!(
            target: "adduct::audit",
            %name,
            conn.id = session.id,
            peer.addr = %session.peer,
            tls = session.tls,
            bind.dn = session.identity.dn(),
            result.code = result.code.0,
            reason = result.diagnostic,
            "bind"
        );
    }
    result.into()
}

async fn decide(
    call: &Call<'_>,
    session: &mut Session,
    bind: &BindRequest<'_>,
) -> (LdapResult, BindOutcome) {
    let refuse = |code, text: &str| (LdapResult::new(code, text), BindOutcome::Refused);
    if bind.version != 3 {
        return refuse(
            ResultCode::PROTOCOL_ERROR,
            "only version 3 of LDAP is spoken",
        );
    }
    let password = match bind.authentication {
        Authentication::Simple(password) => password,
        Authentication::Sasl { .. } => {
            return refuse(
                ResultCode::AUTH_METHOD_NOT_SUPPORTED,
                "no SASL mechanism is supported: use a simple bind over TLS",
            );
        }
        Authentication::Other(_) => {
            return refuse(
                ResultCode::PROTOCOL_ERROR,
                "unknown choice of authentication",
            );
        }
    };
    match (bind.name.is_empty(), password.is_empty()) {
        (true, true) => return (LdapResult::SUCCESS, BindOutcome::Anonymous),
        (false, true) => {
            return refuse(
                ResultCode::UNWILLING_TO_PERFORM,
                "a name without a password proves nothing (RFC 4513 section 5.1.2)",
            );
        }
        (_, false) if !session.tls && !call.settings.insecure_plaintext_bind => {
            return refuse(
                ResultCode::CONFIDENTIALITY_REQUIRED,
                "passwords are taken over TLS only: use LDAPS or StartTLS",
            );
        }
        (true, false) => {
            return refuse(ResultCode::INVALID_CREDENTIALS, "a password without a name");
        }
        (false, false) => {}
    }
    if let Some(busy) = call.busy() {
        return (busy, BindOutcome::Busy);
    }
    let access = &call.settings.access;
    match call
        .service
        .authenticator
        .simple_bind(access, bind.name, password)
        .await
    {
        Ok(identity) => {
            session.identity = identity;
            (LdapResult::SUCCESS, BindOutcome::Success)
        }
        Err(refused) => {
            let outcome = match refused {
                BindRefused::Invalid(_) => BindOutcome::InvalidCredentials,
                BindRefused::InvalidDn => BindOutcome::Refused,
                BindRefused::Busy => BindOutcome::Busy,
                BindRefused::Unavailable(_) => BindOutcome::Unavailable,
            };
            (LdapResult::from(&refused), outcome)
        }
    }
}
