//! Functions that append elements with minimal lengths to a buffer.

use super::{BOOLEAN, Tag};

/// Appends tag and length of an element whose contents follow.
pub fn write_header(out: &mut Vec<u8>, tag: Tag, length: usize) {
    out.push(tag);
    let octets = length.to_be_bytes();
    match length {
        0..=0x7f => out.extend_from_slice(&octets[7..]),
        0x80..=0xff => {
            out.push(0x81);
            out.extend_from_slice(&octets[7..]);
        }
        0x100..=0xffff => {
            out.push(0x82);
            out.extend_from_slice(&octets[6..]);
        }
        0x1_0000..=0xff_ffff => {
            out.push(0x83);
            out.extend_from_slice(&octets[5..]);
        }
        _ => {
            out.push(0x84);
            out.extend_from_slice(&octets[4..]);
        }
    }
}

/// Appends a primitive element.
pub fn write_octets(out: &mut Vec<u8>, tag: Tag, contents: &[u8]) {
    write_header(out, tag, contents.len());
    out.extend_from_slice(contents);
}

/// Appends an INTEGER or ENUMERATED in its shortest form.
pub fn write_integer(out: &mut Vec<u8>, tag: Tag, value: i64) {
    let octets = value.to_be_bytes();
    write_octets(
        out,
        tag,
        octets.get(8 - integer_len(value)..).unwrap_or(&octets),
    );
}

/// Appends a BOOLEAN; true is 0xff (RFC 4511 section 5.1 restriction 4).
pub fn write_boolean(out: &mut Vec<u8>, value: bool) {
    write_octets(out, BOOLEAN, &[if value { 0xff } else { 0 }]);
}

/// Appends a constructed element whose contents the closure appends.
///
/// The length is set afterwards; contents of 128 octets and more move by one to four octets.
pub fn write_nested(out: &mut Vec<u8>, tag: Tag, contents: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    out.push(0);
    let start = out.len();
    contents(out);
    let length = out.len().saturating_sub(start);
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => {
            if let Some(octet) = out.get_mut(start - 1) {
                *octet = short;
            }
        }
        _ => {
            let octets = length.to_be_bytes();
            let count = 8 - length.leading_zeros() as usize / 8;
            if let Some(octet) = out.get_mut(start - 1) {
                // At most eight: the octets of a usize.
                *octet = 0x80 | u8::try_from(count).unwrap_or(8);
            }
            let octets = octets.get(8 - count..).unwrap_or_default();
            out.extend_from_slice(octets);
            out.copy_within(start..start + length, start + count);
            if let Some(room) = out.get_mut(start..start + count) {
                room.copy_from_slice(octets);
            }
        }
    }
}

/// Octets a whole element takes with `length` octets of contents.
pub const fn tlv_len(length: usize) -> usize {
    let header = match length {
        0..=0x7f => 2,
        0x80..=0xff => 3,
        0x100..=0xffff => 4,
        0x1_0000..=0xff_ffff => 5,
        _ => 6,
    };
    header + length
}

/// Octets the contents of an INTEGER take, 1 to 8.
pub const fn integer_len(value: i64) -> usize {
    let significant = 64 - (if value < 0 { !value } else { value }).leading_zeros() as usize;
    significant / 8 + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ber::{INTEGER, OCTET_STRING, SEQUENCE};

    #[test]
    fn lengths_are_minimal() {
        for length in [0usize, 1, 127, 128, 255, 256, 65_535, 65_536, 1 << 24] {
            let contents = vec![7; length];
            let mut flat = Vec::new();
            write_octets(&mut flat, OCTET_STRING, &contents);
            assert_eq!(flat.len(), tlv_len(length), "{length}");
            let mut nested = Vec::new();
            write_nested(&mut nested, OCTET_STRING, |out| {
                out.extend_from_slice(&contents)
            });
            assert!(nested == flat, "{length}");
        }
    }

    #[test]
    fn integers_are_shortest() {
        for (value, expected) in [
            (0i64, &[0u8][..]),
            (127, &[0x7f]),
            (128, &[0, 0x80]),
            (-1, &[0xff]),
            (-128, &[0x80]),
            (-129, &[0xff, 0x7f]),
            (i64::from(i32::MIN), &[0x80, 0, 0, 0]),
        ] {
            let mut out = Vec::new();
            write_integer(&mut out, INTEGER, value);
            assert_eq!(&out[2..], expected, "{value}");
        }
    }

    #[test]
    fn nesting_keeps_what_was_there() {
        let mut out = vec![1, 2, 3];
        write_nested(&mut out, SEQUENCE, |out| {
            write_nested(out, SEQUENCE, |out| out.extend_from_slice(&[9; 200]));
        });
        assert_eq!(&out[..9], &[1, 2, 3, 0x30, 0x81, 203, 0x30, 0x81, 200]);
    }
}
