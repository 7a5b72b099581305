//! Whom we believe to be a domain controller.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    CertificateError, ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{ServerAddress, UpstreamError};

/// The TLS settings for all connections to one source.
///
/// Clones share the cache of TLS sessions, so reconnecting is cheap.
#[derive(Clone)]
pub struct UpstreamTls {
    connector: TlsConnector,
    trust: Arc<str>,
    ca_file: Option<PathBuf>,
}

impl UpstreamTls {
    /// Trusts the certificates in a PEM file, or the system's CAs without one.
    ///
    /// # Errors
    /// [`UpstreamError::CaUnreadable`], [`UpstreamError::CaEmpty`], [`UpstreamError::NoTrustedCa`].
    pub fn new(ca_file: Option<&Path>) -> Result<Self, UpstreamError> {
        let (roots, trust) = match ca_file {
            Some(path) => (
                roots_from_file(path)?,
                format!("a CA in {}", path.display()),
            ),
            None => (system_roots()?, "a CA this system trusts".to_owned()),
        };
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| UpstreamError::TlsSetup(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            trust: trust.into(),
            ca_file: ca_file.map(Path::to_owned),
        })
    }

    /// The same with the CAs that are there by now.
    ///
    /// # Errors
    /// As [`UpstreamTls::new`].
    pub fn reread(&self) -> Result<Self, UpstreamError> {
        Self::new(self.ca_file.as_deref())
    }

    /// Begins TLS on a stream and verifies that the other side is `server`.
    pub(super) async fn handshake<S>(
        &self,
        server: &ServerAddress,
        stream: S,
    ) -> Result<TlsStream<S>, UpstreamError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(server.host.clone())
            .map_err(|error| UpstreamError::TlsSetup(error.to_string()))?;
        self.connector
            .connect(name, stream)
            .await
            .map_err(|error| self.explain(server, &error))
    }

    fn explain(&self, server: &ServerAddress, error: &io::Error) -> UpstreamError {
        use CertificateError as Cert;
        let server = server.clone();
        let tls_error = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match tls_error {
            // A CA of the same name with another key gives the second one.
            Some(rustls::Error::InvalidCertificate(Cert::UnknownIssuer | Cert::BadSignature)) => {
                UpstreamError::CertificateIssuer {
                    server,
                    trust: self.trust.to_string(),
                }
            }
            Some(rustls::Error::InvalidCertificate(Cert::NotValidForNameContext {
                presented,
                ..
            })) => UpstreamError::CertificateName {
                server,
                presented: presented_names(presented),
            },
            Some(rustls::Error::InvalidCertificate(Cert::NotValidForName)) => {
                UpstreamError::CertificateName {
                    server,
                    presented: "other names".to_owned(),
                }
            }
            Some(rustls::Error::InvalidCertificate(
                Cert::Expired | Cert::ExpiredContext { .. },
            )) => UpstreamError::CertificateTime {
                server,
                problem: "expired",
            },
            Some(rustls::Error::InvalidCertificate(
                Cert::NotValidYet | Cert::NotValidYetContext { .. },
            )) => UpstreamError::CertificateTime {
                server,
                problem: "not valid yet",
            },
            _ if error.kind() == io::ErrorKind::UnexpectedEof => UpstreamError::Handshake {
                server,
                problem: "it closed the connection during the handshake; does it have a certificate for LDAPS?".to_owned(),
            },
            _ => UpstreamError::Handshake {
                server,
                problem: error.to_string(),
            },
        }
    }
}

impl std::fmt::Debug for UpstreamTls {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("UpstreamTls")
            .field("trust", &self.trust)
            .finish_non_exhaustive()
    }
}

fn roots_from_file(path: &Path) -> Result<RootCertStore, UpstreamError> {
    let unreadable = |problem: String| UpstreamError::CaUnreadable {
        path: path.to_owned(),
        problem,
    };
    let pem = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| unreadable(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(UpstreamError::CaEmpty {
            path: path.to_owned(),
        });
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, UpstreamError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // The system's bundle may hold some that are too old in form; they are left out.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(UpstreamError::NoTrustedCa {
            detail: found
                .errors
                .first()
                .map(|error| format!(" ({error})"))
                .unwrap_or_default(),
        });
    }
    Ok(roots)
}

/// rustls prints names as `DnsName("dc1.example.com")`; people want the name.
fn presented_names(presented: &[String]) -> String {
    if presented.is_empty() {
        return "no name at all".to_owned();
    }
    let names: Vec<&str> = presented
        .iter()
        .map(|name| {
            let inner = name
                .split_once('(')
                .map_or(name.as_str(), |(_, inner)| inner);
            inner.trim_matches(['"', ')'])
        })
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_bad_ca_file_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("missing.pem");
        let error = UpstreamTls::new(Some(&missing)).unwrap_err().to_string();
        assert!(error.contains("missing.pem: No such file"), "{error}");

        let empty = dir.path().join("empty.pem");
        std::fs::write(&empty, "not a certificate\n").unwrap();
        let error = UpstreamTls::new(Some(&empty)).unwrap_err().to_string();
        assert!(error.contains("there is no certificate in"), "{error}");

        let broken = dir.path().join("broken.pem");
        std::fs::write(
            &broken,
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        )
        .unwrap();
        let error = UpstreamTls::new(Some(&broken)).unwrap_err();
        assert!(matches!(error, UpstreamError::CaUnreadable { .. }));
    }

    #[test]
    fn names_in_a_certificate_are_printed_plainly() {
        let names = [
            "DnsName(\"dc1.example.com\")".to_owned(),
            "IpAddress(127.0.0.1)".to_owned(),
        ];
        assert_eq!(presented_names(&names), "dc1.example.com, 127.0.0.1");
    }
}
