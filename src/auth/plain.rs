//! The message of the SASL mechanism PLAIN (RFC 4616).

use std::fmt;

use super::{names, prepare};

/// The identities and the password a client sends.
#[derive(PartialEq, Eq)]
pub struct Plain<'a> {
    /// Who it wants to act as; empty for the one that it proves.
    pub authorization: &'a str,
    /// Whose password it is.
    pub authentication: &'a str,
    /// The password.
    pub password: &'a str,
}

impl<'a> Plain<'a> {
    /// Reads `[authzid] NUL authcid NUL passwd`; `None` where the message has another form.
    pub fn parse(message: &'a [u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(message).ok()?.split('\0');
        let message = Self {
            authorization: parts.next()?,
            authentication: parts.next()?,
            password: parts.next()?,
        };
        let whole = parts.next().is_none()
            && !message.authentication.is_empty()
            && !message.password.is_empty();
        whole.then_some(message)
    }

    /// Whose password it is as a bind name; `None` where
    /// it or the password must not be, so that it proves nothing (RFC 4616 section 2).
    pub(super) fn name(&self) -> Option<Vec<u8>> {
        prepare::prepared(self.password)?;
        let prepared = prepare::prepared(self.authentication)?;
        let name = names::without_form(prepared.as_bytes());
        (!name.is_empty()).then(|| name.to_vec())
    }
}

impl fmt::Debug for Plain<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Plain({:?}, ..)", self.authentication)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_are_taken_apart() {
        let parsed = |message: &'static str| {
            let plain = Plain::parse(message.as_bytes())?;
            Some((plain.authorization, plain.authentication, plain.password))
        };
        assert_eq!(parsed("\0alice\0secret"), Some(("", "alice", "secret")));
        assert_eq!(parsed("u:b\0alice\0x"), Some(("u:b", "alice", "x")));
        for malformed in [
            "",
            "\0",
            "\0alice\0",
            "\0\0x",
            "alice\0x",
            "\0alice\0x\0",
            "a\0b\0c\0d",
        ] {
            assert_eq!(parsed(malformed), None, "{malformed:?}");
        }
        assert_eq!(Plain::parse(b"\0alice\0\xff"), None);
    }

    #[test]
    fn names_are_prepared() {
        let name = |message: &'static str| Plain::parse(message.as_bytes())?.name();
        assert_eq!(name("\0al\u{ad}ice\0x").as_deref(), Some(&b"alice"[..]));
        assert_eq!(name("\0u:alice\0x").as_deref(), Some(&b"alice"[..]));
        assert_eq!(name("\0dn:uid=a\0x").as_deref(), Some(&b"uid=a"[..]));
        assert_eq!(name("\0u:\0x"), None);
        assert_eq!(name("\0alice\0\u{ad}"), None);
        assert_eq!(name("\0alice\0a\u{7}"), None);
    }

    proptest! {
        #[test]
        fn never_panics(message: Vec<u8>) {
            if let Some(plain) = Plain::parse(&message) {
                let _ = plain.name();
            }
        }
    }
}
