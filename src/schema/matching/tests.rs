use proptest::prelude::*;

use super::*;

fn normalized(rule: MatchingRule, value: &[u8]) -> Result<Vec<u8>, InvalidValue> {
    let schema = Schema::shared_builtin();
    rule.normalize(&schema, value).map(Cow::into_owned)
}

fn matches(rule: MatchingRule, value: &[u8], assertion: &[u8]) -> bool {
    let schema = Schema::shared_builtin();
    let value = rule.normalize(&schema, value);
    let assertion = rule.normalize_assertion(&schema, assertion);
    value.is_ok() && value == assertion
}

#[test]
fn rules_have_their_own_names_and_numbers() {
    for rule in MatchingRule::all() {
        assert_eq!(MatchingRule::by_name(rule.oid().as_bytes()), Some(rule));
        let shouted = rule.name().to_ascii_uppercase();
        assert_eq!(MatchingRule::by_name(shouted.as_bytes()), Some(rule));
    }
    assert_eq!(MatchingRule::by_name(b"noSuchMatch"), None);
}

#[test]
fn equality() {
    use MatchingRule::*;
    for (rule, value, assertion, expected) in [
        (CaseIgnoreMatch, "Foo  Bar ", " foo bar", true),
        (CaseIgnoreMatch, "foobar", "foo bar", false),
        (CaseIgnoreMatch, "Zo\u{eb}", "ZOE\u{308}", true),
        (CaseIgnoreMatch, "USÉR", "usér", true),
        (CaseExactMatch, "Foo  Bar", "Foo Bar", true),
        (CaseExactMatch, "Foo", "foo", false),
        (CaseExactMatch, "e\u{301}", "\u{e9}", true),
        (CaseIgnoreIa5Match, "A@Example.com", "a@example.COM", true),
        (CaseExactIa5Match, "/bin/Bash", "/bin/bash", false),
        (NumericStringMatch, "15 079 672 281", "15079672281", true),
        (NumericStringMatch, "1507", "1508", false),
        (
            TelephoneNumberMatch,
            "+1 512-315-0280",
            "+15123150280",
            true,
        ),
        (TelephoneNumberMatch, "+1 512", "1 512", false),
        (IntegerMatch, "1000", "1000", true),
        (IntegerMatch, "1000", "01000", false),
        (BooleanMatch, "TRUE", "TRUE", true),
        (BooleanMatch, "true", "true", false),
        (BitStringMatch, "'0101'B", "'0101'B", true),
        (BitStringMatch, "'0101'B", "'101'B", false),
        (
            GeneralizedTimeMatch,
            "20240101000000Z",
            "202401010100+0100",
            true,
        ),
        (
            GeneralizedTimeMatch,
            "20240101000000.0Z",
            "2024010100Z",
            true,
        ),
        (
            UuidMatch,
            "597AE2F6-16a6-1027-98f4-d28b5365dc14",
            "597ae2f6-16a6-1027-98f4-d28b5365dc14",
            true,
        ),
        (ObjectIdentifierMatch, "posixAccount", "POSIXACCOUNT", true),
        (
            ObjectIdentifierMatch,
            "posixAccount",
            "1.3.6.1.1.1.2.0",
            true,
        ),
        (ObjectIdentifierMatch, "person", "2.5.6.7", false),
        (ObjectIdentifierMatch, "madeUp", "MADEUP", true),
        (ObjectIdentifierMatch, "not a name", "not a name", false),
        (
            DistinguishedNameMatch,
            "CN=Steve,O=x",
            "2.5.4.3 = steve , organizationName=X",
            true,
        ),
        (
            DistinguishedNameMatch,
            "cn=a+sn=b,o=x",
            "SN=B+CN=A,O=X",
            true,
        ),
        (DistinguishedNameMatch, "cn=a,o=x", "cn=a", false),
        (DistinguishedNameMatch, "", "", true),
        (DistinguishedNameMatch, "nonsense", "nonsense", false),
        (UniqueMemberMatch, "cn=A,o=x#'01'B", "CN=a,O=x#'01'B", true),
        (UniqueMemberMatch, "cn=A,o=x#'01'B", "CN=a,O=x#'0'B", false),
        (UniqueMemberMatch, "cn=A,o=x#'01'B", "CN=a,O=x", false),
        (UniqueMemberMatch, "cn=A,o=x", "CN=a,O=x", true),
        (
            CaseIgnoreListMatch,
            "1234 Main  St.$Anytown, CA$USA",
            "1234 main st.$anytown, ca$usa",
            true,
        ),
        (CaseIgnoreListMatch, "\\241$\\5Cx", "\\241$\\5cX", true),
        (CaseIgnoreListMatch, "a\\24b", "a$b", false),
        (CaseIgnoreListMatch, "a$b", "a", false),
        (CaseIgnoreListMatch, "a$b", "b$a", false),
        (CaseIgnoreListMatch, " A  b $ C", "a b$c", true),
        (CaseIgnoreIa5Match, "", " ", true),
        (CaseIgnoreIa5Match, "", "a", false),
        (TelephoneNumberMatch, "1-800-FLOWERS", "1 800 flowers", true),
        (NumericStringMatch, " 1 2 ", "12", true),
        (BitStringMatch, "'0'B", "'00'B", false),
        (
            GeneralizedTimeMatch,
            "1994121610.5Z",
            "19941216103000,000Z",
            true,
        ),
        (
            GeneralizedTimeMatch,
            "199412161032.5Z",
            "19941216103230Z",
            true,
        ),
        (
            GeneralizedTimeMatch,
            "199412161032Z",
            "199412160532-0500",
            true,
        ),
        (
            GeneralizedTimeMatch,
            "19981231235960Z",
            "19990101005960+01",
            true,
        ),
        (
            GeneralizedTimeMatch,
            "19981231235960Z",
            "19990101000000Z",
            false,
        ),
        (
            ObjectIdentifierFirstComponentMatch,
            "( 2.5.4.3 NAME 'cn' SUP name )",
            "cn",
            true,
        ),
        (
            ObjectIdentifierFirstComponentMatch,
            "( 2.5.4.3 NAME 'cn' SUP name )",
            "2.5.4.4",
            false,
        ),
        (
            IntegerFirstComponentMatch,
            "( 2 NAME 'rule' FORM x )",
            "2",
            true,
        ),
        (
            DirectoryStringFirstComponentMatch,
            "( 'Some  Text' x )",
            "some text",
            true,
        ),
    ] {
        assert_eq!(
            matches(rule, value.as_bytes(), assertion.as_bytes()),
            expected,
            "{rule:?} {value} {assertion}"
        );
    }
    assert!(matches(OctetStringMatch, b"\xff\x00", b"\xff\x00"));
    assert!(!matches(OctetStringMatch, b"A", b"a"));
}

#[test]
fn ordering() {
    let order = |rule: MatchingRule, values: &[&str]| {
        let normalized: Vec<_> = values
            .iter()
            .map(|value| normalized(rule, value.as_bytes()).unwrap())
            .collect();
        assert!(normalized.is_sorted_by(|a, b| a < b), "{values:?}");
    };
    let large = "9".repeat(300);
    let larger = format!("1{}", "0".repeat(300));
    let (small, smaller) = (format!("-{large}"), format!("-{larger}"));
    order(
        MatchingRule::IntegerOrderingMatch,
        &[
            &smaller,
            &small,
            "-9223372036854775809",
            "-100",
            "-99",
            "-10",
            "-9",
            "-1",
            "0",
            "1",
            "9",
            "10",
            "99",
            "100",
            "9223372036854775807",
            "9223372036854775808",
            &large,
            &larger,
        ],
    );
    order(
        MatchingRule::CaseIgnoreOrderingMatch,
        &["Alice", "alice b", "BOB", "zed", "Zoë"],
    );
    order(
        MatchingRule::GeneralizedTimeOrderingMatch,
        &[
            "20231231235959Z",
            "20240101000000.5Z",
            "20240101020001+0200",
        ],
    );
    order(MatchingRule::OctetStringOrderingMatch, &["a", "aa", "b"]);
    order(
        MatchingRule::UuidOrderingMatch,
        &[
            "00000000-0000-0000-0000-000000000001",
            "597ae2f6-16a6-1027-98f4-d28b5365dc14",
            "F97ae2f6-16a6-1027-98f4-d28b5365dc14",
        ],
    );
}

fn substrings(rule: MatchingRule, value: &str, pattern: &str) -> bool {
    let value = normalized(rule, value.as_bytes()).unwrap();
    let parts: Vec<&str> = pattern.split('*').collect();
    let [initial, any @ .., final_] = parts.as_slice() else {
        panic!("{pattern}");
    };
    let part = |part: &str, position| {
        rule.normalize_substring(part.as_bytes(), position)
            .unwrap()
            .into_owned()
    };
    let some = |text: &str, position| (!text.is_empty()).then(|| part(text, position));
    let any: Vec<_> = any.iter().map(|text| part(text, Position::Any)).collect();
    substrings_match(
        &value,
        some(initial, Position::Initial).as_deref(),
        &any,
        some(final_, Position::Final).as_deref(),
    )
}

#[test]
fn parts_of_values() {
    use MatchingRule::*;
    for (rule, value, pattern, expected) in [
        (
            CaseIgnoreSubstringsMatch,
            "University of Michigan",
            "univ*of*mich*",
            true,
        ),
        (
            CaseIgnoreSubstringsMatch,
            "University of Michigan",
            "*MICHIGAN",
            true,
        ),
        (CaseIgnoreSubstringsMatch, "abc", "ab*bc", false),
        (CaseIgnoreSubstringsMatch, "abab", "ab*ab", true),
        (CaseIgnoreSubstringsMatch, "abcabc", "*bc*bc*", true),
        (CaseIgnoreSubstringsMatch, "abc", "*bc*bc*", false),
        // RFC 4518 section 2.6.1 and appendix B: spaces at the ends of parts.
        (CaseIgnoreSubstringsMatch, "foo bar", "foo *", true),
        (CaseIgnoreSubstringsMatch, "foo", "foo *", true),
        (CaseIgnoreSubstringsMatch, "foobar", "foo *", false),
        (CaseIgnoreSubstringsMatch, "foo bar", " foo* bar", true),
        (CaseIgnoreSubstringsMatch, "foo  bar", "*foo   bar*", true),
        (CaseIgnoreSubstringsMatch, "a b", "*a * b*", true),
        (CaseIgnoreSubstringsMatch, "a b", "*a * * b*", false),
        (CaseIgnoreSubstringsMatch, "foobar", "* *", true),
        (CaseIgnoreSubstringsMatch, "foo bar", "*o b*", true),
        (CaseIgnoreSubstringsMatch, "foo bar", "* bar ", true),
        (CaseIgnoreSubstringsMatch, "Zoë", "zoe\u{308}*", true),
        (CaseExactSubstringsMatch, "Foo", "f*", false),
        (
            CaseIgnoreIa5SubstringsMatch,
            "a@example.com",
            "*@EXAMPLE.*",
            true,
        ),
        (NumericStringSubstringsMatch, "123 456", "*3 4*", true),
        (
            TelephoneNumberSubstringsMatch,
            "+1 512-315-0280",
            "*5123 15*",
            true,
        ),
        (
            CaseIgnoreListSubstringsMatch,
            "1 Main St$Town",
            "*main*town",
            true,
        ),
        // RFC 4517 section 4.2.10: no part spans lines, and escapes are none of the text.
        (CaseIgnoreListSubstringsMatch, "ab$cd", "*bc*", false),
        (CaseIgnoreListSubstringsMatch, "ab$cd", "*b$c*", false),
        (CaseIgnoreListSubstringsMatch, "ab$cd", "ab*cd", true),
        (CaseIgnoreListSubstringsMatch, "a\\24b", "*\\24*", true),
        (CaseIgnoreListSubstringsMatch, "a\\24b", "*24*", false),
        (CaseIgnoreListSubstringsMatch, "a\\5Cb", "a\\5cb*", true),
        // A value of spaces alone is two of them.
        (CaseIgnoreSubstringsMatch, "  ", "* * *", true),
        (CaseIgnoreSubstringsMatch, "  ", "* * * *", false),
    ] {
        assert_eq!(
            substrings(rule, value, pattern),
            expected,
            "{value} {pattern}"
        );
    }
    assert!(
        IntegerMatch
            .normalize_substring(b"1", Position::Any)
            .is_err()
    );
}

#[test]
fn what_cannot_be_compared_is_an_error() {
    use MatchingRule::*;
    for (rule, value) in [
        (CaseIgnoreMatch, &b"\xff"[..]),
        (CaseIgnoreMatch, b""),
        (IntegerMatch, b"x"),
        (IntegerMatch, b"-0"),
        (DistinguishedNameMatch, b"cn=\xff"),
        (UuidMatch, b"{597ae2f6-16a6-1027-98f4-d28b5365dc14"),
        (GeneralizedTimeMatch, b"2024"),
        (ObjectIdentifierFirstComponentMatch, b"cn"),
    ] {
        assert!(normalized(rule, value).is_err(), "{rule:?}");
    }
}

#[test]
fn what_is_outside_the_assertion_syntax() {
    use MatchingRule::*;
    let schema = Schema::shared_builtin();
    for (rule, right, wrong) in [
        (
            ObjectIdentifierMatch,
            &["person", "1.2.3", "2.5.4.3", "CN"][..],
            &["madeUp", "1", "", "a b"][..],
        ),
        (ObjectIdentifierFirstComponentMatch, &["cn"], &["madeUp"]),
        (CaseIgnoreIa5Match, &["", "a@b"], &["é"]),
        (CaseIgnoreIa5SubstringsMatch, &["a"], &["é"]),
        (TelephoneNumberMatch, &["+1 (2)"], &["", "a@b", "é"]),
        (TelephoneNumberSubstringsMatch, &["-"], &["@"]),
        (NumericStringMatch, &["1 2"], &["1-2", "a"]),
        (NumericStringOrderingMatch, &["12"], &["a"]),
        (NumericStringSubstringsMatch, &[" "], &["a"]),
        (CaseIgnoreListMatch, &["a$b"], &["a$", "a\\b"]),
        (CaseIgnoreMatch, &["é", "a@b"], &[]),
    ] {
        for value in right {
            assert!(
                rule.is_assertion(&schema, value.as_bytes()),
                "{rule:?} {value}"
            );
        }
        for value in wrong {
            assert!(
                !rule.is_assertion(&schema, value.as_bytes()),
                "{rule:?} {value}"
            );
        }
    }
}

#[test]
fn substring_assertions_split_at_asterisks() {
    let split = |rule: MatchingRule, text: &str| rule.substring_assertion(text.as_bytes());
    let octets = |text: &str| text.as_bytes().to_vec();
    let rule = MatchingRule::CaseIgnoreSubstringsMatch;
    assert_eq!(
        split(rule, "a*b\\2A*\\5cc"),
        Some((Some(octets("a")), vec![octets("b*")], Some(octets("\\c"))))
    );
    assert_eq!(split(rule, "*"), Some((None, vec![], None)));
    for wrong in ["", "a", "**", "a\\*", "\\24*"] {
        assert_eq!(split(rule, wrong), None, "{wrong}");
    }
    assert_eq!(
        split(MatchingRule::CaseIgnoreListSubstringsMatch, "a$*"),
        Some((Some(octets("a\\24")), vec![], None))
    );
}

#[test]
fn words_stand_between_what_is_no_letter_or_digit() {
    for (text, word, phrases, expected) in [
        ("the quick brown fox.", "fox", false, true),
        ("the quick brown fox.", "quick", false, true),
        ("the quick brown fox.", "the", false, true),
        ("the quick brown fox.", "ick", false, false),
        ("the quick brown fox.", "quic", false, false),
        ("the quick brown fox.", "quick brown", false, false),
        ("the quick brown fox.", "quick brown", true, true),
        ("the quick brown fox.", "quick bro", true, false),
        ("send e-mail", "e-mail", false, true),
        ("send e-mail", "mail", false, true),
        ("ab abc", "abc", false, true),
        ("größe", "gr", false, false),
        ("a", " ", true, false),
    ] {
        assert_eq!(
            holds_word(text.as_bytes(), word.as_bytes(), phrases),
            expected,
            "{text} {word}"
        );
    }
}

#[test]
fn a_rule_applies_to_the_attributes_of_its_syntax() {
    let schema = Schema::shared_builtin();
    let applies = |rule: &str, attribute: &str| {
        let id = schema.attribute(attribute.as_bytes()).unwrap();
        MatchingRule::by_name(rule.as_bytes())
            .unwrap()
            .applies_to(schema.attribute_type(id))
    };
    for (rule, attribute, expected) in [
        ("caseExactMatch", "cn", true),
        ("caseExactMatch", "c", true),
        ("caseExactMatch", "serialNumber", true),
        ("caseExactMatch", "telephoneNumber", true),
        ("caseExactMatch", "mail", false),
        ("caseExactMatch", "uidNumber", false),
        ("caseExactIA5Match", "mail", true),
        ("caseIgnoreIA5Match", "cn", false),
        ("integerMatch", "cn", false),
        ("integerOrderingMatch", "uidNumber", true),
        ("integerOrderingMatch", "mailPreferenceOption", true),
        ("distinguishedNameMatch", "uniqueMember", false),
        ("distinguishedNameMatch", "member", true),
        ("octetStringMatch", "jpegPhoto", true),
        ("octetStringOrderingMatch", "userPassword", true),
        ("wordMatch", "description", true),
        ("wordMatch", "uidNumber", false),
        ("caseIgnoreListMatch", "postalAddress", true),
        ("caseIgnoreMatch", "postalAddress", false),
        (
            "objectIdentifierFirstComponentMatch",
            "attributeTypes",
            true,
        ),
        ("integerFirstComponentMatch", "dITStructureRules", true),
        ("telephoneNumberMatch", "facsimileTelephoneNumber", true),
    ] {
        assert_eq!(applies(rule, attribute), expected, "{rule} {attribute}");
    }
}

proptest! {
    #[test]
    fn string_rules_are_idempotent(value in ".{1,24}") {
        use MatchingRule::*;
        for rule in [CaseIgnoreMatch, CaseExactMatch, CaseIgnoreIa5Match, ObjectIdentifierMatch] {
            if let Ok(once) = normalized(rule, value.as_bytes()) {
                prop_assert_eq!(normalized(rule, &once).unwrap(), once);
            }
        }
    }

    // Not for any text: the loss of a hyphen may bring a letter and a combining mark together.
    #[test]
    fn number_rules_are_idempotent(value in "[0-9A-Za-z+()/ -]{0,16}[0-9]") {
        for rule in [MatchingRule::NumericStringMatch, MatchingRule::TelephoneNumberMatch] {
            let once = normalized(rule, value.as_bytes()).unwrap();
            prop_assert_eq!(normalized(rule, &once).unwrap(), once);
        }
    }

    #[test]
    fn the_order_of_integers_is_that_of_numbers(a: i128, b: i128) {
        let key = |number: i128| {
            normalized(MatchingRule::IntegerOrderingMatch, number.to_string().as_bytes()).unwrap()
        };
        prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
    }

    // Spaces alone are one space, for which RFC 4518 leaves no room next to that of the value.
    #[test]
    fn a_value_holds_its_own_parts(
        initial in "( {0,2}[a-c]{1,2} {0,2}){1,3}",
        any in proptest::collection::vec("( {0,2}[a-c]{1,2} {0,2}){1,2}", 0..3),
        final_ in "( {0,2}[a-c]{1,2} {0,2}){1,3}",
    ) {
        let parts = [vec![initial], any, vec![final_]].concat();
        let (value, pattern) = (parts.concat(), parts.join("*"));
        prop_assert!(substrings(MatchingRule::CaseIgnoreSubstringsMatch, &value, &pattern));
    }
}

#[test]
fn a_value_is_compared_as_its_normalized_form_is() {
    let schema = Schema::shared_builtin();
    let values: [&[u8]; 14] = [
        b"Ann Lee",
        b"ann  lee",
        b" ann lee",
        b"ANN LEE",
        "Zo\u{eb}".as_bytes(),
        "ZO\u{cb}".as_bytes(),
        b"0",
        b"-0",
        b"00",
        b"1000",
        b"-1000",
        b" ",
        b"",
        &[0xff],
    ];
    let long = "9".repeat(300);
    let all = || values.iter().copied().chain([long.as_bytes()]);
    for rule in MatchingRule::all().filter(|rule| rule.kind() == RuleKind::Equality) {
        for asserted in all() {
            let Ok(normalized) = rule.normalize_assertion(&schema, asserted) else {
                continue;
            };
            for value in all() {
                let same = rule
                    .normalize(&schema, value)
                    .is_ok_and(|own| own == normalized);
                let found = rule.is_normalized_to(&schema, value, &normalized);
                assert_eq!(found, same, "{rule:?} {value:?} {asserted:?}");
            }
        }
    }
}
