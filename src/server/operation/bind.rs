//! Bind (RFC 4511 section 4.2, RFC 4513 section 5).
//!
//! | refused because | result code |
//! | --- | --- |
//! | another version than 3, a malformed choice of authentication or message of PLAIN | protocolError |
//! | an unknown choice of authentication or SASL mechanism | authMethodNotSupported |
//! | a password in the clear | confidentialityRequired |
//! | a name without a password | unwillingToPerform |
//! | a password without a name, a wrong one, an unknown name, somebody else's identity | invalidCredentials |
//! | EXTERNAL without a client certificate | inappropriateAuthentication |
//! | a name that is no DN although it looks like one | invalidDNSyntax |
//! | the first synchronisation, too many binds | busy |
//! | no domain controller | unavailable |
//!
//! The name in a bind by SASL is ignored (RFC 4513 section 5.2).

use super::Call;
use crate::{
    access::AuthorizationIdentity,
    auth::{BindRefused, Plain},
    ber,
    proto::{
        LdapResult, ResultCode,
        password_policy::{self, PasswordPolicyError},
        request::{Authentication, BindRequest},
        response::write_bind,
    },
    server::{
        Settings,
        metrics::BindOutcome,
        session::{Channel, Session},
    },
};

const PLAIN: &str = "PLAIN";
const EXTERNAL: &str = "EXTERNAL";

/// The SASL mechanisms that this connection could use now, for the root DSE (RFC 4512 section 5.1).
pub(super) fn mechanisms(settings: &Settings, channel: Channel) -> Vec<&'static str> {
    let plain = channel.takes_passwords(settings).then_some(PLAIN);
    let external = channel.certified.then_some(EXTERNAL);
    plain.into_iter().chain(external).collect()
}

/// Decides a bind; the session is anonymous before it, and after one that fails.
///
/// `continued` says that the bind before ended in saslBindInProgress.
pub(super) async fn bind(
    call: &Call<'_>,
    session: &mut Session,
    continued: bool,
    bind: &BindRequest<'_>,
    out: &mut Vec<u8>,
) {
    let decision = decide(call, session, continued, bind).await;
    call.service.metrics.bind(decision.outcome);
    if let Some(identity) = decision.identity {
        session.identity = identity;
    }
    let result = &decision.result;
    session.sasl_in_progress = result.code == ResultCode::SASL_BIND_IN_PROGRESS;
    if decision.outcome != BindOutcome::Anonymous
        && !session.sasl_in_progress
        && tracing::enabled!(target: "adduct::audit", tracing::Level::INFO)
    {
        let (method, name) = audited(bind);
        tracing::info!(
            target: "adduct::audit",
            %name,
            %method,
            conn.id = session.id,
            peer.addr = %session.peer,
            tls = session.tls,
            bind.dn = session.identity.dn(),
            result.code = result.code.0,
            reason = result.diagnostic,
            "bind"
        );
    }
    let controls: Vec<_> = call
        .controls
        .password_policy
        .then(|| password_policy::response(decision.policy))
        .into_iter()
        .collect();
    // The one challenge there is, that of PLAIN, is empty.
    let credentials = session.sasl_in_progress.then_some(&[][..]);
    write_bind(out, call.id, result, credentials, &controls);
    call.count(result.code);
}

/// Method and name for the log.
fn audited(bind: &BindRequest<'_>) -> (String, String) {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    match bind.authentication {
        Authentication::Sasl {
            mechanism,
            credentials,
        } => {
            let plain = match mechanism {
                b"PLAIN" => credentials.and_then(Plain::parse),
                _ => None,
            };
            let name = plain.map(|plain| plain.authentication.to_owned());
            (text(mechanism), name.unwrap_or_default())
        }
        Authentication::Simple(_) => ("simple".to_owned(), text(bind.name)),
        Authentication::Other(tag) => (format!("{tag:#04x}"), text(bind.name)),
    }
}

/// What a bind comes to.
struct Decision {
    result: LdapResult,
    outcome: BindOutcome,
    identity: Option<AuthorizationIdentity>,
    policy: Option<PasswordPolicyError>,
}

impl Decision {
    fn refused(code: ResultCode, text: &str) -> Self {
        Self {
            result: LdapResult::new(code, text),
            outcome: BindOutcome::Refused,
            identity: None,
            policy: None,
        }
    }

    fn busy(result: LdapResult) -> Self {
        Self {
            result,
            outcome: BindOutcome::Busy,
            identity: None,
            policy: None,
        }
    }
}

impl From<Result<AuthorizationIdentity, BindRefused>> for Decision {
    fn from(proved: Result<AuthorizationIdentity, BindRefused>) -> Self {
        match proved {
            Ok(identity) => Self {
                result: LdapResult::SUCCESS,
                outcome: BindOutcome::Success,
                identity: Some(identity),
                policy: None,
            },
            Err(refused) => Self {
                result: LdapResult::from(&refused),
                outcome: match refused {
                    BindRefused::Invalid(_) => BindOutcome::InvalidCredentials,
                    BindRefused::InvalidDn => BindOutcome::Refused,
                    BindRefused::Busy => BindOutcome::Busy,
                    BindRefused::Unavailable(_) => BindOutcome::Unavailable,
                },
                identity: None,
                policy: (&refused).into(),
            },
        }
    }
}

async fn decide(
    call: &Call<'_>,
    session: &Session,
    continued: bool,
    bind: &BindRequest<'_>,
) -> Decision {
    if bind.version != 3 {
        return Decision::refused(
            ResultCode::PROTOCOL_ERROR,
            "only version 3 of LDAP is spoken",
        );
    }
    match bind.authentication {
        Authentication::Simple(password) => simple(call, bind.name, password).await,
        Authentication::Sasl {
            mechanism,
            credentials,
        } => match mechanism {
            b"PLAIN" => Box::pin(plain(call, continued, credentials)).await,
            b"EXTERNAL" => external(call, session, credentials.unwrap_or_default()),
            // RFC 4513 section 5.2.1.2.
            b"" => Decision::refused(
                ResultCode::AUTH_METHOD_NOT_SUPPORTED,
                "no mechanism: the SASL negotiation is aborted",
            ),
            _ => Decision::refused(
                ResultCode::AUTH_METHOD_NOT_SUPPORTED,
                &format!(
                    "the SASL mechanism {} is not supported, but {PLAIN} over TLS and {EXTERNAL} with a client certificate",
                    mechanism.escape_ascii()
                ),
            ),
        },
        Authentication::Other(tag) => other(tag),
    }
}

/// RFC 4511 section 4.2: choices may be added, so that only a known one can be malformed.
fn other(tag: ber::Tag) -> Decision {
    let known = [ber::context_constructed(0), ber::context(3)];
    if known.contains(&tag) || tag & 0xc0 != ber::context(0) {
        Decision::refused(
            ResultCode::PROTOCOL_ERROR,
            "malformed choice of authentication",
        )
    } else {
        Decision::refused(
            ResultCode::AUTH_METHOD_NOT_SUPPORTED,
            "unknown choice of authentication",
        )
    }
}

fn confidentiality_required() -> Decision {
    Decision::refused(
        ResultCode::CONFIDENTIALITY_REQUIRED,
        "passwords are taken over TLS only: use LDAPS or StartTLS",
    )
}

async fn simple(call: &Call<'_>, name: &[u8], password: &[u8]) -> Decision {
    match (name.is_empty(), password.is_empty()) {
        (true, true) => {
            return Decision {
                outcome: BindOutcome::Anonymous,
                ..Decision::from(Ok(AuthorizationIdentity::Anonymous))
            };
        }
        (false, true) => {
            return Decision::refused(
                ResultCode::UNWILLING_TO_PERFORM,
                "a name without a password proves nothing (RFC 4513 section 5.1.2)",
            );
        }
        (_, false) if !call.is_confidential() => return confidentiality_required(),
        (true, false) => {
            return Decision::refused(ResultCode::INVALID_CREDENTIALS, "a password without a name");
        }
        (false, false) => {}
    }
    if let Some(busy) = call.busy() {
        return Decision::busy(busy);
    }
    let access = &call.settings.access;
    let authenticator = &call.service.authenticator;
    authenticator
        .simple_bind(access, name, password)
        .await
        .into()
}

/// RFC 4616; a client that sends nothing at first gets an empty challenge.
async fn plain(call: &Call<'_>, continued: bool, credentials: Option<&[u8]>) -> Decision {
    if !call.is_confidential() {
        return confidentiality_required();
    }
    let message = match credentials {
        None if !continued => {
            return Decision::refused(ResultCode::SASL_BIND_IN_PROGRESS, "");
        }
        credentials => Plain::parse(credentials.unwrap_or_default()),
    };
    let Some(message) = message else {
        return Decision::refused(
            ResultCode::PROTOCOL_ERROR,
            "malformed message of PLAIN: it is [authzid] NUL authcid NUL passwd in UTF-8",
        );
    };
    if let Some(busy) = call.busy() {
        return Decision::busy(busy);
    }
    let access = &call.settings.access;
    let authenticator = &call.service.authenticator;
    authenticator.plain_bind(access, &message).await.into()
}

/// RFC 4513 section 5.2.3; without an authzId it is that of the certificate.
fn external(call: &Call<'_>, session: &Session, authorization_id: &[u8]) -> Decision {
    let Some(certificate) = &session.certificate else {
        return Decision::refused(
            ResultCode::INAPPROPRIATE_AUTHENTICATION,
            "EXTERNAL needs TLS with a client certificate that the server can verify",
        );
    };
    if let Some(busy) = call.busy() {
        return Decision::busy(busy);
    }
    let access = &call.settings.access;
    let authenticator = &call.service.authenticator;
    authenticator
        .certificate_bind(access, certificate, authorization_id)
        .into()
}
