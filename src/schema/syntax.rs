//! Attribute syntaxes (RFC 4517 section 3.3) and what they let in.

use std::str;

use crate::dn::Dn;

use super::time;

/// A syntax by which values of an attribute are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The names are those of RFC 4517; see `Syntax::name`.
pub enum Syntax {
    AttributeTypeDescription,
    Audio,
    Binary,
    BitString,
    Boolean,
    Certificate,
    CertificateList,
    CertificatePair,
    CountryString,
    DeliveryMethod,
    DirectoryString,
    DitContentRuleDescription,
    DitStructureRuleDescription,
    Dn,
    EnhancedGuide,
    FacsimileTelephoneNumber,
    Fax,
    GeneralizedTime,
    Guide,
    Ia5String,
    Integer,
    Jpeg,
    LdapSyntaxDescription,
    MatchingRuleDescription,
    MatchingRuleUseDescription,
    NameAndOptionalUid,
    NameFormDescription,
    NumericString,
    ObjectClassDescription,
    OctetString,
    Oid,
    OtherMailbox,
    PostalAddress,
    PresentationAddress,
    PrintableString,
    ProtocolInformation,
    SubstringAssertion,
    SubtreeSpecification,
    SupportedAlgorithm,
    TelephoneNumber,
    TeletexTerminalIdentifier,
    TelexNumber,
    UtcTime,
    Uuid,
    NisNetgroupTriple,
    BootParameter,
    AdDnWithBinary,
    AdDnWithString,
    AdCaseIgnoreString,
    AdLargeInteger,
    AdSecurityDescriptor,
    AdOrName,
}

/// Syntax, OID and description as in RFC 4517 or as the vendor has it.
const TABLE: &[(Syntax, &str, &str)] = &[
    (
        Syntax::AttributeTypeDescription,
        "1.3.6.1.4.1.1466.115.121.1.3",
        "Attribute Type Description",
    ),
    (Syntax::Audio, "1.3.6.1.4.1.1466.115.121.1.4", "Audio"),
    (Syntax::Binary, "1.3.6.1.4.1.1466.115.121.1.5", "Binary"),
    (
        Syntax::BitString,
        "1.3.6.1.4.1.1466.115.121.1.6",
        "Bit String",
    ),
    (Syntax::Boolean, "1.3.6.1.4.1.1466.115.121.1.7", "Boolean"),
    (
        Syntax::Certificate,
        "1.3.6.1.4.1.1466.115.121.1.8",
        "Certificate",
    ),
    (
        Syntax::CertificateList,
        "1.3.6.1.4.1.1466.115.121.1.9",
        "Certificate List",
    ),
    (
        Syntax::CertificatePair,
        "1.3.6.1.4.1.1466.115.121.1.10",
        "Certificate Pair",
    ),
    (
        Syntax::CountryString,
        "1.3.6.1.4.1.1466.115.121.1.11",
        "Country String",
    ),
    (Syntax::Dn, "1.3.6.1.4.1.1466.115.121.1.12", "DN"),
    (
        Syntax::DeliveryMethod,
        "1.3.6.1.4.1.1466.115.121.1.14",
        "Delivery Method",
    ),
    (
        Syntax::DirectoryString,
        "1.3.6.1.4.1.1466.115.121.1.15",
        "Directory String",
    ),
    (
        Syntax::DitContentRuleDescription,
        "1.3.6.1.4.1.1466.115.121.1.16",
        "DIT Content Rule Description",
    ),
    (
        Syntax::DitStructureRuleDescription,
        "1.3.6.1.4.1.1466.115.121.1.17",
        "DIT Structure Rule Description",
    ),
    (
        Syntax::EnhancedGuide,
        "1.3.6.1.4.1.1466.115.121.1.21",
        "Enhanced Guide",
    ),
    (
        Syntax::FacsimileTelephoneNumber,
        "1.3.6.1.4.1.1466.115.121.1.22",
        "Facsimile Telephone Number",
    ),
    (Syntax::Fax, "1.3.6.1.4.1.1466.115.121.1.23", "Fax"),
    (
        Syntax::GeneralizedTime,
        "1.3.6.1.4.1.1466.115.121.1.24",
        "Generalized Time",
    ),
    (Syntax::Guide, "1.3.6.1.4.1.1466.115.121.1.25", "Guide"),
    (
        Syntax::Ia5String,
        "1.3.6.1.4.1.1466.115.121.1.26",
        "IA5 String",
    ),
    (Syntax::Integer, "1.3.6.1.4.1.1466.115.121.1.27", "INTEGER"),
    (Syntax::Jpeg, "1.3.6.1.4.1.1466.115.121.1.28", "JPEG"),
    (
        Syntax::MatchingRuleDescription,
        "1.3.6.1.4.1.1466.115.121.1.30",
        "Matching Rule Description",
    ),
    (
        Syntax::MatchingRuleUseDescription,
        "1.3.6.1.4.1.1466.115.121.1.31",
        "Matching Rule Use Description",
    ),
    (
        Syntax::NameAndOptionalUid,
        "1.3.6.1.4.1.1466.115.121.1.34",
        "Name And Optional UID",
    ),
    (
        Syntax::NameFormDescription,
        "1.3.6.1.4.1.1466.115.121.1.35",
        "Name Form Description",
    ),
    (
        Syntax::NumericString,
        "1.3.6.1.4.1.1466.115.121.1.36",
        "Numeric String",
    ),
    (
        Syntax::ObjectClassDescription,
        "1.3.6.1.4.1.1466.115.121.1.37",
        "Object Class Description",
    ),
    (Syntax::Oid, "1.3.6.1.4.1.1466.115.121.1.38", "OID"),
    (
        Syntax::OtherMailbox,
        "1.3.6.1.4.1.1466.115.121.1.39",
        "Other Mailbox",
    ),
    (
        Syntax::OctetString,
        "1.3.6.1.4.1.1466.115.121.1.40",
        "Octet String",
    ),
    (
        Syntax::PostalAddress,
        "1.3.6.1.4.1.1466.115.121.1.41",
        "Postal Address",
    ),
    (
        Syntax::ProtocolInformation,
        "1.3.6.1.4.1.1466.115.121.1.42",
        "Protocol Information",
    ),
    (
        Syntax::PresentationAddress,
        "1.3.6.1.4.1.1466.115.121.1.43",
        "Presentation Address",
    ),
    (
        Syntax::PrintableString,
        "1.3.6.1.4.1.1466.115.121.1.44",
        "Printable String",
    ),
    (
        Syntax::SubtreeSpecification,
        "1.3.6.1.4.1.1466.115.121.1.45",
        "Subtree Specification",
    ),
    (
        Syntax::SupportedAlgorithm,
        "1.3.6.1.4.1.1466.115.121.1.49",
        "Supported Algorithm",
    ),
    (
        Syntax::TelephoneNumber,
        "1.3.6.1.4.1.1466.115.121.1.50",
        "Telephone Number",
    ),
    (
        Syntax::TeletexTerminalIdentifier,
        "1.3.6.1.4.1.1466.115.121.1.51",
        "Teletex Terminal Identifier",
    ),
    (
        Syntax::TelexNumber,
        "1.3.6.1.4.1.1466.115.121.1.52",
        "Telex Number",
    ),
    (Syntax::UtcTime, "1.3.6.1.4.1.1466.115.121.1.53", "UTC Time"),
    (
        Syntax::LdapSyntaxDescription,
        "1.3.6.1.4.1.1466.115.121.1.54",
        "LDAP Syntax Description",
    ),
    (
        Syntax::SubstringAssertion,
        "1.3.6.1.4.1.1466.115.121.1.58",
        "Substring Assertion",
    ),
    (Syntax::Uuid, "1.3.6.1.1.16.1", "UUID"),
    (
        Syntax::NisNetgroupTriple,
        "1.3.6.1.1.1.0.0",
        "NIS Netgroup Triple",
    ),
    (Syntax::BootParameter, "1.3.6.1.1.1.0.1", "Boot Parameter"),
    (
        Syntax::AdDnWithBinary,
        "1.2.840.113556.1.4.903",
        "DN With Binary",
    ),
    (
        Syntax::AdDnWithString,
        "1.2.840.113556.1.4.904",
        "DN With String",
    ),
    (
        Syntax::AdCaseIgnoreString,
        "1.2.840.113556.1.4.905",
        "Case Ignore String",
    ),
    (
        Syntax::AdLargeInteger,
        "1.2.840.113556.1.4.906",
        "Large Integer",
    ),
    (
        Syntax::AdSecurityDescriptor,
        "1.2.840.113556.1.4.907",
        "NT Security Descriptor",
    ),
    (Syntax::AdOrName, "1.2.840.113556.1.4.1221", "OR Name"),
];

impl Syntax {
    /// Every syntax known, in the order of the table above.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    /// The syntax of this dotted OID.
    pub fn by_oid(oid: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.1 == oid).map(|row| row.0)
    }

    /// The dotted OID.
    pub fn oid(self) -> &'static str {
        self.row().1
    }

    /// The description, e.g. `Directory String`.
    pub fn name(self) -> &'static str {
        self.row().2
    }

    /// Whether the values are meant for machines and may hold any octets.
    pub fn is_binary(self) -> bool {
        matches!(
            self,
            Self::Audio
                | Self::Binary
                | Self::Certificate
                | Self::CertificateList
                | Self::CertificatePair
                | Self::Fax
                | Self::Jpeg
                | Self::OctetString
                | Self::SupportedAlgorithm
                | Self::AdSecurityDescriptor
        )
    }

    /// Whether a value may be stored under this syntax.
    ///
    /// Syntaxes whose inner grammar nothing here depends on are checked for being text only.
    pub fn validate(self, value: &[u8]) -> bool {
        match self {
            Self::BitString => is_bit_string(value),
            Self::Boolean => matches!(value, b"TRUE" | b"FALSE"),
            Self::CountryString => value.len() == 2 && value.iter().all(|&b| is_printable(b)),
            Self::Dn => is_dn(value),
            Self::GeneralizedTime => time::normalize(value).is_some(),
            Self::Ia5String => value.is_ascii(),
            Self::Integer | Self::AdLargeInteger => is_integer(value),
            Self::NameAndOptionalUid => is_name_and_optional_uid(value),
            Self::NumericString => {
                !value.is_empty() && value.iter().all(|&b| b == b' ' || b.is_ascii_digit())
            }
            Self::Oid => is_oid(value),
            Self::PrintableString | Self::TelephoneNumber => {
                !value.is_empty() && value.iter().all(|&b| is_printable(b))
            }
            Self::FacsimileTelephoneNumber => value
                .split(|&b| b == b'$')
                .all(|part| !part.is_empty() && part.iter().all(|&b| is_printable(b))),
            Self::Uuid => uuid(value).is_some(),
            Self::SubtreeSpecification => str::from_utf8(value).is_ok(),
            Self::BootParameter | Self::NisNetgroupTriple => value.is_ascii() && !value.is_empty(),
            _ if self.is_binary() => true,
            _ => !value.is_empty() && str::from_utf8(value).is_ok(),
        }
    }

    fn row(self) -> &'static (Self, &'static str, &'static str) {
        TABLE.iter().find(|row| row.0 == self).unwrap_or(&(
            Self::OctetString,
            "1.3.6.1.4.1.1466.115.121.1.40",
            "Octet String",
        ))
    }
}

/// The 16 octets of a UUID written as RFC 4122 has it.
pub(super) fn uuid(value: &[u8]) -> Option<[u8; 16]> {
    if value.len() != 36 {
        return None;
    }
    let uuid = uuid::Uuid::try_parse_ascii(value).ok()?;
    Some(*uuid.as_bytes())
}

/// The bits of `'0101'B`.
pub(super) fn bits(value: &[u8]) -> Option<&[u8]> {
    let bits = value.strip_prefix(b"'")?.strip_suffix(b"'B")?;
    bits.iter()
        .all(|bit| matches!(bit, b'0' | b'1'))
        .then_some(bits)
}

/// The name and, after the last `#`, the bits of a Name And Optional UID.
pub(super) fn name_and_optional_uid(value: &[u8]) -> (&[u8], Option<&[u8]>) {
    if let Some(position) = value.iter().rposition(|&b| b == b'#')
        && let (name, Some((_, uid))) = (
            value.get(..position).unwrap_or_default(),
            value.get(position..).and_then(<[u8]>::split_first),
        )
        && let Some(bits) = bits(uid)
    {
        return (name, Some(bits));
    }
    (value, None)
}

/// Whether this is a dotted OID of at least two arcs without leading zeros.
pub(super) fn is_numeric_oid(value: &[u8]) -> bool {
    let mut arcs = 0;
    for arc in value.split(|&b| b == b'.') {
        if arc.is_empty() || !arc.iter().all(u8::is_ascii_digit) {
            return false;
        }
        if arc.len() > 1 && arc.first() == Some(&b'0') {
            return false;
        }
        arcs += 1;
    }
    arcs >= 2
}

/// Whether this is a short name (RFC 4512 section 1.4, `keystring`).
pub(super) fn is_descriptor(value: &[u8]) -> bool {
    value.first().is_some_and(u8::is_ascii_alphabetic)
        && value
            .iter()
            .all(|&b| b.is_ascii_alphanumeric() || b == b'-')
}

/// The sign and the digits of an integer; no leading zeros, no minus zero (RFC 4517 3.3.16).
pub(super) fn integer(value: &[u8]) -> Option<(bool, &[u8])> {
    let (negative, digits) = match value.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, value),
    };
    let (first, rest) = digits.split_first()?;
    let right = match first {
        b'0' => rest.is_empty() && !negative,
        _ => digits.iter().all(u8::is_ascii_digit),
    };
    right.then_some((negative, digits))
}

fn is_integer(value: &[u8]) -> bool {
    integer(value).is_some()
}

fn is_bit_string(value: &[u8]) -> bool {
    bits(value).is_some()
}

fn is_oid(value: &[u8]) -> bool {
    is_numeric_oid(value) || is_descriptor(value)
}

fn is_dn(value: &[u8]) -> bool {
    str::from_utf8(value).is_ok_and(|text| Dn::parse(text).is_ok())
}

fn is_name_and_optional_uid(value: &[u8]) -> bool {
    is_dn(name_and_optional_uid(value).0)
}

/// `PrintableCharacter` of RFC 4517 section 3.2.
fn is_printable(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"'()+,-.=/:? ".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_syntax_has_its_row() {
        for syntax in Syntax::all() {
            assert_eq!(Syntax::by_oid(syntax.oid()), Some(syntax));
        }
    }

    #[test]
    fn values_are_checked() {
        for (syntax, value, right) in [
            (Syntax::Boolean, "TRUE", true),
            (Syntax::Boolean, "true", false),
            (Syntax::Integer, "0", true),
            (Syntax::Integer, "-12345678901234567890123", true),
            (Syntax::Integer, "-0", false),
            (Syntax::Integer, "007", false),
            (Syntax::Integer, "", false),
            (Syntax::Integer, "1 ", false),
            (Syntax::BitString, "'0101'B", true),
            (Syntax::BitString, "''B", true),
            (Syntax::BitString, "'012'B", false),
            (Syntax::NumericString, "15 079 672 281", true),
            (Syntax::NumericString, "1-2", false),
            (Syntax::Oid, "2.5.4.3", true),
            (Syntax::Oid, "cn", true),
            (Syntax::Oid, "2.05.4", false),
            (Syntax::Oid, "c n", false),
            (Syntax::Dn, "cn=a,dc=b", true),
            (Syntax::Dn, "", true),
            (Syntax::Dn, "a,b", false),
            (
                Syntax::NameAndOptionalUid,
                "1.3.6.1.4.1.1466.0=#04024869,o=Test,c=GB#'0101'B",
                true,
            ),
            (Syntax::CountryString, "DE", true),
            (Syntax::CountryString, "DEU", false),
            (Syntax::DirectoryString, "é", true),
            (Syntax::DirectoryString, "", false),
            (Syntax::Ia5String, "", true),
            (Syntax::Ia5String, "é", false),
            (Syntax::TelephoneNumber, "+1 512 315 0280", true),
            (Syntax::TelephoneNumber, "a@b", false),
            (Syntax::Uuid, "597ae2f6-16a6-1027-98f4-d28b5365dc14", true),
            (Syntax::Uuid, "597ae2f616a6102798f4d28b5365dc14", false),
            (Syntax::GeneralizedTime, "199412161032Z", true),
            (Syntax::GeneralizedTime, "199413161032Z", false),
        ] {
            assert_eq!(
                syntax.validate(value.as_bytes()),
                right,
                "{syntax:?} {value}"
            );
        }
        assert!(!Syntax::DirectoryString.validate(b"\xff"));
        assert!(Syntax::OctetString.validate(b"\xff"));
    }
}
