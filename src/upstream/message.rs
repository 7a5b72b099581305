//! One message from a domain controller, and the requests `ldap3_proto` cannot write.

use bytes::BytesMut;
use ldap3_proto::{LdapCodec, control::LdapControl, proto::LdapMsg, proto::LdapOp};
use tokio_util::codec::{Decoder, Encoder};
use zeroize::Zeroizing;

use super::SearchEntry;
use crate::{
    ber::{self, BerError, Element, Reader, Tag, write_integer, write_nested, write_octets},
    proto::{LdapResult, MessageId, ResultCode, request},
};

/// A control that came with a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseControl {
    /// The dotted OID.
    pub oid: String,
    /// What the control carries; its form depends on the OID.
    pub value: Option<Vec<u8>>,
}

/// The parts of an LDAPMessage that lie around the operation.
pub(super) struct Message<'a> {
    pub(super) id: MessageId,
    pub(super) operation: Element<'a>,
    controls: Option<Element<'a>>,
}

/// A response whose contents begin with an LDAPResult.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) result: LdapResult,
    pub(super) controls: Vec<ResponseControl>,
}

impl<'a> Message<'a> {
    pub(super) fn decode(frame: &'a [u8]) -> Result<Self, BerError> {
        let mut message = Reader::new(frame).expect(ber::SEQUENCE)?.reader();
        let id = message.integer()?;
        let operation = message.element()?;
        // AD's notice of disconnection carries its responseName here instead of inside the
        // operation, so anything may follow and only controls are looked at.
        let mut controls = None;
        while !message.is_empty() {
            let element = message.element()?;
            if element.tag == ber::context_constructed(0) {
                controls = Some(element);
            }
        }
        Ok(Self {
            // What does not fit is no number of ours.
            id: MessageId(i32::try_from(id).unwrap_or(-1)),
            operation,
            controls,
        })
    }

    /// Decodes the LDAPResult, whatever its code, and the controls.
    pub(super) fn response(&self) -> Result<Response, BerError> {
        let mut fields = self.operation.reader();
        let code = fields.enumerated()?;
        let matched_dn = text(fields.octets()?);
        let diagnostic = text(fields.octets()?);
        Ok(Response {
            result: LdapResult {
                code: ResultCode(u32::try_from(code).unwrap_or(u32::MAX)),
                matched_dn,
                diagnostic,
                referral: Vec::new(),
            },
            controls: self.response_controls()?,
        })
    }

    fn response_controls(&self) -> Result<Vec<ResponseControl>, BerError> {
        let mut found = Vec::new();
        let Some(controls) = &self.controls else {
            return Ok(found);
        };
        let mut list = controls.reader();
        while !list.is_empty() {
            let mut control = list.expect(ber::SEQUENCE)?.reader();
            let oid = text(control.octets()?);
            control.optional(ber::BOOLEAN)?;
            let value = control
                .optional(ber::OCTET_STRING)?
                .map(|value| value.contents.to_vec());
            found.push(ResponseControl { oid, value });
        }
        Ok(found)
    }
}

/// Decodes one SearchResultEntry; `frame` must hold exactly one, as seen by [`Message::decode`].
pub(super) fn decode_entry(mut frame: BytesMut) -> Result<SearchEntry, String> {
    let mut codec = LdapCodec::new(Some(frame.len()), None);
    match codec.decode(&mut frame) {
        Ok(Some(LdapMsg {
            op: LdapOp::SearchResultEntry(entry),
            ..
        })) => Ok(SearchEntry {
            dn: entry.dn,
            attributes: entry
                .attributes
                .into_iter()
                .map(|attribute| (attribute.atype, attribute.vals))
                .collect(),
        }),
        Ok(_) => Err("an entry that is none".to_owned()),
        Err(error) => Err(format!("a malformed entry ({error})")),
    }
}

/// Encodes any request but a Bind.
pub(super) fn encode_request(
    id: MessageId,
    operation: LdapOp,
    controls: Vec<LdapControl>,
) -> Result<BytesMut, std::io::Error> {
    let mut out = BytesMut::new();
    LdapCodec::default().encode(LdapMsg::new_with_ctrls(id.0, operation, controls), &mut out)?;
    Ok(out)
}

/// Encodes a simple Bind with any octets as password (RFC 4511 section 4.2).
pub(super) fn encode_simple_bind(id: MessageId, name: &str, password: &[u8]) -> Zeroizing<Vec<u8>> {
    // Room for everything, so that no copy of the password is left behind by growing.
    let mut out = Zeroizing::new(Vec::with_capacity(name.len() + password.len() + 64));
    write_nested(&mut out, ber::SEQUENCE, |out| {
        write_integer(out, ber::INTEGER, i64::from(id.0));
        write_nested(out, request::tag::BIND, |out| {
            write_integer(out, ber::INTEGER, 3);
            write_octets(out, ber::OCTET_STRING, name.as_bytes());
            write_octets(out, SIMPLE, password);
        });
    });
    out
}

const SIMPLE: Tag = ber::context(0);

fn text(octets: &[u8]) -> String {
    // AD ends some diagnostic messages with a NUL.
    String::from_utf8_lossy(octets)
        .trim_end_matches(['\0', '\n', '\r'])
        .to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use ldap3_proto::proto::{LdapBindCred, LdapBindRequest};

    use super::*;

    #[test]
    fn a_bind_is_what_ldap3_proto_would_write_where_it_can() {
        let ours = encode_simple_bind(MessageId(7), "<GUID=37f4>", b"secret");
        let theirs = encode_request(
            MessageId(7),
            LdapOp::BindRequest(LdapBindRequest {
                version: 3,
                dn: "<GUID=37f4>".to_owned(),
                cred: LdapBindCred::Simple("secret".to_owned()),
            }),
            vec![],
        )
        .unwrap();
        assert_eq!(ours.as_slice(), &theirs[..]);
    }

    #[test]
    fn any_octets_may_be_a_password() {
        let bind = encode_simple_bind(MessageId(1), "x", &[0xff, 0x00, 0xfe]);
        assert!(bind.ends_with(&[0x80, 3, 0xff, 0x00, 0xfe]));
    }

    #[test]
    fn a_result_code_nobody_knows_is_a_result() {
        for code in [9u8, 94, 113] {
            let frame = [
                0x30, 0x0f, 0x02, 0x01, 5, 0x65, 0x0a, 0x0a, 0x01, code, 0x04, 0x00, 0x04, 0x03,
                b'a', b'b', 0,
            ];
            let message = Message::decode(&frame).unwrap();
            let response = message.response().unwrap();
            assert_eq!(response.result.code, ResultCode(u32::from(code)));
            assert_eq!(response.result.diagnostic, "ab");
        }
    }

    #[test]
    fn ads_own_notice_of_disconnection_is_understood() {
        // Long-form lengths and the responseName outside of the operation, as Windows sends it.
        let mut frame = vec![
            0x30, 0x84, 0, 0, 0, 0, 0x02, 0x01, 0, 0x78, 0x84, 0, 0, 0, 11, 0x0a, 0x01, 52, 0x04,
            0x00, 0x04, 0x04, b'g', b'o', b'n', b'e',
        ];
        frame.extend_from_slice(&[0x8a, 22]);
        frame.extend_from_slice(b"1.3.6.1.4.1.1466.20036");
        frame[5] = u8::try_from(frame.len() - 6).unwrap();
        let message = Message::decode(&frame).unwrap();
        assert_eq!(message.id, MessageId(0));
        assert_eq!(message.response().unwrap().result.diagnostic, "gone");
    }

    #[test]
    fn an_empty_set_of_values_is_kept() {
        // The removal of an attribute in a DirSync answer: 30 13 04 0f "telephoneNumber" 31 00.
        let mut attribute = vec![0x30, 0x13, 0x04, 0x0f];
        attribute.extend_from_slice(b"telephoneNumber");
        attribute.extend_from_slice(&[0x31, 0x00]);
        let mut frame = vec![
            0x30, 0x20, 0x02, 0x01, 2, 0x64, 0x1b, 0x04, 0x02, b'D', b'N',
        ];
        frame.extend_from_slice(&[0x30, 0x15]);
        frame.extend_from_slice(&attribute);
        let entry = decode_entry(BytesMut::from(&frame[..])).unwrap();
        assert_eq!(
            entry.attributes,
            [("telephoneNumber".to_owned(), Vec::<Vec<u8>>::new())]
        );
    }
}
