//! Security identifiers (MS-DTYP 2.4.2).

use std::{fmt, str::FromStr};

use thiserror::Error;

/// The most sub-authorities a SID may have (MS-DTYP 2.4.2.2).
const MAX_SUB_AUTHORITIES: usize = 15;

/// The identifier authority takes 48 bits.
const MAX_AUTHORITY: u64 = (1 << 48) - 1;

/// A security identifier, as in AD's `objectSid`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sid {
    authority: u64,
    sub_authorities: Vec<u32>,
}

/// Why octets or text are no SID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SidError {
    /// The octets do not have the length that their count of sub-authorities asks for.
    #[error("{0} octets are not the length of a SID")]
    Length(usize),
    /// A revision other than 1.
    #[error("SID revision {0} is not known")]
    Revision(u8),
    /// More than 15 sub-authorities.
    #[error("{0} sub-authorities are more than a SID may have")]
    SubAuthorities(usize),
    /// Text that is not `S-1-` followed by numbers in range.
    #[error("not of the form S-1-5-21-...")]
    Text,
}

impl Sid {
    /// Reads the binary form: revision, count, authority (big endian), sub-authorities (little endian).
    ///
    /// # Errors
    /// Anything that is not exactly one SID of revision 1.
    pub fn from_bytes(octets: &[u8]) -> Result<Self, SidError> {
        let length = SidError::Length(octets.len());
        let [revision, count, rest @ ..] = octets else {
            return Err(length);
        };
        if *revision != 1 {
            return Err(SidError::Revision(*revision));
        }
        let count = usize::from(*count);
        if count > MAX_SUB_AUTHORITIES {
            return Err(SidError::SubAuthorities(count));
        }
        let (authority, rest) = rest.split_first_chunk::<6>().ok_or(length)?;
        let (sub_authorities, []) = rest.as_chunks::<4>() else {
            return Err(length);
        };
        if sub_authorities.len() != count {
            return Err(length);
        }
        Ok(Self {
            authority: authority
                .iter()
                .fold(0, |sum, octet| sum << 8 | u64::from(*octet)),
            sub_authorities: sub_authorities
                .iter()
                .map(|octets| u32::from_le_bytes(*octets))
                .collect(),
        })
    }

    /// The binary form, as AD stores and searches it.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Both constructors keep the count at 15 or less.
        #[allow(clippy::cast_possible_truncation)]
        let count = self.sub_authorities.len() as u8;
        let mut octets = vec![1, count];
        octets.extend(self.authority.to_be_bytes().iter().skip(2));
        for sub_authority in &self.sub_authorities {
            octets.extend(sub_authority.to_le_bytes());
        }
        octets
    }

    /// The identifier authority; 5 is that of Windows accounts.
    pub fn authority(&self) -> u64 {
        self.authority
    }

    /// The sub-authorities, the relative identifier last.
    pub fn sub_authorities(&self) -> &[u32] {
        &self.sub_authorities
    }

    /// The relative identifier: the last sub-authority.
    pub fn rid(&self) -> Option<u32> {
        self.sub_authorities.last().copied()
    }

    /// The SID without its relative identifier: that of the domain, for an account.
    pub fn domain_sid(&self) -> Option<Self> {
        let (_, domain) = self.sub_authorities.split_last()?;
        Some(Self {
            authority: self.authority,
            sub_authorities: domain.to_vec(),
        })
    }

    /// The SID of the account that has `rid` in the same domain as this account.
    pub fn sibling(&self, rid: u32) -> Option<Self> {
        let mut sibling = self.clone();
        *sibling.sub_authorities.last_mut()? = rid;
        Some(sibling)
    }

    /// Whether this names a built-in account (`S-1-5-32-...`), which every domain has alike.
    pub fn is_builtin(&self) -> bool {
        self.authority == 5 && matches!(self.sub_authorities.as_slice(), [32, _, ..])
    }

    /// Whether this is a domain's own SID: `S-1-5-21-` and three numbers.
    pub fn is_domain(&self) -> bool {
        self.authority == 5 && matches!(self.sub_authorities.as_slice(), [21, _, _, _])
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.authority <= u64::from(u32::MAX) {
            write!(f, "S-1-{}", self.authority)?;
        } else {
            write!(f, "S-1-0x{:012x}", self.authority)?;
        }
        for sub_authority in &self.sub_authorities {
            write!(f, "-{sub_authority}")?;
        }
        Ok(())
    }
}

impl FromStr for Sid {
    type Err = SidError;

    fn from_str(text: &str) -> Result<Self, SidError> {
        let mut parts = text.split('-');
        let letter = parts.next().ok_or(SidError::Text)?;
        if !letter.eq_ignore_ascii_case("S") || parts.next() != Some("1") {
            return Err(SidError::Text);
        }
        let authority = parts.next().ok_or(SidError::Text)?;
        let authority = match authority
            .strip_prefix("0x")
            .or_else(|| authority.strip_prefix("0X"))
        {
            Some(hex) if hex.bytes().all(|octet| octet.is_ascii_hexdigit()) => {
                u64::from_str_radix(hex, 16).map_err(|_| SidError::Text)?
            }
            Some(_) => return Err(SidError::Text),
            None => decimal(authority)?,
        };
        if authority > MAX_AUTHORITY {
            return Err(SidError::Text);
        }
        let sub_authorities = parts
            .map(|part| u32::try_from(decimal(part)?).map_err(|_| SidError::Text))
            .collect::<Result<Vec<_>, _>>()?;
        if sub_authorities.len() > MAX_SUB_AUTHORITIES {
            return Err(SidError::SubAuthorities(sub_authorities.len()));
        }
        Ok(Self {
            authority,
            sub_authorities,
        })
    }
}

/// Digits alone; the standard parser would take a sign, too.
fn decimal(text: &str) -> Result<u64, SidError> {
    if text.bytes().all(|octet| octet.is_ascii_digit()) {
        text.parse().map_err(|_| SidError::Text)
    } else {
        Err(SidError::Text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use proptest::prelude::*;

    use super::*;

    /// Seen on a domain controller.
    const ACCOUNT: (&[u8], &str) = (
        &[
            1, 5, 0, 0, 0, 0, 0, 5, 0x15, 0, 0, 0, 0xdf, 0x21, 0xcb, 0xb0, 0xb5, 0x8b, 0x89, 0xbc,
            0xf6, 0x60, 0xe7, 0x36, 0x4f, 4, 0, 0,
        ],
        "S-1-5-21-2966102495-3163130805-921133302-1103",
    );

    #[test]
    fn reads_and_prints_both_forms() {
        let large = (
            &[1u8, 1, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 9, 0, 0, 0][..],
            "S-1-0x123456789abc-9",
        );
        let nobody = (&[1u8, 0, 0, 0, 0, 0, 0, 0][..], "S-1-0");
        for (octets, text) in [ACCOUNT, large, nobody] {
            let sid = Sid::from_bytes(octets).unwrap();
            assert_eq!(sid.to_string(), text);
            assert_eq!(text.parse::<Sid>().unwrap(), sid);
            assert_eq!(sid.to_bytes(), octets);
        }
    }

    #[test]
    fn takes_the_account_apart() {
        let sid: Sid = ACCOUNT.1.parse().unwrap();
        assert_eq!(sid.rid(), Some(1103));
        let domain = sid.domain_sid().unwrap();
        assert_eq!(
            domain.to_string(),
            "S-1-5-21-2966102495-3163130805-921133302"
        );
        assert!(domain.is_domain() && !sid.is_domain());
        assert_eq!(
            sid.sibling(513).unwrap().to_string(),
            "S-1-5-21-2966102495-3163130805-921133302-513"
        );
        assert!("S-1-5-32-544".parse::<Sid>().unwrap().is_builtin());
        assert!(!"S-1-5-32".parse::<Sid>().unwrap().is_builtin());
        assert!(!sid.is_builtin());
        let nobody: Sid = "S-1-0".parse().unwrap();
        assert_eq!(
            (nobody.rid(), nobody.domain_sid(), nobody.sibling(1)),
            (None, None, None)
        );
    }

    #[test]
    fn refuses_what_is_no_sid() {
        let octets: [(&[u8], SidError); 6] = [
            (&[], SidError::Length(0)),
            (&[1], SidError::Length(1)),
            (&[2, 0, 0, 0, 0, 0, 0, 5], SidError::Revision(2)),
            (&[1, 16, 0, 0, 0, 0, 0, 5], SidError::SubAuthorities(16)),
            (&[1, 1, 0, 0, 0, 0, 0, 5], SidError::Length(8)),
            (&[1, 0, 0, 0, 0, 0, 0, 5, 0], SidError::Length(9)),
        ];
        for (octets, error) in octets {
            assert_eq!(Sid::from_bytes(octets), Err(error), "{octets:?}");
        }
        for text in [
            "",
            "S",
            "S-1",
            "S-1-",
            "S-2-5-1",
            "S-1-5-",
            "S-1-5-+1",
            "S-1-5-4294967296",
            "S-1-5--1",
            "S-1-0x1000000000000-1",
            "S-1-0x+1-1",
            "S-1-281474976710656",
            "S-1-5-x",
            " S-1-5-1",
            "S-1-5-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1",
        ] {
            assert!(text.parse::<Sid>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_safe(octets in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(sid) = Sid::from_bytes(&octets) {
                prop_assert_eq!(sid.to_bytes(), octets);
            }
        }

        #[test]
        fn both_forms_are_inverse(authority in 0..=MAX_AUTHORITY, sub_authorities in proptest::collection::vec(any::<u32>(), 0..=15)) {
            let sid = Sid { authority, sub_authorities };
            prop_assert_eq!(&sid.to_string().parse::<Sid>().unwrap(), &sid);
            prop_assert_eq!(Sid::from_bytes(&sid.to_bytes()).unwrap(), sid);
        }

        #[test]
        fn any_text_is_safe(text in ".*") {
            let _ = text.parse::<Sid>();
        }
    }
}
