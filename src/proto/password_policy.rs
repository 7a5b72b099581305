//! The password policy control on responses (draft-behera-ldap-password-policy-10 section 6.2).

use super::{control::oid, response::ResponseControl};
use crate::ber::{self, write_integer, write_nested};

/// What is wrong with a password or its account; the numbers are those of the draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum PasswordPolicyError {
    PasswordExpired = 0,
    AccountLocked = 1,
    ChangeAfterReset = 2,
    PasswordModNotAllowed = 3,
    MustSupplyOldPassword = 4,
    PasswordTooShort = 6,
}

/// The control that tells an error, or that there is none.
pub fn response(error: Option<PasswordPolicyError>) -> ResponseControl {
    let mut value = Vec::new();
    write_nested(&mut value, ber::SEQUENCE, |out| {
        if let Some(error) = error {
            write_integer(out, ber::context(1), error as i64);
        }
    });
    ResponseControl {
        oid: oid::PASSWORD_POLICY,
        value: Some(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_encoded_as_the_draft_says() {
        let value = |error| response(error).value;
        assert_eq!(value(None), Some(vec![0x30, 0]));
        let locked = Some(PasswordPolicyError::AccountLocked);
        assert_eq!(value(locked), Some(vec![0x30, 3, 0x81, 1, 1]));
    }
}
