//! Which values are passwords, and which of them are in the clear.

use super::check::Problem;
use crate::{
    auth::password::UserPassword,
    schema::{AttributeDescription, Schema},
};

/// Whether a description, with whatever options, is that of userPassword.
pub fn is_password(schema: &Schema, description: &[u8]) -> bool {
    let Some(password) = schema.attribute(b"userPassword") else {
        return false;
    };
    AttributeDescription::parse(description)
        .and_then(|description| schema.attribute(description.base.as_bytes()))
        .is_some_and(|id| schema.subtypes(password).contains(&id))
}

/// The password of a value in the clear, `None` for a hash.
///
/// # Errors
/// [`Problem::Password`] for a hash that could not be verified.
pub fn cleartext(value: &[u8]) -> Result<Option<&[u8]>, Problem> {
    match UserPassword::parse(value) {
        Ok(UserPassword::Hashed(_)) => Ok(None),
        Ok(UserPassword::Cleartext(password)) => Ok(Some(password)),
        Err(error) => Err(Problem::Password(error.to_string())),
    }
}
