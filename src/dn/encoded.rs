//! Values in a name that are given as BER (RFC 4514 section 2.4), in their string form.

use std::fmt::Write as _;

use crate::ber::{BOOLEAN, ENUMERATED, INTEGER, Reader};

const BIT_STRING: u8 = 0x03;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UNIVERSAL_STRING: u8 = 0x1c;
const BMP_STRING: u8 = 0x1e;
/// OCTET, UTF8, Numeric, Printable, Teletex, IA5, Visible and General String, UTC and Generalized
/// Time: the contents are the value.
const OCTETS: &[u8] = &[0x04, 0x0c, 0x12, 0x13, 0x14, 0x16, 0x17, 0x18, 0x1a, 0x1b];

/// The longest integer that is written out in decimal.
const MAX_INTEGER: usize = 64;

/// The string form (RFC 4517) of exactly one encoded value; of types that have none, or one of
/// unusual size, the encoding itself. `None` where it is no encoding.
pub(super) fn value(encoding: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader::new(encoding);
    let element = reader.element().ok()?;
    if !reader.is_empty() {
        return None;
    }
    let contents = element.contents;
    if OCTETS.contains(&element.tag) {
        return Some(contents.to_vec());
    }
    let text = match element.tag {
        BOOLEAN => match contents {
            [0] => "FALSE".to_owned(),
            [_] => "TRUE".to_owned(),
            _ => return None,
        },
        INTEGER | ENUMERATED if contents.is_empty() => return None,
        INTEGER | ENUMERATED if contents.len() <= MAX_INTEGER => decimal(contents),
        BIT_STRING => bits(contents)?,
        OBJECT_IDENTIFIER => dotted(contents)?,
        UNIVERSAL_STRING => {
            let (characters, rest) = contents.as_chunks::<4>();
            let text = characters
                .iter()
                .map(|octets| char::from_u32(u32::from_be_bytes(*octets)))
                .collect::<Option<String>>()?;
            rest.is_empty().then_some(text)?
        }
        BMP_STRING => {
            let (units, rest) = contents.as_chunks::<2>();
            let units: Vec<u16> = units.iter().map(|o| u16::from_be_bytes(*o)).collect();
            rest.is_empty().then_some(())?;
            String::from_utf16(&units).ok()?
        }
        _ => return Some(encoding.to_vec()),
    };
    Some(text.into_bytes())
}

/// A number in two's complement.
fn decimal(contents: &[u8]) -> String {
    let negative = contents.first().is_some_and(|octet| octet & 0x80 != 0);
    // The digits of the magnitude, lowest first.
    let mut digits = vec![0u32];
    for (index, octet) in contents.iter().enumerate() {
        let octet = if negative { !octet } else { *octet };
        // What complement and magnitude differ by.
        let one = u32::from(negative && index + 1 == contents.len());
        let mut carry = u32::from(octet) + one;
        for digit in &mut digits {
            let sum = *digit * 256 + carry;
            *digit = sum % 10;
            carry = sum / 10;
        }
        while carry > 0 {
            digits.push(carry % 10);
            carry /= 10;
        }
    }
    let mut text = if negative {
        "-".to_owned()
    } else {
        String::new()
    };
    text.extend(
        digits
            .iter()
            .rev()
            .filter_map(|digit| char::from_digit(*digit, 10)),
    );
    text
}

/// `'0101'B`; the first octet counts the bits at the end that are none.
fn bits(contents: &[u8]) -> Option<String> {
    let (unused, octets) = contents.split_first()?;
    if *unused > 7 || (octets.is_empty() && *unused > 0) {
        return None;
    }
    let mut text = String::from("'");
    for octet in octets {
        let _infallible = write!(text, "{octet:08b}");
    }
    text.truncate(text.len() - usize::from(*unused));
    text.push_str("'B");
    Some(text)
}

/// The arcs, seven bits an octet, the first two in one.
fn dotted(contents: &[u8]) -> Option<String> {
    let mut text = String::new();
    let mut arc = 0u64;
    for octet in contents {
        arc = arc.checked_mul(128)? | u64::from(octet & 0x7f);
        if octet & 0x80 != 0 {
            continue;
        }
        if text.is_empty() {
            let first = (arc / 40).min(2);
            let _infallible = write!(text, "{first}.{}", arc - first * 40);
        } else {
            let _infallible = write!(text, ".{arc}");
        }
        arc = 0;
    }
    let complete = contents.last().is_some_and(|octet| octet & 0x80 == 0);
    complete.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digit = |c: u8| u8::try_from(char::from(c).to_digit(16).unwrap()).unwrap();
        let pairs = text.as_bytes().chunks(2);
        pairs
            .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
            .collect()
    }

    #[test]
    fn types_with_a_string_form_take_it() {
        for (encoding, expected) in [
            ("04024869", "Hi"),
            ("0c02c3a9", "\u{e9}"),
            ("138103616263", "abc"),
            ("0101ff", "TRUE"),
            ("010100", "FALSE"),
            ("020100", "0"),
            ("020203e8", "1000"),
            ("0201ff", "-1"),
            ("02020080", "128"),
            ("0202ff00", "-256"),
            ("020180", "-128"),
            ("0209010000000000000000", "18446744073709551616"),
            ("0a0105", "5"),
            ("03020550", "'010'B"),
            ("030100", "''B"),
            ("0603550403", "2.5.4.3"),
            ("06072a864886f71401", "1.2.840.113556.1"),
            ("1e0400e90061", "\u{e9}a"),
            ("1e04d83ddc00", "\u{1f400}"),
            ("1c040001f400", "\u{1f400}"),
            ("180f31393934313231363130333230305a", "19941216103200Z"),
        ] {
            let value = value(&hex(encoding)).unwrap();
            assert_eq!(String::from_utf8(value).unwrap(), expected, "{encoding}");
        }
    }

    #[test]
    fn other_types_are_their_encoding() {
        for encoding in ["3000", "30030c0161", "0500", "8000"] {
            assert_eq!(value(&hex(encoding)), Some(hex(encoding)));
        }
    }

    #[test]
    fn what_is_no_encoding_is_refused() {
        for encoding in [
            "",
            "04",
            "0402",
            "040261",
            "04026161ff",
            "0100",
            "0200",
            "0602",
            "060180",
            "030109",
            "1e0100",
            "1e02d800",
        ] {
            assert_eq!(value(&hex(encoding)), None, "{encoding}");
        }
    }
}
