//! How long it takes to write a search result entry.

#[path = "support/mod.rs"]
mod support;

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use ldap3_proto::LdapCodec;
use ldap3_proto::proto::{LdapMsg, LdapOp, LdapPartialAttribute, LdapSearchResultEntry};
use tokio_util::codec::Encoder;

use crate::support::fixtures;

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode/user-entry");

    // It takes the message by value; making that value is not part of what is timed.
    group.bench_function("ldap3_proto", |bencher| {
        let message = ldap3_proto_message();
        let mut codec = LdapCodec::default();
        let mut out = BytesMut::with_capacity(1024);
        bencher.iter_batched(
            || message.clone(),
            |message| {
                out.clear();
                codec.encode(black_box(message), &mut out)
            },
            BatchSize::SmallInput,
        );
    });

    // The bound: an entry that was written before and is only copied.
    group.bench_function("copy", |bencher| {
        let mut encoded = BytesMut::new();
        let written = LdapCodec::default().encode(ldap3_proto_message(), &mut encoded);
        assert!(written.is_ok(), "the fixture does not encode");
        let mut out = BytesMut::with_capacity(1024);
        bencher.iter(|| {
            out.clear();
            out.extend_from_slice(black_box(&encoded));
        });
    });

    group.finish();
}

fn ldap3_proto_message() -> LdapMsg {
    let (dn, attributes) = fixtures::user_entry();
    let attributes = attributes
        .into_iter()
        .map(|(name, values)| LdapPartialAttribute {
            atype: name.to_owned(),
            vals: values.into_iter().map(String::into_bytes).collect(),
        })
        .collect();
    LdapMsg {
        msgid: fixtures::MESSAGE_ID,
        op: LdapOp::SearchResultEntry(LdapSearchResultEntry { dn, attributes }),
        ctrl: Vec::new(),
    }
}

criterion_group!(benches, encode);
criterion_main!(benches);
