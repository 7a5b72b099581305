//! How long it takes to write a search result entry.

#[path = "support/replica.rs"]
mod replica;
#[path = "support/mod.rs"]
mod support;

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ldap3_proto::LdapCodec;
use ldap3_proto::proto::{LdapMsg, LdapOp};
use tokio_util::codec::{Decoder, Encoder};

use crate::replica::Replica;
use crate::support::{fixtures, requests, timing};

fn encode(criterion: &mut Criterion) {
    let replica = Replica::generate();
    let user = replica.population.user_dn(fixtures::USER);
    // One of the large ones: a thousand members, less those drawn twice.
    let group = replica.population.group_dn(0);
    for (name, dn, attributes) in [
        ("user-entry", user, requests::SSSD_USER),
        ("large-group", group, requests::SSSD_GROUP),
    ] {
        let entry = replica.entry(&dn);
        let selection = replica.select(&replica::octets(attributes));
        let mut written = Vec::new();
        replica.write(entry, &selection, &mut written);
        let message = read(&written, &dn);

        let mut group = criterion.benchmark_group(format!("encode/{name}"));
        group.throughput(Throughput::Bytes(written.len() as u64));
        group.bench_function("adduct", |bencher| {
            let mut out = Vec::with_capacity(written.len());
            bencher.iter(|| {
                out.clear();
                replica.write(black_box(entry), &selection, &mut out);
            });
        });
        // It takes the message by value; making that value is not part of what is timed.
        group.bench_function("ldap3_proto", |bencher| {
            let mut codec = LdapCodec::default();
            let mut out = BytesMut::with_capacity(2 * written.len());
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
            let mut out = Vec::with_capacity(written.len());
            bencher.iter(|| {
                out.clear();
                out.extend_from_slice(black_box(&written));
                black_box(&out);
            });
        });
        group.finish();
    }
}

/// The entry as the other library sees it, so that both write the same.
fn read(written: &[u8], dn: &str) -> LdapMsg {
    // Its limit is meant for requests.
    let mut codec = LdapCodec::new(Some(2 * written.len()), None);
    let message = codec.decode(&mut BytesMut::from(written));
    match message {
        Ok(Some(message)) if matches!(&message.op, LdapOp::SearchResultEntry(entry) if entry.dn == dn) => {
            message
        }
        other => panic!("the answer does not read back: {other:?}"),
    }
}

criterion_group! {
    name = benches;
    config = timing::criterion();
    targets = encode
}
criterion_main!(benches);
