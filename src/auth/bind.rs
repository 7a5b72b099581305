//! The decision on a name and a password: who is meant, and whether he proved it.
//!
//! A refusal tells nothing about names, by its time neither. Every refused password has cost one
//! hash as new passwords are hashed, whether the name means anybody or not; and where there are
//! domain controllers, also the time of one of their answers, a real one or one drawn from the
//! recent ones. What stays visible is a local password imported in a scheme that is costlier than
//! the hash that every refusal costs.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use thiserror::Error;

use super::{
    hash_pool::{HashPool, MAX_VALUES, PoolError},
    names::{self, Named},
    pace::Pace,
    password::{StoredPassword, UserPassword},
    prepare,
    recheck::Recheck,
};
use crate::{
    access::{Access, AuthorizationIdentity},
    directory::{Directory, EntryId, Kind, ServedEntry, Snapshot},
    mapping::{
        account::{self, AccountState},
        time::filetime_from_unix,
    },
    proto::{LdapResult, ResultCode, password_policy::PasswordPolicyError},
    upstream::{BindOutcome, BindPool, UpstreamError},
};

/// What a domain controller is taken to need where there is nothing to measure yet.
const FIRST_PACE: Duration = Duration::from_millis(10);

/// Decides who has proved to be whom.
#[derive(Debug)]
pub struct Authenticator {
    pub(super) directory: Arc<Directory>,
    pub(super) hashes: HashPool,
    pub(super) recheck: Recheck,
    /// By source name.
    upstreams: HashMap<String, Arc<BindPool>>,
    /// What domain controllers take.
    pace: Pace,
}

impl Authenticator {
    /// An authenticator over a directory, with the domain controllers of each source.
    pub fn new(
        directory: Arc<Directory>,
        hashes: HashPool,
        recheck: Recheck,
        upstreams: HashMap<String, Arc<BindPool>>,
    ) -> Self {
        Self {
            directory,
            hashes,
            recheck,
            upstreams,
            pace: Pace::default(),
        }
    }

    /// The workers that hash.
    pub fn hashes(&self) -> &HashPool {
        &self.hashes
    }

    /// Decides a bind with a name and a password, neither of them empty.
    ///
    /// Cancel safe: yes; a domain controller may still count the try.
    ///
    /// # Errors
    /// [`BindRefused`]. Unknown names and wrong passwords look the same and take the same time.
    pub async fn simple_bind(
        &self,
        access: &Access,
        name: &[u8],
        password: &[u8],
    ) -> Result<AuthorizationIdentity, BindRefused> {
        let snapshot = self.directory.snapshot();
        let id = match names::resolve(&snapshot, name) {
            Named::One(id) => id,
            Named::InvalidDn => return Err(BindRefused::InvalidDn),
            Named::Nobody => return Err(Box::pin(self.nobody(password)).await),
            Named::Ambiguous => {
                let name = String::from_utf8_lossy(name);
                tracing::warn!(
                    target: "adduct::audit",
                    %name,
                    "the name means more than one entry and was refused: bind by DN, or make the names unique"
                );
                return Err(Box::pin(self.nobody(password)).await);
            }
        };
        self.verify(&snapshot, id, password).await?;
        // What he proved let him in as of this version; there may be another by now.
        if !Arc::ptr_eq(&snapshot, &self.directory.snapshot()) {
            self.is_still_let_in(id)?;
        }
        Ok(identity(access, &snapshot, id))
    }

    /// Whether the account is served and not disabled now: that may have changed meanwhile.
    pub(super) fn is_still_let_in(&self, id: EntryId) -> Result<(), BindRefused> {
        let now = self.directory.snapshot();
        match now.entry(id).filter(|_| now.is_served(id)) {
            Some(entry) => let_in(account_state(&now, entry)),
            None => Err(BindRefused::WRONG_PASSWORD),
        }
    }

    /// Does for an unknown name what is done for a known one, and gives the refusal.
    pub(super) async fn nobody(&self, password: &[u8]) -> BindRefused {
        if let Err(error) = self.hash_nothing(password).await {
            return error.into();
        }
        self.wait_as_for_upstream().await;
        BindRefused::WRONG_PASSWORD
    }

    async fn hash_nothing(&self, password: &[u8]) -> Result<(), PoolError> {
        for candidate in prepare::candidates(password) {
            self.hashes.verify_nothing(candidate).await?;
        }
        Ok(())
    }

    /// Waits as long as a domain controller would take to refuse, where there are any.
    async fn wait_as_for_upstream(&self) {
        if !self.upstreams.is_empty() {
            tokio::time::sleep(self.pace.sample().unwrap_or(FIRST_PACE)).await;
        }
    }

    pub(super) async fn verify(
        &self,
        snapshot: &Snapshot,
        id: EntryId,
        password: &[u8],
    ) -> Result<(), BindRefused> {
        if self.was_just_verified(snapshot, id, password)? {
            return Ok(());
        }
        // Boxed, so that a bind that waits for nobody carries none of it.
        Box::pin(self.verify_anew(snapshot, id, password)).await
    }

    async fn verify_anew(
        &self,
        snapshot: &Snapshot,
        id: EntryId,
        password: &[u8],
    ) -> Result<(), BindRefused> {
        let Some(entry) = snapshot.entry(id) else {
            return Err(self.nobody(password).await);
        };
        if entry.kind == Kind::Local {
            let verified = self.verify_local(snapshot, entry, password).await;
            if matches!(&verified, Err(refused) if refused.is_wrong_password()) {
                self.wait_as_for_upstream().await;
            }
            verified
        } else {
            let verified = self.verify_upstream(snapshot, id, entry, password).await;
            if matches!(&verified, Err(refused) if refused.is_wrong_password()) {
                self.hash_nothing(password).await?;
            }
            verified
        }
    }

    /// Whether a local entry's password was verified a short while ago; refuses who is kept out
    /// although it was. Nothing is waited for.
    fn was_just_verified(
        &self,
        snapshot: &Snapshot,
        id: EntryId,
        password: &[u8],
    ) -> Result<bool, BindRefused> {
        let local = snapshot.entry(id).filter(|entry| entry.kind == Kind::Local);
        let Some(entry) = local else { return Ok(false) };
        let proof = stored_proof(snapshot, entry);
        let matches = self
            .recheck
            .matches(entry.uuid, password, &proof, Instant::now());
        if matches {
            let_in(account_state(snapshot, entry))?;
        }
        Ok(matches)
    }

    async fn verify_local(
        &self,
        snapshot: &Snapshot,
        entry: &ServedEntry,
        password: &[u8],
    ) -> Result<(), BindRefused> {
        let proof = stored_proof(snapshot, entry);
        let stored: Vec<StoredPassword> = entry
            .attributes
            .values(snapshot.known().user_password)
            .filter_map(|value| match UserPassword::parse(value) {
                Ok(UserPassword::Hashed(stored)) => Some(stored),
                _ => None,
            })
            .collect();
        // No more than a worker would look at.
        let quick = stored.iter().take(MAX_VALUES);
        let mut right = false;
        for candidate in prepare::candidates(password) {
            // A refusal costs what every refusal does, but who is right need not wait for it.
            right = right
                || quick.clone().any(|own| own.is_quickly_verified(&candidate))
                || self.hashes.verify(stored.clone(), candidate).await?;
        }
        if !right {
            return Err(BindRefused::WRONG_PASSWORD);
        }
        self.recheck
            .remember(entry.uuid, password, &proof, Instant::now());
        let_in(account_state(snapshot, entry))
    }

    /// Passes the bind through to a domain controller, by identity.
    ///
    /// The guard against lockouts will stand before the call, the verifier for when no domain
    /// controller answers after its failure.
    async fn verify_upstream(
        &self,
        snapshot: &Snapshot,
        id: EntryId,
        entry: &ServedEntry,
        password: &[u8],
    ) -> Result<(), BindRefused> {
        let source = snapshot.source_of(id).map(|source| source.name.clone());
        let upstream = source.as_ref().and_then(|name| self.upstreams.get(name));
        let Some(upstream) = upstream else {
            return Err(BindRefused::Unavailable(
                "no domain controller is configured for this account".to_owned(),
            ));
        };
        let started = Instant::now();
        let outcome = upstream
            .bind(&format!("<GUID={}>", entry.uuid), password)
            .await?;
        self.pace.record(started.elapsed());
        if !outcome.proves_password() && outcome.result_code != ResultCode::INVALID_CREDENTIALS.0 {
            return Err(BindRefused::Unavailable(format!(
                "the domain controller answered {}",
                outcome.reason()
            )));
        }
        match outcome.sub_code {
            _ if outcome.is_success() => let_in(account_state(snapshot, entry)),
            Some(code) if outcome.proves_password() || code == BindOutcome::ACCOUNT_LOCKED => {
                Err(BindRefused::Invalid(code))
            }
            _ => Err(BindRefused::WRONG_PASSWORD),
        }
    }
}

/// What proves a local entry: all values of its `userPassword`.
pub(super) fn stored_proof<'e>(snapshot: &Snapshot, entry: &'e ServedEntry) -> Cow<'e, [u8]> {
    let mut values = entry.attributes.values(snapshot.known().user_password);
    match (values.next(), values.next()) {
        (None, _) => Cow::default(),
        (Some(only), None) => Cow::Borrowed(only),
        (Some(first), Some(second)) => {
            let rest: Vec<&[u8]> = values.collect();
            Cow::Owned([first, second, &rest.concat()].concat())
        }
    }
}

/// What the replica knows keeps an account out whatever else says yes; the reason is told, since
/// the password was proved.
fn let_in(state: AccountState) -> Result<(), BindRefused> {
    if state.disabled {
        Err(BindRefused::Invalid(BindOutcome::ACCOUNT_DISABLED))
    } else if state.expired {
        Err(BindRefused::Invalid(BindOutcome::ACCOUNT_EXPIRED))
    } else {
        Ok(())
    }
}

fn account_state(snapshot: &Snapshot, entry: &ServedEntry) -> AccountState {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    account::account_state(
        |name| {
            let attribute = snapshot.schema().attribute(name.as_bytes())?;
            entry.attributes.first(attribute)
        },
        filetime_from_unix(now),
    )
}

pub(super) fn identity(access: &Access, snapshot: &Snapshot, id: EntryId) -> AuthorizationIdentity {
    let mut administrators = access.administrators().iter();
    AuthorizationIdentity::Entry {
        uuid: snapshot
            .entry(id)
            .map(|entry| entry.uuid)
            .unwrap_or_default(),
        dn: snapshot.dn(id),
        administrator: administrators.any(|name| snapshot.is_named(id, name)),
    }
}

/// Why a bind was refused.
#[derive(Debug, Error)]
pub enum BindRefused {
    /// Wrong, or not allowed in; with AD's reason.
    #[error("refused with AD's reason {0:x}")]
    Invalid(u32),
    /// The name has the form of a DN but is none.
    #[error("the name is no DN")]
    InvalidDn,
    /// Too many binds are waiting.
    #[error("too many binds are waiting")]
    Busy,
    /// Nobody could be asked.
    #[error("{0}")]
    Unavailable(String),
}

impl BindRefused {
    /// Wrong password, and everything that must look like it.
    pub(super) const WRONG_PASSWORD: Self = Self::Invalid(BindOutcome::LOGON_FAILURE);

    fn is_wrong_password(&self) -> bool {
        matches!(self, Self::Invalid(BindOutcome::LOGON_FAILURE))
    }
}

impl From<PoolError> for BindRefused {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Busy => Self::Busy,
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl From<UpstreamError> for BindRefused {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::Busy => Self::Busy,
            other => {
                tracing::warn!(error = %other, "a bind could not be passed through");
                Self::Unavailable("no domain controller answers: try again later".to_owned())
            }
        }
    }
}

/// What a client that asked for the state of the password is told of a refusal.
impl From<&BindRefused> for Option<PasswordPolicyError> {
    fn from(refused: &BindRefused) -> Self {
        match refused {
            BindRefused::Invalid(BindOutcome::PASSWORD_EXPIRED) => {
                Some(PasswordPolicyError::PasswordExpired)
            }
            BindRefused::Invalid(BindOutcome::ACCOUNT_LOCKED) => {
                Some(PasswordPolicyError::AccountLocked)
            }
            BindRefused::Invalid(BindOutcome::PASSWORD_MUST_CHANGE) => {
                Some(PasswordPolicyError::ChangeAfterReset)
            }
            _ => None,
        }
    }
}

/// Invalid: 49 with AD's text; invalid DN: 34; busy: 51; nobody to ask: 52.
impl From<&BindRefused> for LdapResult {
    fn from(refused: &BindRefused) -> Self {
        match refused {
            BindRefused::Invalid(code) => Self::new(
                ResultCode::INVALID_CREDENTIALS,
                format!(
                    "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data {code:x}, v1db1"
                ),
            ),
            BindRefused::InvalidDn => {
                Self::new(ResultCode::INVALID_DN_SYNTAX, "the bind name is not a DN")
            }
            BindRefused::Busy => {
                Self::new(ResultCode::BUSY, "too many binds are waiting: try again")
            }
            BindRefused::Unavailable(text) => Self::new(ResultCode::UNAVAILABLE, text.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
