//! The spelling that nearly all names come in, read without copying anything.

use super::MAX_RDNS;

/// A name of relative names with one assertion each, in printable ASCII, with nothing escaped,
/// quoted or encoded, and without spaces around separators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainDn<'a>(&'a str);

impl<'a> PlainDn<'a> {
    /// Reads a name; `None` for one in another spelling, for the root, and for what is no name.
    pub fn read(text: &'a str) -> Option<Self> {
        let mut rdns = 0;
        let mut rest = text.as_bytes();
        loop {
            let after_type = rest.get(type_len(rest)?..)?;
            let [b'=', value @ ..] = after_type else {
                return None;
            };
            let (value, after) = value.split_at_checked(value_len(value)?)?;
            rdns += 1;
            if value.last() == Some(&b' ') || rdns > MAX_RDNS {
                return None;
            }
            match after {
                [] => return Some(Self(text)),
                [_, after @ ..] => rest = after,
            }
        }
    }

    /// The name as it was read.
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// The number of relative names.
    pub fn count(self) -> usize {
        1 + self.0.bytes().filter(|octet| *octet == b',').count()
    }

    /// Type and value of each relative name, the entry's own first.
    pub fn avas(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let rdns = self.0.as_bytes().split(|octet| *octet == b',');
        rdns.filter_map(|rdn| {
            let equals = rdn.iter().position(|octet| *octet == b'=')?;
            let (attribute, value) = rdn.split_at_checked(equals)?;
            Some((attribute, value.get(1..)?))
        })
    }
}

/// How long the short name is that some octets begin with.
fn type_len(octets: &[u8]) -> Option<usize> {
    let is_name = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
    octets.first()?.is_ascii_alphabetic().then_some(())?;
    octets.iter().position(|octet| !is_name(*octet))
}

/// How long the value is that some octets begin with, up to a comma or the end.
fn value_len(octets: &[u8]) -> Option<usize> {
    let is_plain = |octet: u8| PLAIN.get(usize::from(octet)) == Some(&true);
    let len = octets.iter().position(|octet| !is_plain(*octet));
    let len = len.unwrap_or(octets.len());
    let ends = matches!(octets.get(len), None | Some(b','));
    let begins = !matches!(octets.first()?, b' ' | b',');
    (ends && begins).then_some(len)
}

/// What stands for itself in a value, wherever it is, but for spaces at the ends.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut octet = b' ';
    while octet <= b'~' {
        let escaped = matches!(
            octet,
            b',' | b'\\' | b'"' | b'#' | b'+' | b';' | b'<' | b'>'
        );
        #[allow(clippy::indexing_slicing)] // An octet is below 256.
        {
            plain[octet as usize] = !escaped;
        }
        octet += 1;
    }
    plain
};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dn::Dn;

    fn avas(name: PlainDn<'_>) -> Vec<(String, Vec<u8>)> {
        let own = |(attribute, value): (&[u8], &[u8])| {
            (
                String::from_utf8(attribute.to_vec()).unwrap(),
                value.to_vec(),
            )
        };
        name.avas().map(own).collect()
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_the_full_parser_reads(
            text in "(cn|OU|x-1|1\\.2|oid\\.1|| a)(=|==|)[a-zA-Z0-9 =+,;#\"<>\\\\\u{e9}-]{0,6}(,(dc=[ a-z]{0,3}|ou=\\PC{0,2}|b)){0,3}"
        ) {
            if let Some(plain) = PlainDn::read(&text) {
                let full = Dn::parse(&text).unwrap();
                let expected: Vec<_> = full
                    .rdns
                    .iter()
                    .flat_map(|rdn| &rdn.avas)
                    .map(|ava| (ava.attribute.clone(), ava.value.clone()))
                    .collect();
                prop_assert_eq!(plain.count(), full.rdns.len());
                prop_assert_eq!(avas(plain), expected);
            }
        }
    }

    #[test]
    fn the_spelling_of_most_clients_is_plain() {
        for text in [
            "dc=x",
            "uid=u000001,ou=people,dc=example,dc=com",
            "CN=Ann O'Neil (IT),OU=A B,DC=X",
        ] {
            assert!(PlainDn::read(text).is_some(), "{text}");
        }
        for text in [
            "",
            "dc=x,",
            "cn=a\\,b,dc=x",
            "cn=a, dc=x",
            "cn= a",
            "cn=a+sn=b",
            "1.2=a",
            "cn=\u{e9}",
        ] {
            assert!(PlainDn::read(text).is_none(), "{text}");
        }
    }
}
