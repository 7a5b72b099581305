//! The same requests as `ldap3_proto` and these decoders understand them.
//!
//! What `ldap3_proto` cannot express (octets that are no text, kinds of change and of filter it
//! does not know) is written by hand and read back.

use bytes::BytesMut;
use ldap3_proto::{
    control::{LdapControl, ServerSortRequet},
    proto::{
        LdapAddRequest, LdapAttribute, LdapBindCred, LdapBindRequest, LdapCompareRequest,
        LdapDerefAliases, LdapExtendedRequest, LdapFilter, LdapMatchingRuleAssertion, LdapModify,
        LdapModifyDNRequest, LdapModifyRequest, LdapModifyType, LdapMsg, LdapOp, LdapSearchRequest,
        LdapSearchScope, LdapSubstringFilter, SaslCredentials, SyncRequestMode,
    },
};
use proptest::{collection::vec, option, prelude::*};
use tokio_util::codec::Encoder;

use super::*;
use crate::{
    ber::{write_boolean, write_integer, write_nested, write_octets},
    proto::{
        RequestControls,
        control::{ExtendedDnForm, SortKey, SyncMode, oid},
    },
};

fn text(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).unwrap()
}

/// A decoded request as `ldap3_proto` would have it.
fn as_theirs(request: &Request<'_>) -> LdapOp {
    match &request.operation {
        Operation::Bind(bind) => LdapOp::BindRequest(LdapBindRequest {
            version: bind.version,
            dn: text(bind.name),
            cred: match bind.authentication {
                Authentication::Simple(password) => LdapBindCred::Simple(text(password)),
                Authentication::Sasl {
                    mechanism,
                    credentials,
                } => LdapBindCred::SASL(SaslCredentials {
                    mechanism: text(mechanism),
                    credentials: credentials.unwrap_or_default().to_vec(),
                }),
                Authentication::Other(_) => LdapBindCred::Unsupported,
            },
        }),
        Operation::Unbind => LdapOp::UnbindRequest,
        Operation::Search(search) => LdapOp::SearchRequest(LdapSearchRequest {
            base: text(search.base_object),
            scope: match search.scope {
                SearchScope::BaseObject => LdapSearchScope::Base,
                SearchScope::SingleLevel => LdapSearchScope::OneLevel,
                SearchScope::WholeSubtree => LdapSearchScope::Subtree,
                SearchScope::Subordinates => LdapSearchScope::Children,
            },
            aliases: match search.deref_aliases {
                DerefAliases::Never => LdapDerefAliases::Never,
                DerefAliases::InSearching => LdapDerefAliases::InSearching,
                DerefAliases::FindingBaseObject => LdapDerefAliases::FindingBaseObj,
                DerefAliases::Always => LdapDerefAliases::Always,
            },
            sizelimit: i32::try_from(search.size_limit).unwrap(),
            timelimit: i32::try_from(search.time_limit).unwrap(),
            typesonly: search.types_only,
            filter: filter_as_theirs(&search.filter),
            attrs: search.attributes.iter().map(text).collect(),
        }),
        Operation::Add(add) => LdapOp::AddRequest(LdapAddRequest {
            dn: text(add.entry),
            attributes: add.attributes.iter().map(attribute_as_theirs).collect(),
        }),
        Operation::Delete(entry) => LdapOp::DelRequest(text(entry)),
        Operation::Modify(modify) => LdapOp::ModifyRequest(LdapModifyRequest {
            dn: text(modify.object),
            changes: modify.changes.iter().map(change_as_theirs).collect(),
        }),
        Operation::ModifyDn(modify_dn) => LdapOp::ModifyDNRequest(LdapModifyDNRequest {
            dn: text(modify_dn.entry),
            newrdn: text(modify_dn.new_rdn),
            deleteoldrdn: modify_dn.delete_old_rdn,
            new_superior: modify_dn.new_superior.map(text),
        }),
        Operation::Compare(compare) => LdapOp::CompareRequest(LdapCompareRequest {
            dn: text(compare.entry),
            atype: text(compare.assertion.attribute),
            val: compare.assertion.value.to_vec(),
        }),
        Operation::Abandon(id) => LdapOp::AbandonRequest(id.0),
        Operation::Extended(extended) => LdapOp::ExtendedRequest(LdapExtendedRequest {
            name: text(extended.name),
            value: extended.value.map(<[u8]>::to_vec),
        }),
    }
}

fn attribute_as_theirs(attribute: &PartialAttribute<'_>) -> LdapAttribute {
    LdapAttribute {
        atype: text(attribute.description),
        vals: attribute
            .values
            .iter()
            .map(|value| value.to_vec())
            .collect(),
    }
}

fn change_as_theirs(change: &Change<'_>) -> LdapModify {
    LdapModify {
        operation: match change.operation {
            ChangeOperation::Add => LdapModifyType::Add,
            ChangeOperation::Delete => LdapModifyType::Delete,
            ChangeOperation::Replace => LdapModifyType::Replace,
            ChangeOperation::Increment => LdapModifyType::Increment,
            ChangeOperation::Other(other) => panic!("change {other}"),
        },
        modification: attribute_as_theirs(&change.modification),
    }
}

fn filter_as_theirs(filter: &Filter<'_>) -> LdapFilter {
    let parts = |parts: &[Filter<'_>]| parts.iter().map(filter_as_theirs).collect();
    let pair = |assertion: &AttributeValueAssertion<'_>| {
        (text(assertion.attribute), text(assertion.value))
    };
    match filter {
        Filter::And(inner) => LdapFilter::And(parts(inner)),
        Filter::Or(inner) => LdapFilter::Or(parts(inner)),
        Filter::Not(inner) => LdapFilter::Not(Box::new(filter_as_theirs(inner))),
        Filter::Equality(assertion) => {
            let (attribute, value) = pair(assertion);
            LdapFilter::Equality(attribute, value)
        }
        Filter::GreaterOrEqual(assertion) => {
            let (attribute, value) = pair(assertion);
            LdapFilter::GreaterOrEqual(attribute, value)
        }
        Filter::LessOrEqual(assertion) => {
            let (attribute, value) = pair(assertion);
            LdapFilter::LessOrEqual(attribute, value)
        }
        Filter::Approximate(assertion) => {
            let (attribute, value) = pair(assertion);
            LdapFilter::Approx(attribute, value)
        }
        Filter::Present(attribute) => LdapFilter::Present(text(attribute)),
        Filter::Substrings { attribute, pieces } => {
            let mut theirs = LdapSubstringFilter::default();
            for piece in pieces {
                match piece {
                    Substring::Initial(octets) => theirs.initial = Some(text(octets)),
                    Substring::Any(octets) => theirs.any.push(text(octets)),
                    Substring::Final(octets) => theirs.final_ = Some(text(octets)),
                }
            }
            LdapFilter::Substring(text(attribute), theirs)
        }
        Filter::Extensible {
            rule,
            attribute,
            value,
            dn_attributes,
        } => LdapFilter::Extensible(LdapMatchingRuleAssertion {
            matching_rule: rule.map(text),
            type_: attribute.map(text),
            match_value: text(value),
            dn_attributes: *dn_attributes,
        }),
        Filter::Unknown => panic!("a filter that was not sent"),
    }
}

/// The controls of a search that both know, in the order in which they are generated.
fn controls_as_theirs(raw: &[Control<'_>], decoded: &RequestControls<'_>) -> Vec<LdapControl> {
    let criticality = |oid: &str| {
        let mut sent = raw.iter().filter(|control| control.oid == oid.as_bytes());
        sent.next().is_some_and(|control| control.criticality)
    };
    let mut theirs = Vec::new();
    if let Some(sync) = &decoded.sync {
        theirs.push(LdapControl::SyncRequest {
            criticality: criticality(oid::SYNC_REQUEST),
            mode: match sync.mode {
                SyncMode::RefreshOnly => SyncRequestMode::RefreshOnly,
                SyncMode::RefreshAndPersist => SyncRequestMode::RefreshAndPersist,
            },
            cookie: sync.cookie.map(<[u8]>::to_vec),
            reload_hint: sync.reload_hint,
        });
    }
    if let Some(paged) = &decoded.paged {
        theirs.push(LdapControl::SimplePagedResults {
            size: i64::from(paged.size),
            cookie: paged.cookie.to_vec(),
        });
    }
    if decoded.manage_dsa_it {
        theirs.push(LdapControl::ManageDsaIT {
            criticality: criticality(oid::MANAGE_DSA_IT),
        });
    }
    if let Some((keys, _)) = &decoded.sort {
        let key = |key: &SortKey<'_>| ServerSortRequet {
            attribute_name: text(key.attribute),
            ordering_rule: key.ordering_rule.map(text),
            reverse_order: key.reverse,
        };
        theirs.push(LdapControl::ServerSort {
            sort_requests: keys.iter().map(key).collect(),
        });
    }
    if decoded.show_deleted {
        theirs.push(LdapControl::ShowDeleted {
            criticality: criticality(oid::SHOW_DELETED),
        });
    }
    if let Some(form) = decoded.extended_dn {
        theirs.push(LdapControl::ExtendedDn {
            criticality: criticality(oid::EXTENDED_DN),
            format: i32::from(form == ExtendedDnForm::Text),
        });
    }
    for control in raw {
        let oid = text(control.oid);
        if oid.starts_with("9.") {
            theirs.push(LdapControl::Unknown {
                oid,
                criticality: control.criticality,
                value: control.value.map(<[u8]>::to_vec),
            });
        }
    }
    theirs
}

const NAME: &str = "[a-z][a-zA-Z0-9;-]{0,12}";
const TEXT: &str = "\\PC{0,12}";
const DN: &str = "\\PC{0,30}";

fn octets() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..200)
}

fn any_filter() -> impl Strategy<Value = LdapFilter> {
    let substrings = (option::of(TEXT), vec(TEXT, 0..3), option::of(TEXT))
        .prop_filter("no substrings", |(initial, any, last)| {
            initial.is_some() || !any.is_empty() || last.is_some()
        })
        .prop_map(|(initial, any, final_)| LdapSubstringFilter {
            initial,
            any,
            final_,
        });
    let extensible = (option::of(NAME), option::of(NAME), TEXT, any::<bool>())
        .prop_filter("neither attribute nor rule", |(rule, attribute, ..)| {
            rule.is_some() || attribute.is_some()
        })
        .prop_map(
            |(matching_rule, type_, match_value, dn_attributes)| LdapMatchingRuleAssertion {
                matching_rule,
                type_,
                match_value,
                dn_attributes,
            },
        );
    let leaf = prop_oneof![
        (NAME, TEXT).prop_map(|(a, v)| LdapFilter::Equality(a, v)),
        (NAME, TEXT).prop_map(|(a, v)| LdapFilter::GreaterOrEqual(a, v)),
        (NAME, TEXT).prop_map(|(a, v)| LdapFilter::LessOrEqual(a, v)),
        (NAME, TEXT).prop_map(|(a, v)| LdapFilter::Approx(a, v)),
        NAME.prop_map(LdapFilter::Present),
        (NAME, substrings).prop_map(|(a, s)| LdapFilter::Substring(a, s)),
        extensible.prop_map(LdapFilter::Extensible),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(LdapFilter::And),
            vec(inner.clone(), 0..4).prop_map(LdapFilter::Or),
            inner.prop_map(|part| LdapFilter::Not(Box::new(part))),
        ]
    })
}

fn any_attribute() -> impl Strategy<Value = LdapAttribute> {
    (NAME, vec(octets(), 0..4)).prop_map(|(atype, vals)| LdapAttribute { atype, vals })
}

fn any_search() -> impl Strategy<Value = LdapOp> {
    let scope = prop::sample::select(vec![
        LdapSearchScope::Base,
        LdapSearchScope::OneLevel,
        LdapSearchScope::Subtree,
        LdapSearchScope::Children,
    ]);
    let aliases = prop::sample::select(vec![
        LdapDerefAliases::Never,
        LdapDerefAliases::InSearching,
        LdapDerefAliases::FindingBaseObj,
        LdapDerefAliases::Always,
    ]);
    let limits = (0..=i32::MAX, 0..=i32::MAX, any::<bool>());
    let attributes = vec("[a-zA-Z;*+-]{1,12}", 0..40);
    (DN, scope, aliases, limits, any_filter(), attributes).prop_map(
        |(base, scope, aliases, (sizelimit, timelimit, typesonly), filter, attrs)| {
            LdapOp::SearchRequest(LdapSearchRequest {
                base,
                scope,
                aliases,
                sizelimit,
                timelimit,
                typesonly,
                filter,
                attrs,
            })
        },
    )
}

fn any_request() -> impl Strategy<Value = LdapOp> {
    let kind = prop::sample::select(vec![
        LdapModifyType::Add,
        LdapModifyType::Delete,
        LdapModifyType::Replace,
        LdapModifyType::Increment,
    ]);
    let change = (kind, any_attribute()).prop_map(|(operation, modification)| LdapModify {
        operation,
        modification,
    });
    let credentials = prop_oneof![
        TEXT.prop_map(LdapBindCred::Simple),
        ("[A-Z0-9-]{0,20}", octets()).prop_map(|(mechanism, credentials)| {
            LdapBindCred::SASL(SaslCredentials {
                mechanism,
                credentials,
            })
        }),
    ];
    prop_oneof![
        any_search(),
        (0..127i64, DN, credentials).prop_map(|(version, dn, cred)| LdapOp::BindRequest(
            LdapBindRequest { version, dn, cred }
        )),
        (DN, vec(any_attribute(), 0..5))
            .prop_map(|(dn, attributes)| LdapOp::AddRequest(LdapAddRequest { dn, attributes })),
        (DN, vec(change, 0..5))
            .prop_map(|(dn, changes)| LdapOp::ModifyRequest(LdapModifyRequest { dn, changes })),
        DN.prop_map(LdapOp::DelRequest),
        (DN, DN, any::<bool>(), option::of(DN)).prop_map(
            |(dn, newrdn, deleteoldrdn, new_superior)| {
                LdapOp::ModifyDNRequest(LdapModifyDNRequest {
                    dn,
                    newrdn,
                    deleteoldrdn,
                    new_superior,
                })
            }
        ),
        (DN, NAME, octets()).prop_map(|(dn, atype, val)| LdapOp::CompareRequest(
            LdapCompareRequest { dn, atype, val }
        )),
        (1..=i32::MAX).prop_map(LdapOp::AbandonRequest),
        ("[0-9.]{1,30}", option::of(octets()))
            .prop_map(|(name, value)| LdapOp::ExtendedRequest(LdapExtendedRequest { name, value })),
        Just(LdapOp::UnbindRequest),
    ]
}

fn any_controls() -> impl Strategy<Value = Vec<LdapControl>> {
    let mode = prop::sample::select(vec![
        SyncRequestMode::RefreshOnly,
        SyncRequestMode::RefreshAndPersist,
    ]);
    let sync = (any::<bool>(), mode, option::of(octets()), any::<bool>()).prop_map(
        |(criticality, mode, cookie, reload_hint)| LdapControl::SyncRequest {
            criticality,
            mode,
            cookie,
            reload_hint,
        },
    );
    let paged = (0..=i64::from(i32::MAX), octets())
        .prop_map(|(size, cookie)| LdapControl::SimplePagedResults { size, cookie });
    let manage = any::<bool>().prop_map(|criticality| LdapControl::ManageDsaIT { criticality });
    let key = (NAME, option::of("[0-9.]{1,20}"), any::<bool>()).prop_map(
        |(attribute_name, ordering_rule, reverse_order)| ServerSortRequet {
            attribute_name,
            ordering_rule,
            reverse_order,
        },
    );
    let sort = vec(key, 1..4).prop_map(|sort_requests| LdapControl::ServerSort { sort_requests });
    let deleted = any::<bool>().prop_map(|criticality| LdapControl::ShowDeleted { criticality });
    let extended =
        (any::<bool>(), 0..2i32).prop_map(|(criticality, format)| LdapControl::ExtendedDn {
            criticality,
            format,
        });
    // Not critical, or the request is refused.
    let unknown =
        ("9\\.[0-9]{1,9}", option::of(octets())).prop_map(|(oid, value)| LdapControl::Unknown {
            oid,
            criticality: false,
            value,
        });
    (
        option::of(sync),
        option::of(paged),
        option::of(manage),
        option::of(sort),
        option::of(deleted),
        option::of(extended),
        vec(unknown, 0..3),
    )
        .prop_map(|(sync, paged, manage, sort, deleted, extended, unknown)| {
            let known = [sync, paged, manage, sort, deleted, extended];
            known.into_iter().flatten().chain(unknown).collect()
        })
}

fn encode(message: LdapMsg) -> BytesMut {
    let mut buffer = BytesMut::new();
    ldap3_proto::LdapCodec::default()
        .encode(message, &mut buffer)
        .unwrap();
    buffer
}

proptest! {
    #[test]
    fn requests_mean_the_same_to_ldap3_proto(id in 1..=i32::MAX, operation in any_request()) {
        let frame = encode(LdapMsg::new(id, operation.clone()));
        let request = decode(&frame).unwrap();
        prop_assert_eq!(request.id, MessageId(id));
        prop_assert_eq!(as_theirs(&request), operation);
        prop_assert_eq!(request.controls, []);
    }

    #[test]
    fn controls_mean_the_same_to_ldap3_proto(
        operation in any_search(),
        controls in any_controls(),
    ) {
        let frame = encode(LdapMsg { msgid: 5, op: operation, ctrl: controls.clone() });
        let request = decode(&frame).unwrap();
        let decoded = RequestControls::decode(tag::SEARCH, &request.controls).unwrap();
        prop_assert_eq!(controls_as_theirs(&request.controls, &decoded), controls);
    }

    #[test]
    fn octets_and_kinds_of_change_read_back(
        object in octets(),
        kind in 0..9i64,
        description in octets(),
        values in vec(octets(), 0..4),
    ) {
        let mut frame = Vec::new();
        write_nested(&mut frame, ber::SEQUENCE, |out| {
            write_integer(out, ber::INTEGER, 3);
            write_nested(out, tag::MODIFY, |out| {
                write_octets(out, ber::OCTET_STRING, &object);
                write_nested(out, ber::SEQUENCE, |out| {
                    write_nested(out, ber::SEQUENCE, |out| {
                        write_integer(out, ber::ENUMERATED, kind);
                        write_nested(out, ber::SEQUENCE, |out| {
                            write_octets(out, ber::OCTET_STRING, &description);
                            write_nested(out, ber::SET, |out| {
                                for value in &values {
                                    write_octets(out, ber::OCTET_STRING, value);
                                }
                            });
                        });
                    });
                });
            });
        });
        let Operation::Modify(modify) = decode(&frame).unwrap().operation else {
            panic!("not a modify");
        };
        prop_assert_eq!(modify.object, &object[..]);
        prop_assert_eq!(modify.changes.len(), 1);
        let change = &modify.changes[0];
        let expected = match kind {
            0 => ChangeOperation::Add,
            1 => ChangeOperation::Delete,
            2 => ChangeOperation::Replace,
            3 => ChangeOperation::Increment,
            other => ChangeOperation::Other(other),
        };
        prop_assert_eq!(change.operation, expected);
        prop_assert_eq!(change.modification.description, &description[..]);
        prop_assert_eq!(&change.modification.values, &values);
    }

    #[test]
    fn assertions_of_any_octets_read_back(
        base in octets(),
        attribute in octets(),
        value in octets(),
        tag in prop::sample::select(vec![0xa3, 0xa5, 0xa6, 0xa8]),
    ) {
        let mut frame = Vec::new();
        write_nested(&mut frame, ber::SEQUENCE, |out| {
            write_integer(out, ber::INTEGER, 3);
            write_nested(out, tag::SEARCH, |out| {
                write_octets(out, ber::OCTET_STRING, &base);
                write_integer(out, ber::ENUMERATED, 0);
                write_integer(out, ber::ENUMERATED, 3);
                write_integer(out, ber::INTEGER, 0);
                write_integer(out, ber::INTEGER, 0);
                write_boolean(out, true);
                write_nested(out, tag, |out| {
                    write_octets(out, ber::OCTET_STRING, &attribute);
                    write_octets(out, ber::OCTET_STRING, &value);
                });
                write_nested(out, ber::SEQUENCE, |out| {
                    write_octets(out, ber::OCTET_STRING, &attribute);
                });
            });
        });
        let Operation::Search(search) = decode(&frame).unwrap().operation else {
            panic!("not a search");
        };
        let assertion = AttributeValueAssertion { attribute: &attribute, value: &value };
        let expected = match tag {
            0xa3 => Filter::Equality(assertion),
            0xa5 => Filter::GreaterOrEqual(assertion),
            0xa6 => Filter::LessOrEqual(assertion),
            _ => Filter::Approximate(assertion),
        };
        prop_assert_eq!(search.base_object, &base[..]);
        prop_assert_eq!(search.filter, expected);
        prop_assert_eq!(search.attributes.iter().collect::<Vec<_>>(), [&attribute[..]]);
    }
}
