//! A throw-away OpenLDAP server on loopback, holding the test directory.
//!
//! Its configuration is what a careful administrator would write for these clients: mdb, an
//! equality index for every attribute they search by, no access to passwords, no logging.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;

use crate::support::ldif;
use crate::support::population::Population;

/// A running slapd; it is stopped and its files are removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Slapd {
    process: Child,
    directory: TempDir,
    ldap_port: u16,
    ldaps_port: u16,
    load_time: Duration,
}

impl Slapd {
    /// Loads the population with slapadd and serves it.
    pub(crate) fn start(population: &Population) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir().context("making a directory for slapd")?;
        write_configuration(directory.path(), population.base())?;
        let ldif = directory.path().join("content.ldif");
        ldif::write_file(&ldif, population)?;

        let begin = Instant::now();
        load(directory.path(), &ldif)?;
        let load_time = begin.elapsed();

        let (ldap_port, ldaps_port) = (free_port()?, free_port()?);
        let process = Command::new(SLAPD)
            .args(["-d", "0", "-f"])
            .arg(configuration(directory.path()))
            .arg("-h")
            .arg(format!(
                "ldap://127.0.0.1:{ldap_port}/ ldaps://127.0.0.1:{ldaps_port}/"
            ))
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("starting {SLAPD}"))?;
        let mut slapd = Self {
            process,
            directory,
            ldap_port,
            ldaps_port,
            load_time,
        };
        slapd.wait_until_it_listens()?;
        Ok(slapd)
    }

    pub(crate) fn ldap_uri(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.ldap_port)
    }

    pub(crate) fn ldaps_uri(&self) -> String {
        format!("ldaps://127.0.0.1:{}", self.ldaps_port)
    }

    /// The certificate to trust, PEM.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.directory.path().join("server.crt")
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// How long slapadd took.
    pub(crate) fn load_time(&self) -> Duration {
        self.load_time
    }

    fn wait_until_it_listens(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.ldap_port)).is_err() {
            if let Some(status) = self.process.try_wait()? {
                bail!("slapd ended at once: {status}");
            }
            ensure!(Instant::now() < deadline, "slapd does not listen");
            std::thread::yield_now();
        }
        Ok(())
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        // It has nothing to save; an error means that it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const SLAPD: &str = "/usr/sbin/slapd";
const SLAPADD: &str = "/usr/sbin/slapadd";
const SCHEMAS: &str = "/etc/ldap/schema";
const MODULES: &str = "/usr/lib/ldap";

fn configuration(directory: &Path) -> PathBuf {
    directory.join("slapd.conf")
}

fn write_configuration(directory: &Path, base: &str) -> anyhow::Result<()> {
    fs::create_dir(directory.join("db")).context("making slapd's database directory")?;
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certified =
        rcgen::generate_simple_self_signed(names).context("making a certificate for slapd")?;
    let at = directory.display();
    let text = format!(
        "include {SCHEMAS}/core.schema
include {SCHEMAS}/cosine.schema
include {SCHEMAS}/inetorgperson.schema
include {at}/rfc2307bis.schema
modulepath {MODULES}
moduleload back_mdb
pidfile {at}/slapd.pid
argsfile {at}/slapd.args
loglevel none
sizelimit unlimited
TLSCertificateFile {at}/server.crt
TLSCertificateKeyFile {at}/server.key

database mdb
suffix \"{base}\"
directory {at}/db
maxsize 8589934592
index objectClass,uid,uidNumber,gidNumber,cn,mail,member,memberUid eq
access to attrs=userPassword by anonymous auth by * none
access to * by users read by * none
"
    );
    let files = [
        ("slapd.conf", text),
        ("rfc2307bis.schema", rfc2307bis()?),
        ("server.crt", certified.cert.pem()),
        ("server.key", certified.signing_key.serialize_pem()),
    ];
    for (name, content) in files {
        let path = directory.join(name);
        fs::write(&path, content).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// The NIS schema with posixGroup as RFC 2307bis has it: auxiliary, so that it goes with
/// groupOfNames in one entry.
fn rfc2307bis() -> anyhow::Result<String> {
    let path = format!("{SCHEMAS}/nis.schema");
    let nis = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let (before, group) = nis
        .split_once("NAME 'posixGroup'")
        .with_context(|| format!("{path} has no posixGroup"))?;
    Ok(format!(
        "{before}NAME 'posixGroup'{}",
        group.replacen("STRUCTURAL", "AUXILIARY", 1)
    ))
}

fn load(directory: &Path, ldif: &Path) -> anyhow::Result<()> {
    let output = Command::new(SLAPADD)
        .arg("-q")
        .arg("-f")
        .arg(configuration(directory))
        .arg("-l")
        .arg(ldif)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting {SLAPADD}"))?;
    ensure!(
        output.status.success(),
        "slapadd failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// A port that was free a moment ago; slapd cannot be asked to choose one and say which.
fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a port")?;
    Ok(listener.local_addr()?.port())
}
