//! `demo`: a sample directory on this host, without any configuration.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::ExitCode};

use anyhow::Context as _;
use indicatif::MultiProgress;
use rcgen::{CertificateParams, KeyPair};

use super::{args::DemoArgs, import, open, output, serve};
use crate::{
    config::Config,
    server::config::{ListenConfig, TlsConfig},
};

/// What the demo serves.
const SAMPLE: &str = include_str!("demo.ldif");
/// The names its certificate is for.
const HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// The certificate, which clients trust by itself.
const CERTIFICATE: &str = "demo.crt";

/// Makes the demo's directory, where it is not there yet, and serves it.
pub(super) fn run(args: &DemoArgs, progress: &MultiProgress) -> anyhow::Result<ExitCode> {
    fs::create_dir_all(&args.dir).with_context(|| format!("making {}", args.dir.display()))?;
    let dir = args.dir.canonicalize()?;
    let config = prepare(&dir, args)?;
    serve::serve(config, progress, |addresses| {
        let ldaps = addresses.ldaps.first().context("no address for LDAPS")?;
        let ldap = addresses.ldap.first().context("no address for LDAP")?;
        output::print(&instructions(&dir, &ldap.to_string(), &ldaps.to_string()))?;
        Ok(())
    })
}

fn prepare(dir: &Path, args: &DemoArgs) -> anyhow::Result<Config> {
    let config = Config {
        data_dir: dir.join("data"),
        listen: ListenConfig {
            ldap: vec![args.ldap],
            ldaps: vec![args.ldaps],
            metrics: None,
        },
        tls: Some(TlsConfig {
            cert_file: dir.join(CERTIFICATE),
            key_file: dir.join("demo.key"),
            client_ca_file: None,
        }),
        ..Config::default()
    };
    if let Some(tls) = &config.tls
        && !(tls.cert_file.exists() && tls.key_file.exists())
    {
        make_certificate(tls).context("making the certificate")?;
    }
    if open::directory(&config)?.snapshot().stored() == 0 {
        let sample = dir.join("sample.ldif");
        fs::write(&sample, SAMPLE).with_context(|| format!("writing {}", sample.display()))?;
        import::load(&config, &[sample], false, &MultiProgress::new())?;
    }
    Ok(config)
}

fn make_certificate(tls: &TlsConfig) -> anyhow::Result<()> {
    let key = KeyPair::generate()?;
    let params = CertificateParams::new(HOSTS.map(String::from))?;
    let certificate = params.self_signed(&key)?;
    fs::write(&tls.key_file, "")?;
    fs::set_permissions(&tls.key_file, fs::Permissions::from_mode(0o600))?;
    fs::write(&tls.key_file, key.serialize_pem())?;
    fs::write(&tls.cert_file, certificate.pem())?;
    Ok(())
}

/// Lines to paste into another terminal.
fn instructions(dir: &Path, ldap: &str, ldaps: &str) -> String {
    let trust = format!("LDAPTLS_CACERT='{}'", dir.join(CERTIFICATE).display());
    let base = "DC=corp,DC=example,DC=com";
    format!(
        "\
Adduct serves a sample directory from {dir}
on ldaps://{ldaps} and, with StartTLS, on ldap://{ldap}. Ctrl-C stops it.

Paste into another terminal (package ldap-utils on Debian):

{trust} ldapwhoami -H ldaps://{ldaps} -x -D 'alice@corp.example.com' -w alice-password
{trust} ldapsearch -LLL -H ldaps://{ldaps} -x -D alice -w alice-password -b '{base}' '(sAMAccountName=bob)'
{trust} ldapsearch -LLL -ZZ -H ldap://{ldap} -x -D 'uid=bob,{base}' -w bob-password -b '{base}' '(memberUid=alice)' cn gidNumber member

Users are alice, bob, zoe and carl (disabled); the password of each is NAME-password.",
        dir = dir.display(),
    )
}
