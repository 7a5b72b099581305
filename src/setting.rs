//! Checked types of settings, for the configuration of every module.
//!
//! Each function here is meant for `#[serde(deserialize_with = "...")]`. They raise their errors
//! while the value is visited, so that the position in the file is that of the value itself.

use std::{fmt, marker::PhantomData, net::SocketAddr, time::Duration};

use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Unexpected, Visitor};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::{dn::Dn, filter::Filter};

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
        |text| {
            Dn::parse(text)
                .is_ok_and(|dn| !dn.is_root())
                .then(|| text.to_owned())
        },
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
        |text| Filter::parse(text).is_ok().then(|| text.to_owned()),
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

/// A list of texts that `parse` understands; `expected` says what it takes.
///
/// # Errors
/// The first text that it does not take.
pub fn list<'de, D, T>(
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
    fn a_secret_loses_one_line_end_and_hides() {
        let secret = Secret::from_file(b"p w\n\r\n".to_vec()).unwrap();
        assert_eq!(secret.expose(), b"p w\n");
        assert_eq!(format!("{secret:?}"), "Secret(hidden)");
        assert!(Secret::from_file(b"\n".to_vec()).is_none());
    }
}
