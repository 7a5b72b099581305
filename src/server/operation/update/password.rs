//! Passwords in the clear: hashed before they are written, and found among hashes to be deleted.

use zeroize::Zeroizing;

use super::Call;
use crate::{
    auth::{
        hash_pool::{MAX_VALUES, PoolError},
        password::StoredPassword,
    },
    directory::Resolved,
    dn::Dn,
    entry::Attribute,
    proto::{LdapResult, ResultCode, request::ChangeOperation},
    update::{
        Change, failed,
        password::{cleartext, is_password},
    },
};

/// Hashes what is in the clear among the attributes of a new entry.
pub(super) async fn hash_all(
    call: &Call<'_>,
    mut attributes: Vec<Attribute>,
) -> Result<Vec<Attribute>, LdapResult> {
    let snapshot = call.service.directory.snapshot();
    let mut left = MAX_VALUES;
    for attribute in &mut attributes {
        if is_password(snapshot.schema(), attribute.description.as_bytes()) {
            hash(call, attribute, &mut left).await?;
        }
    }
    Ok(attributes)
}

/// Hashes what is added in the clear, and puts in place of what is deleted in the clear the hash
/// that it belongs to: the write itself compares octets.
pub(super) async fn hash_changes(
    call: &Call<'_>,
    dn: &Dn,
    mut changes: Vec<Change>,
) -> Result<Vec<Change>, LdapResult> {
    let snapshot = call.service.directory.snapshot();
    let mut left = MAX_VALUES;
    for change in &mut changes {
        let attribute = &mut change.attribute;
        if !is_password(snapshot.schema(), attribute.description.as_bytes()) {
            continue;
        }
        match change.operation {
            ChangeOperation::Add | ChangeOperation::Replace => {
                hash(call, attribute, &mut left).await?;
            }
            ChangeOperation::Delete => find_hashes(call, dn, attribute, &mut left).await?,
            ChangeOperation::Increment | ChangeOperation::Other(_) => {}
        }
    }
    Ok(changes)
}

async fn hash(
    call: &Call<'_>,
    attribute: &mut Attribute,
    left: &mut usize,
) -> Result<(), LdapResult> {
    for value in &mut attribute.values {
        let Some(password) = cleartext(value)? else {
            continue;
        };
        let password = Zeroizing::new(password.to_vec());
        take_turn(left)?;
        let hash = call.service.authenticator.hashes().hash(password).await;
        let hash = hash.map_err(|error| refused(&error))?.into_bytes();
        drop(Zeroizing::new(std::mem::replace(value, hash)));
    }
    Ok(())
}

async fn find_hashes(
    call: &Call<'_>,
    dn: &Dn,
    attribute: &mut Attribute,
    left: &mut usize,
) -> Result<(), LdapResult> {
    for value in &mut attribute.values {
        let Ok(Some(password)) = cleartext(value) else {
            // A hash of whatever kind is compared by its octets.
            continue;
        };
        let password = Zeroizing::new(password.to_vec());
        for stored in stored(call, dn)? {
            let Ok(parsed) = StoredPassword::parse(&stored) else {
                continue;
            };
            take_turn(left)?;
            let hashes = call.service.authenticator.hashes();
            let verified = hashes.verify(vec![parsed], password.clone()).await;
            if verified.map_err(|error| refused(&error))? {
                drop(Zeroizing::new(std::mem::replace(value, stored)));
                break;
            }
        }
    }
    Ok(())
}

/// The passwords of an entry; none where there is no such entry, which the write finds out.
fn stored(call: &Call<'_>, dn: &Dn) -> Result<Vec<Vec<u8>>, LdapResult> {
    let snapshot = call.service.directory.snapshot();
    let Resolved::Found(id) = snapshot.resolve(dn) else {
        return Ok(Vec::new());
    };
    let Some(entry) = snapshot.entry(id) else {
        return Ok(Vec::new());
    };
    let stored = call.service.directory.stored(entry.uuid);
    let stored = stored.map_err(|error| failed(&error))?;
    let attributes = stored.map(|entry| entry.attributes).unwrap_or_default();
    let passwords = attributes
        .into_iter()
        .filter(|own| is_password(snapshot.schema(), own.description.as_bytes()));
    Ok(passwords.flat_map(|own| own.values).collect())
}

/// Each password takes a worker some 20 ms.
fn take_turn(left: &mut usize) -> Result<(), LdapResult> {
    *left = left.checked_sub(1).ok_or_else(|| {
        LdapResult::new(
            ResultCode::ADMIN_LIMIT_EXCEEDED,
            format!("at most {MAX_VALUES} passwords are hashed or verified for one request"),
        )
    })?;
    Ok(())
}

fn refused(error: &PoolError) -> LdapResult {
    let code = match error {
        PoolError::Busy => ResultCode::BUSY,
        PoolError::Closed => ResultCode::UNAVAILABLE,
        PoolError::Password(_) | PoolError::Panicked => ResultCode::OTHER,
    };
    LdapResult::new(code, error.to_string())
}
