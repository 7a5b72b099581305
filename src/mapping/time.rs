//! AD's two forms of time, turned into others, and the clock's.
//!
//! LargeInteger attributes (`pwdLastSet`, `accountExpires`, `lockoutTime`) are FILETIMEs: 100 ns
//! since 1601-01-01 UTC, as a signed decimal. `whenCreated` and `whenChanged` are
//! GeneralizedTime with a fraction that is always 0.

use std::time::SystemTime;

use time::{OffsetDateTime, macros::format_description};

/// FILETIME units in a second.
pub const FILETIME_PER_SECOND: u64 = 10_000_000;

/// Seconds from 1601-01-01 to 1970-01-01.
const UNIX_EPOCH_SECONDS: u64 = 11_644_473_600;

/// The FILETIME of a number of seconds since 1970-01-01 UTC.
pub fn filetime_from_unix(seconds: u64) -> u64 {
    seconds
        .saturating_add(UNIX_EPOCH_SECONDS)
        .saturating_mul(FILETIME_PER_SECOND)
}

/// Whole seconds since 1970-01-01 UTC; `None` for times before.
pub fn unix_from_filetime(filetime: u64) -> Option<u64> {
    (filetime / FILETIME_PER_SECOND).checked_sub(UNIX_EPOCH_SECONDS)
}

/// GeneralizedTime without its fraction, as `createTimestamp` is usually written.
///
/// `20261122193448.0Z` becomes `20261122193448Z`. `None` for what is not 14 digits, an optional
/// fraction and `Z`: AD writes nothing else.
pub fn without_fraction(generalized_time: &str) -> Option<String> {
    let rest = generalized_time.strip_suffix('Z')?;
    let (seconds, fraction) = rest.split_once('.').unwrap_or((rest, "0"));
    let digits = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit());
    let valid = seconds.len() == 14 && digits(seconds) && !fraction.is_empty() && digits(fraction);
    valid.then(|| format!("{seconds}Z"))
}

/// A moment as GeneralizedTime in whole seconds, as `modifyTimestamp` is written.
pub fn generalized_time(moment: SystemTime) -> String {
    let format = format_description!("[year][month][day][hour][minute][second]Z");
    OffsetDateTime::from(moment)
        .format(format)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn filetimes_and_unix_times() {
        for (unix, filetime) in [
            (0, 116_444_736_000_000_000),
            (1_795_376_088, 134_398_496_880_000_000),
        ] {
            assert_eq!(filetime_from_unix(unix), filetime);
            assert_eq!(unix_from_filetime(filetime), Some(unix));
        }
        assert_eq!(unix_from_filetime(0), None);
        assert_eq!(filetime_from_unix(u64::MAX), u64::MAX);
        assert!(unix_from_filetime(u64::MAX).is_some());
    }

    #[test]
    fn the_clock_as_generalized_time() {
        let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_795_376_088_999);
        assert_eq!(generalized_time(time), "20261122193448Z");
    }

    #[test]
    fn fractions_are_cut() {
        for (text, expected) in [
            ("20261122193448.0Z", Some("20261122193448Z")),
            ("20261122193448Z", Some("20261122193448Z")),
            ("20261122193448.123Z", Some("20261122193448Z")),
            ("20261122193448.Z", None),
            ("20261122193448.xZ", None),
            ("20261122193448", None),
            ("20261122193448+0100", None),
            ("2026112219344Z", None),
            ("2026112219344éZ", None),
            ("", None),
        ] {
            assert_eq!(without_fraction(text).as_deref(), expected, "{text}");
        }
    }
}
