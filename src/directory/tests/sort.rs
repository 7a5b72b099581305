//! Orders, against one that compares values as people do.

use std::{cmp::Ordering, sync::Arc};

use proptest::{prelude::*, sample::select};

use super::build::*;
use crate::{
    access::Secrets,
    directory::{EntryId, Order, Search, Snapshot, Sorter, Step, UnsortableReason},
    entry::Entry,
    proto::{control::SortKey, request::SearchScope},
};

fn key<'a>(attribute: &'a str, rule: Option<&'a str>, reverse: bool) -> SortKey<'a> {
    SortKey {
        attribute: attribute.as_bytes(),
        ordering_rule: rule.map(str::as_bytes),
        reverse,
    }
}

fn order(snapshot: &Snapshot, keys: &[SortKey<'_>]) -> Result<Order, UnsortableReason> {
    let secrets = Secrets::new(snapshot.schema());
    Order::bind(keys, snapshot, &secrets).map_err(|unsortable| {
        assert!(keys.iter().any(|key| key.attribute == unsortable.attribute));
        unsortable.reason
    })
}

fn sorter(snapshot: &Arc<Snapshot>, order: Order) -> Sorter {
    let mut search = Search::new(
        Arc::clone(snapshot),
        None,
        SearchScope::WholeSubtree,
        bind(snapshot, "(objectClass=person)"),
    );
    let mut sorter = Sorter::new(order);
    while let Step::Match(entry) = search.next(&mut usize::MAX.clone()) {
        sorter.push(snapshot, entry);
    }
    sorter
}

fn numbers(snapshot: &Snapshot, sorted: &[EntryId]) -> Vec<u32> {
    sorted
        .iter()
        .map(|entry| {
            let uuid = snapshot.entry(*entry).unwrap().uuid;
            u32::try_from(uuid.as_u128() - id(0).as_u128()).unwrap()
        })
        .collect()
}

fn sorted(fixture: &Fixture, keys: &[SortKey<'_>]) -> Vec<u32> {
    let now = fixture.now();
    let order = order(&now, keys).unwrap();
    numbers(&now, &sorter(&now, order).into_sorted(&[]).0)
}

fn person(number: u32, cn: &str) -> Entry {
    local(number, Some(1), &format!("uid=p{number}"), "inetOrgPerson").with("cn", &[cn])
}

fn world() -> Fixture {
    Fixture::new([
        local_top(1),
        person(2, "bob").with("uidNumber", &["10"]),
        person(3, "Alice")
            .with("uidNumber", &["9"])
            .with("cn;lang-de", &["Zoe"]),
        person(4, "carol").with("uidNumber", &["-3"]),
        person(5, "bob").with("sn", &["zed", "abel"]),
        person(6, "Bob")
            .with("sn", &["baker"])
            .with("cn;lang-de", &["Yves"]),
    ])
}

#[test]
fn keys_follow_one_another() {
    let world = world();
    for (keys, expected) in [
        (vec![key("cn", None, false)], [3, 2, 5, 6, 4]),
        (vec![key("cn", None, true)], [4, 2, 5, 6, 3]),
        (
            vec![key("cn", Some("caseExactOrderingMatch"), false)],
            [3, 6, 2, 5, 4],
        ),
        (
            vec![key("2.5.4.3", Some("2.5.13.6"), true)],
            [4, 2, 5, 6, 3],
        ),
        (vec![key("uidNumber", None, false)], [4, 3, 2, 5, 6]),
        // Without a value is greater than with any.
        (vec![key("uidNumber", None, true)], [5, 6, 2, 3, 4]),
        // The least of several values counts in both directions.
        (vec![key("sn", None, false)], [5, 6, 2, 3, 4]),
        (vec![key("sn", None, true)], [2, 3, 4, 6, 5]),
        (
            vec![key("cn", None, false), key("sn", None, false)],
            [3, 5, 6, 2, 4],
        ),
        (
            vec![key("cn", None, true), key("uid", None, true)],
            [4, 6, 5, 2, 3],
        ),
        (vec![key("cn;lang-de", None, false)], [6, 3, 2, 4, 5]),
        (vec![key("entryUUID", None, true)], [6, 5, 4, 3, 2]),
        (
            vec![key("entryDN", Some("caseIgnoreOrderingMatch"), true)],
            [6, 5, 4, 3, 2],
        ),
    ] {
        assert_eq!(sorted(&world, &keys), expected, "{keys:?}");
    }
}

#[test]
fn what_cannot_be_sorted_is_refused() {
    let world = world();
    let now = world.now();
    for (keys, expected) in [
        (
            vec![key("nosuch", None, false)],
            UnsortableReason::UnknownAttribute,
        ),
        (
            vec![key("", None, false)],
            UnsortableReason::UnknownAttribute,
        ),
        (
            vec![key("jpegPhoto", None, false)],
            UnsortableReason::NoOrder,
        ),
        (
            vec![key("objectClass", None, false)],
            UnsortableReason::NoOrder,
        ),
        (
            vec![key("cn", Some("caseIgnoreMatch"), false)],
            UnsortableReason::NoOrder,
        ),
        (
            vec![key("cn", Some("integerOrderingMatch"), false)],
            UnsortableReason::NoOrder,
        ),
        (
            vec![key("cn", Some("1.2.3.4"), false)],
            UnsortableReason::NoOrder,
        ),
        (
            vec![key("userPassword", None, false)],
            UnsortableReason::Secret,
        ),
        (
            vec![key("cn", None, false), key("2.5.4.3", None, true)],
            UnsortableReason::TooMuch,
        ),
    ] {
        assert_eq!(order(&now, &keys).unwrap_err(), expected, "{keys:?}");
    }
}

#[test]
fn a_value_has_its_place_in_either_direction() {
    let world = world();
    let now = world.now();
    for (value, reverse, expected) in [
        ("a", false, 0),
        ("Alice", false, 0),
        ("BO", false, 1),
        ("bob", false, 1),
        ("bobby", false, 4),
        ("x", false, 5),
        // Alice is last: the first that is not above the value.
        ("x", true, 0),
        ("bobby", true, 1),
        ("bob", true, 1),
        ("b", true, 4),
        ("a", true, 5),
    ] {
        let order = order(&now, &[key("cn", None, reverse)]).unwrap();
        let prefix = order.prefix(now.schema(), value.as_bytes()).unwrap();
        let (_, place) = sorter(&now, order).into_sorted(&prefix);
        assert_eq!(place, expected, "{value} {reverse}");
    }
    let order = order(&now, &[key("uidNumber", None, false)]).unwrap();
    assert_eq!(order.prefix(now.schema(), b"ten"), None);
}

/// What a person has of `cn`, `sn` and `employeeNumber`, and of `uidNumber`.
type Shape = (Vec<String>, Vec<String>, Option<i64>);

fn shapes() -> impl Strategy<Value = Shape> {
    let texts = |count| prop::collection::vec("[abAB\u{e9}]{1,3}", count);
    (
        texts(1..3),
        texts(0..3),
        prop::option::of(prop_oneof![-12..12i64, any::<i64>()]),
    )
}

/// By the least value, entries without one last.
fn compare<T: Ord>(left: &[T], right: &[T]) -> Ordering {
    match (left.iter().min(), right.iter().min()) {
        (Some(left), Some(right)) => left.cmp(right),
        (left, right) => left.is_none().cmp(&right.is_none()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..Default::default() })]

    #[test]
    fn orders_are_those_of_a_sort_by_values(
        people in prop::collection::vec(shapes(), 1..20),
        keys in prop::sample::subsequence(vec![0usize, 1, 2], 1..=3).prop_shuffle(),
        reverse in prop::collection::vec(any::<bool>(), 3),
        base in select(&[2u32, 100][..]),
    ) {
        let entries = people.iter().enumerate().map(|(place, (cn, sn, number))| {
            let cn: Vec<&str> = cn.iter().map(String::as_str).collect();
            let sn: Vec<&str> = sn.iter().map(String::as_str).collect();
            let number = number.map(|number| number.to_string());
            let number: Vec<&str> = number.iter().map(String::as_str).collect();
            let mut made = person(base + u32::try_from(place).unwrap(), "x").with("cn", &cn);
            if !sn.is_empty() {
                made = made.with("sn", &sn);
            }
            if !number.is_empty() {
                made = made.with("uidNumber", &number);
            }
            made
        });
        let fixture = Fixture::new([local_top(1)].into_iter().chain(entries));
        let sort_keys: Vec<SortKey<'_>> = keys
            .iter()
            .map(|which| match which {
                0 => key("cn", None, reverse[0]),
                1 => key("sn", Some("caseExactOrderingMatch"), reverse[1]),
                _ => key("uidNumber", None, reverse[2]),
            })
            .collect();
        let mut expected: Vec<usize> = (0..people.len()).collect();
        expected.sort_by(|left, right| {
            let (left, right) = (&people[*left], &people[*right]);
            let folded = |list: &[String]| -> Vec<String> {
                list.iter().map(|text| text.to_lowercase()).collect()
            };
            keys.iter().fold(Ordering::Equal, |so_far, which| {
                let next = match which {
                    0 => compare(&folded(&left.0), &folded(&right.0)),
                    1 => compare(&left.1, &right.1),
                    _ => compare(left.2.as_slice(), right.2.as_slice()),
                };
                so_far.then(if reverse[*which] { next.reverse() } else { next })
            })
        });
        let expected: Vec<u32> = expected
            .iter()
            .map(|place| base + u32::try_from(*place).unwrap())
            .collect();
        prop_assert_eq!(sorted(&fixture, &sort_keys), expected);
    }
}

#[test]
fn a_snapshot_keeps_its_order_whatever_comes() {
    let world = world();
    let before = world.now();
    let order = order(&before, &[key("cn", None, false)]).unwrap();
    world.change([person(7, "aaa"), person(4, "aab")], &[3]);
    let (list, _) = sorter(&before, order).into_sorted(&[]);
    assert_eq!(numbers(&before, &list), [3, 2, 5, 6, 4]);
    assert_eq!(sorted(&world, &[key("cn", None, false)]), [7, 4, 2, 5, 6]);
}

#[test]
fn runs_that_are_sorted_early_are_merged() {
    let now = world().now();
    let entry = now.id_of(id(2)).unwrap();
    let other = now.id_of(id(3)).unwrap();
    let order = order(&now, &[key("cn", None, false)]).unwrap();
    let mut sorter = Sorter::new(order);
    for _ in 0..5000 {
        sorter.push(&now, entry);
        sorter.push(&now, other);
    }
    assert!(sorter.octets() > 10_000 * 12);
    let (list, place) = sorter.into_sorted(&[]);
    assert_eq!(place, 0);
    assert!(list[..5000].iter().all(|id| *id == other));
    assert!(list[5000..].iter().all(|id| *id == entry));
}
