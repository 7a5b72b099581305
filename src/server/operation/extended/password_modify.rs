//! Password Modify (RFC 3062), for local entries.
//!
//! | refused because | result code |
//! | --- | --- |
//! | passwords in the clear | confidentialityRequired |
//! | the value has another form | protocolError |
//! | an empty new password | constraintViolation |
//! | nobody is bound, and name or old password are missing | unwillingToPerform |
//! | one's own password without the old one | unwillingToPerform |
//! | the password of another, by none of the administrators | insufficientAccessRights |
//! | a wrong old password, an unknown name with one | invalidCredentials, as a bind |
//! | an administrator names nobody | noSuchObject |
//! | an entry that comes from AD | unwillingToPerform |
//! | no class of the entry allows a password | objectClassViolation |

use uuid::Uuid;

use crate::{
    access::AuthorizationIdentity,
    auth::{
        BindRefused, ChangeRefused, generate_password,
        names::{self, Named},
    },
    directory::Kind,
    proto::{
        LdapResult, ResultCode,
        password_modify::{PasswordModify, response},
        password_policy::{self, PasswordPolicyError},
        request::ExtendedRequest,
    },
    server::{
        operation::{Answer, Call},
        session::Session,
    },
};

/// Why not, with what a client is told that asked for the state of the password.
struct Refusal(LdapResult, Option<PasswordPolicyError>);

impl Refusal {
    fn new(code: ResultCode, text: &str) -> Self {
        Self(LdapResult::new(code, text), None)
    }
}

impl From<ChangeRefused> for Refusal {
    fn from(refused: ChangeRefused) -> Self {
        Self((&refused).into(), (&refused).into())
    }
}

impl From<BindRefused> for Refusal {
    fn from(refused: BindRefused) -> Self {
        ChangeRefused::from(refused).into()
    }
}

/// Changes a password; gives the value of the answer too.
pub(super) async fn modify(
    call: &Call<'_>,
    session: &Session,
    request: &ExtendedRequest<'_>,
) -> (Answer, Option<Vec<u8>>) {
    let mut audit = Audit::default();
    let (result, error, value) = match decide(call, request, &mut audit).await {
        Ok(generated) => (LdapResult::SUCCESS, None, generated),
        Err(Refusal(result, error)) => (result, error, None),
    };
    tracing::info!(
        target: "adduct::audit",
        name = %String::from_utf8_lossy(&audit.name),
        conn.id = session.id,
        peer.addr = %session.peer,
        tls = session.tls,
        bind.dn = session.identity.dn(),
        acting.dn = call.identity.dn(),
        entry.uuid = audit.entry.map(tracing::field::display),
        result.code = result.code.0,
        reason = result.diagnostic,
        "password modify"
    );
    let mut answer = Answer::from(result);
    if call.controls.password_policy {
        answer.controls.push(password_policy::response(error));
    }
    (answer, value)
}

/// What is written down about a change beside its result.
#[derive(Default)]
struct Audit {
    name: Vec<u8>,
    entry: Option<Uuid>,
}

async fn decide(
    call: &Call<'_>,
    request: &ExtendedRequest<'_>,
    audit: &mut Audit,
) -> Result<Option<Vec<u8>>, Refusal> {
    if !call.is_confidential() {
        return Err(Refusal::new(
            ResultCode::CONFIDENTIALITY_REQUIRED,
            "passwords are taken over TLS only: use LDAPS or StartTLS",
        ));
    }
    let request = PasswordModify::decode(request.value)
        .map_err(|reason| Refusal::new(ResultCode::PROTOCOL_ERROR, &reason.to_string()))?;
    audit.name = request.user.unwrap_or_default().to_vec();
    if let Some(busy) = call.busy() {
        return Err(Refusal(busy, None));
    }
    if request.new.is_some_and(<[u8]>::is_empty) {
        let result = LdapResult::new(
            ResultCode::CONSTRAINT_VIOLATION,
            "an empty password would prove nothing",
        );
        return Err(Refusal(result, Some(PasswordPolicyError::PasswordTooShort)));
    }
    let old = request.old.filter(|old| !old.is_empty());
    let (uuid, modifier) = match call.identity {
        AuthorizationIdentity::Anonymous => by_proof(call, request.user, old).await?,
        AuthorizationIdentity::Entry {
            uuid,
            dn,
            administrator,
        } => {
            let target = target(call, request.user, *uuid, *administrator)?;
            if old.is_none() && !administrator {
                let result = LdapResult::new(
                    ResultCode::UNWILLING_TO_PERFORM,
                    "the old password is needed to change one's own",
                );
                let error = PasswordPolicyError::MustSupplyOldPassword;
                return Err(Refusal(result, Some(error)));
            }
            (target, dn.clone())
        }
    };
    audit.entry = Some(uuid);
    let generated = match request.new {
        Some(_) => None,
        None => Some(generate_password().map_err(|error| {
            tracing::error!(%error, "no random octets for a new password");
            Refusal::new(ResultCode::UNAVAILABLE, "no new password could be made")
        })?),
    };
    let new = match (&generated, request.new) {
        (Some(generated), _) => generated.as_bytes(),
        (None, new) => new.unwrap_or_default(),
    };
    call.service
        .authenticator
        .change_password(uuid, old, new, &modifier)
        .await?;
    Ok(generated.map(|generated| response(generated.as_bytes())))
}

/// Who is not bound proves by the old password whose he changes, as by a bind.
async fn by_proof(
    call: &Call<'_>,
    user: Option<&[u8]>,
    old: Option<&[u8]>,
) -> Result<(Uuid, String), Refusal> {
    let (Some(user), Some(old)) = (user.filter(|user| !user.is_empty()), old) else {
        return Err(Refusal::new(
            ResultCode::UNWILLING_TO_PERFORM,
            "bind first, or send the name and the old password",
        ));
    };
    let proved = call
        .service
        .authenticator
        .simple_bind(&call.settings.access, names::without_form(user), old)
        .await?;
    match proved {
        AuthorizationIdentity::Entry { uuid, dn, .. } => {
            // Told after the proof only, so that it says nothing about names.
            is_local(call, uuid)?;
            Ok((uuid, dn))
        }
        AuthorizationIdentity::Anonymous => Err(ChangeRefused::Gone.into()),
    }
}

/// Whose password it is, if who asks may change it.
fn target(
    call: &Call<'_>,
    user: Option<&[u8]>,
    own: Uuid,
    administrator: bool,
) -> Result<Uuid, Refusal> {
    let snapshot = call.service.directory.snapshot();
    let uuid = match user.map(|user| names::resolve(&snapshot, names::without_form(user))) {
        None => Some(own),
        Some(Named::InvalidDn) => return Err(BindRefused::InvalidDn.into()),
        Some(Named::One(id)) => snapshot.entry(id).map(|entry| entry.uuid),
        Some(Named::Nobody | Named::Ambiguous) => None,
    };
    match uuid {
        Some(uuid) if uuid == own || administrator => {
            is_local(call, uuid)?;
            Ok(uuid)
        }
        None if administrator => Err(ChangeRefused::Gone.into()),
        _ => Err(Refusal::new(
            ResultCode::INSUFFICIENT_ACCESS_RIGHTS,
            "only administrators change the passwords of others",
        )),
    }
}

fn is_local(call: &Call<'_>, uuid: Uuid) -> Result<(), Refusal> {
    let snapshot = call.service.directory.snapshot();
    let entry = snapshot.id_of(uuid).and_then(|id| snapshot.entry(id));
    match entry {
        Some(entry) if entry.kind == Kind::Local => Ok(()),
        Some(_) => Err(ChangeRefused::NotLocal.into()),
        None => Err(ChangeRefused::Gone.into()),
    }
}
