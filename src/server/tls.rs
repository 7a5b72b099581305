//! The server's side of TLS: certificates from files, TLS 1.2 and 1.3, session resumption.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use thiserror::Error;

use super::config::TlsConfig;

/// Builds what a TLS acceptor needs from the files a configuration names.
///
/// Called again for new certificates; sessions of before cannot be resumed then.
///
/// # Errors
/// [`TlsError`] names the file.
pub fn load(config: &TlsConfig) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = read_chain(&config.cert_file)?;
    let key = PrivateKeyDer::from_pem_file(&config.key_file).map_err(|error| TlsError::Key {
        file: config.key_file.clone(),
        problem: error.to_string(),
    })?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let clients = match &config.client_ca_file {
        Some(file) => verifier(file, Arc::clone(&provider))?,
        None => WebPkiClientVerifier::no_client_auth(),
    };
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, key)
        .map_err(|error| TlsError::Pair {
            certificate: config.cert_file.clone(),
            key: config.key_file.clone(),
            problem: error.to_string(),
        })?;
    server.ticketer = aws_lc_rs::Ticketer::new()?;
    Ok(Arc::new(server))
}

/// Asks clients for a certificate of these authorities, without insisting on one.
fn verifier(
    file: &Path,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let problem = |problem: String| TlsError::Authorities {
        file: file.to_owned(),
        problem,
    };
    let mut authorities = RootCertStore::empty();
    for certificate in read_certificates(file).map_err(problem)? {
        authorities
            .add(certificate)
            .map_err(|error| problem(error.to_string()))?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider)
        .allow_unauthenticated()
        .build()
        .map_err(|error| problem(error.to_string()))
}

fn read_chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    read_certificates(file).map_err(|problem| TlsError::Certificate {
        file: file.to_owned(),
        problem,
    })
}

/// The certificates in a file, at least one, or what is wrong with it.
fn read_certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| error.to_string())?;
    if certificates.is_empty() {
        return Err("no certificate in it".to_owned());
    }
    Ok(certificates)
}

/// Why there is no TLS.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The certificate chain.
    #[error("cannot read the certificate chain {}: {problem}", file.display())]
    Certificate {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The authorities of client certificates.
    #[error("cannot take the authorities of client certificates {}: {problem}", file.display())]
    Authorities {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The private key.
    #[error("cannot read the private key {}: {problem}", file.display())]
    Key {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Both together.
    #[error("certificate {} and key {} do not serve together: {problem}", certificate.display(), key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The TLS library.
    #[error(transparent)]
    Library(#[from] rustls::Error),
}
