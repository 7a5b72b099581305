//! Peers that are many, slow, rude or gone, and what they must not do to others.
//!
//! Memory and correctness are asserted; times are printed, since they say as much about the
//! machine as about the server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::{
    fmt::Write as _,
    io::{BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    process::Command,
    time::{Duration, Instant},
};

use common::{
    eventually,
    ldap::{Raw, bind_request, extended_request, search_request, tlv},
    percentiles, report,
    sample::{self, ALICE, BASE},
    server::{Adduct, Site},
    wire::{self, Answer, BIND_RESPONSE, DONE, ENTRY, EXTENDED_RESPONSE, request, search},
};

const OPEN: &str = "[access]\nanonymous = \"read\"\n";
/// Entries of the large directory, those above them not counted.
const PEOPLE: usize = 6_000;
const MIB: u64 = 1024 * 1024;

/// A server with several thousand entries that everybody may read.
fn large_server(more: &str) -> Adduct {
    let site = Site::new(|_| format!("{OPEN}{more}"));
    let mut ldif = format!(
        "dn: {BASE}\nobjectClass: domain\ndc: example\n\n\
         dn: ou=people,{BASE}\nobjectClass: organizationalUnit\nou: people\n\n"
    );
    for number in 0..PEOPLE {
        writeln!(
            ldif,
            "dn: uid=user{number},ou=people,{BASE}\nobjectClass: inetOrgPerson\nuid: user{number}\n\
             cn: User Number {number}\nsn: Number {number}\nmail: user{number}@example.org\n\
             description: {}\n",
            "somebody ".repeat(20)
        )
        .unwrap();
    }
    let file = site.path("large.ldif");
    std::fs::write(&file, ldif).unwrap();
    site.run_ok(&["import", file.to_str().unwrap()]);
    site.start()
}

/// One user by an indexed attribute.
fn one_user(number: usize) -> Vec<u8> {
    let value = format!("user{number}");
    let filter = tlv(0xa3, &[tlv(4, b"uid"), tlv(4, value.as_bytes())].concat());
    search(BASE.as_bytes(), 2, &filter, &[])
}

/// Asks for one entry and gives the time until its end.
fn ask(raw: &mut Raw, number: usize) -> Duration {
    let begin = Instant::now();
    raw.send(&request(3, &one_user(number % PEOPLE)));
    assert_eq!(wire::next(raw).expect("an entry").tag, ENTRY);
    assert_eq!(wire::last(raw).outline(), (3, DONE, Some(0)));
    begin.elapsed()
}

/// Octets of a process in memory, or the most there were (`VmRSS`, `VmHWM`).
fn memory(server: &Adduct, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

fn open_files(server: &Adduct) -> usize {
    let files = std::fs::read_dir(format!("/proc/{}/fd", server.pid()));
    files.unwrap().count()
}

/// One number of the metrics.
fn metric(server: &Adduct, name: &str) -> u64 {
    let (_, text) = server.http("/metrics");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
}

fn until_connections_are(server: &Adduct, expected: u64) {
    eventually("connections end", Duration::from_secs(30), || {
        (metric(server, "adduct_connections") == expected).then_some(())
    });
}

fn worst(times: &[Duration]) -> Duration {
    times.iter().max().copied().unwrap_or_default()
}

#[test]
fn two_thousand_connections_at_once() {
    const CONNECTIONS: usize = 2_000;
    adduct::server::descriptors::raise_limit().unwrap();
    let server = sample::server(OPEN);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap();
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let files: Vec<&str> = files.unwrap().split_whitespace().collect();
    assert_eq!(files[3], files[4], "the soft limit is not raised");

    let address = server.address("ldap");
    let before = memory(&server, "VmRSS");
    let begin = Instant::now();
    let mut clients: Vec<Raw> = (0..CONNECTIONS).map(|_| Raw::connect(address)).collect();
    let connected = begin.elapsed();
    for raw in &mut clients {
        raw.send(&request(1, &search_request("", 0)));
    }
    for raw in &mut clients {
        assert_eq!(wire::last(raw).outline(), (1, DONE, Some(0)));
    }
    let answered = begin.elapsed();
    assert_eq!(metric(&server, "adduct_connections"), CONNECTIONS as u64);
    let grown = memory(&server, "VmRSS").saturating_sub(before);
    assert!(
        grown < 128 * MIB,
        "{} KiB for each connection",
        grown / 1024 / 2000
    );
    // They are all still served.
    for raw in clients.iter_mut().rev() {
        raw.send(&request(2, &search_request(BASE, 0)));
        assert_eq!(wire::last(raw).outline(), (2, DONE, Some(0)));
    }
    report(&format!(
        "{CONNECTIONS} connections: connected after {connected:?}, all answered after \
         {answered:?}, {} KiB each",
        grown / 1024 / CONNECTIONS as u64
    ));
    drop(clients);
    until_connections_are(&server, 0);
}

#[test]
fn clients_that_never_read_slow_nobody_down_and_take_no_memory() {
    const CLIENTS: usize = 40;
    let server = large_server("[limits]\nwrite_timeout = \"5m\"\n");
    let address = server.address("ldap");
    let mut good = Raw::connect(address);
    let alone: Vec<Duration> = (0..1_000).map(|number| ask(&mut good, number)).collect();
    let before = memory(&server, "VmRSS");

    let searches: Vec<u8> = (1..=200)
        .flat_map(|id| request(id, &search_request(BASE, 2)))
        .collect();
    let deaf: Vec<Raw> = (0..CLIENTS)
        .map(|_| {
            let mut raw = Raw::connect(address);
            raw.send(&searches);
            raw
        })
        .collect();
    // Until what the kernel holds for them is full and nothing moves any more.
    let mut filling = Vec::new();
    let mut sent = 0;
    let begin = Instant::now();
    loop {
        filling.extend((0..500).map(|number| ask(&mut good, number)));
        // Our own answers are far below this.
        let now = metric(&server, "adduct_sent_bytes_total");
        if now < sent + 2 * MIB {
            break;
        }
        sent = now;
        assert!(begin.elapsed() < Duration::from_secs(120), "it never ends");
    }
    let stuck: Vec<Duration> = (0..1_000).map(|number| ask(&mut good, number)).collect();
    let grown = memory(&server, "VmHWM").saturating_sub(before);
    report(&format!(
        "{CLIENTS} clients that never read: worst latency of another {:?} while their buffers \
         fill and {:?} after, {:?} without them; {} MiB more at most",
        worst(&filling),
        worst(&stuck),
        worst(&alone),
        grown / MIB
    ));
    report(&format!("    without them: {}", percentiles(alone)));
    report(&format!("    filling:      {}", percentiles(filling)));
    report(&format!("    stuck:        {}", percentiles(stuck)));
    assert!(grown < 64 * MIB, "{} MiB", grown / MIB);
    assert_eq!(metric(&server, "adduct_connections"), 1 + CLIENTS as u64);
    drop(deaf);
    until_connections_are(&server, 1);
}

#[test]
fn a_client_that_never_reads_is_given_up() {
    let server = large_server("[limits]\nwrite_timeout = \"1s\"\n");
    let mut deaf = Raw::connect(server.address("ldap"));
    let searches: Vec<u8> = (1..=50)
        .flat_map(|id| request(id, &search_request(BASE, 2)))
        .collect();
    deaf.send(&searches);
    eventually("it is heard", Duration::from_secs(10), || {
        (metric(&server, "adduct_connections") == 1).then_some(())
    });
    until_connections_are(&server, 0);
}

#[test]
fn connections_are_reset_in_mid_search() {
    let server = large_server("");
    let address = server.address("ldap");
    let before = memory(&server, "VmRSS");
    for round in 0..200u32 {
        let mut raw = Raw::connect(address);
        for id in 1..=4 {
            raw.send(&request(id, &search_request(BASE, 2)));
        }
        if round % 2 == 0 {
            wire::next(&mut raw).expect("an entry");
        }
        // Closing with octets unread resets the connection.
        drop(raw);
    }
    let mut good = Raw::connect(address);
    ask(&mut good, 1);
    until_connections_are(&server, 1);
    let grown = memory(&server, "VmRSS").saturating_sub(before);
    assert!(grown < 64 * MIB, "{} MiB", grown / MIB);
}

#[test]
fn a_client_that_has_said_everything_still_gets_its_answers() {
    const SEARCHES: u32 = 20;
    let server = large_server("");
    let mut raw = Raw::connect(server.address("ldap"));
    let searches: Vec<u8> = (1..=SEARCHES)
        .flat_map(|id| request(id, &search_request(BASE, 2)))
        .collect();
    // The last one is cut short.
    raw.send(&[&searches[..], &[0x30, 9, 2]].concat());
    raw.stream().shutdown(Shutdown::Write).unwrap();
    let mut entries = vec![0; SEARCHES as usize + 1];
    let mut ended = Vec::new();
    while let Some(answer) = wire::next(&mut raw) {
        match answer.outline() {
            (id, ENTRY, None) => entries[id as usize] += 1,
            (id, DONE, Some(0)) => ended.push(id),
            other => panic!("{other:?}"),
        }
    }
    ended.sort_unstable();
    assert_eq!(ended, (1..=SEARCHES).collect::<Vec<_>>());
    assert!(entries[1..].iter().all(|count| *count == PEOPLE + 2));
}

#[test]
fn an_id_under_way_is_not_taken_twice_and_can_be_abandoned() {
    let server = large_server("");
    let mut raw = Raw::connect(server.address("ldap"));
    let whole = search_request(BASE, 2);
    let finals = |raw: &mut Raw, sent: &[Vec<u8>], count: usize| -> Vec<(u32, u8, Option<u32>)> {
        raw.send(&sent.concat());
        let mut finals: Vec<_> = (0..count).map(|_| wire::last(raw).outline()).collect();
        finals.sort_unstable();
        finals
    };
    // protocolError for the second, and every entry of the first.
    let sent = [request(5, &whole), request(5, &search_request(BASE, 0))];
    assert_eq!(
        finals(&mut raw, &sent, 2),
        [(5, DONE, Some(0)), (5, DONE, Some(2))]
    );
    // Its number is free again.
    let sent = [request(5, &search_request(BASE, 0))];
    assert_eq!(finals(&mut raw, &sent, 1), [(5, DONE, Some(0))]);
    // An abandoned search gets no result; an abandon under a critical control is none.
    let critical = tlv(
        0xa0,
        &tlv(0x30, &[tlv(4, b"1.2.3"), tlv(1, &[0xff])].concat()),
    );
    let sent = [
        request(6, &whole),
        request(7, &tlv(0x50, &[6])),
        request(8, &whole),
        request(9, &[tlv(0x50, &[8]), critical].concat()),
    ];
    assert_eq!(finals(&mut raw, &sent, 1), [(8, DONE, Some(0))]);
    // StartTLS has to wait for what is under way: operationsError.
    let sent = [
        request(10, &whole),
        request(11, &extended_request("1.3.6.1.4.1.1466.20037")),
    ];
    let expected = [(10, DONE, Some(0)), (11, EXTENDED_RESPONSE, Some(1))];
    assert_eq!(finals(&mut raw, &sent, 2), expected);
    // A bind waits for what is under way, also one that takes over its number.
    raw.send(&[request(12, &whole), request(12, &bind_request("", ""))].concat());
    assert_eq!(wire::last(&mut raw).outline(), (12, DONE, Some(0)));
    assert_eq!(wire::last(&mut raw).outline(), (12, BIND_RESPONSE, Some(0)));
}

#[test]
fn a_hundred_thousand_requests_on_one_connection() {
    const REQUESTS: u32 = 100_000;
    let server = sample::server(OPEN);
    let before = memory(&server, "VmRSS");
    let raw = Raw::connect(server.address("ldap"));
    let mut writer = raw.stream().try_clone().unwrap();
    let mut reader = BufReader::with_capacity(1 << 16, raw.stream().try_clone().unwrap());
    let begin = Instant::now();
    let sending = std::thread::spawn(move || {
        let operation = search(ALICE.as_bytes(), 0, &tlv(0x87, b"objectClass"), &[b"1.1"]);
        for first in (1..=REQUESTS).step_by(100) {
            let octets: Vec<u8> = (first..first + 100)
                .flat_map(|id| request(id, &operation))
                .collect();
            writer.write_all(&octets).unwrap();
        }
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut entries = vec![0u8; REQUESTS as usize + 1];
    let mut results = entries.clone();
    while let Some(answer) = read_answer(&mut reader) {
        match answer.outline() {
            (id, ENTRY, None) => entries[id as usize] += 1,
            (id, DONE, Some(0)) => results[id as usize] += 1,
            other => panic!("{other:?}"),
        }
    }
    sending.join().unwrap();
    assert!(
        entries[1..]
            .iter()
            .chain(&results[1..])
            .all(|count| *count == 1)
    );
    let grown = memory(&server, "VmHWM").saturating_sub(before);
    report(&format!(
        "{REQUESTS} requests on one connection: {:?}, {} MiB more",
        begin.elapsed(),
        grown / MIB
    ));
    assert!(grown < 32 * MIB);
}

/// One answer of at most 127 octets from a buffered stream.
fn read_answer(reader: &mut impl Read) -> Option<Answer> {
    let mut head = [0; 2];
    reader.read_exact(&mut head).ok()?;
    assert!(head[1] < 0x80);
    let mut message = head.to_vec();
    message.resize(2 + usize::from(head[1]), 0);
    reader.read_exact(&mut message[2..]).unwrap();
    Some(Answer::parse(&message))
}

#[test]
fn slow_senders_are_answered_in_the_end() {
    let server = sample::server(OPEN);
    let octets = request(4, &search_request(BASE, 0));
    let mut slow: Vec<Raw> = (0..100)
        .map(|_| Raw::connect(server.address("ldap")))
        .collect();
    let mut good = Raw::connect(server.address("ldap"));
    for octet in &octets {
        for raw in &mut slow {
            raw.send(std::slice::from_ref(octet));
        }
        good.send(&octets);
        assert_eq!(wire::last(&mut good).outline(), (4, DONE, Some(0)));
    }
    for raw in &mut slow {
        assert_eq!(wire::last(raw).outline(), (4, DONE, Some(0)));
    }
}

#[test]
fn stalled_handshakes_keep_nobody_out() {
    let server = sample::server("[limits]\nhandshake_timeout = \"2s\"\n");
    let address = server.address("ldaps");
    // The beginning of a ClientHello in a record of 256 octets, and nothing at all.
    let hello = [0x16, 3, 1, 1, 0, 1, 0, 0, 0xfc, 3, 3];
    let mut stalled: Vec<Raw> = (0..200).map(|_| Raw::connect(address)).collect();
    for raw in stalled.iter_mut().step_by(2) {
        raw.send(&hello);
    }
    let begin = Instant::now();
    assert!(sample::alice(&server).whoami().contains("alice"));
    report(&format!(
        "a bind over TLS beside 200 stalled handshakes: {:?}",
        begin.elapsed()
    ));
    for raw in &mut stalled {
        let mut octets = Vec::new();
        let _ = raw.stream().read_to_end(&mut octets);
        // Nothing, or a TLS alert.
        assert!(
            octets.first().is_none_or(|octet| *octet == 0x15),
            "{octets:02x?}"
        );
    }
    until_connections_are(&server, 0);
}

#[test]
fn connections_that_come_and_go_leave_nothing_behind() {
    let server = sample::server(OPEN);
    let address = server.address("ldap");
    let mut come = 0;
    let mut come_and_go = |count: usize| {
        for number in 0..count {
            let mut stream = TcpStream::connect(address).unwrap();
            match number % 4 {
                0 => {}
                1 => stream.write_all(&[0x30, 0x20, 2]).unwrap(),
                2 => stream
                    .write_all(&request(1, &search_request(BASE, 2)))
                    .unwrap(),
                _ => stream
                    .write_all(&[0x30, 0x84, 0x7f, 0xff, 0xff, 0xff])
                    .unwrap(),
            }
        }
        come += count as u64;
        // Some may not have had their turn yet.
        eventually("all are accepted", Duration::from_secs(30), || {
            (metric(&server, "adduct_connections_total") == come).then_some(())
        });
        until_connections_are(&server, 0);
    };
    come_and_go(500);
    let (files, before) = (open_files(&server), memory(&server, "VmRSS"));
    let begin = Instant::now();
    come_and_go(5_000);
    let grown = memory(&server, "VmRSS").saturating_sub(before);
    report(&format!(
        "5000 connections opened and dropped: {:?}, {} KiB more",
        begin.elapsed(),
        grown / 1024
    ));
    assert!(grown < 32 * MIB, "{} MiB", grown / MIB);
    // One for the metrics that were just asked for may still be there.
    assert!(open_files(&server) <= files + 2);
}

#[test]
fn a_lack_of_open_files_passes() {
    let mut server = sample::server(OPEN);
    let limit = open_files(&server) + 20;
    let mut prlimit = Command::new("prlimit");
    prlimit.args([
        "--pid",
        &server.pid().to_string(),
        &format!("--nofile={limit}"),
    ]);
    assert!(prlimit.status().unwrap().success());
    let address = server.address("ldap");
    let mut clients: Vec<Raw> = (0..60).map(|_| Raw::connect(address)).collect();
    server.wait_for_log("failure to accept", Duration::from_secs(10), |line| {
        let message = line["fields"]["message"].as_str()?;
        message.contains("cannot accept connections").then_some(())
    });
    // Those that were accepted are served, and the others when there is room.
    for mut raw in clients.drain(..) {
        raw.send(&request(1, &search_request(BASE, 0)));
        assert_eq!(wire::last(&mut raw).outline(), (1, DONE, Some(0)));
    }
    assert!(
        server.logged("cannot accept connections: is the limit of open files too low?") < 10,
        "the log is flooded"
    );
}

#[test]
fn connections_beyond_the_limit_wait_for_a_place() {
    let server = sample::server(&format!("{OPEN}[limits]\nmax_connections = 2\n"));
    let address = server.address("ldap");
    let answers = |address: SocketAddr| {
        let mut raw = Raw::connect(address);
        raw.send(&request(1, &search_request("", 0)));
        raw
    };
    let mut first = answers(address);
    let mut second = answers(address);
    for raw in [&mut first, &mut second] {
        assert_eq!(wire::last(raw).outline(), (1, DONE, Some(0)));
    }
    let mut waiting: Vec<Raw> = (0..3).map(|_| answers(address)).collect();
    assert_eq!(metric(&server, "adduct_connections"), 2);
    drop(first);
    for mut raw in waiting.drain(..) {
        assert_eq!(wire::last(&mut raw).outline(), (1, DONE, Some(0)));
    }
    // One place is enough for both listeners.
    drop(second);
    assert!(sample::alice(&server).whoami().contains("alice"));
}
