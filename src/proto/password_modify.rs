//! What Password Modify carries (RFC 3062 section 2).

use super::request::Reason;
use crate::ber::{self, Reader, write_nested, write_octets};

/// PasswdModifyRequestValue; its `Debug` hides the passwords.
#[derive(Default, PartialEq, Eq)]
pub struct PasswordModify<'a> {
    /// Whose password; the one who asks where it is not there.
    pub user: Option<&'a [u8]>,
    /// The password that is to be replaced.
    pub old: Option<&'a [u8]>,
    /// The new one; the server makes one where it is not there.
    pub new: Option<&'a [u8]>,
}

impl std::fmt::Debug for PasswordModify<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let user = self.user.unwrap_or_default().escape_ascii();
        write!(formatter, "PasswordModify({user}, ..)")
    }
}

impl<'a> PasswordModify<'a> {
    /// Decodes the value of a request; one that is not there asks for a new password for oneself.
    ///
    /// # Errors
    /// [`Reason`], also for octets after the value.
    pub fn decode(value: Option<&'a [u8]>) -> Result<Self, Reason> {
        let Some(value) = value else {
            return Ok(Self::default());
        };
        let mut outer = Reader::new(value);
        let mut fields = outer.expect(ber::SEQUENCE)?.reader();
        let mut field = |number| -> Result<Option<&'a [u8]>, Reason> {
            let element = fields.optional(ber::context(number))?;
            Ok(element.map(|element| element.contents))
        };
        let decoded = Self {
            user: field(0)?,
            old: field(1)?,
            new: field(2)?,
        };
        if fields.is_empty() && outer.is_empty() {
            Ok(decoded)
        } else {
            Err(Reason::Control("octets follow the value"))
        }
    }
}

/// PasswdModifyResponseValue with the password the server made.
pub fn response(generated: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(generated.len() + 4);
    write_nested(&mut out, ber::SEQUENCE, |out| {
        write_octets(out, ber::context(0), generated);
    });
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_taken_apart() {
        let decode = |octets: &'static [u8]| PasswordModify::decode(Some(octets));
        assert_eq!(PasswordModify::decode(None), Ok(PasswordModify::default()));
        assert_eq!(decode(&[0x30, 0]), Ok(PasswordModify::default()));
        assert_eq!(
            decode(b"\x30\x09\x80\x01a\x81\x01b\x82\x01c"),
            Ok(PasswordModify {
                user: Some(b"a"),
                old: Some(b"b"),
                new: Some(b"c"),
            })
        );
        for malformed in [
            &b""[..],
            b"\x30\x00\x00",
            b"\x30\x03\x82\x01",
            b"\x30\x06\x82\x01c\x81\x01b",
            b"\x30\x03\x83\x01d",
            b"\x04\x00",
        ] {
            assert!(decode(malformed).is_err(), "{malformed:x?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(value: Vec<u8>) {
            let _ = PasswordModify::decode(Some(&value));
        }
    }
}
