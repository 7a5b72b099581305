//! A throw-away server on loopback, holding the test directory.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;

/// A running server; it is stopped and its files are removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    name: &'static str,
    process: Child,
    directory: TempDir,
    ports: Ports,
    load_time: Duration,
    begun: Instant,
}

/// Where a server is to listen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    pub(crate) ldap: u16,
    pub(crate) ldaps: u16,
}

impl Server {
    /// Starts `command`, whose files are in `directory`, and waits until it takes connections.
    pub(crate) fn start(
        name: &'static str,
        directory: TempDir,
        ports: Ports,
        load_time: Duration,
        command: Command,
    ) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let mut command = pinned(command);
        let process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        let mut server = Self {
            name,
            process,
            directory,
            ports,
            load_time,
            begun,
        };
        server.wait_until_it_listens()?;
        Ok(server)
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn ldap_uri(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.ports.ldap)
    }

    pub(crate) fn ldaps_uri(&self) -> String {
        format!("ldaps://127.0.0.1:{}", self.ports.ldaps)
    }

    /// The certificate to trust, PEM.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.directory.path().join(CERTIFICATE)
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// How long it took to load the directory before the start.
    pub(crate) fn load_time(&self) -> Duration {
        self.load_time
    }

    /// When its process was started.
    pub(crate) fn begun(&self) -> Instant {
        self.begun
    }

    /// Where its files are.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn wait_until_it_listens(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.ports.ldap)).is_err() {
            if let Some(status) = self.process.try_wait()? {
                bail!("{} ended at once: {status}", self.name);
            }
            ensure!(
                Instant::now() < deadline,
                "{} does not listen after {} s",
                self.name,
                START_LIMIT.as_secs()
            );
            std::thread::yield_now();
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has nothing to save; an error means that it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Ports {
    /// Ports that were free a moment ago; slapd cannot be asked to choose one and say which.
    pub(crate) fn free() -> anyhow::Result<Self> {
        let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a port");
        // Both at once, so that they differ.
        let (ldap, ldaps) = (listen()?, listen()?);
        Ok(Self {
            ldap: ldap.local_addr()?.port(),
            ldaps: ldaps.local_addr()?.port(),
        })
    }
}

/// Where the servers of a comparison run, and where the load does.
const SERVER_PROCESSOR: &str = "0";
const LOAD_PROCESSOR: &str = "1";

/// Set when servers are to stay on their processor.
static PINNED: OnceLock<()> = OnceLock::new();

/// Keeps this process on the load's processor, and servers that are started from now on on theirs.
pub(crate) fn pin() -> anyhow::Result<()> {
    let mut taskset = Command::new("taskset");
    let process = std::process::id().to_string();
    run(
        "taskset",
        taskset.args(["-a", "-p", "-c", LOAD_PROCESSOR, &process]),
    )?;
    PINNED.get_or_init(|| ());
    Ok(())
}

/// The same command on the servers' processor, if that is asked for.
fn pinned(command: Command) -> Command {
    if PINNED.get().is_none() {
        return command;
    }
    let mut pinned = Command::new("taskset");
    pinned
        .args(["-c", SERVER_PROCESSOR])
        .arg(command.get_program());
    pinned.args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            pinned.env(name, value);
        }
    }
    pinned
}

/// The files of the certificate, in the server's directory.
pub(crate) const CERTIFICATE: &str = "server.crt";
pub(crate) const KEY: &str = "server.key";

/// A large directory is read at the start.
pub(crate) const START_LIMIT: Duration = Duration::from_secs(600);

/// Writes a certificate for this host, which clients trust by itself, and its key.
pub(crate) fn write_certificate(directory: &Path) -> anyhow::Result<()> {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certified = rcgen::generate_simple_self_signed(names).context("making a certificate")?;
    for (name, content) in [
        (CERTIFICATE, certified.cert.pem()),
        (KEY, certified.signing_key.serialize_pem()),
    ] {
        write_file(&directory.join(name), &content)?;
    }
    Ok(())
}

/// Writes a file or says which could not be written.
pub(crate) fn write_file(path: &Path, content: &str) -> anyhow::Result<()> {
    fs::write(path, content).with_context(|| format!("writing {}", path.display()))
}

/// Runs a command to its end and takes the time; its errors are shown only when it fails.
pub(crate) fn run(name: &str, command: &mut Command) -> anyhow::Result<Duration> {
    let begin = Instant::now();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting {name}"))?;
    ensure!(
        output.status.success(),
        "{name} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(begin.elapsed())
}
