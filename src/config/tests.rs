#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use super::*;
use crate::{
    access::config::Anonymous,
    mapping::config::{Ids, MemberUid, NameCase},
    setting::Secret,
    sync::config::Method,
};

const PEM_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

/// Every key there is.
const WHOLE: &str = r#"
version  = 1
data_dir = "data"

[listen]
ldap    = ["127.0.0.1:3389"]
ldaps   = ["127.0.0.1:3636"]
metrics = "127.0.0.1:9636"

[tls]
cert_file      = "server.crt"
key_file       = "server.key"
client_ca_file = "clients-ca.crt"

[directory]
schema_dir = "schemas"
naming_contexts = []

[access]
anonymous      = "rootdse"
administrators = ["cn=admin,dc=corp,dc=example,dc=com"]

[auth]
insecure_plaintext_bind = false
cache_lifetime  = "5d"
recheck_window  = "60s"
lockout_reserve = 2

[limits]
max_connections         = 20000
max_connections_per_ip  = 0
max_outstanding         = 128
max_message_bytes       = "1MiB"
size_limit              = 0
time_limit              = "60s"
idle_timeout            = "15m"
handshake_timeout       = "10s"
message_timeout         = "30s"
write_timeout           = "30s"
shutdown_grace          = "10s"

[[source]]
name          = "corp"
domain        = "corp.example.com"
servers       = ["ldaps://dc1.corp.example.com:636", "ldaps://dc1.corp.example.com:636@127.0.0.10"]
ca_file       = "corp-ca.pem"
account       = "svc-adduct@corp.example.com"
password_file = "corp.password"
poll          = "2s"
method        = "dirsync"

[source.select]
bases   = ["OU=Staff,DC=corp,DC=example,DC=com"]
groups  = ["CN=Linux-Users,OU=Groups,DC=corp,DC=example,DC=com"]
exclude = "(sAMAccountName=svc-*)"

[source.brake]
max_deletes        = 50
max_percent        = 5
max_member_percent = 30

[source.posix]
ids         = "attributes-then-sssd"
home        = "/home/%u"
shell       = "/bin/bash"
name_case   = "lower"
member_uid  = "nested"
"#;

/// A directory with every file that [`WHOLE`] names.
/// A certificate with its key, as PEM.
fn server_certificate() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn directory() -> tempfile::TempDir {
    let (certificate, key) = server_certificate();
    use std::os::unix::fs::PermissionsExt as _;

    let directory = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("server.crt", certificate.as_str()),
        ("server.key", key.as_str()),
        ("clients-ca.crt", certificate.as_str()),
        ("corp-ca.pem", PEM_CERTIFICATE),
        ("corp.password", "secret\n"),
    ] {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    fs::create_dir(directory.path().join("schemas")).unwrap();
    directory
}

/// What is said of a text, one line each, with the directory's name left out.
fn errors(text: &str) -> Vec<String> {
    let directory = directory();
    match Config::parse(&directory.path().join("a.toml"), text) {
        Ok(_) => Vec::new(),
        Err(ConfigErrors(findings)) => lines(directory.path(), &findings),
    }
}

fn lines(directory: &Path, findings: &[Finding]) -> Vec<String> {
    let prefix = format!("{}/", directory.display());
    findings
        .iter()
        .map(|finding| finding.to_string().replace(&prefix, ""))
        .collect()
}

/// A source without errors, to which a test adds one.
fn source(more: &str) -> String {
    format!(
        "[[source]]\nname = \"corp\"\ndomain = \"corp.example.com\"\naccount = \"svc\"\n\
         password_file = \"corp.password\"\n{more}"
    )
}

#[test]
fn an_empty_file_has_the_defaults() {
    let config = Config::parse(Path::new("a.toml"), "").unwrap();
    assert_eq!(config.version, 1);
    assert_eq!(config.data_dir, Path::new("data"));
    assert_eq!(
        config.listen.ldap,
        [SocketAddr::from(([127, 0, 0, 1], 3389))]
    );
    assert!(config.listen.ldaps.is_empty(), "there is no certificate");
    assert_eq!(config.access.anonymous, Anonymous::RootDse);
    assert_eq!(config.auth.recheck_window, Duration::from_secs(60));
    assert_eq!(config.limits.idle_timeout, Duration::from_secs(900));
    assert!(config.sources.is_empty());
    assert!(config.warnings.is_empty());
}

#[test]
fn every_key_is_read() {
    let directory = directory();
    let config = Config::parse(&directory.path().join("a.toml"), WHOLE).unwrap();
    assert_eq!(config.data_dir, directory.path().join("data"));
    assert_eq!(config.listen, ListenConfig::default());
    assert_eq!(config.limits, LimitsConfig::default());
    assert_eq!(
        config.tls.unwrap().cert_file,
        directory.path().join("server.crt")
    );
    let source = &config.sources[0];
    assert_eq!(source.password.expose(), b"secret");
    assert_eq!(source.method, Some(Method::Dirsync));
    assert_eq!(source.servers.len(), 2);
    assert_eq!(
        source.select.exclude.as_deref(),
        Some("(sAMAccountName=svc-*)")
    );
    assert_eq!(source.posix.ids, Ids::AttributesThenSssd);
    assert_eq!(source.posix.name_case, NameCase::Lower);
    assert_eq!(source.posix.member_uid, MemberUid::Nested);
    assert!(!format!("{source:?}").contains("secret"));
}

#[test]
fn the_defaults_of_a_source_are_those_written_down() {
    let text = "version = 1\n[[source]]\nname = \"x\"\ndomain = \"x\"\naccount = \"x\"\n\
                password_file = \"corp.password\"\n";
    let directory = directory();
    let file = directory.path().join("a.toml");
    let short = Config::parse(&file, text).unwrap();
    let whole = Config::parse(&file, WHOLE).unwrap();
    assert_eq!(short.sources[0].poll, whole.sources[0].poll);
    assert_eq!(short.sources[0].brake, whole.sources[0].brake);
    assert_eq!(short.sources[0].posix, whole.sources[0].posix);
    assert_eq!(short.auth, whole.auth);
    assert_eq!(short.directory.schema_dir, None);
}

#[test]
fn an_unknown_key_is_refused_at_each_level() {
    let headers = [
        ("version  = 1\n", ""),
        ("[listen]\n", "listen."),
        ("[tls]\n", "tls."),
        ("[directory]\n", "directory."),
        ("[access]\n", "access."),
        ("[auth]\n", "auth."),
        ("[limits]\n", "limits."),
        ("[[source]]\n", "source[0]."),
        ("[source.select]\n", "source[0].select."),
        ("[source.brake]\n", "source[0].brake."),
        ("[source.posix]\n", "source[0].posix."),
    ];
    for (header, table) in headers {
        let (before, after) = WHOLE.split_once(header).unwrap();
        let line = before.lines().count() + 2;
        let found = errors(&format!("{before}{header}zzzzzz = 1\n{after}"));
        assert_eq!(found.len(), 1, "{found:?}");
        let start = format!("a.toml:{line}: {table}zzzzzz: unknown key; allowed: ");
        assert!(found[0].starts_with(&start), "{found:?}");
    }
}

#[test]
fn an_unknown_key_brings_the_allowed_and_the_nearest() {
    assert_eq!(
        errors("[listen]\nldap = [\"127.0.0.1:0\"]\nmetric = \"127.0.0.1:0\"\n"),
        [
            "a.toml:3: listen.metric: unknown key; allowed: ldap, ldaps, metrics; \
          did you mean \"metrics\"?"
        ]
    );
    assert_eq!(
        errors("listne = 1\n"),
        [
            "a.toml:1: listne: unknown key; allowed: version, data_dir, listen, tls, directory, \
          access, auth, limits, source; did you mean \"listen\"?"
        ]
    );
}

#[test]
fn an_inline_password_is_not_repeated() {
    let found = errors(&source("password = \"hunter2\"\n"));
    assert_eq!(found.len(), 1);
    assert!(!found[0].contains("hunter2"), "{found:?}");
    assert!(found[0].ends_with("did you mean \"password_file\"?"));
}

#[test]
fn wrong_types_and_values_say_what_is_allowed() {
    let text = "data_dir = 5
[listen]
ldap = \"127.0.0.1:389\"
[access]
anonymous = \"rootdes\"
administrators = [\"cn=a\", \"admin\", 7]
[auth]
insecure_plaintext_bind = \"no\"
recheck_window = 60
[limits]
max_connections = \"many\"
max_outstanding = -1
max_message_bytes = \"1MB\"
time_limit = \"60\"
";
    assert_eq!(
        errors(text),
        [
            "a.toml:1: data_dir: found integer 5; allowed: a path as a string",
            "a.toml:3: listen.ldap: found string \"127.0.0.1:389\"; allowed: a list, each element \
             an IP address with a port, such as \"127.0.0.1:3389\" or \"[::1]:3389\"",
            "a.toml:5: access.anonymous: \"rootdes\" is no word here; allowed: rootdse, read; \
             did you mean \"rootdse\"?",
            "a.toml:6: access.administrators[1]: found string \"admin\"; allowed: a distinguished \
             name such as \"OU=Staff,DC=corp,DC=example,DC=com\"",
            "a.toml:6: access.administrators[2]: found integer 7; allowed: a distinguished \
             name such as \"OU=Staff,DC=corp,DC=example,DC=com\"",
            "a.toml:8: auth.insecure_plaintext_bind: found string \"no\"; allowed: true or false",
            "a.toml:9: auth.recheck_window: found integer 60; allowed: a duration with its unit, \
             such as \"30s\" (ms, s, m, h, d)",
            "a.toml:11: limits.max_connections: found string \"many\"; allowed: a whole number, \
             0 or more",
            "a.toml:12: limits.max_outstanding: found integer -1; allowed: a whole number, \
             0 or more",
            "a.toml:13: limits.max_message_bytes: found string \"1MB\"; allowed: a size with its \
             unit, such as \"64KiB\" (B, KiB, MiB, GiB)",
            "a.toml:14: limits.time_limit: found string \"60\"; allowed: a duration with its \
             unit, such as \"30s\" (ms, s, m, h, d)",
        ]
    );
}

#[test]
fn a_number_where_a_word_belongs_brings_the_words() {
    assert_eq!(
        errors("[access]\nanonymous = true\n"),
        ["a.toml:2: access.anonymous: found boolean true; allowed: rootdse, read"]
    );
    assert_eq!(
        errors(&source("[source.posix]\nids = 3\n")),
        [
            "a.toml:7: source[0].posix.ids: found integer 3; allowed: sssd, attributes, \
          attributes-then-sssd"
        ]
    );
}

#[test]
fn tables_in_the_wrong_form_are_named() {
    assert_eq!(
        errors("listen = 5\n"),
        ["a.toml:1: listen: found integer 5; allowed: a table"]
    );
    assert_eq!(
        errors("[source]\nname = \"corp\"\n"),
        ["a.toml:1: source: found a table; allowed: a list"]
    );
}

#[test]
fn syntax_errors_have_their_line() {
    let found = errors("version = 1\n[listen\nldap = []\n");
    assert!(
        found[0].starts_with("a.toml:2: not valid TOML: "),
        "{found:?}"
    );
}

#[test]
fn a_missing_file_is_one_error() {
    let error = Config::load(Path::new("/nonexistent/adduct.toml")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/nonexistent/adduct.toml: cannot be read: No such file or directory (os error 2)"
    );
}

#[test]
fn what_types_cannot_say_is_checked() {
    let text = "version = 2
[listen]
ldap = [\"127.0.0.1:389\", \"127.0.0.1:389\"]
ldaps = [\"127.0.0.1:636\"]
[limits]
max_connections = 0
max_message_bytes = \"1B\"
write_timeout = \"0s\"
[directory]
schema_dir = \"nowhere\"
";
    assert_eq!(
        errors(text),
        [
            "a.toml:1: version: found version 2; allowed: 1",
            "a.toml:3: listen.ldap: 127.0.0.1:389 is already in listen.ldap",
            "a.toml:4: listen.ldaps: needs a certificate; allowed: with [tls]",
            "a.toml:6: limits.max_connections: found 0; allowed: 1 or more",
            "a.toml:7: limits.max_message_bytes: out of range; allowed: \"1KiB\" to \"256MiB\"",
            "a.toml:8: limits.write_timeout: found no time at all; allowed: more than \"0s\"",
            "a.toml:10: directory.schema_dir: nowhere cannot be read: no such file or directory",
        ]
    );
    assert_eq!(
        errors("[listen]\n"),
        ["a.toml:1: listen: no address to serve LDAP on; allowed: an address in ldap or ldaps"]
    );
}

#[test]
fn named_files_are_looked_into() {
    assert_eq!(
        errors("[tls]\ncert_file = \"server.key\"\nkey_file = \"missing.key\"\n"),
        [
            "a.toml:2: tls.cert_file: server.key: there is none in it; \
             allowed: a PEM file with a certificate",
            "a.toml:3: tls.key_file: missing.key cannot be read: no such file or directory",
        ]
    );
    assert_eq!(
        errors("[tls]\n"),
        [
            "a.toml:1: tls.cert_file: missing; allowed: the path of a PEM file",
            "a.toml:1: tls.key_file: missing; allowed: the path of a PEM file",
        ]
    );
}

#[test]
fn sources_are_complete_and_differ() {
    assert_eq!(
        errors("[[source]]\npoll = \"2s\"\n"),
        [
            "a.toml:1: source[0].name: missing",
            "a.toml:1: source[0].domain: missing",
            "a.toml:1: source[0].account: missing",
        ]
    );
    assert_eq!(
        errors(&format!("{}{}", source(""), source(""))),
        [
            "a.toml:7: source[1].name: \"corp\" is already source[0].name",
            "a.toml:8: source[1].domain: \"corp.example.com\" is already source[0].domain",
        ]
    );
}

#[test]
fn settings_of_a_source_are_checked() {
    let text = source(
        "servers = [\"dc1\"]
poll = \"1ms\"
method = \"usn\"
[source.select]
exclude = \"svc-*\"
[source.brake]
max_percent = 101
[source.posix]
home = \"home/%x\"
shell = \"bash\"
",
    );
    assert_eq!(
        errors(&text),
        [
            "a.toml:6: source[0].servers[0]: found string \"dc1\"; allowed: \
             \"ldaps://HOST[:PORT]\", an IP address may follow after @",
            "a.toml:7: source[0].poll: more often than a domain controller should be asked; \
             allowed: \"100ms\" or more",
            "a.toml:8: source[0].method: \"usn\" is not available in this version; \
             allowed: dirsync",
            "a.toml:10: source[0].select.exclude: found string \"svc-*\"; allowed: a search \
             filter in parentheses, such as \"(sAMAccountName=svc-*)\"",
            "a.toml:12: source[0].brake.max_percent: found 101; allowed: 0 to 100",
            "a.toml:14: source[0].posix.home: found string \"home/%x\"; allowed: an absolute path \
             with %u name, %d domain, %f first letter, %U uid number",
            "a.toml:15: source[0].posix.shell: found string \"bash\"; allowed: an absolute path",
        ]
    );
}

#[test]
fn a_password_is_required() {
    // The test's environment has no credentials directory, or one without this name.
    let text = source("").replace("password_file = \"corp.password\"\n", "");
    let found = errors(&text);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("a.toml:1: source[0].password_file: "),
        "{found:?}"
    );
    assert_eq!(Secret::default().expose(), b"");
}

#[test]
fn settings_without_effect_and_open_secrets_are_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;

    let directory = directory();
    fs::set_permissions(
        directory.path().join("corp.password"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    let text = format!(
        "[auth]\ncache_lifetime = \"1d\"\nlockout_reserve = 1\n{}",
        source("[source.brake]\nmax_deletes = 1\n")
    );
    let config = Config::parse(&directory.path().join("a.toml"), &text).unwrap();
    assert_eq!(
        lines(directory.path(), &config.warnings),
        [
            "a.toml:2: auth.cache_lifetime: has no effect in this version",
            "a.toml:3: auth.lockout_reserve: has no effect in this version",
            "a.toml:8: source[0].password_file: corp.password is open to everybody (mode 644); \
             allowed: mode 600 or 640",
            "a.toml:9: source[0].brake: has no effect in this version",
        ]
    );
}

#[test]
fn the_example_in_the_readme_is_right() {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once("```toml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    assert_eq!(errors(example), Vec::<String>::new());
}

#[test]
fn a_wrong_file_still_leads_to_the_socket() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.toml");
    fs::write(&file, "data_dir = \"store\"\nlisten = 5\n").unwrap();
    assert_eq!(
        Config::admin_socket_of(&file).unwrap(),
        directory.path().join("store/admin.sock")
    );
    fs::write(&file, "data_dir = 5\n").unwrap();
    let errors = Config::admin_socket_of(&file).unwrap_err();
    assert_eq!(errors.0[0].key, "data_dir");
}

#[test]
fn a_key_that_is_not_the_certificates_is_found() {
    let directory = directory();
    fs::write(directory.path().join("server.key"), server_certificate().1).unwrap();
    let text = "[tls]\ncert_file = \"server.crt\"\nkey_file = \"server.key\"\n";
    let error = Config::parse(&directory.path().join("a.toml"), text).unwrap_err();
    let lines = lines(directory.path(), &error.0);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].starts_with("a.toml:2: tls.cert_file: "),
        "{lines:?}"
    );
}
