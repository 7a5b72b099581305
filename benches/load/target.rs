//! The server to drive: its address, its certificate, and who binds.

use std::fs;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;

/// Where a connection goes and what is done on it first.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) security: Security,
    pub(crate) credentials: Option<Credentials>,
    /// Who may change entries, where it is somebody else.
    pub(crate) administrator: Option<Credentials>,
    /// Whether its answers are held against what they must be; the floor's are canned.
    pub(crate) checks: bool,
}

pub(crate) enum Security {
    Plain,
    Tls(TlsConnector, ServerName<'static>),
    StartTls(TlsConnector, ServerName<'static>),
}

/// The identity that a connection binds as before the load.
pub(crate) struct Credentials {
    pub(crate) dn: String,
    pub(crate) password: String,
}

/// Which certificates are good.
pub(crate) enum Trust {
    Nothing,
    File(PathBuf),
    Anything,
}

impl Target {
    pub(crate) fn new(
        uri: &str,
        start_tls: bool,
        trust: &Trust,
        credentials: Option<Credentials>,
        allow_remote: bool,
    ) -> anyhow::Result<Self> {
        let (tls, authority, port) = match uri.split_once("://") {
            Some(("ldap", authority)) => (false, authority, 389),
            Some(("ldaps", authority)) => (true, authority, 636),
            _ => bail!("expected ldap://HOST:PORT or ldaps://HOST:PORT, not {uri}"),
        };
        ensure!(!(tls && start_tls), "--starttls needs an ldap:// URI");
        let (host, port) = host_and_port(authority.trim_end_matches('/'), port)?;
        let address = resolve(host, port, allow_remote)?;

        let security = if tls || start_tls {
            let name = ServerName::try_from(host.to_owned()).context("the server's name")?;
            let connector = TlsConnector::from(Arc::new(client_config(trust)?));
            if tls {
                Security::Tls(connector, name)
            } else {
                Security::StartTls(connector, name)
            }
        } else {
            Security::Plain
        };
        Ok(Self {
            address,
            security,
            credentials,
            administrator: None,
            checks: true,
        })
    }
}

impl Target {
    pub(crate) fn is_tls(&self) -> bool {
        !matches!(self.security, Security::Plain)
    }
}

/// Takes `HOST`, `HOST:PORT`, `[V6]` or `[V6]:PORT` apart.
fn host_and_port(authority: &str, default: u16) -> anyhow::Result<(&str, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').context("an address without ]")?;
            (host, rest.strip_prefix(':'))
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = port.map_or(Ok(default), str::parse).context("the port")?;
    Ok((host, port))
}

fn resolve(host: &str, port: u16, allow_remote: bool) -> anyhow::Result<SocketAddr> {
    let addresses = (host, port)
        .to_socket_addrs()
        .with_context(|| format!("looking up {host}"))?;
    let address = addresses
        .into_iter()
        .next()
        .with_context(|| format!("{host} has no address"))?;
    ensure!(
        allow_remote || address.ip().is_loopback(),
        "{address} is not a loopback address; --allow-remote drives it all the same"
    );
    Ok(address)
}

/// Full handshakes only, as SSSD and PostgreSQL make them: nothing is resumed.
fn client_config(trust: &Trust) -> anyhow::Result<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let mut config = match trust {
        Trust::Anything => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth(),
        Trust::File(path) => {
            let read = || format!("reading {}", path.display());
            let pem = fs::read(path).with_context(read)?;
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                roots.add(certificate.with_context(read)?)?;
            }
            builder.with_root_certificates(roots).with_no_client_auth()
        }
        Trust::Nothing => bail!("TLS needs --ca or --insecure-tls"),
    };
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Accepts every certificate; signatures are checked all the same, which costs what it costs.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
