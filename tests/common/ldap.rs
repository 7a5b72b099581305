//! Independent LDAP clients: OpenLDAP's tools, the crate `ldap3`, and a socket with raw bytes.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;

use super::server::Adduct;

/// A server's URL, the authority to trust, and who asks.
#[derive(Clone)]
pub struct Tools {
    url: String,
    ca_file: PathBuf,
    identity: Option<(String, String)>,
}

/// An entry as ldapsearch printed it; attribute names are in lower case.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Distinguished name.
    pub dn: String,
    /// Values by attribute description.
    pub attributes: BTreeMap<String, Vec<Vec<u8>>>,
}

impl Tools {
    /// Over TLS to the server under test, not bound.
    pub fn new(server: &Adduct) -> Self {
        Self::to(&server.ldaps_url(), &server.site().ca_file())
    }

    /// To any server.
    pub fn to(url: &str, ca_file: &Path) -> Self {
        Self {
            url: url.to_owned(),
            ca_file: ca_file.to_owned(),
            identity: None,
        }
    }

    /// The same server as somebody.
    pub fn bound(&self, name: &str, password: &str) -> Self {
        Self {
            identity: Some((name.to_owned(), password.to_owned())),
            ..self.clone()
        }
    }

    /// Runs one of OpenLDAP's tools.
    pub fn run(&self, tool: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(tool);
        // The machine's own ldap.conf must not take part.
        command
            .env("LC_ALL", "C.UTF-8")
            .env("LDAPCONF", "/dev/null");
        command
            .env("LDAPTLS_CACERT", &self.ca_file)
            .env("LDAPTLS_REQCERT", "demand");
        command.args(["-x", "-H", &self.url]);
        if let Some((name, password)) = &self.identity {
            command.args(["-D", name, "-w", password]);
        }
        command
            .args(arguments)
            .output()
            .unwrap_or_else(|error| panic!("{tool}: {error}"))
    }

    /// Entries of a search of the whole subtree; panics unless the result is success.
    pub fn search(&self, base: &str, filter: &str, attributes: &[&str]) -> Vec<Found> {
        self.search_with(&["-s", "sub"], base, filter, attributes)
    }

    /// The entry with this DN, if there is one.
    pub fn read(&self, dn: &str, attributes: &[&str]) -> Option<Found> {
        let mut arguments = vec!["-LLL", "-o", "ldif-wrap=no", "-s", "base", "-b", dn];
        arguments.push("(objectClass=*)");
        arguments.extend(attributes);
        let output = self.run("ldapsearch", &arguments);
        // 32 is noSuchObject.
        if output.status.code() == Some(32) {
            return None;
        }
        parse_ldif(&expect_success(&output)).pop()
    }

    /// A search with further arguments for ldapsearch.
    pub fn search_with(
        &self,
        more: &[&str],
        base: &str,
        filter: &str,
        attributes: &[&str],
    ) -> Vec<Found> {
        let mut arguments = vec!["-LLL", "-o", "ldif-wrap=no", "-b", base];
        arguments.extend(more);
        arguments.push(filter);
        arguments.extend(attributes);
        parse_ldif(&expect_success(&self.run("ldapsearch", &arguments)))
    }

    /// Result code of a simple bind.
    pub fn bind_code(&self, name: &str, password: &str) -> i32 {
        self.bind(name, password).0
    }

    /// Result code and printed diagnostic of a simple bind.
    pub fn bind(&self, name: &str, password: &str) -> (i32, String) {
        // A read of the root DSE: unlike "Who am I?" every server knows it.
        let arguments = ["-s", "base", "-b", "", "(objectClass=*)", "1.1"];
        let output = self.bound(name, password).run("ldapsearch", &arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code().unwrap_or(-1), text)
    }

    /// The authorization identity of "Who am I?".
    pub fn whoami(&self) -> String {
        expect_success(&self.run("ldapwhoami", &[]))
            .trim()
            .to_owned()
    }

    /// Compares one value; panics when the answer is neither true nor false.
    pub fn compare(&self, dn: &str, attribute: &str, value: &str) -> bool {
        let output = self.run("ldapcompare", &[dn, &format!("{attribute}:{value}")]);
        match output.status.code() {
            Some(6) => true,
            Some(5) => false,
            other => panic!(
                "compare: {other:?} {}",
                String::from_utf8_lossy(&output.stderr)
            ),
        }
    }
}

impl Found {
    /// Values of an attribute; empty when it did not come.
    pub fn values(&self, name: &str) -> &[Vec<u8>] {
        self.attributes
            .get(&name.to_ascii_lowercase())
            .map_or(&[], Vec::as_slice)
    }

    /// All values as text, sorted.
    pub fn texts(&self, name: &str) -> Vec<String> {
        let values = self.values(name).iter();
        let mut texts: Vec<_> = values
            .map(|v| String::from_utf8_lossy(v).into_owned())
            .collect();
        texts.sort();
        texts
    }

    /// The first value as text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.values(name)
            .first()
            .map(|value| String::from_utf8_lossy(value).into_owned())
    }
}

/// Standard output of a run that succeeded.
pub fn expect_success(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The content records of an LDIF text without folded lines.
pub fn parse_ldif(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let mut entry = Found::default();
    for line in text.lines().chain([""]) {
        if line.is_empty() {
            if !entry.dn.is_empty() || !entry.attributes.is_empty() {
                found.push(std::mem::take(&mut entry));
            }
        } else if !line.starts_with('#') {
            let (name, value) = line
                .split_once(':')
                .unwrap_or_else(|| panic!("line {line:?}"));
            let value = match value.strip_prefix(':') {
                Some(encoded) => base64::engine::general_purpose::STANDARD
                    .decode(encoded.trim())
                    .unwrap_or_else(|error| panic!("{line}: {error}")),
                None => value.trim_start().as_bytes().to_vec(),
            };
            if name == "dn" {
                entry.dn = String::from_utf8(value).unwrap();
            } else if name != "ref" {
                entry
                    .attributes
                    .entry(name.to_ascii_lowercase())
                    .or_default()
                    .push(value);
            }
        }
    }
    found
}

/// `value` as an assertion value in a filter, every octet escaped (RFC 4515).
pub fn escaped(value: &[u8]) -> String {
    value.iter().map(|octet| format!("\\{octet:02x}")).collect()
}

/// The objects of the crate `ldap3`, over TLS, for many requests on one connection.
pub struct Session {
    runtime: tokio::runtime::Runtime,
    ldap: ldap3::Ldap,
}

impl Session {
    /// Connects and binds; panics when the bind is refused.
    pub fn open(server: &Adduct, name: &str, password: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let settings = ldap3::LdapConnSettings::new()
            .set_config(trusting(&server.site().ca_file()))
            .set_conn_timeout(Duration::from_secs(10));
        let url = server.ldaps_url();
        let ldap = runtime.block_on(async {
            let (driver, mut ldap) = ldap3::LdapConnAsync::with_settings(settings, &url)
                .await
                .unwrap();
            tokio::spawn(driver.drive());
            ldap.simple_bind(name, password)
                .await
                .unwrap()
                .success()
                .unwrap();
            ldap
        });
        Self { runtime, ldap }
    }

    /// Entries of a subtree search; panics unless the result is success.
    pub fn search(
        &mut self,
        base: &str,
        filter: &str,
        attributes: &[&str],
    ) -> Vec<ldap3::SearchEntry> {
        let search = self
            .ldap
            .search(base, ldap3::Scope::Subtree, filter, attributes);
        let (entries, _) = self.runtime.block_on(search).unwrap().success().unwrap();
        entries
            .into_iter()
            .map(ldap3::SearchEntry::construct)
            .collect()
    }
}

/// A TLS configuration that trusts one authority.
pub fn trusting(ca_file: &Path) -> Arc<rustls::ClientConfig> {
    use rustls::pki_types::pem::PemObject;

    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(rustls::pki_types::CertificateDer::from_pem_file(ca_file).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

/// A connection without TLS that sends what the test says.
pub struct Raw {
    stream: TcpStream,
}

impl Raw {
    /// Connects; every read and write ends after ten seconds.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        stream
            .set_write_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream }
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// One whole LDAPMessage; `None` when the peer has closed or reset the connection.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        let mut head = [0; 2];
        if !self.read(&mut head) {
            return None;
        }
        let mut message = head.to_vec();
        let mut length = usize::from(head[1]);
        if length >= 0x80 {
            let mut octets = vec![0; length - 0x80];
            assert!(self.read(&mut octets), "closed within a length");
            length = octets
                .iter()
                .fold(0, |sum, &octet| sum << 8 | usize::from(octet));
            message.extend(octets);
        }
        let mut body = vec![0; length];
        assert!(self.read(&mut body), "closed within a message");
        message.extend(body);
        Some(message)
    }

    /// The stream itself.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    fn read(&mut self, buffer: &mut [u8]) -> bool {
        use std::io::ErrorKind;

        match self.stream.read_exact(buffer) {
            Ok(()) => true,
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
                ) =>
            {
                false
            }
            Err(error) => panic!("read: {error}"),
        }
    }
}

/// One BER element.
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut element = vec![tag];
    let length = content.len();
    if length < 0x80 {
        element.push(u8::try_from(length).unwrap());
    } else {
        element.push(0x84);
        element.extend(u32::try_from(length).unwrap().to_be_bytes());
    }
    element.extend(content);
    element
}

/// An LDAPMessage with a message id below 128 and the protocol operation as encoded.
pub fn message(id: u8, operation: &[u8]) -> Vec<u8> {
    tlv(0x30, &[tlv(0x02, &[id]), operation.to_vec()].concat())
}

/// A simple bind request.
pub fn bind_request(name: &str, password: &str) -> Vec<u8> {
    let parts = [
        tlv(2, &[3]),
        tlv(4, name.as_bytes()),
        tlv(0x80, password.as_bytes()),
    ];
    tlv(0x60, &parts.concat())
}

/// A search with the filter `(objectClass=*)` for all user attributes.
pub fn search_request(base: &str, scope: u8) -> Vec<u8> {
    let parts = [
        tlv(0x04, base.as_bytes()),
        tlv(0x0a, &[scope]),
        tlv(0x0a, &[0]),
        tlv(0x02, &[0]),
        tlv(0x02, &[0]),
        tlv(0x01, &[0]),
        tlv(0x87, b"objectClass"),
        tlv(0x30, &[]),
    ];
    tlv(0x63, &parts.concat())
}

/// An extended request without a value.
pub fn extended_request(oid: &str) -> Vec<u8> {
    tlv(0x77, &tlv(0x80, oid.as_bytes()))
}

/// Message id, tag of the operation and, where the operation has one, its result code.
pub fn outline(message: &[u8]) -> (u8, u8, Option<u8>) {
    let body = content(message);
    let id = body[2];
    let operation = &body[3..];
    let inner = content(operation);
    // Every LDAPResult begins with an ENUMERATED of one octet.
    let code = (inner.starts_with(&[0x0a, 1])).then(|| inner[2]);
    (id, operation[0], code)
}

fn content(element: &[u8]) -> &[u8] {
    match element[1] {
        short @ 0..0x80 => &element[2..2 + usize::from(short)],
        long => &element[2 + usize::from(long - 0x80)..],
    }
}
