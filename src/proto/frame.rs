//! Cuts one LDAPMessage out of a stream of octets.

use thiserror::Error;

use crate::ber::{self, BerErrorKind};

/// The length of the first message in `buffer`, header included; `None` while more octets are needed.
///
/// A message longer than `limit` octets is refused from its header alone, before it is buffered.
///
/// # Errors
/// [`FrameError`]: the stream is lost, since nobody knows where the next message starts.
pub fn next(buffer: &[u8], limit: usize) -> Result<Option<usize>, FrameError> {
    let [tag, rest @ ..] = buffer else {
        return Ok(None);
    };
    if *tag != ber::SEQUENCE {
        return Err(FrameError::NotAMessage { found: *tag });
    }
    match ber::length_of(rest) {
        Ok(None) if rest.len() > 16 => Err(FrameError::Length(BerErrorKind::LengthTooLarge)),
        Ok(None) => Ok(None),
        Ok(Some((length, octets))) => {
            let total = length.saturating_add(1 + octets);
            if total > limit {
                Err(FrameError::TooLarge {
                    announced: total,
                    limit,
                })
            } else if total > buffer.len() {
                Ok(None)
            } else {
                Ok(Some(total))
            }
        }
        Err(kind) => Err(FrameError::Length(kind)),
    }
}

/// Why a stream of octets is not one of LDAP messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The first octet does not start a SEQUENCE.
    #[error("not an LDAP message: it starts with {found:#04x} instead of 0x30")]
    NotAMessage {
        /// The octet found.
        found: u8,
    },
    /// The length octets are not those of LDAP.
    #[error("message with {0}")]
    Length(BerErrorKind),
    /// The announced length is above the limit.
    #[error("message of {announced} octets is larger than the {limit} allowed")]
    TooLarge {
        /// The length with header.
        announced: usize,
        /// What is allowed.
        limit: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_every_octet() {
        let message = [0x30, 0x05, 2, 1, 1, 0x42, 0];
        for cut in 0..message.len() {
            assert_eq!(next(&message[..cut], 100), Ok(None), "{cut}");
        }
        assert_eq!(next(&message, 100), Ok(Some(7)));
        let two = [message, message].concat();
        assert_eq!(next(&two, 100), Ok(Some(7)));
    }

    #[test]
    fn refuses_from_the_header_alone() {
        assert!(matches!(
            next(&[0x30, 0x84, 0x7f, 0xff, 0xff, 0xff], 1 << 20),
            Err(FrameError::TooLarge {
                limit: 1_048_576,
                ..
            })
        ));
        assert!(matches!(
            next(b"GET / HTTP/1.1", 100),
            Err(FrameError::NotAMessage { found: b'G' })
        ));
        assert!(matches!(
            next(&[0x30, 0x80], 100),
            Err(FrameError::Length(_))
        ));
    }

    #[test]
    fn endless_length_octets_do_not_wait_for_ever() {
        let mut header = vec![0x30, 0xfe];
        header.resize(64, 0);
        assert!(next(&header, 1 << 20).is_err());
    }
}
