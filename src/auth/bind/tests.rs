#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use rcgen::{CertificateParams, DnType, KeyPair, SanType};

use super::*;
use crate::{
    access::config::AccessConfig,
    auth::{ChangeRefused, NotAuthorized, Plain, certificate::Certificate},
    directory::{SelectSettings, tests::build::*},
    schema::Schema,
};

const ARGON2: &str = "{ARGON2}$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$qh85m1Yj1cXGXC96MzWg7cTN3UdrTSpYkxLLpHjVjvE";
const SHA: &str = "{SHA}BdqsTFGqRo9o6hSdWRT3zAc0vHA=";
/// What both are hashes of.
const PASSWORD: &str = "Grüße aus dem Süden";

/// Local accounts: 41 hashed with argon2, 42 with SHA, 43 without a password, 44
/// disabled, 45 an administrator; and 11, who comes from AD.
fn world() -> (Authenticator, Access) {
    let account = |number, uid: &str| {
        local(number, Some(40), &format!("uid={uid}"), "account").with("uid", &[uid])
    };
    let fixture = Fixture::selecting(
        SelectSettings::default(),
        [
            domain(1),
            user(11, 1, "jdoe"),
            local_top(40),
            account(41, "argon").with("userPassword", &[ARGON2]),
            account(42, "sha").with("userPassword", &[SHA]),
            account(43, "none"),
            account(44, "off")
                .with("userPassword", &[ARGON2])
                .with("userAccountControl", &["514"]),
            account(45, "root").with("userPassword", &[ARGON2]),
        ],
    );
    let administrators = vec![fixture.dn(45)];
    let access = Access::new(
        &AccessConfig {
            administrators,
            ..AccessConfig::default()
        },
        &Schema::shared_builtin(),
    );
    let authenticator = Authenticator::new(
        Arc::new(fixture.directory),
        HashPool::new(1, 8).unwrap(),
        Recheck::new(Duration::from_secs(60)),
        HashMap::new(),
    );
    (authenticator, access)
}

fn outcome(proved: Result<AuthorizationIdentity, BindRefused>) -> Result<u128, String> {
    match proved {
        Ok(AuthorizationIdentity::Entry { uuid, .. }) => Ok(uuid.as_u128() - id(0).as_u128()),
        Ok(AuthorizationIdentity::Anonymous) => Ok(0),
        Err(refused) => Err(format!("{:?}", LdapResult::from(&refused))),
    }
}

#[tokio::test]
async fn every_refused_password_costs_one_argon2_hash() {
    let (authenticator, access) = world();
    let wrong = outcome(Err(BindRefused::WRONG_PASSWORD));
    for name in [
        "argon",
        "sha",
        "none",
        "off",
        "nobody",
        "uid=nobody,dc=example,dc=com",
    ] {
        let before = authenticator.hashes.stats();
        let proved = authenticator.simple_bind(&access, name.as_bytes(), b"wrong");
        assert_eq!(outcome(proved.await), wrong, "{name}");
        let after = authenticator.hashes.stats();
        assert_eq!(after.done, before.done + 1, "{name}");
        // No other hash works for a millisecond.
        let worked = after.working - before.working;
        assert!(worked > Duration::from_millis(1), "{name}: {worked:?}");
    }
}

#[tokio::test]
async fn the_right_password_gets_in_whoever_is_not_kept_out() {
    let (authenticator, access) = world();
    for (name, expected) in [("argon", Ok(41)), ("sha", Ok(42))] {
        let proved = authenticator.simple_bind(&access, name.as_bytes(), PASSWORD.as_bytes());
        assert_eq!(outcome(proved.await), expected, "{name}");
    }
    let refused = authenticator
        .simple_bind(&access, b"off", PASSWORD.as_bytes())
        .await
        .unwrap_err();
    assert!(matches!(
        refused,
        BindRefused::Invalid(BindOutcome::ACCOUNT_DISABLED)
    ));
}

fn plain<'a>(authorization: &'a str, authentication: &'a str) -> Plain<'a> {
    Plain {
        authorization,
        authentication,
        password: PASSWORD,
    }
}

#[tokio::test]
async fn only_administrators_act_for_others() {
    let (authenticator, access) = world();
    let refused = outcome(Err(BindRefused::WRONG_PASSWORD));
    let argon = authenticator.directory.snapshot();
    let argon = format!("dn:{}", argon.dn(argon.id_of(id(41)).unwrap()));
    for (authorization, name, expected) in [
        ("", "argon", Ok(41)),
        ("u:argon", "argon", Ok(41)),
        ("U:argon", "u:argon", Ok(41)),
        (argon.as_str(), "argon", Ok(41)),
        ("dn:", "argon", Ok(0)),
        ("u:sha", "argon", refused.clone()),
        ("u:nobody", "argon", refused.clone()),
        ("argon", "argon", refused.clone()),
        ("u:sha", "root", Ok(42)),
        (argon.to_uppercase().as_str(), "root", Ok(41)),
        ("u:off", "root", refused.clone()),
        ("u:nobody", "root", refused.clone()),
        ("dn:no dn", "root", refused.clone()),
    ] {
        let message = plain(authorization, name);
        let proved = authenticator.plain_bind(&access, &message).await;
        assert_eq!(outcome(proved), expected, "{name} as {authorization}");
    }
}

#[tokio::test]
async fn who_acts_for_another_has_the_rights_of_that_one() {
    let (authenticator, access) = world();
    let root = authenticator.plain_bind(&access, &plain("", "root")).await;
    let root = root.unwrap();
    let is_administrator = |identity: &AuthorizationIdentity| match identity {
        AuthorizationIdentity::Entry { administrator, .. } => *administrator,
        AuthorizationIdentity::Anonymous => false,
    };
    assert!(is_administrator(&root));
    let user = authenticator.act_as(&access, &root, b"u:sha").unwrap();
    assert!(!is_administrator(&user));
    assert_eq!(
        authenticator.act_as(&access, &user, b"u:root"),
        Err(NotAuthorized)
    );
    assert_eq!(
        authenticator.act_as(&access, &AuthorizationIdentity::Anonymous, b"u:sha"),
        Err(NotAuthorized)
    );
}

#[tokio::test]
async fn a_password_is_the_same_prepared_or_not() {
    let (authenticator, access) = world();
    let typed = "Ｐass\u{a0}word".as_bytes();
    authenticator
        .change_password(id(41), None, typed, "cn=x")
        .await
        .unwrap();
    for given in [typed, b"Pass word"] {
        let simple = authenticator.simple_bind(&access, b"argon", given).await;
        assert_eq!(outcome(simple), Ok(41));
        let message = Plain {
            password: std::str::from_utf8(given).unwrap(),
            ..plain("", "argon")
        };
        assert_eq!(
            outcome(authenticator.plain_bind(&access, &message).await),
            Ok(41)
        );
    }
}

#[tokio::test]
async fn a_changed_password_takes_the_place_of_the_old_at_once() {
    let (authenticator, access) = world();
    let bind = |password: &'static [u8]| authenticator.simple_bind(&access, b"argon", password);
    assert_eq!(outcome(bind(PASSWORD.as_bytes()).await), Ok(41));
    let old = Some(PASSWORD.as_bytes());
    let change = |old, new| authenticator.change_password(id(41), old, new, "cn=by");
    assert!(matches!(
        change(Some(&b"wrong"[..]), b"new").await,
        Err(ChangeRefused::Bind(BindRefused::Invalid(
            BindOutcome::LOGON_FAILURE
        )))
    ));
    change(old, b"new").await.unwrap();
    assert!(bind(PASSWORD.as_bytes()).await.is_err());
    assert_eq!(outcome(bind(b"new").await), Ok(41));
    let stored = authenticator.directory.stored(id(41)).unwrap().unwrap();
    assert!(
        stored
            .first_str("userPassword")
            .unwrap()
            .starts_with("{ARGON2}$argon2id$")
    );
    assert_eq!(stored.attribute("userPassword").unwrap().values.len(), 1);
    assert_eq!(stored.first_str("modifiersName"), Some("cn=by"));
    assert!(stored.first("modifyTimestamp").is_some());
}

#[tokio::test]
async fn passwords_are_changed_where_they_are_kept() {
    let (authenticator, _) = world();
    let change = |number| authenticator.change_password(id(number), None, b"new", "cn=by");
    assert!(matches!(change(11).await, Err(ChangeRefused::NotLocal)));
    assert!(matches!(change(99).await, Err(ChangeRefused::Gone)));
    assert!(matches!(change(43).await, Err(ChangeRefused::NoPassword)));
}

fn certificate(adjust: impl FnOnce(&mut CertificateParams)) -> Certificate {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    adjust(&mut params);
    let key = KeyPair::generate().unwrap();
    Certificate::parse(params.self_signed(&key).unwrap().der()).unwrap()
}

fn principal(name: &str) -> SanType {
    SanType::OtherName((
        vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 3],
        rcgen::OtherNameValue::Utf8String(name.to_owned()),
    ))
}

fn mail(address: &str) -> SanType {
    SanType::Rfc822Name(address.try_into().unwrap())
}

#[tokio::test]
async fn the_first_name_in_a_certificate_decides() {
    let (authenticator, access) = world();
    let refused = outcome(Err(BindRefused::WRONG_PASSWORD));
    let common = |name: &'static str, names: Vec<SanType>| {
        certificate(|params| {
            params.distinguished_name.push(DnType::CommonName, name);
            params.subject_alt_names = names;
        })
    };
    for (certificate, expected) in [
        (certificate(|_| {}), refused.clone()),
        (common("argon", vec![]), Ok(41)),
        (common("jdoe", vec![]), Ok(11)),
        (common("nobody", vec![]), refused.clone()),
        (common("off", vec![]), {
            let disabled = BindRefused::Invalid(BindOutcome::ACCOUNT_DISABLED);
            outcome(Err(disabled))
        }),
        // A name of an earlier kind that means nobody is not passed over.
        (common("argon", vec![mail("nobody")]), refused.clone()),
        (
            common("argon", vec![principal("nobody"), mail("sha")]),
            refused.clone(),
        ),
        (
            common("argon", vec![mail("sha"), principal("none")]),
            Ok(43),
        ),
        (common("argon", vec![mail("sha")]), Ok(42)),
        (common("argon", vec![mail("sha"), mail("x@y")]), Ok(42)),
        (
            common("argon", vec![mail("sha"), mail("none")]),
            refused.clone(),
        ),
        // Never a DN, GUID or SID.
        (
            common("uid=argon,dc=example,dc=com", vec![]),
            refused.clone(),
        ),
        (
            common("<GUID=00000000-0000-0000-0000-000000000029>", vec![]),
            refused.clone(),
        ),
    ] {
        let proved = authenticator.certificate_bind(&access, &certificate, b"");
        assert_eq!(outcome(proved), expected, "{certificate:?}");
    }
    let own = common("argon", vec![]);
    let as_other = |name: &[u8]| outcome(authenticator.certificate_bind(&access, &own, name));
    assert_eq!(as_other(b"u:argon"), Ok(41));
    assert_eq!(as_other(b"u:sha"), refused);
}

#[tokio::test]
async fn a_certificate_whose_time_is_over_proves_nothing() {
    let (authenticator, access) = world();
    let old = certificate(|params| {
        params.distinguished_name.push(DnType::CommonName, "argon");
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    assert!(authenticator.certificate_bind(&access, &old, b"").is_err());
}

#[test]
fn what_ad_says_of_a_password_is_told_in_words_of_the_policy_control() {
    for (refused, expected) in [
        (0x532, Some(PasswordPolicyError::PasswordExpired)),
        (0x775, Some(PasswordPolicyError::AccountLocked)),
        (0x773, Some(PasswordPolicyError::ChangeAfterReset)),
        (0x52e, None),
        (0x533, None),
    ] {
        let told: Option<PasswordPolicyError> = (&BindRefused::Invalid(refused)).into();
        assert_eq!(told, expected, "{refused:x}");
    }
    let told: Option<PasswordPolicyError> = (&BindRefused::Busy).into();
    assert_eq!(told, None);
}
