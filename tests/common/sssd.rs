//! SSSD, the name service and PAM in a mount namespace of their own.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// How long the daemon may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A running SSSD that nobody outside of its namespace sees.
///
/// The machine's `/etc`, `/var` and `/run` are covered by bind mounts inside and stay untouched.
pub struct Sssd {
    dir: TempDir,
    daemon: Child,
}

impl Sssd {
    /// Starts SSSD with a domain section of the caller's making, `[domain/test]` being its head.
    ///
    /// `known_user` must exist: the daemon counts as started when it is found.
    pub fn start(domain: &str, known_user: &str) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("adduct-sssd-")
            .tempdir()
            .unwrap();
        write_files(dir.path(), domain);
        let script = dir.path().join("start");
        let log = std::fs::File::create(dir.path().join("sssd.log")).unwrap();
        let daemon = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh"])
            .arg(script)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut sssd = Self { dir, daemon };
        super::eventually("SSSD answers", START_LIMIT, || {
            let ended = sssd.daemon.try_wait().unwrap();
            assert!(ended.is_none(), "sssd: {ended:?}");
            sssd.getent("passwd", known_user).map(drop)
        });
        sssd
    }

    /// Domain section for the server under test, as the documentation advises it.
    pub fn rfc2307bis(url: &str, ca_file: &Path, base: &str, bind: (&str, &str)) -> String {
        format!(
            "[domain/test]\nid_provider = ldap\nauth_provider = ldap\nchpass_provider = ldap\n\
             ldap_schema = rfc2307bis\nldap_uri = {url}\nldap_search_base = {base}\n\
             ldap_tls_cacert = {ca}\nldap_tls_reqcert = demand\n\
             ldap_default_bind_dn = {dn}\nldap_default_authtok = {password}\n\
             ldap_group_nesting_level = 5\n",
            ca = ca_file.display(),
            dn = bind.0,
            password = bind.1,
        )
    }

    /// Domain section for AD itself, with ids made from SIDs as on a host that joined the domain.
    pub fn id_mapping(url: &str, ca_file: &Path, base: &str, bind: (&str, &str)) -> String {
        format!(
            "[domain/test]\nid_provider = ldap\nauth_provider = ldap\nldap_schema = ad\n\
             ldap_id_mapping = true\nldap_uri = {url}\nldap_search_base = {base}\n\
             ldap_tls_cacert = {ca}\nldap_tls_reqcert = demand\n\
             ldap_default_bind_dn = {dn}\nldap_default_authtok = {password}\n\
             ldap_referrals = false\ncase_sensitive = false\nfallback_homedir = /home/%u\ndefault_shell = /bin/bash\n",
            ca = ca_file.display(),
            dn = bind.0,
            password = bind.1,
        )
    }

    /// Runs a command inside.
    pub fn run(&self, arguments: &[&str]) -> Output {
        Command::new("nsenter")
            .args(["--mount", "--target", &self.daemon.id().to_string(), "--"])
            .args(arguments)
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// The line of a database ("passwd", "group") for a key, `None` when there is none.
    pub fn getent(&self, database: &str, key: &str) -> Option<String> {
        let output = self.run(&["getent", "-s", "sss", database, key]);
        output
            .status
            .success()
            .then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    }

    /// Names of the groups of a user, sorted.
    pub fn groups(&self, user: &str) -> Vec<String> {
        let output = self.run(&["id", "-Gnz", user]);
        let text = String::from_utf8(output.stdout).unwrap();
        let mut names: Vec<_> = text
            .split('\0')
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect();
        names.sort();
        names
    }

    /// Whether PAM lets the user in with this password: authentication and account.
    pub fn login(&self, user: &str, password: &str) -> bool {
        use std::io::Write;

        let mut pamtester = Command::new("nsenter")
            .args(["--mount", "--target", &self.daemon.id().to_string(), "--"])
            .args(["pamtester", "adduct", user, "authenticate", "acct_mgmt"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = pamtester.stdin.take().unwrap();
        // It may have ended without asking.
        let _ = writeln!(stdin, "{password}");
        drop(stdin);
        pamtester.wait().unwrap().success()
    }

    /// Makes SSSD ask the server again for everything.
    pub fn forget(&self) {
        let output = self.run(&["sss_cache", "-E"]);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

impl Drop for Sssd {
    fn drop(&mut self) {
        let pid = self.daemon.id().to_string();
        // SIGTERM makes the monitor end its children; they hold the mounts.
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while self.daemon.try_wait().is_ok_and(|status| status.is_none()) {
            if std::time::Instant::now() > deadline {
                let _ = self.daemon.kill();
                let _ = self.daemon.wait();
                break;
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        if std::thread::panicking() {
            show_logs(self.dir.path());
        }
    }
}

fn write_files(dir: &Path, domain: &str) {
    use std::os::unix::fs::PermissionsExt;

    let write = |name: &str, text: &str| {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        // SSSD refuses a configuration that others can read.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    write(
        "etc/sssd.conf",
        &format!(
            "[sssd]\nservices = nss, pam\ndomains = test\n\n[nss]\nfilter_users = root\n\n\
             [pam]\n\n{domain}debug_level = 2\ncache_credentials = false\n\
             entry_cache_timeout = 5400\nldap_network_timeout = 5\nldap_opt_timeout = 10\n"
        ),
    );
    write(
        "nsswitch.conf",
        "passwd: files sss\ngroup: files sss\nshadow: files\nhosts: files dns\n",
    );
    let pam =
        "auth required pam_sss.so\naccount required pam_sss.so\npassword required pam_sss.so\n";
    write("pam.d/adduct", pam);
    write(
        "pam.d/other",
        "auth required pam_deny.so\naccount required pam_deny.so\n",
    );
    // The files of the name service are read by everybody.
    for name in ["nsswitch.conf", "pam.d/adduct", "pam.d/other"] {
        let mode = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(dir.join(name), mode).unwrap();
    }
    let state = [
        "db",
        "pipes/private",
        "mc",
        "gpo_cache",
        "deskprofile",
        "keytabs",
        "secrets",
        "pubconf/krb5.include.d",
    ];
    for name in state {
        std::fs::create_dir_all(dir.join("var").join(name)).unwrap();
    }
    std::fs::create_dir_all(dir.join("log")).unwrap();
    write(
        "start",
        &format!(
            "set -eu\ncd '{dir}'\n\
             mount --bind etc /etc/sssd\nmount --bind var /var/lib/sss\n\
             mount --bind log /var/log/sssd\nmount --bind pam.d /etc/pam.d\n\
             mount --bind nsswitch.conf /etc/nsswitch.conf\nmount -t tmpfs tmpfs /run\n\
             exec /usr/sbin/sssd --interactive --logger=files\n",
            dir = dir.display(),
        ),
    );
}

fn show_logs(dir: &Path) {
    let logs = std::fs::read_dir(dir.join("log"))
        .into_iter()
        .flatten()
        .flatten();
    for path in logs.map(|entry| entry.path()).chain([dir.join("sssd.log")]) {
        let mut text = String::new();
        if std::fs::File::open(&path)
            .and_then(|mut file| file.read_to_string(&mut text))
            .is_ok()
        {
            let lines: Vec<_> = text.lines().collect();
            let from = lines.len().saturating_sub(25);
            eprintln!("--- {} ---\n{}", path.display(), lines[from..].join("\n"));
        }
    }
}
