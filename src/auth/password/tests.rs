#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use proptest::{collection::vec, prelude::*};

use super::{
    scheme::{BASE64, DigestAlgorithm, MAX_CRYPT_PASSWORD_BYTES, SCHEMES},
    *,
};

/// The password behind [`VECTORS`].
const PASSWORD: &str = "Grüße aus dem Süden";

/// Made by other tools from [`PASSWORD`].
const VECTORS: [&str; 19] = [
    // slappasswd of OpenLDAP 2.5, with its modules pw-sha2 and argon2.
    "{SSHA}ZiUOTqmDXrqLUnlS40gqV9BaOtQEF7HS",
    "{SHA}BdqsTFGqRo9o6hSdWRT3zAc0vHA=",
    "{SSHA256}HXDuuBdUWNFBpOzcCd6jBpfOjOS5qUuWB3aELctVNazzY9qIv+yUZA==",
    "{SHA256}8k3C7GX+DqbstTe9Ta2tBMZpP5QBqJ7stIKzkAOCf8A=",
    "{SSHA512}u/fonZVqwqhsqQHTfYs+Rnk8RKU+cYEt2QpomP9AAQffoMLwGRB2Nh6AfBXNgSrJ6heYvcO07pT/jqVPjpc0cPsYWoDst8S5",
    "{SHA512}rVKXmRSCRn7GxMMMfI1JjI0bM3PTd/83NhZONWpuVB6aUSbUeWuVHd9CINwiOpZSOi2ynSN/QQIqjLYdyNDS7Q==",
    "{ARGON2}$argon2i$v=19$m=4096,t=3,p=1$fmO8VjzhAFSeCk6w5d6izQ$hGYrdTm0icDrhDWk8ikqP9110ZI+Ekj2W6mbtKPuU0o",
    "{ARGON2}$argon2i$v=19$m=8192,t=2,p=2$LQic1a8gqKN3La0GVSF4TA$JP/HMjmVo7Qy8A6Qihmlu9EvJQshUBhcbdWfKUhlwAQ",
    // The reference implementation, libargon2.
    "{ARGON2}$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$qh85m1Yj1cXGXC96MzWg7cTN3UdrTSpYkxLLpHjVjvE",
    "{ARGON2}$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHRzYWx0c2FsdA$5hjHjIJ/NCVqJpEYrqI5Ng8oBFrQw28p0/kipD5rO6Y",
    // `openssl passwd`, and crypt(3) of libxcrypt for those with rounds.
    "{CRYPT}$6$3mEoPzqUdcHXLAvV$sZ/.HHVaUSEN90O4OvoPETVqx3sTYIY82gJbGXET01Bq2SmS62.sdTmKqmD92HLj1wwV8KYB9BZqaa7FkC83x/",
    "{CRYPT}$5$3mEoPzqUdcHXLAvV$l7n/ToYPlur3lIy0aubsZR3/cpBl2ax8l2XjNaYwOX8",
    "{CRYPT}$6$rounds=10000$3mEoPzqUdcHXLAvV$WmnQe1WtqxZkMT5ZiBpZuNcHBcw.gbFXTe1shtp2EOqRf9BD.zwNENiEfPp/WjoCWTm6ObMOEHpsPwwGSBtgo0",
    "{CRYPT}$5$rounds=1000$ab$cS7RhViY1N1scmMHaZyliTGIFTE/TMrl2kXkmpf5hL.",
    // Python's hashlib.
    "{PBKDF2}1000$....AAECAwQFBgcICQoLDA$l0aQEciSkjzgsI48MMqBzoocVQc",
    "{PBKDF2-SHA1}1000$....AAECAwQFBgcICQoLDA$l0aQEciSkjzgsI48MMqBzoocVQc",
    "{PBKDF2-SHA256}1000$....AAECAwQFBgcICQoLDA$E495b3jLxs5T3xYim/6eDNor9iDWhco3hyXNfNntAKI",
    "{PBKDF2-SHA512}1000$....AAECAwQFBgcICQoLDA$vqb.8avmX9TVqvIF5qrZG1wTMG2rd9cmw6m8pPlI7I34iJeZILhtX1fbr4yYdDbH6OOOqC4KWYK2Een4PIammg",
    // Scheme names are compared without regard to case (RFC 2307 section 5.3).
    "{ssha}ZiUOTqmDXrqLUnlS40gqV9BaOtQEF7HS",
];

fn stored(value: &str) -> StoredPassword {
    StoredPassword::parse(value.as_bytes()).unwrap_or_else(|error| panic!("{value}: {error}"))
}

fn refused(value: &str) -> PasswordError {
    StoredPassword::parse(value.as_bytes()).expect_err(value)
}

#[test]
fn verifies_what_other_tools_hashed() {
    let mut memory = Argon2Memory::new();
    for value in VECTORS {
        let stored = stored(value);
        assert!(stored.verify(PASSWORD.as_bytes(), &mut memory), "{value}");
        assert!(!stored.verify(b"", &mut memory), "{value}");
        assert!(!stored.verify(b"wrong", &mut memory), "{value}");
    }
}

#[test]
fn digests_are_verified_on_the_spot_and_nothing_else_is() {
    for value in VECTORS {
        let stored = stored(value);
        let is_digest = stored.scheme().contains("SHA") && !stored.scheme().contains("PBKDF2");
        assert_eq!(
            stored.is_quickly_verified(PASSWORD.as_bytes()),
            is_digest,
            "{value}"
        );
        assert!(!stored.is_quickly_verified(b"wrong"), "{value}");
    }
    let long = [b'x'; QUICK_BYTES + 1];
    let digest = BASE64.encode(DigestAlgorithm::Sha1.salted(&long, b""));
    let stored = stored(&format!("{{SHA}}{digest}"));
    assert!(stored.verify(&long, &mut Argon2Memory::new()));
    assert!(!stored.is_quickly_verified(&long), "left to a worker");
}

#[test]
fn verifies_octets_that_are_no_text() {
    let mut memory = Argon2Memory::new();
    for value in [
        "{SSHA}b9Rb3s/fJcLpwGY/2IgnzEs/vZdzYWx0",
        "{ARGON2}$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$Wqfv3cTLGgmFfXtsOMfVN9mIbnTkaJhYxmVchZl5hjM",
    ] {
        assert!(stored(value).verify(b"a\0b", &mut memory));
        assert!(!stored(value).verify(b"a", &mut memory));
    }
}

#[test]
fn hashes_with_argon2id() {
    let mut memory = Argon2Memory::new();
    let value = hash_password(b"a\0\xff", &mut memory).unwrap();
    assert!(value.starts_with("{ARGON2}$argon2id$v=19$m=19456,t=2,p=1$"));
    let other = hash_password(b"a\0\xff", &mut memory).unwrap();
    assert_ne!(value, other, "each has its own salt");
    assert!(stored(&value).verify(b"a\0\xff", &mut memory));
    assert!(!stored(&value).verify(b"a", &mut memory));
}

#[test]
fn memory_is_taken_once_and_a_large_one_given_back() {
    let mut memory = Argon2Memory::new();
    assert_eq!(memory.blocks(19_456).len(), 19_456);
    assert_eq!(memory.blocks(64).len(), 64);
    verify_nothing(b"x", &mut memory);
    assert_eq!(memory.allocations(), 1);
    let large = MAX_KEPT_BLOCKS + 1;
    assert_eq!(memory.blocks(large).len(), large);
    assert_eq!(memory.blocks(64).len(), 64);
    assert_eq!((memory.blocks.len(), memory.allocations()), (64, 3));
}

#[test]
fn tells_cleartext_from_hashes() {
    let cleartext = |value: &'static [u8]| match UserPassword::parse(value) {
        Ok(UserPassword::Cleartext(password)) => password,
        other => panic!("{other:?}"),
    };
    for value in [
        &b""[..],
        b"secret",
        b"{",
        b"{}x",
        b"{a b}c",
        b"x{SSHA}",
        b"\xff",
    ] {
        assert_eq!(cleartext(value), value);
        assert_eq!(StoredPassword::parse(value), Err(PasswordError::Cleartext));
    }
    assert_eq!(cleartext(b"{cleartext}{SSHA}"), b"{SSHA}");
    assert!(matches!(
        UserPassword::parse(VECTORS[0].as_bytes()),
        Ok(UserPassword::Hashed(stored)) if stored.scheme() == "SSHA"
    ));
    assert_eq!(
        UserPassword::parse(b"{MD5}x").unwrap_err().to_string(),
        "the password scheme {MD5} is not supported; supported are {ARGON2}, {SSHA}, {SHA}, \
         {SSHA256}, {SHA256}, {SSHA512}, {SHA512}, {CRYPT} ($5$ and $6$), {PBKDF2}, {PBKDF2-SHA1}, \
         {PBKDF2-SHA256} and {PBKDF2-SHA512}"
    );
}

#[test]
fn every_scheme_is_in_the_message() {
    for (scheme, _) in SCHEMES {
        assert!(SUPPORTED_SCHEMES.contains(&format!("{{{scheme}}}")));
    }
}

#[test]
fn refuses_what_costs_too_much() {
    let argon2 = |params: &str| {
        format!("{{ARGON2}}$argon2id$v=19${params}$c2FsdHNhbHRzYWx0$c2FsdHNhbHRzYWx0")
    };
    let crypt = |rounds: &str| format!("{{CRYPT}}$6$rounds={rounds}$salt${}", "x".repeat(86));
    let pbkdf2 =
        |iterations: &str| format!("{{PBKDF2}}{iterations}$c2FsdA$l0aQEciSkjzgsI48MMqBzoocVQc");
    let cases = [
        (argon2("m=4194304,t=1,p=1"), "memory in KiB", 4_194_304),
        (
            argon2("m=262144,t=5,p=1"),
            "memory in KiB times passes",
            1_310_720,
        ),
        (
            argon2("m=8,t=4294967295,p=1"),
            "memory in KiB times passes",
            34_359_738_360,
        ),
        (argon2("m=8192,t=1,p=1000"), "lanes", 1000),
        (crypt("999999999"), "rounds", 999_999_999),
        (crypt("99999999999999999999"), "rounds", u64::MAX),
        (pbkdf2("1000000000"), "iterations", 1_000_000_000),
        (pbkdf2("99999999999999999999"), "iterations", u64::MAX),
    ];
    for (value, expected, cost) in cases {
        match refused(&value) {
            PasswordError::TooCostly { what, found, .. } => {
                assert_eq!((what, found), (expected, cost), "{value}");
            }
            other => panic!("{value}: {other}"),
        }
    }
    let long = format!("{{SSHA}}{}", "A".repeat(MAX_VALUE_BYTES));
    assert!(matches!(refused(&long), PasswordError::TooLong { .. }));
    // What strict administrators set is taken.
    stored(&argon2("m=262144,t=4,p=4"));
    stored(&crypt("656000"));
    stored(&pbkdf2("1300000"));
}

#[test]
fn a_long_password_is_not_tried_with_crypt() {
    let long = vec![b'x'; MAX_CRYPT_PASSWORD_BYTES + 1];
    assert!(!stored(VECTORS[10]).verify(&long, &mut Argon2Memory::new()));
}

#[test]
fn refuses_what_is_malformed() {
    for value in [
        "{SSHA}BdqsTFGqRo9o6hSdWRT3zAc0vHA=",
        "{SHA}BdqsTFGqRo9o6hSdWRT3zAc0vHAx",
        "{SHA}BdqsTFGqRo9o6hSdWRT3zA",
        "{SHA}!",
        "{ARGON2}",
        "{ARGON2}$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0",
        "{ARGON2}$argon2id$v=19$m=64,t=1,p=1$c2Fs$c2FsdHNhbHRzYWx0",
        "{ARGON2}$argon2id$v=20$m=64,t=1,p=1$c2FsdHNhbHRzYWx0$c2FsdHNhbHRzYWx0",
        "{ARGON2}$argon2id$v=19$m=1,t=1,p=1$c2FsdHNhbHRzYWx0$c2FsdHNhbHRzYWx0",
        "{ARGON2}$argon2d$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0$c2FsdHNhbHRzYWx0",
        "{ARGON2}$scrypt$ln=1$c2FsdHNhbHRzYWx0$c2FsdHNhbHRzYWx0",
        "{CRYPT}ab1cD2eF3gH4i",
        "{CRYPT}$1$salt$hash",
        "{CRYPT}$6$salt",
        "{CRYPT}$6$salt$short",
        "{CRYPT}$6$rounds=10$salt$sZ/.HHVaUSEN90O4OvoPETVqx3sTYIY82gJbGXET01Bq2SmS62.sdTmKqmD92HLj1wwV8KYB9BZqaa7FkC83x/",
        "{CRYPT}$6$rounds=+5000$salt$sZ/.HHVaUSEN90O4OvoPETVqx3sTYIY82gJbGXET01Bq2SmS62.sdTmKqmD92HLj1wwV8KYB9BZqaa7FkC83x/",
        "{PBKDF2}0$c2FsdA$l0aQEciSkjzgsI48MMqBzoocVQc",
        "{PBKDF2}1$c2FsdA$l0aQEciSkjzgsI48MMqBzoocVQ",
        "{PBKDF2}1$c2FsdA",
        "{PBKDF2}1$c2FsdA$l0aQEciSkjzgsI48MMqBzoocVQc$",
    ] {
        let error = refused(value);
        assert!(
            matches!(error, PasswordError::Malformed { .. }),
            "{value}: {error}"
        );
    }
}

#[test]
fn debug_hides_secrets() {
    let hashed = UserPassword::parse(VECTORS[0].as_bytes());
    assert_eq!(format!("{hashed:?}"), "Ok(StoredPassword({SSHA}..))");
    let cleartext = UserPassword::parse(b"secret");
    assert_eq!(format!("{cleartext:?}"), "Ok(Cleartext(..))");
}

proptest! {
    #[test]
    fn salted_digests_verify(password in vec(any::<u8>(), 0..80), salt in vec(any::<u8>(), 1..20)) {
        let octets = [DigestAlgorithm::Sha256.salted(&password, &salt), salt].concat();
        let value = format!("{{SSHA256}}{}", BASE64.encode(octets));
        let mut memory = Argon2Memory::new();
        prop_assert!(stored(&value).verify(&password, &mut memory));
        let other = [&password[..], b"x"].concat();
        prop_assert!(!stored(&value).verify(&other, &mut memory));
    }

    #[test]
    fn parsing_never_panics(
        scheme in prop::sample::select(SCHEMES.map(|(scheme, _)| scheme).to_vec()),
        rest in r"(\$(5|6|argon2id|v=19|rounds=[0-9]{1,5}|m=[0-9]{1,5},t=[0-9],p=[0-9])){0,4}[$a-z0-9./=]{0,60}",
    ) {
        let value = format!("{{{scheme}}}{rest}");
        if let Ok(stored) = StoredPassword::parse(value.as_bytes()) {
            prop_assert_eq!(stored.scheme(), scheme);
        }
    }
}
