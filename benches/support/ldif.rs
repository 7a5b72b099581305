//! Writes the test directory as content LDIF (RFC 2849), the same bytes on every run.
//!
//! Users are inetOrgPerson with posixAccount (600 to 700 octets each), groups are groupOfNames
//! with posixGroup as RFC 2307bis has it. Every user has a {SSHA} password, see
//! [`population::password`].

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha1::{Digest, Sha1};

use crate::support::population::{self, Population, Random};

/// Writes the whole directory into a new file, or over an old one.
pub(crate) fn write_file(path: &Path, population: &Population) -> anyhow::Result<()> {
    let write = || {
        let mut out = BufWriter::new(File::create(path)?);
        write(&mut out, population)?;
        out.flush()
    };
    write().with_context(|| format!("writing {}", path.display()))
}

/// Writes the whole directory, parents before children.
pub(crate) fn write(out: &mut impl Write, population: &Population) -> io::Result<()> {
    write_containers(out, population)?;
    for user in 0..population.users() {
        write_user(out, population, user)?;
    }
    for group in 0..population.groups() {
        write_group(out, population, group)?;
    }
    Ok(())
}

fn write_containers(out: &mut impl Write, population: &Population) -> io::Result<()> {
    let base = population.base();
    let top = base.split(',').next().unwrap_or(base);
    let name = top.split_once('=').map_or(top, |(_, value)| value);
    // No version line first: slapadd 2.5 does not know it.
    writeln!(out, "dn: {base}")?;
    writeln!(out, "objectClass: domain\ndc: {name}\n")?;
    for container in ["people", "groups", "services"] {
        write!(
            out,
            "dn: ou={container},{base}\nobjectClass: organizationalUnit\nou: {container}\n\n"
        )?;
    }
    for (name, dn) in [
        (population::SERVICE, population.service_dn()),
        (population::ADMINISTRATOR, population.administrator_dn()),
    ] {
        writeln!(out, "dn: {dn}")?;
        writeln!(
            out,
            "objectClass: account\nobjectClass: simpleSecurityObject"
        )?;
        writeln!(out, "uid: {name}")?;
        writeln!(out, "userPassword: {}\n", salted_sha1(name))?;
    }
    Ok(())
}

fn write_user(out: &mut impl Write, population: &Population, user: u32) -> io::Result<()> {
    let mut random = Random::new(0x7573_6572_0000_0000 | u64::from(user));
    let (given, given_ascii) = random.pick(GIVEN_NAMES);
    let (surname, surname_ascii) = random.pick(SURNAMES);
    let uid = population.user_name(user);
    let mail = format!("{given_ascii}.{surname_ascii}.{uid}@bench.example").to_lowercase();
    let gid_number = population.gid_number(user.checked_rem(population.groups()).unwrap_or(0));

    writeln!(out, "dn: {}", population.user_dn(user))?;
    writeln!(out, "objectClass: inetOrgPerson\nobjectClass: posixAccount")?;
    writeln!(out, "uid: {uid}")?;
    text(out, "cn", &format!("{given} {surname}"))?;
    text(out, "sn", surname)?;
    text(out, "givenName", given)?;
    text(out, "displayName", &format!("{surname}, {given}"))?;
    writeln!(out, "uidNumber: {}", population.uid_number(user))?;
    writeln!(out, "gidNumber: {gid_number}")?;
    writeln!(out, "gecos: {given_ascii} {surname_ascii}")?;
    writeln!(out, "homeDirectory: /home/{uid}\nloginShell: /bin/bash")?;
    writeln!(out, "mail: {mail}")?;
    writeln!(out, "telephoneNumber: +49 30 555 {user:07}")?;
    writeln!(out, "employeeNumber: {}", 5_000_000 + user)?;
    writeln!(out, "departmentNumber: {}", 100 + random.below(80))?;
    text(out, "title", random.pick(TITLES))?;
    text(out, "l", random.pick(CITIES))?;
    writeln!(
        out,
        "roomNumber: {}-{:03}",
        random.below(9) + 1,
        random.below(400)
    )?;
    writeln!(out, "street: {} Example Street", random.below(200) + 1)?;
    writeln!(out, "employeeType: permanent\npreferredLanguage: en")?;
    writeln!(out, "userPassword: {}\n", salted_sha1(&uid))
}

fn write_group(out: &mut impl Write, population: &Population, group: u32) -> io::Result<()> {
    writeln!(out, "dn: {}", population.group_dn(group))?;
    writeln!(out, "objectClass: groupOfNames\nobjectClass: posixGroup")?;
    writeln!(out, "cn: {}", population.group_name(group))?;
    writeln!(out, "gidNumber: {}", population.gid_number(group))?;
    writeln!(
        out,
        "description: Group number {group} of the test directory"
    )?;
    for member in population.members(group) {
        writeln!(out, "member: {}", population.user_dn(member))?;
    }
    writeln!(out)
}

/// One line of text, in base64 where it is not ASCII; the texts here need it for nothing else.
fn text(out: &mut impl Write, attribute: &str, value: &str) -> io::Result<()> {
    if value.is_ascii() {
        writeln!(out, "{attribute}: {value}")
    } else {
        writeln!(out, "{attribute}:: {}", BASE64.encode(value))
    }
}

/// The {SSHA} form of the password of whoever has this name, with a salt made of the name.
fn salted_sha1(name: &str) -> String {
    let salt = Sha1::digest(name.as_bytes());
    let salt = salt.get(..8).unwrap_or_default();
    let password = population::password(name);
    let digest = Sha1::new()
        .chain_update(password.as_bytes())
        .chain_update(salt)
        .finalize();
    format!(
        "{{SSHA}}{}",
        BASE64.encode([digest.as_slice(), salt].concat())
    )
}

/// Names as people write them and as mail addresses do.
const GIVEN_NAMES: &[(&str, &str)] = &[
    ("Alice", "Alice"),
    ("Andreas", "Andreas"),
    ("Béatrice", "Beatrice"),
    ("Charlotte", "Charlotte"),
    ("Daniel", "Daniel"),
    ("Elena", "Elena"),
    ("Farid", "Farid"),
    ("Greta", "Greta"),
    ("Hannah", "Hannah"),
    ("Ibrahim", "Ibrahim"),
    ("Jörg", "Joerg"),
    ("Katharina", "Katharina"),
    ("Liam", "Liam"),
    ("Maria", "Maria"),
    ("Nikolai", "Nikolai"),
    ("Olivia", "Olivia"),
    ("Patricia", "Patricia"),
    ("Rahul", "Rahul"),
    ("Sofia", "Sofia"),
    ("William", "William"),
];

const SURNAMES: &[(&str, &str)] = &[
    ("Anderson", "Anderson"),
    ("Becker", "Becker"),
    ("Chatterjee", "Chatterjee"),
    ("Dubois", "Dubois"),
    ("Eriksson", "Eriksson"),
    ("Fischer", "Fischer"),
    ("García", "Garcia"),
    ("Hoffmann", "Hoffmann"),
    ("Ivanova", "Ivanova"),
    ("Johnson", "Johnson"),
    ("Kowalski", "Kowalski"),
    ("Lindqvist", "Lindqvist"),
    ("Müller", "Mueller"),
    ("Nakamura", "Nakamura"),
    ("O'Brien", "OBrien"),
    ("Petrov", "Petrov"),
    ("Rossi", "Rossi"),
    ("Schneider", "Schneider"),
    ("Tanaka", "Tanaka"),
    ("Williams", "Williams"),
];

const TITLES: &[&str] = &[
    "Software Engineer",
    "Systems Administrator",
    "Account Manager",
    "Research Assistant",
    "Head of Department",
];

const CITIES: &[&str] = &["Berlin", "Hamburg", "København", "Rotterdam", "Zürich"];
