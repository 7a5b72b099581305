//! Clients that follow the content of a search: synchronisation, persistent search, Cancel.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use adduct::server::config::LimitsConfig;
use common::ldap::{Found, Raw, Tools, bind_request, extended_request, message, outline, tlv};
use common::live::{Live, TOP, group, person, unit};
use common::sample::{self, BASE};
use common::server::Site;
use serde_json::Value;

const SEARCH_ENTRY: u8 = 0x64;
const SEARCH_DONE: u8 = 0x65;
const EXTENDED_RESPONSE: u8 = 0x78;
const INTERMEDIATE: u8 = 0x79;
const BIND_RESPONSE: u8 = 0x61;

/// How long a consumer may take to have what the server has.
const LIMIT: Duration = Duration::from_secs(20);

/// python-ldap's consumer as a process.
struct Consumer {
    process: Child,
    requests: ChildStdin,
    lines: mpsc::Receiver<String>,
    /// The last complete copy.
    last: Copy,
}

impl Consumer {
    fn start(url: &str, base: &str, filter: &str, mode: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/common/syncrepl.py");
        let mut process = Command::new("/usr/bin/python3")
            .arg(script)
            .args([url, base, filter, mode])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = mpsc::channel();
        let output = BufReader::new(process.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self {
            requests: process.stdin.take().unwrap(),
            lines,
            last: Copy::new(),
            process,
        }
    }

    fn go_on(&mut self, url: &str) {
        writeln!(self.requests, "{url}").unwrap();
    }

    /// The next complete copy, or `None` at the end.
    fn copy(&mut self) -> Option<Value> {
        let line = self.lines.recv_timeout(LIMIT).expect("a line");
        let value: Value = serde_json::from_str(&line).unwrap();
        if !value.is_object() {
            return None;
        }
        self.last = content_of(&value);
        Some(value)
    }

    /// Reads copies until one is what the server has.
    fn wait_for(&mut self, wanted: &Copy) {
        while self.last != *wanted {
            let copy = self.lines.recv_timeout(LIMIT);
            let copy = copy.map(|line| serde_json::from_str::<Value>(&line).unwrap());
            match copy {
                Ok(copy) if copy.is_object() => self.last = content_of(&copy),
                other => panic!("{other:?}: {:#?}\nis not\n{wanted:#?}", self.last),
            }
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Attributes by DN.
type Copy = BTreeMap<String, BTreeMap<String, Vec<String>>>;

fn content_of(copy: &Value) -> Copy {
    let entries = copy["entries"].as_object().unwrap().values();
    entries
        .map(|entry| serde_json::from_value(entry.clone()).unwrap())
        .collect()
}

fn content(tools: &Tools, base: &str, filter: &str) -> Copy {
    // A search below nothing finds nothing.
    let found = match tools.read(base, &["1.1"]) {
        Some(_) => tools.search(base, filter, &["*", "memberOf"]),
        None => Vec::new(),
    };
    let texts = |found: &Found, name: &String| {
        let mut texts = found.texts(name);
        texts.sort();
        texts
    };
    found
        .iter()
        .map(|found| {
            let attributes = found.attributes.keys();
            let attributes = attributes.map(|name| (name.clone(), texts(found, name)));
            (found.dn.clone(), attributes.collect())
        })
        .collect()
}

fn live() -> Live {
    Live::start(
        LimitsConfig::default(),
        [
            unit(2, 1, "people"),
            unit(3, 1, "others"),
            person(10, 2, "ann", "first"),
            person(11, 2, "bob", "first"),
            group(30, 1, "staff", &[10]),
        ],
    )
}

#[test]
fn an_independent_consumer_has_what_the_server_has() {
    let live = live();
    let mut all = Consumer::start(&live.url(), TOP, "(objectClass=*)", "refreshAndPersist");
    let filter = "(memberOf=cn=staff,dc=example,dc=org)";
    let people = "ou=people,dc=example,dc=org";
    let mut staff = Consumer::start(&live.url(), people, filter, "refreshAndPersist");
    let tools = live.tools();
    all.wait_for(&content(&tools, TOP, "(objectClass=*)"));
    staff.wait_for(&content(&tools, people, filter));
    let changes: [&dyn Fn(); 9] = [
        &|| live.change([person(12, 2, "cleo", "new")], &[]),
        &|| live.change([person(10, 2, "ann", "second")], &[]),
        &|| live.change([group(30, 1, "staff", &[10, 11, 12])], &[]),
        &|| live.change([unit(2, 1, "folk")], &[]),
        &|| live.change([unit(2, 1, "people")], &[]),
        &|| live.change([person(11, 3, "bob", "moved")], &[]),
        &|| live.change([], &[12]),
        &|| {
            live.change(
                (100..1300).map(|n| person(n, 2, &format!("p{n}"), "many")),
                &[],
            )
        },
        &|| {
            let members: Vec<u32> = (100..1300).collect();
            live.change([group(30, 1, "staff", &members)], &[10]);
        },
    ];
    for change in changes {
        change();
        all.wait_for(&content(&tools, TOP, "(objectClass=*)"));
        staff.wait_for(&content(&tools, people, filter));
    }
}

#[test]
fn a_cookie_outlives_a_restart() {
    let site = sample::site("[access]\nanonymous = \"read\"\n");
    let server = site.start();
    let mut poller = Consumer::start(&server.ldap_url(), BASE, "(objectClass=*)", "refreshOnly");
    let first = poller.copy().unwrap();
    assert_eq!(first["told"], 7);
    assert!(poller.copy().is_none());
    let site: Site = server.term();
    let changed = sample::LDIF.replace("alice@example.org", "changed@example.org");
    std::fs::write(site.path("changed.ldif"), changed).unwrap();
    let file = site.path("changed.ldif");
    site.run_ok(&["import", file.to_str().unwrap(), "--replace"]);
    let server = site.start();
    let tools = Tools::to(&server.ldap_url(), &server.site().ca_file());
    poller.go_on(&server.ldap_url());
    let second = poller.copy().unwrap();
    assert_eq!(
        content_of(&second),
        content(&tools, BASE, "(objectClass=*)")
    );
    let mail = &content_of(&second)["uid=alice,ou=people,dc=example,dc=org"]["mail"];
    assert_eq!(mail, &["changed@example.org"]);
    assert!(poller.copy().is_none());
    // Nothing happened since.
    poller.go_on(&server.ldap_url());
    assert_eq!(poller.copy().unwrap()["told"], 0);
}

#[test]
fn openldaps_tools_understand_what_they_get() {
    let live = live();
    let poll = |cookie: &str| {
        let sync = format!("!sync=ro{cookie}");
        let arguments = ["-b", TOP, "-E", &sync, "(objectClass=person)", "cn"];
        let output = live.tools().run("ldapsearch", &arguments);
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let first = poll("");
    assert!(first.contains("SyncState control, UUID"), "{first}");
    assert_eq!(first.matches(" added").count(), 2, "{first}");
    let cookie = first
        .lines()
        .find_map(|line| line.strip_prefix("# cookie: "));
    let cookie = cookie.expect(&first);
    live.change([person(10, 2, "ann", "second")], &[11]);
    let second = poll(&format!("/{cookie}"));
    assert!(second.contains("dn: cn=ann"), "{second}");
    assert!(!second.contains("dn: cn=bob"), "{second}");
    assert!(second.contains("refreshDeletes=1"), "{second}");
    let third = poll("/unknown");
    assert!(third.contains("result: 4096"), "{third}");
}

/// A search with one control.
fn search_with(id: u8, filter: &[u8], oid: &str, value: &[u8]) -> Vec<u8> {
    let parts = [
        tlv(0x04, TOP.as_bytes()),
        tlv(0x0a, &[2]),
        tlv(0x0a, &[0]),
        tlv(0x02, &[0]),
        tlv(0x02, &[0]),
        tlv(0x01, &[0]),
        filter.to_vec(),
        tlv(0x30, &[]),
    ];
    let control = [
        tlv(0x04, oid.as_bytes()),
        tlv(0x01, &[0xff]),
        tlv(0x04, &tlv(0x30, value)),
    ];
    let controls = tlv(0xa0, &tlv(0x30, &control.concat()));
    let operation = [tlv(0x63, &parts.concat()), controls].concat();
    message(id, &operation)
}

/// Changes alone of all kinds.
fn persistent(id: u8) -> Vec<u8> {
    let value = [tlv(2, &[15]), tlv(1, &[0xff]), tlv(1, &[0xff])].concat();
    let filter = tlv(0x87, b"description");
    search_with(id, &filter, "2.16.840.1.113730.3.4.3", &value)
}

fn refresh_and_persist(id: u8) -> Vec<u8> {
    let filter = tlv(0x87, b"description");
    search_with(id, &filter, "1.3.6.1.4.1.4203.1.9.1.1", &tlv(10, &[3]))
}

fn cancel(id: u8, target: u8) -> Vec<u8> {
    let value = tlv(0x30, &tlv(2, &[target]));
    let parts = [tlv(0x80, b"1.3.6.1.1.8"), tlv(0x81, &value)];
    message(id, &tlv(0x77, &parts.concat()))
}

fn told(raw: &mut Raw) -> (u8, u8, Option<u8>) {
    outline(&raw.receive().expect("an answer"))
}

/// An answered request shows that all before it was taken.
fn round_trip(raw: &mut Raw, id: u8) {
    raw.send(&message(id, &extended_request("1.3.6.1.4.1.4203.1.11.3")));
    assert_eq!(told(raw), (id, EXTENDED_RESPONSE, Some(0)));
}

#[test]
fn a_canceled_search_is_answered_and_tells_nothing_more() {
    let live = live();
    let mut raw = Raw::connect(live.address);
    raw.send(&persistent(3));
    raw.send(&persistent(4));
    raw.send(&persistent(5));
    raw.send(&cancel(6, 3));
    assert_eq!(told(&mut raw), (3, SEARCH_DONE, Some(118)));
    assert_eq!(told(&mut raw), (6, EXTENDED_RESPONSE, Some(0)));
    raw.send(&cancel(7, 3));
    assert_eq!(told(&mut raw), (7, EXTENDED_RESPONSE, Some(119)));
    raw.send(&cancel(8, 8));
    assert_eq!(told(&mut raw), (8, EXTENDED_RESPONSE, Some(121)));
    raw.send(&message(9, &tlv(0x77, &tlv(0x80, b"1.3.6.1.1.8"))));
    assert_eq!(told(&mut raw), (9, EXTENDED_RESPONSE, Some(2)));
    // Abandon 5.
    raw.send(&message(10, &tlv(0x50, &[5])));
    round_trip(&mut raw, 11);
    live.change([person(10, 2, "ann", "second")], &[]);
    assert_eq!(told(&mut raw).0, 4);
    round_trip(&mut raw, 12);
    let root = live.tools().read("", &["supportedExtension"]).unwrap();
    assert!(
        root.texts("supportedExtension")
            .contains(&"1.3.6.1.1.8".to_owned())
    );
}

#[test]
fn a_bind_ends_what_goes_on_and_starttls_waits_for_it() {
    let live = live();
    let mut raw = Raw::connect(live.address);
    raw.send(&persistent(2));
    raw.send(&message(3, &extended_request("1.3.6.1.4.1.1466.20037")));
    assert_eq!(told(&mut raw), (3, EXTENDED_RESPONSE, Some(1)));
    raw.send(&message(4, &bind_request("", "")));
    assert_eq!(told(&mut raw), (4, BIND_RESPONSE, Some(0)));
    live.change([person(10, 2, "ann", "second")], &[]);
    round_trip(&mut raw, 5);
}

#[test]
fn searches_that_do_not_end_leave_room_for_an_abandon() {
    let limits = LimitsConfig {
        max_outstanding: 3,
        ..LimitsConfig::default()
    };
    let live = Live::start(limits, [person(10, 1, "ann", "first")]);
    let mut raw = Raw::connect(live.address);
    for id in 2..5 {
        raw.send(&persistent(id));
    }
    // 11 is adminLimitExceeded.
    assert_eq!(told(&mut raw), (4, SEARCH_DONE, Some(11)));
    raw.send(&message(5, &tlv(0x50, &[2])));
    raw.send(&persistent(6));
    round_trip(&mut raw, 7);
    live.change([person(10, 1, "ann", "second")], &[]);
    let mut ids = [told(&mut raw).0, told(&mut raw).0];
    ids.sort_unstable();
    assert_eq!(ids, [3, 6]);
}

#[test]
fn a_listener_is_neither_idle_nor_in_the_way_of_a_shutdown() {
    let limits = LimitsConfig {
        idle_timeout: Duration::from_millis(50),
        time_limit: Duration::from_millis(50),
        ..LimitsConfig::default()
    };
    let live = Live::start(limits, [person(10, 1, "ann", "first")]);
    let mut listener = Raw::connect(live.address);
    listener.send(&refresh_and_persist(2));
    assert_eq!(told(&mut listener).1, SEARCH_ENTRY);
    assert_eq!(told(&mut listener).1, INTERMEDIATE);
    // Another connection is idle for as long.
    let mut idle = Raw::connect(live.address);
    assert_eq!(told(&mut idle), (0, EXTENDED_RESPONSE, Some(11)));
    live.change([person(10, 1, "ann", "second")], &[]);
    assert_eq!(told(&mut listener).1, SEARCH_ENTRY);
    assert_eq!(told(&mut listener).1, INTERMEDIATE);
    live.shut_down();
    // 52 is unavailable.
    assert_eq!(told(&mut listener), (0, EXTENDED_RESPONSE, Some(52)));
    assert_eq!(listener.receive(), None);
}

#[test]
fn a_listener_that_does_not_read_is_told_the_last_state_and_not_every_one() {
    const CHANGES: usize = 400;
    let live = Live::start(LimitsConfig::default(), [unit(2, 1, "people")]);
    let mut listener = Raw::connect(live.address);
    listener.send(&refresh_and_persist(2));
    assert_eq!(told(&mut listener).1, INTERMEDIATE);
    let long = "x".repeat(100_000);
    for number in 0..CHANGES {
        live.change([person(10, 2, "ann", &format!("{number} {long}"))], &[]);
    }
    let last = format!("{} x", CHANGES - 1);
    let mut entries = 0;
    loop {
        let message = listener.receive().expect("the search goes on");
        if outline(&message).1 == SEARCH_ENTRY {
            entries += 1;
            if message
                .windows(last.len())
                .any(|part| part == last.as_bytes())
            {
                break;
            }
        }
    }
    assert!(entries < CHANGES, "{entries}");
    assert_eq!(told(&mut listener).1, INTERMEDIATE);
    round_trip(&mut listener, 9);
}

#[test]
fn pages_and_changes_exclude_each_other() {
    let live = live();
    let arguments = ["-b", TOP, "-E", "sync=ro", "-E", "pr=10/noprompt"];
    let output = live.tools().run("ldapsearch", &arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // 53 is unwillingToPerform.
    assert!(text.contains("result: 53"), "{text}");
}
