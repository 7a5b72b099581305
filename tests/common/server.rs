//! The server under test, as a process of its own.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long a start may take, the opening of the store included.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long the process may take to end.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// A directory with configuration, certificates and data of one server.
pub struct Site {
    dir: TempDir,
}

impl Site {
    /// Writes certificates for `localhost` and a configuration: listeners on free ports, TLS, and
    /// then what `more` says for this directory.
    pub fn new(more: impl FnOnce(&Path) -> String) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("adduct-test-")
            .tempdir()
            .unwrap();
        write_certificates(dir.path());
        let more = more(dir.path());
        let site = Self { dir };
        site.configure(&more);
        site
    }

    /// Replaces what follows the listeners and TLS in the configuration.
    pub fn configure(&self, more: &str) {
        let text = format!(
            "version = 1\ndata_dir = \"data\"\n\n\
             [listen]\nldap = [\"127.0.0.1:0\"]\nldaps = [\"127.0.0.1:0\"]\n\
             metrics = \"127.0.0.1:0\"\n\n\
             [tls]\ncert_file = \"server.crt\"\nkey_file = \"server.key\"\n\n{more}\n"
        );
        std::fs::write(self.path("adduct.toml"), text).unwrap();
    }

    /// New certificates from a new authority, in the same files.
    pub fn renew_certificates(&self) {
        write_certificates(self.dir.path());
    }

    /// A file of the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The certificate that clients trust.
    pub fn ca_file(&self) -> PathBuf {
        self.path("ca.crt")
    }

    /// Runs one command with this configuration to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_adduct"))
            .arg("--config")
            .arg(self.path("adduct.toml"))
            .args(arguments)
            .output()
            .unwrap()
    }

    /// Like [`Site::run`]; panics unless the status is 0, and gives the standard output.
    pub fn run_ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{arguments:?}: {}\n{error}",
            output.status
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts `serve` and waits until its listeners answer.
    pub fn start(self) -> Adduct {
        Adduct::launch(self)
    }
}

/// A running server; killed when dropped, and its log shown when the test has failed.
pub struct Adduct {
    site: Option<Site>,
    process: Child,
    log: Arc<Log>,
    addresses: BTreeMap<String, SocketAddr>,
}

impl Adduct {
    /// Starts a server with the standard configuration and what `more` adds.
    pub fn start(more: impl FnOnce(&Path) -> String) -> Self {
        Site::new(more).start()
    }

    fn launch(site: Site) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_adduct"))
            .arg("--config")
            .arg(site.path("adduct.toml"))
            .args(["--log-format", "json", "serve"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Log::collect(process.stderr.take().unwrap());
        let mut server = Self {
            site: Some(site),
            process,
            log,
            addresses: BTreeMap::new(),
        };
        let ready = server.wait_for_log("the line \"ready\"", START_LIMIT, |line| {
            (line["fields"]["message"] == "ready").then(|| line["fields"].clone())
        });
        for name in ["ldap", "ldaps", "metrics"] {
            if let Some(address) = ready[name].as_str().and_then(|list| list.split(',').next()) {
                server
                    .addresses
                    .insert(name.to_owned(), address.trim().parse().unwrap());
            }
        }
        server
    }

    /// Address of the listener "ldap", "ldaps" or "metrics".
    pub fn address(&self, listener: &str) -> SocketAddr {
        self.addresses[listener]
    }

    /// URL of the TLS listener, by a name of its certificate.
    pub fn ldaps_url(&self) -> String {
        format!("ldaps://127.0.0.1:{}", self.address("ldaps").port())
    }

    /// URL of the listener without TLS; by address, as libldap replaces `localhost` by the host's name.
    pub fn ldap_url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.address("ldap").port())
    }

    /// Directory and configuration.
    pub fn site(&self) -> &Site {
        self.site.as_ref().unwrap()
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Sends a signal by its name without SIG.
    pub fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        kill.args([format!("-{name}"), self.pid().to_string()]);
        assert!(kill.status().unwrap().success(), "kill -{name}");
    }

    /// Waits for the process to end by itself.
    pub fn wait_for_end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + STOP_LIMIT;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "still running after {STOP_LIMIT:?}"
            );
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// Ends the server as an operator does; its status must be 0.
    pub fn term(mut self) -> Site {
        self.signal("TERM");
        let status = self.wait_for_end();
        assert!(status.success(), "after SIGTERM: {status}");
        self.site.take().unwrap()
    }

    /// Ends the server as a power cut does.
    pub fn kill9(mut self) -> Site {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.site.take().unwrap()
    }

    /// SIGTERM and a new start; the ports change.
    pub fn restart(self) -> Self {
        self.term().start()
    }

    /// How often this message was logged until now.
    pub fn logged(&self, message: &str) -> usize {
        let lines = self.log.lines.lock().unwrap();
        let is_it = |line: &&String| line.contains(&format!("\"message\":\"{message}\""));
        lines.iter().flatten().filter(is_it).count()
    }

    /// Waits until a log line satisfies `test`; lines already written count.
    pub fn wait_for_log<T>(
        &mut self,
        what: &str,
        limit: Duration,
        test: impl FnMut(&Value) -> Option<T>,
    ) -> T {
        self.log.wait(limit, test).unwrap_or_else(|| {
            let status = self.process.try_wait();
            panic!("no {what} (limit {limit:?}, process: {status:?})")
        })
    }

    /// Body and status of an HTTP GET from the metrics listener.
    pub fn http(&self, path: &str) -> (u16, String) {
        let mut connection = TcpStream::connect(self.address("metrics")).unwrap();
        connection
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    /// Waits until every source has completed its first sync.
    pub fn wait_until_synced(&self) -> &Self {
        let mut last = String::new();
        super::eventually("/readyz answers 200", Duration::from_secs(60), || {
            let (status, body) = self.http("/readyz");
            if body != last {
                eprintln!("/readyz: {status} {body}");
                last = body;
            }
            (status == 200).then_some(())
        });
        self
    }

    /// The first source of `sync status --json`.
    pub fn source_status(&self) -> Value {
        let text = self.site().run_ok(&["sync", "status", "--json"]);
        let sources: Value = serde_json::from_str(&text).unwrap();
        sources[0].clone()
    }

    /// Asks for one round now and waits for its end.
    pub fn sync_now(&self) {
        self.site().run_ok(&["sync", "now"]);
    }
}

impl Drop for Adduct {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            let lines = self.log.lines.lock().unwrap();
            eprintln!("--- the end of the server's log ---");
            for line in lines[lines.len().saturating_sub(100)..].iter().flatten() {
                eprintln!("{line}");
            }
        }
    }
}

/// What a process has written to a pipe so far.
struct Log {
    /// `None` at the end stands for the end of the pipe.
    lines: Mutex<Vec<Option<String>>>,
    grown: Condvar,
}

impl Log {
    fn collect(pipe: impl Read + Send + 'static) -> Arc<Self> {
        let log = Arc::new(Self {
            lines: Mutex::default(),
            grown: Condvar::new(),
        });
        let writer = Arc::clone(&log);
        std::thread::spawn(move || {
            let lines = BufReader::new(pipe).lines().map_while(Result::ok);
            for line in lines.map(Some).chain([None]) {
                writer.lines.lock().unwrap().push(line);
                writer.grown.notify_all();
            }
        });
        log
    }

    fn wait<T>(&self, limit: Duration, mut test: impl FnMut(&Value) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + limit;
        let mut seen = 0;
        let mut lines = self.lines.lock().unwrap();
        loop {
            for line in &lines[seen..] {
                // A process that has ended says no more.
                let line = line.as_ref()?;
                // A panic message is no JSON.
                let parsed = serde_json::from_str(line).unwrap_or(Value::Null);
                if let Some(found) = test(&parsed) {
                    return Some(found);
                }
            }
            seen = lines.len();
            let left = deadline.checked_duration_since(Instant::now())?;
            lines = self.grown.wait_timeout(lines, left).unwrap().0;
        }
    }
}

/// An authority (`ca.crt`) and a certificate for localhost (`server.crt`, `server.key`).
fn write_certificates(dir: &Path) {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut ca = rcgen::CertificateParams::default();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    ca.distinguished_name
        .push(rcgen::DnType::CommonName, "Adduct test CA");
    ca.key_usages = vec![
        rcgen::KeyUsagePurpose::KeyCertSign,
        rcgen::KeyUsagePurpose::CrlSign,
    ];
    let ca_certificate = ca.self_signed(&ca_key).unwrap();
    let issuer = rcgen::Issuer::from_params(&ca, &ca_key);

    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let server = rcgen::CertificateParams::new(names).unwrap();
    let certificate = server.signed_by(&key, &issuer).unwrap();

    std::fs::write(dir.join("ca.crt"), ca_certificate.pem()).unwrap();
    std::fs::write(dir.join("server.crt"), certificate.pem()).unwrap();
    std::fs::write(dir.join("server.key"), key.serialize_pem()).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(dir.join("server.key"), private).unwrap();
}
