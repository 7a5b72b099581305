//! What a name leads to and where a search looks: aliases, referral objects, subentries, naming
//! contexts in one another, AD's names, limits, and compare.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::sync::{Arc, Mutex, PoisonError, Weak};

use common::ldap::{Found, Tools, parse_ldif};
use common::sample::{self, ALICE, BASE};
use common::server::{Adduct, Site};

/// Beside the sample.
const LDIF: &str = "\
version: 1

dn: ou=links,dc=example,dc=org
objectClass: organizationalUnit
ou: links

dn: cn=to-people,ou=links,dc=example,dc=org
objectClass: alias
objectClass: extensibleObject
cn: to-people
aliasedObjectName: OU=People, DC=example, DC=org

dn: cn=to-alice,ou=links,dc=example,dc=org
objectClass: alias
objectClass: extensibleObject
cn: to-alice
aliasedObjectName: uid=alice,ou=people,dc=example,dc=org

dn: cn=broken,ou=links,dc=example,dc=org
objectClass: alias
objectClass: extensibleObject
cn: broken
aliasedObjectName: cn=gone,ou=people,dc=example,dc=org

dn: cn=loop,ou=links,dc=example,dc=org
objectClass: alias
objectClass: extensibleObject
cn: loop
aliasedObjectName: cn=loop,ou=links,dc=example,dc=org

dn: ou=away,dc=example,dc=org
objectClass: referral
objectClass: extensibleObject
ou: away
ref: ldap://other.example.org/ou=there,dc=example,dc=org
ref: ldaps://third.example.org/??sub?(cn=x)

dn: cn=hidden,ou=away,dc=example,dc=org
objectClass: person
cn: hidden
sn: hidden

dn: cn=policy,dc=example,dc=org
objectClass: subentry
cn: policy
subtreeSpecification: {}
";

/// The top of a naming context within that of the sample.
const LAB: &str = "\
dn: dc=lab,dc=example,dc=org
objectClass: domain
dc: lab
entryUUID: 37f4308d-1ab0-4c5b-8f0e-102132435465

dn: cn=bench,dc=lab,dc=example,dc=org
objectClass: device
cn: bench
serialNumber: 7
cn;lang-de: Werkbank
";

/// The server of the tests that run at one time; none of them changes anything.
struct World(Arc<Adduct>);

impl World {
    fn shared() -> Self {
        static SERVER: Mutex<Weak<Adduct>> = Mutex::new(Weak::new());
        let mut shared = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
        let server = shared.upgrade().unwrap_or_else(|| Arc::new(start()));
        *shared = Arc::downgrade(&server);
        Self(server)
    }

    fn alice(&self) -> Tools {
        sample::alice(&self.0)
    }

    fn anonymous(&self) -> Tools {
        Tools::new(&self.0)
    }

    fn find(&self, base: &str, scope: &str, more: &[&str]) -> Answer {
        search(&self.alice(), base, scope, more, &[])
    }

    /// The result code of a compare.
    fn compare(&self, more: &[&str], dn: &str, assertion: &str) -> i32 {
        let arguments = [more, &[dn, assertion]].concat();
        let output = self.alice().run("ldapcompare", &arguments);
        output.status.code().unwrap()
    }
}

fn start() -> Adduct {
    let administrators = format!("[access]\nadministrators = [\"{ALICE}\"]\n");
    let site = Site::new(|_| administrators);
    // The inner context first, so that it is a top of its own.
    for (name, text) in [("lab", LAB), ("sample", sample::LDIF), ("more", LDIF)] {
        let file = site.path(&format!("{name}.ldif"));
        std::fs::write(&file, text).unwrap();
        site.run_ok(&["import", file.to_str().unwrap()]);
    }
    site.start()
}

/// What ldapsearch said.
#[derive(Debug)]
struct Answer {
    code: i32,
    entries: Vec<Found>,
    /// The URIs of references.
    references: Vec<String>,
    error: String,
}

impl Answer {
    /// The DNs, sorted and in lower case, without the sample's top.
    fn dns(&self) -> Vec<String> {
        let entries = self.entries.iter();
        let mut dns: Vec<String> = entries
            .map(|entry| {
                let dn = entry.dn.to_lowercase();
                let short = dn.strip_suffix(BASE).map(|dn| dn.trim_end_matches(','));
                short.unwrap_or(&dn).to_owned()
            })
            .collect();
        dns.sort();
        dns
    }

    fn after(&self, label: &str) -> Vec<String> {
        let lines = self.error.lines().map(str::trim);
        lines
            .filter_map(|line| line.strip_prefix(label))
            .map(|rest| rest.trim().to_owned())
            .filter(|rest| !rest.is_empty())
            .collect()
    }
}

fn search(tools: &Tools, base: &str, scope: &str, more: &[&str], filter: &[&str]) -> Answer {
    let mut arguments = vec!["-LLL", "-o", "ldif-wrap=no", "-b", base, "-s", scope];
    arguments.extend(more);
    arguments.extend(if filter.is_empty() {
        &["(objectClass=*)", "objectClass"]
    } else {
        filter
    });
    let output = tools.run("ldapsearch", &arguments);
    let text = String::from_utf8(output.stdout).unwrap();
    let references = text
        .lines()
        .filter_map(|line| line.strip_prefix("# ref"))
        .map(|rest| rest.trim_start_matches(':').trim().to_owned());
    Answer {
        code: output.status.code().unwrap(),
        entries: parse_ldif(&text),
        references: references.collect(),
        error: String::from_utf8(output.stderr).unwrap(),
    }
}

fn under(rdns: &str) -> String {
    format!("{rdns},{BASE}")
}

const PEOPLE: [&str; 4] = [
    "cn=smith\\, john,ou=people",
    "ou=people",
    "uid=alice,ou=people",
    "uid=jürgen,ou=people",
];

#[test]
fn an_alias_as_the_base_is_followed_when_finding_and_always() {
    let world = World::shared();
    let base = under("cn=to-people,ou=links");
    for deref in ["never", "search"] {
        let answer = world.find(&base, "sub", &["-a", deref]);
        assert_eq!(answer.dns(), ["cn=to-people,ou=links"], "{deref}");
    }
    for deref in ["find", "always"] {
        assert_eq!(
            world.find(&base, "sub", &["-a", deref]).dns(),
            PEOPLE,
            "{deref}"
        );
        let answer = world.find(&base, "base", &["-a", deref]);
        assert_eq!(answer.dns(), ["ou=people"], "{deref}");
    }
    let below = format!("uid=ALICE,{base}");
    let answer = world.find(&below, "base", &["-a", "find"]);
    assert_eq!(answer.dns(), ["uid=alice,ou=people"]);
    let answer = world.find(&below, "base", &["-a", "never"]);
    assert_eq!((answer.code, answer.dns().len()), (32, 0));
    assert_eq!(answer.after("Matched DN:"), std::slice::from_ref(&base));
    let answer = world.find(&format!("uid=nobody,{base}"), "base", &["-a", "find"]);
    assert_eq!(answer.code, 32);
    assert_eq!(answer.after("Matched DN:"), [under("ou=people")]);
}

#[test]
fn aliases_that_cannot_be_followed_say_why() {
    let world = World::shared();
    let answer = world.find(&under("cn=broken,ou=links"), "base", &["-a", "always"]);
    assert_eq!(answer.code, 33, "{answer:?}");
    assert_eq!(answer.after("Matched DN:"), [under("ou=people")]);
    let answer = world.find(&under("cn=loop,ou=links"), "base", &["-a", "always"]);
    assert_eq!(answer.code, 54, "{answer:?}");
    // While searching they are passed over.
    let answer = world.find(&under("ou=links"), "one", &["-a", "search"]);
    assert_eq!(answer.code, 0);
    assert_eq!(answer.dns(), ["ou=people", "uid=alice,ou=people"]);
}

#[test]
fn aliases_below_the_base_are_followed_when_searching() {
    let world = World::shared();
    let links = under("ou=links");
    for deref in ["never", "find"] {
        assert_eq!(
            world.find(&links, "sub", &["-a", deref]).dns().len(),
            5,
            "{deref}"
        );
    }
    let mut expected = PEOPLE.to_vec();
    expected.insert(1, "ou=links");
    for deref in ["search", "always"] {
        let answer = world.find(&links, "sub", &["-a", deref]);
        assert_eq!(answer.dns(), expected, "{deref}");
    }
    // Each once, though the subtree and two aliases name her.
    let filter = ["(uid=alice)", "uid"];
    let answer = search(&world.alice(), BASE, "sub", &["-a", "always"], &filter);
    assert_eq!(answer.dns(), ["uid=alice,ou=people"]);
}

#[test]
fn a_base_at_or_below_a_referral_object_is_referred() {
    let world = World::shared();
    let answer = world.find(&under("ou=away"), "sub", &[]);
    assert_eq!(answer.code, 10, "{answer:?}");
    assert_eq!(answer.after("Matched DN:"), [under("ou=away")]);
    let text = &answer.error;
    for uri in [
        "ldap://other.example.org/ou=there,dc=example,dc=org??sub",
        "ldaps://third.example.org/ou=away,dc=example,dc=org??sub",
    ] {
        assert!(
            text.lines().any(|line| line.trim().ends_with(uri)),
            "{text}"
        );
    }
    let answer = world.find(&under("cn=any one,cn=hidden,OU=Away"), "base", &[]);
    assert_eq!(answer.code, 10, "{answer:?}");
    let uri = "ldap://other.example.org/cn=any%20one,cn=hidden,ou=there,dc=example,dc=org??base";
    assert!(answer.error.contains(uri), "{answer:?}");

    let answer = world.find(&under("ou=away"), "sub", &["-MM"]);
    assert_eq!(answer.dns(), ["cn=hidden,ou=away", "ou=away"]);
    let filter = ["(objectClass=referral)", "ref"];
    let answer = search(&world.alice(), &under("ou=away"), "base", &["-MM"], &filter);
    assert_eq!((answer.code, answer.dns().len()), (0, 1));
}

#[test]
fn a_search_meets_referral_objects_whatever_its_filter() {
    let world = World::shared();
    let filter = ["(uid=alice)", "uid"];
    for (scope, word) in [("sub", "sub"), ("one", "base"), ("children", "sub")] {
        let answer = search(&world.alice(), BASE, scope, &[], &filter);
        assert_eq!(
            answer.references,
            [
                format!("ldap://other.example.org/ou=there,dc=example,dc=org??{word}"),
                format!("ldaps://third.example.org/ou=away,dc=example,dc=org??{word}"),
            ],
            "{answer:?}"
        );
        assert_eq!(answer.code, 0);
    }
    for more in ["-MM", "-E!domainScope"] {
        let answer = search(&world.alice(), BASE, "sub", &[more], &filter);
        assert_eq!(answer.references, Vec::<String>::new(), "{more}");
        assert_eq!(answer.dns(), ["uid=alice,ou=people"], "{more}");
    }
    let seen = |more: &[&str]| {
        let filter = ["(cn=hidden)", "cn"];
        search(&world.alice(), BASE, "sub", more, &filter)
            .dns()
            .len()
    };
    assert_eq!((seen(&[]), seen(&["-MM"])), (0, 1));
    // Root and parts where there is none.
    assert_eq!(
        search(&world.alice(), "", "sub", &[], &filter)
            .references
            .len(),
        2
    );
    let people = search(&world.alice(), &under("ou=people"), "sub", &[], &filter);
    assert_eq!(people.references, Vec::<String>::new());
}

#[test]
fn subentries_are_seen_as_a_base_or_on_request() {
    let world = World::shared();
    let policy = under("cn=policy");
    let seen = |base: &str, scope: &str, more: &[&str]| {
        let answer = world.find(base, scope, more);
        assert_eq!(answer.code, 0, "{answer:?}");
        answer.dns()
    };
    let only = ["-MM", "-E!subentries=true"];
    let none = ["-MM", "-E!subentries=false"];
    assert_eq!(seen(&policy, "base", &[]), ["cn=policy"]);
    assert_eq!(seen(&policy, "sub", &[]), Vec::<String>::new());
    assert_eq!(seen(BASE, "sub", &only), ["cn=policy"]);
    assert_eq!(seen(BASE, "one", &only), ["cn=policy"]);
    assert_eq!(seen(BASE, "base", &only), Vec::<String>::new());
    for more in [&none[..], &["-MM"]] {
        let dns = seen(BASE, "sub", more);
        assert!(dns.contains(&"ou=away".to_owned()) && !dns.contains(&"cn=policy".to_owned()));
    }
}

#[test]
fn the_subschema_is_a_subentry_with_nothing_below() {
    let world = World::shared();
    let anonymous = world.anonymous();
    let seen = |scope: &str, more: &[&str]| {
        let answer = search(&anonymous, "CN = subschema", scope, more, &[]);
        assert_eq!(answer.code, 0, "{answer:?}");
        answer.dns().len()
    };
    assert_eq!(seen("base", &[]), 1);
    assert_eq!(seen("base", &["-E!subentries=true"]), 1);
    assert_eq!(seen("base", &["-E!subentries=false"]), 0);
    assert_eq!(seen("one", &[]), 0);
    assert_eq!(seen("children", &["-E!subentries=true"]), 0);
    assert_eq!(seen("sub", &[]), 0);
    assert_eq!(seen("sub", &["-E!subentries=true"]), 1);
    let filter = ["(objectClass=device)", "cn"];
    let answer = search(&anonymous, "cn=Subschema", "base", &[], &filter);
    assert_eq!((answer.code, answer.dns().len()), (0, 0));
}

#[test]
fn naming_contexts_in_one_another_are_one_tree() {
    let world = World::shared();
    let tops = search(&world.alice(), "", "one", &[], &[]);
    assert_eq!(tops.dns(), ["", "dc=lab"]);
    let all = world.find("", "sub", &["-MM"]).dns();
    let outer = world.find(BASE, "sub", &["-MM"]).dns();
    assert_eq!(all, outer);
    assert!(outer.contains(&"cn=bench,dc=lab".to_owned()));
    assert!(
        world
            .find(BASE, "one", &[])
            .dns()
            .contains(&"dc=lab".to_owned())
    );
    let inner = world.find(&under("dc=lab"), "sub", &[]);
    assert_eq!(inner.dns(), ["cn=bench,dc=lab", "dc=lab"]);
    let answer = world.find(&under("cn=x,cn=bench,dc=lab"), "base", &[]);
    assert_eq!(answer.after("Matched DN:"), [under("cn=bench,dc=lab")]);
}

#[test]
fn what_is_not_there_tells_the_nearest_entry_above() {
    let world = World::shared();
    for (base, matched) in [
        (under("cn=x,ou=nowhere,ou=people"), vec![under("ou=people")]),
        (under("ou=nowhere"), vec![BASE.to_owned()]),
        ("dc=org".to_owned(), vec![]),
        ("dc=elsewhere".to_owned(), vec![]),
        (
            "cn=y,cn=x,CN=subschema".to_owned(),
            vec!["cn=Subschema".to_owned()],
        ),
    ] {
        for scope in ["base", "one", "sub", "children"] {
            let answer = world.find(&base, scope, &[]);
            assert_eq!(answer.code, 32, "{base}");
            assert_eq!(answer.after("Matched DN:"), matched, "{base}");
        }
    }
    assert_eq!(world.find("no dn", "base", &[]).code, 34);
}

#[test]
fn entries_are_named_by_their_identity_too() {
    let world = World::shared();
    let text = "37f4308d-1ab0-4c5b-8f0e-102132435465";
    let octets = "8d30f437b01a5b4c8f0e102132435465";
    for name in [
        format!("<GUID={text}>"),
        format!("<guid={}>", text.to_uppercase()),
        format!("<GUID={octets}>"),
    ] {
        assert_eq!(world.find(&name, "base", &[]).dns(), ["dc=lab"], "{name}");
        assert_eq!(world.find(&name, "sub", &[]).dns().len(), 2, "{name}");
        assert_eq!(world.compare(&[], &name, "dc:LAB"), 6, "{name}");
    }
    for name in ["<GUID=1>", "<SID=x>", "<>", "<GUID>"] {
        assert_eq!(world.find(name, "base", &[]).code, 34, "{name}");
        assert_eq!(world.compare(&[], name, "dc:lab"), 34, "{name}");
    }
    for name in [
        "<GUID=47f4308d-1ab0-4c5b-8f0e-102132435465>",
        "<SID=S-1-5-21-1-2-3-500>",
    ] {
        assert_eq!(world.find(name, "base", &[]).code, 32, "{name}");
    }
}

#[test]
fn exactly_as_many_entries_as_the_limit_allows_are_success() {
    let world = World::shared();
    let people = under("ou=people");
    for (limit, code, count) in [
        ("4", 0, 4),
        ("3", 4, 3),
        ("1", 4, 1),
        ("0", 0, 4),
        ("5", 0, 4),
    ] {
        let answer = world.find(&people, "sub", &["-z", limit]);
        assert_eq!((answer.code, answer.dns().len()), (code, count), "{limit}");
    }
    let base = world.find(ALICE, "base", &["-z", "1", "-l", "1"]);
    assert_eq!((base.code, base.dns().len()), (0, 1));
}

#[test]
fn local_entries_are_no_copies() {
    let world = World::shared();
    let answer = world.find(BASE, "sub", &["-MM", "-E!dontUseCopy"]);
    assert_eq!((answer.code, answer.references.len()), (0, 0), "{answer:?}");
    assert!(answer.dns().contains(&"uid=alice,ou=people".to_owned()));
}

#[test]
fn an_assertion_is_about_the_base_of_a_search() {
    let world = World::shared();
    for (base, filter, code) in [
        (ALICE, "(uid=alice)", 0),
        (ALICE, "(uid=bob)", 122),
        ("", "(supportedLDAPVersion=3)", 0),
        ("", "(supportedLDAPVersion=2)", 122),
        ("cn=Subschema", "(cn=subschema)", 0),
        ("cn=Subschema", "(cn=x)", 122),
    ] {
        let assertion = format!("!assert={filter}");
        for scope in ["base", "sub"] {
            let answer = world.find(base, scope, &["-e", &assertion]);
            assert_eq!(answer.code, code, "{base} {filter} {scope}");
        }
    }
}

#[test]
fn compare_tells_true_from_false_and_from_what_cannot_be_told() {
    let world = World::shared();
    let staff = under("cn=staff,ou=groups");
    let bench = under("cn=bench,dc=lab");
    const TRUE: i32 = 6;
    const FALSE: i32 = 5;
    for (dn, assertion, code) in [
        (ALICE, "cn:ALICE  example", TRUE),
        (ALICE, "cn:bob", FALSE),
        (ALICE, "2.5.4.3:alice example", TRUE),
        // Subtypes.
        (ALICE, "name:Example", TRUE),
        (ALICE, "objectClass:person", TRUE),
        (ALICE, "objectClass:2.5.6.6", TRUE),
        (ALICE, "objectClass:TOP", TRUE),
        (ALICE, "objectClass:device", FALSE),
        (ALICE, "uidNumber:010001", 21),
        (ALICE, "uidNumber:10001", TRUE),
        (ALICE, "uidNumber:10002", FALSE),
        (ALICE, "uidNumber:x", 21),
        (ALICE, "telephoneNumber:1", 16),
        (ALICE, "cn;lang-de:alice example", 16),
        (ALICE, "noSuchType:x", 17),
        (ALICE, "userPassword:Sample-word-1", 50),
        // Operational and derived.
        (ALICE, "structuralObjectClass:inetOrgPerson", TRUE),
        (ALICE, "hasSubordinates:FALSE", TRUE),
        (ALICE, "hasSubordinates:TRUE", FALSE),
        (ALICE, "subschemaSubentry:CN=subschema", TRUE),
        (
            ALICE,
            "entryDN:UID=Alice, OU=people,DC=example,DC=org",
            TRUE,
        ),
        (
            ALICE,
            "memberOf:CN=Staff, OU=Groups,DC=example,DC=org",
            TRUE,
        ),
        (ALICE, "memberOf:no dn", 21),
        (&staff, "member:uid=ALICE,ou=PEOPLE,dc=example,dc=org", TRUE),
        (&staff, "member:uid=nobody,dc=example,dc=org", FALSE),
        (&staff, "memberOf:cn=x", 16),
        // Options.
        (&bench, "cn:werkbank", TRUE),
        (&bench, "cn;LANG-DE:werkbank", TRUE),
        (&bench, "cn;lang-de:bench", FALSE),
        (&bench, "cn;lang-fr:bench", 16),
        // What is made up.
        ("", "supportedLDAPVersion:3", TRUE),
        ("", "supportedLDAPVersion:2", FALSE),
        ("", "cn:x", 16),
        ("cn=subschema", "cn:SUBSCHEMA", TRUE),
        ("cn=subschema", "attributeTypes:cn", TRUE),
        ("cn=subschema", "objectClasses:2.5.6.6", TRUE),
        ("cn=x,cn=subschema", "cn:x", 32),
        ("no dn", "cn:x", 34),
    ] {
        assert_eq!(world.compare(&[], dn, assertion), code, "{dn} {assertion}");
    }
    // No equality rule.
    let policy = under("cn=policy");
    assert_eq!(world.compare(&[], &policy, "subtreeSpecification:{}"), 18);
}

#[test]
fn compare_follows_no_alias_and_is_referred() {
    let world = World::shared();
    let alias = under("cn=to-alice,ou=links");
    assert_eq!(world.compare(&[], &alias, "cn:to-alice"), 6);
    assert_eq!(
        world.compare(
            &[],
            &format!("uid=alice,{}", under("cn=to-people,ou=links")),
            "uid:alice"
        ),
        32
    );
    let away = under("ou=away");
    assert_eq!(world.compare(&[], &away, "ou:away"), 10);
    assert_eq!(world.compare(&["-MM"], &away, "ou:away"), 6);
    let assert =
        |filter: &str| world.compare(&["-e", &format!("!assert={filter}")], ALICE, "uid:alice");
    assert_eq!(assert("(sn=example)"), 6);
    assert_eq!(assert("(sn=other)"), 122);
}

#[test]
fn updates_at_referral_objects_are_referred() {
    let world = World::shared();
    let tools = world.alice();
    let target = under("cn=hidden,ou=away");
    let output = tools.run("ldapdelete", &[&target]);
    assert_eq!(output.status.code(), Some(10), "{output:?}");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let uri = "ldap://other.example.org/cn=hidden,ou=there,dc=example,dc=org";
    assert!(text.contains(uri) && !text.contains("??"), "{text}");
}

#[test]
fn the_root_dse_tells_what_is_operational_on_request_only() {
    let world = World::shared();
    let anonymous = world.anonymous();
    let ask = |attributes: &[&str]| {
        let filter = [&["(objectClass=*)"], attributes].concat();
        let answer = search(&anonymous, "", "base", &[], &filter);
        assert_eq!((answer.code, answer.entries.len()), (0, 1), "{answer:?}");
        answer.entries.into_iter().next().unwrap()
    };
    let user = ask(&[]);
    assert_eq!(user.texts("objectClass"), ["top"]);
    let operational = [
        "namingContexts",
        "supportedControl",
        "supportedExtension",
        "supportedFeatures",
        "supportedLDAPVersion",
        "subschemaSubentry",
        "vendorName",
        "vendorVersion",
        "entryDN",
    ];
    for name in operational {
        assert!(
            user.values(name).is_empty(),
            "{name} without being asked for"
        );
        assert!(!ask(&["+"]).values(name).is_empty(), "{name} with +");
        assert_eq!(ask(&[name]).attributes.len(), 1, "{name} by name");
    }
    assert_eq!(
        ask(&["+"]).texts("namingContexts"),
        [BASE.to_owned(), under("dc=lab")]
    );
    assert!(ask(&["+"]).values("altServer").is_empty());
    assert_eq!(ask(&["*", "+"]).texts("objectClass"), ["top"]);
    let none = search(&anonymous, "", "base", &[], &["(cn=*)"]);
    assert_eq!((none.code, none.entries.len()), (0, 0));
}

#[test]
fn entries_tell_their_operational_attributes() {
    let world = World::shared();
    let read = |dn: &str| world.alice().read(dn, &["+"]).unwrap();
    let people = read(&under("ou=people"));
    for (name, value) in [
        ("hasSubordinates", "TRUE"),
        ("numSubordinates", "3"),
        ("structuralObjectClass", "organizationalUnit"),
        ("subschemaSubentry", "cn=Subschema"),
    ] {
        assert_eq!(people.texts(name), [value], "{name}");
    }
    assert_eq!(people.texts("entryDN"), [under("ou=people")]);
    for name in ["entryUUID", "createTimestamp", "modifyTimestamp"] {
        assert_eq!(people.values(name).len(), 1, "{name}");
    }
    assert_eq!(
        read(ALICE).texts("structuralObjectClass"),
        ["inetOrgPerson"]
    );
    assert_eq!(
        read(&under("cn=policy")).texts("structuralObjectClass"),
        ["subentry"]
    );
}
