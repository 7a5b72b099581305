//! Checked types of settings, for the configuration of every module.
//!
//! Each function here is meant for `#[serde(deserialize_with = "...")]`. They raise their errors
//! while the value is visited, so that the position in the file is that of the value itself.

use std::{
    fmt,
    marker::PhantomData,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Unexpected, Visitor};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// A secret from a file: wiped when dropped, hidden in `Debug`.
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}

impl Secret {
    /// Takes over the octets of a secret.
    pub fn new(octets: Vec<u8>) -> Self {
        Self(Zeroizing::new(octets))
    }

    /// Takes over what a file holds, without the one line end that editors leave behind it.
    ///
    /// `None` where nothing remains.
    pub fn from_file(octets: Vec<u8>) -> Option<Self> {
        let mut octets = Zeroizing::new(octets);
        if octets.last() == Some(&b'\n') {
            octets.pop();
            if octets.last() == Some(&b'\r') {
                octets.pop();
            }
        }
        (!octets.is_empty()).then_some(Self(octets))
    }

    /// The octets themselves; never for a log.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether there is no secret at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(hidden)")
    }
}

/// A duration with its unit: "250ms", "30s", "15m", "12h", "5d".
///
/// # Errors
/// Anything else, a number without a unit included.
pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    text(
        deserializer,
        "a duration with its unit, such as \"30s\" (ms, s, m, h, d)",
        parse_duration,
    )
}

/// A number of octets with its unit: "512B", "64KiB", "1MiB", "2GiB".
///
/// # Errors
/// Anything else, a number without a unit included.
pub fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    text(
        deserializer,
        "a size with its unit, such as \"64KiB\" (B, KiB, MiB, GiB)",
        parse_size,
    )
}

/// An address to listen on that need not be there.
///
/// # Errors
/// What is not an IP address with a port.
pub fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    text(deserializer, ADDRESS, |text| text.parse().ok()).map(Some)
}

/// Addresses to listen on.
///
/// # Errors
/// What is not a list of IP addresses with ports.
pub fn addresses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SocketAddr>, D::Error> {
    list(deserializer, ADDRESS, |text| text.parse().ok())
}

/// Distinguished names in the string form of RFC 4514.
///
/// # Errors
/// What is not a list of such names; the empty name is refused, too.
pub fn dns<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    list(
        deserializer,
        "a distinguished name such as \"OU=Staff,DC=corp,DC=example,DC=com\"",
        |text| is_dn(text).then(|| text.to_owned()),
    )
}

/// A search filter in the string form of RFC 4515 that need not be there.
///
/// # Errors
/// What cannot be one. Attribute names and values are looked at when the filter is bound.
pub fn filter<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    text(
        deserializer,
        "a search filter in parentheses, such as \"(sAMAccountName=svc-*)\"",
        |text| is_filter(text).then(|| text.to_owned()),
    )
    .map(Some)
}

/// The DNS name of a domain.
///
/// # Errors
/// What is not a DNS name.
pub fn domain<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text(
        deserializer,
        "the DNS name of a domain, such as \"corp.example.com\"",
        |text| is_host_name(text).then(|| text.to_owned()),
    )
}

/// Directory servers: `ldaps://HOST[:PORT][@ADDRESS]`.
///
/// # Errors
/// Anything else. Plain LDAP is not offered: passwords go this way.
pub fn servers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    list(
        deserializer,
        "\"ldaps://HOST[:PORT]\", an IP address may follow after @",
        |text| is_server(text).then(|| text.to_owned()),
    )
}

const ADDRESS: &str = "an IP address with a port, such as \"127.0.0.1:3389\" or \"[::1]:3389\"";

fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text)?;
    let seconds = |factor: u64| number.checked_mul(factor).map(Duration::from_secs);
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => seconds(1),
        "m" => seconds(60),
        "h" => seconds(60 * 60),
        "d" => seconds(24 * 60 * 60),
        _ => None,
    }
    // Longer times overflow the clock's arithmetic, and nobody means them.
    .filter(|duration| *duration <= Duration::from_secs(100 * 365 * 24 * 60 * 60))
}

fn parse_size(text: &str) -> Option<usize> {
    let (number, unit) = split_unit(text)?;
    let factor: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    usize::try_from(number.checked_mul(factor)?).ok()
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, unit.trim_start()))
}

/// Whether a text is a DN, by its structure alone: what an attribute type may be and how a value
/// is escaped (RFC 4514 section 3).
fn is_dn(text: &str) -> bool {
    split_unescaped(text, b',')
        .iter()
        .flat_map(|rdn| split_unescaped(rdn, b'+'))
        .all(is_attribute_value_assertion)
}

fn is_attribute_value_assertion(text: &str) -> bool {
    let Some((kind, value)) = text.split_once('=') else {
        return false;
    };
    let kind = kind.trim();
    let named = kind.starts_with(|first: char| first.is_ascii_alphanumeric())
        && kind
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.'));
    named && !value.trim().is_empty() && is_escaped_value(value)
}

fn is_escaped_value(value: &str) -> bool {
    let mut octets = value.bytes();
    while let Some(octet) = octets.next() {
        match octet {
            b'\\' => match octets.next() {
                Some(first) if first.is_ascii_hexdigit() => {
                    if !octets
                        .next()
                        .is_some_and(|second| second.is_ascii_hexdigit())
                    {
                        return false;
                    }
                }
                Some(b' ' | b'"' | b'#' | b'+' | b',' | b';' | b'<' | b'=' | b'>' | b'\\') => {}
                _ => return false,
            },
            b'"' | b';' | b'<' | b'>' | 0 => return false,
            _ => {}
        }
    }
    true
}

fn split_unescaped(text: &str, separator: u8) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut escaped = false;
    for (position, octet) in text.bytes().enumerate() {
        if escaped {
            escaped = false;
        } else if octet == b'\\' {
            escaped = true;
        } else if octet == separator {
            parts.extend(text.get(start..position));
            start = position + 1;
        }
    }
    parts.extend(text.get(start..));
    parts
}

fn is_filter(text: &str) -> bool {
    let mut depth = 0_usize;
    let mut items = 0_usize;
    for (position, octet) in text.bytes().enumerate() {
        match octet {
            b'(' => {
                depth += 1;
                items += 1;
            }
            b')' if depth == 0 => return false,
            b')' => depth -= 1,
            // Between the outermost parentheses there is always one open.
            _ if depth == 0 => return false,
            _ => {}
        }
        if depth == 0 && position + 1 != text.len() {
            return false;
        }
    }
    depth == 0 && items > 0 && text.contains('=')
}

fn is_host_name(text: &str) -> bool {
    text.len() <= 253
        && text.trim_end_matches('.').split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'))
        })
}

fn is_server(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("ldaps://") else {
        return false;
    };
    let (authority, address) = match rest.split_once('@') {
        Some((authority, address)) => (authority, Some(address)),
        None => (rest, None),
    };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host_is_valid = match bare {
        Some(literal) => literal.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()),
        None => is_host_name(host),
    };
    host_is_valid
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port != 0))
        && address.is_none_or(|address| address.parse::<IpAddr>().is_ok())
}

fn text<'de, D, T>(
    deserializer: D,
    expected: &'static str,
    parse: fn(&str) -> Option<T>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    Text { expected, parse }.deserialize(deserializer)
}

fn list<'de, D, T>(
    deserializer: D,
    expected: &'static str,
    parse: fn(&str) -> Option<T>,
) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
{
    deserializer.deserialize_seq(List {
        element: Text { expected, parse },
        marker: PhantomData,
    })
}

struct Text<T> {
    expected: &'static str,
    parse: fn(&str) -> Option<T>,
}

impl<T> Clone for Text<T> {
    fn clone(&self) -> Self {
        Self {
            expected: self.expected,
            parse: self.parse,
        }
    }
}

impl<'de, T> DeserializeSeed<'de> for Text<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<T> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

struct List<T> {
    element: Text<T>,
    marker: PhantomData<T>,
}

impl<'de, T> Visitor<'de> for List<T> {
    type Value = Vec<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a list, each element {}", self.element.expected)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<T>, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = elements.next_element_seed(self.element.clone())? {
            values.push(value);
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(parse_duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(parse_duration("30s"), Some(Duration::from_secs(30)));
        assert_eq!(parse_duration("15m"), Some(Duration::from_secs(900)));
        assert_eq!(parse_duration("5d"), Some(Duration::from_secs(432_000)));
        assert_eq!(parse_duration("0s"), Some(Duration::ZERO));
        for wrong in ["", "30", "s", "-1s", "1.5s", "30 seconds", "999999999999d"] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sizes_need_a_unit() {
        assert_eq!(parse_size("512B"), Some(512));
        assert_eq!(parse_size("64KiB"), Some(65_536));
        assert_eq!(parse_size("1MiB"), Some(1_048_576));
        for wrong in ["", "64", "64KB", "64k", "MiB", "99999999999999999999GiB"] {
            assert_eq!(parse_size(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn names_are_checked_by_structure() {
        for right in [
            "dc=com",
            "CN=Smith\\, John,OU=Staff,DC=corp",
            "2.5.4.3=x",
            "cn=a+sn=b,dc=c",
            "cn=\\C3\\A9,dc=c",
            "cn=a=b,dc=c",
        ] {
            assert!(is_dn(right), "{right}");
        }
        for wrong in [
            "",
            "com",
            "cn=",
            "=x",
            "cn=a,,dc=b",
            "cn=a\\",
            "cn=a\\zz",
            "cn=a;dc=b",
        ] {
            assert!(!is_dn(wrong), "{wrong}");
        }
    }

    #[test]
    fn filters_are_closed() {
        for right in ["(cn=a)", "(&(cn=a)(!(sn=b)))", "(cn=\\28)"] {
            assert!(is_filter(right), "{right}");
        }
        for wrong in ["", "cn=a", "(cn=a", "(cn=a))", "(cn=a)(cn=b)", "()"] {
            assert!(!is_filter(wrong), "{wrong}");
        }
    }

    #[test]
    fn servers_are_ldaps() {
        for right in [
            "ldaps://dc1.corp.example.com",
            "ldaps://dc1.corp.example.com:636",
            "ldaps://dc1.corp.example.com:636@127.0.0.10",
            "ldaps://[::1]:636@::1",
            "ldaps://[::1]",
        ] {
            assert!(is_server(right), "{right}");
        }
        for wrong in [
            "dc1",
            "ldap://dc1",
            "ldaps://",
            "ldaps://dc1:0",
            "ldaps://dc1:99999",
            "ldaps://dc1@host",
            "ldaps://dc 1",
        ] {
            assert!(!is_server(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_secret_loses_one_line_end_and_hides() {
        let secret = Secret::from_file(b"p w\n\r\n".to_vec()).unwrap();
        assert_eq!(secret.expose(), b"p w\n");
        assert_eq!(format!("{secret:?}"), "Secret(hidden)");
        assert!(Secret::from_file(b"\n".to_vec()).is_none());
    }
}
