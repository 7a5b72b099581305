//! Names, options and octets: into a store by LDIF, out again, and found under any spelling.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::collections::BTreeMap;

use base64::Engine;
use common::ldap::{Found, Session, Tools, escaped, parse_ldif};
use common::sample::{BASE, PASSWORD};
use common::server::{Adduct, Site};

/// An entry below `ou=names`: its RDN as imported, what it has besides, and other spellings.
struct Named {
    rdn: &'static str,
    attributes: &'static [(&'static str, &'static [u8])],
    spellings: &'static [&'static str],
}

const ENTRIES: &[Named] = &[
    Named {
        // Composed.
        rdn: "cn=Zo\u{eb} M\u{fc}ller",
        attributes: &[
            ("cn", "Zo\u{eb} M\u{fc}ller".as_bytes()),
            ("cn;lang-de", "Zo\u{eb} die M\u{fc}llerin".as_bytes()),
            ("description;lang-en;x-a", b"the miller"),
            ("description;lang-en;x-a", b" spaces around "),
        ],
        spellings: &[
            "CN=ZOE\u{308} MU\u{308}LLER",
            "commonName=zo\u{eb}  m\u{fc}ller",
            "2.5.4.3=Zo\\C3\\AB M\\c3\\bcller",
            "cn=#0C0C5A6FC3AB204DC3BC6C6C6572",
            "cn=Zo\u{ad}\u{eb}\\20Mu\u{308}ller",
            "cn=\"Zo\u{eb} M\u{fc}ller\"",
        ],
    },
    Named {
        // Decomposed.
        rdn: "cn=Rene\u{301}e",
        attributes: &[
            ("cn", "Rene\u{301}e".as_bytes()),
            ("mail", b""),
            ("description", b":colon first"),
            ("description", b"<bracket first"),
            ("description", b"two\nlines\0and a NUL"),
        ],
        spellings: &[
            "cn=Ren\u{e9}e",
            "CN=REN\u{c9}E",
            "cn=Ren\\c3\\a9e",
            "cn=Ren\\65\\cc\\81e",
        ],
    },
    Named {
        rdn: "cn=a\\,b\\+c\\\"d\\\\e\\<f\\>g\\;h=i#j",
        attributes: &[("cn", b"a,b+c\"d\\e<f>g;h=i#j")],
        spellings: &[
            "cn=a\\2cb\\2bc\\22d\\5ce\\3cf\\3eg\\3bh\\3di\\23j",
            "CN=A\\,B\\+C\\\"D\\\\E\\<F\\>G\\;H\\=I\\#J",
            "cn=\"a,b+c\\\"d\\\\e<f>g;h=i#j\"",
        ],
    },
    Named {
        rdn: "cn=\\#hash and end\\ ",
        attributes: &[("cn", b"#hash and end ")],
        spellings: &[
            "cn=\\23hash and end",
            "cn=\\ \\#HASH  and end",
            "cn=#0C0D236861736820616E6420656E64",
        ],
    },
    Named {
        rdn: "cn=nul\\00inside\\0Anew line",
        attributes: &[("cn", b"nul\0inside\nnew line")],
        spellings: &["cn=nulinside new line", "cn=NUL\\00INSIDE\\0ANEW LINE"],
    },
    Named {
        rdn: "cn=Amy+uid=amy+sn=Ant",
        attributes: &[("cn", b"Amy"), ("uid", b"amy"), ("sn", b"Ant")],
        spellings: &[
            "uid=amy+sn=Ant+cn=Amy",
            "SN=ANT + UserID=AMY + 2.5.4.3=amy",
            "0.9.2342.19200300.100.1.1=#0403616D79+surname=ant+commonName=AMY",
        ],
    },
    Named {
        rdn: "2.5.4.3=by number",
        attributes: &[("2.5.4.3", b"by number")],
        spellings: &["cn=by number", "OID.2.5.4.3=BY  NUMBER"],
    },
    Named {
        rdn: "uidNumber=-170141183460469231731687303715884105729",
        attributes: &[
            ("cn", b"large"),
            ("uidNumber", b"-170141183460469231731687303715884105729"),
            ("gidNumber", b"1"),
            ("homeDirectory", b"/"),
            ("uid", b"large"),
            ("userCertificate;binary", b"\x30\x03\x02\x01\x05"),
            ("jpegPhoto", b"\xff\xd8\xff\xe0\0\x10JFIF\0\xff\xd9"),
        ],
        spellings: &[
            "1.3.6.1.1.1.1.0=-170141183460469231731687303715884105729",
            "uidnumber=#0211FF7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF",
        ],
    },
];

fn ldif() -> String {
    let encode = |octets: &[u8]| base64::engine::general_purpose::STANDARD.encode(octets);
    let mut ldif = format!(
        "version: 1\n\ndn: {BASE}\nobjectClass: domain\ndc: example\n\n\
         dn: ou=names,{BASE}\nobjectClass: organizationalUnit\nou: names\n\n\
         dn: uid=reader,{BASE}\nobjectClass: inetOrgPerson\nuid: reader\ncn: R\nsn: R\n\
         userPassword: {PASSWORD}\n"
    );
    for Named {
        rdn, attributes, ..
    } in ENTRIES
    {
        ldif += &format!(
            "\ndn:: {}\n",
            encode(format!("{rdn},ou=names,{BASE}").as_bytes())
        );
        ldif += "objectClass: inetOrgPerson\n";
        if attributes.iter().any(|(name, _)| *name == "uidNumber") {
            ldif += "objectClass: posixAccount\n";
        }
        if !attributes.iter().any(|(name, _)| *name == "sn") {
            ldif += "sn: S\n";
        }
        for (name, value) in *attributes {
            ldif += &format!("{name}:: {}\n", encode(value));
        }
    }
    ldif
}

fn site() -> Site {
    let site = Site::new(|_| String::new());
    std::fs::write(site.path("names.ldif"), ldif()).unwrap();
    site.run_ok(&["import", site.path("names.ldif").to_str().unwrap()]);
    site
}

fn server() -> (Adduct, Tools) {
    let server = site().start();
    let tools = Tools::new(&server).bound(&format!("uid=reader,{BASE}"), PASSWORD);
    (server, tools)
}

fn records(ldif: &str) -> BTreeMap<String, Found> {
    let unfolded = ldif.replace("\n ", "");
    parse_ldif(unfolded.trim_start_matches("version: 1\n"))
        .into_iter()
        .map(|found| (found.dn.clone(), found))
        .collect()
}

#[test]
fn everything_that_was_imported_is_exported_and_again() {
    let site = site();
    let first = site.run_ok(&["export"]);
    let other = Site::new(|_| String::new());
    std::fs::write(other.path("first.ldif"), &first).unwrap();
    other.run_ok(&["import", other.path("first.ldif").to_str().unwrap()]);
    assert_eq!(other.run_ok(&["export"]), first);

    let exported = records(&first);
    for (dn, record) in records(&ldif()) {
        let found = exported.get(&dn).unwrap_or_else(|| panic!("{dn} is gone"));
        for (name, values) in &record.attributes {
            if name == "userpassword" {
                continue;
            }
            // A name given as an OID may come back as the name.
            let name = if name == "2.5.4.3" { "cn" } else { name };
            let either = [name, "2.5.4.3"].map(|name| found.values(name).to_vec());
            let mut own = either
                .into_iter()
                .find(|own| !own.is_empty())
                .unwrap_or_default();
            let mut values = values.clone();
            own.sort();
            values.sort();
            assert_eq!(own, values, "{name} of {dn}");
        }
    }
}

#[test]
fn every_spelling_of_a_name_finds_its_entry() {
    let (server, tools) = server();
    let mut session = Session::open(&server, &format!("uid=reader,{BASE}"), PASSWORD);
    for Named { rdn, spellings, .. } in ENTRIES {
        let uuid = |found: Option<Found>, dn: &str| {
            found
                .and_then(|found| found.text("entryUUID"))
                .unwrap_or_else(|| panic!("{dn}"))
        };
        let own = format!("{rdn},ou=names,{BASE}");
        let wanted = uuid(tools.read(&own, &["entryUUID"]), &own);
        for (rdn, below) in spellings.iter().zip(
            [
                "ou=names,dc=example,dc=org",
                "OU=Names, DC=EXAMPLE, DC=ORG",
                "organizationalUnitName=NAMES ; 0.9.2342.19200300.100.1.25=example;dc=org",
                "ou=\\6eames,dc=#16076578616D706C65,dc=org",
            ]
            .iter()
            .cycle(),
        ) {
            let dn = format!("{rdn},{below}");
            assert_eq!(uuid(tools.read(&dn, &["entryUUID"]), &dn), wanted, "{dn}");
            // In a filter, where the backslash needs escaping once more.
            let filter = format!("(entryDN={})", escaped(dn.as_bytes()));
            let found = session.search(BASE, &filter, &["entryUUID"]);
            assert_eq!(found.len(), 1, "{dn}");
            assert_eq!(found[0].attrs["entryUUID"][0], wanted, "{dn}");
        }
    }
}

#[test]
fn what_is_no_name_is_told_from_what_names_nothing() {
    let (_server, tools) = server();
    let code = |base: &str| {
        let output = tools.run(
            "ldapsearch",
            &["-LLL", "-s", "base", "-b", base, "(objectClass=*)", "1.1"],
        );
        output.status.code().unwrap()
    };
    for wrong in [
        "names",
        "ou=names,",
        ",ou=names",
        "ou=names,,dc=org",
        "ou=a\\zz,dc=org",
        "ou=a\\ff,dc=org",
        "ou=\\ed\\a0\\80,dc=org",
        "ou=a\\",
        "ou=a\"b,dc=org",
        "ou=a<b,dc=org",
        "ou=#zz,dc=org",
        "ou=#0403,dc=org",
        "ou;lang-en=names,dc=org",
        "o_u=names,dc=org",
        "2.5.=names,dc=org",
        "2.05.4=names,dc=org",
        "1=names,dc=org",
        "=names,dc=org",
        "cn=a+cn=b,dc=org",
        "cn=a+,dc=org",
    ] {
        assert_eq!(code(wrong), 34, "{wrong}");
    }
    for missing in [
        "ou=nobody,dc=example,dc=org",
        "noSuchType=names,dc=example,dc=org",
        "1.2.3.4=names,dc=example,dc=org",
        "cn=Amy,ou=names,dc=example,dc=org",
        "cn=Amy+uid=amy,ou=names,dc=example,dc=org",
        "cn=Amy+uid=amy+sn=Bee,ou=names,dc=example,dc=org",
        "cn=#3000,ou=names,dc=example,dc=org",
    ] {
        assert_eq!(code(missing), 32, "{missing}");
    }
}

#[test]
fn options_and_octets_are_found_and_selected() {
    let (_server, tools) = server();
    let zoe = format!("cn=Zo\u{eb} M\u{fc}ller,ou=names,{BASE}");
    for (filter, found) in [
        ("(cn=zoe\u{308} die mu\u{308}llerin)", true),
        ("(cn;lang-de=Zo\u{eb} die M\u{fc}llerin)", true),
        ("(cn;lang-de=Zo\u{eb} M\u{fc}ller)", false),
        ("(2.5.4.3;LANG-DE=*m\u{fc}llerin)", true),
        ("(name=zo\u{eb} die*)", true),
        ("(description;lang-en=the miller)", true),
        ("(description;x-a;lang-en=the miller)", true),
        ("(description;lang-en;x-b=the miller)", false),
        ("(description=  spaces   around)", true),
        ("(&(sn=S)(!(cn;nosuch=x)))", false),
        ("(userCertificate;binary=\\30\\03\\02\\01\\05)", true),
        ("(userCertificate=*)", true),
        ("(jpegPhoto=\\ff\\d8\\ff\\e0\\00\\10JFIF\\00\\ff\\d9)", true),
        ("(jpegPhoto=\\ff\\d8\\ff\\e0)", false),
        (
            "(uidNumber<=-170141183460469231731687303715884105728)",
            true,
        ),
        (
            "(uidNumber>=-170141183460469231731687303715884105728)",
            false,
        ),
        ("(description=two lines\\00and a nul)", true),
        ("(description=two lines)", false),
        ("(mail=)", true),
        ("(cn:dn:=ZO\u{cb} M\u{dc}LLER)", true),
        ("(ou:dn:=NAMES)", true),
    ] {
        let base = format!("ou=names,{BASE}");
        assert_eq!(
            !tools.search(&base, filter, &["1.1"]).is_empty(),
            found,
            "{filter}"
        );
    }
    let entry = tools.read(&zoe, &["cn"]).unwrap();
    assert_eq!(entry.texts("cn;lang-de"), ["Zo\u{eb} die M\u{fc}llerin"]);
    assert_eq!(entry.texts("cn"), ["Zo\u{eb} M\u{fc}ller"]);
    let entry = tools.read(&zoe, &["cn;lang-de"]).unwrap();
    assert!(entry.values("cn").is_empty());
    assert_eq!(entry.values("cn;lang-de").len(), 1);
    assert!(tools.compare(&zoe, "description;lang-en;x-a", "The  Miller"));
}
