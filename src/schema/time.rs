//! Generalized time (RFC 4517 section 3.3.13) as text that sorts.

use ::time::{Date, Duration, Month, PrimitiveDateTime, Time};

/// `YYYYMMDDHHMMSS` in UTC, then `.` and the fraction of a second where there is one.
///
/// Without a zone designator a shorter text is a prefix of the later one, so that octet order is
/// order in time. `None` where the value is not a generalized time.
pub(super) fn normalize(value: &[u8]) -> Option<String> {
    let mut rest = value;
    let year = digits(&mut rest, 4)?;
    let month = digits(&mut rest, 2)?;
    let day = digits(&mut rest, 2)?;
    let hour = digits(&mut rest, 2)?;
    let minute = digits(&mut rest, 2);
    let second = minute.and_then(|_| digits(&mut rest, 2));
    let mut fraction = fraction(&mut rest)?;
    let offset = zone(rest)?;

    // The fraction belongs to the last unit given; move it down to seconds.
    let minute = match minute {
        Some(minute) => minute,
        None => times_sixty(&mut fraction),
    };
    let second = match second {
        Some(second) => second,
        None => times_sixty(&mut fraction),
    };
    // 60 is a leap second, which the calendar arithmetic does not know; offsets are whole minutes.
    if second > 60 {
        return None;
    }
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    let date = Date::from_calendar_date(i32::from(year), month, u8::try_from(day).ok()?).ok()?;
    let time = Time::from_hms(u8::try_from(hour).ok()?, u8::try_from(minute).ok()?, 0).ok()?;
    let utc = PrimitiveDateTime::new(date, time).checked_sub(Duration::minutes(offset))?;
    if !(0..=9999).contains(&utc.year()) {
        return None;
    }
    let mut text = format!(
        "{:04}{:02}{:02}{:02}{:02}{second:02}",
        utc.year(),
        u8::from(utc.month()),
        utc.day(),
        utc.hour(),
        utc.minute(),
    );
    while fraction.last() == Some(&0) {
        fraction.pop();
    }
    if !fraction.is_empty() {
        text.push('.');
        text.extend(fraction.iter().map(|&digit| char::from(b'0' + digit)));
    }
    Some(text)
}

/// Whether this is a UTC Time (RFC 4517 section 3.3.34) of a day there is in some century.
pub(super) fn is_utc_time(value: &[u8]) -> bool {
    let Some(length) = [12, 10]
        .into_iter()
        .find(|&length| digits_at(value, length))
    else {
        return false;
    };
    let Some((numbers, zone_text)) = value.split_at_checked(length) else {
        return false;
    };
    let zone_is_right = match zone_text {
        [] | b"Z" => true,
        _ => zone_text.len() == 5 && zone(zone_text).is_some(),
    };
    // Divisible by 4, which is all that two digits tell of leap years, is what 2000 is as well.
    let full = [b"20", numbers, b"Z"].concat();
    let leap_second = length == 12 && numbers.ends_with(b"60");
    zone_is_right && !leap_second && normalize(&full).is_some()
}

fn digits_at(value: &[u8], length: usize) -> bool {
    value
        .get(..length)
        .is_some_and(|digits| digits.iter().all(u8::is_ascii_digit))
}

/// The next `count` digits as a number; leaves `rest` alone where they are not there.
fn digits(rest: &mut &[u8], count: usize) -> Option<u16> {
    let (digits, after) = rest.split_at_checked(count)?;
    let mut number = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        number = number * 10 + u16::from(digit - b'0');
    }
    *rest = after;
    Some(number)
}

/// The digits after `.` or `,`, as numbers.
fn fraction(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let Some((b'.' | b',', after)) = rest.split_first() else {
        return Some(Vec::new());
    };
    let length = after
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (digits, after) = after.split_at_checked(length)?;
    *rest = after;
    (length > 0).then(|| digits.iter().map(|digit| digit - b'0').collect())
}

/// Minutes east of UTC.
fn zone(rest: &[u8]) -> Option<i64> {
    let (designator, mut rest) = rest.split_first()?;
    let sign = match designator {
        b'Z' => return rest.is_empty().then_some(0),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let hours = digits(&mut rest, 2)?;
    let minutes = if rest.is_empty() {
        0
    } else {
        digits(&mut rest, 2)?
    };
    (hours < 24 && minutes < 60 && rest.is_empty())
        .then(|| sign * (i64::from(hours) * 60 + i64::from(minutes)))
}

/// Multiplies a decimal fraction by 60: answers the whole part, keeps the rest.
fn times_sixty(fraction: &mut [u8]) -> u16 {
    let mut carry = 0u16;
    for digit in fraction.iter_mut().rev() {
        let product = u16::from(*digit) * 60 + carry;
        // A remainder of ten fits.
        *digit = u8::try_from(product % 10).unwrap_or_default();
        carry = product / 10;
    }
    carry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_instant_has_one_text() {
        for (value, text) in [
            ("199412161032Z", "19941216103200"),
            ("199412160532-0500", "19941216103200"),
            ("1994121605-05", "19941216100000"),
            ("20240101000000.0Z", "20240101000000"),
            ("20240101000000,250Z", "20240101000000.25"),
            ("2024010112.5Z", "20240101123000"),
            ("202401011200.5Z", "20240101120030"),
            ("2024010112.00025Z", "20240101120000.9"),
            ("20231231233000-0100", "20240101003000"),
            ("20240229000000+1400", "20240228100000"),
            ("20161231235960Z", "20161231235960"),
            ("16010101000000Z", "16010101000000"),
        ] {
            assert_eq!(
                normalize(value.as_bytes()).as_deref(),
                Some(text),
                "{value}"
            );
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for value in [
            "",
            "Z",
            "2024",
            "20240101",
            "20240101Z",
            "2024010112",
            "20241301000000Z",
            "20230229000000Z",
            "20240101240000Z",
            "20240101006000Z",
            "20240101000061Z",
            "20240101000000.Z",
            "20240101000000Zx",
            "20240101000000+",
            "20240101000000+2400",
            "20240101000000+01000",
            "2024010100000Z",
            "00000101000000+0100",
        ] {
            assert_eq!(normalize(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn octet_order_is_order_in_time() {
        let mut earlier = String::new();
        for value in [
            "20240101000000Z",
            "20240101000000.1Z",
            "20240101000000.15Z",
            "20240101000000.2Z",
            "20240101000001Z",
            "20240101000002+0000",
        ] {
            let text = normalize(value.as_bytes()).unwrap();
            assert!(earlier < text, "{value}");
            earlier = text;
        }
    }
}
