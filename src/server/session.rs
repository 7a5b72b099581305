//! What a connection has proved so far (RFC 4513 section 4).

use std::net::SocketAddr;

use super::{
    Settings,
    operation::{Bases, Pages, Selections},
};
use crate::{access::AuthorizationIdentity, auth::certificate::Certificate};

/// The state of one connection that operations see.
#[derive(Debug)]
pub(super) struct Session {
    /// The number of the connection in logs.
    pub(super) id: u64,
    /// The client's address.
    pub(super) peer: SocketAddr,
    /// Whether what is sent is confidential.
    pub(super) tls: bool,
    /// The client's certificate, verified in the handshake.
    pub(super) certificate: Option<Box<Certificate>>,
    /// Whether the last bind asked for more.
    pub(super) sasl_in_progress: bool,
    /// Who is bound.
    pub(super) identity: AuthorizationIdentity,
    /// Searches that wait for their next page; dropped with the identity that began them.
    pub(super) pages: Pages,
    /// The attribute lists it asks with.
    pub(super) selections: Selections,
    /// The names it searches from.
    pub(super) bases: Bases,
}

impl Session {
    /// A connection on which nothing was said yet.
    pub(super) fn new(id: u64, peer: SocketAddr) -> Self {
        Self {
            id,
            peer,
            tls: false,
            certificate: None,
            sasl_in_progress: false,
            identity: AuthorizationIdentity::Anonymous,
            pages: Pages::default(),
            selections: Selections::default(),
            bases: Bases::default(),
        }
    }

    /// What a bind does before it is looked at, and one that fails leaves behind (RFC 4513 section
    /// 4); gives whether it goes on with the one before.
    pub(super) fn begin_bind(&mut self) -> bool {
        self.identity = AuthorizationIdentity::Anonymous;
        self.pages.clear();
        std::mem::take(&mut self.sasl_in_progress)
    }

    /// What TLS gives this connection.
    pub(super) fn channel(&self) -> Channel {
        Channel {
            tls: self.tls,
            certified: self.certificate.is_some(),
        }
    }
}

/// What TLS gives a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Channel {
    /// Whether what is sent is confidential.
    pub(super) tls: bool,
    /// Whether the client has shown a certificate.
    pub(super) certified: bool,
}

impl Channel {
    /// Whether passwords may be sent here.
    pub(super) fn takes_passwords(self, settings: &Settings) -> bool {
        self.tls || settings.insecure_plaintext_bind
    }
}
