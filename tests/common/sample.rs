//! A small directory of local entries, for tests that need no AD.

use super::ldap::Tools;
use super::server::{Adduct, Site};

/// Top of the sample.
pub const BASE: &str = "dc=example,dc=org";
/// DN of a user who may read.
pub const ALICE: &str = "uid=alice,ou=people,dc=example,dc=org";
/// Her password.
pub const PASSWORD: &str = "Sample-word-1";

/// Content records; a child stands before its parent.
pub const LDIF: &str = "\
version: 1

dn: uid=alice,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
objectClass: posixAccount
uid: alice
cn: Alice Example
sn: Example
mail: alice@example.org
uidNumber: 10001
gidNumber: 10001
homeDirectory: /home/alice
userPassword: Sample-word-1

dn: dc=example,dc=org
objectClass: domain
dc: example

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=example,dc=org
objectClass: organizationalUnit
ou: groups

dn:: dWlkPWrDvHJnZW4sb3U9cGVvcGxlLGRjPWV4YW1wbGUsZGM9b3Jn
objectClass: inetOrgPerson
uid:: asO8cmdlbg==
cn:: SsO8cmdlbiBNw7xsbGVy
sn:: TcO8bGxlcg==
description: a value that is long enough to be folded by everybody who folds
  lines at 76 columns, with two blanks at the fold
userPassword: Sample-word-1

dn: cn=Smith\\, John,ou=people,dc=example,dc=org
objectClass: person
cn: Smith, John
sn: Smith

dn: cn=staff,ou=groups,dc=example,dc=org
objectClass: groupOfNames
cn: staff
member: uid=alice,ou=people,dc=example,dc=org
member: cn=Smith\\, John,ou=people,dc=example,dc=org
";

/// A site whose store holds the sample; `more` goes into the configuration.
pub fn site(more: &str) -> Site {
    let site = Site::new(|_| more.to_owned());
    std::fs::write(site.path("sample.ldif"), LDIF).unwrap();
    let file = site.path("sample.ldif");
    site.run_ok(&["import", file.to_str().unwrap()]);
    site
}

/// A server that serves the sample.
pub fn server(more: &str) -> Adduct {
    site(more).start()
}

/// Alice's view of a server.
pub fn alice(server: &Adduct) -> Tools {
    Tools::new(server).bound(ALICE, PASSWORD)
}
