//! How long it takes to intersect the postings of a filter's terms, by representation.
//!
//! The sizes are those of SSSD's filters in a directory of 100,000 users and 2,000 groups: one
//! short list that decides, and one long list that nearly everything is in.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use roaring::RoaringBitmap;

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

criterion_group!(benches, intersect);
criterion_main!(benches);
