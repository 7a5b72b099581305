#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use super::{Named, resolve as names_resolve};
use crate::directory::{SelectSettings, SourceRecord, tests::build::*};

fn world() -> Fixture {
    let select = SelectSettings {
        exclude: Some("(sAMAccountName=gone)".to_owned()),
        ..SelectSettings::default()
    };
    let fixture = Fixture::selecting(
        select,
        [
            domain(1),
            ou(2, 1, "Staff"),
            ou(3, 2, "R/D"),
            user(11, 3, "jdoe")
                .named("CN=Doe\\, John")
                .with("userPrincipalName", &["john.doe@example.com"]),
            user(12, 2, "Müller"),
            // Whose UPN is what would be the implicit one of another.
            user(13, 2, "eve").with("userPrincipalName", &["jane@corp.example.com"]),
            user(14, 2, "jane"),
            user(15, 2, "gone"),
            group(30, 2, "team", &[11]),
            local_top(40),
            local(41, Some(40), "uid=app", "account"),
            local(42, Some(40), "uid=jane", "account"),
        ],
    );
    fixture
        .directory
        .write(|transaction| {
            transaction.put_source(SourceRecord {
                name: SOURCE.to_owned(),
                domain: "corp.example.com".to_owned(),
                netbios: Some("CORP".to_owned()),
                complete: true,
                ..SourceRecord::default()
            });
            Ok::<_, std::convert::Infallible>(())
        })
        .unwrap();
    fixture
}

fn number(fixture: &Fixture, name: &str) -> Result<u32, Named> {
    let now = fixture.now();
    match names_resolve(&now, name.as_bytes()) {
        Named::One(found) => {
            let number = now.entry(found).unwrap().uuid.as_u128() - id(0).as_u128();
            Ok(u32::try_from(number).unwrap())
        }
        other => Err(other),
    }
}

#[test]
fn every_form_finds_the_account() {
    let fixture = world();
    let guid = format!("<GUID={}>", id(11));
    let octets: String = id(11)
        .to_bytes_le()
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect();
    let sid = "S-1-5-21-2966102495-3163130805-921133302-1011";
    for name in [
        "cn=Doe\\, John,OU=R/D,ou=staff,DC=corp,DC=example,DC=com",
        "CN=\"doe, john\", ou=r/d, ou=STAFF, dc=corp, dc=example, dc=com",
        "john.doe@example.com",
        "John.Doe@EXAMPLE.com",
        "jdoe@corp.example.com",
        "JDOE@CORP",
        "corp\\jdoe",
        "CORP\\JDoe",
        "corp.example.com/Staff/R\\/D/Doe, John",
        "CORP.example.com/staff/r\\/d/doe, john",
        guid.as_str(),
        &guid.to_uppercase(),
        &format!("<GUID={octets}>"),
        sid,
        &format!("<SID={sid}>"),
        "jdoe",
        "JDOE",
        "uid=jdoe,dc=corp,dc=example,dc=com",
        "UID=JDoe, ou=staff,dc=corp,dc=example,dc=com",
        "userid=jdoe,ou=r/d,ou=staff,dc=corp,dc=example,dc=com",
    ] {
        assert_eq!(number(&fixture, name), Ok(11), "{name}");
    }
    assert_eq!(number(&fixture, "müller"), Ok(12));
    assert_eq!(number(&fixture, "corp.example.com/Staff/MÜLLER"), Ok(12));
    assert_eq!(number(&fixture, "app"), Ok(41));
    assert_eq!(number(&fixture, "uid=app,dc=example,dc=com"), Ok(41));
    // The domain's naming context lies within the local one.
    assert_eq!(number(&fixture, "uid=jdoe,dc=example,dc=com"), Ok(11));
}

#[test]
fn what_means_nobody() {
    let fixture = world();
    for name in [
        "",
        "nobody",
        "corp.example.com\\jdoe",
        "other\\jdoe",
        "jdoe@other",
        "jdoe@",
        "@corp",
        "\\jdoe",
        "corp\\",
        "corp.example.com/",
        "corp.example.com/Staff",
        "corp.example.com/Staff/R/D/Doe, John",
        "other.example.com/Staff/R\\/D/Doe, John",
        "<GUID=>",
        "<GUID=x>",
        "<SID=S-1-5-32>",
        "S-1-",
        "<X=y>",
        "uid=jdoe",
        "uid=jdoe,ou=nowhere,dc=corp,dc=example,dc=com",
        "uid=müller,ou=r/d,ou=staff,dc=corp,dc=example,dc=com",
        "cn=jdoe,ou=staff,dc=corp,dc=example,dc=com",
        // Groups and containers have no password.
        "team",
        "cn=team,ou=staff,dc=corp,dc=example,dc=com",
        "ou=staff,dc=corp,dc=example,dc=com",
        // Not served.
        "gone",
        "corp\\gone",
        "gone@corp.example.com",
        "corp.example.com/Staff/gone",
        "S-1-5-21-2966102495-3163130805-921133302-1015",
        &format!("<GUID={}>", id(15)),
    ] {
        assert_eq!(number(&fixture, name), Err(Named::Nobody), "{name}");
    }
    assert_eq!(names_resolve(&fixture.now(), b"\xff\xfe"), Named::Nobody);
}

#[test]
fn two_matches_are_refused() {
    let fixture = world();
    // A UPN and another's implicit one; an account of AD and a local one.
    for name in ["jane@corp.example.com", "jane"] {
        assert_eq!(number(&fixture, name), Err(Named::Ambiguous), "{name}");
    }
    assert_eq!(number(&fixture, "corp\\jane"), Ok(14));
    assert_eq!(number(&fixture, "uid=jane,dc=example,dc=com"), Ok(42));
    assert_eq!(
        number(&fixture, "uid=jane,dc=corp,dc=example,dc=com"),
        Ok(14)
    );
}

#[test]
fn what_has_the_form_of_a_dn_must_be_one() {
    let fixture = world();
    for name in ["uid=jdoe,,dc=x", "cn=a,b", "cn=\\", "cn=,dc=x"] {
        assert_eq!(number(&fixture, name), Err(Named::InvalidDn), "{name}");
    }
}
