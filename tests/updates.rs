//! Updates of local entries as OpenLDAP's tools make them, and as raw octets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};

use common::ldap::{Found, Raw, Tools, bind_request, message, outline, parse_ldif, tlv};
use common::sample::{self, ALICE, BASE, PASSWORD};
use common::server::{Adduct, Site};

const ADMINISTRATORS: &str =
    "[access]\nadministrators = [\"uid=alice,ou=people,dc=example,dc=org\"]\n";
const JOHN: &str = "cn=Smith\\, John,ou=people,dc=example,dc=org";
const STAFF: &str = "cn=staff,ou=groups,dc=example,dc=org";
const PEOPLE: &str = "ou=people,dc=example,dc=org";

/// A server with an administrator, and what she does to it.
struct Administered {
    server: Adduct,
    tools: Tools,
    files: AtomicUsize,
}

impl Administered {
    fn start() -> Self {
        Self::over(sample::site(ADMINISTRATORS))
    }

    fn over(site: Site) -> Self {
        let server = site.start();
        let tools = sample::alice(&server);
        Self {
            server,
            tools,
            files: AtomicUsize::new(0),
        }
    }

    /// Result code of a change record, and all that was printed.
    fn try_with(&self, more: &[&str], ldif: &str) -> (i32, String) {
        self.try_as(&self.tools, more, ldif)
    }

    fn try_as(&self, tools: &Tools, more: &[&str], ldif: &str) -> (i32, String) {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        let file = self.server.site().path(&format!("change-{number}.ldif"));
        std::fs::write(&file, ldif).unwrap();
        let mut arguments = more.to_vec();
        arguments.extend(["-o", "ldif-wrap=no", "-f", file.to_str().unwrap()]);
        let output = tools.run("ldapmodify", &arguments);
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.code().unwrap_or(-1),
            String::from_utf8_lossy(&text).into_owned(),
        )
    }

    /// Makes a change record and panics unless its result is this one.
    fn expect(&self, code: i32, ldif: &str) -> String {
        let (found, text) = self.try_with(&[], ldif);
        assert_eq!(found, code, "{ldif}\n{text}");
        text
    }

    fn modify(&self, code: i32, dn: &str, changes: &str) -> String {
        self.expect(code, &format!("dn: {dn}\nchangetype: modify\n{changes}"))
    }

    fn add(&self, code: i32, dn: &str, attributes: &str) -> String {
        self.expect(code, &format!("dn: {dn}\nchangetype: add\n{attributes}"))
    }

    fn delete(&self, code: i32, dn: &str) -> String {
        self.expect(code, &format!("dn: {dn}\nchangetype: delete\n"))
    }

    fn rename(&self, code: i32, dn: &str, rdn: &str, old: u8, superior: Option<&str>) -> String {
        let superior = superior.map_or(String::new(), |dn| format!("newsuperior: {dn}\n"));
        self.expect(
            code,
            &format!(
                "dn: {dn}\nchangetype: modrdn\nnewrdn: {rdn}\ndeleteoldrdn: {old}\n{superior}"
            ),
        )
    }

    fn read(&self, dn: &str) -> Option<Found> {
        self.tools.read(dn, &["*", "+"])
    }

    fn texts(&self, dn: &str, attribute: &str) -> Vec<String> {
        self.read(dn).unwrap().texts(attribute)
    }
}

fn person(cn: &str) -> String {
    format!("objectClass: person\ncn: {cn}\nsn: {cn}\n")
}

#[test]
fn only_administrators_write() {
    let site = sample::site(ADMINISTRATORS);
    let administered = Administered::over(site);
    let jurgen =
        Tools::new(&administered.server).bound("uid=jürgen,ou=people,dc=example,dc=org", PASSWORD);
    for tools in [Tools::new(&administered.server), jurgen] {
        for ldif in [
            format!("dn: {JOHN}\nchangetype: modify\nreplace: sn\nsn: x\n"),
            format!("dn: cn=x,{BASE}\nchangetype: add\n{}", person("x")),
            format!("dn: {JOHN}\nchangetype: delete\n"),
            format!("dn: {JOHN}\nchangetype: modrdn\nnewrdn: cn=x\ndeleteoldrdn: 1\n"),
        ] {
            let (code, text) = administered.try_as(&tools, &[], &ldif);
            assert_eq!(code, 50, "{ldif}{text}");
        }
    }
    assert_eq!(administered.texts(JOHN, "sn"), ["Smith"]);
}

#[test]
fn nothing_is_written_before_the_first_synchronisation() {
    let site = sample::site("");
    std::fs::write(site.path("password"), "x").unwrap();
    // Nobody listens on port 1.
    site.configure(&format!(
        "{ADMINISTRATORS}\n[[source]]\nname = \"corp\"\ndomain = \"corp.example.com\"\n\
         servers = [\"ldaps://dc1.corp.example.com:1@127.0.0.1\"]\nca_file = \"ca.crt\"\n\
         account = \"svc@corp.example.com\"\npassword_file = \"password\"\n"
    ));
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(site.path("password"), private).unwrap();
    let server = site.start();
    let output = Tools::new(&server).run("ldapdelete", &[JOHN]);
    assert_eq!(output.status.code(), Some(51), "{output:?}");
}

#[test]
fn an_added_entry_has_what_the_server_knows() {
    let administered = Administered::start();
    let dn = format!("cn=New+uid=n1,{PEOPLE}");
    // The values of the RDN are added, superclasses implied.
    administered.add(
        0,
        &dn,
        "objectClass: inetOrgPerson\nsn: New\nmail;lang-de: a@b\n",
    );
    let entry = administered.read(&dn).unwrap();
    assert_eq!(entry.dn, dn);
    assert_eq!(entry.texts("cn"), ["New"]);
    assert_eq!(entry.texts("uid"), ["n1"]);
    assert_eq!(entry.texts("mail;lang-de"), ["a@b"]);
    assert_eq!(
        entry.texts("objectClass"),
        ["inetOrgPerson", "organizationalPerson", "person", "top"]
    );
    assert_eq!(entry.texts("structuralObjectClass"), ["inetOrgPerson"]);
    assert_eq!(entry.texts("creatorsName"), [ALICE]);
    assert_eq!(entry.texts("modifiersName"), [ALICE]);
    assert_eq!(
        entry.texts("createTimestamp"),
        entry.texts("modifyTimestamp")
    );
    assert_eq!(entry.text("entryUUID").unwrap().len(), 36);
    assert_eq!(entry.texts("hasSubordinates"), ["FALSE"]);
}

#[test]
fn adds_are_refused_by_their_codes() {
    let administered = Administered::start();
    let name = |cn: &str| format!("cn={cn},{PEOPLE}");
    for (code, dn, attributes) in [
        // The name.
        (34, "no dn".to_owned(), person("x")),
        (68, JOHN.to_uppercase(), person("x")),
        (53, "cn=Subschema".to_owned(), person("x")),
        (32, format!("cn=x,ou=missing,{BASE}"), person("x")),
        (32, "cn=x,dc=nowhere".to_owned(), person("x")),
        (64, format!("unknownName=x,{BASE}"), person("x")),
        (64, format!("mail=x,{BASE}"), person("x")),
        (34, format!("cn=x+cn=y,{BASE}"), person("x")),
        (64, format!("cn=x+2.5.4.3=y,{BASE}"), person("x")),
        (64, format!("userPassword=x,{BASE}"), person("x")),
        (
            64,
            format!("createTimestamp=20260101000000Z,{BASE}"),
            person("x"),
        ),
        // Classes.
        (65, name("x"), "cn: x\n".to_owned()),
        (65, name("x"), "objectClass: top\ncn: x\n".to_owned()),
        (
            65,
            name("x"),
            "objectClass: posixAccount\ncn: x\n".to_owned(),
        ),
        (
            65,
            name("x"),
            "objectClass: noSuchClass\ncn: x\n".to_owned(),
        ),
        (65, name("x"), "objectClass: person\ncn: x\n".to_owned()),
        (65, name("x"), person("x") + "mail: x\n"),
        (
            65,
            name("x"),
            person("x") + "objectClass: organization\no: x\n",
        ),
        // Values.
        (17, name("x"), person("x") + "noSuchAttribute: x\n"),
        (17, name("x"), person("x") + "sn;nonsense: x\n"),
        (
            21,
            name("x"),
            person("x")
                + "objectClass: posixAccount\nuid: x\nuidNumber: x\ngidNumber: 1\nhomeDirectory: /\n",
        ),
        (21, name("x"), person("x") + "seeAlso: no dn\n"),
        (
            19,
            name("x"),
            person("x")
                + "objectClass: posixAccount\nuid: x\nuidNumber: 1\nuidNumber: 2\ngidNumber: 1\nhomeDirectory: /\n",
        ),
        (
            19,
            name("x"),
            person("x") + "entryUUID: 12345678-1234-1234-1234-123456789012\n",
        ),
        (19, name("x"), person("x") + "memberOf: dc=x\n"),
        (19, name("x"), person("x") + "userPassword: {UNKNOWN}abc\n"),
        (20, name("x"), person("x") + "sn: X\n"),
    ] {
        administered.add(code, &dn, &attributes);
    }
    assert_eq!(administered.read(&name("x")).map(|entry| entry.dn), None);
    // Nothing was written by those that were refused.
    administered.add(0, &name("x"), &person("x"));
    administered.add(68, &name(" X "), &person("x"));
}

#[test]
fn no_such_superior_names_the_nearest() {
    let administered = Administered::start();
    let text = administered.add(32, &format!("cn=x,ou=a,ou=b,{PEOPLE}"), &person("x"));
    assert!(text.contains(&format!("matched DN: {PEOPLE}")), "{text}");
}

#[test]
fn aliases_and_referrals_have_nothing_below_them() {
    let administered = Administered::start();
    let alias = format!("cn=alias,{BASE}");
    administered.add(
        0,
        &alias,
        &format!("objectClass: alias\nobjectClass: extensibleObject\ncn: alias\naliasedObjectName: {PEOPLE}\n"),
    );
    administered.add(33, &format!("cn=x,{alias}"), &person("x"));
    administered.modify(32, &format!("uid=alice,{alias}"), "replace: sn\nsn: x\n");
    let referral = format!("ou=elsewhere,{BASE}");
    administered.add(
        0,
        &referral,
        "objectClass: referral\nobjectClass: extensibleObject\nou: elsewhere\nref: ldap://other.example/ou=there,dc=x\n",
    );
    let text = administered.add(10, &format!("cn=a b,{referral}"), &person("a b"));
    assert!(
        text.contains("ldap://other.example/cn=a%20b,ou=there,dc=x"),
        "{text}"
    );
    administered.modify(10, &referral, "replace: ou\nou: elsewhere\n");
    administered.delete(10, &referral);
    administered.rename(10, &referral, "ou=x", 1, None);
    let delete = format!("dn: {referral}\nchangetype: delete\n");
    assert_eq!(administered.try_with(&["-e", "!manageDSAit"], &delete).0, 0);
}

#[test]
fn values_are_added_deleted_and_replaced() {
    let administered = Administered::start();
    administered.modify(
        0,
        JOHN,
        "add: description\ndescription: one\ndescription: two\n-\n\
         delete: description\ndescription: ONE\n-\n\
         add: telephoneNumber\ntelephoneNumber: +1 2\n-\n\
         replace: sn\nsn: Smyth\n-\n\
         replace: seeAlso\n-\n\
         delete: telephoneNumber\n-\n\
         add: cn;lang-de\ncn;lang-de: Schmidt\n",
    );
    let entry = administered.read(JOHN).unwrap();
    assert_eq!(entry.texts("description"), ["two"]);
    assert_eq!(entry.texts("sn"), ["Smyth"]);
    assert_eq!(entry.texts("telephoneNumber"), [""; 0]);
    assert_eq!(entry.texts("cn"), ["Smith, John"]);
    assert_eq!(entry.texts("cn;lang-de"), ["Schmidt"]);
    assert_eq!(entry.texts("modifiersName"), [ALICE]);
    assert_eq!(entry.texts("creatorsName"), ["cn=adduct import"]);
    // What lies between may break the schema.
    administered.modify(0, JOHN, "delete: sn\n-\nadd: sn\nsn: Between\n");
    assert_eq!(administered.texts(JOHN, "sn"), ["Between"]);
}

#[test]
fn modifications_are_refused_by_their_codes() {
    let administered = Administered::start();
    let ou = format!("ou=groups,{BASE}");
    administered.modify(0, &ou, "add: telexNumber\ntelexNumber: 1$de$x\n");
    let before = administered.server.site().run(&["export"]).stdout;
    for (code, dn, changes) in [
        (34, "no dn", "replace: sn\nsn: x\n"),
        (32, "cn=missing,dc=example,dc=org", "replace: sn\nsn: x\n"),
        (53, "cn=subschema", "replace: cn\ncn: x\n"),
        (16, JOHN, "delete: description\n"),
        (16, JOHN, "delete: sn\nsn: Jones\n"),
        (16, JOHN, "delete: sn;lang-de\n"),
        (16, ALICE, "increment: shadowMax\nshadowMax: 1\n"),
        (17, JOHN, "add: noSuchAttribute\nnoSuchAttribute: x\n"),
        (18, &ou, "delete: telexNumber\ntelexNumber: 1$de$x\n"),
        (18, &ou, "add: telexNumber\ntelexNumber: 2$de$x\n"),
        (
            19,
            JOHN,
            "replace: createTimestamp\ncreateTimestamp: 20260101000000Z\n",
        ),
        (19, JOHN, &format!("add: memberOf\nmemberOf: {STAFF}\n")),
        (19, ALICE, "add: uidNumber\nuidNumber: 5\n"),
        (19, JOHN, "increment: sn\nsn: 1\n"),
        (20, JOHN, "add: sn\nsn: SMITH\n"),
        (20, JOHN, "replace: sn\nsn: a\nsn: A\n"),
        (20, JOHN, "add: objectClass\nobjectClass: top\n"),
        (21, ALICE, "replace: uidNumber\nuidNumber: many\n"),
        (21, ALICE, "increment: uidNumber\nuidNumber: x\n"),
        (65, JOHN, "delete: sn\n"),
        (65, JOHN, "add: mail\nmail: x\n"),
        (
            65,
            JOHN,
            "add: objectClass\nobjectClass: organization\n-\nadd: o\no: x\n",
        ),
        (65, JOHN, "delete: objectClass\n"),
        (65, JOHN, "add: supportedControl\nsupportedControl: 1.2.3\n"),
        (65, JOHN, "add: objectClass\nobjectClass: noSuchClass\n"),
        (67, JOHN, "delete: cn\n"),
        (67, JOHN, "replace: cn\ncn: other\n"),
        (
            69,
            JOHN,
            "replace: objectClass\nobjectClass: organizationalRole\n-\ndelete: sn\n",
        ),
        (69, JOHN, "add: objectClass\nobjectClass: inetOrgPerson\n"),
    ] {
        administered.modify(code, dn, changes);
        // A change before it in the same request is not made either.
        if code != 34 && code != 32 && code != 53 {
            administered.modify(
                code,
                dn,
                &format!("add: seeAlso\nseeAlso: {BASE}\n-\n{changes}"),
            );
        }
    }
    assert_eq!(administered.server.site().run(&["export"]).stdout, before);
}

#[test]
fn a_replace_of_what_is_not_there_with_nothing_succeeds() {
    let administered = Administered::start();
    administered.modify(0, JOHN, "replace: description\n");
    administered.modify(
        0,
        JOHN,
        "add: objectClass\nobjectClass: uidObject\n-\nadd: uid\nuid: j\n",
    );
    administered.modify(
        0,
        JOHN,
        "delete: objectClass\nobjectClass: uidObject\n-\ndelete: uid\n",
    );
    assert_eq!(administered.texts(JOHN, "objectClass"), ["person", "top"]);
}

#[test]
fn numbers_of_any_size_are_incremented() {
    let administered = Administered::start();
    administered.modify(
        0,
        ALICE,
        "increment: uidNumber\nuidNumber: 99999999999999999999999\n",
    );
    assert_eq!(
        administered.texts(ALICE, "uidNumber"),
        ["100000000000000000010000"]
    );
    administered.modify(
        0,
        ALICE,
        "increment: uidNumber\nuidNumber: -100000000000000000010001\n",
    );
    assert_eq!(administered.texts(ALICE, "uidNumber"), ["-1"]);
    let features = administered.texts("", "supportedFeatures");
    assert!(
        features.contains(&"1.3.6.1.1.14".to_owned()),
        "{features:?}"
    );
}

#[test]
fn passwords_are_hashed_and_found_again() {
    let administered = Administered::start();
    let hash = "{SSHA}HFL5zlhQ4VodDnHZuWjClcM/QpdzYWx0c2FsdA==";
    administered.modify(
        0,
        JOHN,
        &format!("add: userPassword\nuserPassword: first-word\nuserPassword: {hash}\n"),
    );
    let tools = Tools::new(&administered.server);
    assert_eq!(tools.bind_code(JOHN, "first-word"), 0);
    assert_eq!(tools.bind_code(JOHN, PASSWORD), 0);
    administered.modify(16, JOHN, "delete: userPassword\nuserPassword: wrong-word\n");
    administered.modify(
        0,
        JOHN,
        "delete: userPassword\nuserPassword: first-word\n-\nadd: 2.5.4.35\n2.5.4.35: second-word\n",
    );
    administered.modify(
        0,
        JOHN,
        &format!("delete: userPassword\nuserPassword: {hash}\n"),
    );
    assert_eq!(tools.bind_code(JOHN, "first-word"), 49);
    assert_eq!(tools.bind_code(JOHN, PASSWORD), 49);
    assert_eq!(tools.bind_code(JOHN, "second-word"), 0);
    let many: String = (0..17)
        .map(|n| format!("userPassword: word-{n}\n"))
        .collect();
    administered.modify(11, JOHN, &format!("replace: userPassword\n{many}"));
    let site = administered.server.term();
    let exported = site.run_ok(&["export"]);
    assert!(!exported.contains("second-word"));
    assert_eq!(exported.matches("userPassword:").count(), 3);
}

#[test]
fn only_leaves_are_deleted_unless_a_subtree_is_meant() {
    let administered = Administered::start();
    administered.delete(34, "no dn");
    administered.delete(32, &format!("cn=missing,{BASE}"));
    administered.delete(53, "cn=subschema");
    administered.delete(66, PEOPLE);
    administered.delete(0, JOHN);
    assert!(administered.read(JOHN).is_none());
    let tree = administered.tools.run(
        "ldapdelete",
        &[
            "-e",
            "!1.2.840.113556.1.4.805",
            &format!("ou=groups,{BASE}"),
        ],
    );
    assert_eq!(tree.status.code(), Some(0), "{tree:?}");
    assert!(administered.read(STAFF).is_none());
    assert_eq!(
        administered
            .tools
            .search(BASE, "(objectClass=*)", &["1.1"])
            .len(),
        4
    );
    // All of it, the administrator included.
    let tree = administered
        .tools
        .run("ldapdelete", &["-e", "!1.2.840.113556.1.4.805", BASE]);
    assert_eq!(tree.status.code(), Some(0), "{tree:?}");
    let server = administered.server.kill9().start();
    let root = Tools::new(&server).read("", &["*", "+"]).unwrap();
    assert_eq!(root.texts("namingContexts"), [""; 0]);
}

#[test]
fn entries_are_renamed_and_moved_with_what_lies_below() {
    let administered = Administered::start();
    let team = format!("ou=team,{PEOPLE}");
    administered.add(0, &team, "objectClass: organizationalUnit\n");
    administered.add(0, &format!("cn=Ann,{team}"), &person("Ann"));
    // The same name in another spelling.
    administered.rename(0, &team, "OU=Team", 1, None);
    assert_eq!(
        administered.read(&team).unwrap().dn,
        format!("OU=Team,{PEOPLE}")
    );
    assert_eq!(administered.texts(&team, "ou"), ["Team"]);
    administered.rename(0, &team, "ou=crew", 0, Some(BASE));
    let crew = format!("ou=crew,{BASE}");
    assert_eq!(administered.texts(&crew, "ou"), ["Team", "crew"]);
    assert_eq!(administered.texts(&format!("cn=Ann,{crew}"), "cn"), ["Ann"]);
    administered.rename(0, &crew, "ou=gang", 1, None);
    assert_eq!(
        administered.texts(&format!("ou=gang,{BASE}"), "ou"),
        ["Team", "gang"]
    );
    // Several assertions.
    let ann = format!("cn=Ann,ou=gang,{BASE}");
    administered.rename(0, &ann, "cn=Ann+sn=Ann", 1, None);
    let both = format!("sn=ann+cn=ann,ou=gang,{BASE}");
    administered.rename(0, &both, "sn=Ann", 0, None);
    assert_eq!(
        administered.texts(&format!("sn=Ann,ou=gang,{BASE}"), "cn"),
        ["Ann"]
    );
}

#[test]
fn renames_are_refused_by_their_codes() {
    let administered = Administered::start();
    let before = administered.server.site().run(&["export"]).stdout;
    let below = format!("cn=x,{PEOPLE}");
    for (code, dn, rdn, old, superior) in [
        (34, "no dn", "cn=x", 1, None),
        (34, JOHN, "cn=x,ou=y", 1, None),
        (34, JOHN, "x", 1, None),
        (34, JOHN, "cn=x", 1, Some("no dn")),
        (32, below.as_str(), "cn=y", 1, None),
        (32, JOHN, "cn=x", 1, Some("ou=missing,dc=example,dc=org")),
        (53, "cn=subschema", "cn=y", 1, None),
        (53, BASE, "dc=other", 1, None),
        (53, PEOPLE, "ou=people", 1, Some(PEOPLE)),
        (53, PEOPLE, "ou=people", 1, Some(JOHN)),
        (68, JOHN, "uid=ALICE", 0, None),
        (64, JOHN, "unknownName=x", 0, None),
        (64, JOHN, "mail=x", 0, None),
        (34, JOHN, "cn=x+cn=y", 0, None),
        (64, JOHN, "cn=x+commonName=y", 0, None),
        (64, JOHN, "userPassword=x", 0, None),
        (65, STAFF, "ou=staff", 1, None),
        (19, ALICE, "uidNumber=5", 0, None),
        (34, ALICE, "uidNumber=many", 0, None),
    ] {
        administered.rename(code, dn, rdn, old, superior);
    }
    assert_eq!(administered.server.site().run(&["export"]).stdout, before);
}

#[test]
fn a_rename_may_change_the_spelling_alone() {
    let administered = Administered::start();
    let dn = format!("cn=x,{PEOPLE}");
    administered.add(0, &dn, &person("x"));
    administered.rename(0, &dn, "CN=X", 0, None);
    assert_eq!(administered.texts(&dn, "cn"), ["x"]);
    administered.rename(0, &dn, "cn=X", 1, None);
    assert_eq!(administered.texts(&dn, "cn"), ["X"]);
    let renamed = administered.read(&dn).unwrap();
    assert_eq!(renamed.dn, format!("cn=X,{PEOPLE}"));
}

#[test]
fn members_follow_renames_and_deletes() {
    let administered = Administered::start();
    let jones = format!("cn=Jones,{PEOPLE}");
    administered.rename(0, JOHN, "cn=Jones", 1, None);
    assert_eq!(administered.texts(STAFF, "member"), [jones.as_str(), ALICE]);
    assert_eq!(administered.texts(&jones, "memberOf"), [STAFF]);
    administered.rename(0, STAFF, "cn=crew", 1, None);
    let crew = format!("cn=crew,ou=groups,{BASE}");
    assert_eq!(administered.texts(&jones, "memberOf"), [crew.as_str()]);
    // Any spelling of a member's name.
    administered.modify(
        20,
        &crew,
        &format!("add: member\nmember: CN=jones, {PEOPLE}\n"),
    );
    administered.modify(
        0,
        &crew,
        &format!("delete: member\nmember: 2.5.4.3=JONES ,{PEOPLE}\n"),
    );
    assert_eq!(administered.texts(&jones, "memberOf"), [""; 0]);
    administered.modify(0, &crew, &format!("replace: member\nmember: {jones}\n"));
    assert_eq!(administered.texts(&jones, "memberOf"), [crew.as_str()]);
    // The last member goes: the group stays and can be changed.
    administered.delete(0, &jones);
    assert_eq!(administered.texts(&crew, "member"), [""; 0]);
    administered.modify(0, &crew, "add: description\ndescription: empty\n");
    administered.modify(
        65,
        &crew,
        "delete: cn\ncn: crew\n-\nadd: mail\nmail: x\n-\nadd: cn\ncn: crew\n",
    );
    // A new entry of this name is another one.
    administered.add(0, &jones, &person("Jones"));
    assert_eq!(administered.texts(&jones, "memberOf"), [""; 0]);
}

#[test]
fn a_member_that_comes_later_is_a_member() {
    let administered = Administered::start();
    let late = format!("cn=Late,{PEOPLE}");
    administered.modify(
        0,
        STAFF,
        &format!("add: member\nmember: CN=late,{PEOPLE}\n"),
    );
    administered.add(0, &late, &person("Late"));
    assert_eq!(administered.texts(&late, "memberOf"), [STAFF]);
    administered.rename(0, &late, "cn=Later", 1, None);
    assert!(
        administered
            .texts(STAFF, "member")
            .contains(&format!("cn=Later,{PEOPLE}"))
    );
    // An entry may name itself before it is there.
    let own = format!("cn=own,ou=groups,{BASE}");
    administered.add(
        0,
        &own,
        &format!("objectClass: groupOfNames\ncn: own\nmember: {own}\n"),
    );
    assert_eq!(administered.texts(&own, "memberOf"), [own.as_str()]);
}

#[test]
fn assertions_are_tried_with_the_write() {
    let administered = Administered::start();
    let modify = format!("dn: {JOHN}\nchangetype: modify\nreplace: sn\nsn: Jones\n");
    let try_with = |filter: &str, ldif: &str| {
        let assertion = format!("!assert={filter}");
        administered.try_with(&["-e", &assertion], ldif).0
    };
    assert_eq!(try_with("(sn=Smythe)", &modify), 122);
    assert_eq!(try_with("(userPassword=*)", &modify), 122);
    assert_eq!(try_with("(sn=smith)", &modify), 0);
    assert_eq!(try_with("(sn=smith)", &modify), 122);
    assert_eq!(administered.texts(JOHN, "sn"), ["Jones"]);
    let delete = format!("dn: {JOHN}\nchangetype: delete\n");
    assert_eq!(try_with("(sn=smith)", &delete), 122);
    let rename = format!("dn: {JOHN}\nchangetype: modrdn\nnewrdn: cn=x\ndeleteoldrdn: 1\n");
    assert_eq!(try_with("(sn=smith)", &rename), 122);
    assert_eq!(try_with("(sn=jones)", &delete), 0);
}

#[test]
fn the_entry_is_read_before_and_after() {
    let administered = Administered::start();
    let increment =
        format!("dn: {ALICE}\nchangetype: modify\nincrement: uidNumber\nuidNumber: 1\n");
    let read = |text: &str, control: &str| -> Found {
        let (_, rest) = text.split_once(control).unwrap_or_else(|| panic!("{text}"));
        let lines: Vec<&str> = rest
            .lines()
            .skip_while(|line| !line.starts_with("dn"))
            .take_while(|line| !line.starts_with('#'))
            .collect();
        parse_ldif(&lines.join("\n")).remove(0)
    };
    let (code, text) = administered.try_with(
        &[
            "-e",
            "!preread=uidNumber,userPassword",
            "-e",
            "!postread=uidNumber,memberOf,modifiersName",
        ],
        &increment,
    );
    assert_eq!(code, 0, "{text}");
    let before = read(&text, "# ==> preread");
    assert_eq!(before.texts("uidNumber"), ["10001"]);
    assert_eq!(before.texts("userPassword"), [""; 0]);
    let after = read(&text, "# ==> postread");
    assert_eq!(after.dn, ALICE);
    assert_eq!(after.texts("uidNumber"), ["10002"]);
    assert_eq!(after.texts("memberOf"), [STAFF]);
    assert_eq!(after.texts("modifiersName"), [ALICE]);

    let rename = format!("dn: {JOHN}\nchangetype: modrdn\nnewrdn: cn=x\ndeleteoldrdn: 1\n");
    let (code, text) = administered.try_with(&["-e", "!preread=cn", "-e", "!postread=cn"], &rename);
    assert_eq!(code, 0, "{text}");
    assert_eq!(read(&text, "# ==> preread").texts("cn"), ["Smith, John"]);
    let renamed = read(&text, "# ==> postread");
    assert_eq!(renamed.dn, format!("cn=x,{PEOPLE}"));
    assert_eq!(renamed.texts("cn"), ["x"]);

    let add = format!("dn: cn=y,{PEOPLE}\nchangetype: add\n{}", person("y"));
    let (code, text) = administered.try_with(&["-e", "!postread=entryUUID"], &add);
    assert_eq!(code, 0, "{text}");
    assert_eq!(read(&text, "# ==> postread").values("entryUUID").len(), 1);

    let delete = format!("dn: cn=x,{PEOPLE}\nchangetype: delete\n");
    let (code, text) = administered.try_with(&["-e", "!preread=*"], &delete);
    assert_eq!(code, 0, "{text}");
    assert_eq!(read(&text, "# ==> preread").texts("sn"), ["Smith"]);
}

#[test]
fn what_was_answered_survives_the_end_of_the_process() {
    let mut administered = Administered::start();
    for round in 0..4 {
        let dn = format!("cn=Round {round},{PEOPLE}");
        administered.add(0, &dn, &person(&format!("Round {round}")));
        administered.modify(0, STAFF, &format!("add: member\nmember: {dn}\n"));
        if round % 2 == 1 {
            administered.rename(0, &dn, &format!("cn=Renamed {round}"), 1, None);
            administered.delete(0, &format!("cn=Round {},{PEOPLE}", round - 1));
        }
        let search = |administered: &Administered| -> Vec<_> {
            let found = administered
                .tools
                .search(BASE, "(objectClass=*)", &["*", "+"]);
            found
                .into_iter()
                .map(|entry| (entry.dn.clone(), entry.attributes))
                .collect()
        };
        let mut before = search(&administered);
        administered = Administered::over(administered.server.kill9());
        let mut after = search(&administered);
        // Values derived from links come in the order of numbers that a start gives anew.
        for entries in [&mut before, &mut after] {
            entries.sort_by(|left, right| left.0.cmp(&right.0));
            for values in entries.iter_mut().flat_map(|entry| entry.1.values_mut()) {
                values.sort();
            }
        }
        assert_eq!(before, after);
    }
}

#[test]
fn what_updates_made_is_exported_and_imported() {
    let administered = Administered::start();
    let dn = format!("cn=a\\2Cb+sn=\\C3\\A9,{PEOPLE}");
    administered.add(
        0,
        &dn,
        "objectClass: person\ndescription;lang-fr:: w6k=\nuserPassword: secret-word\n",
    );
    administered.modify(
        0,
        STAFF,
        &format!("add: member\nmember: {dn}\nmember: cn=nobody\n"),
    );
    administered.rename(0, JOHN, "cn=\\#1", 1, Some(BASE));
    let site = administered.server.term();
    let exported = site.run_ok(&["export"]);
    let other = Site::new(|_| ADMINISTRATORS.to_owned());
    let file = other.path("exported.ldif");
    std::fs::write(&file, &exported).unwrap();
    other.run_ok(&["import", file.to_str().unwrap()]);
    assert_eq!(other.run_ok(&["export"]), exported);
    let administered = Administered::over(other);
    assert_eq!(administered.texts(&dn, "memberOf"), [STAFF]);
    assert_eq!(
        Tools::new(&administered.server).bind_code(&dn, "secret-word"),
        0
    );
}

#[test]
fn concurrent_updates_lose_nothing() {
    let administered = Administered::start();
    let clients = 8;
    let rounds = 4;
    let name = |client: usize, round: usize| format!("cn=m{client}-{round},{PEOPLE}");
    let all: String = (0..clients)
        .flat_map(|client| (0..rounds).map(move |round| (client, round)))
        .map(|(client, round)| {
            let rdn = format!("m{client}-{round}");
            format!(
                "dn: {}\nchangetype: add\n{}\n",
                name(client, round),
                person(&rdn)
            )
        })
        .collect();
    administered.expect(0, &all);
    std::thread::scope(|scope| {
        for client in 0..clients {
            let administered = &administered;
            scope.spawn(move || {
                let mut changes = String::new();
                for round in 0..rounds {
                    let dn = name(client, round);
                    changes += &format!(
                        "dn: {STAFF}\nchangetype: modify\nadd: member\nmember: {dn}\n\n\
                         dn: {ALICE}\nchangetype: modify\nincrement: uidNumber\nuidNumber: 1\n\n"
                    );
                    if round > 0 {
                        let dn = name(client, round - 1);
                        changes += &format!(
                            "dn: {STAFF}\nchangetype: modify\ndelete: member\nmember: {dn}\n\n"
                        );
                    }
                }
                administered.expect(0, &changes);
            });
        }
    });
    let mut expected: Vec<String> = (0..clients)
        .map(|client| name(client, rounds - 1))
        .collect();
    expected.extend([ALICE.to_owned(), JOHN.to_owned()]);
    expected.sort();
    assert_eq!(administered.texts(STAFF, "member"), expected);
    let number = 10001 + clients * rounds;
    assert_eq!(administered.texts(ALICE, "uidNumber"), [number.to_string()]);
}

#[test]
fn updates_are_written_down_without_values() {
    let mut administered = Administered::start();
    administered.modify(0, JOHN, "add: userPassword\nuserPassword: secret-word\n");
    let line = administered.server.wait_for_log(
        "audit line",
        std::time::Duration::from_secs(10),
        |line| (line["fields"]["message"] == "update").then(|| line.clone()),
    );
    let fields = &line["fields"];
    assert_eq!(line["target"], "adduct::audit");
    assert_eq!(fields["op"], "modify");
    assert_eq!(fields["dn"], JOHN);
    assert_eq!(fields["bind.dn"], ALICE);
    assert_eq!(fields["result.code"], 0);
    assert!(
        fields["peer.addr"]
            .as_str()
            .unwrap()
            .starts_with("127.0.0.1")
    );
    assert!(!line.to_string().contains("secret-word"));
    let (_, metrics) = administered.server.http("/metrics");
    assert!(
        metrics.contains("adduct_operation_seconds_count{operation=\"modify\"} 1"),
        "{metrics}"
    );
}

#[test]
fn new_tops_are_made_where_they_are_allowed() {
    let administered = Administered::start();
    administered.add(0, "dc=other,dc=net", "objectClass: domain\n");
    administered.add(
        0,
        "ou=x,dc=other,dc=net",
        "objectClass: organizationalUnit\n",
    );
    administered.delete(66, "dc=other,dc=net");
    let site = sample::site(&format!(
        "{ADMINISTRATORS}\n[directory]\nnaming_contexts = [\"{BASE}\", \"o=Acme\"]\n"
    ));
    let administered = Administered::over(site);
    administered.add(32, "dc=other,dc=net", "objectClass: domain\n");
    administered.add(0, "O=acme", "objectClass: organization\n");
    assert_eq!(administered.texts("o=Acme", "o"), ["acme"]);
}

mod raw {
    use super::*;

    const PLAIN: &str = "[auth]\ninsecure_plaintext_bind = true\n";

    fn connect() -> (Adduct, Raw) {
        let server = sample::server(&format!("{ADMINISTRATORS}\n{PLAIN}"));
        let mut raw = Raw::connect(server.address("ldap"));
        raw.send(&message(1, &bind_request(ALICE, PASSWORD)));
        assert_eq!(outline(&raw.receive().unwrap()).2, Some(0));
        (server, raw)
    }

    fn attribute(description: &[u8], values: &[&[u8]]) -> Vec<u8> {
        let values: Vec<u8> = values.iter().flat_map(|value| tlv(4, value)).collect();
        tlv(0x30, &[tlv(4, description), tlv(0x31, &values)].concat())
    }

    fn modify(dn: &str, changes: &[(u8, Vec<u8>)]) -> Vec<u8> {
        let changes: Vec<u8> = changes
            .iter()
            .flat_map(|(kind, change)| tlv(0x30, &[tlv(0x0a, &[*kind]), change.clone()].concat()))
            .collect();
        tlv(0x66, &[tlv(4, dn.as_bytes()), tlv(0x30, &changes)].concat())
    }

    fn add(dn: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
        let attributes = attributes.concat();
        tlv(
            0x68,
            &[tlv(4, dn.as_bytes()), tlv(0x30, &attributes)].concat(),
        )
    }

    #[test]
    fn what_no_tool_sends_gets_its_code() {
        let (_server, mut raw) = connect();
        let person = |more: Vec<u8>| {
            add(
                "cn=r,dc=example,dc=org",
                &[
                    attribute(b"objectClass", &[b"person"]),
                    attribute(b"sn", &[b"r"]),
                    more,
                ],
            )
        };
        let cases: [(u8, Vec<u8>); 14] = [
            (0, modify(JOHN, &[])),
            (32, modify("cn=missing,dc=example,dc=org", &[])),
            (2, modify(JOHN, &[(0, attribute(b"description", &[]))])),
            (2, modify(JOHN, &[(9, attribute(b"description", &[b"x"]))])),
            (2, modify(ALICE, &[(3, attribute(b"uidNumber", &[]))])),
            (
                2,
                modify(ALICE, &[(3, attribute(b"uidNumber", &[b"1", b"2"]))]),
            ),
            (17, modify(JOHN, &[(2, attribute(b"descr\xff", &[b"x"]))])),
            (
                17,
                modify(JOHN, &[(2, attribute(b"description;range=0-*", &[b"x"]))]),
            ),
            (
                21,
                modify(JOHN, &[(2, attribute(b"description", &[b"\xed\xa0\x80"]))]),
            ),
            (34, modify("cn=\u{0}x", &[])),
            (2, person(attribute(b"description", &[]))),
            (20, person(attribute(b"2.5.4.4", &[b"other"]))),
            (65, add("cn=r,dc=example,dc=org", &[])),
            (0, person(attribute(b"description", &[b"ok"]))),
        ];
        for (number, (code, operation)) in cases.into_iter().enumerate() {
            let id = u8::try_from(number + 2).unwrap();
            raw.send(&message(id, &operation));
            let answer = raw.receive().unwrap();
            let (answered, tag, found) = outline(&answer);
            assert_eq!((answered, found), (id, Some(code)), "case {number}");
            assert_eq!(tag, operation[0] + 1);
        }
    }

    #[test]
    fn pipelined_updates_are_answered_once_each() {
        let (_server, mut raw) = connect();
        let count = 40;
        let requests: Vec<u8> = (0..count)
            .flat_map(|number| {
                message(
                    number + 2,
                    &modify(ALICE, &[(3, attribute(b"uidNumber", &[b"1"]))]),
                )
            })
            .collect();
        raw.send(&requests);
        for number in 0..count {
            assert_eq!(
                outline(&raw.receive().unwrap()),
                (number + 2, 0x67, Some(0))
            );
        }
    }
}
