//! Pages (RFC 2696), sorting (RFC 2891) and virtual list views, octet by octet and with OpenLDAP's
//! client. That asks people for its next window, so that windows are octets only.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use common::ldap::{Raw, Tools, bind_request, message, outline, tlv};
use common::sample::PASSWORD;
use common::server::{Adduct, Site};

const BASE: &str = "dc=example,dc=org";
const PEOPLE: usize = 20;
const READER: &str = "uid=u00,dc=example,dc=org";

const PAGED: &str = "1.2.840.113556.1.4.319";
const SORT: &str = "1.2.840.113556.1.4.473";
const SORT_RESPONSE: &str = "1.2.840.113556.1.4.474";
const VLV: &str = "2.16.840.1.113730.3.4.9";
const VLV_RESPONSE: &str = "2.16.840.1.113730.3.4.10";
const ASSERTION: &str = "1.3.6.1.1.12";

/// Twenty people: u00 to u19, whose uidNumbers fall, whose sn is one of three in turn, of whom
/// every fourth has a title.
fn ldif() -> String {
    let mut text = format!("version: 1\n\ndn: {BASE}\nobjectClass: domain\ndc: example\n\n");
    for number in 0..PEOPLE {
        text += &format!(
            "dn: uid=u{number:02},{BASE}\nobjectClass: inetOrgPerson\nobjectClass: posixAccount\n\
             uid: u{number:02}\ncn: Person {number}\nsn: {}\nuidNumber: {}\ngidNumber: 1\n\
             homeDirectory: /\nuserPassword: {PASSWORD}\n",
            ["ash", "Birch", "cedar"][number % 3],
            1000 - 10 * number,
        );
        if number % 4 == 0 {
            text += &format!("title: T{number}\n");
        }
        text.push('\n');
    }
    text
}

fn server(more: &str) -> Adduct {
    let more = format!(
        "[access]\nanonymous = \"read\"\nadministrators = [\"{READER}\"]\n\
         [auth]\ninsecure_plaintext_bind = true\n{more}"
    );
    let site = Site::new(|_| more);
    let file = site.path("people.ldif");
    std::fs::write(&file, ldif()).unwrap();
    site.run_ok(&["import", file.to_str().unwrap()]);
    site.start()
}

/// What a search says.
#[derive(Clone)]
struct Search<'a> {
    base: &'a str,
    scope: u8,
    size_limit: u8,
    filter: &'a str,
    attributes: &'a [&'a str],
    controls: Vec<Vec<u8>>,
}

impl Default for Search<'_> {
    fn default() -> Self {
        Self {
            base: BASE,
            scope: 2,
            size_limit: 0,
            filter: "uid",
            attributes: &["uid"],
            controls: Vec::new(),
        }
    }
}

impl Search<'_> {
    fn with(&self, controls: &[Vec<u8>]) -> Self {
        let mut controls = controls.to_vec();
        controls.splice(0..0, self.controls.iter().cloned());
        Self {
            controls,
            ..self.clone()
        }
    }

    fn encode(&self, id: u8) -> Vec<u8> {
        let list: Vec<u8> = self
            .attributes
            .iter()
            .flat_map(|name| tlv(4, name.as_bytes()))
            .collect();
        let operation = [
            tlv(0x04, self.base.as_bytes()),
            tlv(0x0a, &[self.scope]),
            tlv(0x0a, &[0]),
            tlv(0x02, &[self.size_limit]),
            tlv(0x02, &[0]),
            tlv(0x01, &[0]),
            tlv(0x87, self.filter.as_bytes()),
            tlv(0x30, &list),
        ];
        let mut parts = tlv(0x63, &operation.concat());
        if !self.controls.is_empty() {
            parts.extend(tlv(0xa0, &self.controls.concat()));
        }
        message(id, &parts)
    }
}

fn control(oid: &str, critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical {
        tlv(1, &[0xff])
    } else {
        Vec::new()
    };
    tlv(
        0x30,
        &[tlv(4, oid.as_bytes()), critical, tlv(4, value)].concat(),
    )
}

fn paged(size: u8, cookie: &[u8]) -> Vec<u8> {
    let value = tlv(0x30, &[tlv(2, &[size]), tlv(4, cookie)].concat());
    control(PAGED, true, &value)
}

/// Keys as `-attribute:rule`.
fn sort(critical: bool, keys: &[&str]) -> Vec<u8> {
    let keys = keys.iter().flat_map(|key| {
        let (name, reverse) = match key.strip_prefix('-') {
            Some(name) => (name, tlv(0x81, &[0xff])),
            None => (*key, Vec::new()),
        };
        let (name, rule) = match name.split_once(':') {
            Some((name, rule)) => (name, tlv(0x80, rule.as_bytes())),
            None => (name, Vec::new()),
        };
        tlv(0x30, &[tlv(4, name.as_bytes()), rule, reverse].concat())
    });
    control(SORT, critical, &tlv(0x30, &keys.collect::<Vec<u8>>()))
}

fn vlv(before: u8, after: u8, target: &[u8], context: &[u8]) -> Vec<u8> {
    let value = [
        tlv(2, &[before]),
        tlv(2, &[after]),
        target.to_vec(),
        context.to_vec(),
    ];
    control(VLV, true, &tlv(0x30, &value.concat()))
}

fn offset(offset: u8, count: u8) -> Vec<u8> {
    tlv(0xa0, &[tlv(2, &[offset]), tlv(2, &[count])].concat())
}

/// One element: its tag, its contents, and what follows.
fn element(octets: &[u8]) -> (u8, &[u8], &[u8]) {
    let (start, length) = match octets[1] {
        short @ 0..0x80 => (2, usize::from(short)),
        long => {
            let count = usize::from(long - 0x80);
            let fold = |sum, octet: &u8| sum << 8 | usize::from(*octet);
            (2 + count, octets[2..2 + count].iter().fold(0, fold))
        }
    };
    let (element, rest) = octets.split_at(start + length);
    (element[0], &element[start..], rest)
}

fn elements(mut octets: &[u8]) -> Vec<(u8, &[u8])> {
    let mut found = Vec::new();
    while !octets.is_empty() {
        let (tag, contents, rest) = element(octets);
        found.push((tag, contents));
        octets = rest;
    }
    found
}

fn number(octets: &[u8]) -> usize {
    octets
        .iter()
        .fold(0, |sum, octet| sum << 8 | usize::from(*octet))
}

/// An answer: the RDN values of its entries, its code, its controls by OID.
#[derive(Debug, Default)]
struct Answer {
    names: Vec<String>,
    code: usize,
    text: String,
    controls: Vec<(String, Vec<u8>)>,
}

impl Answer {
    fn control(&self, oid: &str) -> Option<&[u8]> {
        let mut found = self.controls.iter().filter(|(own, _)| own == oid);
        let control = found.next().map(|(_, value)| value.as_slice());
        assert!(found.next().is_none(), "{oid} is there twice");
        control
    }

    /// Estimate and cookie.
    fn page(&self) -> (usize, Vec<u8>) {
        let value = self.control(PAGED).expect("a paged results control");
        let parts = elements(element(value).1);
        assert_eq!(parts.len(), 2);
        (number(parts[0].1), parts[1].1.to_vec())
    }

    /// sortResult and attribute.
    fn sort(&self) -> Option<(usize, Option<String>)> {
        let parts = elements(element(self.control(SORT_RESPONSE)?).1);
        let attribute = parts.get(1).map(|(tag, name)| {
            assert_eq!(*tag, 0x80);
            String::from_utf8(name.to_vec()).unwrap()
        });
        Some((number(parts[0].1), attribute))
    }

    /// Position, count and result of a virtual list view.
    fn view(&self) -> Option<(usize, usize, usize)> {
        let parts = elements(element(self.control(VLV_RESPONSE)?).1);
        assert_eq!(parts.len(), 3);
        Some((number(parts[0].1), number(parts[1].1), number(parts[2].1)))
    }
}

struct Client {
    raw: Raw,
    id: u8,
}

impl Client {
    fn connect(server: &Adduct) -> Self {
        Self {
            raw: Raw::connect(server.address("ldap")),
            id: 0,
        }
    }

    fn bind(&mut self, name: &str) {
        self.id += 1;
        self.raw
            .send(&message(self.id, &bind_request(name, PASSWORD)));
        assert_eq!(outline(&self.raw.receive().unwrap()).2, Some(0));
    }

    fn search(&mut self, search: &Search<'_>) -> Answer {
        self.id += 1;
        self.raw.send(&search.encode(self.id));
        let mut answer = Answer::default();
        loop {
            let message = self.raw.receive().expect("an answer");
            let parts = elements(element(&message).1);
            assert_eq!(parts[0].1, [self.id]);
            let inner = elements(parts[1].1);
            if parts[1].0 == 0x64 {
                assert!(parts.len() == 2, "an entry has no control");
                let dn = String::from_utf8(inner[0].1.to_vec()).unwrap();
                let (rdn, _) = dn.split_once(',').unwrap_or((&dn, ""));
                let (_, value) = rdn.split_once('=').unwrap_or(("", rdn));
                answer.names.push(value.to_owned());
                continue;
            }
            assert_eq!(parts[1].0, 0x65);
            answer.code = number(inner[0].1);
            answer.text = String::from_utf8(inner[2].1.to_vec()).unwrap();
            for (_, control) in parts
                .get(2)
                .map(|list| elements(list.1))
                .unwrap_or_default()
            {
                let parts = elements(control);
                let oid = String::from_utf8(parts[0].1.to_vec()).unwrap();
                answer
                    .controls
                    .push((oid, parts.last().unwrap().1.to_vec()));
            }
            assert_eq!(answer.text.is_empty(), answer.code == 0, "{}", answer.text);
            return answer;
        }
    }

    /// All pages from a cookie on: the numbers of entries, and their names.
    fn rest(
        &mut self,
        search: &Search<'_>,
        size: u8,
        cookie: Vec<u8>,
    ) -> (Vec<usize>, Vec<String>) {
        let (mut counts, mut names, mut cookie) = (Vec::new(), Vec::new(), cookie);
        loop {
            let answer = self.search(&search.with(&[paged(size, &cookie)]));
            assert_eq!(answer.code, 0, "{}", answer.text);
            counts.push(answer.names.len());
            names.extend(answer.names.iter().cloned());
            cookie = answer.page().1;
            if cookie.is_empty() {
                return (counts, names);
            }
        }
    }
}

fn uids(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers
        .into_iter()
        .map(|number| format!("u{number:02}"))
        .collect()
}

#[test]
fn pages_hold_everything_once_and_end_without_an_empty_one() {
    let server = server("");
    let mut client = Client::connect(&server);
    let search = Search::default();
    for (size, counts) in [
        (7, vec![7, 7, 6]),
        (10, vec![10, 10]),
        (19, vec![19, 1]),
        (20, vec![20]),
        (100, vec![20]),
    ] {
        let (found, mut names) = client.rest(&search, size, Vec::new());
        assert_eq!(found, counts);
        names.sort();
        assert_eq!(names, uids(0..PEOPLE));
    }
    let answer = client.search(&search.with(&[paged(100, &[])]));
    assert_eq!(answer.page(), (PEOPLE, Vec::new()));
    let nothing = Search {
        filter: "mobile",
        ..search
    };
    let answer = client.search(&nothing.with(&[paged(5, &[])]));
    assert_eq!((answer.code, answer.names.len()), (0, 0));
    assert_eq!(answer.page(), (0, Vec::new()));
}

#[test]
fn the_page_size_may_change() {
    let server = server("");
    let mut client = Client::connect(&server);
    let search = Search::default();
    let first = client.search(&search.with(&[paged(3, &[])]));
    let (estimate, cookie) = first.page();
    assert!(estimate >= first.names.len(), "{estimate}");
    let second = client.search(&search.with(&[paged(5, &cookie)]));
    assert_eq!(second.names.len(), 5);
    let (counts, rest) = client.rest(&search, 100, second.page().1);
    assert_eq!(counts, [12]);
    let mut names = [first.names, second.names, rest].concat();
    names.sort();
    assert_eq!(names, uids(0..PEOPLE));
}

#[test]
fn size_zero_ends_a_search_or_asks_how_much_there_is() {
    let server = server("");
    let mut client = Client::connect(&server);
    let search = Search::default();
    let cookie = client.search(&search.with(&[paged(3, &[])])).page().1;
    let ended = client.search(&search.with(&[paged(0, &cookie)]));
    assert_eq!((ended.code, ended.names.len()), (0, 0));
    assert_eq!(ended.page(), (0, Vec::new()));
    let after = client.search(&search.with(&[paged(3, &cookie)]));
    assert_eq!((after.code, after.names.len()), (53, 0));

    let answer = client.search(&search.with(&[paged(0, &[])]));
    assert_eq!((answer.code, answer.names.len()), (0, 0));
    let (estimate, cookie) = answer.page();
    assert_eq!((estimate, cookie), (PEOPLE, Vec::new()));
}

#[test]
fn cookies_are_good_once_for_their_own_search() {
    let server = server("");
    let mut client = Client::connect(&server);
    let search = Search::default();
    let other = |change: &dyn Fn(&mut Search<'_>)| {
        let mut other = Search::default();
        change(&mut other);
        other
    };
    let others = [
        other(&|search| search.base = READER),
        other(&|search| search.scope = 1),
        other(&|search| search.size_limit = 50),
        other(&|search| search.filter = "cn"),
        other(&|search| search.attributes = &["cn"]),
        other(&|search| search.attributes = &["uid", "cn"]),
        search.with(&[sort(false, &["cn"])]),
        search.with(&[control(ASSERTION, true, &tlv(0x87, b"dc"))]),
    ];
    for other in others {
        let cookie = client.search(&search.with(&[paged(3, &[])])).page().1;
        let refused = client.search(&other.with(&[paged(3, &cookie)]));
        assert_eq!((refused.code, refused.names.len()), (53, 0));
        // The search is closed then.
        assert_eq!(client.search(&search.with(&[paged(3, &cookie)])).code, 53);
    }
    let cookie = client.search(&search.with(&[paged(3, &[])])).page().1;
    for wrong in [&b"x"[..], &[0; 16], &[0xff; 100]] {
        assert_eq!(client.search(&search.with(&[paged(3, wrong)])).code, 53);
    }
    assert_eq!(client.search(&search.with(&[paged(3, &cookie)])).code, 0);
    assert_eq!(client.search(&search.with(&[paged(3, &cookie)])).code, 53);
}

#[test]
fn cookies_are_good_on_their_own_connection_until_a_bind() {
    let server = server("");
    let mut client = Client::connect(&server);
    let search = Search::default();
    let cookie = client.search(&search.with(&[paged(3, &[])])).page().1;
    let mut stranger = Client::connect(&server);
    assert_eq!(stranger.search(&search.with(&[paged(3, &cookie)])).code, 53);
    client.bind(READER);
    assert_eq!(client.search(&search.with(&[paged(3, &cookie)])).code, 53);
    let (counts, _) = client.rest(&search, 15, Vec::new());
    assert_eq!(counts, [15, 5]);
}

#[test]
fn pages_of_several_searches_take_turns() {
    let server = server("");
    let mut client = Client::connect(&server);
    let searches = [
        Search::default(),
        Search {
            filter: "title",
            ..Search::default()
        },
        Search::default().with(&[sort(true, &["uidNumber"])]),
    ];
    let mut found: Vec<(Vec<String>, Vec<u8>)> = vec![Default::default(); searches.len()];
    for turn in 0..7 {
        for (search, (names, cookie)) in searches.iter().zip(&mut found) {
            if turn > 0 && cookie.is_empty() {
                continue;
            }
            let answer = client.search(&search.with(&[paged(3, cookie)]));
            assert_eq!(answer.code, 0);
            names.extend(answer.names.iter().cloned());
            *cookie = answer.page().1;
        }
    }
    assert!(found.iter().all(|(_, cookie)| cookie.is_empty()));
    found[0].0.sort();
    assert_eq!(found[0].0, uids(0..PEOPLE));
    found[1].0.sort();
    assert_eq!(found[1].0, uids((0..PEOPLE).step_by(4)));
    assert_eq!(found[2].0, uids((0..PEOPLE).rev()));
}

#[test]
fn sixteen_searches_wait_and_the_oldest_gives_way() {
    let server = server("");
    let mut client = Client::connect(&server);
    let search = Search::default();
    let cookies: Vec<_> = (0..17)
        .map(|_| client.search(&search.with(&[paged(19, &[])])).page().1)
        .collect();
    let distinct: std::collections::BTreeSet<_> = cookies.iter().collect();
    assert_eq!(distinct.len(), 17);
    for (place, cookie) in cookies.iter().enumerate() {
        let answer = client.search(&search.with(&[paged(19, cookie)]));
        let expected = if place == 0 { (53, 0) } else { (0, 1) };
        assert_eq!((answer.code, answer.names.len()), expected, "{place}");
    }
}

#[test]
fn the_clients_size_limit_is_for_all_pages() {
    let server = server("");
    let mut client = Client::connect(&server);
    let limited = |size_limit| Search {
        size_limit,
        ..Search::default()
    };
    let search = limited(5);
    let first = client.search(&search.with(&[paged(3, &[])]));
    assert_eq!((first.code, first.names.len()), (0, 3));
    let second = client.search(&search.with(&[paged(3, &first.page().1)]));
    assert_eq!((second.code, second.names.len()), (4, 2));
    assert!(second.page().1.is_empty());
    // The limit may end a page.
    let search = limited(6);
    let first = client.search(&search.with(&[paged(3, &[])]));
    let second = client.search(&search.with(&[paged(3, &first.page().1)]));
    assert_eq!((second.code, second.names.len()), (4, 3));
    assert!(second.page().1.is_empty());
    // "If the page size is greater than or equal to the sizeLimit value, the server should ignore
    // the control as the request can be satisfied in a single page".
    let answer = client.search(&limited(5).with(&[paged(5, &[])]));
    assert_eq!((answer.code, answer.names.len()), (4, 5));
    let (counts, _) = client.rest(&limited(20), 8, Vec::new());
    assert_eq!(counts, [8, 8, 4]);
}

#[test]
fn the_servers_size_limit_is_for_each_page() {
    let server = server("[limits]\nsize_limit = 8\n");
    let mut client = Client::connect(&server);
    let search = Search::default();
    let plain = client.search(&search);
    assert_eq!((plain.code, plain.names.len()), (4, 8));
    let sorted = client.search(&search.with(&[sort(true, &["uidNumber"])]));
    assert_eq!((sorted.code, sorted.names), (4, uids((12..20).rev())));
    let (counts, mut names) = client.rest(&search, 100, Vec::new());
    assert_eq!(counts, [8, 8, 4]);
    names.sort();
    assert_eq!(names, uids(0..PEOPLE));
}

#[test]
fn entries_that_are_made_up_come_in_one_page() {
    let server = server("");
    let mut client = Client::connect(&server);
    for base in ["", "cn=Subschema"] {
        let search = Search {
            base,
            scope: 0,
            filter: "objectClass",
            attributes: &["objectClass"],
            ..Search::default()
        };
        let answer = client.search(&search.with(&[paged(1, &[]), sort(true, &["cn"])]));
        assert_eq!((answer.code, answer.names.len()), (0, 1), "{base}");
        assert_eq!(answer.page(), (1, Vec::new()));
        assert_eq!(answer.sort(), Some((0, None)));
        let answer = client.search(&search.with(&[paged(0, &[])]));
        assert_eq!((answer.names.len(), answer.page()), (0, (1, Vec::new())));
        let controls = [sort(true, &["cn"]), vlv(0, 1, &offset(1, 0), &[])];
        let answer = client.search(&search.with(&controls));
        assert_eq!((answer.code, answer.view()), (76, Some((0, 0, 53))));
    }
}

#[test]
fn entries_come_in_the_order_asked_for() {
    let server = server("");
    let mut client = Client::connect(&server);
    let by = |key: fn(usize) -> (usize, usize)| {
        let mut numbers: Vec<usize> = (0..PEOPLE).collect();
        numbers.sort_by_key(|number| key(*number));
        uids(numbers)
    };
    for (keys, expected) in [
        (&["uidNumber"][..], uids((0..PEOPLE).rev())),
        (&["-uidNumber"], uids(0..PEOPLE)),
        (&["sn", "uid"], by(|number| (number % 3, number))),
        (&["sn", "-uid"], by(|number| (number % 3, PEOPLE - number))),
        (&["-sn", "uid"], by(|number| (2 - number % 3, number))),
        // Birch is before ash to those who tell cases apart.
        (
            &["sn:caseExactOrderingMatch", "UID:2.5.13.3"],
            by(|number| ([1, 0, 2][number % 3], number)),
        ),
        (&["entryUUID", "uid"], Vec::new()),
    ] {
        let answer = client.search(&Search::default().with(&[sort(true, keys)]));
        assert_eq!(
            (answer.code, answer.sort()),
            (0, Some((0, None))),
            "{keys:?}"
        );
        assert_eq!(answer.names.len(), PEOPLE);
        if !expected.is_empty() {
            assert_eq!(answer.names, expected, "{keys:?}");
        }
    }
    let answer = client.search(&Search::default().with(&[sort(true, &["title", "uid"])]));
    let untitled = (0..PEOPLE).filter(|number| number % 4 > 0);
    assert_eq!(answer.names[5..], uids(untitled));
    // "If ... there are no searchResultEntry messages ... SHOULD omit the control".
    let nothing = Search {
        filter: "mobile",
        ..Search::default()
    };
    let answer = client.search(&nothing.with(&[sort(true, &["cn"])]));
    assert_eq!((answer.code, answer.sort()), (0, None));
}

#[test]
fn what_cannot_be_sorted_fails_or_comes_unsorted() {
    let server = server("");
    let mut client = Client::connect(&server);
    for (keys, code, attribute) in [
        (&["nosuch"][..], 16, "nosuch"),
        (&["uid", "nosuch;x"], 16, "nosuch;x"),
        (&["objectClass"], 18, "objectClass"),
        (&["uid:caseIgnoreMatch"], 18, "uid"),
        (&["uid:1.2.3"], 18, "uid"),
        (&["userPassword"], 50, "userPassword"),
        (&["uid", "-uid"], 53, "uid"),
    ] {
        let told = Some((code, Some(attribute.to_owned())));
        let answer = client.search(&Search::default().with(&[sort(true, keys)]));
        assert_eq!((answer.code, answer.names.len()), (12, 0), "{keys:?}");
        assert_eq!(answer.sort(), told);
        let answer = client.search(&Search::default().with(&[sort(false, keys)]));
        assert_eq!((answer.code, answer.names.len()), (0, PEOPLE), "{keys:?}");
        assert_eq!(answer.sort(), told);
        // In pages, too.
        let search = Search::default().with(&[sort(false, keys)]);
        assert_eq!(client.rest(&search, 15, Vec::new()).0, [15, 5]);
    }
    // No keys, no control value.
    for value in [tlv(0x30, &[]), Vec::new(), vec![0x30, 9]] {
        let search = Search::default().with(&[control(SORT, false, &value)]);
        assert_eq!(client.search(&search).code, 2);
    }
}

#[test]
fn pages_keep_the_order() {
    let server = server("");
    let mut client = Client::connect(&server);
    let search = Search::default().with(&[sort(true, &["uidNumber"])]);
    let first = client.search(&search.with(&[paged(6, &[])]));
    assert_eq!(first.sort(), Some((0, None)));
    let (estimate, cookie) = first.page();
    assert_eq!(estimate, PEOPLE);
    let (counts, rest) = client.rest(&search, 6, cookie);
    assert_eq!(counts, [6, 6, 2]);
    assert_eq!([first.names, rest].concat(), uids((0..PEOPLE).rev()));
}

#[test]
fn windows_lie_around_their_target() {
    let server = server("");
    let mut client = Client::connect(&server);
    let mut window = |keys: &[&str], before, after, target: &[u8]| {
        let controls = [sort(true, keys), vlv(before, after, target, &[])];
        let answer = client.search(&Search::default().with(&controls));
        assert_eq!(answer.code, 0, "{}", answer.text);
        if !answer.names.is_empty() {
            assert_eq!(answer.sort(), Some((0, None)));
        }
        let (position, count, result) = answer.view().unwrap();
        assert_eq!((count, result), (PEOPLE, 0));
        (position, answer.names)
    };
    let at_least = |value: &str| tlv(0x81, value.as_bytes());
    for (before, after, target, position, names) in [
        (0, 4, offset(1, 0), 1, 0..5),
        (2, 2, offset(1, 0), 1, 0..3),
        (2, 2, offset(10, 0), 10, 7..12),
        (2, 2, offset(10, 20), 10, 7..12),
        // In a list of 40 it would be in the middle.
        (1, 1, offset(20, 40), 10, 8..11),
        (4, 0, offset(20, 20), 20, 15..20),
        (4, 0, offset(5, 5), 20, 15..20),
        (0, 0, offset(1, 1), 20, 19..20),
        (1, 5, offset(99, 0), 20, 18..20),
        (100, 100, offset(7, 0), 7, 0..20),
        (1, 1, at_least("u05"), 6, 4..7),
        (1, 1, at_least("U05"), 6, 4..7),
        (0, 1, at_least("u055"), 7, 6..8),
        // No entry: "the special value contentCount + 1".
        (3, 3, at_least("v"), 21, 17..20),
    ] {
        let found = window(&["uid"], before, after, &target);
        assert_eq!(found, (position, uids(names)), "{target:02x?}");
    }
    // "less than or equal to when the sort order is reversed".
    let found = window(&["-uid"], 1, 1, &at_least("u055"));
    assert_eq!(found, (15, uids([6, 5, 4])));
    let found = window(&["uidNumber"], 0, 1, &at_least("835"));
    assert_eq!(found, (4, uids([16, 15])));
    let found = window(&["-uidNumber"], 0, 1, &at_least("835"));
    assert_eq!(found, (18, uids([17, 18])));
}

#[test]
fn windows_that_cannot_be_are_refused() {
    let server = server("");
    let mut client = Client::connect(&server);
    let mut refused = |controls: &[Vec<u8>]| {
        let answer = client.search(&Search::default().with(controls));
        assert_eq!(answer.names.len(), 0);
        (answer.code, answer.view().map(|(_, _, result)| result))
    };
    let first = vlv(0, 1, &offset(1, 0), &[]);
    // virtualListViewError, and why.
    assert_eq!(refused(std::slice::from_ref(&first)), (76, Some(60)));
    let by_uid = sort(false, &["uid"]);
    for (view, code) in [
        (vlv(0, 1, &offset(0, 0), &[]), 61),
        (vlv(0, 1, &offset(0, 9), &[]), 61),
        (vlv(0, 1, &offset(1, 0), &tlv(4, b"made up")), 2),
    ] {
        assert_eq!(refused(&[by_uid.clone(), view]), (76, Some(code)));
    }
    let ten = vlv(0, 1, &tlv(0x81, b"ten"), &[]);
    assert_eq!(refused(&[sort(false, &["uidNumber"]), ten]), (76, Some(18)));
    let unknown = sort(false, &["nosuch"]);
    assert_eq!(refused(&[unknown, first.clone()]), (76, Some(16)));
    let both = [by_uid.clone(), first.clone(), paged(5, &[])];
    assert_eq!(refused(&both), (53, None));

    let nothing = Search {
        filter: "mobile",
        ..Search::default()
    };
    let answer = client.search(&nothing.with(&[by_uid, first]));
    assert_eq!((answer.code, answer.view()), (0, Some((0, 0, 0))));
}

#[test]
fn an_abandoned_page_ends_its_search_alone() {
    let server = server("");
    let mut client = Client::connect(&server);
    let search = Search::default();
    let kept = client.search(&search.with(&[paged(3, &[])])).page().1;
    // Both arrive at once; whether the page or the Abandon is first, nothing else is disturbed.
    let abandoned = client.search(&search.with(&[paged(3, &[])])).page().1;
    client.id += 1;
    let page = search.with(&[paged(3, &abandoned)]).encode(client.id);
    let abandon = message(127, &tlv(0x50, &[client.id]));
    client.raw.send(&[page, abandon].concat());
    let mut later = Client::connect(&server);
    assert_eq!(later.search(&search).names.len(), PEOPLE);
    let page = client.id;
    client.id += 1;
    client
        .raw
        .send(&search.with(&[paged(3, &kept)]).encode(client.id));
    let mut entries = 0;
    loop {
        let (id, tag, code) = outline(&client.raw.receive().unwrap());
        match (id == page, tag) {
            (true, _) => {}
            (false, 0x64) => entries += 1,
            (false, _) => {
                assert_eq!((code, entries), (Some(0), 3));
                break;
            }
        }
    }
    assert_eq!(
        client.search(&search.with(&[paged(3, &abandoned)])).code,
        53
    );
}

#[test]
fn openldaps_client_pages_and_sorts() {
    let server = server("");
    let tools = Tools::new(&server).bound(READER, PASSWORD);
    let names = |extensions: &[&str]| {
        let mut arguments = vec!["-o", "ldif-wrap=no", "-b", BASE];
        for extension in extensions {
            arguments.extend(["-E", extension]);
        }
        arguments.extend(["(uid=*)", "uid"]);
        let output = tools.run("ldapsearch", &arguments);
        let text = String::from_utf8(output.stdout).unwrap();
        let mut names = Vec::new();
        for line in text.lines() {
            names.extend(line.strip_prefix("uid: ").map(str::to_owned));
        }
        (output.status.code(), names, text)
    };
    let (code, mut found, _) = names(&["!pr=3/noprompt"]);
    found.sort();
    assert_eq!((code, found), (Some(0), uids(0..PEOPLE)));
    let (code, found, text) = names(&["!sss=-sn/uid"]);
    let mut expected: Vec<usize> = (0..PEOPLE).collect();
    expected.sort_by_key(|number| (2 - number % 3, *number));
    assert_eq!((code, found), (Some(0), uids(expected)), "{text}");
    let (code, found, text) = names(&["!sss=uidNumber", "pr=6/noprompt"]);
    assert_eq!((code, found), (Some(0), uids((0..PEOPLE).rev())));
    assert!(text.contains("sortResult: (0) Success"), "{text}");
    // unavailableCriticalExtension.
    assert_eq!(names(&["!sss=nosuch"]).0, Some(12));
    assert_eq!(names(&["sss=nosuch"]).0, Some(0));
}

#[test]
fn pages_that_are_open_show_what_was_there_when_they_began() {
    let server = server("");
    let mut client = Client::connect(&server);
    let search = Search::default();
    let sorted = search.with(&[sort(true, &["uid"])]);
    let plain = client.search(&search.with(&[paged(6, b"")]));
    let in_order = client.search(&sorted.with(&[paged(6, b"")]));
    // One that was given and one that was not: deleted, renamed, changed; and one more.
    let (given, open) = (in_order.names[1].clone(), "u18");
    let changes = format!(
        "dn: uid={given},{BASE}\nchangetype: delete\n\n\
         dn: uid={open},{BASE}\nchangetype: delete\n\n\
         dn: uid=u17,{BASE}\nchangetype: modrdn\nnewrdn: uid=a17\ndeleteoldrdn: 1\n\n\
         dn: uid=u16,{BASE}\nchangetype: modify\ndelete: title\n\n\
         dn: uid=u20,{BASE}\nchangetype: add\nobjectClass: inetOrgPerson\ncn: new\nsn: new\n"
    );
    let file = server.site().path("changes.ldif");
    std::fs::write(&file, changes).unwrap();
    let administrator = Tools::new(&server).bound(READER, PASSWORD);
    let output = administrator.run("ldapmodify", &["-f", file.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    for (search, first) in [(&search, plain), (&sorted, in_order)] {
        let (_, rest) = client.rest(search, 6, first.page().1);
        let mut names = [first.names, rest].concat();
        names.sort();
        assert_eq!(names, uids(0..PEOPLE));
    }
    let (_, mut now) = client.rest(&search, 6, Vec::new());
    now.sort();
    let mut expected = uids(0..=PEOPLE);
    expected.retain(|name| *name != given && name != open && name != "u17");
    expected.insert(0, "a17".to_owned());
    assert_eq!(now, expected);
}
