//! Where operations meet: updates beside searches, large updates, and what follows from them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::fmt::Write as _;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};

use common::ldap::{Raw, Tools, bind_request, message, outline, tlv};
use common::sample::{self, ALICE, BASE, PASSWORD};
use common::server::Adduct;
use common::wire;

const PEOPLE: &str = "ou=people,dc=example,dc=org";
const GROUPS: &str = "ou=groups,dc=example,dc=org";

fn administered() -> Adduct {
    sample::server(&format!(
        "[access]\nadministrators = [\"{ALICE}\"]\n[auth]\ninsecure_plaintext_bind = true\n"
    ))
}

fn change(server: &Adduct, ldif: &str) -> Output {
    let file = server.site().path("change.ldif");
    std::fs::write(&file, ldif).unwrap();
    sample::alice(server).run("ldapmodify", &["-f", file.to_str().unwrap()])
}

fn changed(server: &Adduct, ldif: &str) {
    let output = change(server, ldif);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn searches_beside_updates_see_whole_versions() {
    let server = administered();
    let below = format!("ou=moving,{PEOPLE}");
    let mut ldif = format!(
        "dn: {below}\nchangetype: add\nobjectClass: organizationalUnit\nou: moving\n\n\
         dn: cn=n0,{below}\nchangetype: add\nobjectClass: person\nsn: 0\n\n"
    );
    changed(&server, &ldif);
    ldif.clear();
    for number in 0..150 {
        writeln!(
            ldif,
            "dn: cn=n{number},{below}\nchangetype: modrdn\nnewrdn: cn=n{}\ndeleteoldrdn: 1\n",
            number + 1
        )
        .unwrap();
    }
    let is_done = AtomicBool::new(false);
    let search = || {
        let mut raw = Raw::connect(server.address("ldap"));
        raw.send(&message(1, &bind_request(ALICE, PASSWORD)));
        assert_eq!(outline(&raw.receive().unwrap()).2, Some(0));
        let mut seen = std::collections::BTreeSet::new();
        while !is_done.load(Ordering::Relaxed) {
            let request = wire::search(below.as_bytes(), 1, &tlv(0x87, b"cn"), &[b"cn"]);
            raw.send(&wire::request(2, &request));
            let entry = wire::next(&mut raw).unwrap();
            assert_eq!(entry.tag, wire::ENTRY, "always one entry: {entry:?}");
            let (_, dn, attributes) = wire::element(&entry.rest);
            let dn = String::from_utf8(dn.to_vec()).unwrap();
            let name = dn.split(['=', ',']).nth(1).unwrap().to_owned();
            assert!(
                attributes.ends_with(name.as_bytes()),
                "{dn}: {attributes:?}"
            );
            seen.insert(name);
            assert_eq!(
                wire::next(&mut raw).unwrap().outline(),
                (2, wire::DONE, Some(0))
            );
        }
        seen
    };
    let seen = std::thread::scope(|scope| {
        let searches = [scope.spawn(search), scope.spawn(search)];
        let output = change(&server, &ldif);
        is_done.store(true, Ordering::Relaxed);
        assert!(output.status.success(), "{output:?}");
        searches.map(|search| search.join().unwrap())
    });
    assert!(seen.iter().all(|names| names.len() > 1), "{seen:?}");
}

#[test]
fn ten_thousand_members_come_by_one_modify_and_follow_a_rename() {
    let server = administered();
    let tools = sample::alice(&server);
    let mut ldif = format!("dn: cn=staff,{GROUPS}\nchangetype: modify\nadd: member\n");
    for number in 0..10_000 {
        writeln!(ldif, "member: cn=m{number},{PEOPLE}").unwrap();
    }
    changed(&server, &ldif);
    let count =
        |tools: &Tools, dn: &str| tools.read(dn, &["member"]).unwrap().texts("member").len();
    assert_eq!(count(&tools, &format!("cn=staff,{GROUPS}")), 10_002);
    // One of them comes, and the unit of all of them is renamed.
    changed(
        &server,
        &format!(
            "dn: cn=M5000,{PEOPLE}\nchangetype: add\nobjectClass: person\nsn: x\n\n\
             dn: cn=staff,{GROUPS}\nchangetype: modrdn\nnewrdn: cn=crew\ndeleteoldrdn: 1\n"
        ),
    );
    let crew = format!("cn=crew,{GROUPS}");
    assert_eq!(count(&tools, &crew), 10_002);
    let member = tools
        .read(&format!("cn=m5000,{PEOPLE}"), &["memberOf"])
        .unwrap();
    assert_eq!(member.texts("memberOf"), [crew.as_str()]);
    let found = tools.search(BASE, &format!("(member=cn=m5000,{PEOPLE})"), &["1.1"]);
    assert_eq!(found.len(), 1);
    let output = change(
        &server,
        &format!("dn: {crew}\nchangetype: modify\nadd: member\nmember: CN=M9999, {PEOPLE}\n"),
    );
    assert_eq!(output.status.code(), Some(20), "{output:?}");
    changed(
        &server,
        &format!("dn: {crew}\nchangetype: modify\nreplace: member\nmember: cn=m5000,{PEOPLE}\n"),
    );
    assert_eq!(count(&tools, &crew), 1);
}

#[test]
fn an_added_entry_has_the_user_attributes_it_was_given_and_no_more() {
    let server = administered();
    let dn = format!("cn=x,{PEOPLE}");
    changed(
        &server,
        &format!(
            "dn: {dn}\nchangetype: add\nobjectClass: person\nobjectClass: top\ncn: x\nsn: x\n"
        ),
    );
    for list in [&[][..], &["*"]] {
        let entry = sample::alice(&server).read(&dn, list).unwrap();
        let names: Vec<&str> = entry.attributes.keys().map(String::as_str).collect();
        assert_eq!(names, ["cn", "objectclass", "sn"], "{list:?}");
    }
}
