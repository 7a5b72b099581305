//! The spelling that nearly all names come in, read without copying anything.

use super::MAX_RDNS;

/// A name of relative names with one assertion each, in printable ASCII, with nothing escaped,
/// quoted or encoded, and without spaces around separators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainDn<'a>(&'a str);

impl<'a> PlainDn<'a> {
    /// Reads a name; `None` for one in another spelling, for the root, and for what is no name.
    pub fn read(text: &'a str) -> Option<Self> {
        let plain = |octet: u8| {
            matches!(octet, b' '..=b'~')
                && !matches!(octet, b'\\' | b'"' | b'#' | b'+' | b';' | b'<' | b'>')
        };
        let mut rdns = 0;
        let all = text.bytes().all(plain)
            && text.split(',').all(|rdn| {
                rdns += 1;
                is_plain_rdn(rdn)
            });
        (all && rdns <= MAX_RDNS).then_some(Self(text))
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
    pub fn avas(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.split(',').filter_map(|rdn| rdn.split_once('='))
    }
}

fn is_plain_rdn(rdn: &str) -> bool {
    let Some((attribute, value)) = rdn.split_once('=') else {
        return false;
    };
    let is_name = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
    attribute.starts_with(|first: char| first.is_ascii_alphabetic())
        && attribute.bytes().all(is_name)
        && !value.is_empty()
        && !value.starts_with(' ')
        && !value.ends_with(' ')
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dn::Dn;

    fn avas(name: PlainDn<'_>) -> Vec<(String, Vec<u8>)> {
        let own = |(attribute, value): (&str, &str)| (attribute.to_owned(), value.into());
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
