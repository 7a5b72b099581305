//! What a connection has proved so far (RFC 4513 section 4).

use std::net::SocketAddr;

use super::operation::Pages;
use crate::access::AuthorizationIdentity;

/// The state of one connection that operations see.
#[derive(Debug)]
pub(super) struct Session {
    /// The number of the connection in logs.
    pub(super) id: u64,
    /// The client's address.
    pub(super) peer: SocketAddr,
    /// Whether what is sent is confidential.
    pub(super) tls: bool,
    /// Who is bound.
    pub(super) identity: AuthorizationIdentity,
    /// Searches that wait for their next page; dropped with the identity that began them.
    pub(super) pages: Pages,
}
