//! LDIF in and out, all or nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use base64::Engine;
use common::ldap::{Tools, parse_ldif};
use common::sample::{self, ALICE, BASE, PASSWORD};
use common::server::Site;

#[test]
fn what_is_exported_can_be_imported_unchanged() {
    let site = sample::site("");
    let first = site.run_ok(&["export"]);
    assert_eq!(unfolded(&first).len(), 7);
    assert!(!first.contains(PASSWORD), "a password in the clear");

    let other = Site::new(|_| String::new());
    std::fs::write(other.path("exported.ldif"), &first).unwrap();
    let printed = other.run_ok(&["import", path(&other, "exported.ldif").as_str()]);
    assert!(printed.contains('7'), "{printed}");
    assert_eq!(other.run_ok(&["export"]), first);

    // The hashes came along.
    let server = other.start();
    assert_eq!(Tools::new(&server).bind_code(ALICE, PASSWORD), 0);
}

#[test]
fn a_part_can_be_exported_to_a_file() {
    let site = sample::site("");
    let out = path(&site, "people.ldif");
    site.run_ok(&[
        "export",
        "--base",
        &format!("ou=people,{BASE}"),
        "--out",
        &out,
    ]);
    let text = std::fs::read_to_string(&out).unwrap();
    assert_eq!(unfolded(&text).len(), 4, "{text}");
}

#[test]
fn an_error_names_its_place_and_leaves_the_store_as_it_was() {
    let site = sample::site("");
    let before = site.run_ok(&["export"]);
    let wrong = format!(
        "dn: uid=new,ou=people,{BASE}\nobjectClass: inetOrgPerson\nuid: new\ncn: New\nsn: New\n\n\
         dn: uid=orphan,ou=missing,{BASE}\nobjectClass: inetOrgPerson\nuid: orphan\ncn: O\nsn: O\n"
    );
    std::fs::write(site.path("wrong.ldif"), wrong).unwrap();
    let output = site.run(&["import", &path(&site, "wrong.ldif")]);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    for word in ["wrong.ldif", "7", "uid=orphan"] {
        assert!(error.contains(word), "{error}");
    }
    assert_eq!(site.run_ok(&["export"]), before);
}

#[test]
fn entries_are_replaced_only_when_asked_for() {
    let site = sample::site("");
    let changed = sample::LDIF.replace("alice@example.org", "changed@example.org");
    std::fs::write(site.path("changed.ldif"), changed).unwrap();
    let file = path(&site, "changed.ldif");
    assert_eq!(site.run(&["import", &file]).status.code(), Some(1));
    assert!(!site.run_ok(&["export"]).contains("changed@example.org"));
    site.run_ok(&["import", &file, "--replace"]);
    assert!(site.run_ok(&["export"]).contains("changed@example.org"));
}

#[test]
fn a_store_in_use_is_not_imported_into() {
    let server = sample::server("");
    let file = path(server.site(), "sample.ldif");
    let output = server.site().run(&["import", &file, "--replace"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn passwords_and_members_are_known_by_other_names_too() {
    let site = Site::new(|_| String::new());
    let ldif = format!(
        "dn: {BASE}\nobjectClass: domain\ndc: example\n\n\
         dn: uid=u,{BASE}\nobjectClass: inetOrgPerson\nuid: u\ncn: U\nsn: U\n\
         2.5.4.35: {PASSWORD}\nuserPassword;x-old: {PASSWORD}\n\n\
         dn: cn=g,{BASE}\nobjectClass: groupOfNames\ncn: g\n2.5.4.31: UID=u,{BASE}\n"
    );
    std::fs::write(site.path("names.ldif"), ldif).unwrap();
    site.run_ok(&["import", &path(&site, "names.ldif")]);
    let exported = site.run_ok(&["export"]);
    assert!(!exported.contains(PASSWORD), "{exported}");
    assert!(
        exported.contains("creatorsName: cn=adduct import"),
        "{exported}"
    );
    let server = site.start();
    let tools = Tools::new(&server);
    let user = tools.bound(&format!("uid=u,{BASE}"), PASSWORD);
    let entry = user.read(&format!("uid=u,{BASE}"), &["memberOf"]).unwrap();
    assert_eq!(entry.texts("memberOf"), [format!("cn=g,{BASE}")]);
}

#[test]
fn a_member_imported_later_is_a_member() {
    let site = sample::site("");
    let user = format!("uid=late,{BASE}");
    let group = format!("cn=g,{BASE}");
    for (name, ldif) in [
        (
            "group.ldif",
            format!("dn: {group}\nobjectClass: groupOfNames\ncn: g\nmember: {user}\n"),
        ),
        (
            "user.ldif",
            format!("dn: {user}\nobjectClass: account\nuid: late\n"),
        ),
    ] {
        std::fs::write(site.path(name), ldif).unwrap();
        site.run_ok(&["import", &path(&site, name)]);
    }
    let server = site.start();
    let entry = sample::alice(&server).read(&user, &["memberOf"]).unwrap();
    assert_eq!(entry.texts("memberOf"), [group]);
}

/// Hashes made by other programs for the sample's password: Python's hashlib, openssl passwd -6.
const HASHES: [&str; 6] = [
    "{SSHA}HFL5zlhQ4VodDnHZuWjClcM/QpdzYWx0c2FsdA==",
    "{SSHA256}qhjtWM23VrdXv+7P+Z+N3Z1IHKHuDFBkWQOBsOlbMJlzYWx0c2FsdA==",
    "{SSHA512}D/yFR9VczQxqgwmWwbtAkQr18bYASZDmYHy7d17Kcwd5PunB0na0Y0p3kxkNSJGGvyeumcmqcKTMeTrea9sRSXNhbHRzYWx0",
    "{CRYPT}$6$saltsalt$VR/mhbHE3/qoIkM82BDOg1I1HyO9ShHXFvbTialasbV5P149oYmtAU.DFZNQBd9a2Mo0w4J.OQ1rOLATPxAI50",
    "{PBKDF2-SHA256}10000$c2FsdHNhbHRzYWx0c2FsdA$hEYzlpBrcYjb45HqYtOZk7FSQPIvsmZxZgFnhfRwje4",
    "{PBKDF2-SHA512}10000$c2FsdHNhbHRzYWx0c2FsdA$doHqwzgMspOS6rCuSwxTWVaG69IZyUQatEDxsHnhOBMClZCiS0s.poaLOs8spdJe80wHGCXbasQpjY4rySLU5A",
];

#[test]
fn hashes_of_other_servers_verify() {
    let site = Site::new(|_| String::new());
    let mut ldif = format!("dn: {BASE}\nobjectClass: domain\ndc: example\n");
    let hashes: Vec<_> = HASHES
        .iter()
        .map(|&hash| hash.to_owned())
        .chain([argon2id()])
        .collect();
    for (number, hash) in hashes.iter().enumerate() {
        ldif += &format!(
            "\ndn: uid=u{number},{BASE}\nobjectClass: inetOrgPerson\nuid: u{number}\ncn: U\nsn: U\n\
             userPassword: {hash}\n"
        );
    }
    std::fs::write(site.path("hashes.ldif"), ldif).unwrap();
    site.run_ok(&["import", &path(&site, "hashes.ldif")]);
    let server = site.start();
    let tools = Tools::new(&server);
    for (number, hash) in hashes.iter().enumerate() {
        let dn = format!("uid=u{number},{BASE}");
        assert_eq!(tools.bind_code(&dn, PASSWORD), 0, "{hash}");
        assert_eq!(tools.bind_code(&dn, "Sample-word-2"), 49, "{hash}");
    }
}

fn argon2id() -> String {
    let mut digest = [0; 32];
    let salt = b"saltsaltsaltsalt";
    let params = argon2::Params::new(1024, 1, 1, Some(32)).unwrap();
    argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
        .hash_password_into(PASSWORD.as_bytes(), salt, &mut digest)
        .unwrap();
    let base64 = base64::engine::general_purpose::STANDARD_NO_PAD;
    let (salt, digest) = (base64.encode(salt), base64.encode(digest));
    format!("{{ARGON2}}$argon2id$v=19$m=1024,t=1,p=1${salt}${digest}")
}

fn unfolded(text: &str) -> Vec<common::ldap::Found> {
    let text = text.replace("\n ", "");
    let body = text.trim_start_matches("version: 1\n");
    parse_ldif(body)
}

fn path(site: &Site, name: &str) -> String {
    site.path(name).to_str().unwrap().to_owned()
}
