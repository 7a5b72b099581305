//! The program under test, built with the bench, as a throw-away server.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context;

use crate::support::ldif;
use crate::support::population::Population;
use crate::support::server::{self, CERTIFICATE, KEY, Ports, Server};

/// Imports the population and serves it.
pub(crate) fn start(population: &Population) -> anyhow::Result<Server> {
    let directory = tempfile::tempdir().context("making a directory for adduct")?;
    let ports = Ports::free()?;
    server::write_certificate(directory.path())?;
    let text = configuration(ports, &population.administrator_dn());
    server::write_file(&directory.path().join(CONFIGURATION), &text)?;
    let ldif = directory.path().join("content.ldif");
    ldif::write_file(&ldif, population)?;

    let mut import = adduct(directory.path());
    import.arg("import").arg(&ldif);
    let load_time = server::run("adduct import", &mut import)?;
    fs::remove_file(ldif)?;
    let mut serve = adduct(directory.path());
    serve.arg("serve");
    Server::start("adduct", directory, ports, load_time, serve)
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_adduct");
const CONFIGURATION: &str = "adduct.toml";

fn adduct(directory: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .env("RUST_LOG", "error")
        .arg("--config")
        .arg(directory.join(CONFIGURATION));
    command
}

/// What the server of the comparison does, too: passwords are taken without TLS.
fn configuration(ports: Ports, administrator: &str) -> String {
    let Ports { ldap, ldaps } = ports;
    format!(
        "version = 1
data_dir = \"data\"

[listen]
ldap = [\"127.0.0.1:{ldap}\"]
ldaps = [\"127.0.0.1:{ldaps}\"]

[tls]
cert_file = \"{CERTIFICATE}\"
key_file = \"{KEY}\"

[auth]
insecure_plaintext_bind = true

[access]
administrators = [\"{administrator}\"]
"
    )
}
