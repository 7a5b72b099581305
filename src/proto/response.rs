//! Responses, appended to the connection's output buffer.

use super::{MessageId, ResultCode, extended, request};
use crate::ber::{
    self, Tag, integer_len, tlv_len, write_header, write_integer, write_nested, write_octets,
};

/// Octets of a diagnosticMessage, which may quote what the client sent.
const MAX_DIAGNOSTIC: usize = 1024;

/// The tags of the response operations.
pub mod tag {
    use crate::ber::{Tag, application};

    /// BindResponse.
    pub const BIND: Tag = application(1);
    /// SearchResultEntry.
    pub const SEARCH_ENTRY: Tag = application(4);
    /// SearchResultDone.
    pub const SEARCH_DONE: Tag = application(5);
    /// SearchResultReference.
    pub const SEARCH_REFERENCE: Tag = application(19);
    /// ModifyResponse.
    pub const MODIFY: Tag = application(7);
    /// AddResponse.
    pub const ADD: Tag = application(9);
    /// DelResponse.
    pub const DELETE: Tag = application(11);
    /// ModifyDNResponse.
    pub const MODIFY_DN: Tag = application(13);
    /// CompareResponse.
    pub const COMPARE: Tag = application(15);
    /// ExtendedResponse.
    pub const EXTENDED: Tag = application(24);
    /// IntermediateResponse.
    pub const INTERMEDIATE: Tag = application(25);
}

/// LDAPResult (RFC 4511 section 4.1.9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LdapResult {
    /// What became of the operation.
    pub code: ResultCode,
    /// For noSuchObject and its kin: the nearest entry there is.
    pub matched_dn: String,
    /// For the client's administrator: what to change. Never a secret.
    pub diagnostic: String,
    /// Where to ask instead; for the code referral alone (RFC 4511 section 4.1.10).
    pub referral: Vec<String>,
}

impl LdapResult {
    /// Success, with nothing to add.
    pub const SUCCESS: Self = Self {
        code: ResultCode::SUCCESS,
        matched_dn: String::new(),
        diagnostic: String::new(),
        referral: Vec::new(),
    };

    /// A result with a text for people.
    pub fn new(code: ResultCode, diagnostic: impl Into<String>) -> Self {
        Self {
            code,
            matched_dn: String::new(),
            diagnostic: diagnostic.into(),
            referral: Vec::new(),
        }
    }

    /// A referral to other servers (RFC 4511 section 4.1.10).
    pub fn referral(uris: Vec<String>) -> Self {
        Self {
            referral: uris,
            ..Self::new(ResultCode::REFERRAL, "other servers hold this entry")
        }
    }

    /// The same with the DN of the nearest entry there is.
    #[must_use]
    pub fn matched(mut self, dn: String) -> Self {
        self.matched_dn = dn;
        self
    }
}

/// The tag of the answer to a request; `None` where there is none (Unbind, Abandon, unknown).
pub fn answer_to(operation: Tag) -> Option<Tag> {
    Some(match operation {
        request::tag::BIND => tag::BIND,
        request::tag::SEARCH => tag::SEARCH_DONE,
        request::tag::MODIFY => tag::MODIFY,
        request::tag::ADD => tag::ADD,
        request::tag::DELETE => tag::DELETE,
        request::tag::MODIFY_DN => tag::MODIFY_DN,
        request::tag::COMPARE => tag::COMPARE,
        request::tag::EXTENDED => tag::EXTENDED,
        _ => return None,
    })
}

/// A control on a response; never critical.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseControl {
    /// Its OID.
    pub oid: &'static str,
    /// What it carries.
    pub value: Option<Vec<u8>>,
}

/// Appends a response that is nothing but an LDAPResult.
pub fn write_result(
    out: &mut Vec<u8>,
    id: MessageId,
    tag: Tag,
    result: &LdapResult,
    controls: &[ResponseControl],
) {
    let contents = |out: &mut Vec<u8>| write_ldap_result(out, result);
    write_message(out, id, tag, contents, controls);
}

/// Appends a BindResponse with the server's SASL credentials (RFC 4511 section 4.2.2).
pub fn write_bind(
    out: &mut Vec<u8>,
    id: MessageId,
    result: &LdapResult,
    credentials: Option<&[u8]>,
    controls: &[ResponseControl],
) {
    let contents = |out: &mut Vec<u8>| {
        write_ldap_result(out, result);
        if let Some(credentials) = credentials {
            write_octets(out, ber::context(7), credentials);
        }
    };
    write_message(out, id, tag::BIND, contents, controls);
}

/// Appends an ExtendedResponse (RFC 4511 section 4.12).
pub fn write_extended(
    out: &mut Vec<u8>,
    id: MessageId,
    result: &LdapResult,
    oid: Option<&str>,
    value: Option<&[u8]>,
    controls: &[ResponseControl],
) {
    let contents = |out: &mut Vec<u8>| {
        write_ldap_result(out, result);
        if let Some(oid) = oid {
            write_octets(out, ber::context(10), oid.as_bytes());
        }
        if let Some(value) = value {
            write_octets(out, ber::context(11), value);
        }
    };
    write_message(out, id, tag::EXTENDED, contents, controls);
}

/// Appends an IntermediateResponse (RFC 4511 section 4.13).
pub fn write_intermediate(out: &mut Vec<u8>, id: MessageId, oid: &str, value: Option<&[u8]>) {
    let contents = |out: &mut Vec<u8>| {
        write_octets(out, ber::context(0), oid.as_bytes());
        if let Some(value) = value {
            write_octets(out, ber::context(1), value);
        }
    };
    write_message(out, id, tag::INTERMEDIATE, contents, &[]);
}

/// Appends a SearchResultReference (RFC 4511 section 4.5.3) to these URIs.
pub fn write_reference<U: AsRef<[u8]>>(out: &mut Vec<u8>, id: MessageId, uris: &[U]) {
    let contents = |out: &mut Vec<u8>| {
        for uri in uris {
            write_octets(out, ber::OCTET_STRING, uri.as_ref());
        }
    };
    write_message(out, id, tag::SEARCH_REFERENCE, contents, &[]);
}

/// Appends a Notice of Disconnection (RFC 4511 section 4.4.1); the connection must end after it.
pub fn write_notice_of_disconnection(out: &mut Vec<u8>, result: &LdapResult) {
    write_extended(
        out,
        MessageId(0),
        result,
        Some(extended::NOTICE_OF_DISCONNECTION),
        None,
        &[],
    );
}

/// Appends a SearchResultEntry (RFC 4511 section 4.5.2).
///
/// `dn` appends the name, `attributes` whole PartialAttribute elements.
pub fn write_entry(
    out: &mut Vec<u8>,
    id: MessageId,
    dn: impl FnOnce(&mut Vec<u8>),
    attributes: impl FnOnce(&mut Vec<u8>),
    controls: &[ResponseControl],
) {
    let contents = |out: &mut Vec<u8>| write_entry_contents(out, dn, attributes);
    write_message(out, id, tag::SEARCH_ENTRY, contents, controls);
}

/// Appends the operation of a SearchResultEntry, for [`write_entry_of`].
pub fn write_entry_operation(
    out: &mut Vec<u8>,
    dn: impl FnOnce(&mut Vec<u8>),
    attributes: impl FnOnce(&mut Vec<u8>),
) {
    write_nested(out, tag::SEARCH_ENTRY, |out| {
        write_entry_contents(out, dn, attributes);
    });
}

/// Appends a SearchResultEntry whose operation is encoded already.
pub fn write_entry_of(out: &mut Vec<u8>, id: MessageId, operation: &[u8]) {
    let id = i64::from(id.0);
    write_header(
        out,
        ber::SEQUENCE,
        tlv_len(integer_len(id)) + operation.len(),
    );
    write_integer(out, ber::INTEGER, id);
    out.extend_from_slice(operation);
}

/// Appends the contents of a SearchResultEntry, as a read control carries them (RFC 4527).
pub fn write_entry_contents(
    out: &mut Vec<u8>,
    dn: impl FnOnce(&mut Vec<u8>),
    attributes: impl FnOnce(&mut Vec<u8>),
) {
    write_nested(out, ber::OCTET_STRING, dn);
    write_nested(out, ber::SEQUENCE, attributes);
}

/// Appends a PartialAttribute; `values` appends OCTET STRINGs.
pub fn write_attribute(out: &mut Vec<u8>, description: &str, values: impl FnOnce(&mut Vec<u8>)) {
    write_nested(out, ber::SEQUENCE, |out| {
        write_octets(out, ber::OCTET_STRING, description.as_bytes());
        write_nested(out, ber::SET, values);
    });
}

fn write_message(
    out: &mut Vec<u8>,
    id: MessageId,
    tag: Tag,
    contents: impl FnOnce(&mut Vec<u8>),
    controls: &[ResponseControl],
) {
    write_nested(out, ber::SEQUENCE, |out| {
        write_integer(out, ber::INTEGER, i64::from(id.0));
        write_nested(out, tag, contents);
        if !controls.is_empty() {
            write_controls(out, controls);
        }
    });
}

fn write_controls(out: &mut Vec<u8>, controls: &[ResponseControl]) {
    write_nested(out, ber::context_constructed(0), |out| {
        for control in controls {
            write_nested(out, ber::SEQUENCE, |out| {
                write_octets(out, ber::OCTET_STRING, control.oid.as_bytes());
                if let Some(value) = &control.value {
                    write_octets(out, ber::OCTET_STRING, value);
                }
            });
        }
    });
}

fn write_ldap_result(out: &mut Vec<u8>, result: &LdapResult) {
    write_integer(out, ber::ENUMERATED, i64::from(result.code.0));
    write_octets(out, ber::OCTET_STRING, result.matched_dn.as_bytes());
    let diagnostic = result.diagnostic.as_bytes();
    let length = result.diagnostic.floor_char_boundary(MAX_DIAGNOSTIC);
    write_octets(
        out,
        ber::OCTET_STRING,
        diagnostic.get(..length).unwrap_or(diagnostic),
    );
    if !result.referral.is_empty() {
        write_nested(out, ber::context_constructed(3), |out| {
            for uri in &result.referral {
                write_octets(out, ber::OCTET_STRING, uri.as_bytes());
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use ldap3_proto::proto::{LdapMsg, LdapOp, LdapResultCode};
    use tokio_util::codec::Decoder;

    use super::*;

    fn decoded(out: &[u8]) -> LdapMsg {
        let mut buffer = BytesMut::from(out);
        let message = ldap3_proto::LdapCodec::default()
            .decode(&mut buffer)
            .unwrap();
        assert!(buffer.is_empty());
        message.unwrap()
    }

    #[test]
    fn an_entry_reads_back_through_ldap3_proto() {
        let mut out = Vec::new();
        write_entry(
            &mut out,
            MessageId(300),
            |out| out.extend_from_slice(b"cn=x"),
            |out| {
                write_attribute(out, "cn", |out| {
                    write_octets(out, ber::OCTET_STRING, &[0xff; 300])
                });
                write_attribute(out, "sn", |_| {});
            },
            &[],
        );
        let message = decoded(&out);
        assert_eq!(message.msgid, 300);
        let LdapOp::SearchResultEntry(entry) = message.op else {
            panic!("not an entry")
        };
        assert_eq!(entry.dn, "cn=x");
        assert_eq!(entry.attributes[0].vals, [vec![0xff; 300]]);
        assert_eq!(entry.attributes[1].vals.len(), 0);
    }

    #[test]
    fn a_long_diagnostic_is_cut_between_characters() {
        let mut out = Vec::new();
        let result = LdapResult::new(ResultCode::OTHER, "x".to_owned() + &"ü".repeat(5_000));
        write_result(&mut out, MessageId(2), tag::ADD, &result, &[]);
        let LdapOp::AddResponse(added) = decoded(&out).op else {
            panic!("not a result")
        };
        assert_eq!(added.message, "x".to_owned() + &"ü".repeat(511));
    }

    #[test]
    fn results_and_notices_read_back_through_ldap3_proto() {
        let mut out = Vec::new();
        let result =
            LdapResult::new(ResultCode::NO_SUCH_OBJECT, "no such entry").matched("dc=x".into());
        write_result(&mut out, MessageId(2), tag::SEARCH_DONE, &result, &[]);
        let LdapOp::SearchResultDone(done) = decoded(&out).op else {
            panic!("not a result")
        };
        assert_eq!(done.code, LdapResultCode::NoSuchObject);
        assert_eq!(
            (done.matcheddn.as_str(), done.message.as_str()),
            ("dc=x", "no such entry")
        );

        let mut out = Vec::new();
        write_notice_of_disconnection(
            &mut out,
            &LdapResult::new(ResultCode::UNAVAILABLE, "shutting down"),
        );
        let message = decoded(&out);
        assert_eq!(message.msgid, 0);
        let LdapOp::ExtendedResponse(notice) = message.op else {
            panic!("not extended")
        };
        assert_eq!(
            notice.name.as_deref(),
            Some(extended::NOTICE_OF_DISCONNECTION)
        );
    }
}
