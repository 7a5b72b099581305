//! A throw-away OpenLDAP server on loopback, holding the test directory.
//!
//! Its configuration is what a careful administrator would write for these clients: mdb, an
//! index for every attribute they search by, sorted members, no access to passwords, no logging,
//! two threads, and every attribute name that SSSD asks for in the schema.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::support::ldif;
use crate::support::population::Population;
use crate::support::server::{self, CERTIFICATE, KEY, Ports, Server};

/// Loads the population with slapadd and serves it.
pub(crate) fn start(population: &Population) -> anyhow::Result<Server> {
    let directory = tempfile::tempdir().context("making a directory for slapd")?;
    write_configuration(directory.path(), population)?;
    let ldif = directory.path().join("content.ldif");
    ldif::write_file(&ldif, population)?;
    let configuration = configuration(directory.path());

    let mut slapadd = Command::new(SLAPADD);
    slapadd.arg("-q").arg("-f").arg(&configuration).arg("-l");
    let load_time = server::run("slapadd", slapadd.arg(&ldif))?;
    fs::remove_file(ldif)?;
    let ports = Ports::free()?;
    let Ports { ldap, ldaps } = ports;
    let mut slapd = Command::new(SLAPD);
    slapd.args(["-d", "0", "-f"]).arg(&configuration).arg("-h");
    slapd.arg(format!(
        "ldap://127.0.0.1:{ldap}/ ldaps://127.0.0.1:{ldaps}/"
    ));
    Server::start("slapd", directory, ports, load_time, slapd)
}

const SLAPD: &str = "/usr/sbin/slapd";
const SLAPADD: &str = "/usr/sbin/slapadd";
const SCHEMAS: &str = "/etc/ldap/schema";
const MODULES: &str = "/usr/lib/ldap";

fn configuration(directory: &Path) -> PathBuf {
    directory.join("slapd.conf")
}

fn write_configuration(directory: &Path, population: &Population) -> anyhow::Result<()> {
    fs::create_dir(directory.join("db")).context("making slapd's database directory")?;
    server::write_certificate(directory)?;
    let at = directory.display();
    let (base, administrator) = (population.base(), population.administrator_dn());
    let text = format!(
        "include {SCHEMAS}/core.schema
include {SCHEMAS}/cosine.schema
include {SCHEMAS}/inetorgperson.schema
include {at}/rfc2307bis.schema
include {at}/asked.schema
modulepath {MODULES}
moduleload back_mdb
moduleload deref
pidfile {at}/slapd.pid
argsfile {at}/slapd.args
loglevel 0
threads 2
sortvals member
sizelimit unlimited
TLSCertificateFile {at}/{CERTIFICATE}
TLSCertificateKeyFile {at}/{KEY}

database mdb
suffix \"{base}\"
rootdn \"{administrator}\"
directory {at}/db
maxsize 8589934592
index objectClass,uid,uidNumber,gidNumber,member eq
index cn eq,sub
overlay deref
access to attrs=userPassword by anonymous auth by * none
access to * by users read by * none
"
    );
    server::write_file(&configuration(directory), &text)?;
    server::write_file(&directory.join("rfc2307bis.schema"), &rfc2307bis()?)?;
    server::write_file(&directory.join("asked.schema"), &asked())
}

/// What SSSD asks for and stock schemas lack: undefined names cost slapd a third.
fn asked() -> String {
    let mut text = String::new();
    for (number, name) in ASKED.iter().enumerate() {
        let _ = writeln!(
            text,
            "attributetype ( 1.3.6.1.4.1.55555.1.{number} NAME '{name}' \
             EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )"
        );
    }
    text
}

const ASKED: &[&str] = &[
    "krbPrincipalName",
    "memberOf",
    "krbLastPwdChange",
    "krbPasswordExpiration",
    "pwdAttribute",
    "authorizedService",
    "accountExpires",
    "userAccountControl",
    "nsAccountLock",
    "rhost",
    "loginDisabled",
    "loginExpirationTime",
    "loginAllowedTimeMap",
    "sshPublicKey",
];

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
