//! The names in an X.509 certificate that was verified (RFC 5280).
//!
//! Only what tells whose it is gets read; signatures, chains and purposes are the TLS library's.

use crate::{
    ber::{self, BerError, Element, Reader, Tag},
    dn::{Ava, Dn, Rdn},
};

const OBJECT_IDENTIFIER: Tag = 0x06;
const UTF8_STRING: Tag = 0x0c;
const PRINTABLE_STRING: Tag = 0x13;
const TELETEX_STRING: Tag = 0x14;
const IA5_STRING: Tag = 0x16;
const UTC_TIME: Tag = 0x17;
const UNIVERSAL_STRING: Tag = 0x1c;
const BMP_STRING: Tag = 0x1e;

/// id-at-commonName, encoded.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// id-ce-subjectAltName, encoded.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
/// AD's user principal name, 1.3.6.1.4.1.311.20.2.3, encoded.
const PRINCIPAL_NAME: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x14, 0x02, 0x03];

/// Whose a certificate is, and when it counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// The subject, the most specific relative name first, as LDAP writes it; types are OIDs.
    pub subject: Dn,
    /// The common names in the subject.
    pub common_names: Vec<String>,
    /// AD's user principal names among the alternative names.
    pub principal_names: Vec<String>,
    /// The mail addresses among the alternative names.
    pub mail: Vec<String>,
    /// The first moment it counts, as `YYYYMMDDHHMMSSZ`.
    not_before: String,
    /// The last moment it counts.
    not_after: String,
}

impl Certificate {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// [`BerError`] where it is none.
    pub fn parse(der: &[u8]) -> Result<Self, BerError> {
        let mut certificate = Self::default();
        let mut signed = Reader::new(der).expect(ber::SEQUENCE)?.reader();
        let mut body = signed.expect(ber::SEQUENCE)?.reader();
        body.optional(ber::context_constructed(0))?; // version
        body.expect(ber::INTEGER)?; // serialNumber
        body.expect(ber::SEQUENCE)?; // signature
        body.expect(ber::SEQUENCE)?; // issuer
        let mut validity = body.expect(ber::SEQUENCE)?.reader();
        certificate.not_before = time(validity.element()?);
        certificate.not_after = time(validity.element()?);
        certificate.take_subject(body.expect(ber::SEQUENCE)?.reader())?;
        body.expect(ber::SEQUENCE)?; // subjectPublicKeyInfo
        while !body.is_empty() {
            let element = body.element()?;
            if element.tag == ber::context_constructed(3) {
                certificate.take_extensions(element)?;
            }
        }
        Ok(certificate)
    }

    /// Whether it counts at a moment, given as `YYYYMMDDHHMMSSZ`.
    ///
    /// The TLS library has looked already, but connections and their resumption last.
    pub fn is_valid_at(&self, moment: &str) -> bool {
        self.not_before.as_str() <= moment && moment <= self.not_after.as_str()
    }

    /// X.500 names begin at the top, LDAP's at the entry (RFC 4514 section 2.1).
    fn take_subject(&mut self, mut names: Reader<'_>) -> Result<(), BerError> {
        while !names.is_empty() {
            let mut set = names.expect(ber::SET)?.reader();
            let mut avas = Vec::new();
            while !set.is_empty() {
                let mut pair = set.expect(ber::SEQUENCE)?.reader();
                let oid = pair.expect(OBJECT_IDENTIFIER)?.contents;
                let value = pair.element()?;
                let text = text(value);
                if let (COMMON_NAME, Some(name)) = (oid, &text) {
                    self.common_names.push(name.clone());
                }
                avas.push(Ava {
                    attribute: dotted(oid),
                    value: text.map_or_else(|| value.contents.to_vec(), String::into_bytes),
                });
            }
            self.subject.rdns.push(Rdn { avas });
        }
        self.subject.rdns.reverse();
        Ok(())
    }

    fn take_extensions(&mut self, element: Element<'_>) -> Result<(), BerError> {
        let mut extensions = element.reader().expect(ber::SEQUENCE)?.reader();
        while !extensions.is_empty() {
            let mut extension = extensions.expect(ber::SEQUENCE)?.reader();
            let oid = extension.expect(OBJECT_IDENTIFIER)?.contents;
            extension.optional(ber::BOOLEAN)?;
            let value = extension.octets()?;
            if oid == SUBJECT_ALT_NAME {
                self.take_alternative_names(value)?;
            }
        }
        Ok(())
    }

    fn take_alternative_names(&mut self, value: &[u8]) -> Result<(), BerError> {
        let mut names = Reader::new(value).expect(ber::SEQUENCE)?.reader();
        while !names.is_empty() {
            let name = names.element()?;
            if name.tag == ber::context(1) {
                self.mail.extend(utf8(name.contents));
            } else if name.tag == ber::context_constructed(0) {
                let mut other = name.reader();
                let oid = other.expect(OBJECT_IDENTIFIER)?.contents;
                if oid == PRINCIPAL_NAME {
                    let value = other.expect(ber::context_constructed(0))?;
                    self.principal_names.extend(text(value.reader().element()?));
                }
            }
        }
        Ok(())
    }
}

/// With the century in front, so that order of text is order in time (RFC 5280 section 4.1.2.5).
fn time(element: Element<'_>) -> String {
    let digits = String::from_utf8_lossy(element.contents);
    match (element.tag, digits.as_bytes().first()) {
        (UTC_TIME, Some(b'0'..=b'4')) => format!("20{digits}"),
        (UTC_TIME, _) => format!("19{digits}"),
        _ => digits.into_owned(),
    }
}

/// A string of any of the types that names have (X.520 DirectoryString, and IA5String).
fn text(element: Element<'_>) -> Option<String> {
    let octets = element.contents;
    match element.tag {
        UTF8_STRING | PRINTABLE_STRING | IA5_STRING => utf8(octets),
        TELETEX_STRING => Some(octets.iter().copied().map(char::from).collect()),
        BMP_STRING => {
            let (units, []) = octets.as_chunks() else {
                return None;
            };
            char::decode_utf16(units.iter().map(|unit| u16::from_be_bytes(*unit)))
                .collect::<Result<_, _>>()
                .ok()
        }
        UNIVERSAL_STRING => {
            let (points, []) = octets.as_chunks() else {
                return None;
            };
            points
                .iter()
                .map(|point| char::from_u32(u32::from_be_bytes(*point)))
                .collect()
        }
        _ => None,
    }
}

fn utf8(octets: &[u8]) -> Option<String> {
    String::from_utf8(octets.to_vec()).ok()
}

/// The dotted form of an encoded OID (X.690 section 8.19).
fn dotted(oid: &[u8]) -> String {
    let mut arcs = Vec::new();
    let mut arc = 0u64;
    for octet in oid {
        arc = (arc << 7) | u64::from(octet & 0x7f);
        if octet & 0x80 == 0 {
            if arcs.is_empty() {
                let first = (arc / 40).min(2);
                arcs.push(first.to_string());
                arc -= 40 * first;
            }
            arcs.push(arc.to_string());
            arc = 0;
        }
    }
    arcs.join(".")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use proptest::prelude::*;
    use rcgen::{CertificateParams, DnType, DnValue, KeyPair, SanType};

    use super::*;

    fn der(adjust: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.not_before = rcgen::date_time_ymd(2020, 1, 2);
        params.not_after = rcgen::date_time_ymd(2060, 1, 2);
        adjust(&mut params);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn names_are_read_in_ldap_order() {
        let certificate = Certificate::parse(&der(|params| {
            let dc = DnType::CustomDnType(vec![0, 9, 2342, 19200300, 100, 1, 25]);
            let name = &mut params.distinguished_name;
            name.push(dc, DnValue::Ia5String("example".try_into().unwrap()));
            name.push(DnType::OrganizationalUnitName, "Staff");
            name.push(
                DnType::CommonName,
                DnValue::BmpString("Jürgen".try_into().unwrap()),
            );
            params.subject_alt_names = vec![
                SanType::DnsName("host.example".try_into().unwrap()),
                SanType::Rfc822Name("j@example.org".try_into().unwrap()),
                SanType::OtherName((
                    vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 3],
                    rcgen::OtherNameValue::Utf8String("jürgen@corp".to_owned()),
                )),
            ];
        }))
        .unwrap();
        let expected =
            Dn::parse("2.5.4.3=Jürgen,2.5.4.11=Staff,0.9.2342.19200300.100.1.25=example");
        assert_eq!(certificate.subject, expected.unwrap());
        assert_eq!(certificate.common_names, ["Jürgen"]);
        assert_eq!(certificate.mail, ["j@example.org"]);
        assert_eq!(certificate.principal_names, ["jürgen@corp"]);
    }

    #[test]
    fn it_counts_between_its_times() {
        let certificate = Certificate::parse(&der(|_| {})).unwrap();
        for (moment, expected) in [
            ("20200101235959Z", false),
            ("20200102000000Z", true),
            ("20591231000000Z", true),
            ("20600102000001Z", false),
        ] {
            assert_eq!(certificate.is_valid_at(moment), expected, "{moment}");
        }
    }

    #[test]
    fn large_arcs_are_written_whole() {
        assert_eq!(dotted(PRINCIPAL_NAME), "1.3.6.1.4.1.311.20.2.3");
        assert_eq!(dotted(&[0x88, 0x37, 0x03]), "2.999.3");
    }

    proptest! {
        #[test]
        fn never_panics(input: Vec<u8>, at: prop::sample::Index, octet: u8) {
            let _ = Certificate::parse(&input);
            let mut damaged = der(|params| params.distinguished_name.push(DnType::CommonName, "x"));
            let at = at.index(damaged.len());
            damaged[at] = octet;
            let _ = Certificate::parse(&damaged);
        }
    }
}
