use proptest::prelude::*;

use super::*;
use crate::ber::{write_boolean, write_integer, write_nested, write_octets};

fn message(tag: Tag, contents: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write_nested(&mut out, ber::SEQUENCE, |out| {
        write_integer(out, ber::INTEGER, 7);
        write_nested(out, tag, contents);
    });
    out
}

fn search_with(filter: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    message(tag::SEARCH, |out| {
        write_octets(out, ber::OCTET_STRING, b"dc=example");
        write_integer(out, ber::ENUMERATED, 2);
        write_integer(out, ber::ENUMERATED, 0);
        write_integer(out, ber::INTEGER, 0);
        write_integer(out, ber::INTEGER, 0);
        write_boolean(out, false);
        filter(out);
        write_nested(out, ber::SEQUENCE, |_| {});
    })
}

#[test]
fn assertion_values_and_passwords_are_octets() {
    let frame = search_with(|out| {
        write_nested(out, 0xa3, |out| {
            write_octets(out, ber::OCTET_STRING, b"objectGUID");
            write_octets(out, ber::OCTET_STRING, &[0xff; 16]);
        });
    });
    let Operation::Search(search) = decode(&frame).unwrap().operation else {
        panic!("not a search");
    };
    assert_eq!(
        search.filter,
        Filter::Equality(AttributeValueAssertion {
            attribute: b"objectGUID",
            value: &[0xff; 16]
        })
    );
    let frame = message(tag::BIND, |out| {
        write_integer(out, ber::INTEGER, 3);
        write_octets(out, ber::OCTET_STRING, b"cn=x");
        write_octets(out, 0x80, b"a\0\xff");
    });
    let Operation::Bind(bind) = decode(&frame).unwrap().operation else {
        panic!("not a bind");
    };
    assert_eq!(bind.authentication, Authentication::Simple(b"a\0\xff"));
    assert!(!format!("{bind:?}").contains("255"));
}

#[test]
fn a_filter_nested_too_deep_is_an_error_and_no_overflow() {
    let nested = |levels: usize| {
        let mut filter = vec![0x87, 1, b'a'];
        for _ in 0..levels {
            let mut outer = Vec::new();
            write_octets(&mut outer, 0xa2, &filter);
            filter = outer;
        }
        search_with(|out| out.extend_from_slice(&filter))
    };
    assert!(decode(&nested(MAX_FILTER_DEPTH - 1)).is_ok());
    for levels in [MAX_FILTER_DEPTH, 50_000] {
        let error = decode(&nested(levels)).unwrap_err();
        assert_eq!(error.reason, Reason::FilterDepth);
        assert_eq!(error.id, Some(MessageId(7)));
    }
}

#[test]
fn thousands_of_filter_parts_are_fine() {
    let frame = search_with(|out| {
        write_nested(out, 0xa1, |out| {
            for _ in 0..20_000 {
                write_octets(out, 0x87, b"cn");
            }
        });
    });
    assert!(decode(&frame).is_ok());
}

#[test]
fn message_ids_outside_of_the_range_are_refused() {
    for id in [0i64, -1, 1 << 31, i64::MAX] {
        let mut out = Vec::new();
        write_nested(&mut out, ber::SEQUENCE, |out| {
            write_integer(out, ber::INTEGER, id);
            write_octets(out, tag::UNBIND, b"");
        });
        let error = decode(&out).unwrap_err();
        assert_eq!(error.reason, Reason::MessageId(id));
        assert_eq!(error.id, None);
    }
}

#[test]
fn controls_are_kept_with_their_criticality_and_trailing_parts_ignored() {
    let mut out = Vec::new();
    write_nested(&mut out, ber::SEQUENCE, |out| {
        write_integer(out, ber::INTEGER, 1);
        write_octets(out, tag::DELETE, b"dc=x");
        write_nested(out, 0xa0, |out| {
            write_nested(out, ber::SEQUENCE, |out| {
                write_octets(out, ber::OCTET_STRING, b"1.2.3");
                write_boolean(out, true);
                write_octets(out, ber::OCTET_STRING, b"v");
            });
            write_nested(out, ber::SEQUENCE, |out| {
                write_octets(out, ber::OCTET_STRING, b"1.2.4");
            });
        });
        write_octets(out, 0x8b, b"from the future");
    });
    let request = decode(&out).unwrap();
    assert_eq!(
        request.controls,
        [
            Control {
                oid: b"1.2.3",
                criticality: true,
                value: Some(b"v")
            },
            Control {
                oid: b"1.2.4",
                criticality: false,
                value: None
            },
        ]
    );
    assert_eq!(request.operation, Operation::Delete(b"dc=x"));
}

#[test]
fn an_unknown_operation_is_named() {
    let error = decode(&message(ber::application(30), |_| {})).unwrap_err();
    assert_eq!(error.reason, Reason::UnknownOperation(0x7e));
    assert_eq!(error.operation, Some(0x7e));
}

/// The octets of a request with everything after the message id as given.
fn with_id_and(rest: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_nested(&mut out, ber::SEQUENCE, |out| {
        write_integer(out, ber::INTEGER, 7);
        out.extend_from_slice(rest);
    });
    out
}

#[test]
fn the_operation_is_known_although_it_is_cut_short() {
    // A DelRequest of nine octets of which two are there.
    let error = decode(&with_id_and(&[tag::DELETE, 9, b'd', b'c'])).unwrap_err();
    assert_eq!(error.id, Some(MessageId(7)));
    assert_eq!(error.operation, Some(tag::DELETE));
}

#[test]
fn an_unbind_is_one_whatever_it_carries() {
    for rest in [
        &[tag::UNBIND, 0][..],
        &[tag::UNBIND, 3, 1, 2, 3],
        &[tag::UNBIND, 0, 0xa0, 2, 0x30, 9],
        &[tag::UNBIND, 0, 0xff, 0xff],
    ] {
        let frame = with_id_and(rest);
        let request = decode(&frame).unwrap();
        assert_eq!(request.operation, Operation::Unbind, "{rest:x?}");
    }
}

#[test]
fn responses_sent_by_a_client_are_no_requests() {
    for response in [
        0x61, 0x64, 0x65, 0x67, 0x69, 0x6b, 0x6d, 0x6f, 0x73, 0x78, 0x79,
    ] {
        let error = decode(&message(response, |_| {})).unwrap_err();
        assert_eq!(error.reason, Reason::UnknownOperation(response));
    }
}

#[test]
fn a_known_choice_in_the_wrong_form_is_no_unknown_choice() {
    let bind = |choice: &[u8]| {
        let frame = message(tag::BIND, |out| {
            write_integer(out, ber::INTEGER, 3);
            write_octets(out, ber::OCTET_STRING, b"");
            out.extend_from_slice(choice);
        });
        decode(&frame).map(|request| match request.operation {
            Operation::Bind(bind) => matches!(bind.authentication, Authentication::Other(_)),
            _ => false,
        })
    };
    assert_eq!(bind(&[0x85, 0]), Ok(true));
    assert_eq!(bind(&[0xbf, 0x40, 0]), Ok(true));
    for choice in [&[0xa0, 0][..], &[0x83, 0], &[0x04, 0], &[0x30, 0]] {
        assert_eq!(bind(choice).unwrap_err().reason, Reason::Authentication);
    }
    let filter = |octets: &[u8]| match decode(&search_with(|out| out.extend_from_slice(octets))) {
        Ok(Request {
            operation: Operation::Search(search),
            ..
        }) => Ok(search.filter == Filter::Unknown),
        Ok(_) => Ok(false),
        Err(error) => Err(error.reason),
    };
    assert_eq!(filter(&[0x8a, 0]), Ok(true));
    assert_eq!(filter(&[0xaf, 2, 0xff, 0xff]), Ok(true));
    assert_eq!(filter(&[0xbf, 0x81, 0x01, 0]), Ok(true));
    for octets in [
        &[0x83, 0][..],
        &[0xa7, 0],
        &[0x80, 0],
        &[0x04, 0],
        &[0x30, 0],
    ] {
        assert!(filter(octets).is_err(), "{octets:x?}");
    }
}

#[test]
fn components_from_the_future_are_passed_over_in_every_sequence() {
    const FUTURE: [u8; 5] = [0xbf, 0x40, 2, 0x8f, 0];
    let more = |out: &mut Vec<u8>| out.extend_from_slice(&FUTURE);
    let assertion = |out: &mut Vec<u8>| {
        write_octets(out, ber::OCTET_STRING, b"cn");
        write_octets(out, ber::OCTET_STRING, b"v");
        more(out);
    };
    let attribute = |out: &mut Vec<u8>| {
        write_octets(out, ber::OCTET_STRING, b"cn");
        write_nested(out, ber::SET, |_| {});
        more(out);
    };
    let dn = |out: &mut Vec<u8>| write_octets(out, ber::OCTET_STRING, b"dc=x");
    let frames = [
        message(tag::BIND, |out| {
            write_integer(out, ber::INTEGER, 3);
            dn(out);
            write_nested(out, 0xa3, |out| {
                write_octets(out, ber::OCTET_STRING, b"EXTERNAL");
                more(out);
            });
            more(out);
        }),
        message(tag::COMPARE, |out| {
            dn(out);
            write_nested(out, ber::SEQUENCE, assertion);
            more(out);
        }),
        message(tag::ADD, |out| {
            dn(out);
            write_nested(out, ber::SEQUENCE, |out| {
                write_nested(out, ber::SEQUENCE, attribute);
            });
            more(out);
        }),
        message(tag::MODIFY, |out| {
            dn(out);
            write_nested(out, ber::SEQUENCE, |out| {
                write_nested(out, ber::SEQUENCE, |out| {
                    write_integer(out, ber::ENUMERATED, 2);
                    write_nested(out, ber::SEQUENCE, attribute);
                    more(out);
                });
            });
            more(out);
        }),
        message(tag::MODIFY_DN, |out| {
            dn(out);
            dn(out);
            write_boolean(out, true);
            more(out);
        }),
        message(tag::EXTENDED, |out| {
            write_octets(out, 0x80, b"1.2.3");
            more(out);
        }),
        search_with(|out| {
            write_nested(out, 0xa0, |out| {
                write_nested(out, 0xa3, assertion);
                write_nested(out, 0xa9, |out| {
                    write_octets(out, 0x81, b"2.5.13.2");
                    write_octets(out, 0x83, b"v");
                    more(out);
                });
                write_nested(out, 0xa4, |out| {
                    write_octets(out, ber::OCTET_STRING, b"cn");
                    write_nested(out, ber::SEQUENCE, |out| write_octets(out, 0x81, b"v"));
                    more(out);
                });
            });
        }),
        with_id_and(&[&[tag::DELETE, 0][..], &FUTURE].concat()),
    ];
    for frame in frames {
        decode(&frame).unwrap_or_else(|error| panic!("{error}: {frame:x?}"));
    }
}

#[test]
fn a_criticality_in_the_wrong_place_is_not_lost() {
    let controls = |octets: &[u8]| {
        let mut rest = vec![tag::DELETE, 0];
        rest.extend_from_slice(octets);
        decode(&with_id_and(&rest)).map(|request| request.controls.len())
    };
    assert_eq!(controls(&[0xa0, 5, 0x30, 3, 4, 1, b'1']), Ok(1));
    // Behind the value.
    let behind = [0xa0, 10, 0x30, 8, 4, 1, b'1', 4, 0, 1, 1, 0xff];
    assert!(controls(&behind).is_err());
    // The list itself, primitive.
    assert!(controls(&[0x80, 5, 0x30, 3, 4, 1, b'1']).is_err());
    // A control without its name, and a list cut short.
    assert!(controls(&[0xa0, 2, 0x30, 0]).is_err());
    assert!(controls(&[0xa0, 5, 0x30, 4, 4, 1, b'1']).is_err());
}

#[test]
fn a_superior_or_a_value_in_the_wrong_form_is_not_lost() {
    let rename = |superior: &[u8]| {
        let frame = message(tag::MODIFY_DN, |out| {
            write_octets(out, ber::OCTET_STRING, b"cn=a");
            write_octets(out, ber::OCTET_STRING, b"cn=b");
            out.extend_from_slice(&[1, 1, 0]);
            out.extend_from_slice(superior);
        });
        decode(&frame).map(|_| ())
    };
    let extended = |value: &[u8]| {
        let frame = message(tag::EXTENDED, |out| {
            write_octets(out, ber::context(0), b"1.2");
            out.extend_from_slice(value);
        });
        decode(&frame).map(|_| ())
    };
    assert_eq!(rename(&[0x80, 0]), Ok(()));
    assert_eq!(rename(&[0x81, 0]), Ok(()));
    assert!(rename(&[0xa0, 2, 4, 0]).is_err());
    assert_eq!(extended(&[0x81, 0]), Ok(()));
    assert_eq!(extended(&[0x82, 0]), Ok(()));
    assert!(extended(&[0xa1, 2, 0x30, 0]).is_err());
}

#[test]
fn substrings_have_their_order() {
    let pieces = |octets: &[u8]| {
        let frame = search_with(|out| {
            write_nested(out, 0xa4, |out| {
                write_octets(out, ber::OCTET_STRING, b"cn");
                write_octets(out, ber::SEQUENCE, octets);
            });
        });
        decode(&frame).is_ok()
    };
    assert!(pieces(&[0x80, 0]));
    assert!(pieces(&[0x80, 1, b'a', 0x81, 0, 0x81, 1, b'b', 0x82, 0]));
    for wrong in [
        &[][..],
        &[0x81, 0, 0x80, 0],
        &[0x82, 0, 0x81, 0],
        &[0x82, 0, 0x82, 0],
        &[0x80, 0, 0x80, 0],
        &[0x83, 0],
        &[4, 0],
    ] {
        assert!(!pieces(wrong), "{wrong:x?}");
    }
}

#[test]
fn integers_may_be_longer_than_they_need() {
    let mut out = Vec::new();
    write_nested(&mut out, ber::SEQUENCE, |out| {
        write_octets(out, ber::INTEGER, &[0, 0, 0, 5]);
        write_octets(out, tag::ABANDON, &[0, 0, 0, 0, 9]);
    });
    let request = decode(&out).unwrap();
    assert_eq!(request.id, MessageId(5));
    assert_eq!(request.operation, Operation::Abandon(MessageId(9)));
    for id in [&[][..], &[0; 9]] {
        let mut out = Vec::new();
        write_nested(&mut out, ber::SEQUENCE, |out| {
            write_octets(out, ber::INTEGER, id);
            write_octets(out, tag::ABANDON, &[1]);
        });
        assert_eq!(decode(&out).unwrap_err().id, None);
    }
}

#[test]
fn thousands_of_attributes_and_values_and_controls_are_fine() {
    let add = message(tag::ADD, |out| {
        write_octets(out, ber::OCTET_STRING, b"dc=x");
        write_nested(out, ber::SEQUENCE, |out| {
            for _ in 0..10_000 {
                write_nested(out, ber::SEQUENCE, |out| {
                    write_octets(out, ber::OCTET_STRING, b"cn");
                    write_nested(out, ber::SET, |out| {
                        write_octets(out, ber::OCTET_STRING, &[0xff, 0]);
                    });
                });
            }
        });
    });
    let Operation::Add(add) = decode(&add).unwrap().operation else {
        panic!("not an add");
    };
    assert_eq!(add.attributes.len(), 10_000);
    let mut rest = vec![tag::DELETE, 0];
    write_nested(&mut rest, 0xa0, |out| {
        for _ in 0..10_000 {
            write_nested(out, ber::SEQUENCE, |out| {
                write_octets(out, ber::OCTET_STRING, b"1.2.3");
            });
        }
    });
    assert_eq!(decode(&with_id_and(&rest)).unwrap().controls.len(), 10_000);
}

proptest! {
    #[test]
    fn octets_from_outside_never_panic(mut frame in prop::collection::vec(any::<u8>(), 0..200), mutate: bool) {
        if mutate {
            let mut valid = search_with(|out| write_octets(out, 0x87, b"cn"));
            let length = valid.len();
            for (index, octet) in frame.iter().enumerate().take(3) {
                valid[(usize::from(*octet) * 7 + index) % length] ^= octet | 1;
            }
            frame = valid;
        }
        let _ = decode(&frame);
    }
}
