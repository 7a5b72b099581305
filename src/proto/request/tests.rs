use bytes::BytesMut;
use ldap3_proto::proto::{LdapBindCred, LdapFilter, LdapMsg, LdapOp, LdapSubstringFilter};
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

/// What `ldap3_proto` makes of the same octets, in our types' debug form.
fn oracle_filter(filter: &LdapFilter) -> String {
    match filter {
        LdapFilter::And(parts) => {
            format!("&{:?}", parts.iter().map(oracle_filter).collect::<Vec<_>>())
        }
        LdapFilter::Or(parts) => {
            format!("|{:?}", parts.iter().map(oracle_filter).collect::<Vec<_>>())
        }
        LdapFilter::Not(part) => format!("!{}", oracle_filter(part)),
        LdapFilter::Equality(attribute, value) => format!("{attribute}={value}"),
        LdapFilter::GreaterOrEqual(attribute, value) => format!("{attribute}>={value}"),
        LdapFilter::LessOrEqual(attribute, value) => format!("{attribute}<={value}"),
        LdapFilter::Approx(attribute, value) => format!("{attribute}~={value}"),
        LdapFilter::Present(attribute) => format!("{attribute}=*"),
        LdapFilter::Substring(
            attribute,
            LdapSubstringFilter {
                initial,
                any,
                final_,
            },
        ) => {
            format!("{attribute}={initial:?}*{any:?}*{final_:?}")
        }
        LdapFilter::Extensible(assertion) => format!("{assertion:?}"),
    }
}

fn our_filter(filter: &Filter<'_>) -> String {
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    let pair = |assertion: &AttributeValueAssertion<'_>, operator: &str| {
        format!(
            "{}{operator}{}",
            text(assertion.attribute),
            text(assertion.value)
        )
    };
    match filter {
        Filter::And(parts) => format!("&{:?}", parts.iter().map(our_filter).collect::<Vec<_>>()),
        Filter::Or(parts) => format!("|{:?}", parts.iter().map(our_filter).collect::<Vec<_>>()),
        Filter::Not(part) => format!("!{}", our_filter(part)),
        Filter::Equality(assertion) => pair(assertion, "="),
        Filter::GreaterOrEqual(assertion) => pair(assertion, ">="),
        Filter::LessOrEqual(assertion) => pair(assertion, "<="),
        Filter::Approximate(assertion) => pair(assertion, "~="),
        Filter::Present(attribute) => format!("{}=*", text(attribute)),
        Filter::Substrings { attribute, pieces } => {
            let mut parts = (None, Vec::new(), None);
            for piece in pieces {
                match piece {
                    Substring::Initial(octets) => parts.0 = Some(text(octets)),
                    Substring::Any(octets) => parts.1.push(text(octets)),
                    Substring::Final(octets) => parts.2 = Some(text(octets)),
                }
            }
            format!(
                "{}={:?}*{:?}*{:?}",
                text(attribute),
                parts.0,
                parts.1,
                parts.2
            )
        }
        other => format!("{other:?}"),
    }
}

fn any_filter() -> impl Strategy<Value = LdapFilter> {
    let name = "[a-z][a-zA-Z0-9-]{0,12}";
    let value = "\\PC{0,12}";
    let leaf = prop_oneof![
        (name, value).prop_map(|(a, v)| LdapFilter::Equality(a, v)),
        (name, value).prop_map(|(a, v)| LdapFilter::GreaterOrEqual(a, v)),
        (name, value).prop_map(|(a, v)| LdapFilter::LessOrEqual(a, v)),
        (name, value).prop_map(|(a, v)| LdapFilter::Approx(a, v)),
        name.prop_map(LdapFilter::Present),
        (name, value, prop::collection::vec(value, 0..3), value).prop_map(
            |(a, initial, any, last)| {
                LdapFilter::Substring(
                    a,
                    LdapSubstringFilter {
                        initial: Some(initial),
                        any,
                        final_: Some(last),
                    },
                )
            }
        ),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(LdapFilter::And),
            prop::collection::vec(inner.clone(), 0..4).prop_map(LdapFilter::Or),
            inner.prop_map(|part| LdapFilter::Not(Box::new(part))),
        ]
    })
}

fn encode(message: LdapMsg) -> BytesMut {
    use tokio_util::codec::Encoder;
    let mut buffer = BytesMut::new();
    ldap3_proto::LdapCodec::default()
        .encode(message, &mut buffer)
        .unwrap();
    buffer
}

proptest! {
    #[test]
    fn search_requests_mean_the_same_to_ldap3_proto(
        base in "\\PC{0,30}",
        filter in any_filter(),
        attributes in prop::collection::vec("[a-zA-Z;*+-]{1,12}", 0..40),
        sizelimit in 0..i32::MAX,
        timelimit in 0..i32::MAX,
        typesonly: bool,
    ) {
        let expected = oracle_filter(&filter);
        let buffer = encode(LdapMsg::new(11, LdapOp::SearchRequest(ldap3_proto::proto::LdapSearchRequest {
            base: base.clone(),
            scope: ldap3_proto::proto::LdapSearchScope::OneLevel,
            aliases: ldap3_proto::proto::LdapDerefAliases::Always,
            sizelimit, timelimit, typesonly, filter,
            attrs: attributes.clone(),
        })));
        let request = decode(&buffer).unwrap();
        let Operation::Search(search) = request.operation else { panic!("not a search") };
        prop_assert_eq!(request.id, MessageId(11));
        prop_assert_eq!(search.base_object, base.as_bytes());
        prop_assert_eq!(search.scope, SearchScope::SingleLevel);
        prop_assert_eq!(search.deref_aliases, DerefAliases::Always);
        prop_assert_eq!(i64::from(search.size_limit), i64::from(sizelimit));
        prop_assert_eq!(i64::from(search.time_limit), i64::from(timelimit));
        prop_assert_eq!(search.types_only, typesonly);
        prop_assert_eq!(our_filter(&search.filter), expected);
        prop_assert_eq!(search.attributes, attributes.iter().map(String::as_bytes).collect::<Vec<_>>());
    }

    #[test]
    fn bind_requests_mean_the_same_to_ldap3_proto(dn in "\\PC{0,40}", password in "\\PC{0,40}") {
        let buffer = encode(LdapMsg::new(1, LdapOp::BindRequest(ldap3_proto::proto::LdapBindRequest {
            version: 3,
            dn: dn.clone(),
            cred: LdapBindCred::Simple(password.clone()),
        })));
        let Operation::Bind(bind) = decode(&buffer).unwrap().operation else { panic!("not a bind") };
        prop_assert_eq!(bind.name, dn.as_bytes());
        prop_assert_eq!(bind.authentication, Authentication::Simple(password.as_bytes()));
    }

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
