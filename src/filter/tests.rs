use proptest::prelude::*;

use super::*;

fn equality(attribute: &str, value: &[u8]) -> Filter {
    Filter::Equality {
        attribute: attribute.into(),
        value: value.into(),
    }
}

fn substrings(attribute: &str, initial: &str, any: &[&str], final_: &str) -> Filter {
    let some = |part: &str| (!part.is_empty()).then(|| part.as_bytes().to_vec());
    Filter::Substrings {
        attribute: attribute.into(),
        initial: some(initial),
        any: any.iter().map(|part| part.as_bytes().to_vec()).collect(),
        final_: some(final_),
    }
}

fn extensible(attribute: &str, dn_attributes: bool, rule: &str, value: &str) -> Filter {
    let some = |part: &str| (!part.is_empty()).then(|| part.to_owned());
    Filter::Extensible {
        rule: some(rule),
        attribute: some(attribute),
        value: value.into(),
        dn_attributes,
    }
}

#[test]
fn reads_the_examples_of_rfc_4515() {
    for (text, filter) in [
        ("(cn=Babs Jensen)", equality("cn", b"Babs Jensen")),
        (
            "(!(cn=Tim Howes))",
            Filter::Not(Box::new(equality("cn", b"Tim Howes"))),
        ),
        (
            "(&(objectClass=Person)(|(sn=Jensen)(cn=Babs J*)))",
            Filter::And(vec![
                equality("objectClass", b"Person"),
                Filter::Or(vec![
                    equality("sn", b"Jensen"),
                    substrings("cn", "Babs J", &[], ""),
                ]),
            ]),
        ),
        (
            "(o=univ*of*mich*)",
            substrings("o", "univ", &["of", "mich"], ""),
        ),
        ("(seeAlso=)", equality("seeAlso", b"")),
        (
            "(cn:caseExactMatch:=Fred Flintstone)",
            extensible("cn", false, "caseExactMatch", "Fred Flintstone"),
        ),
        (
            "(cn:=Betty Rubble)",
            extensible("cn", false, "", "Betty Rubble"),
        ),
        (
            "(sn:dn:2.4.6.8.10:=Barney Rubble)",
            extensible("sn", true, "2.4.6.8.10", "Barney Rubble"),
        ),
        (
            "(o:dn:=Ace Industry)",
            extensible("o", true, "", "Ace Industry"),
        ),
        (
            "(:1.2.3:=Wilma Flintstone)",
            extensible("", false, "1.2.3", "Wilma Flintstone"),
        ),
        (
            "(:DN:2.4.6.8.10:=Dino)",
            extensible("", true, "2.4.6.8.10", "Dino"),
        ),
        (
            "(o=Parens R Us \\28for all your parenthetical needs\\29)",
            equality("o", b"Parens R Us (for all your parenthetical needs)"),
        ),
        ("(cn=*\\2A*)", substrings("cn", "", &["*"], "")),
        (
            "(filename=C:\\5cMyFile)",
            equality("filename", b"C:\\MyFile"),
        ),
        ("(bin=\\00\\00\\00\\04)", equality("bin", b"\0\0\0\x04")),
        (
            "(sn=Lu\\c4\\8di\\c4\\87)",
            equality("sn", "Lučić".as_bytes()),
        ),
        (
            "(1.3.6.1.4.1.1466.0=\\04\\02\\48\\69)",
            equality("1.3.6.1.4.1.1466.0", b"\x04\x02Hi"),
        ),
    ] {
        assert_eq!(Filter::parse(text).unwrap(), filter, "{text}");
        assert_eq!(
            Filter::parse(&filter.to_string()).unwrap(),
            filter,
            "{text}"
        );
    }
}

#[test]
fn reads_the_rest_of_the_grammar() {
    assert_eq!(Filter::parse("(&)").unwrap(), Filter::And(vec![]));
    assert_eq!(Filter::parse("(|)").unwrap(), Filter::Or(vec![]));
    assert_eq!(
        Filter::parse("(uid=*)").unwrap(),
        Filter::Present("uid".into())
    );
    assert_eq!(
        Filter::parse("(uid=**)").unwrap(),
        Filter::Present("uid".into())
    );
    assert_eq!(
        Filter::parse("(cn=a**b)").unwrap(),
        substrings("cn", "a", &[], "b")
    );
    assert_eq!(
        Filter::parse("(cn=*a)").unwrap(),
        substrings("cn", "", &[], "a")
    );
    assert_eq!(
        Filter::parse("(userCertificate;binary=\\30)").unwrap(),
        equality("userCertificate;binary", b"0")
    );
    assert_eq!(Filter::parse("(a=b=c)").unwrap(), equality("a", b"b=c"));
    assert_eq!(
        Filter::parse(" ( & (uidNumber>=1)\n (uidNumber<=2) (cn~=x) ) ")
            .unwrap()
            .to_string(),
        "(&(uidNumber>=1)(uidNumber<=2)(cn~=x))"
    );
}

#[test]
fn errors_tell_where() {
    for (text, offset) in [
        ("", 0),
        ("cn=x", 0),
        ("()", 1),
        ("(cn)", 3),
        ("(cn=x", 5),
        ("(cn=x))", 6),
        ("(cn=x)(sn=y)", 6),
        ("(cn=a(b)", 5),
        ("(cn=\\zz)", 5),
        ("(cn=\\2", 5),
        ("(cn>=a*)", 6),
        ("(:=x)", 3),
        ("(:dn:=x)", 6),
        ("(cn:rule)", 8),
        ("(!)", 2),
        ("(&(cn=x)sn=y)", 8),
        ("(cn=a\0)", 5),
    ] {
        assert_eq!(Filter::parse(text).unwrap_err().offset, offset, "{text}");
    }
}

#[test]
fn the_depth_is_limited() {
    let nested = |levels: usize| format!("{}(a=b){}", "(!".repeat(levels), ")".repeat(levels));
    assert!(Filter::parse(&nested(MAX_DEPTH - 1)).is_ok());
    assert!(Filter::parse(&nested(MAX_DEPTH)).is_err());
    assert!(Filter::parse(&"(!".repeat(1_000_000)).is_err());
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let name = || "[a-z][a-zA-Z0-9-]{0,6}(;[a-z]{1,3})?|[0-2](\\.[0-9]{1,3}){1,3}";
    let value = || {
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..8),
            ".{0,8}".prop_map(String::into_bytes)
        ]
    };
    let part = || proptest::collection::vec(any::<u8>(), 1..6);
    let leaf = prop_oneof![
        (name(), value()).prop_map(|(attribute, value)| Filter::Equality { attribute, value }),
        (name(), value())
            .prop_map(|(attribute, value)| Filter::GreaterOrEqual { attribute, value }),
        (name(), value()).prop_map(|(attribute, value)| Filter::LessOrEqual { attribute, value }),
        (name(), value()).prop_map(|(attribute, value)| Filter::Approx { attribute, value }),
        name().prop_map(Filter::Present),
        (
            name(),
            proptest::option::of(part()),
            proptest::collection::vec(part(), 0..3),
            proptest::option::of(part())
        )
            .prop_filter("some part", |(_, initial, any, final_)| {
                initial.is_some() || final_.is_some() || !any.is_empty()
            })
            .prop_map(|(attribute, initial, any, final_)| Filter::Substrings {
                attribute,
                initial,
                any,
                final_
            }),
        (
            proptest::option::of("[a-z]{3,6}Match"),
            proptest::option::of(name()),
            value(),
            any::<bool>()
        )
            .prop_filter("a rule or an attribute", |(rule, attribute, _, _)| {
                rule.is_some() || attribute.is_some()
            })
            .prop_map(
                |(rule, attribute, value, dn_attributes)| Filter::Extensible {
                    rule,
                    attribute,
                    value,
                    dn_attributes
                }
            ),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Filter::And),
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Filter::Or),
            inner.prop_map(|filter| Filter::Not(Box::new(filter))),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(filter in any_filter()) {
        prop_assert_eq!(Filter::parse(&filter.to_string()).unwrap(), filter);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[(&|!)=*:~<>a\\\\0 ]{0,30}") {
        if let Ok(filter) = Filter::parse(&text) {
            prop_assert_eq!(Filter::parse(&filter.to_string()).unwrap(), filter);
        }
    }
}
