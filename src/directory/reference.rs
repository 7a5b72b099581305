//! Where other servers hold what is asked for: URIs of referral objects, and of AD (RFC 3296
//! section 5, RFC 4516).

use super::{EntryId, snapshot::Snapshot};
use crate::{dn::Rdn, proto::request::SearchScope};

/// A name at or below a referral object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The referral object.
    pub object: EntryId,
    /// The relative names below it, the lowest first.
    pub below: Vec<Rdn>,
}

impl Snapshot {
    /// The URIs at which a name is looked for instead: those of the referral object, their DNs
    /// replaced by that of the name there, with this scope, without attributes and filter.
    pub fn uris(&self, reference: &Reference, scope: Option<SearchScope>) -> Vec<String> {
        let Some(entry) = self.entry(reference.object) else {
            return Vec::new();
        };
        let own = self.dn(reference.object);
        let mut uris = Vec::new();
        for value in entry.attributes.values(self.known.reference) {
            let value = String::from_utf8_lossy(value);
            let uri = adapt(&value, &reference.below, &own, scope);
            if !uris.contains(&uri) {
                uris.push(uri);
            }
        }
        uris
    }

    /// The URI at which AD holds the original of an entry; `None` for local entries.
    pub fn original_uri(&self, id: EntryId, scope: Option<SearchScope>) -> Option<String> {
        let domain = &self.source_of(id)?.domain;
        let base = format!("ldap://{domain}");
        Some(adapt(&base, &[], &self.dn(id), scope))
    }
}

/// A URI that leads to what is `below` a referral object; one that is no LDAP URL is left as it is.
fn adapt(uri: &str, below: &[Rdn], own: &str, scope: Option<SearchScope>) -> String {
    // A label may follow the URI, as in labeledURI.
    let uri = uri.split(' ').next().unwrap_or_default();
    let Some((scheme, rest)) = uri.split_once("://") else {
        return uri.to_owned();
    };
    let is_ldap = ["ldap", "ldaps", "ldapi"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(scheme));
    if !is_ldap {
        return uri.to_owned();
    }
    let (host, rest) = rest.split_once('/').unwrap_or((rest, ""));
    // dn ? attributes ? scope ? filter ? extensions
    let mut parts = rest.splitn(5, '?');
    let there = parts.next().unwrap_or_default();
    let extensions = parts.nth(3).unwrap_or_default();
    let mut out = format!("{scheme}://{host}/");
    for rdn in below {
        encode(&rdn.to_string(), &mut out);
        out.push(',');
    }
    if there.is_empty() {
        encode(own, &mut out);
    } else {
        out.push_str(there);
    }
    let scope = scope.map_or("", name);
    match (scope, extensions) {
        ("", "") => {}
        (scope, "") => out.extend(["??", scope]),
        (scope, extensions) => out.extend(["??", scope, "??", extensions]),
    }
    out
}

fn name(scope: SearchScope) -> &'static str {
    match scope {
        SearchScope::BaseObject => "base",
        SearchScope::SingleLevel => "one",
        SearchScope::WholeSubtree => "sub",
        SearchScope::Subordinates => "subordinates",
    }
}

/// Appends a DN as part of a URL: octets that a path must not have become `%` and two digits.
fn encode(dn: &str, out: &mut String) {
    for octet in dn.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&octet) {
            out.push(char::from(octet));
        } else {
            out.push_str(&format!("%{octet:02X}"));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::dn::Dn;

    fn adapted(uri: &str, below: &str, scope: Option<SearchScope>) -> String {
        let below = Dn::parse(below).unwrap().rdns;
        adapt(uri, &below, "ou=here,dc=x", scope)
    }

    #[test]
    fn the_rest_of_the_name_goes_before_the_dn_of_the_url() {
        let cases = [
            ("ldap://h/ou=there,dc=y", "", "ldap://h/ou=there,dc=y"),
            (
                "ldap://h/ou=there,dc=y",
                "cn=a,cn=b",
                "ldap://h/cn=a,cn=b,ou=there,dc=y",
            ),
            ("ldap://h:3890", "cn=a", "ldap://h:3890/cn=a,ou=here,dc=x"),
            ("LDAPS://[::1]:636/", "", "LDAPS://[::1]:636/ou=here,dc=x"),
            (
                "ldap:///dc=y",
                "cn=\u{e9} f?\\, g",
                "ldap:///cn=%C3%A9%20f%3F%5C,%20g,dc=y",
            ),
            ("ldap://h/dc=y a label", "", "ldap://h/dc=y"),
            ("ldapi://%2frun%2fx/dc=y", "", "ldapi://%2frun%2fx/dc=y"),
        ];
        for (uri, below, expected) in cases {
            assert_eq!(adapted(uri, below, None), expected);
        }
    }

    #[test]
    fn scope_is_set_filter_and_attributes_go_extensions_stay() {
        let sub = Some(SearchScope::WholeSubtree);
        let uri = "ldap://h/dc=y?cn,sn?one?(cn=a)?!x-y=1?2";
        assert_eq!(adapted(uri, "", sub), "ldap://h/dc=y??sub??!x-y=1?2");
        assert_eq!(adapted(uri, "", None), "ldap://h/dc=y????!x-y=1?2");
        assert_eq!(
            adapted("ldap://h/dc=y?cn?one?(cn=a)", "", None),
            "ldap://h/dc=y"
        );
        let base = Some(SearchScope::BaseObject);
        assert_eq!(adapted("ldap://h", "", base), "ldap://h/ou=here,dc=x??base");
    }

    #[test]
    fn what_is_no_ldap_url_is_left_as_it_is() {
        for uri in ["https://h/dc=y?x", "urn:x", "", "ldap:dc=y"] {
            assert_eq!(adapted(uri, "cn=a", None), uri);
        }
    }
}
