//! Attribute syntaxes (RFC 4517 section 3.3) and what they let in.

use std::str;

use crate::dn::Dn;

use super::time;

mod definition;
mod guide;
mod subtree;
mod value;

pub(super) use value::unescape;

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
    DataQuality,
    DeliveryMethod,
    DirectoryString,
    DitContentRuleDescription,
    DitStructureRuleDescription,
    Dn,
    DsaQuality,
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

/// Syntax, OID and description as in RFC 4517, in RFC 2252 before it, or as the vendor has it.
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
        Syntax::DataQuality,
        "1.3.6.1.4.1.1466.115.121.1.13",
        "Data Quality",
    ),
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
        Syntax::DsaQuality,
        "1.3.6.1.4.1.1466.115.121.1.19",
        "DSA Quality",
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
    /// Certificates, images and other values for machines are not looked into, except that a JPEG
    /// begins like one; syntaxes of vendors are checked for being text.
    pub fn validate(self, value: &[u8]) -> bool {
        match self {
            Self::AttributeTypeDescription => definition::is_attribute_type(value),
            Self::BitString => is_bit_string(value),
            Self::Boolean => matches!(value, b"TRUE" | b"FALSE"),
            Self::CountryString => value.len() == 2 && value::is_printable_string(value),
            Self::DeliveryMethod => value::is_delivery_method(value),
            Self::DitContentRuleDescription => definition::is_content_rule(value),
            Self::DitStructureRuleDescription => definition::is_structure_rule(value),
            Self::Dn => is_dn(value),
            Self::EnhancedGuide => guide::is_enhanced_guide(value),
            Self::FacsimileTelephoneNumber => value::is_fax_number(value),
            Self::GeneralizedTime => time::normalize(value).is_some(),
            Self::Guide => guide::is_guide(value),
            Self::Ia5String => value.is_ascii(),
            Self::Integer | Self::AdLargeInteger => is_integer(value),
            Self::Jpeg => value.starts_with(b"\xff\xd8\xff"),
            Self::LdapSyntaxDescription => definition::is_syntax(value),
            Self::MatchingRuleDescription => definition::is_matching_rule(value),
            Self::MatchingRuleUseDescription => definition::is_matching_rule_use(value),
            Self::NameAndOptionalUid => is_name_and_optional_uid(value),
            Self::NameFormDescription => definition::is_name_form(value),
            Self::NumericString => {
                !value.is_empty() && value.iter().all(|&b| b == b' ' || b.is_ascii_digit())
            }
            Self::ObjectClassDescription => definition::is_object_class(value),
            Self::Oid => is_oid(value),
            Self::OtherMailbox => value::is_other_mailbox(value),
            Self::PostalAddress => value::is_postal_address(value),
            Self::PrintableString | Self::TelephoneNumber => value::is_printable_string(value),
            Self::SubstringAssertion => value::is_substring_assertion(value),
            Self::SubtreeSpecification => subtree::is_subtree_specification(value),
            Self::TeletexTerminalIdentifier => value::is_teletex_terminal(value),
            Self::TelexNumber => value::is_telex_number(value),
            Self::UtcTime => time::is_utc_time(value),
            Self::Uuid => uuid(value).is_some(),
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
        assert!(Syntax::OctetString.validate(b"\xff"));
    }

    #[test]
    fn text_is_utf_8_to_the_letter_of_rfc_3629() {
        for wrong in [
            &b"a\xff"[..],
            b"\xc0\x80",                 // NUL in two octets
            b"\xe0\x80\xaf",             // `/` in three
            b"\xed\xa0\x80",             // a surrogate
            b"\xed\xa0\x80\xed\xb0\x80", // a pair of them
            b"\xf4\x90\x80\x80",         // U+110000
            b"\xf8\x88\x80\x80\x80",     // five octets
            b"\xfc\x84\x80\x80\x80\x80",
            b"\xc3", // cut off
            b"\x80",
        ] {
            for syntax in [
                Syntax::DirectoryString,
                Syntax::PostalAddress,
                Syntax::SubstringAssertion,
                Syntax::Dn,
                Syntax::Ia5String,
            ] {
                assert!(!syntax.validate(wrong), "{syntax:?} {wrong:x?}");
            }
        }
        for right in [
            &b"a\0b"[..],
            b"\0",
            "\u{10ffff}".as_bytes(),
            b"\xef\xbf\xbd",
        ] {
            assert!(Syntax::DirectoryString.validate(right), "{right:x?}");
        }
        assert!(Syntax::Ia5String.validate(b"a\0\x7f"));
        assert!(!Syntax::PrintableString.validate(b"a\0"));
    }

    #[test]
    fn every_syntax_refuses_what_its_grammar_does() {
        for (syntax, right, wrong) in [
            (
                Syntax::DeliveryMethod,
                &["any", "mhs $ telephone", "G3Fax$ia5  $  physical"][..],
                &["", "post", "any $", "any any", "$ any", " any"][..],
            ),
            (
                Syntax::FacsimileTelephoneNumber,
                &["+49 30 1", "+1$b4Length$uncompressed", "1$FineResolution"],
                &["", "$b4Length", "+1$", "+1$c4Length", "a@b"],
            ),
            (
                Syntax::OtherMailbox,
                &["MCIMail$a@b", "x$"],
                &["", "x", "$a", "é$a", "x$é"],
            ),
            (
                Syntax::PostalAddress,
                &[
                    "1234 Main St.$Anytown, CA 12345$USA",
                    "\\241,000$a\\5Cb\\5c",
                    "é",
                    " ",
                ],
                &["", "$", "a$", "$a", "a$$b", "a\\b", "a\\25", "a\\"],
            ),
            (
                Syntax::TelexNumber,
                &["1$de$x y"],
                &["", "1", "1$2", "1$2$", "1$2$3$4", "1$d\u{e9}$3"],
            ),
            (
                Syntax::TeletexTerminalIdentifier,
                &["a b", "a$graphic:x$page:", "a$misc:\\24\\5C"],
                &["", "a$", "a$colour:x", "a$misc", "a$misc:\\", "$misc:x"],
            ),
            (
                Syntax::UtcTime,
                &[
                    "9412161032Z",
                    "941216103259",
                    "9412161032-0500",
                    "0002291032Z",
                ],
                &[
                    "",
                    "941216",
                    "9413161032Z",
                    "9402301032Z",
                    "9412161032+05",
                    "941216103260Z",
                ],
            ),
            (
                Syntax::GeneralizedTime,
                &[
                    "1994121610Z",
                    "199412161032-0500",
                    "19941216103259.123456789Z",
                    "1994121610,5+01",
                    "19981231235960Z",
                    "20240229000000Z",
                ],
                &[
                    "",
                    "19941216",
                    "199412161032",
                    "19941216103261Z",
                    "19941216246000Z",
                    "20230229000000Z",
                    "19941232000000Z",
                    "19940016000000Z",
                    "19941216103259.Z",
                    "19941216103259z",
                    "199412161032+0560",
                    "199412161032Z0",
                    " 199412161032Z",
                ],
            ),
            (
                Syntax::Guide,
                &[
                    "person#(sn$EQ)",
                    "sn$SUBSTR|cn$APPROX&!(c$GE)",
                    " 2.5.6.6 #?true",
                    "?false",
                ],
                &[
                    "",
                    "person#",
                    "sn",
                    "sn$",
                    "sn$LIKE",
                    "(sn$EQ",
                    "sn$EQ|",
                    "a b#sn$EQ",
                    "?maybe",
                ],
            ),
            (
                Syntax::EnhancedGuide,
                &[
                    "person#(sn$EQ)#oneLevel",
                    "person # sn$EQ # wholeSubtree",
                    "a#?true#baseObject",
                ],
                &[
                    "",
                    "person#(sn$EQ)",
                    "person#(sn$EQ)#twoLevel",
                    "#sn$EQ#oneLevel",
                    "person##oneLevel",
                ],
            ),
            (
                Syntax::SubstringAssertion,
                &["*", "a*", "*a", "a*b*c", "*\\2A*", "a\\5C*", "*\\2a"],
                &["", "a", "**", "a**b", "a\\*", "*\\28"],
            ),
            (
                Syntax::SubtreeSpecification,
                &[
                    "{}",
                    "{ }",
                    "{ base \"ou=a\" }",
                    "{ base \"cn=\"\"x\"\"\", specificExclusions { chopBefore:\"ou=b\", \
                     chopAfter:\"\" }, minimum 1, maximum 2, specificationFilter \
                     and:{ item:person, not:or:{ item:2.5.6.7 } } }",
                    "{minimum 0,maximum 10}",
                ],
                &[
                    "",
                    "{",
                    "{ base ou=a }",
                    "{ minimum -1 }",
                    "{ maximum 1, minimum 1 }",
                    "{ base \"a\" }",
                    "{ } x",
                    "{ specificationFilter item: }",
                ],
            ),
            (
                Syntax::AttributeTypeDescription,
                &[
                    "( 2.5.4.3 )",
                    "(2.5.4.3 NAME 'cn')",
                    "( 1.2 NAME ( 'a' 'b' ) DESC 'it\\27s' OBSOLETE SUP x EQUALITY y ORDERING z \
                     SUBSTR w SYNTAX 1.2.3{32} SINGLE-VALUE COLLECTIVE NO-USER-MODIFICATION USAGE \
                     dSAOperation X-ORIGIN 'a' X-Y_Z ( 'b' 'c' ) )",
                ],
                &[
                    "",
                    "()",
                    "( cn )",
                    "( 2.5.4.3 NAME 'cn'",
                    "( 2.5.4.3 NAME cn )",
                    "( 2.5.4.3 NAME '1a' )",
                    "( 2.5.4.3 DESC '' )",
                    "( 2.5.4.3 SINGLE-VALUE SUP name )",
                    "( 2.5.4.3 SYNTAX '1.2.3' )",
                    "( 2.5.4.3 USAGE never )",
                    "( 2.5.4.3 WHAT )",
                    "( 2.5.4.3 ) ",
                    "( 2.5.4.3 DESC 'a\\b' )",
                ],
            ),
            (
                Syntax::ObjectClassDescription,
                &[
                    "( 2.5.6.2 NAME 'country' SUP top STRUCTURAL MUST c MAY ( searchGuide $ description ) )",
                    "( 1.2 SUP ( a $ 1.3 ) ABSTRACT )",
                ],
                &[
                    "( 1.2 MAY ( a b ) )",
                    "( 1.2 MAY c MUST d )",
                    "( 1.2 MAY () )",
                    "( 1.2 STRUCTURAL ABSTRACT )",
                ],
            ),
            (
                Syntax::MatchingRuleDescription,
                &["( 2.5.13.2 NAME 'caseIgnoreMatch' SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )"],
                &[
                    "( 2.5.13.2 NAME 'caseIgnoreMatch' )",
                    "( 2.5.13.2 SYNTAX x )",
                ],
            ),
            (
                Syntax::MatchingRuleUseDescription,
                &["( 2.5.13.16 APPLIES ( givenName $ surname ) )"],
                &["( 2.5.13.16 )"],
            ),
            (
                Syntax::LdapSyntaxDescription,
                &[
                    "( 1.3.6.1.4.1.1466.115.121.1.54 DESC 'LDAP Syntax Description' )",
                    "( 1.2 )",
                ],
                &["( 1.2 NAME 'x' )"],
            ),
            (
                Syntax::DitContentRuleDescription,
                &[
                    "( 2.5.6.4 DESC 'content rule for organization' NOT ( x121Address $ telexNumber ) )",
                ],
                &["( 2.5.6.4 NOT )"],
            ),
            (
                Syntax::DitStructureRuleDescription,
                &[
                    "( 2 DESC 'organization structure rule' FORM 2.5.15.3 )",
                    "( 0 FORM a SUP ( 1 2 ) )",
                ],
                &["( 2 )", "( a FORM b )", "( 01 FORM b )"],
            ),
            (
                Syntax::NameFormDescription,
                &["( 2.5.15.3 NAME 'orgNameForm' OC organization MUST o )"],
                &["( 2.5.15.3 OC organization )", "( 2.5.15.3 MUST o )"],
            ),
            (
                Syntax::CountryString,
                &["DE", "d "],
                &["", "D", "DEU", "D\u{e9}", "D*"],
            ),
            (
                Syntax::PrintableString,
                &["a '()+,-./:?="],
                &["", "a@b", "a\nb", "a_b", "a*b"],
            ),
            (
                Syntax::BitString,
                &["''B", "'0101'B"],
                &["", "0101", "'0101'", "'0101'b", "'2'B", "'01'B "],
            ),
            (
                Syntax::Uuid,
                &[
                    "597ae2f6-16a6-1027-98f4-d28b5365dc14",
                    "597AE2F6-16A6-1027-98F4-D28B5365DC14",
                ],
                &[
                    "",
                    "597ae2f616a6102798f4d28b5365dc14",
                    "{597ae2f6-16a6-1027-98f4-d28b5365dc14}",
                    "597ae2f6-16a6-1027-98f4-d28b5365dc1g",
                    "597ae2f-616a6-1027-98f4-d28b5365dc14",
                ],
            ),
            (
                Syntax::Oid,
                &["2.5", "cn", "a-1"],
                &["", "2", "2.", ".2", "2.05", "-a", "a_b", "1a", "a;b"],
            ),
        ] {
            for value in right {
                assert!(syntax.validate(value.as_bytes()), "{syntax:?} {value}");
            }
            for value in wrong {
                assert!(!syntax.validate(value.as_bytes()), "{syntax:?} {value}");
            }
        }
        assert!(Syntax::Jpeg.validate(b"\xff\xd8\xff\xe0\0\x10JFIF\0"));
        assert!(!Syntax::Jpeg.validate(b"GIF89a"));
    }

    proptest::proptest! {
        #[test]
        fn no_value_makes_a_panic(
            octets in proptest::collection::vec(proptest::num::u8::ANY, 0..24),
            text in "[ (){}$#!&|*?'\"\\\\:,.;=0-9A-Zaéb-]{0,24}",
        ) {
            let schema = crate::schema::Schema::shared_builtin();
            for value in [octets.as_slice(), text.as_bytes()] {
                for syntax in Syntax::all() {
                    let _either = syntax.validate(value);
                }
                for rule in crate::schema::MatchingRule::all() {
                    let _either = rule.is_assertion(&schema, value);
                    let _either = rule.normalize(&schema, value);
                    let _either = rule.substring_assertion(value);
                    let _either = rule.normalize_substring(value, crate::schema::Position::Any);
                    if let Ok(normalized) = rule.normalize_assertion(&schema, value) {
                        let _either = crate::schema::holds_word(&normalized, value, true);
                    }
                }
            }
        }

        // What a syntax lets in, the rules of that syntax compare.
        #[test]
        fn what_is_valid_compares(text in "[-0-9TRUEFALSZ'B+. $a#=]{1,20}") {
            let schema = crate::schema::Schema::shared_builtin();
            for rule in crate::schema::MatchingRule::all() {
                use crate::schema::RuleKind;
                if rule.kind() != RuleKind::Equality || rule.name().contains("First") {
                    continue;
                }
                if rule.syntax().validate(text.as_bytes()) {
                    proptest::prop_assert!(
                        rule.normalize(&schema, text.as_bytes()).is_ok()
                            || text.contains('='),
                        "{:?} {}", rule, text
                    );
                }
            }
        }
    }
}
