//! How long it takes to read a filter from its text form (RFC 4515).

#[path = "support/mod.rs"]
mod support;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use ldap3_proto::parse_ldap_filter_str;

use crate::support::fixtures;

fn parse(criterion: &mut Criterion) {
    for (name, text) in fixtures::FILTERS {
        let mut group = criterion.benchmark_group(format!("filter/parse/{name}"));
        // It reads no `=` in a value, so there is no baseline for filters with a DN.
        if parse_ldap_filter_str(text).is_ok() {
            group.bench_function("ldap3_proto", |bencher| {
                bencher.iter(|| parse_ldap_filter_str(black_box(text)));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, parse);
criterion_main!(benches);
