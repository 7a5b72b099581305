//! The SASL mechanisms PLAIN (RFC 4616) and EXTERNAL (RFC 4422 appendix A).

use std::time::SystemTime;

use super::{
    bind::{Authenticator, BindRefused, identity},
    certificate::Certificate,
    names::{self, Named},
    plain::Plain,
};
use crate::{
    access::{Access, AuthorizationIdentity},
    directory::{EntryId, Snapshot},
    mapping::time::generalized_time,
};

impl Authenticator {
    /// Decides a bind by PLAIN.
    ///
    /// Cancel safe: as [`simple_bind`](Self::simple_bind).
    ///
    /// # Errors
    /// As [`simple_bind`](Self::simple_bind), but a name that is no DN proves nothing either, and
    /// neither does asking for the identity of another.
    pub async fn plain_bind(
        &self,
        access: &Access,
        message: &Plain<'_>,
    ) -> Result<AuthorizationIdentity, BindRefused> {
        let password = message.password.as_bytes();
        let Some(name) = message.name() else {
            return Err(self.nobody(password).await);
        };
        let proved = match self.simple_bind(access, &name, password).await {
            Err(BindRefused::InvalidDn) => return Err(self.nobody(password).await),
            proved => proved?,
        };
        self.acting_as(access, proved, message.authorization.as_bytes())
    }

    /// Decides a bind by a client certificate that the TLS library has verified.
    ///
    /// The account is the first of these that the certificate has, and nothing after it counts:
    ///
    /// 1. the subject, where it is the DN of an account;
    /// 2. AD's user principal name among the alternative names, as a bind name;
    /// 3. a mail address among the alternative names, as a bind name;
    /// 4. the common name in the subject, as a bind name.
    ///
    /// Of several values of one kind, those that mean anything must mean the same account. A bind
    /// name is an account name here, never a DN, GUID or SID.
    ///
    /// # Errors
    /// [`BindRefused::Invalid`]: the certificate does not count now, means nobody or more than one,
    /// the account is kept out, or it may not act as `authorization_id`.
    pub fn certificate_bind(
        &self,
        access: &Access,
        certificate: &Certificate,
        authorization_id: &[u8],
    ) -> Result<AuthorizationIdentity, BindRefused> {
        if !certificate.is_valid_at(&generalized_time(SystemTime::now())) {
            return Err(BindRefused::WRONG_PASSWORD);
        }
        let snapshot = self.directory.snapshot();
        let id = account(&snapshot, certificate).ok_or(BindRefused::WRONG_PASSWORD)?;
        self.is_still_let_in(id)?;
        let proved = identity(access, &snapshot, id);
        self.acting_as(access, proved, authorization_id)
    }

    /// The identity asked for; the empty one is that which was proved.
    fn acting_as(
        &self,
        access: &Access,
        proved: AuthorizationIdentity,
        authorization_id: &[u8],
    ) -> Result<AuthorizationIdentity, BindRefused> {
        if authorization_id.is_empty() {
            return Ok(proved);
        }
        let acting = self
            .act_as(access, &proved, authorization_id)
            .map_err(|_| BindRefused::WRONG_PASSWORD)?;
        tracing::info!(
            target: "adduct::audit",
            proved = proved.dn(),
            acting = acting.dn(),
            "acts as another"
        );
        Ok(acting)
    }
}

/// The account that a certificate names.
fn account(snapshot: &Snapshot, certificate: &Certificate) -> Option<EntryId> {
    if !certificate.subject.is_root()
        && let Some(id) = names::by_exact_dn(snapshot, &certificate.subject)
    {
        return Some(id);
    }
    let kinds = [
        &certificate.principal_names,
        &certificate.mail,
        &certificate.common_names,
    ];
    let names = kinds.into_iter().find(|names| !names.is_empty())?;
    let mut found = None;
    for name in names {
        match names::resolve_account(snapshot, name) {
            Named::One(id) if found.is_none_or(|other| other == id) => found = Some(id),
            Named::Nobody => {}
            Named::One(_) | Named::Ambiguous | Named::InvalidDn => return None,
        }
    }
    found
}
