//! How long it takes to understand a request, from one whole message to a value.

#[path = "support/mod.rs"]
mod support;

use std::hint::black_box;

use adduct::proto::request;
use bytes::BytesMut;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ldap3_proto::LdapCodec;
use tokio_util::codec::Decoder;

use crate::support::{fixtures, timing};

fn decode(criterion: &mut Criterion) {
    for (name, message) in fixtures::requests() {
        let mut group = criterion.benchmark_group(format!("decode/{name}"));
        group.throughput(Throughput::Bytes(message.len() as u64));

        group.bench_function("adduct", |bencher| {
            assert!(request::decode(&message).is_ok(), "{name} does not decode");
            bencher.iter(|| request::decode(black_box(&message)));
        });
        group.bench_function("ldap3_proto", |bencher| {
            let mut codec = LdapCodec::default();
            let decoded = codec.decode(&mut BytesMut::from(&*message));
            assert!(matches!(decoded, Ok(Some(_))), "{name} does not decode");
            bencher.iter_batched(
                || BytesMut::from(&*message),
                |mut frame| codec.decode(black_box(&mut frame)),
                BatchSize::SmallInput,
            );
        });

        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = timing::criterion();
    targets = decode
}
criterion_main!(benches);
