//! The protocol as clients meet it: binds, limits, timeouts, reload and the end of the process.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::time::{Duration, Instant};

use common::ldap::{
    Raw, Tools, bind_request, expect_success, extended_request, message, outline, search_request,
    tlv,
};
use common::sample::{self, ALICE, BASE, PASSWORD};
use common::server::Adduct;

const BIND_RESPONSE: u8 = 0x61;
const SEARCH_ENTRY: u8 = 0x64;
const SEARCH_DONE: u8 = 0x65;
const EXTENDED_RESPONSE: u8 = 0x78;

#[test]
fn the_root_dse_is_readable_by_all() {
    let server = sample::server("");
    let root = Tools::new(&server).read("", &["*", "+"]).unwrap();
    for name in [
        "namingContexts",
        "supportedControl",
        "supportedExtension",
        "supportedFeatures",
        "supportedLDAPVersion",
        "subschemaSubentry",
        "vendorName",
        "vendorVersion",
        "highestCommittedUSN",
        "defaultNamingContext",
    ] {
        assert!(!root.values(name).is_empty(), "{name}: {root:?}");
    }
    assert_eq!(root.texts("namingContexts"), [BASE]);
    let schema = Tools::new(&server).search_with(
        &["-s", "base"],
        "cn=Subschema",
        "(objectClass=subschema)",
        &["attributeTypes", "objectClasses"],
    );
    assert!(schema[0].values("attributeTypes").len() > 50);
}

#[test]
fn anonymous_clients_read_nothing_else() {
    let server = sample::server("");
    let output = Tools::new(&server).run("ldapsearch", &["-LLL", "-b", BASE, "(objectClass=*)"]);
    assert!(!String::from_utf8_lossy(&output.stdout).contains("dn:"));
}

#[test]
fn simple_binds_need_tls_and_a_password() {
    let server = sample::server("");
    let tls = Tools::new(&server);
    let clear = Tools::to(&server.ldap_url(), &server.site().ca_file());
    // 13 is confidentialityRequired.
    assert_eq!(clear.bind_code(ALICE, PASSWORD), 13);
    let starttls = clear.bound(ALICE, PASSWORD).run("ldapwhoami", &["-ZZ"]);
    assert!(expect_success(&starttls).contains("alice"));

    assert_eq!(tls.bind_code(ALICE, PASSWORD), 0);
    assert_eq!(tls.bind_code(&ALICE.to_uppercase(), PASSWORD), 0);
    assert_eq!(tls.bind_code(ALICE, "wrong"), 49);
    assert_eq!(
        tls.bind_code(&format!("uid=nobody,ou=people,{BASE}"), PASSWORD),
        49
    );
    assert_eq!(tls.bind_code(&format!("uid=nobody,{BASE}"), ""), 53);
    assert!(
        sample::alice(&server)
            .whoami()
            .to_lowercase()
            .contains("uid=alice")
    );
}

#[test]
fn secrets_are_not_shown() {
    let server = sample::server("");
    let found = sample::alice(&server).search(BASE, "(uid=alice)", &["*", "+", "userPassword"]);
    assert_eq!(found.len(), 1);
    assert!(found[0].values("userPassword").is_empty());
}

#[test]
fn requests_sent_at_once_are_all_answered() {
    let server = sample::server("[access]\nanonymous = \"read\"\n");
    let mut raw = Raw::connect(server.address("ldap"));
    let requests: Vec<u8> = (1..=50)
        .flat_map(|id| message(id, &search_request(BASE, 2)))
        .collect();
    raw.send(&requests);
    let mut done = std::collections::BTreeSet::new();
    let mut entries = 0;
    while done.len() < 50 {
        let (id, tag, code) = outline(&raw.receive().expect("an answer"));
        match tag {
            SEARCH_ENTRY => entries += 1,
            SEARCH_DONE => {
                assert_eq!(code, Some(0));
                assert!(done.insert(id), "two answers to {id}");
            }
            other => panic!("tag {other:02x}"),
        }
    }
    assert_eq!(entries, 50 * 7);
}

#[test]
fn a_failed_bind_leaves_the_connection_usable_and_anonymous() {
    let server = sample::server("[auth]\ninsecure_plaintext_bind = true\n");
    let mut raw = Raw::connect(server.address("ldap"));
    raw.send(&message(1, &bind_request(ALICE, PASSWORD)));
    assert_eq!(
        outline(&raw.receive().unwrap()),
        (1, BIND_RESPONSE, Some(0))
    );
    raw.send(&message(2, &bind_request(ALICE, "wrong")));
    assert_eq!(
        outline(&raw.receive().unwrap()),
        (2, BIND_RESPONSE, Some(49))
    );
    raw.send(&message(3, &search_request(BASE, 2)));
    let (id, tag, _) = outline(&raw.receive().unwrap());
    assert_eq!((id, tag), (3, SEARCH_DONE), "the old identity must be gone");
}

#[test]
fn what_is_unknown_is_refused_by_its_code() {
    let server = sample::server("");
    let alice = sample::alice(&server);
    let code = |arguments: &[&str]| {
        let mut all = vec!["-LLL", "-b", BASE];
        all.extend(arguments);
        alice.run("ldapsearch", &all).status.code()
    };
    // unavailableCriticalExtension, noSuchObject, invalidDNSyntax, sizeLimitExceeded.
    assert_eq!(code(&["-E", "!1.2.3.4.5", "(objectClass=*)"]), Some(12));
    assert_eq!(code(&["-E", "1.2.3.4.5", "(objectClass=*)"]), Some(0));
    assert_eq!(
        code(&["-b", &format!("ou=none,{BASE}"), "(objectClass=*)"]),
        Some(32)
    );
    assert_eq!(code(&["-b", "no dn", "(objectClass=*)"]), Some(34));
    assert_eq!(code(&["-z", "2", "(objectClass=*)"]), Some(4));

    let mut raw = Raw::connect(server.address("ldap"));
    raw.send(&message(1, &extended_request("1.2.3.4.5")));
    // protocolError, RFC 4511 section 4.12.
    assert_eq!(
        outline(&raw.receive().unwrap()),
        (1, EXTENDED_RESPONSE, Some(2))
    );
}

#[test]
fn pages_hold_what_they_were_asked_to() {
    let server = sample::server("");
    let alice = sample::alice(&server);
    let pages = alice.search_with(&["-E", "pr=2/noprompt"], BASE, "(objectClass=*)", &["1.1"]);
    assert_eq!(pages.len(), 7);
}

#[test]
fn compare_says_true_and_false() {
    let server = sample::server("");
    let alice = sample::alice(&server);
    assert!(alice.compare(ALICE, "mail", "ALICE@example.org"));
    assert!(!alice.compare(ALICE, "mail", "bob@example.org"));
    let group = format!("cn=staff,ou=groups,{BASE}");
    assert!(alice.compare(
        &group,
        "member",
        &format!("cn=smith\\2c john,OU=people,{BASE}")
    ));
}

#[test]
fn bytes_that_are_no_message_end_only_their_connection() {
    let server = sample::server("[access]\nanonymous = \"read\"\n");
    let long = [&[0x30, 0x84, 0x7f, 0xff, 0xff, 0xff][..], &[0; 64]].concat();
    let unbound_limit = tlv(0x30, &vec![0; 70 * 1024]);
    let cases: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\n\r\n",
        &[0x30, 0x80, 0, 0],
        &[0xff; 32],
        &long,
        &unbound_limit,
    ];
    for bytes in cases {
        let mut raw = Raw::connect(server.address("ldap"));
        let mut good = Raw::connect(server.address("ldap"));
        // The server may close before it has read everything.
        let _ = std::io::Write::write_all(&mut raw.stream(), bytes);
        while let Some(answer) = raw.receive() {
            // A notice of disconnection has message id 0.
            assert_eq!(outline(&answer).0, 0, "{answer:02x?}");
        }
        good.send(&message(1, &search_request(BASE, 0)));
        assert_eq!(outline(&good.receive().unwrap()).1, SEARCH_ENTRY);
    }
}

#[test]
fn waits_for_a_client_are_bounded() {
    let server = sample::server("[limits]\nidle_timeout = \"1s\"\nmessage_timeout = \"1s\"\n");
    let begin = Instant::now();
    let mut idle = Raw::connect(server.address("ldap"));
    let mut half = Raw::connect(server.address("ldap"));
    half.send(&message(1, &search_request("", 0))[..7]);
    let mut silent = Raw::connect(server.address("ldaps"));
    for connection in [&mut idle, &mut half] {
        while let Some(answer) = connection.receive() {
            assert_eq!(outline(&answer).0, 0);
        }
    }
    assert!(
        begin.elapsed() < Duration::from_secs(6),
        "{:?}",
        begin.elapsed()
    );
    drop(silent.stream().shutdown(std::net::Shutdown::Write));
    silent.receive();
}

#[test]
fn a_handshake_that_does_not_come_is_given_up() {
    let server = sample::server("[limits]\nhandshake_timeout = \"1s\"\n");
    let mut silent = Raw::connect(server.address("ldaps"));
    assert_eq!(silent.receive(), None);
}

#[test]
fn connections_of_one_address_are_counted() {
    let server = sample::server("[limits]\nmax_connections_per_ip = 2\n");
    let address = server.address("ldap");
    let mut within: Vec<_> = (0..2).map(|_| Raw::connect(address)).collect();
    for raw in &mut within {
        raw.send(&message(1, &search_request("", 0)));
        assert_eq!(outline(&raw.receive().unwrap()).1, SEARCH_ENTRY);
    }
    let mut beyond = Raw::connect(address);
    let _ = std::io::Write::write_all(&mut beyond.stream(), &message(1, &search_request("", 0)));
    while let Some(answer) = beyond.receive() {
        assert_eq!(outline(&answer).0, 0, "no answer but a notice");
    }
    drop(within);
    common::eventually("a place is free again", Duration::from_secs(5), || {
        let mut raw = Raw::connect(address);
        let _ = std::io::Write::write_all(&mut raw.stream(), &message(1, &search_request("", 0)));
        raw.receive()
            .filter(|answer| outline(answer).1 == SEARCH_ENTRY)
    });
}

#[test]
fn sigterm_tells_the_clients_and_ends_with_success() {
    let mut server = sample::server("");
    let address = server.address("ldap");
    let mut raw = Raw::connect(address);
    raw.send(&message(1, &search_request("", 0)));
    while outline(&raw.receive().unwrap()).1 != SEARCH_DONE {}
    server.signal("TERM");
    let notice = raw.receive().expect("a notice of disconnection");
    assert_eq!(outline(&notice), (0, EXTENDED_RESPONSE, Some(52)));
    assert_eq!(raw.receive(), None);
    assert_eq!(server.wait_for_end().code(), Some(0));
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn sighup_takes_new_certificates_and_keeps_connections() {
    let server = sample::server("[access]\nanonymous = \"read\"\n");
    let old = std::fs::read(server.site().ca_file()).unwrap();
    let mut kept = Raw::connect(server.address("ldap"));
    server.site().renew_certificates();
    assert_ne!(std::fs::read(server.site().ca_file()).unwrap(), old);
    assert!(!reads_root(&server), "the new authority is not yet in use");
    server.signal("HUP");
    common::eventually("the new certificate", Duration::from_secs(5), || {
        reads_root(&server).then_some(())
    });
    kept.send(&message(1, &search_request(BASE, 0)));
    assert_eq!(outline(&kept.receive().unwrap()).1, SEARCH_ENTRY);

    // Files that cannot be used change nothing.
    std::fs::write(server.site().path("server.key"), "no key").unwrap();
    server.signal("HUP");
    assert!(reads_root(&server));
}

fn reads_root(server: &Adduct) -> bool {
    let arguments = ["-s", "base", "-b", "", "(objectClass=*)", "1.1"];
    Tools::new(server)
        .run("ldapsearch", &arguments)
        .status
        .success()
}
