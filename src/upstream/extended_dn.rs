//! DNs with the identity of what they name, as AD gives them with the extended DN control.

use uuid::Uuid;

/// `<GUID=...>;<SID=...>;DN`, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtendedDn {
    /// The objectGUID.
    pub guid: Option<Uuid>,
    /// The objectSid as octets; containers and contacts have none.
    pub sid: Option<Vec<u8>>,
    /// The plain DN.
    pub dn: String,
}

/// The target of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkValue {
    /// Its objectGUID.
    pub guid: Uuid,
    /// Its objectSid as octets; containers and contacts have none.
    pub sid: Option<Vec<u8>>,
    /// Its DN at the time of the answer.
    pub dn: String,
}

impl ExtendedDn {
    /// Takes the parts off the front; a plain DN is one without parts.
    pub fn parse(text: &str) -> Self {
        let mut parsed = Self {
            guid: None,
            sid: None,
            dn: String::new(),
        };
        let mut rest = text;
        // No DN begins with "<", since an attribute type does not.
        while let Some((part, after)) = rest.strip_prefix('<').and_then(|rest| rest.split_once('>'))
        {
            match part.split_once('=') {
                Some((key, value)) if key.eq_ignore_ascii_case("GUID") => {
                    parsed.guid = guid(value);
                }
                Some((key, value)) if key.eq_ignore_ascii_case("SID") => parsed.sid = sid(value),
                _ => {}
            }
            rest = after.strip_prefix(';').unwrap_or(after);
        }
        rest.clone_into(&mut parsed.dn);
        parsed
    }
}

impl LinkValue {
    /// Reads an attribute value; `None` where it does not tell the target's identity.
    pub fn from_value(value: &[u8]) -> Option<Self> {
        let ExtendedDn { guid, sid, dn } = ExtendedDn::parse(std::str::from_utf8(value).ok()?);
        Some(Self {
            guid: guid?,
            sid,
            dn,
        })
    }
}

/// An objectGUID in AD's octet order.
pub(super) fn guid_from_octets(octets: &[u8]) -> Option<Uuid> {
    Some(Uuid::from_bytes_le(octets.try_into().ok()?))
}

/// Dashed text (flag 1), or the octets in AD's order as hexadecimal digits (flag 0).
fn guid(text: &str) -> Option<Uuid> {
    if text.contains('-') {
        Uuid::try_parse(text).ok()
    } else {
        guid_from_octets(&hexadecimal(text)?)
    }
}

/// `S-1-5-...` (flag 1), or the octets as hexadecimal digits (flag 0).
fn sid(text: &str) -> Option<Vec<u8>> {
    let Some(numbers) = text.strip_prefix("S-1-") else {
        return hexadecimal(text);
    };
    let mut numbers = numbers.split('-');
    let authority: u64 = numbers.next()?.parse().ok()?;
    let sub_authorities = numbers
        .map(str::parse)
        .collect::<Result<Vec<u32>, _>>()
        .ok()?;
    if sub_authorities.len() > 15 || authority >> 48 != 0 {
        return None;
    }
    let mut octets = vec![1, u8::try_from(sub_authorities.len()).ok()?];
    octets.extend(authority.to_be_bytes().iter().skip(2));
    for sub_authority in sub_authorities {
        octets.extend(sub_authority.to_le_bytes());
    }
    Some(octets)
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits = text
        .chars()
        .map(|digit| {
            digit
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        })
        .collect::<Option<Vec<u8>>>()?;
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    Some(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GUID: &str = "37f4308d-1ab0-4f1f-9b24-bd978681ffdc";
    const SID: &str = "S-1-5-21-2966102495-3163130805-921133302-1103";
    const SID_HEX: &str = "010500000000000515000000df21cbb0b58b89bcf660e7364f040000";

    #[test]
    fn both_forms_say_the_same() {
        let dn = "CN=A\\;B <x>,DC=corp";
        let text = ExtendedDn::parse(&format!("<GUID={GUID}>;<SID={SID}>;{dn}"));
        let hex = ExtendedDn::parse(&format!(
            "<GUID=8d30f437b01a1f4f9b24bd978681ffdc>;<SID={SID_HEX}>;{dn}"
        ));
        assert_eq!(text, hex);
        assert_eq!(text.guid.unwrap().to_string(), GUID);
        assert_eq!(text.sid.unwrap().len(), 28);
        assert_eq!(text.dn, dn);
    }

    #[test]
    fn parts_may_be_missing() {
        let plain = ExtendedDn::parse("OU=Staff,DC=corp");
        assert_eq!((plain.guid, plain.sid), (None, None));
        assert_eq!(plain.dn, "OU=Staff,DC=corp");
        let link = LinkValue::from_value(format!("<GUID={GUID}>;OU=Staff").as_bytes()).unwrap();
        assert_eq!((link.sid, link.dn.as_str()), (None, "OU=Staff"));
        assert_eq!(LinkValue::from_value(b"OU=Staff"), None);
        assert_eq!(LinkValue::from_value(b"<GUID=37f4>;OU=Staff"), None);
        assert_eq!(LinkValue::from_value(b"<GUID"), None);
        assert_eq!(LinkValue::from_value(&[0xff]), None);
    }

    #[test]
    fn a_sid_has_its_limits() {
        assert_eq!(sid("S-1-5").unwrap(), [1, 0, 0, 0, 0, 0, 0, 5]);
        assert_eq!(sid("S-1-5-4294967296"), None);
        assert_eq!(sid("S-1-281474976710656-1"), None);
        assert_eq!(sid(&format!("S-1-5{}", "-1".repeat(16))), None);
        assert_eq!(sid("abc"), None);
    }
}
