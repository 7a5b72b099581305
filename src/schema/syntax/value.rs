//! String syntaxes made of printable or escaped parts (RFC 4517 section 3.3).

use std::str;

/// `PrintableString` of RFC 4517 section 3.2.
pub(super) fn is_printable_string(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(|&byte| is_printable(byte))
}

fn is_printable(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"'()+,-.=/:? ".contains(&byte)
}

/// Undoes the escaping of `\` and one more character by `\` and their two hex digits; `None` for
/// another use of `\`, and where that character stands unescaped.
pub(in crate::schema) fn unescape(value: &[u8], other: u8) -> Option<Vec<u8>> {
    let mut output = Vec::with_capacity(value.len());
    let mut octets = value.iter();
    while let Some(&byte) = octets.next() {
        if byte == other {
            return None;
        }
        if byte != b'\\' {
            output.push(byte);
            continue;
        }
        let digits = [*octets.next()?, *octets.next()?];
        let code = u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?;
        if code != b'\\' && code != other {
            return None;
        }
        output.push(code);
    }
    Some(output)
}

/// Section 3.3.28.
pub(super) fn is_postal_address(value: &[u8]) -> bool {
    str::from_utf8(value).is_ok()
        && value
            .split(|&byte| byte == b'$')
            .all(|line| !line.is_empty() && unescape(line, b'$').is_some())
}

/// Section 3.3.30.
pub(super) fn is_substring_assertion(value: &[u8]) -> bool {
    let parts: Vec<&[u8]> = value.split(|&byte| byte == b'*').collect();
    let [_, inner @ .., _] = parts.as_slice() else {
        return false;
    };
    str::from_utf8(value).is_ok()
        && inner.iter().all(|part| !part.is_empty())
        && parts.iter().all(|part| unescape(part, b'*').is_some())
}

/// Section 3.3.5.
pub(super) fn is_delivery_method(value: &[u8]) -> bool {
    const METHODS: &[&[u8]] = &[
        b"any",
        b"mhs",
        b"physical",
        b"telex",
        b"teletex",
        b"g3fax",
        b"g4fax",
        b"ia5",
        b"videotex",
        b"telephone",
    ];
    let outer = value.first() != Some(&b' ') && value.last() != Some(&b' ');
    outer
        && value.split(|&byte| byte == b'$').all(|method| {
            let method = trim_spaces(method);
            METHODS
                .iter()
                .any(|known| known.eq_ignore_ascii_case(method))
        })
}

fn trim_spaces(value: &[u8]) -> &[u8] {
    let mut value = value;
    while let Some(rest) = value.strip_prefix(b" ") {
        value = rest;
    }
    while let Some(rest) = value.strip_suffix(b" ") {
        value = rest;
    }
    value
}

/// Section 3.3.11.
pub(super) fn is_fax_number(value: &[u8]) -> bool {
    const PARAMETERS: &[&[u8]] = &[
        b"twoDimensional",
        b"fineResolution",
        b"unlimitedLength",
        b"b4Length",
        b"a3Width",
        b"b4Width",
        b"uncompressed",
    ];
    let mut parts = value.split(|&byte| byte == b'$');
    parts.next().is_some_and(is_printable_string)
        && parts.all(|part| {
            PARAMETERS
                .iter()
                .any(|known| known.eq_ignore_ascii_case(part))
        })
}

/// Section 3.3.27.
pub(super) fn is_other_mailbox(value: &[u8]) -> bool {
    let mut parts = value.splitn(2, |&byte| byte == b'$');
    parts.next().is_some_and(is_printable_string) && parts.next().is_some_and(<[u8]>::is_ascii)
}

/// Section 3.3.33.
pub(super) fn is_telex_number(value: &[u8]) -> bool {
    let parts: Vec<&[u8]> = value.split(|&byte| byte == b'$').collect();
    parts.len() == 3 && parts.into_iter().all(is_printable_string)
}

/// Section 3.3.32.
pub(super) fn is_teletex_terminal(value: &[u8]) -> bool {
    const KEYS: &[&[u8]] = &[b"graphic", b"control", b"misc", b"page", b"private"];
    let mut parts = value.split(|&byte| byte == b'$');
    parts.next().is_some_and(is_printable_string)
        && parts.all(|part| {
            let mut halves = part.splitn(2, |&byte| byte == b':');
            let key = halves.next().unwrap_or_default();
            KEYS.iter().any(|known| known.eq_ignore_ascii_case(key))
                && halves
                    .next()
                    .is_some_and(|value| unescape(value, b'$').is_some())
        })
}
