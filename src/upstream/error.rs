//! What can go wrong between us and a domain controller, said so that somebody can act on it.

use std::{path::PathBuf, time::Duration};

use thiserror::Error;

use super::{AddressError, ServerAddress};
use crate::proto::ResultCode;

/// Why something asked of a domain controller was not done.
///
/// Each message is one line: what is wrong, and what to do where it is not obvious.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// A configured server address cannot be read.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The file of trusted certificates cannot be read.
    #[error("cannot read ca_file {}: {problem}", path.display())]
    CaUnreadable {
        /// The configured file.
        path: PathBuf,
        /// What the operating system or the PEM reader says.
        problem: String,
    },
    /// The file of trusted certificates has none.
    #[error(
        "there is no certificate in ca_file {}: put the PEM form (-----BEGIN CERTIFICATE-----) of the CA that issued the domain controllers' certificates there",
        path.display()
    )]
    CaEmpty {
        /// The configured file.
        path: PathBuf,
    },
    /// No CA is trusted at all.
    #[error(
        "the system has no trusted CA certificates{detail}: install its CA package, or name the CA that issued the domain controllers' certificates as ca_file"
    )]
    NoTrustedCa {
        /// ": " and what the system says, or nothing.
        detail: String,
    },
    /// TLS cannot be set up at all.
    #[error("cannot set up TLS: {0}")]
    TlsSetup(String),
    /// A DNS question was not answered.
    #[error("cannot look up {name} in DNS: {problem}")]
    Resolve {
        /// What was asked for.
        name: String,
        /// What came instead of an answer.
        problem: String,
    },
    /// DNS knows no domain controller.
    #[error(
        "DNS has no domain controller for {domain} (no SRV records {name}): check the domain name and the name servers in /etc/resolv.conf, or list the servers"
    )]
    NoServer {
        /// The domain.
        domain: String,
        /// The name asked for.
        name: String,
    },
    /// No TCP connection.
    #[error("cannot connect to {server}: {problem}")]
    Connect {
        /// The server.
        server: ServerAddress,
        /// Each address tried and its error.
        problem: String,
    },
    /// The server's certificate comes from a CA that is not trusted.
    #[error(
        "the certificate of {server} is not signed by {trust}: name the CA that issued it as ca_file"
    )]
    CertificateIssuer {
        /// The server.
        server: ServerAddress,
        /// The CAs that were trusted.
        trust: String,
    },
    /// The server's certificate is for another name.
    #[error(
        "the certificate of {server} is not for {}: it is for {presented}; use one of these names in the server address (ldaps://NAME@ADDRESS connects to a fixed IP address)",
        server.host
    )]
    CertificateName {
        /// The server.
        server: ServerAddress,
        /// The names in the certificate.
        presented: String,
    },
    /// The server's certificate is expired or not yet valid.
    #[error(
        "the certificate of {server} is {problem}: renew it on the server, or set this host's clock"
    )]
    CertificateTime {
        /// The server.
        server: ServerAddress,
        /// "expired" or "not valid yet".
        problem: &'static str,
    },
    /// TLS failed otherwise.
    #[error("no TLS with {server}: {problem}")]
    Handshake {
        /// The server.
        server: ServerAddress,
        /// What TLS says.
        problem: String,
    },
    /// The server would not start TLS.
    #[error("{server} refuses StartTLS ({code:?}: {text}): use ldaps:// or give it a certificate")]
    StartTls {
        /// The server.
        server: ServerAddress,
        /// Its result.
        code: ResultCode,
        /// Its diagnostic message.
        text: String,
    },
    /// Nothing came for too long.
    #[error("{server} did not {what} within {} s", after.as_secs())]
    Timeout {
        /// The server.
        server: ServerAddress,
        /// What it was expected to do.
        what: &'static str,
        /// How long we waited.
        after: Duration,
    },
    /// The connection ended.
    #[error("{server} closed the connection{detail}")]
    Closed {
        /// The server.
        server: ServerAddress,
        /// ": " and why, or nothing.
        detail: String,
    },
    /// The server said that it will close the connection (RFC 4511 section 4.4.1).
    #[error("{server} ended the connection: {text} ({code:?})")]
    Disconnected {
        /// The server.
        server: ServerAddress,
        /// Its reason as a code.
        code: ResultCode,
        /// Its reason as text.
        text: String,
    },
    /// What came is not LDAP.
    #[error("{server} sent something that is not understood: {problem}")]
    Protocol {
        /// The server.
        server: ServerAddress,
        /// What is wrong with it.
        problem: String,
    },
    /// An earlier operation on this connection was given up half-way.
    #[error("the connection to {server} is in the middle of another operation")]
    Interrupted {
        /// The server.
        server: ServerAddress,
    },
    /// An operation was refused.
    #[error("{server} refuses to {what}: {text} ({code:?})")]
    Refused {
        /// The server.
        server: ServerAddress,
        /// What was asked.
        what: String,
        /// Its result.
        code: ResultCode,
        /// Its diagnostic message.
        text: String,
    },
    /// A bind without a password would be anonymous (RFC 4513 section 5.1.2).
    #[error("an empty password proves nothing and is never sent")]
    EmptyPassword,
    /// The service account cannot bind.
    #[error("{server} does not let the account {account} in: {reason}")]
    AccountRefused {
        /// The server.
        server: ServerAddress,
        /// The name bound with.
        account: String,
        /// AD's reason, in words.
        reason: String,
    },
    /// A right is missing.
    #[error("the account {account} lacks the right {right} on {object}: {remedy}")]
    MissingRight {
        /// The account.
        account: String,
        /// The right, as AD names it.
        right: &'static str,
        /// The object it is needed on.
        object: String,
        /// How to grant it.
        remedy: String,
    },
    /// Deletions would be invisible.
    #[error(
        "the account {account} cannot read {container}, so deletions in AD would go unnoticed: {remedy}"
    )]
    DeletedObjectsUnreadable {
        /// The account.
        account: String,
        /// The container of deleted objects.
        container: String,
        /// How to grant it.
        remedy: String,
    },
    /// The server does not take the DirSync cookie; a full round is needed.
    #[error("{server} does not accept the stored position (DirSync cookie): {text}")]
    CookieRejected {
        /// The server.
        server: ServerAddress,
        /// Its diagnostic message.
        text: String,
    },
    /// An answer ended without being complete; nothing of it counts.
    #[error("{server} did not send all of the answer: {text} ({code:?})")]
    Incomplete {
        /// The server.
        server: ServerAddress,
        /// Its result.
        code: ResultCode,
        /// Its diagnostic message, or what is missing.
        text: String,
    },
    /// The server is no domain controller we can use.
    #[error("{server} is not usable as a domain controller: {problem}")]
    NotUsable {
        /// The server.
        server: ServerAddress,
        /// What it lacks.
        problem: String,
    },
    /// All connections for binds are in use and enough is waiting.
    #[error("too many binds are waiting for a domain controller")]
    Busy,
    /// No server is worth trying now: each failed moments ago.
    #[error("no domain controller answers: {0}")]
    AllDown(String),
}

/// Whose concern an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The administrator of this host: files, names, passwords.
    Configuration,
    /// The domain controller, its rights, or the network to it.
    Upstream,
    /// This process: limits it has set itself.
    Internal,
}

impl UpstreamError {
    /// Whether the same thing may work later without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Resolve { .. }
            | Self::NoServer { .. }
            | Self::Connect { .. }
            | Self::Timeout { .. }
            | Self::Closed { .. }
            | Self::Disconnected { .. }
            | Self::Interrupted { .. }
            | Self::Incomplete { .. }
            | Self::Busy
            | Self::AllDown(_) => true,
            Self::Refused { code, .. } => {
                matches!(*code, ResultCode::BUSY | ResultCode::UNAVAILABLE)
            }
            _ => false,
        }
    }

    /// Whose concern it is.
    pub fn source_side(&self) -> Side {
        match self {
            Self::Address(_)
            | Self::CaUnreadable { .. }
            | Self::CaEmpty { .. }
            | Self::NoTrustedCa { .. }
            | Self::TlsSetup(_)
            | Self::EmptyPassword
            | Self::AccountRefused { .. }
            | Self::CertificateIssuer { .. }
            | Self::CertificateName { .. } => Side::Configuration,
            Self::Busy | Self::Interrupted { .. } => Side::Internal,
            _ => Side::Upstream,
        }
    }

    /// Whether no server could be reached at all, as opposed to one that gave an answer.
    ///
    /// Offline verification of passwords is for these errors alone. A server whose certificate is
    /// wrong is not one of ours, so it counts as absent.
    pub fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Resolve { .. }
                | Self::NoServer { .. }
                | Self::Connect { .. }
                | Self::Timeout { .. }
                | Self::Closed { .. }
                | Self::Disconnected { .. }
                | Self::Handshake { .. }
                | Self::StartTls { .. }
                | Self::CertificateIssuer { .. }
                | Self::CertificateName { .. }
                | Self::CertificateTime { .. }
                | Self::AllDown(_)
        )
    }

    // By value, so that `format_args!` and errors can be given as they are.
    #[allow(clippy::needless_pass_by_value)]
    pub(super) fn protocol(server: &ServerAddress, problem: impl ToString) -> Self {
        Self::Protocol {
            server: server.clone(),
            problem: problem.to_string(),
        }
    }
}
