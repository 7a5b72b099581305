//! Passwords and names as people type them (SASLprep, RFC 4013).

use std::borrow::Cow;

use stringprep::tables;
use zeroize::Zeroizing;

use super::hash_pool::Password;

/// Prepares a presented string; `None` where SASLprep prohibits it or nothing is left.
///
/// A string with code points that Unicode 3.2 did not know stays as it is: as a query it may have
/// them (RFC 4013 section 2.5), and people's passwords do.
pub(super) fn prepared(text: &str) -> Option<Cow<'_, str>> {
    match stringprep::saslprep(text) {
        Ok(prepared) => Some(prepared),
        Err(_) if text.chars().any(tables::unassigned_code_point) => Some(Cow::Borrowed(text)),
        Err(_) => None,
    }
    .filter(|prepared| !prepared.is_empty())
}

/// The octets that a given password may have been stored as: itself, and prepared.
///
/// A client may prepare a password before it sends it, or not (RFC 4513 section 5.1.3), and so may
/// whoever set it: both must get in.
pub(super) fn candidates(password: &[u8]) -> Vec<Password> {
    let given = Zeroizing::new(password.to_vec());
    let stored = stored_form(password);
    if stored == given {
        vec![given]
    } else {
        vec![given, stored]
    }
}

/// The octets a new password is stored as: prepared where it is text (RFC 4519 section 2.41).
pub(super) fn stored_form(password: &[u8]) -> Password {
    let prepared = std::str::from_utf8(password).ok().and_then(prepared);
    let octets = match &prepared {
        Some(text) => text.as_bytes(),
        None => password,
    };
    let stored = Zeroizing::new(octets.to_vec());
    if let Some(Cow::Owned(text)) = prepared {
        drop(Zeroizing::new(text));
    }
    stored
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_prepared() {
        assert_eq!(prepared("a b").as_deref(), Some("a b"));
        assert_eq!(prepared("a\u{a0}\u{ad}b").as_deref(), Some("a b"));
        assert_eq!(prepared("\u{2168}").as_deref(), Some("IX"));
        assert_eq!(prepared("\u{1f600}").as_deref(), Some("\u{1f600}"));
        for refused in ["", "\u{ad}", "a\u{7}b", "\u{627}1"] {
            assert_eq!(prepared(refused), None, "{refused:?}");
        }
    }

    #[test]
    fn octets_that_are_no_text_stay() {
        assert_eq!(*stored_form(&[0xff, 0]), [0xff, 0]);
        assert_eq!(candidates(b"secret").len(), 1);
        assert_eq!(candidates("a\u{a0}b".as_bytes()).len(), 2);
    }
}
