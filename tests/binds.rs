//! Who a connection speaks for: simple binds, SASL, StartTLS, proxied authorization, new passwords.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use common::ldap::{Tools, bind_request, expect_success, search_request, tlv, trusting};
use common::samba::{Samba, Size, Source};
use common::sample::{ALICE, BASE, LDIF, PASSWORD};
use common::server::{Adduct, Site};
use rcgen::{CertificateParams, DnType, Issuer, KeyPair};

const ADMIN: &str = "uid=admin,dc=example,dc=org";
const START_TLS: &str = "1.3.6.1.4.1.1466.20037";
const WHO_AM_I: &str = "1.3.6.1.4.1.4203.1.11.3";
const PASSWORD_MODIFY: &str = "1.3.6.1.4.1.4203.1.11.1";
const PROXIED_AUTHORIZATION: &str = "2.16.840.1.113730.3.4.18";
const PASSWORD_POLICY: &str = "1.3.6.1.4.1.42.2.27.8.5.1";
/// Where passwords in the clear are no matter, and messages are easy to write.
const CLEAR: &str = "[auth]\ninsecure_plaintext_bind = true\n";

/// The sample with an administrator, on a server that takes certificates of `clients.crt`.
fn server(more: &str) -> Adduct {
    let more = format!(
        "client_ca_file = \"clients.crt\"\n\n[access]\nadministrators = [\"{ADMIN}\"]\n\n{more}"
    );
    let site = Site::new(|directory| {
        Clients::new().write(directory);
        more
    });
    let admin = format!(
        "\ndn: {ADMIN}\nobjectClass: inetOrgPerson\nuid: admin\ncn: Admin\nsn: Admin\n\
         userPassword: {PASSWORD}\n\n\
         dn: o=Staff\nobjectClass: organization\no: Staff\n\n\
         dn: cn=bob,o=Staff\nobjectClass: person\ncn: bob\nsn: Bob\n"
    );
    let file = site.path("sample.ldif");
    std::fs::write(&file, format!("{LDIF}{admin}")).unwrap();
    site.run_ok(&["import", file.to_str().unwrap()]);
    site.start()
}

/// An authority of client certificates.
struct Clients {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Clients {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "Clients");
        let certificate = params.self_signed(&key).unwrap().pem();
        Self {
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    /// Writes the authority, and a certificate with key for each of three subjects.
    fn write(&self, directory: &Path) {
        std::fs::write(directory.join("clients.crt"), &self.certificate).unwrap();
        self.issue(directory, "alice", |params| {
            params.distinguished_name.push(DnType::CommonName, "alice");
        });
        self.issue(directory, "nobody", |params| {
            params.distinguished_name.push(DnType::CommonName, "nobody");
        });
        self.issue(directory, "bob", |params| {
            let name = &mut params.distinguished_name;
            name.push(DnType::OrganizationName, "STAFF");
            name.push(DnType::CommonName, "Bob");
        });
    }

    fn issue(&self, directory: &Path, name: &str, adjust: impl FnOnce(&mut CertificateParams)) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        adjust(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let file = |suffix| directory.join(format!("{name}.{suffix}"));
        std::fs::write(file("crt"), certificate.pem()).unwrap();
        std::fs::write(file("key"), key.serialize_pem()).unwrap();
    }
}

/// Runs a tool over TLS with SASL; `certificate` names the client's files.
fn sasl(server: &Adduct, tool: &str, certificate: Option<&str>, arguments: &[&str]) -> Output {
    let mut command = Command::new(tool);
    command
        .env("LC_ALL", "C.UTF-8")
        .env("LDAPCONF", "/dev/null")
        .env("LDAPTLS_CACERT", server.site().ca_file())
        .env("LDAPTLS_REQCERT", "demand");
    if let Some(name) = certificate {
        let file = |suffix| server.site().path(&format!("{name}.{suffix}"));
        command.env("LDAPTLS_CERT", file("crt"));
        command.env("LDAPTLS_KEY", file("key"));
    }
    command
        .args(["-Q", "-O", "none", "-H", &server.ldaps_url()])
        .args(arguments)
        .output()
        .unwrap()
}

fn whoami(output: &Output) -> Result<String, i32> {
    match output.status.code() {
        Some(0) => Ok(expect_success(output).trim().to_owned()),
        code => Err(code.unwrap()),
    }
}

/// The result code that ldappasswd prints; its status says only whether it is 0.
fn passwd_code(output: &Output) -> i32 {
    if output.status.success() {
        return 0;
    }
    let text = [&output.stdout[..], &output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let (_, after) = text.split_once("Result: ").unwrap();
    let (_, after) = after.split_once('(').unwrap();
    after.split_once(')').unwrap().0.parse().unwrap()
}

/// A stream that octets are written to as a test says.
trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

/// A connection whose answers are taken apart.
struct Wire {
    stream: Box<dyn Stream>,
    last: u8,
}

/// What an answer holds, by its tags.
#[derive(Debug, Default, PartialEq)]
struct Answer {
    code: u8,
    text: String,
    /// serverSaslCreds.
    credentials: Option<Vec<u8>>,
    /// responseName.
    name: Option<String>,
    /// responseValue.
    value: Option<Vec<u8>>,
    /// What follows the operation, in whole.
    controls: Vec<u8>,
}

impl Wire {
    fn clear(server: &Adduct) -> Self {
        Self::over(connect(server.address("ldap")))
    }

    fn tls(server: &Adduct) -> Self {
        Self::over(handshake(server, connect(server.address("ldaps"))))
    }

    fn over(stream: impl Stream + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            last: 0,
        }
    }

    fn ask(&mut self, operation: &[u8]) -> Answer {
        self.ask_with(operation, &[])
    }

    /// Sends an operation with whole controls, and reads the answer to it.
    fn ask_with(&mut self, operation: &[u8], controls: &[u8]) -> Answer {
        self.last += 1;
        let mut body = [tlv(2, &[self.last]), operation.to_vec()].concat();
        if !controls.is_empty() {
            body.extend(tlv(0xa0, controls));
        }
        self.stream.write_all(&tlv(0x30, &body)).unwrap();
        self.stream.flush().unwrap();
        loop {
            let message = read(&mut self.stream);
            let (_, body, _) = element(&message);
            let (_, id, rest) = element(body);
            assert_eq!(id, [self.last]);
            let (tag, operation, controls) = element(rest);
            // Entries are not looked at.
            if tag != 0x64 {
                return answer(operation, controls);
            }
        }
    }

    fn bind(&mut self, name: &str, password: &str) -> u8 {
        self.ask(&bind_request(name, password)).code
    }

    fn whoami(&mut self) -> String {
        let answer = self.ask(&extended(WHO_AM_I, None));
        assert_eq!(answer.code, 0);
        String::from_utf8(answer.value.unwrap()).unwrap()
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    let limit = Some(Duration::from_secs(20));
    stream.set_read_timeout(limit).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn handshake(
    server: &Adduct,
    stream: TcpStream,
) -> rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    let config = Arc::clone(&trusting(&server.site().ca_file()));
    let name = "localhost".try_into().unwrap();
    let client = rustls::ClientConnection::new(config, name).unwrap();
    rustls::StreamOwned::new(client, stream)
}

fn read(stream: &mut impl Read) -> Vec<u8> {
    let mut message = vec![0; 2];
    stream.read_exact(&mut message).unwrap();
    let mut length = usize::from(message[1]);
    if length >= 0x80 {
        let mut octets = vec![0; length - 0x80];
        stream.read_exact(&mut octets).unwrap();
        length = octets
            .iter()
            .fold(0, |sum, octet| sum << 8 | usize::from(*octet));
        message.extend(octets);
    }
    let start = message.len();
    message.resize(start + length, 0);
    stream.read_exact(&mut message[start..]).unwrap();
    message
}

/// Tag, contents and what follows.
fn element(octets: &[u8]) -> (u8, &[u8], &[u8]) {
    let (start, length) = match octets[1] {
        short @ 0..0x80 => (2, usize::from(short)),
        long => {
            let end = 2 + usize::from(long - 0x80);
            let length = octets[2..end].iter();
            (
                end,
                length.fold(0, |sum, octet| sum << 8 | usize::from(*octet)),
            )
        }
    };
    let (contents, rest) = octets[start..].split_at(length);
    (octets[0], contents, rest)
}

fn answer(operation: &[u8], controls: &[u8]) -> Answer {
    let (tag, code, rest) = element(operation);
    assert_eq!((tag, code.len()), (0x0a, 1));
    let (_, _matched, rest) = element(rest);
    let (_, text, mut rest) = element(rest);
    let mut answer = Answer {
        code: code[0],
        text: String::from_utf8(text.to_vec()).unwrap(),
        controls: controls.to_vec(),
        ..Answer::default()
    };
    while !rest.is_empty() {
        let (tag, contents, more) = element(rest);
        let contents = contents.to_vec();
        match tag {
            0x87 => answer.credentials = Some(contents),
            0x8a => answer.name = Some(String::from_utf8(contents).unwrap()),
            0x8b => answer.value = Some(contents),
            other => panic!("tag {other:#x}"),
        }
        rest = more;
    }
    answer
}

fn bind_with(version: u8, name: &str, authentication: &[u8]) -> Vec<u8> {
    let name = tlv(4, name.as_bytes());
    tlv(
        0x60,
        &[tlv(2, &[version]), name, authentication.to_vec()].concat(),
    )
}

fn sasl_bind(name: &str, mechanism: &str, credentials: Option<&[u8]>) -> Vec<u8> {
    let mut sasl = tlv(4, mechanism.as_bytes());
    sasl.extend(credentials.into_iter().flat_map(|octets| tlv(4, octets)));
    bind_with(3, name, &tlv(0xa3, &sasl))
}

fn extended(oid: &str, value: Option<&[u8]>) -> Vec<u8> {
    let mut request = tlv(0x80, oid.as_bytes());
    request.extend(value.into_iter().flat_map(|octets| tlv(0x81, octets)));
    tlv(0x77, &request)
}

fn password_modify(user: Option<&str>, old: Option<&[u8]>, new: Option<&[u8]>) -> Vec<u8> {
    let field = |tag, octets: Option<&[u8]>| octets.map(|octets| tlv(tag, octets));
    let fields = [
        field(0x80, user.map(str::as_bytes)),
        field(0x81, old),
        field(0x82, new),
    ];
    let value = tlv(
        0x30,
        &fields.into_iter().flatten().flatten().collect::<Vec<_>>(),
    );
    extended(PASSWORD_MODIFY, Some(&value))
}

fn control(oid: &str, critical: bool, value: Option<&[u8]>) -> Vec<u8> {
    let mut control = tlv(4, oid.as_bytes());
    if critical {
        control.extend(tlv(1, &[0xff]));
    }
    control.extend(value.into_iter().flat_map(|octets| tlv(4, octets)));
    tlv(0x30, &control)
}

fn acting_as(authorization_id: &str) -> Vec<u8> {
    control(
        PROXIED_AUTHORIZATION,
        true,
        Some(authorization_id.as_bytes()),
    )
}

fn dn(name: &str) -> String {
    format!("dn:{name}")
}

#[test]
fn a_bind_that_cannot_be_is_refused_by_its_code_and_leaves_nobody_bound() {
    let server = server(CLEAR);
    let mut wire = Wire::clear(&server);
    let password = tlv(0x80, PASSWORD.as_bytes());
    for (what, request, code) in [
        ("version 2", bind_with(2, ALICE, &password), 2),
        ("version 4", bind_with(4, ALICE, &password), 2),
        (
            "an unknown choice",
            bind_with(3, ALICE, &tlv(0x8a, b"x")),
            7,
        ),
        ("an unknown choice", bind_with(3, ALICE, &tlv(0xa5, b"")), 7),
        (
            "a constructed password",
            bind_with(3, ALICE, &tlv(0xa0, &password)),
            2,
        ),
        (
            "SASL that is no sequence",
            bind_with(3, "", &tlv(0x83, b"PLAIN")),
            2,
        ),
        (
            "no choice",
            bind_with(3, ALICE, &tlv(4, PASSWORD.as_bytes())),
            2,
        ),
        ("nothing after the name", bind_with(3, ALICE, b""), 2),
        ("an unknown mechanism", sasl_bind("", "CRAM-MD5", None), 7),
        ("no mechanism", sasl_bind("", "", None), 7),
        ("no password", bind_request(ALICE, ""), 53),
        ("no name", bind_request("", PASSWORD), 49),
        ("no DN", bind_request("uid=alice,no dn", PASSWORD), 34),
        ("a wrong password", bind_request(ALICE, "wrong"), 49),
        ("an unknown critical control", vec![], 12),
    ] {
        assert_eq!(wire.bind(ALICE, PASSWORD), 0);
        assert_eq!(wire.whoami(), dn(ALICE));
        let answer = if request.is_empty() {
            wire.ask_with(
                &bind_request(ALICE, PASSWORD),
                &control("1.2.3", true, None),
            )
        } else {
            wire.ask(&request)
        };
        assert_eq!(answer.code, code, "{what}: {answer:?}");
        assert_eq!(wire.whoami(), "", "{what}");
    }
    assert_eq!(wire.bind("", ""), 0);
    assert_eq!(wire.whoami(), "");
}

#[test]
fn a_refusal_does_not_tell_unknown_names_from_wrong_passwords() {
    let server = server(CLEAR);
    let mut wire = Wire::clear(&server);
    let wrong = Answer {
        code: 49,
        text: wire.ask(&bind_request(ALICE, "wrong")).text,
        ..Answer::default()
    };
    let group = format!("cn=staff,ou=groups,{BASE}");
    let no_password = format!("cn=Smith\\, John,ou=people,{BASE}");
    for name in [
        "nobody",
        &format!("uid=nobody,{BASE}"),
        &group,
        &no_password,
    ] {
        assert_eq!(wire.ask(&bind_request(name, PASSWORD)), wrong, "{name}");
    }
    for message in [
        "\0nobody\0x",
        "\0alice\0x",
        "u:admin\0alice\0x",
        "\0cn=,=\0x",
    ] {
        let request = sasl_bind("", "PLAIN", Some(message.as_bytes()));
        assert_eq!(wire.ask(&request), wrong, "{message:?}");
    }
    let unasked = password_modify(Some("nobody"), Some(b"x"), Some(b"new"));
    assert_eq!(wire.ask(&unasked), wrong);
    let wrong_old = password_modify(Some("alice"), Some(b"x"), Some(b"new"));
    assert_eq!(wire.ask(&wrong_old), wrong);
}

#[test]
fn mechanisms_are_those_this_connection_can_use() {
    let server = server("");
    let mechanisms = |output: &Output| {
        let text = expect_success(output);
        let lines = text.lines();
        lines
            .filter_map(|line| line.strip_prefix("supportedSASLMechanisms: "))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let root = ["-s", "base", "-b", "", "-LLL", "supportedSASLMechanisms"];
    let clear = Tools::to(&server.ldap_url(), &server.site().ca_file());
    assert!(mechanisms(&clear.run("ldapsearch", &root)).is_empty());
    let tls = Tools::new(&server).run("ldapsearch", &root);
    assert_eq!(mechanisms(&tls), ["PLAIN"]);
    let arguments = [&["-Y", "EXTERNAL"][..], &root].concat();
    let certified = sasl(&server, "ldapsearch", Some("alice"), &arguments);
    assert_eq!(mechanisms(&certified), ["PLAIN", "EXTERNAL"]);
    let extensions = Tools::new(&server)
        .read("", &["supportedExtension"])
        .unwrap();
    let extensions = extensions.texts("supportedExtension");
    for oid in [START_TLS, WHO_AM_I, PASSWORD_MODIFY] {
        assert!(extensions.contains(&oid.to_owned()), "{oid}");
    }
}

#[test]
fn plain_proves_a_password_over_tls() {
    let server = server("");
    let plain = |name: &str, password: &str, more: &[&str]| {
        let all = [&["-Y", "PLAIN", "-U", name, "-w", password][..], more].concat();
        whoami(&sasl(&server, "ldapwhoami", None, &all))
    };
    assert_eq!(plain("alice", PASSWORD, &[]), Ok(dn(ALICE)));
    assert_eq!(plain(ALICE, PASSWORD, &[]), Ok(dn(ALICE)));
    assert_eq!(
        plain("jürgen", PASSWORD, &[]),
        Ok(dn(&format!("uid=jürgen,ou=people,{BASE}")))
    );
    assert_eq!(plain("alice", "wrong", &[]), Err(49));
    assert_eq!(plain("admin", PASSWORD, &["-X", "u:alice"]), Ok(dn(ALICE)));
    assert_eq!(plain("alice", PASSWORD, &["-X", "u:admin"]), Err(49));

    let message = format!("\0alice\0{PASSWORD}");
    let in_the_clear = sasl_bind("", "PLAIN", Some(message.as_bytes()));
    assert_eq!(Wire::clear(&server).ask(&in_the_clear).code, 13);
    assert_eq!(
        Wire::clear(&server).ask(&sasl_bind("", "PLAIN", None)).code,
        13
    );
}

#[test]
fn plain_without_a_first_message_gets_an_empty_challenge() {
    let server = server("");
    let mut wire = Wire::tls(&server);
    let nothing = sasl_bind("", "PLAIN", None);
    let message = format!("\0alice\0{PASSWORD}");
    let whole = sasl_bind("uid=admin", "PLAIN", Some(message.as_bytes()));

    let challenge = wire.ask(&nothing);
    assert_eq!((challenge.code, challenge.credentials), (14, Some(vec![])));
    assert_eq!(wire.whoami(), "");
    let success = wire.ask(&whole);
    assert_eq!((success.code, success.credentials), (0, None));
    // The name in a bind by SASL is ignored.
    assert_eq!(wire.whoami(), dn(ALICE));

    // Still nothing is no answer to the challenge, and ends the negotiation.
    assert_eq!(wire.ask(&nothing).code, 14);
    assert_eq!(wire.ask(&nothing).code, 2);
    assert_eq!(wire.ask(&nothing).code, 14);
    assert_eq!(wire.ask(&sasl_bind("", "", None)).code, 7);
    assert_eq!(wire.ask(&nothing).code, 14);
    assert_eq!(wire.bind(ALICE, PASSWORD), 0);
    assert_eq!(wire.ask(&nothing).code, 14);

    for malformed in [
        &b""[..],
        b"alice",
        b"\0alice",
        b"\0alice\0",
        b"\0\0x",
        b"\0a\0b\0",
        b"\0a\0\xff",
    ] {
        let answer = wire.ask(&sasl_bind("", "PLAIN", Some(malformed)));
        assert_eq!(answer.code, 2, "{malformed:?}");
    }
}

#[test]
fn external_proves_whose_certificate_it_is() {
    let server = server("");
    let external = |certificate, more: &[&str]| {
        let all = [&["-Y", "EXTERNAL"][..], more].concat();
        whoami(&sasl(&server, "ldapwhoami", certificate, &all))
    };
    assert_eq!(external(Some("alice"), &[]), Ok(dn(ALICE)));
    assert_eq!(external(Some("alice"), &["-X", "u:alice"]), Ok(dn(ALICE)));
    assert_eq!(external(Some("alice"), &["-X", "u:admin"]), Err(49));
    assert_eq!(external(Some("nobody"), &[]), Err(49));
    // By the subject: no account is called bob.
    assert_eq!(
        external(Some("bob"), &[]),
        Ok("dn:cn=bob,o=Staff".to_owned())
    );

    // inappropriateAuthentication: nothing was supplied to be proved by.
    let request = sasl_bind("", "EXTERNAL", None);
    assert_eq!(Wire::tls(&server).ask(&request).code, 48);
    assert_eq!(Wire::clear(&server).ask(&request).code, 48);
    // A certificate is asked for, and none insisted on.
    assert_eq!(Tools::new(&server).bind_code(ALICE, PASSWORD), 0);
}

#[test]
fn certificates_of_other_authorities_are_not_taken_and_sighup_changes_them() {
    let server = server("");
    let external = |certificate| {
        let output = sasl(
            &server,
            "ldapwhoami",
            Some(certificate),
            &["-Y", "EXTERNAL"],
        );
        whoami(&output)
    };
    let others = Clients::new();
    others.issue(server.site().path("").as_path(), "other", |params| {
        params.distinguished_name.push(DnType::CommonName, "alice");
    });
    assert!(external("other").is_err());
    std::fs::write(server.site().path("clients.crt"), &others.certificate).unwrap();
    server.signal("HUP");
    common::eventually("the new authority", Duration::from_secs(10), || {
        external("other").ok()
    });
    assert!(external("alice").is_err());
}

#[test]
fn an_authority_that_is_none_is_named() {
    let site = Site::new(|directory| {
        std::fs::write(
            directory.join("clients.crt"),
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        )
        .unwrap();
        "client_ca_file = \"clients.crt\"\n".to_owned()
    });
    let output = site.run(&["check"]);
    assert!(!output.status.success());
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(text.contains("tls.client_ca_file"), "{text}");
}

#[test]
fn the_state_of_the_password_is_told_to_who_asks() {
    let server = server(CLEAR);
    let mut wire = Wire::clear(&server);
    let wanted = control(PASSWORD_POLICY, false, None);
    let told = |value: &[u8]| tlv(0xa0, &control(PASSWORD_POLICY, false, Some(value)));
    let bind = |password| bind_request(ALICE, password);
    assert_eq!(
        wire.ask_with(&bind(PASSWORD), &wanted).controls,
        told(&[0x30, 0])
    );
    assert_eq!(
        wire.ask_with(&bind("wrong"), &wanted).controls,
        told(&[0x30, 0])
    );
    assert!(wire.ask(&bind(PASSWORD)).controls.is_empty());
    // mustSupplyOldPassword, passwordTooShort.
    let without_old = password_modify(None, None, Some(b"new"));
    let answer = wire.ask_with(&without_old, &wanted);
    assert_eq!(
        (answer.code, answer.controls),
        (53, told(&[0x30, 3, 0x81, 1, 4]))
    );
    let empty = password_modify(None, Some(PASSWORD.as_bytes()), Some(b""));
    let answer = wire.ask_with(&empty, &wanted);
    assert_eq!(
        (answer.code, answer.controls),
        (19, told(&[0x30, 3, 0x81, 1, 6]))
    );
}

#[test]
fn ldappasswd_changes_ones_own_password() {
    let server = server("");
    let tools = Tools::new(&server);
    let kept = &mut Wire::tls(&server);
    assert_eq!(kept.bind(ALICE, PASSWORD), 0);
    let alice = tools.bound(ALICE, PASSWORD);
    let code = |output: Output| passwd_code(&output);
    assert_eq!(code(alice.run("ldappasswd", &["-s", "new"])), 53);
    assert_eq!(
        code(alice.run("ldappasswd", &["-a", "wrong", "-s", "new"])),
        49
    );
    assert_eq!(
        code(alice.run("ldappasswd", &["-a", PASSWORD, "-s", "x", ADMIN])),
        50
    );
    expect_success(&alice.run("ldappasswd", &["-a", PASSWORD, "-s", "new"]));
    // The recheck window must not let the old one in.
    assert_eq!(tools.bind_code(ALICE, PASSWORD), 49);
    assert_eq!(tools.bind_code(ALICE, "new"), 0);
    assert_eq!(kept.whoami(), dn(ALICE), "other connections stay");

    let alice = tools.bound(ALICE, "new");
    let output = expect_success(&alice.run("ldappasswd", &["-a", "new"]));
    let (_, generated) = output.trim().split_once("New password: ").unwrap();
    assert!(generated.len() >= 16, "{generated}");
    assert_eq!(tools.bind_code(ALICE, generated), 0);
    let entry = tools.bound(ALICE, generated).read(ALICE, &["+"]).unwrap();
    assert_eq!(entry.texts("modifiersName"), [ALICE]);

    let server = server.restart();
    assert_eq!(Tools::new(&server).bind_code(ALICE, generated), 0);
    assert_eq!(Tools::new(&server).bind_code(ALICE, "new"), 49);
}

#[test]
fn administrators_change_the_passwords_of_others() {
    let server = server("");
    let tools = Tools::new(&server);
    let admin = tools.bound(ADMIN, PASSWORD);
    let code = |arguments: &[&str]| passwd_code(&admin.run("ldappasswd", arguments));
    for (user, new) in [(ALICE, "one"), ("u:alice", "two"), ("alice", "three")] {
        assert_eq!(code(&["-s", new, user]), 0, "{user}");
        assert_eq!(tools.bind_code(ALICE, new), 0, "{user}");
    }
    let dn_form = format!("dn:{}", ALICE.to_uppercase());
    assert_eq!(code(&["-s", "four", &dn_form]), 0);
    assert_eq!(tools.bind_code(ALICE, "four"), 0);
    // An old password that is sent is proved all the same.
    assert_eq!(code(&["-a", "wrong", "-s", "x", ALICE]), 49);
    assert_eq!(code(&["-s", "x", &format!("uid=nobody,{BASE}")]), 32);
    assert_eq!(code(&["-s", "x", "uid=no,dn"]), 34);
    // A group has no password.
    assert_eq!(
        code(&["-s", "x", &format!("cn=staff,ou=groups,{BASE}")]),
        65
    );
    assert!(server.logged("password modify") > 0);
}

#[test]
fn who_is_not_bound_changes_a_password_by_the_old_one_over_tls() {
    let server = server("");
    let change = password_modify(Some("alice"), Some(PASSWORD.as_bytes()), Some(b"n\0w\xff"));
    assert_eq!(Wire::clear(&server).ask(&change).code, 13);
    let mut wire = Wire::tls(&server);
    let missing = [
        password_modify(None, Some(PASSWORD.as_bytes()), Some(b"new")),
        password_modify(Some("alice"), None, Some(b"new")),
        password_modify(Some("alice"), Some(b""), Some(b"new")),
        extended(PASSWORD_MODIFY, None),
    ];
    for request in missing {
        assert_eq!(wire.ask(&request).code, 53);
    }
    for malformed in [&b""[..], b"\x30\x00\x00", b"\x30\x02\x82\x01", b"\x04\x00"] {
        let answer = wire.ask(&extended(PASSWORD_MODIFY, Some(malformed)));
        assert_eq!(answer.code, 2, "{malformed:?}");
    }
    let answer = wire.ask(&change);
    assert_eq!((answer.code, answer.name, answer.value), (0, None, None));
    assert_eq!(wire.whoami(), "", "a change is no bind");
    // Any octets count.
    let bind = |password: &[u8]| bind_with(3, ALICE, &tlv(0x80, password));
    for (password, code) in [
        (&b"n\0w\xff"[..], 0),
        (b"n", 49),
        (b"n\0w", 49),
        (PASSWORD.as_bytes(), 49),
    ] {
        assert_eq!(wire.ask(&bind(password)).code, code, "{password:?}");
    }
}

#[test]
fn administrators_act_for_others_with_the_rights_of_those() {
    let server = server(CLEAR);
    let mut wire = Wire::clear(&server);
    let who = extended(WHO_AM_I, None);
    let search = search_request(BASE, 0);
    let refused = wire.ask_with(&who, &acting_as("u:alice"));
    assert_eq!(refused.code, 123, "nobody acts for somebody");

    assert_eq!(wire.bind(ADMIN, PASSWORD), 0);
    for (authorization, name) in [
        ("u:alice", dn(ALICE)),
        (&format!("dn:{}", ALICE.to_uppercase()), dn(ALICE)),
        (&format!("dn:UID = alice , OU=people,{BASE}"), dn(ALICE)),
        ("", String::new()),
        ("dn:", String::new()),
        ("u:admin", dn(ADMIN)),
    ] {
        let answer = wire.ask_with(&who, &acting_as(authorization));
        assert_eq!(answer.code, 0, "{authorization}");
        assert_eq!(answer.value, Some(name.into_bytes()), "{authorization}");
    }
    assert_eq!(wire.ask_with(&search, &acting_as("u:alice")).code, 0);
    assert_eq!(
        wire.ask_with(&search, &acting_as("")).code,
        50,
        "nobody reads nothing"
    );
    for denied in [
        "u:nobody",
        "dn:uid=nobody,dc=example,dc=org",
        "dn:no dn",
        "alice",
    ] {
        assert_eq!(
            wire.ask_with(&search, &acting_as(denied)).code,
            123,
            "{denied}"
        );
    }
    // As alice, the administrator is none.
    let change = password_modify(Some(ADMIN), None, Some(b"new"));
    assert_eq!(wire.ask_with(&change, &acting_as("u:alice")).code, 50);
    assert_eq!(wire.whoami(), dn(ADMIN), "for one operation only");
    let not_critical = control(PROXIED_AUTHORIZATION, false, Some(b"u:alice"));
    assert_eq!(wire.ask_with(&who, &not_critical).code, 2);
    let bind = bind_request(ADMIN, PASSWORD);
    assert_eq!(wire.ask_with(&bind, &acting_as("u:alice")).code, 12);

    assert_eq!(wire.bind(ALICE, PASSWORD), 0);
    assert_eq!(wire.ask_with(&search, &acting_as("u:alice")).code, 0);
    for denied in ["u:admin", "u:nobody"] {
        assert_eq!(
            wire.ask_with(&search, &acting_as(denied)).code,
            123,
            "{denied}"
        );
    }
    assert!(server.logged("proxied authorization") > 0);

    let admin = Tools::new(&server).bound(ADMIN, PASSWORD);
    let output = admin.run("ldapwhoami", &["-e", "!authzid=u:alice"]);
    assert_eq!(whoami(&output), Ok(dn(ALICE)));
}

#[test]
fn start_tls_keeps_who_is_bound_and_comes_once() {
    let server = server(CLEAR);
    let request = extended(START_TLS, None);
    let stream = connect(server.address("ldap"));
    let mut wire = Wire::over(stream.try_clone().unwrap());
    let with_value = wire.ask(&extended(START_TLS, Some(b"x")));
    assert_eq!(
        (with_value.code, with_value.name.as_deref()),
        (2, Some(START_TLS))
    );
    assert_eq!(wire.ask(&sasl_bind("", "PLAIN", None)).code, 14);
    assert_eq!(wire.ask(&request).code, 1, "a negotiation is under way");
    assert_eq!(wire.bind(ALICE, PASSWORD), 0);
    let started = wire.ask(&request);
    assert_eq!(
        (started.code, started.name.as_deref()),
        (0, Some(START_TLS))
    );
    assert_eq!(started.value, None);

    let mut wire = Wire::over(handshake(&server, stream));
    assert_eq!(wire.whoami(), dn(ALICE));
    let again = wire.ask(&request);
    assert_eq!((again.code, again.name.as_deref()), (1, Some(START_TLS)));
    assert_eq!(wire.whoami(), dn(ALICE));
    assert_eq!(wire.ask(&extended(WHO_AM_I, Some(b""))).code, 2);
    assert_eq!(wire.ask(&extended("1.2.3.4", None)).code, 2);
}

#[test]
fn users_of_ad_bind_by_sasl_and_keep_their_passwords_there() {
    let samba = Samba::provision(Size::SMALL);
    let server = Adduct::start(|directory| {
        Clients::new().write(directory);
        let source = samba.source(directory, &Source::default());
        format!("client_ca_file = \"clients.crt\"\n\n{CLEAR}\n{source}")
    });
    server.wait_until_synced();
    let of_state = |state: &str| samba.users().into_iter().find(|user| user.state == state);
    let user = of_state("normal").unwrap();
    let mut wire = Wire::clear(&server);
    let wanted = control(PASSWORD_POLICY, false, None);
    let told = |value: &[u8]| tlv(0xa0, &control(PASSWORD_POLICY, false, Some(value)));
    let plain = |name: &str, password: &str| {
        sasl_bind(
            "",
            "PLAIN",
            Some(format!("\0{name}\0{password}").as_bytes()),
        )
    };

    assert_eq!(wire.ask(&plain(&user.sam, &user.password)).code, 0);
    assert_eq!(wire.whoami(), dn(&user.dn));
    let upn = format!("{}@corp.example.com", user.sam);
    assert_eq!(wire.ask(&plain(&upn, &user.password)).code, 0);
    let old = Some(user.password.as_bytes());
    let bound = wire.ask(&password_modify(None, old, Some(b"New-word-1")));
    assert_eq!(bound.code, 53);
    assert!(bound.text.contains("Active Directory"), "{}", bound.text);
    assert_eq!(wire.bind("", ""), 0);
    let unbound = wire.ask(&password_modify(Some(&user.sam), old, Some(b"New-word-1")));
    assert_eq!((unbound.code, unbound.text), (53, bound.text));

    let wrong = wire.ask(&plain(&user.sam, "wrong"));
    assert_eq!(wrong.code, 49);
    assert_eq!(wire.ask(&plain("nobody", "wrong")), wrong);
    let guessed = password_modify(Some(&user.sam), Some(b"wrong"), Some(b"New-word-1"));
    assert_eq!(wire.ask(&guessed), wrong);

    for (state, error) in [("password-expired", 0), ("locked", 1), ("must-change", 2)] {
        let user = of_state(state).unwrap();
        let answer = wire.ask_with(&bind_request(&user.dn, &user.password), &wanted);
        assert_eq!(answer.code, 49, "{state}");
        assert_eq!(answer.controls, told(&[0x30, 3, 0x81, 1, error]), "{state}");
    }

    // Keeping out by certificate whom the replica knows to be disabled.
    let clients = Clients::new();
    clients.write(server.site().path("").as_path());
    for state in ["normal", "disabled"] {
        let name = of_state(state).unwrap().sam;
        clients.issue(server.site().path("").as_path(), state, |params| {
            params.distinguished_name.push(DnType::CommonName, name);
        });
    }
    server.signal("HUP");
    let external = |certificate| {
        let output = sasl(
            &server,
            "ldapwhoami",
            Some(certificate),
            &["-Y", "EXTERNAL"],
        );
        whoami(&output)
    };
    common::eventually("the new authority", Duration::from_secs(10), || {
        external("normal").ok()
    });
    assert_eq!(external("normal"), Ok(dn(&user.dn)));
    assert_eq!(external("disabled"), Err(49));
}
