//! Conversations with a server that misbehaves.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use super::*;
use crate::upstream::testing::{FakeDc, bind_response, done, entry, pair, pair_with};

async fn bind_error(script: impl AsyncFnOnce(&mut FakeDc, MessageId)) -> UpstreamError {
    let (mut connection, mut dc) = pair();
    let server = async {
        let (id, _) = dc.request().await;
        script(&mut dc, id).await;
        dc
    };
    let (outcome, _dc) = tokio::join!(connection.simple_bind("u", b"secret"), server);
    assert!(!connection.is_usable(), "it must not be used again");
    outcome.unwrap_err()
}

#[tokio::test]
async fn binds_follow_each_other_and_any_code_is_an_outcome() {
    let (mut connection, mut dc) = pair();
    let server = async {
        for code in [0, 49, 9, 94, 113] {
            let (id, request) = dc.request().await;
            assert!(request.ends_with(b"\x80\x06secret"));
            dc.send(&bind_response(id, code, "error, data 52e, v1"))
                .await;
        }
        dc
    };
    let client = async {
        for code in [0, 49, 9, 94, 113] {
            let outcome = connection.simple_bind("u", b"secret").await.unwrap();
            assert_eq!(outcome.result_code, code);
            assert!(connection.is_usable());
        }
    };
    let ((), dc) = tokio::join!(client, server);
    drop(dc);
    assert!(!connection.is_usable(), "the server has gone");
}

#[tokio::test]
async fn an_empty_password_never_leaves() {
    let (mut connection, dc) = pair();
    let error = connection.simple_bind("u", b"").await.unwrap_err();
    assert!(matches!(error, UpstreamError::EmptyPassword));
    assert!(connection.is_usable());
    drop(dc);
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_in_time() {
    let (mut connection, _dc) = pair_with(Timeouts {
        bind: Duration::ZERO,
        ..Timeouts::default()
    });
    let error = connection.simple_bind("u", b"secret").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "ldaps://dc1.example.com:636 did not answer a bind within 0 s"
    );
    assert!(error.is_transient() && error.is_unreachable());
    assert!(!connection.is_usable(), "the answer may still come");
}

#[tokio::test]
async fn a_cut_in_the_middle_of_a_message_is_told() {
    let error = bind_error(async |dc, id| {
        let answer = bind_response(id, 0, "");
        dc.send(&answer[..answer.len() - 1]).await;
        dc.stream.shutdown().await.unwrap();
    })
    .await;
    assert!(
        error.to_string().ends_with("in the middle of a message"),
        "{error}"
    );
}

#[tokio::test]
async fn a_message_that_is_too_long_is_refused_by_its_length() {
    let error = bind_error(async |dc, _| dc.send(&[0x30, 0x84, 0x04, 0, 0, 1]).await).await;
    assert!(error.to_string().contains("larger than"), "{error}");
    assert!(!error.is_transient());
}

#[tokio::test]
async fn a_notice_of_disconnection_is_told_with_its_reason() {
    let error = bind_error(async |dc, _| {
        let mut notice = Vec::new();
        response::write_notice_of_disconnection(
            &mut notice,
            &LdapResult::new(ResultCode::UNAVAILABLE, "shutting down"),
        );
        dc.send(&notice).await;
    })
    .await;
    assert!(matches!(error, UpstreamError::Disconnected { .. }));
    assert!(error.to_string().contains("shutting down"), "{error}");
}

#[tokio::test]
async fn what_is_no_answer_to_the_question_is_refused() {
    for answer in [
        bind_response(MessageId(77), 0, ""),
        done(MessageId(1), 0, None),
        b"HTTP/1.1 400 Bad Request\r\n".to_vec(),
        vec![0x30, 0x03, 0x02, 0x01, 0x01],
        // An operation ldap3_proto would print about.
        vec![0x30, 0x05, 0x02, 0x01, 0x01, 0x7d, 0x00],
    ] {
        let error = bind_error(async move |dc, _| dc.send(&answer).await).await;
        assert!(matches!(error, UpstreamError::Protocol { .. }), "{error}");
    }
}

#[tokio::test]
async fn entries_come_one_by_one_and_slowly_where_nobody_reads() {
    const ENTRIES: usize = 500;
    let (mut connection, mut dc) = pair();
    let blob = vec![b'x'; 1024];
    let server = tokio::spawn(async move {
        let (id, _) = dc.request().await;
        for number in 0..ENTRIES {
            dc.send(&entry(
                id,
                &format!("CN={number}"),
                &[("a", &[&blob]), ("b", &[])],
            ))
            .await;
            // References and intermediate responses are passed over.
            dc.send(&[
                0x30, 0x09, 0x02, 0x01, 0x01, 0x73, 0x04, 0x04, 0x02, b'l', b':',
            ])
            .await;
        }
        dc.send(&done(id, 0, None)).await;
        dc
    });
    let mut stream = connection
        .search(SearchRequest::base("DC=x", &[]))
        .await
        .unwrap();
    for number in 0..ENTRIES {
        // The pipe holds 16 KiB, the buffer 64: the server cannot be done long before us.
        assert!(number >= ENTRIES / 2 || !server.is_finished());
        let found = stream.next().await.unwrap().unwrap();
        assert_eq!(found.dn, format!("CN={number}"));
        assert_eq!(found.values("B").len(), 0);
        assert_eq!(found.attributes.len(), 2);
    }
    assert!(stream.next().await.unwrap().is_none());
    assert_eq!(
        stream.finish().await.unwrap().result.code,
        ResultCode::SUCCESS
    );
    assert!(connection.is_usable());
    drop(server.await.unwrap());
}

#[tokio::test]
async fn a_search_given_up_spoils_the_connection() {
    let (mut connection, mut dc) = pair();
    drop(
        connection
            .search(SearchRequest::base("DC=x", &[]))
            .await
            .unwrap(),
    );
    let (id, _) = dc.request().await;
    dc.send(&entry(id, "DC=x", &[])).await;
    assert!(!connection.is_usable());
    let error = connection.simple_bind("u", b"secret").await.unwrap_err();
    assert!(matches!(error, UpstreamError::Interrupted { .. }));
}

#[tokio::test]
async fn a_small_search_is_refused_when_it_is_not() {
    let (mut connection, mut dc) = pair();
    let server = async {
        let (id, _) = dc.request().await;
        dc.send(&entry(id, "CN=1", &[])).await;
        dc.send(&entry(id, "CN=2", &[])).await;
        dc.send(&done(id, 0, None)).await;
        dc
    };
    let (result, _dc) = tokio::join!(
        connection.search_all(SearchRequest::base("DC=x", &[]), 1),
        server
    );
    assert!(
        result
            .unwrap_err()
            .to_string()
            .contains("more than 1 entries")
    );
}
