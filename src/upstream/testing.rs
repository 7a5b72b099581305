//! A domain controller for tests: LDAP over a pipe, with whatever misbehaviour is wanted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::{Connection, ServerAddress, Timeouts, message::Message};
use crate::{
    ber::{self, write_integer, write_nested, write_octets},
    proto::{LdapResult, MessageId, ResultCode, frame, response},
};

/// The server's end of a pipe.
pub(super) struct FakeDc {
    pub(super) stream: DuplexStream,
    buffer: BytesMut,
}

/// A connection and the server at its other end.
pub(super) fn pair() -> (Connection, FakeDc) {
    pair_with(Timeouts::default())
}

/// The same with other limits on waiting.
pub(super) fn pair_with(timeouts: Timeouts) -> (Connection, FakeDc) {
    let (near, far) = tokio::io::duplex(16 * 1024);
    let connection = Connection::over(ServerAddress::ldaps("dc1.example.com"), near, timeouts);
    let dc = FakeDc {
        stream: far,
        buffer: BytesMut::new(),
    };
    (connection, dc)
}

impl FakeDc {
    /// Waits for a request; its octets.
    pub(super) async fn request(&mut self) -> (MessageId, Vec<u8>) {
        loop {
            if let Some(length) = frame::next(&self.buffer, 1 << 20).unwrap() {
                let frame = self.buffer.split_to(length);
                return (Message::decode(&frame).unwrap().id, frame.to_vec());
            }
            assert_ne!(self.stream.read_buf(&mut self.buffer).await.unwrap(), 0);
        }
    }

    pub(super) async fn send(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).await.unwrap();
    }
}

pub(super) fn bind_response(id: MessageId, code: u32, text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let result = LdapResult::new(ResultCode(code), text);
    response::write_result(&mut out, id, response::tag::BIND, &result, &[]);
    out
}

pub(super) fn entry(id: MessageId, dn: &str, attributes: &[(&str, &[&[u8]])]) -> Vec<u8> {
    let mut out = Vec::new();
    response::write_entry(
        &mut out,
        id,
        |out| out.extend_from_slice(dn.as_bytes()),
        |out| {
            for (name, values) in attributes {
                response::write_attribute(out, name, |out| {
                    for value in *values {
                        write_octets(out, ber::OCTET_STRING, value);
                    }
                });
            }
        },
        &[],
    );
    out
}

/// SearchResultDone with at most one control.
pub(super) fn done(id: MessageId, code: u32, control: Option<(&str, &[u8])>) -> Vec<u8> {
    let mut out = Vec::new();
    write_nested(&mut out, ber::SEQUENCE, |out| {
        write_integer(out, ber::INTEGER, i64::from(id.0));
        write_nested(out, response::tag::SEARCH_DONE, |out| {
            write_integer(out, ber::ENUMERATED, i64::from(code));
            write_octets(out, ber::OCTET_STRING, b"");
            write_octets(out, ber::OCTET_STRING, b"as asked");
        });
        if let Some((oid, value)) = control {
            write_nested(out, ber::context_constructed(0), |out| {
                write_nested(out, ber::SEQUENCE, |out| {
                    write_octets(out, ber::OCTET_STRING, oid.as_bytes());
                    ber::write_boolean(out, true);
                    write_octets(out, ber::OCTET_STRING, value);
                });
            });
        }
    });
    out
}
