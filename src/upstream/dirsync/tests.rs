//! Rounds with a server that behaves like Windows: answers in parts, values by ranges.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use super::*;
use crate::{
    proto::MessageId,
    upstream::testing::{FakeDc, done, entry, pair},
};

const BASE: &str = "DC=example,DC=com";
const GUID: [u8; 16] = [7; 16];
const A: &[u8] = b"<GUID=00000000-0000-4000-8000-00000000000a>;CN=A";
const B: &[u8] = b"<GUID=00000000-0000-4000-8000-00000000000b>;CN=B";

fn request() -> DirSyncRequest {
    DirSyncRequest::new(BASE, &["mail", "NAME"], &["member"], "svc")
}

fn change(id: MessageId, dn: &str, attributes: &[(&str, &[&[u8]])]) -> Vec<u8> {
    let mut all: Vec<(&str, &[&[u8]])> = vec![("objectGUID", &[&GUID])];
    all.extend_from_slice(attributes);
    entry(id, dn, &all)
}

fn position_control(more: i64, cookie: &[u8]) -> Vec<u8> {
    let mut value = Vec::new();
    write_nested(&mut value, ber::SEQUENCE, |value| {
        write_integer(value, ber::INTEGER, more);
        write_integer(value, ber::INTEGER, 0);
        write_octets(value, ber::OCTET_STRING, cookie);
    });
    value
}

/// Runs one round against a script.
async fn run(
    cookie: &[u8],
    script: impl AsyncFnOnce(&mut FakeDc),
) -> (Result<DirSyncRound, UpstreamError>, Vec<DirSyncObject>) {
    let (mut connection, mut dc) = pair();
    let mut objects = Vec::new();
    let request = request();
    let (result, ()) = tokio::join!(
        round(&mut connection, &request, cookie, |object| objects
            .push(object)),
        script(&mut dc)
    );
    (result, objects)
}

#[test]
fn the_control_is_encoded_as_measured() {
    assert_eq!(
        encode_control(0, 0, b""),
        [0x30, 0x08, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00, 0x04, 0x00]
    );
    assert_eq!(
        encode_control(INCREMENTAL_VALUES, 0, b"c"),
        [
            0x30, 0x0c, 0x02, 0x04, 0x80, 0, 0, 0, 0x02, 0x01, 0x00, 0x04, 0x01, b'c'
        ]
    );
    assert_eq!(
        decode_control(&position_control(1, b"next")).unwrap(),
        Position {
            more: true,
            cookie: b"next".to_vec()
        }
    );
}

#[test]
fn what_is_needed_is_always_asked_for_and_once() {
    assert_eq!(
        request().attributes,
        [
            "name",
            "isDeleted",
            "objectClass",
            "lastKnownParent",
            "mail",
            "member"
        ]
    );
}

#[tokio::test]
async fn a_round_goes_on_while_there_is_more() {
    let (result, objects) = run(b"", async |dc| {
        for (sent, more, next) in [("", 1, "one"), ("one", 4, "two"), ("two", 0, "three")] {
            let (id, octets) = dc.request().await;
            let mut cookie = vec![0x04, u8::try_from(sent.len()).unwrap()];
            cookie.extend_from_slice(sent.as_bytes());
            let found = octets.windows(cookie.len()).any(|part| part == cookie);
            assert!(found, "{sent} is sent back");
            dc.send(&change(id, next, &[("mail", &[b"m"])])).await;
            dc.send(&change(id, &format!("CN=Deleted Objects,{BASE}"), &[]))
                .await;
            let control = position_control(more, next.as_bytes());
            dc.send(&done(id, 0, Some((DIRSYNC, &control)))).await;
        }
    })
    .await;
    let result = result.unwrap();
    assert_eq!(result.cookie, b"three");
    assert_eq!((result.objects, result.answers), (3, 3));
    let names: Vec<_> = objects.iter().map(|object| object.dn.as_str()).collect();
    assert_eq!(names, ["one", "two", "three"]);
}

#[tokio::test]
async fn a_link_given_in_part_is_read_to_its_end() {
    let (result, objects) = run(b"c", async |dc| {
        let (id, _) = dc.request().await;
        dc.send(&change(
            id,
            "CN=G",
            &[
                ("member", &[]),
                ("member;range=0-0", &[B]),
                ("member;range=0-4", &[A]),
            ],
        ))
        .await;
        dc.send(&done(id, 0, Some((DIRSYNC, &position_control(0, b"d")))))
            .await;
        let (id, octets) = dc.request().await;
        let asked = String::from_utf8_lossy(&octets).into_owned();
        assert!(asked.contains("<GUID=07070707-0707-0707-0707-070707070707>"));
        assert!(asked.contains("member;range=0-*"));
        dc.send(&entry(id, "CN=G", &[("member;range=0-1499", &[A])]))
            .await;
        dc.send(&done(id, 0, None)).await;
        let (id, octets) = dc.request().await;
        assert!(String::from_utf8_lossy(&octets).contains("member;range=1500-*"));
        dc.send(&entry(id, "CN=G", &[("member;range=1500-*", &[B])]))
            .await;
        dc.send(&done(id, 0, None)).await;
    })
    .await;
    assert_eq!(result.unwrap().cookie, b"d");
    assert_eq!(objects.len(), 1);
    let values: Vec<_> = objects[0].links_replaced[0]
        .1
        .iter()
        .map(|link| link.dn.as_str())
        .collect();
    assert_eq!(values, ["CN=A", "CN=B"]);
}

async fn ended_with(code: u32, cookie: &[u8], control: Option<Vec<u8>>) -> UpstreamError {
    let (result, _) = run(cookie, async |dc| {
        let (id, _) = dc.request().await;
        let control = control.as_deref().map(|value| (DIRSYNC, value));
        dc.send(&done(id, code, control)).await;
    })
    .await;
    result.unwrap_err()
}

#[tokio::test]
async fn only_success_with_a_position_counts() {
    let next = || Some(position_control(0, b"next"));
    for (code, control) in [
        (0, None),
        (0, Some(position_control(0, b""))),
        (4, next()),
        (3, None),
        (52, None),
        (94, None),
    ] {
        let error = ended_with(code, b"c", control).await;
        assert!(matches!(error, UpstreamError::Incomplete { .. }), "{error}");
        assert!(error.is_transient());
    }
    let malformed = ended_with(0, b"c", Some(vec![0x30, 0x00])).await;
    assert!(matches!(malformed, UpstreamError::Protocol { .. }));
    let endless = ended_with(0, b"same", Some(position_control(1, b"same"))).await;
    assert!(endless.to_string().contains("promises more"), "{endless}");
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let error = ended_with(12, b"c", None).await;
    assert!(matches!(error, UpstreamError::CookieRejected { .. }));
    let error = ended_with(12, b"", None).await;
    assert!(matches!(error, UpstreamError::NotUsable { .. }));
    let error = ended_with(50, b"", None).await.to_string();
    assert!(error.contains("the account svc lacks the right"), "{error}");
    assert!(error.contains("DS-Replication-Get-Changes"));
    assert!(
        error.contains("dsacls \"DC=example,DC=com\" /G \"svc:CA;Replicating Directory Changes\"")
    );
    let error = ended_with(32, b"", None).await;
    assert!(matches!(error, UpstreamError::Refused { .. }));
}
