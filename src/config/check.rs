//! What types cannot say: required keys, ranges, files, and settings that contradict each other.

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{Config, document::Document, finding::Finding, pem};
use crate::{
    server::{self, TlsError, config::ListenConfig},
    setting::Secret,
    sync::config::{Method, SourceConfig},
};

/// Checks a configuration as read, resolves its paths and reads its secrets.
///
/// `rejected` is what could not be read and so has its default in `config`. Gives the errors and
/// the warnings, in no order.
pub(super) fn check(
    config: &mut Config,
    document: &Document<'_>,
    rejected: &[Finding],
) -> (Vec<Finding>, Vec<Finding>) {
    let mut checker = Checker {
        document,
        errors: Vec::new(),
        warnings: Vec::new(),
    };
    checker.general(config);
    if !rejected
        .iter()
        .any(|finding| finding.key.starts_with("listen"))
    {
        checker.listen(config);
    }
    checker.tls(config);
    checker.limits(config);
    checker.auth(config);
    let mut names = BTreeMap::new();
    let mut domains = BTreeMap::new();
    for (index, source) in config.sources.iter_mut().enumerate() {
        let table = format!("source[{index}]");
        checker.source(&table, source);
        checker.unique(&mut names, &format!("{table}.name"), &source.name);
        checker.unique(&mut domains, &format!("{table}.domain"), &source.domain);
    }
    (checker.errors, checker.warnings)
}

struct Checker<'a, 'i> {
    document: &'a Document<'i>,
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
}

impl Checker<'_, '_> {
    fn general(&mut self, config: &mut Config) {
        if config.version != Config::VERSION {
            self.error(
                "version",
                format!("found version {}", config.version),
                Some("1"),
            );
        }
        self.document.resolve(&mut config.data_dir);
        if config.data_dir.exists() && !config.data_dir.is_dir() {
            let problem = format!("{} is not a directory", config.data_dir.display());
            self.error("data_dir", problem, None);
        }
        if let Some(schema_dir) = &mut config.directory.schema_dir {
            self.document.resolve(schema_dir);
            if let Err(error) = fs::read_dir(&*schema_dir) {
                self.unreadable("directory.schema_dir", schema_dir, &error);
            }
        }
    }

    fn listen(&mut self, config: &mut Config) {
        if config.tls.is_none() && !config.listen.ldaps.is_empty() {
            if self.document.contains("listen.ldaps") {
                self.error("listen.ldaps", "needs a certificate", Some("with [tls]"));
            } else {
                config.listen.ldaps.clear();
            }
        }
        let ListenConfig {
            ldap,
            ldaps,
            metrics,
        } = &config.listen;
        if ldap.is_empty() && ldaps.is_empty() {
            self.error(
                "listen",
                "no address to serve LDAP on",
                Some("an address in ldap or ldaps"),
            );
        }
        let mut seen = BTreeMap::new();
        let named = [("listen.ldap", ldap), ("listen.ldaps", ldaps)];
        for (key, addresses) in named {
            for address in addresses {
                self.unique_address(&mut seen, key, *address);
            }
        }
        if let Some(metrics) = metrics {
            self.unique_address(&mut seen, "listen.metrics", *metrics);
        }
    }

    fn unique_address(
        &mut self,
        seen: &mut BTreeMap<std::net::SocketAddr, &'static str>,
        key: &'static str,
        address: std::net::SocketAddr,
    ) {
        // Port 0 is any free port, a different one each time.
        if address.port() == 0 {
            return;
        }
        if let Some(first) = seen.insert(address, key) {
            self.error(key, format!("{address} is already in {first}"), None);
        }
    }

    fn tls(&mut self, config: &mut Config) {
        let Some(tls) = &mut config.tls else {
            return;
        };
        self.required_file("tls.cert_file", &mut tls.cert_file, &["CERTIFICATE"]);
        let readable = self.required_file("tls.key_file", &mut tls.key_file, PRIVATE_KEYS);
        if readable {
            self.private("tls.key_file", &tls.key_file);
        }
        if let Some(client_ca_file) = &mut tls.client_ca_file {
            self.required_file("tls.client_ca_file", client_ca_file, &["CERTIFICATE"]);
        }
        if self.errors.is_empty()
            && let Err(error) = server::load_tls(tls)
        {
            let key = match &error {
                TlsError::Authorities { .. } => "tls.client_ca_file",
                _ => "tls.cert_file",
            };
            self.error(key, error.to_string(), None);
        }
    }

    fn limits(&mut self, config: &Config) {
        let limits = &config.limits;
        for (key, value) in [
            ("limits.max_connections", limits.max_connections),
            ("limits.max_outstanding", limits.max_outstanding),
        ] {
            if value == 0 {
                self.error(key, "found 0", Some("1 or more"));
            }
        }
        if !(1024..=256 * 1024 * 1024).contains(&limits.max_message_bytes) {
            self.error(
                "limits.max_message_bytes",
                "out of range",
                Some("\"1KiB\" to \"256MiB\""),
            );
        }
        for (key, value) in [
            ("limits.handshake_timeout", limits.handshake_timeout),
            ("limits.message_timeout", limits.message_timeout),
            ("limits.write_timeout", limits.write_timeout),
        ] {
            if value.is_zero() {
                // A wait for a peer without an end would be a way to use up all connections.
                self.error(key, "found no time at all", Some("more than \"0s\""));
            }
        }
    }

    fn auth(&mut self, config: &Config) {
        if !config.auth.cache_lifetime.is_zero() {
            self.not_yet("auth.cache_lifetime");
        }
        self.not_yet("auth.lockout_reserve");
    }

    fn source(&mut self, table: &str, source: &mut SourceConfig) {
        let key = |name: &str| format!("{table}.{name}");
        self.required(&key("name"), &source.name);
        self.required(&key("domain"), &source.domain);
        self.required(&key("account"), &source.account);
        if !source
            .name
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.'))
            || source.name.starts_with('.')
            || source.name.len() > 64
        {
            self.error(
                &key("name"),
                format!("found string \"{}\"", source.name),
                Some("up to 64 letters, digits, hyphens, underscores and dots, no dot first"),
            );
        }
        self.password(table, source);
        if let Some(ca_file) = &mut source.ca_file {
            self.required_file(&key("ca_file"), ca_file, &["CERTIFICATE"]);
        }
        if source.poll < Duration::from_millis(100) {
            self.error(
                &key("poll"),
                "more often than a domain controller should be asked",
                Some("\"100ms\" or more"),
            );
        }
        if source.method == Some(Method::Usn) {
            self.error(
                &key("method"),
                "\"usn\" is not available in this version",
                Some("dirsync"),
            );
        }
        self.posix(table, source);
        for (name, percent) in [
            ("brake.max_percent", source.brake.max_percent),
            ("brake.max_member_percent", source.brake.max_member_percent),
        ] {
            if percent > 100 {
                self.error(&key(name), format!("found {percent}"), Some("0 to 100"));
            }
        }
        self.not_yet(&key("brake"));
    }

    fn password(&mut self, table: &str, source: &mut SourceConfig) {
        let key = format!("{table}.password_file");
        let path = match &mut source.password_file {
            Some(path) => {
                self.document.resolve(path);
                path.clone()
            }
            None if source.name.is_empty() => return,
            None => match env::var_os("CREDENTIALS_DIRECTORY") {
                Some(directory) => Path::new(&directory).join(format!("{}.password", source.name)),
                None => {
                    let allowed =
                        format!("a file, or the systemd credential {}.password", source.name);
                    self.error(&key, "missing", Some(&allowed));
                    return;
                }
            },
        };
        match fs::read(&path).map(Secret::from_file) {
            Ok(None) => self.error(&key, format!("{} is empty", path.display()), None),
            Ok(Some(password)) => {
                source.password = password;
                // Credentials are made by systemd, with the modes that it finds right.
                if source.password_file.is_some() {
                    self.private(&key, &path);
                }
            }
            Err(error) => self.unreadable(&key, &path, &error),
        }
    }

    fn posix(&mut self, table: &str, source: &SourceConfig) {
        let mut rest = source.posix.home.as_str();
        let mut valid = rest.starts_with('/');
        while let Some((_, after)) = rest.split_once('%') {
            valid &= after.starts_with(['u', 'd', 'f', 'U', '%']);
            rest = after.get(1..).unwrap_or_default();
        }
        if !valid {
            self.error(
                &format!("{table}.posix.home"),
                format!("found string \"{}\"", source.posix.home),
                Some("an absolute path with %u name, %d domain, %f first letter, %U uid number"),
            );
        }
        if !source.posix.shell.starts_with('/') {
            self.error(
                &format!("{table}.posix.shell"),
                format!("found string \"{}\"", source.posix.shell),
                Some("an absolute path"),
            );
        }
    }

    fn required(&mut self, key: &str, value: &str) {
        if value.trim().is_empty() {
            // A value that was there and wrong has its error already.
            if !self.document.contains(key) {
                self.error(key, "missing", None);
            } else if value.is_empty() {
                self.error(key, "found nothing in it", Some("some text"));
            }
        }
    }

    fn unique(&mut self, seen: &mut BTreeMap<String, String>, key: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        if let Some(first) = seen.insert(value.to_lowercase(), key.to_owned()) {
            self.error(key, format!("\"{value}\" is already {first}"), None);
        }
    }

    /// Resolves a path and checks that it leads to a PEM file holding one of these kinds.
    fn required_file(&mut self, key: &str, path: &mut PathBuf, kinds: &[&str]) -> bool {
        if path.as_os_str().is_empty() {
            if !self.document.contains(key) {
                self.error(key, "missing", Some("the path of a PEM file"));
            }
            return false;
        }
        self.document.resolve(path);
        let text = match fs::read_to_string(&*path) {
            Ok(text) => zeroize::Zeroizing::new(text),
            Err(error) => {
                self.unreadable(key, path, &error);
                return false;
            }
        };
        let problem = match pem::labels(&text) {
            Ok(labels) if labels.iter().any(|label| kinds.contains(&label.as_str())) => {
                return true;
            }
            Ok(_) => "there is none in it".to_owned(),
            Err(problem) => problem,
        };
        let kinds = kinds.first().copied().unwrap_or_default().to_lowercase();
        self.error(
            key,
            format!("{}: {problem}", path.display()),
            Some(&format!("a PEM file with a {kinds}")),
        );
        false
    }

    /// Warns of a secret that others on this host can read.
    fn private(&mut self, key: &str, path: &Path) {
        use std::os::unix::fs::PermissionsExt as _;

        let Ok(metadata) = fs::metadata(path) else {
            return;
        };
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o007 != 0 {
            self.warn(
                key,
                format!("{} is open to everybody (mode {mode:03o})", path.display()),
                Some("mode 600 or 640"),
            );
        }
    }

    fn unreadable(&mut self, key: &str, path: &Path, error: &io::Error) {
        self.error(
            key,
            format!("{} cannot be read: {}", path.display(), reason(error)),
            None,
        );
    }

    /// Warns of a setting that is written down but does nothing in this version.
    fn not_yet(&mut self, key: &str) {
        if self.document.contains(key) {
            self.warn(key, "has no effect in this version", None);
        }
    }

    fn error(&mut self, key: &str, problem: impl Into<String>, allowed: Option<&str>) {
        let finding = self.finding(key, problem.into(), allowed);
        self.errors.push(finding);
    }

    fn warn(&mut self, key: &str, problem: impl Into<String>, allowed: Option<&str>) {
        let finding = self.finding(key, problem.into(), allowed);
        self.warnings.push(finding);
    }

    fn finding(&self, key: &str, problem: String, allowed: Option<&str>) -> Finding {
        Finding {
            file: self.document.file().to_owned(),
            line: self.document.line(key),
            key: key.to_owned(),
            problem,
            allowed: allowed.map(str::to_owned),
            nearest: None,
        }
    }
}

/// An I/O error without the number that the operating system gives it.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_lowercase(),
        None => text,
    }
}

/// The labels of private keys, the usual one first (RFC 7468 section 10, RFC 5915, PKCS #1).
const PRIVATE_KEYS: &[&str] = &["PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"];
