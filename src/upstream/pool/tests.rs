//! Binds over TLS on loopback, with servers that go away.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::{io::Write, net::Ipv4Addr, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::*;
use crate::proto::MessageId;
use crate::upstream::{Security, testing::bind_response};

const NAME: &str = "dc1.example.com";

/// A listener with a certificate of its own, and the pool settings that trust it.
struct Dc {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

async fn dc() -> (Dc, ServerAddress, UpstreamTls) {
    let key = rcgen::generate_simple_self_signed(vec![NAME.to_owned()]).unwrap();
    let mut ca_file = tempfile::NamedTempFile::new().unwrap();
    ca_file.write_all(key.cert.pem().as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![key.cert.der().clone()],
            rustls::pki_types::PrivateKeyDer::try_from(key.signing_key.serialize_der()).unwrap(),
        )
        .unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = ServerAddress {
        host: NAME.to_owned(),
        port: listener.local_addr().unwrap().port(),
        security: Security::Tls,
        connect_to: Some(Ipv4Addr::LOCALHOST.into()),
    };
    let dc = Dc {
        listener,
        acceptor: TlsAcceptor::from(Arc::new(config)),
    };
    (dc, address, UpstreamTls::new(Some(ca_file.path())).unwrap())
}

impl Dc {
    async fn accept(&self) -> TlsStream<TcpStream> {
        let (stream, _) = self.listener.accept().await.unwrap();
        self.acceptor.accept(stream).await.unwrap()
    }
}

/// Answers `count` binds on a connection, the number of the bind being its message's.
async fn answer(stream: &mut TlsStream<TcpStream>, ids: std::ops::RangeInclusive<i32>, code: u32) {
    for id in ids {
        let mut request = [0u8; 512];
        assert_ne!(stream.read(&mut request).await.unwrap(), 0);
        stream
            .write_all(&bind_response(MessageId(id), code, ""))
            .await
            .unwrap();
        stream.flush().await.unwrap();
    }
}

fn pool(servers: Vec<ServerAddress>, tls: UpstreamTls, limits: PoolLimits) -> BindPool {
    BindPool::new(servers, tls, Timeouts::default(), limits)
}

#[tokio::test]
async fn one_connection_serves_bind_after_bind() {
    let (dc, address, tls) = dc().await;
    let pool = pool(vec![address], tls, PoolLimits::default());
    let server = async {
        let mut stream = dc.accept().await;
        answer(&mut stream, 1..=3, 49).await;
        stream
    };
    let client = async {
        for _ in 0..3 {
            assert_eq!(pool.bind("u", b"secret").await.unwrap().result_code, 49);
        }
    };
    tokio::join!(client, server);
}

#[tokio::test]
async fn a_connection_closed_meanwhile_is_replaced() {
    let (dc, address, tls) = dc().await;
    let pool = pool(vec![address], tls, PoolLimits::default());
    let (told, mut closed) = mpsc::channel(1);
    let server = async {
        let mut stream = dc.accept().await;
        answer(&mut stream, 1..=1, 0).await;
        // The second bind arrives and is left without an answer, as if it crossed the closing.
        let mut request = [0u8; 512];
        assert_ne!(stream.read(&mut request).await.unwrap(), 0);
        drop(stream);
        let mut stream = dc.accept().await;
        answer(&mut stream, 1..=1, 0).await;
        stream.shutdown().await.unwrap();
        drop(stream);
        told.send(()).await.unwrap();
        let mut stream = dc.accept().await;
        answer(&mut stream, 1..=1, 0).await;
    };
    let client = async {
        assert!(pool.bind("u", b"secret").await.unwrap().is_success());
        assert!(pool.bind("u", b"secret").await.unwrap().is_success());
        closed.recv().await.unwrap();
        assert!(pool.bind("u", b"secret").await.unwrap().is_success());
    };
    tokio::join!(client, server);
}

#[tokio::test]
async fn the_next_server_steps_in_and_a_dead_one_is_left_alone() {
    let (dc, address, tls) = dc().await;
    let (gone, dead, _) = self::dc().await;
    drop(gone);
    let pool = pool(
        vec![dead.clone(), address],
        tls.clone(),
        PoolLimits::default(),
    );
    let server = async {
        let mut stream = dc.accept().await;
        answer(&mut stream, 1..=1, 0).await;
        stream
    };
    let (outcome, _stream) = tokio::join!(pool.bind("u", b"secret"), server);
    assert!(outcome.unwrap().is_success());
    let servers = pool.servers();
    assert!(servers[0].1.as_ref().unwrap().contains("cannot connect"));
    assert_eq!(servers[1].1, None);

    let alone = self::pool(vec![dead], tls, PoolLimits::default());
    let first = alone.bind("u", b"secret").await.unwrap_err();
    assert!(matches!(first, UpstreamError::Connect { .. }), "{first}");
    let second = alone.bind("u", b"secret").await.unwrap_err();
    assert!(matches!(second, UpstreamError::AllDown(_)), "{second}");
    assert!(second.is_unreachable() && second.to_string().contains("Connection refused"));
}

#[tokio::test]
async fn too_many_binds_are_told_so_at_once() {
    let (dc, address, tls) = dc().await;
    let limits = PoolLimits {
        connections: 1,
        waiting: 0,
        ..PoolLimits::default()
    };
    let pool = pool(vec![address], tls, limits);
    let (told, mut asked) = mpsc::channel(1);
    let (refused, mut go_on) = mpsc::channel(1);
    let server = async {
        let mut stream = dc.accept().await;
        told.send(()).await.unwrap();
        go_on.recv().await.unwrap();
        answer(&mut stream, 1..=1, 0).await;
        stream
    };
    let second = async {
        asked.recv().await.unwrap();
        let error = pool.bind("u", b"secret").await.unwrap_err();
        assert!(matches!(error, UpstreamError::Busy));
        refused.send(()).await.unwrap();
    };
    let (first, (), _stream) = tokio::join!(pool.bind("u", b"secret"), second, server);
    assert!(first.unwrap().is_success());
}

#[tokio::test]
async fn a_strangers_certificate_is_refused() {
    let (dc, address, _) = dc().await;
    let (_other, _, tls) = self::dc().await;
    let pool = pool(vec![address], tls, PoolLimits::default());
    let server = async {
        let (stream, _) = dc.listener.accept().await.unwrap();
        dc.acceptor.accept(stream).await.map(|_| ()).unwrap_err()
    };
    let (outcome, _) = tokio::join!(pool.bind("u", b"secret"), server);
    let error = outcome.unwrap_err();
    assert!(
        matches!(error, UpstreamError::CertificateIssuer { .. }),
        "{error}"
    );
}
