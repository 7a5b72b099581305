//! What an answer carries: attributes asked for in every way, and the controls that change values.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::fmt::Write;

use common::ldap::{Found, Raw, Tools, expect_success, message, outline, tlv};
use common::samba::{Samba, Size, Source};
use common::sample::{self, ALICE, BASE, PASSWORD};
use common::server::{Adduct, Site};
use common::sssd::Sssd;

const SEARCH_DONE: u8 = 0x65;
const CONTROLS: u8 = 0xa0;

/// More than SSSD looks up one by one.
const MEMBERS: usize = 40;

/// Users `m0` to `m39` with a group of all of them, and the sample.
fn crowd(more: &str) -> Site {
    let site = sample::site(more);
    let mut ldif = String::from("version: 1\n");
    let mut members = String::new();
    for number in 0..MEMBERS {
        write!(
            ldif,
            "\ndn: cn=Member {number},ou=people,{BASE}\nobjectClass: inetOrgPerson\n\
             objectClass: posixAccount\nuid: m{number}\ncn: Member {number}\nsn: Member\n\
             uidNumber: {id}\ngidNumber: 20000\nhomeDirectory: /home/m{number}\n\
             userPassword: secret\n",
            id = 20_100 + number,
        )
        .unwrap();
        writeln!(members, "member: cn=Member {number},ou=people,{BASE}").unwrap();
    }
    write!(
        ldif,
        "\ndn: cn=crowd,ou=groups,{BASE}\nobjectClass: groupOfNames\nobjectClass: posixGroup\n\
         cn: crowd\ngidNumber: 20000\n{members}member: cn=gone,{BASE}\n"
    )
    .unwrap();
    let file = site.path("crowd.ldif");
    std::fs::write(&file, ldif).unwrap();
    site.run_ok(&["import", file.to_str().unwrap()]);
    site
}

fn crowd_server() -> (Adduct, Tools) {
    let server = crowd("[access]\nanonymous = \"read\"\n").start();
    let tools = Tools::new(&server);
    (server, tools)
}

/// The SearchRequest for one group, every octet of it ours, and its controls.
fn read_group(attributes: &[&str], controls: &[Vec<u8>]) -> Vec<u8> {
    let list: Vec<u8> = attributes
        .iter()
        .flat_map(|name| tlv(0x04, name.as_bytes()))
        .collect();
    let search = [
        tlv(0x04, format!("cn=crowd,ou=groups,{BASE}").as_bytes()),
        tlv(0x0a, &[0]),
        tlv(0x0a, &[0]),
        tlv(0x02, &[0]),
        tlv(0x02, &[0]),
        tlv(0x01, &[0]),
        tlv(0x87, b"objectClass"),
        tlv(0x30, &list),
    ];
    let request = [
        tlv(0x63, &search.concat()),
        tlv(CONTROLS, &controls.concat()),
    ];
    message(1, &request.concat())
}

fn control(oid: &str, critical: bool, value: &[u8]) -> Vec<u8> {
    let mut parts = tlv(0x04, oid.as_bytes());
    if critical {
        parts.extend(tlv(0x01, &[0xff]));
    }
    parts.extend(tlv(0x04, value));
    tlv(0x30, &parts)
}

/// The dereference control as OpenLDAP's library encodes it.
fn deref(critical: bool, specs: &[(&str, &[&str])]) -> Vec<u8> {
    let specs: Vec<u8> = specs
        .iter()
        .flat_map(|(attribute, wanted)| {
            let wanted: Vec<u8> = wanted
                .iter()
                .flat_map(|name| tlv(0x04, name.as_bytes()))
                .collect();
            let parts = [tlv(0x04, attribute.as_bytes()), tlv(0x30, &wanted)];
            tlv(0x30, &parts.concat())
        })
        .collect();
    control("1.3.6.1.4.1.4203.666.5.16", critical, &tlv(0x30, &specs))
}

/// The result code and the number of messages before it.
fn run(server: &Adduct, request: &[u8]) -> (u8, usize) {
    let mut raw = Raw::connect(server.address("ldap"));
    raw.send(request);
    let mut entries = 0;
    loop {
        let (_, tag, code) = outline(&raw.receive().unwrap());
        if tag == SEARCH_DONE {
            return (code.unwrap(), entries);
        }
        entries += 1;
    }
}

#[test]
fn attributes_are_asked_for_in_every_way() {
    let server = sample::server("");
    let alice = sample::alice(&server);
    let keys = |list: &[&str]| -> Vec<String> {
        alice
            .read(ALICE, list)
            .unwrap()
            .attributes
            .into_keys()
            .collect()
    };
    assert_eq!(keys(&["@person"]), ["cn", "objectclass", "sn"]);
    assert_eq!(
        keys(&["@2.5.6.6", "UID"]),
        ["cn", "objectclass", "sn", "uid"]
    );
    assert_eq!(keys(&["name"]), ["cn", "sn"]);
    assert_eq!(keys(&["2.5.4.3", "cn", "commonName"]), ["cn"]);
    assert_eq!(keys(&["1.1"]), Vec::<String>::new());
    assert_eq!(keys(&["1.1", "sn", "@nosuch", "nosuch"]), ["sn"]);
    assert_eq!(keys(&["@extensibleObject"]), keys(&["*"]));
    let features = Tools::new(&server)
        .read("", &["supportedFeatures"])
        .unwrap();
    assert!(
        features
            .texts("supportedFeatures")
            .contains(&"1.3.6.1.4.1.4203.1.5.2".to_owned())
    );
}

#[test]
fn ranges_of_members_make_up_the_whole() {
    let (_server, tools) = crowd_server();
    let group = format!("cn=crowd,ou=groups,{BASE}");
    let read = |asked: &str| tools.read(&group, &[asked]).unwrap();
    let whole = read("member").texts("member");
    assert_eq!(whole.len(), MEMBERS + 1);
    let mut parts = read("member;range=0-29").texts("member;range=0-29");
    assert_eq!(parts.len(), 30);
    let rest = read("member;range=30-59");
    assert_eq!(rest.attributes.len(), 1);
    parts.extend(rest.texts("member;range=30-*"));
    parts.sort();
    assert_eq!(parts, whole);
    assert!(read("member;range=41-*").attributes.is_empty());
}

#[test]
fn matched_values_are_given_alone() {
    let (_server, tools) = crowd_server();
    let output = tools.run(
        "ldapsearch",
        &[
            "-LLL",
            "-o",
            "ldif-wrap=no",
            "-E",
            &format!("!mv=((member=CN=member 7, ou=People, {BASE})(objectClass=posixGroup))"),
            "-b",
            &format!("ou=groups,{BASE}"),
            "(cn=crowd)",
            "member",
            "objectClass",
        ],
    );
    let found = common::ldap::parse_ldif(&expect_success(&output));
    assert_eq!(
        found[0].texts("member"),
        [format!("cn=Member 7,ou=people,{BASE}")]
    );
    assert_eq!(found[0].texts("objectClass"), ["posixGroup"]);

    // It holds for entries that are made up as well.
    let output = tools.run(
        "ldapsearch",
        &[
            "-LLL",
            "-s",
            "base",
            "-b",
            "",
            "-E",
            "!mv=((supportedLDAPVersion=3)(supportedControl=1.2.840.113556.1.4.319))",
            "(objectClass=*)",
            "supportedControl",
        ],
    );
    let found = common::ldap::parse_ldif(&expect_success(&output));
    assert_eq!(
        found[0].texts("supportedControl"),
        ["1.2.840.113556.1.4.319"]
    );
}

#[test]
fn a_group_comes_with_its_members() {
    let (_server, tools) = crowd_server();
    let output = tools.run(
        "ldapsearch",
        &[
            "-o",
            "ldif-wrap=no",
            "-E",
            "!deref=member:uid,cn,userPassword,mail",
            "-b",
            &format!("ou=groups,{BASE}"),
            "(cn=*)",
            "cn",
        ],
    );
    let text = expect_success(&output);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("# member: "))
        .collect();
    assert_eq!(lines.len(), MEMBERS + 1 + 2, "{text}");
    // The attributes come in the schema's order.
    let of = |name: &str| {
        let end = format!(";{name},ou=people,{BASE}");
        let found = lines.iter().find(|line| line.ends_with(&end));
        found
            .unwrap_or_else(|| panic!("{name}: {text}"))
            .to_string()
    };
    let seventh = of("cn=Member 7");
    assert!(seventh.contains("<uid=m7>") && seventh.contains("<cn=Member 7>"));
    assert!(of("uid=alice").contains("<mail=alice@example.org>"));
    assert!(!text.contains("secret") && !text.contains("userPassword"));
    // One that names no entry is given without attributes.
    assert!(
        lines.contains(&format!("# member: cn=gone,{BASE}").as_str()),
        "{text}"
    );
}

#[test]
fn memberships_are_followed_too() {
    let (_server, tools) = crowd_server();
    let output = tools.run(
        "ldapsearch",
        &[
            "-o",
            "ldif-wrap=no",
            "-E",
            "!deref=memberOf:gidNumber",
            "-b",
            BASE,
            "(uid=m3)",
            "uid",
        ],
    );
    let text = expect_success(&output);
    let expected = format!("# memberOf: <gidNumber=20000>;cn=crowd,ou=groups,{BASE}");
    assert!(text.lines().any(|line| line == expected), "{text}");
}

#[test]
fn what_cannot_be_followed_is_refused_where_it_is_critical() {
    let (server, _) = crowd_server();
    for specs in [
        &[("cn", &["uid"][..])][..],
        &[("nosuch", &["uid"])],
        &[("member", &["uid"]), ("2.5.4.31", &["cn"])],
    ] {
        let request = |critical| read_group(&["cn"], &[deref(critical, specs)]);
        assert_eq!(run(&server, &request(true)), (2, 0), "{specs:?}");
        assert_eq!(run(&server, &request(false)), (0, 1), "{specs:?}");
    }
    for specs in [
        &[("member", &["uid"][..])][..],
        &[("member", &[])],
        &[("member", &["nosuch", "1.1", "+", "*"]), ("owner", &["cn"])],
    ] {
        let request = read_group(&["cn"], &[deref(true, specs)]);
        assert_eq!(run(&server, &request), (0, 1), "{specs:?}");
    }
}

/// Octet by octet, as libldap's parser reads it.
#[test]
fn the_dereference_response_has_its_form() {
    let server = sample::server("[access]\nanonymous = \"read\"\n");
    let mut raw = Raw::connect(server.address("ldap"));
    let staff = format!("cn=staff,ou=groups,{BASE}");
    let search = [
        tlv(0x04, staff.as_bytes()),
        tlv(0x0a, &[0]),
        tlv(0x0a, &[0]),
        tlv(0x02, &[0]),
        tlv(0x02, &[0]),
        tlv(0x01, &[0]),
        tlv(0x87, b"objectClass"),
        tlv(0x30, &tlv(0x04, b"1.1")),
    ];
    let controls = deref(true, &[("MEMBER", &["uid"])]);
    raw.send(&message(
        1,
        &[tlv(0x63, &search.concat()), tlv(CONTROLS, &controls)].concat(),
    ));
    let answer = raw.receive().unwrap();

    let result = |dn: &str, more: &[u8]| {
        let parts = [
            tlv(0x04, b"member"),
            tlv(0x04, dn.as_bytes()),
            more.to_vec(),
        ];
        short(0x30, &parts.concat())
    };
    let uid = [short(0x04, b"uid"), short(0x31, &short(0x04, b"alice"))];
    let attributes = short(0xa0, &short(0x30, &uid.concat()));
    let alice = result(ALICE, &attributes);
    let smith = result(&format!("cn=Smith\\, John,ou=people,{BASE}"), &[]);
    let found = |value: &[u8]| {
        let control = [
            short(0x04, b"1.3.6.1.4.1.4203.666.5.16"),
            short(0x04, &short(0x30, value)),
        ];
        answer.ends_with(&short(0xa0, &short(0x30, &control.concat())))
    };
    let either = [
        [alice.clone(), smith.clone()].concat(),
        [smith, alice].concat(),
    ];
    assert!(either.iter().any(|value| found(value)), "{answer:02x?}");
}

/// One BER element with its length in the fewest octets.
fn short(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut element = vec![tag];
    match u8::try_from(content.len()) {
        Ok(length) if length < 0x80 => element.push(length),
        Ok(length) => element.extend([0x81, length]),
        Err(_) => {
            element.push(0x82);
            element.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
        }
    }
    element.extend(content);
    element
}

#[test]
fn extended_dns_are_written_on_request() {
    let (_server, tools) = crowd_server();
    let alice = tools.read(ALICE, &["entryUUID"]).unwrap();
    let uuid = alice.text("entryUUID").unwrap();
    let search = |value: &str| {
        let extension = format!("!1.2.840.113556.1.4.529{value}");
        let group = format!("cn=staff,ou=groups,{BASE}");
        let more = ["-s", "base", "-E", &extension];
        tools
            .search_with(&more, &group, "(objectClass=*)", &["member"])
            .remove(0)
    };
    // SEQUENCE { INTEGER 1 }
    let text = search("=::MAMCAQE=");
    assert!(
        text.texts("member")
            .contains(&format!("<GUID={uuid}>;{ALICE}")),
        "{text:?}"
    );
    assert!(
        text.dn.starts_with("<GUID=") && text.dn.ends_with(&format!(">;cn=staff,ou=groups,{BASE}"))
    );
    // No value stands for hexadecimal digits, with the first three parts in the other order.
    let octets: Vec<u8> = (0..32)
        .step_by(2)
        .map(|at| u8::from_str_radix(&uuid.replace('-', "")[at..at + 2], 16).unwrap())
        .collect();
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let wire: String = order
        .map(|at: usize| format!("{:02x}", octets[at]))
        .concat();
    let hexadecimal = search("");
    assert!(
        hexadecimal
            .texts("member")
            .contains(&format!("<GUID={wire}>;{ALICE}")),
        "{hexadecimal:?}"
    );
}

#[test]
fn controls_without_an_effect_here_are_accepted() {
    let (server, _) = crowd_server();
    for oid in ["1.2.840.113556.1.4.417", "1.2.840.113556.1.4.1339"] {
        let mut parts = tlv(0x04, oid.as_bytes());
        parts.extend(tlv(0x01, &[0xff]));
        let request = read_group(&["cn"], &[tlv(0x30, &parts)]);
        assert_eq!(run(&server, &request), (0, 1), "{oid}");
    }
}

/// Without the control, SSSD reads the members one by one.
#[test]
fn sssd_reads_a_group_in_few_requests() {
    let server = crowd("").start();
    let ca_file = server.site().ca_file();
    let domain = Sssd::rfc2307bis(&server.ldaps_url(), &ca_file, BASE, (ALICE, PASSWORD));
    let sssd = Sssd::start(&domain, "alice");
    let before = searches(&server);
    let line = sssd.getent("group", "crowd").expect("the group");
    let asked = searches(&server) - before;
    let mut members: Vec<&str> = line.rsplit(':').next().unwrap().split(',').collect();
    members.sort_unstable();
    let mut expected: Vec<String> = (0..MEMBERS).map(|number| format!("m{number}")).collect();
    expected.sort_unstable();
    assert_eq!(members, expected);
    assert!(asked < 10, "{asked} searches");
}

/// Searches answered so far.
fn searches(server: &Adduct) -> u64 {
    let (_, text) = server.http("/metrics");
    text.lines()
        .filter(|line| line.starts_with("adduct_operations_total{") && line.contains("search"))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum()
}

/// The same questions to a domain controller and to its replica.
#[test]
fn answers_are_those_of_the_domain_controller() {
    let samba = Samba::provision(Size::SMALL);
    let server = Adduct::start(|dir| samba.source(dir, &Source::default()));
    server.wait_until_synced();
    let account = samba.account("svc-plain");
    let url = format!("ldaps://{}", samba.address());
    let domain = Tools::to(&url, samba.ca_file().as_ref()).bound(&account.dn, &account.password);
    let replica = Tools::new(&server).bound("svc-plain@corp.example.com", &account.password);

    let read = |tools: &Tools, more: &[&str], dn: &str, attributes: &[&str]| -> Found {
        let more = [&["-s", "base"], more].concat();
        tools
            .search_with(&more, dn, "(objectClass=*)", attributes)
            .remove(0)
    };
    for number in 1..=20 {
        let dn = samba.user(number).dn;
        let groups = |tools: &Tools| {
            let found = read(tools, &[], &dn, &["tokenGroups"]);
            let mut sids = found.values("tokenGroups").to_vec();
            sids.sort();
            sids
        };
        assert_eq!(groups(&replica), groups(&domain), "{dn}");
    }

    let group = domain.search(samba.base(), "(cn=Everybody In)", &["1.1"]);
    let group = group[0].dn.as_str();
    for range in ["0-9", "10-*", "35-1000", "0-*", "500-*"] {
        let asked = format!("member;range={range}");
        let shape = |tools: &Tools| {
            let found = read(tools, &[], group, &[&asked]);
            let count = |(name, values): (&String, &Vec<Vec<u8>>)| (name.clone(), values.len());
            found.attributes.iter().map(count).collect::<Vec<_>>()
        };
        assert_eq!(shape(&replica), shape(&domain), "{range}");
    }

    for value in ["", "=::MAMCAQA=", "=::MAMCAQE="] {
        let extension = format!("!1.2.840.113556.1.4.529{value}");
        for dn in [
            group,
            &samba.user(1).dn,
            &format!("OU=Staff,{}", samba.base()),
        ] {
            let dns = |tools: &Tools| {
                let attributes = ["member", "manager", "memberOf"];
                let found = read(tools, &["-E", &extension], dn, &attributes);
                (found.dn.clone(), attributes.map(|name| found.texts(name)))
            };
            assert_eq!(dns(&replica), dns(&domain), "{value} {dn}");
        }
    }
}

#[test]
fn a_list_that_was_sent_before_means_what_it_says_now() {
    let (server, _) = crowd_server();
    let mut raw = Raw::connect(server.address("ldap"));
    let mut entry = |attributes: &[&str], controls: &[Vec<u8>]| {
        raw.send(&read_group(attributes, controls));
        let entry = raw.receive().unwrap();
        let (_, tag, code) = outline(&raw.receive().unwrap());
        assert_eq!((tag, code), (SEARCH_DONE, Some(0)), "{attributes:?}");
        entry
    };
    let members = entry(&["member"], &[]);
    // Only values of cn are wanted; then, every DN with its identities.
    let matched = control(
        "1.2.826.0.1.3344810.2.3",
        true,
        &tlv(0x30, &tlv(0x87, b"cn")),
    );
    let extended = control("1.2.840.113556.1.4.529", true, &[]);
    for control in [matched, extended] {
        assert_ne!(entry(&["member"], &[control]), members);
        assert_eq!(entry(&["member"], &[]), members);
    }
    // Of one length in octets, and more of them than are kept.
    let lists = [
        "cn", "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "CN", "cN",
    ];
    let first = lists.map(|name| entry(&[name], &[]));
    assert_ne!(first[0], first[1]);
    assert_eq!(first[0], first[10]);
    assert_eq!(lists.map(|name| entry(&[name], &[])), first);
    let long = vec!["member"; 1_000];
    for _ in 0..2 {
        assert_eq!(entry(&long, &[]), members);
    }
}
