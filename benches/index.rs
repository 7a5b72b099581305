//! How long it takes to answer a search through the indexes, and to intersect the postings of a
//! filter's terms, by representation.
//!
//! Searches run on 10,000 users. The sizes of the intersections are those of SSSD's filters in a directory of 100,000 users and 2,000 groups: one
//! short list that decides, and one long list that nearly everything is in.

#[path = "support/replica.rs"]
mod replica;
#[path = "support/mod.rs"]
mod support;

use std::hint::black_box;

use adduct::filter::Filter;
use criterion::{Criterion, criterion_group, criterion_main};
use roaring::RoaringBitmap;

use crate::replica::Replica;
use crate::support::{fixtures, requests, timing};

/// From a decoded request to the last entry.
fn search(criterion: &mut Criterion) {
    let replica = Replica::generate();
    let of_nobody = format!(
        "(&(member={})(objectClass=posixGroup)(cn=*))",
        replica.population.group_dn(42)
    );
    let [(_, point), (_, member), (_, substring)] = fixtures::FILTERS;
    let groups = replica
        .population
        .memberships(fixtures::USER)
        .map(u64::from);
    for (name, filter, attributes, expected) in [
        ("point", *point, requests::SSSD_USER, Some(1)),
        ("member", *member, requests::SSSD_INITGROUPS, groups),
        ("empty", &*of_nobody, requests::SSSD_INITGROUPS, Some(0)),
        ("substring", *substring, requests::SSSD_MEMBER, None),
    ] {
        let Ok(filter) = Filter::parse(filter) else {
            panic!("{filter} cannot be parsed");
        };
        let (filter, attributes) = (filter.as_request(), replica::octets(attributes));
        let mut out = Vec::with_capacity(1 << 16);
        let found = replica.search(&filter, &attributes, &mut out);
        assert_eq!(found, expected.unwrap_or_else(|| found.max(1)), "{name}");
        criterion.bench_function(&format!("index/search/{name}"), |bencher| {
            bencher.iter(|| {
                out.clear();
                replica.search(black_box(&filter), &attributes, &mut out)
            });
        });
    }
}

const CASES: &[(&str, u32, u32)] = &[
    ("1-of-100000", 1, 100_000),
    ("10-of-2000", 10, 2_000),
    ("1000-of-100000", 1_000, 100_000),
];

fn intersect(criterion: &mut Criterion) {
    for &(name, short, long) in CASES {
        // The short list is spread evenly over the long one.
        let short: Vec<u32> = (0..short).map(|id| id * (long / short)).collect();
        let long: Vec<u32> = (0..long).collect();
        let mut group = criterion.benchmark_group(format!("index/intersect/{name}"));

        group.bench_function("bitmap-and-bitmap", |bencher| {
            let (short, long): (RoaringBitmap, RoaringBitmap) =
                (short.iter().collect(), long.iter().collect());
            bencher.iter(|| black_box(&short) & black_box(&long));
        });
        group.bench_function("list-in-bitmap", |bencher| {
            let long: RoaringBitmap = long.iter().collect();
            bencher.iter(|| contained(black_box(&short), |id| long.contains(id)));
        });
        group.bench_function("list-in-list", |bencher| {
            bencher.iter(|| contained(black_box(&short), |id| long.binary_search(&id).is_ok()));
        });

        group.finish();
    }
}

fn contained(ids: &[u32], contains: impl Fn(u32) -> bool) -> Vec<u32> {
    ids.iter().copied().filter(|id| contains(*id)).collect()
}

criterion_group! {
    name = benches;
    config = timing::criterion();
    targets = search, intersect
}
criterion_main!(benches);
