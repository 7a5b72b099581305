//! How long it takes to read a filter from its text form (RFC 4515), to resolve its names and
//! values, and to evaluate it on an entry.

#[path = "support/replica.rs"]
mod replica;
#[path = "support/mod.rs"]
mod support;

use std::hint::black_box;

use adduct::directory::Subject;
use adduct::filter::Filter;
use criterion::{Criterion, criterion_group, criterion_main};
use ldap3_proto::parse_ldap_filter_str;

use crate::replica::Replica;
use crate::support::{fixtures, timing};

fn parse(criterion: &mut Criterion) {
    for (name, text) in fixtures::FILTERS {
        let mut group = criterion.benchmark_group(format!("filter/parse/{name}"));
        group.bench_function("adduct", |bencher| {
            assert!(Filter::parse(text).is_ok(), "{text} cannot be parsed");
            bencher.iter(|| Filter::parse(black_box(text)));
        });
        // It reads no `=` in a value, so there is no baseline for filters with a DN.
        if parse_ldap_filter_str(text).is_ok() {
            group.bench_function("ldap3_proto", |bencher| {
                bencher.iter(|| parse_ldap_filter_str(black_box(text)));
            });
        }
        group.finish();
    }
}

fn bind_and_evaluate(criterion: &mut Criterion) {
    let replica = Replica::generate();
    for (name, text) in fixtures::FILTERS {
        let Ok(filter) = Filter::parse(text) else {
            panic!("{text} cannot be parsed");
        };
        let filter = filter.as_request();
        criterion.bench_function(&format!("filter/bind/{name}"), |bencher| {
            bencher.iter(|| replica.bind(black_box(&filter)));
        });
        if *name != "user" {
            continue;
        }
        let bound = replica.bind(&filter);
        for (case, user) in [("true", fixtures::USER), ("false", fixtures::USER + 1)] {
            let (id, entry) = replica.entry(&replica.population.user_dn(user));
            let subject = Subject {
                snapshot: &replica.snapshot,
                id: Some(id),
                attributes: &entry.attributes,
            };
            assert_eq!(bound.evaluate(subject), Some(case == "true"), "{text}");
            criterion.bench_function(&format!("filter/evaluate/{name}-{case}"), |bencher| {
                bencher.iter(|| bound.evaluate(black_box(subject)));
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = timing::criterion();
    targets = parse, bind_and_evaluate
}
criterion_main!(benches);
