#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::io::{BufReader, Write as _};

use proptest::{collection::vec, prelude::*};

use super::*;

fn read(text: &str) -> Vec<LdifRecord> {
    LdifReader::new(text.as_bytes())
        .collect::<Result<_, _>>()
        .unwrap()
}

/// The message of the error that reading ends with.
fn fail(text: &str) -> String {
    let mut results: Vec<_> = LdifReader::new(text.as_bytes()).collect();
    results.pop().unwrap().unwrap_err().to_string()
}

fn attribute(description: &str, values: &[&[u8]]) -> Attribute {
    Attribute {
        description: description.to_owned(),
        values: values.iter().map(|value| value.to_vec()).collect(),
    }
}

#[test]
fn reads_every_form_of_a_line() {
    let text = "\u{feff}version: 1\n\
        # a comment\n \x20that goes on\n\
        \n\
        dn: cn=Barbara Jensen, ou=Product\n  Development,dc=example\r\n\
        changetype: add\r\n\
        objectClass: top\r\n\
        # inside\r\n\
        cn:Barbara Jensen\r\n\
        objectclass: person\r\n\
        sn;lang-de:  Jensen \r\n\
        description:\r\n\
        title:: TWFu\r\n YWdlcg==\r\n\
        2.5.4.20: +49\r\n\
        \r\n\
        \r\n\
        dn:: Y249R3LDvG4=\n\
        cn: Grün";
    let records = read(text);
    assert_eq!(
        records,
        [
            LdifRecord {
                line: 5,
                dn: "cn=Barbara Jensen, ou=Product Development,dc=example".to_owned(),
                attributes: vec![
                    attribute("objectClass", &[b"top", b"person"]),
                    attribute("cn", &[b"Barbara Jensen"]),
                    attribute("sn;lang-de", &[b"Jensen "]),
                    attribute("description", &[b""]),
                    attribute("title", &[b"Manager"]),
                    attribute("2.5.4.20", &[b"+49"]),
                ],
            },
            LdifRecord {
                line: 19,
                dn: "cn=Grün".to_owned(),
                attributes: vec![attribute("cn", &["Grün".as_bytes()])],
            },
        ]
    );
}

#[test]
fn nothing_is_an_ldif_without_records() {
    assert_eq!(read(""), []);
    assert_eq!(read("version: 1\n\n# the end\n"), []);
}

#[test]
fn errors_say_where_and_what() {
    let cases = [
        (
            "version: 2\n",
            "line 1: version \"2\" of LDIF is not known, only version 1 is",
        ),
        (
            "\n cn: x\n",
            "line 2: the line starts with a space, but there is no line before it to continue",
        ),
        (
            "cn: x\n",
            "line 1: a record starts with `dn:`, found \"cn\"",
        ),
        (
            "dn: cn=x\ncn: x\ndn: cn=y\n",
            "line 3 (dn: cn=x): a second `dn:` in one record; an empty line between two records is missing",
        ),
        (
            "dn: cn=x\n\ncn: x\n",
            "line 1 (dn: cn=x): the record has no attributes",
        ),
        (
            "dn: cn=x\ncn: x\njunk\n",
            "line 3 (dn: cn=x): no colon in \"junk\"; expected `attribute: value`, `attribute:: base64` or a comment",
        ),
        (
            "dn: cn=x\nc n: x\n",
            "line 2 (dn: cn=x): \"c n\" is no attribute description",
        ),
        (
            "dn: cn=x\nmember;range=0-1: x\n",
            "line 2 (dn: cn=x): \"member;range=0-1\" is no attribute description",
        ),
        (
            "dn: cn=x\nchangetype: modify\nadd: cn\n",
            "line 2 (dn: cn=x): `changetype: modify` is not content; only entries to add are taken (`changetype: add` or none)",
        ),
        (
            "dn: cn=x\ncn: x\nchangetype: add\n",
            "line 3 (dn: cn=x): `changetype` stands right after `dn`, before all attributes",
        ),
        (
            "dn: cn=x\ncontrol: 1.2.3 true\n",
            "line 2 (dn: cn=x): `control` belongs to change records; only entries to add are taken",
        ),
        (
            "dn: cn=x\ncn: x\nphoto:: ab\n cd\n !\n",
            "line 3 (dn: cn=x): the value of \"photo\" is not base64: Invalid symbol 33, offset 4.",
        ),
        (
            "dn: cn=x\nphoto:< file:///etc/hostname\n",
            "line 2 (dn: cn=x): the value of \"photo\" is in a file, and reading files is not allowed here",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(fail(text), message, "{text}");
    }
    let latin1 = LdifReader::new(&b"dn: cn=x\ncn: J\xf6rg\n"[..]).next();
    assert_eq!(
        latin1.unwrap().unwrap_err().to_string(),
        "line 2 (dn: cn=x): the value of \"cn\" is not UTF-8 text; write it as base64 after `::`"
    );
}

#[test]
fn reading_ends_at_an_error() {
    let mut reader = LdifReader::new("dn: cn=x\n\ndn: cn=y\ncn: y\n".as_bytes());
    assert!(reader.next().unwrap().is_err());
    assert!(reader.next().is_none());
}

#[test]
fn a_record_has_a_limit() {
    let long = format!("dn: cn=x\ncn: {}\n", "x".repeat(100));
    let records = format!("{long}\n{long}");
    let limited = |limit| LdifReader::new(records.as_bytes()).max_record_bytes(limit);
    assert_eq!(limited(long.len() + 1).filter(Result::is_ok).count(), 2);
    let error = limited(long.len() - 1).next().unwrap().unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 2 (dn: cn=x): the record is longer than 113 bytes"
    );
    // Without an end of line it is not read to its end.
    let endless = BufReader::new(std::io::repeat(b'x'));
    let error = LdifReader::new(endless).max_record_bytes(1 << 16).next();
    assert!(matches!(
        error.unwrap().unwrap_err().kind,
        LdifErrorKind::TooLong { limit: 0x10000 }
    ));
}

#[test]
fn reads_values_from_files_where_allowed() {
    let mut file = tempfile::Builder::new()
        .prefix("a photo")
        .tempfile()
        .unwrap();
    file.write_all(b"\0\xff").unwrap();
    let path = file.path().to_str().unwrap().replace(' ', "%20");
    for host in ["", "//", "//localhost"] {
        let text = format!("dn: cn=x\nphoto:< file:{host}{path}\n");
        let record = LdifReader::new(text.as_bytes()).allow_file_urls().next();
        assert_eq!(
            record.unwrap().unwrap().attributes,
            [attribute("photo", &[b"\0\xff"])]
        );
    }
    let error = |url: &str| {
        let text = format!("dn: cn=x\nphoto:< {url}\n");
        let mut reader = LdifReader::new(text.as_bytes()).allow_file_urls();
        reader.next().unwrap().unwrap_err().to_string()
    };
    for url in [
        "http://example.com/x",
        "file://host/x",
        "file:x",
        "file:/%zz",
    ] {
        assert!(error(url).ends_with("only `file:///absolute/path` is taken"));
    }
    assert!(error("file:///no/such/file").contains("cannot be read from \"file:///no/such/file\""));
    let text = format!("dn: cn=x\nphoto:< file:{path}\n");
    let mut reader = LdifReader::new(text.as_bytes())
        .allow_file_urls()
        .max_record_bytes(text.len() + 1);
    assert!(matches!(
        reader.next().unwrap().unwrap_err().kind,
        LdifErrorKind::TooLong { .. }
    ));
}

#[test]
fn writes_folded_and_safe() {
    let mut writer = LdifWriter::new(Vec::new());
    let long = "x".repeat(160);
    writer
        .write_record(
            "cn=Grün",
            &[
                attribute("cn", &["Grün".as_bytes(), b"plain", b""]),
                attribute("sn", &[b" a", b"a ", b":a", b"<a", b"a\nb", b"a:b < c"]),
                attribute("none", &[]),
                attribute("description", &[long.as_bytes()]),
            ],
        )
        .unwrap();
    let text = String::from_utf8(writer.finish().unwrap()).unwrap();
    let expected = format!(
        "version: 1\n\ndn:: Y249R3LDvG4=\ncn:: R3LDvG4=\ncn: plain\ncn:\nsn:: IGE=\nsn:: YSA=\n\
         sn:: OmE=\nsn:: PGE=\nsn:: YQpi\nsn: a:b < c\ndescription: {}\n {}\n {}\n",
        "x".repeat(63),
        "x".repeat(75),
        "x".repeat(22),
    );
    assert_eq!(text, expected);
}

#[test]
fn refuses_to_write_what_is_no_ldif() {
    let mut writer = LdifWriter::new(Vec::new());
    let x = attribute("cn", &[b"x"]);
    for attributes in [
        vec![],
        vec![attribute("cn", &[])],
        vec![attribute("dn", &[b"x"])],
        vec![x, attribute("a\nb", &[b"x"])],
    ] {
        let error = writer.write_record("cn=x", &attributes).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    }
    assert_eq!(writer.finish().unwrap(), b"version: 1\n");
}

/// Values of every kind: text, near misses of the safe form, and octets.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[ -~]{0,200}".prop_map(String::into_bytes),
        "\\PC{0,20}".prop_map(String::into_bytes),
        "[ :<#\r\n\ta]{0,5}".prop_map(String::into_bytes),
        vec(any::<u8>(), 0..200),
    ]
}

fn record() -> impl Strategy<Value = LdifRecord> {
    let name = "[a-z][a-z0-9-]{0,80}(;[a-z0-9-]{1,5}){0,2}"
        .prop_filter("reserved", |name| !["dn", "control"].contains(&&**name));
    let attributes = proptest::collection::btree_map(name, vec(value(), 1..5), 1..6);
    ("[^\0]{0,120}", attributes).prop_map(|(dn, attributes)| LdifRecord {
        line: 0,
        dn,
        attributes: attributes
            .into_iter()
            .map(|(description, values)| Attribute {
                description,
                values,
            })
            .collect(),
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_the_same(records in vec(record(), 0..5), crlf: bool) {
        let mut writer = LdifWriter::new(Vec::new());
        for record in &records {
            writer.write_record(&record.dn, &record.attributes).unwrap();
        }
        let mut text = String::from_utf8(writer.finish().unwrap()).unwrap();
        prop_assert!(text.is_ascii() && text.lines().all(|line| line.len() <= 76));
        if crlf {
            text = text.replace('\n', "\r\n");
        }
        // A small buffer, so that line ends and folds fall on its edges.
        let input = BufReader::with_capacity(7, text.as_bytes());
        let mut back = LdifReader::new(input).collect::<Result<Vec<_>, _>>().unwrap();
        for record in &mut back {
            record.line = 0;
        }
        prop_assert_eq!(back, records);
    }

    #[test]
    fn reading_never_panics(text in "(dn|cn|version|changetype)?[:< #a1=\\r\\n]{0,8}([ -~\\n]{0,20})") {
        for _ in LdifReader::new(text.as_bytes()) {}
    }
}
