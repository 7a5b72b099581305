use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::{
    ber::{write_boolean, write_integer, write_nested, write_octets},
    proto::request::{Filter, tag},
};

fn control<'a>(oid: &'a str, criticality: bool, value: Option<&'a [u8]>) -> Control<'a> {
    Control {
        oid: oid.as_bytes(),
        criticality,
        value,
    }
}

#[test]
fn what_is_unknown_is_refused_only_where_it_is_critical() {
    let decode = |oid, criticality, operation| {
        RequestControls::decode(operation, &[control(oid, criticality, None)])
    };
    let unavailable = |oid: &str| Err(ControlError::Unavailable(oid.to_owned()));
    assert_eq!(
        decode("1.2.3", false, tag::SEARCH),
        Ok(RequestControls::default())
    );
    assert_eq!(decode("1.2.3", true, tag::SEARCH), unavailable("1.2.3"));
    // A known one on an operation it has no meaning for.
    assert_eq!(
        decode(oid::TREE_DELETE, true, tag::SEARCH),
        unavailable(oid::TREE_DELETE)
    );
    assert_eq!(
        decode(oid::TREE_DELETE, false, tag::SEARCH),
        Ok(RequestControls::default())
    );
    assert!(
        decode(oid::TREE_DELETE, true, tag::DELETE)
            .unwrap()
            .tree_delete
    );
}

#[test]
fn a_control_that_is_there_twice_is_refused() {
    let twice = [control(oid::MANAGE_DSA_IT, true, None); 2];
    assert_eq!(
        RequestControls::decode(tag::SEARCH, &twice),
        Err(ControlError::Twice(oid::MANAGE_DSA_IT.to_owned()))
    );
}

#[test]
fn values_are_decoded_and_trailing_octets_refused() {
    let mut value = Vec::new();
    write_nested(&mut value, ber::SEQUENCE, |out| {
        write_integer(out, ber::INTEGER, 100);
        write_octets(out, ber::OCTET_STRING, b"next");
    });
    let paged = [control(oid::PAGED_RESULTS, false, Some(&value))];
    let decoded = RequestControls::decode(tag::SEARCH, &paged).unwrap();
    assert_eq!(
        decoded.paged,
        Some(PagedResults {
            size: 100,
            cookie: b"next"
        })
    );
    value.push(0);
    let paged = [control(oid::PAGED_RESULTS, false, Some(&value))];
    assert!(matches!(
        RequestControls::decode(tag::SEARCH, &paged),
        Err(ControlError::Malformed { .. })
    ));
}

#[test]
fn items_of_matched_values_are_not_nested() {
    let item = |tag| {
        let mut value = Vec::new();
        write_nested(&mut value, ber::SEQUENCE, |out| {
            write_nested(out, tag, |out| write_octets(out, 0x87, b"cn"));
        });
        let control = [control(oid::MATCHED_VALUES, true, Some(&value))];
        RequestControls::decode(tag::SEARCH, &control).is_err()
    };
    assert!(item(0xa0));
    let mut value = Vec::new();
    write_nested(&mut value, ber::SEQUENCE, |out| {
        write_octets(out, 0x87, b"cn")
    });
    let control = [control(oid::MATCHED_VALUES, true, Some(&value))];
    let decoded = RequestControls::decode(tag::SEARCH, &control).unwrap();
    assert_eq!(decoded.matched_values, Some(vec![Filter::Present(b"cn")]));
}

/// Decodes one control of a search (or of a modify, for those that stand on updates).
fn decode_one(
    operation: ber::Tag,
    oid: &str,
    value: &[u8],
    test: impl FnOnce(RequestControls<'_>),
) -> Result<(), ControlError> {
    let sent = [control(oid, true, Some(value))];
    RequestControls::decode(operation, &sent).map(test)
}

/// The value of a control as one SEQUENCE.
fn sequence(contents: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write_nested(&mut out, ber::SEQUENCE, contents);
    out
}

/// A component that no version knows.
const FUTURE: [u8; 4] = [0xbf, 0x40, 1, 0];

#[test]
fn components_from_the_future_are_passed_over_in_values() {
    let more = |out: &mut Vec<u8>| out.extend_from_slice(&FUTURE);
    let values = [
        (
            oid::PAGED_RESULTS,
            sequence(|out| {
                write_integer(out, ber::INTEGER, 1);
                write_octets(out, ber::OCTET_STRING, b"");
                more(out);
            }),
        ),
        (
            oid::SORT_REQUEST,
            sequence(|out| {
                write_nested(out, ber::SEQUENCE, |out| {
                    write_octets(out, ber::OCTET_STRING, b"cn");
                    more(out);
                });
            }),
        ),
        (
            oid::SYNC_REQUEST,
            sequence(|out| {
                write_integer(out, ber::ENUMERATED, 1);
                more(out);
            }),
        ),
        (
            oid::PERSISTENT_SEARCH,
            sequence(|out| {
                write_integer(out, ber::INTEGER, 15);
                write_boolean(out, true);
                write_boolean(out, true);
                more(out);
            }),
        ),
        (
            oid::DEREF,
            sequence(|out| {
                write_nested(out, ber::SEQUENCE, |out| {
                    write_octets(out, ber::OCTET_STRING, b"member");
                    write_nested(out, ber::SEQUENCE, |_| {});
                    more(out);
                });
            }),
        ),
    ];
    for (oid, value) in values {
        decode_one(tag::SEARCH, oid, &value, |_| {}).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn values_out_of_their_range_are_refused() {
    let paged = |size| {
        sequence(|out| {
            write_integer(out, ber::INTEGER, size);
            write_octets(out, ber::OCTET_STRING, b"");
        })
    };
    for (oid, value) in [
        (oid::PAGED_RESULTS, paged(-1)),
        (oid::PAGED_RESULTS, paged(1 << 31)),
        (oid::PAGED_RESULTS, Vec::new()),
        (oid::SORT_REQUEST, sequence(|_| {})),
        (oid::DEREF, sequence(|_| {})),
        (oid::MATCHED_VALUES, sequence(|_| {})),
        (oid::ASSERTION, vec![0xa2, 0]),
        (
            oid::SYNC_REQUEST,
            sequence(|out| write_integer(out, ber::ENUMERATED, 2)),
        ),
        (oid::SUBENTRIES, vec![1, 2, 0, 0]),
        (oid::MANAGE_DSA_IT, Vec::new()),
    ] {
        let decoded = decode_one(tag::SEARCH, oid, &value, |_| {});
        assert!(
            matches!(decoded, Err(ControlError::Malformed { .. })),
            "{oid} {value:x?}: {decoded:?}"
        );
    }
}

#[test]
fn a_filter_in_a_control_has_the_depth_of_others() {
    let mut filter = vec![0x87, 1, b'a'];
    for _ in 0..50_000 {
        let mut outer = Vec::new();
        write_octets(&mut outer, 0xa2, &filter);
        filter = outer;
    }
    let decoded = decode_one(tag::SEARCH, oid::ASSERTION, &filter, |_| {});
    assert!(matches!(decoded, Err(ControlError::Malformed { .. })));
}

fn octets() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..150)
}

proptest! {
    #[test]
    fn a_window_reads_back(
        before in 0..=i32::MAX,
        after in 0..=i32::MAX,
        offset in option::of((0..=i32::MAX, 0..=i32::MAX)),
        at_least in octets(),
        context in option::of(octets()),
    ) {
        let value = sequence(|out| {
            write_integer(out, ber::INTEGER, i64::from(before));
            write_integer(out, ber::INTEGER, i64::from(after));
            match offset {
                Some((offset, count)) => write_nested(out, 0xa0, |out| {
                    write_integer(out, ber::INTEGER, i64::from(offset));
                    write_integer(out, ber::INTEGER, i64::from(count));
                }),
                None => write_octets(out, 0x81, &at_least),
            }
            if let Some(context) = &context {
                write_octets(out, ber::OCTET_STRING, context);
            }
        });
        let target = match offset {
            Some((offset, count)) => Target::Offset {
                offset: offset.cast_unsigned(),
                content_count: count.cast_unsigned(),
            },
            None => Target::AtLeast(&at_least),
        };
        let expected = VirtualListView {
            before: before.cast_unsigned(),
            after: after.cast_unsigned(),
            target,
            context: context.as_deref(),
        };
        decode_one(tag::SEARCH, oid::VLV_REQUEST, &value, |decoded| {
            assert_eq!(decoded.vlv, Some(expected));
        })
        .unwrap();
    }

    #[test]
    fn lists_of_attributes_read_back(
        attribute in octets(),
        list in vec(octets(), 0..5),
    ) {
        let write_list = |out: &mut Vec<u8>| {
            for attribute in &list {
                write_octets(out, ber::OCTET_STRING, attribute);
            }
        };
        let expected: Vec<&[u8]> = list.iter().map(Vec::as_slice).collect();
        let value = sequence(write_list);
        decode_one(tag::MODIFY, oid::PRE_READ, &value, |decoded| {
            assert_eq!(decoded.pre_read, Some(expected.clone()));
        })
        .unwrap();
        decode_one(tag::MODIFY, oid::POST_READ, &value, |decoded| {
            assert_eq!(decoded.post_read, Some(expected.clone()));
        })
        .unwrap();
        let value = sequence(|out| write_nested(out, ber::SEQUENCE, |out| {
            write_octets(out, ber::OCTET_STRING, &attribute);
            write_nested(out, ber::SEQUENCE, write_list);
        }));
        let spec = DerefSpec { attribute: &attribute, attributes: expected };
        decode_one(tag::SEARCH, oid::DEREF, &value, |decoded| {
            assert_eq!(decoded.deref, Some((vec![spec], true)));
        })
        .unwrap();
    }

    #[test]
    fn identities_and_flags_read_back(
        authorization_id in octets(),
        change_types in 1..=15u32,
        flags: [bool; 3],
    ) {
        decode_one(tag::DELETE, oid::PROXIED_AUTHORIZATION, &authorization_id, |decoded| {
            assert_eq!(decoded.proxied_authorization, Some(&authorization_id[..]));
        })
        .unwrap();
        let value = sequence(|out| {
            write_integer(out, ber::INTEGER, i64::from(change_types));
            write_boolean(out, flags[0]);
            write_boolean(out, flags[1]);
        });
        let expected = PersistentSearch {
            change_types,
            changes_only: flags[0],
            return_entry_changes: flags[1],
        };
        decode_one(tag::SEARCH, oid::PERSISTENT_SEARCH, &value, |decoded| {
            assert_eq!(decoded.persistent, Some(expected));
        })
        .unwrap();
        let mut value = Vec::new();
        write_boolean(&mut value, flags[2]);
        decode_one(tag::SEARCH, oid::SUBENTRIES, &value, |decoded| {
            assert_eq!(decoded.subentries, Some(flags[2]));
        })
        .unwrap();
    }

    #[test]
    fn values_from_outside_never_panic(value in octets(), critical: bool) {
        for oid in supported() {
            for operation in [tag::SEARCH, tag::MODIFY, tag::DELETE] {
                let sent = [control(oid, critical, Some(&value))];
                let _ = RequestControls::decode(operation, &sent);
            }
        }
    }
}
