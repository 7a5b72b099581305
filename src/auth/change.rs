//! New passwords for local entries.

use std::{sync::Arc, time::SystemTime};

use thiserror::Error;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{
    bind::{Authenticator, BindRefused, stored_proof},
    prepare,
};
use crate::{
    directory::{DirectoryError, Kind, Transaction, WriteError},
    entry::{Entry, Origin},
    mapping::time::generalized_time,
    proto::{LdapResult, ResultCode, password_policy::PasswordPolicyError},
    schema::Schema,
};

/// The attribute that keeps passwords.
const USER_PASSWORD: &str = "userPassword";

/// When the password was changed, where the schema has it (draft-behera section 5.3.2).
const CHANGED_TIME: &str = "pwdChangedTime";

impl Authenticator {
    /// Gives a local entry a new password, which is hashed, in place of all it has; `old` is proved
    /// first where there is one. `modifier` is the DN of who changes it.
    ///
    /// When this returns, the new password is on disk and the old one gets nobody in.
    ///
    /// Cancel safe: yes, but the change may be made all the same.
    ///
    /// # Errors
    /// [`ChangeRefused`]; nothing is changed then.
    pub async fn change_password(
        &self,
        uuid: Uuid,
        old: Option<&[u8]>,
        new: &[u8],
        modifier: &str,
    ) -> Result<(), ChangeRefused> {
        let snapshot = self.directory.snapshot();
        let id = snapshot.id_of(uuid).filter(|id| snapshot.is_served(*id));
        let (id, entry) = id
            .and_then(|id| Some((id, snapshot.entry(id)?)))
            .ok_or(ChangeRefused::Gone)?;
        if entry.kind != Kind::Local {
            return Err(ChangeRefused::NotLocal);
        }
        let mut proof = None;
        if let Some(old) = old {
            self.verify(&snapshot, id, old).await?;
            proof = Some(stored_proof(&snapshot, entry).into_owned());
        }
        let hash = self.hashes.hash(prepare::stored_form(new)).await;
        let change = Change {
            uuid,
            proof,
            hash: hash.map_err(BindRefused::from)?,
            modifier: modifier.to_owned(),
        };
        let directory = Arc::clone(&self.directory);
        let written = tokio::task::spawn_blocking(move || {
            directory.write(|transaction| change.apply(transaction))
        });
        match written.await {
            Ok(Ok(())) => {}
            Ok(Err(WriteError::Refused(refused))) => return Err(refused),
            Ok(Err(WriteError::Directory(error))) => return Err(error.into()),
            Err(_) => return Err(ChangeRefused::Stopped),
        }
        self.recheck.forget(uuid);
        Ok(())
    }
}

/// A change of one password that may be made.
struct Change {
    uuid: Uuid,
    /// What the old password was proved against.
    proof: Option<Vec<u8>>,
    hash: String,
    modifier: String,
}

impl Change {
    fn apply(self, transaction: &mut Transaction<'_>) -> Result<(), ChangeRefused> {
        let mut entry = transaction.get(self.uuid)?.ok_or(ChangeRefused::Gone)?;
        if entry.origin != Origin::Local {
            return Err(ChangeRefused::NotLocal);
        }
        let present: Vec<&[u8]> = passwords(&entry).collect();
        let unchanged = self.proof.is_none_or(|proof| proof == present.concat());
        if !unchanged {
            return Err(ChangeRefused::Meanwhile);
        }
        let schema = transaction.snapshot().schema();
        if present.is_empty() && !may_have_a_password(schema, &entry) {
            return Err(ChangeRefused::NoPassword);
        }
        let now = generalized_time(SystemTime::now()).into_bytes();
        entry
            .attributes
            .retain(|attribute| !is_password(&attribute.description));
        entry.set(USER_PASSWORD, vec![self.hash.into_bytes()]);
        entry.set("modifyTimestamp", vec![now.clone()]);
        entry.set("modifiersName", vec![self.modifier.into_bytes()]);
        if schema.attribute(CHANGED_TIME.as_bytes()).is_some() {
            entry.set(CHANGED_TIME, vec![now]);
        }
        transaction.put(entry);
        Ok(())
    }
}

/// Whether a description is of `userPassword`, with or without options.
fn is_password(description: &str) -> bool {
    let base = description.split(';').next().unwrap_or_default();
    base.eq_ignore_ascii_case(USER_PASSWORD)
}

fn passwords(entry: &Entry) -> impl Iterator<Item = &[u8]> {
    let attributes = entry.attributes.iter();
    attributes
        .filter(|attribute| is_password(&attribute.description))
        .flat_map(|attribute| attribute.values.iter().map(Vec::as_slice))
}

/// Whether any class of an entry allows `userPassword`.
fn may_have_a_password(schema: &Schema, entry: &Entry) -> bool {
    let Some(password) = schema.attribute(USER_PASSWORD.as_bytes()) else {
        return false;
    };
    let classes = entry.attribute("objectClass");
    classes
        .iter()
        .flat_map(|classes| &classes.values)
        .filter_map(|name| schema.object_class(name))
        .flat_map(|class| std::iter::once(class).chain(schema.superclasses(class).iter().copied()))
        .map(|class| schema.object_class_def(class))
        .any(|class| {
            class.must.contains(&password)
                || class.may.contains(&password)
                || class.name().eq_ignore_ascii_case("extensibleObject")
        })
}

/// A new password of twenty letters and digits, none of which is taken for another: 100 bits.
///
/// # Errors
/// Where the operating system gives no random octets.
pub fn generate_password() -> Result<Zeroizing<String>, getrandom::Error> {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut random = Zeroizing::new([0; 20]);
    getrandom::fill(&mut *random)?;
    let characters = random
        .iter()
        .filter_map(|octet| ALPHABET.get(usize::from(octet % 32)));
    Ok(Zeroizing::new(
        characters.map(|octet| char::from(*octet)).collect(),
    ))
}

/// Why a password was not changed.
#[derive(Debug, Error)]
pub enum ChangeRefused {
    /// The old password is wrong, or there was no room to hash.
    #[error(transparent)]
    Bind(#[from] BindRefused),
    /// The entry comes from AD.
    #[error(
        "the password is kept in Active Directory: change it there, with kpasswd, at a Windows logon or through the domain's administrators"
    )]
    NotLocal,
    /// The entry's classes allow no password.
    #[error("no object class of the entry allows userPassword")]
    NoPassword,
    /// Somebody else changed it after the old password was proved.
    #[error("the password was changed by somebody else meanwhile: try again")]
    Meanwhile,
    /// The entry is not there any more.
    #[error("no such entry")]
    Gone,
    /// The store.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The server is stopping.
    #[error("the server is shutting down")]
    Stopped,
}

/// Not local: 53; no password allowed: 65; meanwhile: 51; gone: 32; store: 80; stopped: 52; the old
/// password: as a bind with it.
impl From<&ChangeRefused> for LdapResult {
    fn from(refused: &ChangeRefused) -> Self {
        let code = match refused {
            ChangeRefused::Bind(refused) => return refused.into(),
            ChangeRefused::NotLocal => ResultCode::UNWILLING_TO_PERFORM,
            ChangeRefused::NoPassword => ResultCode::OBJECT_CLASS_VIOLATION,
            ChangeRefused::Meanwhile => ResultCode::BUSY,
            ChangeRefused::Gone => ResultCode::NO_SUCH_OBJECT,
            ChangeRefused::Stopped => ResultCode::UNAVAILABLE,
            ChangeRefused::Directory(error) => {
                tracing::error!(%error, "a password could not be stored");
                return Self::new(ResultCode::OTHER, "the password could not be stored");
            }
        };
        Self::new(code, refused.to_string())
    }
}

impl From<&ChangeRefused> for Option<PasswordPolicyError> {
    fn from(refused: &ChangeRefused) -> Self {
        match refused {
            ChangeRefused::Bind(refused) => refused.into(),
            ChangeRefused::NotLocal => Some(PasswordPolicyError::PasswordModNotAllowed),
            _ => None,
        }
    }
}
