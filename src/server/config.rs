//! Where the server listens, its certificate and its limits.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use serde::Deserialize;

use crate::setting;

/// `[listen]`: the addresses served.
///
/// Without the table these are the loopback addresses of [`ListenConfig::default`]; with it,
/// exactly what it names.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenConfig {
    /// LDAP without TLS from the start; StartTLS is offered when there is a certificate.
    #[serde(default, deserialize_with = "setting::addresses")]
    pub ldap: Vec<SocketAddr>,
    /// LDAP over TLS; needs `[tls]`.
    #[serde(default, deserialize_with = "setting::addresses")]
    pub ldaps: Vec<SocketAddr>,
    /// HTTP for `/metrics`, `/healthz` and `/readyz`.
    #[serde(default, deserialize_with = "setting::address")]
    pub metrics: Option<SocketAddr>,
}

impl Default for ListenConfig {
    fn default() -> Self {
        Self {
            ldap: vec![SocketAddr::from(([127, 0, 0, 1], 3389))],
            ldaps: vec![SocketAddr::from(([127, 0, 0, 1], 3636))],
            metrics: Some(SocketAddr::from(([127, 0, 0, 1], 9636))),
        }
    }
}

/// `[tls]`: the server's certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// The certificate chain, PEM, the server's own first. Required.
    pub cert_file: PathBuf,
    /// The private key, PEM. Required.
    pub key_file: PathBuf,
    /// The authorities of client certificates, PEM; enables SASL EXTERNAL. Clients are asked for a
    /// certificate then and may have none, but not one of another authority.
    pub client_ca_file: Option<PathBuf>,
}

/// `[limits]`: what one client, and all of them, may take.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Connections at one time.
    pub max_connections: usize,
    /// Connections at one time from one IP address; 0 is no limit.
    pub max_connections_per_ip: usize,
    /// Outstanding operations of one connection; beyond it reading pauses.
    pub max_outstanding: usize,
    /// Octets of one message after a bind; before it [`LimitsConfig::MAX_UNBOUND_MESSAGE_BYTES`].
    #[serde(deserialize_with = "setting::size")]
    pub max_message_bytes: usize,
    /// Entries in one answer, or in one page of it; 0 is no limit.
    pub size_limit: usize,
    /// Time for one search; zero is no limit.
    #[serde(deserialize_with = "setting::duration")]
    pub time_limit: Duration,
    /// Time without an operation until a connection is closed; zero is no limit.
    #[serde(deserialize_with = "setting::duration")]
    pub idle_timeout: Duration,
    /// Time for a TLS handshake.
    #[serde(deserialize_with = "setting::duration")]
    pub handshake_timeout: Duration,
    /// Time from the first to the last octet of one message.
    #[serde(deserialize_with = "setting::duration")]
    pub message_timeout: Duration,
    /// Time for a peer that does not read.
    #[serde(deserialize_with = "setting::duration")]
    pub write_timeout: Duration,
    /// Time for outstanding operations when the server stops.
    #[serde(deserialize_with = "setting::duration")]
    pub shutdown_grace: Duration,
}

impl LimitsConfig {
    /// Octets of one message while nobody is bound.
    pub const MAX_UNBOUND_MESSAGE_BYTES: usize = 64 * 1024;
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            max_connections: 20_000,
            max_connections_per_ip: 0,
            max_outstanding: 128,
            max_message_bytes: 1024 * 1024,
            size_limit: 0,
            time_limit: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(15 * 60),
            handshake_timeout: Duration::from_secs(10),
            message_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            shutdown_grace: Duration::from_secs(10),
        }
    }
}
