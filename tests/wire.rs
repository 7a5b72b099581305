//! Messages octet by octet: RFC 4511 sections 4.1, 4.4, 4.14 and 5.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::Shutdown,
    sync::Arc,
    time::Instant,
};

use common::{
    ldap::{Raw, bind_request, extended_request, search_request, tlv, trusting},
    sample::{self, ALICE, BASE, PASSWORD},
    server::Adduct,
    wire::{self, Answer, BIND_RESPONSE, DONE, ENTRY, EXTENDED_RESPONSE, element, request, search},
};

const START_TLS: &str = "1.3.6.1.4.1.1466.20037";
const WHO_AM_I: &str = "1.3.6.1.4.1.4203.1.11.3";
const PROTOCOL_ERROR: Option<u32> = Some(2);
/// Notice of disconnection, as it is said to a client that broke the protocol.
const NOTICE: (u32, u8, Option<u32>) = (0, EXTENDED_RESPONSE, PROTOCOL_ERROR);

fn open_server() -> Adduct {
    sample::server("[access]\nanonymous = \"read\"\n")
}

fn connect(server: &Adduct) -> Raw {
    Raw::connect(server.address("ldap"))
}

/// Whether a connection still answers.
fn is_usable(raw: &mut Raw) -> bool {
    raw.send(&request(99, &search_request("", 0)));
    wire::last(raw).outline() == (99, DONE, Some(0))
}

#[test]
fn messages_may_be_split_anywhere() {
    let server = open_server();
    let one = request(5, &search_request(BASE, 0));
    let two = [one, request(6, &search_request(BASE, 2))].concat();
    let mut raw = connect(&server);
    for cut in 1..two.len() {
        raw.send(&two[..cut]);
        raw.send(&two[cut..]);
        let mut finals = [wire::last(&mut raw).id, wire::last(&mut raw).id];
        finals.sort_unstable();
        assert_eq!(finals, [5, 6], "cut at {cut}");
    }
    for octet in &two {
        raw.send(std::slice::from_ref(octet));
    }
    assert_eq!(wire::last(&mut raw).outline(), (5, DONE, Some(0)));
    assert_eq!(wire::last(&mut raw).outline(), (6, DONE, Some(0)));
}

/// The same message with every length in `octets` octets, of which all may be zero.
fn with_long_lengths(message: &[u8], octets: usize) -> Vec<u8> {
    let (tag, contents, after) = element(message);
    let contents = if tag & 0x20 == 0 {
        contents.to_vec()
    } else {
        let mut rest = contents;
        let mut inner = Vec::new();
        while !rest.is_empty() {
            let (_, _, next) = element(rest);
            inner.extend(with_long_lengths(&rest[..rest.len() - next.len()], octets));
            rest = next;
        }
        inner
    };
    assert!(after.is_empty());
    let length = contents.len().to_be_bytes();
    let mut out = vec![tag, 0x80 | u8::try_from(octets).unwrap()];
    out.extend(vec![0; octets.saturating_sub(8)]);
    out.extend(&length[8 - octets.min(8)..]);
    out.extend(contents);
    out
}

#[test]
fn lengths_may_be_longer_than_they_need() {
    let server = open_server();
    let mut raw = connect(&server);
    let plain = request(7, &search_request(BASE, 0));
    for octets in [2, 3, 4, 5, 8, 12] {
        raw.send(&with_long_lengths(&plain, octets));
        let entry = wire::next(&mut raw).unwrap();
        assert_eq!((entry.id, entry.tag), (7, ENTRY), "{octets} octets");
        assert_eq!(wire::last(&mut raw).outline(), (7, DONE, Some(0)));
    }
}

/// A request with this id whose octets after the id are given.
fn after_id(id: u8, rest: &[u8]) -> Vec<u8> {
    tlv(0x30, &[&[2, 1, id], rest].concat())
}

#[test]
fn what_is_wrong_with_a_request_is_said_to_it() {
    let server = open_server();
    let any = tlv(0x87, b"objectClass");
    let with_scope = |scope: &[u8], deref: &[u8], size: &[u8], types: &[u8]| {
        let parts = [
            tlv(4, b""),
            tlv(0x0a, scope),
            tlv(0x0a, deref),
            tlv(2, size),
            tlv(2, &[0]),
            tlv(1, types),
            any.clone(),
            tlv(0x30, &[]),
        ];
        tlv(0x63, &parts.concat())
    };
    let with_filter = |filter: &[u8]| search(b"", 0, filter, &[]);
    let mut deep = tlv(0x87, b"cn");
    for _ in 0..1000 {
        deep = tlv(0xa2, &deep);
    }
    let cases: Vec<(&str, Vec<u8>, u8)> = vec![
        ("scope", with_scope(&[9], &[0], &[0], &[0]), DONE),
        ("empty scope", with_scope(&[], &[0], &[0], &[0]), DONE),
        ("derefAliases", with_scope(&[0], &[4], &[0], &[0]), DONE),
        ("negative size", with_scope(&[0], &[0], &[0xff], &[0]), DONE),
        (
            "size",
            with_scope(&[0], &[0], &[0, 0x80, 0, 0, 0], &[0]),
            DONE,
        ),
        ("boolean", with_scope(&[0], &[0], &[0], &[0, 0]), DONE),
        ("no filter", with_filter(&[]), DONE),
        ("universal filter", with_filter(&tlv(4, b"cn")), DONE),
        (
            "two in a not",
            with_filter(&tlv(0xa2, &[any.clone(), any.clone()].concat())),
            DONE,
        ),
        ("none in a not", with_filter(&tlv(0xa2, &[])), DONE),
        (
            "half an assertion",
            with_filter(&tlv(0xa3, &tlv(4, b"cn"))),
            DONE,
        ),
        (
            "no substrings",
            with_filter(&tlv(0xa4, &[tlv(4, b"cn"), tlv(0x30, &[])].concat())),
            DONE,
        ),
        ("nested", with_filter(&deep), DONE),
        (
            "constructed string",
            tlv(
                0x63,
                &[&tlv(0x24, &tlv(4, b""))[..], &tlv(0x0a, &[0])].concat(),
            ),
            DONE,
        ),
        ("empty search", tlv(0x63, &[]), DONE),
        ("empty bind", tlv(0x60, &[]), BIND_RESPONSE),
        (
            "bind without proof",
            tlv(0x60, &[tlv(2, &[3]), tlv(4, b"")].concat()),
            BIND_RESPONSE,
        ),
        ("empty add", tlv(0x68, &[]), 0x69),
        (
            "add of what is no list",
            tlv(0x68, &[tlv(4, b"dc=x"), tlv(0x31, &[])].concat()),
            0x69,
        ),
        ("empty modify", tlv(0x66, &[]), 0x67),
        ("empty modify DN", tlv(0x6c, &[]), 0x6d),
        ("empty compare", tlv(0x6e, &[]), 0x6f),
        ("empty extended", tlv(0x77, &[]), EXTENDED_RESPONSE),
        ("indefinite", vec![0x63, 0x80, 4, 0, 0, 0], DONE),
        ("longer than its message", vec![0x63, 0x20, 4, 0], DONE),
        (
            "trailing garbage",
            [search_request("", 0), vec![0xff, 0xff]].concat(),
            DONE,
        ),
        (
            "controls cut short",
            [search_request("", 0), vec![0xa0, 9, 0x30]].concat(),
            DONE,
        ),
        (
            "control without a name",
            [search_request("", 0), tlv(0xa0, &tlv(0x30, &[]))].concat(),
            DONE,
        ),
        (
            "control of another kind",
            [search_request("", 0), tlv(0xa0, &tlv(0x31, &tlv(4, b"1")))].concat(),
            DONE,
        ),
    ];
    let mut raw = connect(&server);
    for (what, operation, answer) in cases {
        raw.send(&after_id(5, &operation));
        let answered = wire::next(&mut raw).unwrap_or_else(|| panic!("{what}: closed"));
        assert_eq!(answered.outline(), (5, answer, PROTOCOL_ERROR), "{what}");
        assert!(!answered.diagnostic.is_empty(), "{what}: no reason given");
    }
    assert!(is_usable(&mut raw));
}

#[test]
fn what_belongs_to_no_request_ends_the_connection_with_a_notice() {
    let server = open_server();
    let fine = search_request("", 0);
    let with_id = |id: &[u8]| tlv(0x30, &[tlv(2, id), fine.clone()].concat());
    let mut cases: Vec<(String, Vec<u8>)> = vec![
        ("id 0".into(), with_id(&[0])),
        ("negative id".into(), with_id(&[0xff])),
        ("id 2^31".into(), with_id(&[0, 0x80, 0, 0, 0])),
        ("id without octets".into(), with_id(&[])),
        (
            "id of nine octets".into(),
            with_id(&[0, 0, 0, 0, 0, 0, 0, 0, 1]),
        ),
        ("no id".into(), tlv(0x30, &fine)),
        (
            "id of another kind".into(),
            tlv(0x30, &[&tlv(0x0a, &[1])[..], &fine].concat()),
        ),
        ("nothing".into(), vec![0x30, 0]),
        ("no operation".into(), tlv(0x30, &tlv(2, &[1]))),
        (
            "a set".into(),
            tlv(0x31, &[tlv(2, &[1]), fine.clone()].concat()),
        ),
        (
            "indefinite length".into(),
            vec![0x30, 0x80, 2, 1, 1, 0x42, 0, 0, 0],
        ),
        ("reserved length".into(), vec![0x30, 0xff, 2, 1, 1]),
        ("unknown operation".into(), after_id(1, &[0x7e, 0])),
        ("operation above 30".into(), after_id(1, &[0x7f, 0x40, 0])),
        ("operation of another class".into(), after_id(1, &[0xa3, 0])),
        ("primitive search".into(), after_id(1, &[0x43, 0])),
        ("abandon of nothing".into(), after_id(1, &[0x50, 0])),
        (
            "http".into(),
            b"GET / HTTP/1.1\r\nHost: ldap\r\n\r\n".to_vec(),
        ),
        ("tls".into(), vec![0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0]),
    ];
    for response in [
        0x61, 0x64, 0x65, 0x67, 0x69, 0x6b, 0x6d, 0x6f, 0x73, 0x78, 0x79,
    ] {
        let result = [tlv(0x0a, &[0]), tlv(4, b""), tlv(4, b"")].concat();
        cases.push((
            format!("response {response:02x}"),
            after_id(1, &tlv(response, &result)),
        ));
    }
    for (what, octets) in cases {
        let mut raw = connect(&server);
        // What came before is answered, what comes after is not.
        raw.send(&[request(50, &fine), octets, request(51, &fine)].concat());
        let answers = wire::to_the_end(&mut raw);
        let finals: Vec<_> = answers
            .iter()
            .filter(|a| a.is_final())
            .map(Answer::outline)
            .collect();
        assert_eq!(finals, [(50, DONE, Some(0)), NOTICE], "{what}");
        let oid = tlv(0x8a, b"1.3.6.1.4.1.1466.20036");
        assert_eq!(answers.last().unwrap().rest, oid, "{what}");
    }
}

#[test]
fn components_from_the_future_are_ignored() {
    let server = open_server();
    let mut raw = connect(&server);
    let future = [&tlv(0x8f, b"x")[..], &[0xbf, 0x81, 0x00, 2, 0xff, 0xff]].concat();
    let plain = search_request(BASE, 0);
    let (_, body, _) = element(&plain);
    let longer_search = tlv(0x63, &[body, &future].concat());
    let control = [tlv(4, b"1.2.3.4"), tlv(1, &[0]), future.clone()].concat();
    let more = [longer_search, tlv(0xa0, &tlv(0x30, &control)), future].concat();
    raw.send(&after_id(5, &more));
    assert_eq!(wire::next(&mut raw).unwrap().tag, ENTRY);
    assert_eq!(wire::last(&mut raw).outline(), (5, DONE, Some(0)));
}

#[test]
fn choices_from_the_future_are_answered_as_the_rfc_says() {
    let server = open_server();
    let mut raw = connect(&server);
    let bind = tlv(0x60, &[tlv(2, &[3]), tlv(4, b""), tlv(0x85, b"")].concat());
    raw.send(&request(1, &bind));
    // authMethodNotSupported.
    assert_eq!(wire::last(&mut raw).outline(), (1, BIND_RESPONSE, Some(7)));
    for filter in [
        tlv(0x8f, b"?"),
        tlv(0xaf, b"?"),
        tlv(0xa2, &tlv(0x8f, b"?")),
    ] {
        raw.send(&request(2, &search(BASE.as_bytes(), 2, &filter, &[])));
        // Undefined: no entry, no error.
        assert_eq!(wire::next(&mut raw).unwrap().outline(), (2, DONE, Some(0)));
    }
    let either = tlv(0xa1, &[tlv(0x8f, b"?"), tlv(0x87, b"objectClass")].concat());
    raw.send(&request(3, &search(BASE.as_bytes(), 0, &either, &[])));
    assert_eq!(wire::next(&mut raw).unwrap().tag, ENTRY);
    assert_eq!(wire::last(&mut raw).outline(), (3, DONE, Some(0)));
}

#[test]
fn what_is_too_large_is_refused_before_it_comes() {
    let server = sample::server(
        "[access]\nanonymous = \"read\"\n[auth]\ninsecure_plaintext_bind = true\n\
         [limits]\nmax_message_bytes = \"128 KiB\"\n",
    );
    let announced = |length: usize| {
        [
            &[0x30, 0x84][..],
            &u32::try_from(length).unwrap().to_be_bytes(),
        ]
        .concat()
    };
    // The header alone: what would be waited for does not come.
    for length in [64 * 1024 + 1, 1 << 20, u32::MAX as usize] {
        let mut raw = connect(&server);
        raw.send(&announced(length));
        let notice = wire::next(&mut raw).expect("a notice");
        assert_eq!(notice.outline(), NOTICE, "{length}");
        assert_eq!(wire::next(&mut raw), None);
    }
    // A client that sends everything before it reads gets the notice, too.
    let mut raw = connect(&server);
    raw.send(&[announced(1 << 20), vec![0; 1 << 20]].concat());
    assert_eq!(wire::next(&mut raw).expect("a notice").outline(), NOTICE);

    // After a bind more is taken.
    let mut raw = connect(&server);
    raw.send(&request(1, &bind_request(ALICE, PASSWORD)));
    assert_eq!(wire::last(&mut raw).outline(), (1, BIND_RESPONSE, Some(0)));
    let long = tlv(0xa3, &[tlv(4, b"cn"), tlv(4, &[b'x'; 100_000])].concat());
    raw.send(&request(2, &search(BASE.as_bytes(), 2, &long, &[])));
    assert_eq!(wire::last(&mut raw).outline(), (2, DONE, Some(0)));
    raw.send(&announced(128 * 1024));
    assert_eq!(wire::next(&mut raw).expect("a notice").outline(), NOTICE);
}

#[test]
fn thousands_of_parts_and_attributes_take_linear_time() {
    let server = sample::server("[auth]\ninsecure_plaintext_bind = true\n");
    let mut raw = connect(&server);
    raw.send(&request(1, &bind_request(ALICE, PASSWORD)));
    assert_eq!(wire::last(&mut raw).outline(), (1, BIND_RESPONSE, Some(0)));
    let equality = |value: &str| tlv(0xa3, &[tlv(4, b"uid"), tlv(4, value.as_bytes())].concat());
    let any_of = |count: usize| {
        let parts: Vec<u8> = (0..count)
            .flat_map(|n| equality(&format!("nobody{n}")))
            .collect();
        tlv(0xa1, &[parts, equality("alice")].concat())
    };
    let names: Vec<String> = (0..40_000).map(|n| format!("attribute{n}")).collect();
    let names: Vec<&[u8]> = names.iter().map(String::as_bytes).collect();
    let present = tlv(0x87, b"objectClass");
    let mut ask = |what: &str, count: usize, operation: Vec<u8>| {
        let begin = Instant::now();
        raw.send(&request(2, &operation));
        assert_eq!(wire::next(&mut raw).unwrap().tag, ENTRY, "{what}");
        assert_eq!(wire::last(&mut raw).outline(), (2, DONE, Some(0)), "{what}");
        common::report(&format!("{count} {what}: {:?}", begin.elapsed()));
    };
    for count in [4_000, 40_000] {
        ask(
            "filter parts",
            count,
            search(BASE.as_bytes(), 2, &any_of(count), &[b"1.1"]),
        );
        ask(
            "attributes",
            count,
            search(BASE.as_bytes(), 0, &present, &names[..count]),
        );
    }
    // None at all: true and false (RFC 4526).
    ask(
        "parts in an and",
        0,
        search(BASE.as_bytes(), 0, &tlv(0xa0, &[]), &[]),
    );
    raw.send(&request(
        3,
        &search(BASE.as_bytes(), 2, &tlv(0xa1, &[]), &[]),
    ));
    assert_eq!(wire::next(&mut raw).unwrap().outline(), (3, DONE, Some(0)));
}

#[test]
fn odd_filters_are_answered() {
    let server = open_server();
    let mut raw = connect(&server);
    let substrings = |pieces: &[u8]| tlv(0xa4, &[tlv(4, b"cn"), tlv(0x30, pieces)].concat());
    let extensible = |parts: &[Vec<u8>]| tlv(0xa9, &parts.concat());
    let filters = [
        tlv(0x87, b""),
        tlv(0x87, &[0xff, 0xfe]),
        tlv(0xa3, &[tlv(4, b""), tlv(4, b"")].concat()),
        tlv(0xa3, &[tlv(4, b"cn"), tlv(4, b"")].concat()),
        tlv(0xa3, &[tlv(4, b";;"), tlv(4, &[0; 300])].concat()),
        substrings(&tlv(0x81, b"")),
        substrings(&[tlv(0x80, b""), tlv(0x81, b""), tlv(0x82, b"")].concat()),
        substrings(&tlv(0x80, &[0xc3])),
        extensible(&[tlv(0x82, b"cn"), tlv(0x83, b"x")]),
        extensible(&[tlv(0x81, b"9.9.9"), tlv(0x83, b"x")]),
        extensible(&[tlv(0x82, b""), tlv(0x83, b""), tlv(0x84, &[1])]),
    ];
    for filter in filters {
        raw.send(&request(
            4,
            &search(BASE.as_bytes(), 2, &filter, &[b"", b"1.1", &[0xff]]),
        ));
        let answer = wire::last(&mut raw);
        assert_eq!(
            answer.outline(),
            (4, DONE, Some(0)),
            "{filter:02x?}: {answer:?}"
        );
    }
}

#[test]
fn an_unbind_ends_the_connection_whatever_it_carries() {
    let server = open_server();
    let critical = tlv(
        0xa0,
        &tlv(0x30, &[tlv(4, b"1.2.3.4"), tlv(1, &[0xff])].concat()),
    );
    let cases = [
        vec![0x42, 0],
        vec![0x42, 3, 1, 2, 3],
        [&[0x42, 0][..], &critical].concat(),
        vec![0x42, 0, 0xa0, 9, 0x30],
    ];
    for unbind in cases {
        let mut raw = connect(&server);
        let sent = [request(1, &search_request("", 0)), after_id(2, &unbind)];
        raw.send(&sent.concat());
        let finals: Vec<_> = wire::to_the_end(&mut raw)
            .iter()
            .filter(|a| a.is_final())
            .map(Answer::outline)
            .collect();
        // The answer to what came before, and none to the unbind.
        assert_eq!(finals, [(1, DONE, Some(0))], "{unbind:02x?}");
    }
}

#[test]
fn an_idle_timeout_of_zero_is_none() {
    let server = sample::server("[limits]\nidle_timeout = \"0s\"\n");
    let mut raw = connect(&server);
    assert!(is_usable(&mut raw));
    assert!(is_usable(&mut raw));
}

#[test]
fn an_abandon_is_never_answered() {
    let server = sample::server("[auth]\ninsecure_plaintext_bind = true\n");
    let mut raw = connect(&server);
    let abandon = |id: u32, target: &[u8]| request(id, &tlv(0x50, target));
    let sent = [
        abandon(1, &[77]),
        request(2, &bind_request(ALICE, PASSWORD)),
        abandon(3, &[2]),
        abandon(4, &[0]),
        abandon(5, &[0xff]),
        abandon(6, &[6]),
        request(7, &search_request(BASE, 0)),
        abandon(8, &[7]),
        request(9, &search_request(BASE, 0)),
    ];
    raw.send(&sent.concat());
    raw.stream().shutdown(Shutdown::Write).unwrap();
    let finals: Vec<_> = wire::to_the_end(&mut raw)
        .iter()
        .filter(|a| a.is_final())
        .map(Answer::outline)
        .collect();
    assert!(finals.contains(&(2, BIND_RESPONSE, Some(0))), "{finals:?}");
    assert!(finals.contains(&(9, DONE, Some(0))), "{finals:?}");
    // The search may have been answered before it was abandoned.
    assert!(
        finals.iter().all(|(id, ..)| [2, 7, 9].contains(id)),
        "{finals:?}"
    );
}

#[test]
fn diagnostics_are_short_and_valid_utf8() {
    let server = open_server();
    let mut raw = connect(&server);
    let wild: Vec<u8> = (0..60_000u32)
        .map(|n| u8::try_from(n % 256).unwrap())
        .collect();
    let control = |oid: &[u8]| tlv(0xa0, &tlv(0x30, &[tlv(4, oid), tlv(1, &[0xff])].concat()));
    let compare = |dn: &[u8]| {
        tlv(
            0x6e,
            &[tlv(4, dn), tlv(0x30, &[tlv(4, dn), tlv(4, dn)].concat())].concat(),
        )
    };
    let under = [
        &b"cn="[..],
        "ü".repeat(9_000).as_bytes(),
        b",ou=people,",
        BASE.as_bytes(),
    ]
    .concat();
    let operations = [
        tlv(0x77, &tlv(0x80, &wild)),
        search(&wild, 0, &tlv(0x87, b"cn"), &[]),
        search(&under, 0, &tlv(0x87, b"cn"), &[]),
        [search_request("", 0), control(&wild)].concat(),
        tlv(
            0x60,
            &[tlv(2, &[3]), tlv(4, &wild), tlv(0x80, b"x")].concat(),
        ),
        compare(&wild[..20_000]),
        compare(&under),
        tlv(0x4a, &wild),
        tlv(
            0x6c,
            &[tlv(4, &wild), tlv(4, b"cn=x"), tlv(1, &[0xff])].concat(),
        ),
    ];
    for operation in operations {
        raw.send(&request(3, &operation));
        let answer = wire::last(&mut raw);
        assert_eq!(answer.id, 3);
        let diagnostic = std::str::from_utf8(&answer.diagnostic).unwrap();
        std::str::from_utf8(&answer.matched).unwrap();
        assert!(diagnostic.len() <= 1024 && answer.matched.len() <= 1024);
        assert_ne!(answer.code, Some(0), "{diagnostic}");
    }
}

#[test]
fn a_malformed_bind_leaves_nobody_bound() {
    let server = sample::server("[auth]\ninsecure_plaintext_bind = true\n");
    let mut raw = connect(&server);
    raw.send(&request(1, &bind_request(ALICE, PASSWORD)));
    assert_eq!(wire::last(&mut raw).outline(), (1, BIND_RESPONSE, Some(0)));
    raw.send(&request(2, &tlv(0x60, &[])));
    assert_eq!(
        wire::last(&mut raw).outline(),
        (2, BIND_RESPONSE, PROTOCOL_ERROR)
    );
    raw.send(&request(3, &extended_request(WHO_AM_I)));
    let answer = wire::last(&mut raw);
    assert_eq!(answer.outline(), (3, EXTENDED_RESPONSE, Some(0)));
    assert_eq!(answer.rest, tlv(0x8b, b""), "the old identity must be gone");
}

#[test]
fn what_was_sent_before_a_handshake_is_not_worked_on_after_it() {
    let server = open_server();
    let start = request(1, &extended_request(START_TLS));
    let injected = request(2, &search_request("", 0));
    // In one segment: the request is refused, and all stays in the clear.
    let mut raw = connect(&server);
    raw.send(&[start.clone(), injected.clone()].concat());
    let refused = wire::next(&mut raw).unwrap();
    assert_eq!(refused.outline(), (1, EXTENDED_RESPONSE, Some(1)));
    assert_eq!(wire::last(&mut raw).outline(), (2, DONE, Some(0)));
    assert!(is_usable(&mut raw));

    // After the answer octets are those of a handshake, and these are none.
    let mut raw = connect(&server);
    raw.send(&start);
    assert_eq!(
        wire::next(&mut raw).unwrap().outline(),
        (1, EXTENDED_RESPONSE, Some(0))
    );
    raw.send(&injected);
    let mut octets = Vec::new();
    let _ = raw.stream().read_to_end(&mut octets);
    // Nothing, or a TLS alert.
    assert!(octets.is_empty() || octets[0] == 0x15, "{octets:02x?}");
    assert!(connect_works(&server));
}

fn connect_works(server: &Adduct) -> bool {
    is_usable(&mut connect(server))
}

#[test]
fn tls_starts_once() {
    let server = open_server();
    let mut raw = connect(&server);
    let value = tlv(
        0x77,
        &[tlv(0x80, START_TLS.as_bytes()), tlv(0x81, b"")].concat(),
    );
    raw.send(&request(1, &value));
    assert_eq!(
        wire::last(&mut raw).outline(),
        (1, EXTENDED_RESPONSE, PROTOCOL_ERROR)
    );
    raw.send(&request(2, &extended_request(START_TLS)));
    let answer = wire::last(&mut raw);
    assert_eq!(answer.outline(), (2, EXTENDED_RESPONSE, Some(0)));
    assert_eq!(answer.rest, tlv(0x8a, START_TLS.as_bytes()));

    let config = trusting(&server.site().ca_file());
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let mut session = rustls::ClientConnection::new(Arc::clone(&config), name).unwrap();
    let mut socket = raw.stream();
    let mut tls = rustls::Stream::new(&mut session, &mut socket);
    let mut ask = |octets: &[u8]| {
        tls.write_all(octets).unwrap();
        loop {
            let mut head = [0; 2];
            tls.read_exact(&mut head).unwrap();
            let mut message = head.to_vec();
            if head[1] >= 0x80 {
                let mut octets = vec![0; usize::from(head[1] - 0x80)];
                tls.read_exact(&mut octets).unwrap();
                message.extend(octets);
            }
            let length = message[1..].iter().skip(usize::from(head[1] >= 0x80));
            let length = length.fold(0, |sum, octet| sum << 8 | usize::from(*octet));
            let mut body = vec![0; length];
            tls.read_exact(&mut body).unwrap();
            message.extend(body);
            let answer = Answer::parse(&message);
            if answer.is_final() {
                return answer.outline();
            }
        }
    };
    let bind = request(3, &bind_request(ALICE, PASSWORD));
    assert_eq!(ask(&bind), (3, BIND_RESPONSE, Some(0)));
    // operationsError: TLS is there already.
    let again = request(4, &extended_request(START_TLS));
    assert_eq!(ask(&again), (4, EXTENDED_RESPONSE, Some(1)));
    let find = request(5, &search_request(BASE, 2));
    assert_eq!(ask(&find), (5, DONE, Some(0)));
}

/// Which answer a request must get: none, or a final one with this tag.
fn kinds(number: u32) -> (Vec<u8>, Option<u8>) {
    let pair = |tag: u8| [tlv(4, ALICE.as_bytes()), tlv(tag, &[])].concat();
    let assertion = tlv(0x30, &[tlv(4, b"cn"), tlv(4, b"x")].concat());
    match number % 14 {
        0 => (search_request(BASE, 2), Some(DONE)),
        1 => (search_request("", 0), Some(DONE)),
        2 => (search_request("no dn", 0), Some(DONE)),
        3 => (
            tlv(0x6e, &[tlv(4, ALICE.as_bytes()), assertion].concat()),
            Some(0x6f),
        ),
        4 => (tlv(0x68, &pair(0x30)), Some(0x69)),
        5 => (tlv(0x66, &pair(0x30)), Some(0x67)),
        6 => (tlv(0x4a, b"uid=nobody,dc=example,dc=org"), Some(0x6b)),
        7 => {
            let parts = [
                tlv(4, b"uid=no,dc=example,dc=org"),
                tlv(4, b"uid=x"),
                tlv(1, &[0]),
            ];
            (tlv(0x6c, &parts.concat()), Some(0x6d))
        }
        8 => (extended_request(WHO_AM_I), Some(EXTENDED_RESPONSE)),
        9 => (extended_request("1.2.3.4"), Some(EXTENDED_RESPONSE)),
        10 => (tlv(0x50, &[0x7f, 0xff, 0xff, 0xff]), None),
        11 => (tlv(0x63, &[]), Some(DONE)),
        12 if number.is_multiple_of(5) => (bind_request("", ""), Some(BIND_RESPONSE)),
        12 => (search(BASE.as_bytes(), 2, &tlv(0x8f, b""), &[]), Some(DONE)),
        _ => {
            let critical = tlv(
                0xa0,
                &tlv(0x30, &[tlv(4, b"1.2.3"), tlv(1, &[0xff])].concat()),
            );
            ([search_request(BASE, 2), critical].concat(), Some(DONE))
        }
    }
}

#[test]
fn every_request_is_answered_once_under_its_own_id() {
    const REQUESTS: u32 = 4_000;
    let server = open_server();
    let address = server.address("ldap");
    std::thread::scope(|scope| {
        for connection in 0..6u32 {
            scope.spawn(move || {
                let mut raw = Raw::connect(address);
                let mut writer = raw.stream().try_clone().unwrap();
                // Ids out of order, of one to four octets.
                let ids: Vec<u32> = (0..REQUESTS)
                    .map(|n| {
                        1 + n.wrapping_mul(2_654_435_769).wrapping_add(connection) % 0x7fff_fffe
                    })
                    .collect();
                let expected: BTreeMap<u32, Option<u8>> =
                    ids.iter().map(|id| (*id, kinds(*id).1)).collect();
                assert_eq!(expected.len(), ids.len());
                let sending = scope.spawn(move || {
                    for chunk in ids.chunks(1 + connection as usize * 17) {
                        let octets: Vec<u8> = chunk
                            .iter()
                            .flat_map(|id| request(*id, &kinds(*id).0))
                            .collect();
                        writer.write_all(&octets).unwrap();
                    }
                    writer.shutdown(Shutdown::Write).unwrap();
                });
                let mut answered = BTreeMap::new();
                while let Some(answer) = wire::next(&mut raw) {
                    if answer.is_final() {
                        let again = answered.insert(answer.id, Some(answer.tag));
                        assert_eq!(again, None, "two answers to {}", answer.id);
                    } else {
                        assert!(!answered.contains_key(&answer.id), "an entry after the end");
                    }
                }
                sending.join().unwrap();
                let wanted: BTreeMap<_, _> = expected
                    .into_iter()
                    .filter(|(_, tag)| tag.is_some())
                    .collect();
                assert!(
                    answered == wanted,
                    "{} of {} answers",
                    answered.len(),
                    wanted.len()
                );
            });
        }
    });
    common::report("6 connections with 4000 requests of all kinds each: each answered once");
}
