use proptest::prelude::*;

use super::*;

fn values(text: &str) -> Vec<(String, Vec<u8>)> {
    Dn::parse(text)
        .unwrap()
        .rdns
        .into_iter()
        .flat_map(|rdn| rdn.avas)
        .map(|ava| (ava.attribute, ava.value))
        .collect()
}

fn value(text: &str) -> Vec<u8> {
    values(text).remove(0).1
}

#[test]
fn reads_the_examples_of_rfc_4514() {
    assert_eq!(
        values("UID=jsmith,DC=example,DC=net"),
        [
            ("UID".into(), b"jsmith".to_vec()),
            ("DC".into(), b"example".to_vec()),
            ("DC".into(), b"net".to_vec()),
        ]
    );
    let multi = Dn::parse("OU=Sales+CN=J.  Smith,DC=example,DC=net").unwrap();
    assert_eq!(multi.rdns.len(), 3);
    assert_eq!(multi.rdns[0].avas[1].value, b"J.  Smith");
    assert_eq!(
        value("CN=James \\\"Jim\\\" Smith\\, III,DC=example,DC=net"),
        b"James \"Jim\" Smith, III"
    );
    assert_eq!(
        value("CN=Before\\0dAfter,DC=example,DC=net"),
        b"Before\rAfter"
    );
    assert_eq!(value("1.3.6.1.4.1.1466.0=#04024869"), b"Hi");
    assert_eq!(value("CN=Lu\\C4\\8Di\\C4\\87"), "Lučić".as_bytes());
}

#[test]
fn reads_what_clients_send() {
    assert_eq!(
        Dn::parse("UID = alice , ou=People ; dc=corp+o = x").unwrap(),
        Dn::parse("UID=alice,ou=People,dc=corp+o=x").unwrap()
    );
    assert_eq!(
        value("cn=\"Smith, John; <x>\\\"\" , dc=x"),
        b"Smith, John; <x>\""
    );
    assert_eq!(values("OID.2.5.4.3=x")[0].0, "2.5.4.3");
    assert_eq!(value("cn=Smith\\2C John"), b"Smith, John");
    assert_eq!(value("cn=\\ a\\ "), b" a ");
    assert_eq!(value("cn=a=b#c"), b"a=b#c");
    assert_eq!(value("cn=#0c8102c3a9"), "é".as_bytes());
    assert_eq!(value("cn="), b"");
}

#[test]
fn the_empty_string_is_the_root() {
    let root = Dn::parse("").unwrap();
    assert!(root.is_root());
    assert_eq!(root.parent(), None);
    assert_eq!(root.to_string(), "");
}

#[test]
fn errors_tell_where_and_what() {
    for (text, offset) in [
        ("cn", 2),
        ("=x", 0),
        ("cn=a,", 5),
        ("cn=a,,dc=b", 5),
        ("cn=a<b", 4),
        ("cn=a\\", 5),
        ("cn=a\\zz", 5),
        ("cn=\"a", 5),
        ("cn=#04", 4),
        ("cn=#zz", 4),
        ("cn=#0200", 4),
        ("cn=#", 4),
        ("cn=#040", 4),
        ("cn=#04024869x", 12),
        ("cn;lang-en=a", 2),
        ("2=x", 0),
        ("2.05.4=x", 0),
        ("OID.cn=x", 3),
        ("cn=a+cn=b", 5),
        ("cn=a+sn=b+CN=a", 10),
        ("cn=a+", 5),
        ("cn=a;", 5),
        (",cn=a", 0),
        ("cn=a\\4", 5),
        ("cn=a\\ff", 3),
        ("cn=\"\\ed\\a0\\80\"", 3),
        ("cn=a,ou=\\c0\\80", 8),
        ("cn=\\f4\\90\\80\\80", 3),
        ("cn=\\f8\\88\\80\\80\\80", 3),
        ("cn=\"a", 5),
        ("2..5=x", 0),
        ("cn=a\0", 4),
        ("c_n=a", 1),
        ("cn=\"a\"b", 6),
    ] {
        let error = Dn::parse(text).unwrap_err();
        assert_eq!(error.offset, offset, "{text}: {error}");
    }
    assert!(Rdn::parse("cn=a,dc=b").is_err());
    assert!(Rdn::parse("").is_err());
}

#[test]
fn the_number_of_relative_names_is_limited() {
    let name = vec!["dc=x"; MAX_RDNS].join(",");
    assert_eq!(Dn::parse(&name).unwrap().len(), MAX_RDNS);
    assert!(Dn::parse(&format!("{name},dc=x")).is_err());
    assert!(Rdn::parse(&vec!["dc=x"; MAX_AVAS + 1].join("+")).is_err());
}

#[test]
fn prints_what_needs_escaping() {
    for (value, text) in [
        (&b"Smith, John"[..], "cn=Smith\\, John"),
        (b"#1 \"<+;>\\ ", "cn=\\#1 \\\"\\<\\+\\;\\>\\\\\\ "),
        (b" ", "cn=\\ "),
        (b"a\0b\nDEL", "cn=a\\00b\\0ADEL"),
        ("Zoë".as_bytes(), "cn=Zoë"),
        (b"a\xffb", "cn=#040361FF62"),
        (b"a=b#", "cn=a=b#"),
    ] {
        assert_eq!(Rdn::new("cn", value).to_string(), text);
    }
}

#[test]
fn parents_and_children() {
    let name = Dn::parse("cn=a,ou=b,dc=c").unwrap();
    let (rdn, parent) = name.split_first().unwrap();
    assert_eq!(rdn.to_string(), "cn=a");
    assert_eq!(parent.to_string(), "ou=b,dc=c");
    assert_eq!(parent.child(rdn.clone()), name);
    assert_eq!(name.rdn(), Some(rdn));
}

fn any_dn() -> impl Strategy<Value = Dn> {
    let value = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..12),
        ".{0,12}".prop_map(String::into_bytes),
        "[ #,+\"\\\\<>;=a]{0,8}".prop_map(String::into_bytes),
    ];
    let ava = (
        "[a-zA-Z][a-zA-Z0-9-]{0,6}|[0-2](\\.(0|[1-9][0-9]{0,2})){1,4}",
        value,
    )
        .prop_map(|(attribute, value)| Ava { attribute, value });
    let rdn = proptest::collection::vec(ava, 1..3).prop_map(|mut avas| {
        // Each attribute type once.
        let mut seen: Vec<String> = Vec::new();
        avas.retain(|ava| {
            let name = ava.attribute.to_ascii_lowercase();
            let fresh = !seen.contains(&name);
            seen.push(name);
            fresh
        });
        Rdn { avas }
    });
    proptest::collection::vec(rdn, 0..5).prop_map(|rdns| Dn { rdns })
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(dn in any_dn()) {
        prop_assert_eq!(Dn::parse(&dn.to_string()).unwrap(), dn);
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,40}") {
        if let Ok(dn) = Dn::parse(&text) {
            prop_assert_eq!(Dn::parse(&dn.to_string()).unwrap(), dn);
        }
    }

    #[test]
    fn any_hex_value_is_read_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..12)) {
        let hex: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        if let Ok(dn) = Dn::parse(&format!("cn=#{hex}")) {
            prop_assert_eq!(Dn::parse(&dn.to_string()).unwrap(), dn);
        }
    }
}
