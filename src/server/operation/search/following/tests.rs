#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use proptest::{prelude::*, sample::select};

use super::*;
use crate::{
    access::{
        Access, AuthorizationIdentity,
        config::{AccessConfig, Anonymous},
    },
    auth::{Authenticator, hash_pool::HashPool, recheck::Recheck},
    ber::{self, Reader},
    directory::{
        Directory, SelectSettings,
        tests::{
            build::{
                self, Found, With, decode, domain, group, id, local, local_top, open, ou, run,
                settings, user,
            },
            model::{self, FILTERS, made, selects, steps},
        },
    },
    entry::Entry,
    proto::{
        control::{SyncMode, SyncRequest},
        request::{AttributeList, DerefAliases},
    },
    server::{MadeUpEntries, Settings, config::LimitsConfig, metrics::ServerMetrics},
    store::MemoryStore,
};

/// A service over a store in memory.
struct World {
    store: Arc<MemoryStore>,
    select: SelectSettings,
    service: Service,
}

impl World {
    fn new(select: SelectSettings, entries: impl IntoIterator<Item = Entry>) -> Self {
        let store = Arc::new(MemoryStore::new());
        let world = Self {
            service: service(&store, &select),
            store,
            select,
        };
        world.change(entries, &[]);
        world
    }

    fn restart(&mut self) {
        self.service = service(&self.store, &self.select);
    }

    fn change(&self, entries: impl IntoIterator<Item = Entry>, deleted: &[u32]) {
        let change = |transaction: &mut crate::directory::Transaction<'_>| {
            for entry in entries {
                transaction.put(entry);
            }
            for number in deleted {
                transaction.delete(id(*number));
            }
            Ok::<_, std::convert::Infallible>(())
        };
        self.service.directory.write(change).unwrap();
    }

    fn start(&self, asked: &Asked, wanted: Wanted<'_>) -> Result<Following, LdapResult> {
        let controls = RequestControls::default();
        let settings = self.service.settings();
        let call = Call {
            service: &self.service,
            settings: &settings,
            id: MessageId(7),
            kind: OperationKind::Search,
            started: Instant::now(),
            controls: &controls,
            channel: crate::server::session::Channel {
                tls: false,
                certified: false,
            },
            identity: &AuthorizationIdentity::Anonymous,
        };
        let filter = Filter::parse(asked.filter).unwrap();
        let mut attributes = Vec::new();
        for name in asked.attributes {
            ber::write_octets(&mut attributes, ber::OCTET_STRING, name.as_bytes());
        }
        let request = SearchRequest {
            base_object: asked.base.as_bytes(),
            scope: asked.scope,
            deref_aliases: DerefAliases::Never,
            size_limit: asked.size_limit,
            time_limit: 0,
            types_only: false,
            filter: filter.as_request(),
            attributes: AttributeList::of(&attributes),
        };
        start(&call, &request, wanted, 0)
    }

    /// What the search finds now, by identity.
    fn content(&self, asked: &Asked) -> BTreeMap<String, Found> {
        let snapshot = self.service.directory.snapshot();
        let base = snapshot.resolve_str(asked.base);
        if base.is_none() && !asked.base.is_empty() {
            return BTreeMap::new();
        }
        let filter = build::bind(&snapshot, asked.filter);
        let reach = Reach {
            referrals: true,
            ..Reach::default()
        };
        let region = Region::new(&snapshot, base, asked.scope, reach).map(|(region, _)| region);
        let search = Search::within(Arc::clone(&snapshot), base, asked.scope, region, filter);
        run(
            search,
            &build::select(&snapshot, &["*", "+"], false),
            usize::MAX,
        )
        .into_iter()
        .map(|found| (text(&found.1["entryUUID"][0]), found))
        .collect()
    }
}

fn service(store: &Arc<MemoryStore>, select: &SelectSettings) -> Service {
    let directory: Arc<Directory> = Arc::new(open(store, vec![settings(select.clone())]));
    let authenticator = Authenticator::new(
        Arc::clone(&directory),
        HashPool::new(1, 1).unwrap(),
        Recheck::new(Duration::ZERO),
        HashMap::new(),
    );
    let access = AccessConfig {
        anonymous: Anonymous::Read,
        ..AccessConfig::default()
    };
    let settings = Settings {
        access: Access::new(&access, directory.snapshot().schema()),
        limits: LimitsConfig::default(),
        tls: None,
        insecure_plaintext_bind: false,
        naming_contexts: Vec::new(),
        made_up: MadeUpEntries::default(),
    };
    let metrics = Arc::new(ServerMetrics::default());
    Service::new(directory, authenticator, metrics, settings, || true)
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    base: &'static str,
    scope: SearchScope,
    filter: &'static str,
    attributes: &'static [&'static str],
    size_limit: u32,
}

const USERS: Asked = Asked {
    base: "dc=corp,dc=example,dc=com",
    scope: SearchScope::WholeSubtree,
    filter: "(uid=*)",
    attributes: &["*", "+"],
    size_limit: 0,
};

fn sync(mode: SyncMode, cookie: Option<&str>) -> Wanted<'_> {
    Wanted::Sync(SyncRequest {
        mode,
        cookie: cookie.map(str::as_bytes),
        reload_hint: false,
    })
}

/// What a client has made of the messages it got.
#[derive(Clone, Debug, Default)]
struct Consumer {
    entries: BTreeMap<String, Found>,
    /// Told in this refresh.
    told: Vec<String>,
    cookie: Option<String>,
    /// Whether the refresh is over.
    persists: bool,
    result: Option<i64>,
    /// State, name and what a change notification says, of each entry told.
    log: Vec<String>,
}

impl Consumer {
    /// Runs a search until it waits or ends, in slices as small as can be.
    fn listen(&mut self, world: &World, following: &mut Following) {
        loop {
            let mut out = Vec::new();
            let progress = following.advance(&world.service, &mut out, 1, 3);
            let mut messages = Reader::new(&out);
            while !messages.is_empty() {
                self.take(messages.element().unwrap());
            }
            if progress != Progress::Working {
                return;
            }
        }
    }

    fn take(&mut self, message: ber::Element<'_>) {
        let mut parts = message.reader();
        assert_eq!(parts.integer().unwrap(), 7);
        let operation = parts.element().unwrap();
        let control = parts.optional(ber::context_constructed(0)).unwrap();
        let control = control.map(|controls| {
            let mut control = controls.reader().element().unwrap().reader();
            let oid = text(control.octets().unwrap());
            (oid, control.octets().unwrap().to_vec())
        });
        match operation.tag {
            response::tag::SEARCH_ENTRY => {
                let mut single = Vec::new();
                ber::write_octets(&mut single, ber::SEQUENCE, message.contents);
                self.take_entry(decode(&single).remove(0), control);
            }
            response::tag::INTERMEDIATE => {
                let mut info = operation.reader();
                assert_eq!(
                    info.element().unwrap().contents,
                    b"1.3.6.1.4.1.4203.1.9.1.4"
                );
                self.take_info(info.element().unwrap().contents);
            }
            response::tag::SEARCH_DONE => {
                self.result = Some(operation.reader().enumerated().unwrap());
                if let Some((oid, value)) = control {
                    assert_eq!(oid, "1.3.6.1.4.1.4203.1.9.1.3");
                    let mut done = Reader::new(&value).element().unwrap().reader();
                    self.cookie = Some(text(done.octets().unwrap()));
                    self.end_refresh(!done.is_empty() && done.boolean().unwrap());
                }
            }
            other => panic!("tag {other:02x}"),
        }
    }

    fn take_entry(&mut self, found: Found, control: Option<(String, Vec<u8>)>) {
        let Some((oid, value)) = control else {
            self.log.push(format!("- {}", found.0));
            return;
        };
        let mut value = Reader::new(&value).element().unwrap().reader();
        let state = value.enumerated().unwrap();
        if oid == "2.16.840.1.113730.3.4.7" {
            let previous = value.optional(ber::OCTET_STRING).unwrap();
            let previous = previous.map_or_else(String::new, |dn| text(dn.contents));
            assert!(value.integer().unwrap() > 0);
            self.log.push(format!("{state} {} {previous}", found.0));
            return;
        }
        assert_eq!(oid, "1.3.6.1.4.1.4203.1.9.1.2");
        let uuid = Uuid::from_slice(value.octets().unwrap())
            .unwrap()
            .to_string();
        self.log.push(format!("{state} {}", found.0));
        let has_it = self.entries.contains_key(&uuid);
        match (state, self.persists) {
            (1, false) => self.told.push(uuid.clone()),
            (1, true) => assert!(!has_it, "entered twice: {found:?}"),
            (2, true) => {
                assert!(has_it, "changed but not there: {found:?}");
                assert_ne!(self.entries[&uuid], found, "told for nothing");
            }
            (3, true) => {
                assert_eq!(self.entries[&uuid].0, found.0);
                assert_eq!(found.1, BTreeMap::new());
                self.entries.remove(&uuid);
                return;
            }
            other => panic!("state {other:?} of {found:?}"),
        }
        self.entries.insert(uuid, found);
    }

    fn take_info(&mut self, value: &[u8]) {
        let info = Reader::new(value).element().unwrap();
        match info.tag {
            0x80 => {
                assert!(self.persists);
                self.cookie = Some(text(info.contents));
            }
            0xa1 | 0xa2 => {
                self.cookie = Some(text(info.reader().octets().unwrap()));
                self.end_refresh(info.tag == 0xa1);
                self.persists = true;
            }
            0xa3 => {
                assert!(!self.persists);
                let mut set = info.reader();
                assert!(set.boolean().unwrap());
                let mut uuids = set.element().unwrap().reader();
                while !uuids.is_empty() {
                    let uuid = Uuid::from_slice(uuids.octets().unwrap()).unwrap();
                    self.entries.remove(&uuid.to_string());
                }
            }
            other => panic!("tag {other:02x}"),
        }
    }

    fn end_refresh(&mut self, deletes: bool) {
        assert!(!self.persists);
        let told = std::mem::take(&mut self.told);
        if !deletes {
            self.entries.retain(|uuid, _| told.contains(uuid));
        }
    }

    fn refresh(&mut self, world: &World, asked: &Asked) {
        let cookie = self.cookie.clone();
        let wanted = sync(SyncMode::RefreshOnly, cookie.as_deref());
        let mut following = world.start(asked, wanted).unwrap();
        self.listen(world, &mut following);
        assert_eq!(self.result.take(), Some(0));
    }

    fn log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }
}

fn text(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).unwrap()
}

fn corp() -> Vec<Entry> {
    vec![
        domain(1),
        ou(3, 1, "A"),
        ou(4, 1, "B"),
        user(11, 3, "ann"),
        user(12, 3, "bob"),
        group(30, 4, "g", &[11]),
    ]
}

fn world() -> World {
    World::new(SelectSettings::default(), corp())
}

fn asked() -> impl Strategy<Value = Asked> {
    let base = select(
        &[
            "",
            "dc=corp,dc=example,dc=com",
            "dc=example,dc=com",
            "ou=ou3,dc=corp,dc=example,dc=com",
            "cn=renamed,dc=corp,dc=example,dc=com",
            "cn=u11,ou=ou3,dc=corp,dc=example,dc=com",
        ][..],
    );
    let scope = select(
        &[
            SearchScope::WholeSubtree,
            SearchScope::WholeSubtree,
            SearchScope::SingleLevel,
            SearchScope::BaseObject,
            SearchScope::Subordinates,
        ][..],
    );
    let filter = prop_oneof![Just("(objectClass=*)"), select(FILTERS)];
    (base, scope, filter).prop_map(|(base, scope, filter)| Asked {
        base,
        scope: if base.is_empty() {
            SearchScope::WholeSubtree
        } else {
            scope
        },
        filter,
        ..USERS
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 600, ..Default::default() })]

    #[test]
    fn whoever_listens_or_comes_again_has_what_a_search_finds(
        select in selects(),
        asked in prop::collection::vec(asked(), 4),
        changes in prop::collection::vec(
            (prop::collection::vec(steps(), 1..6), any::<[bool; 3]>()),
            1..14,
        ),
    ) {
        let first = [domain(1), local_top(2), ou(3, 1, "ou3"), user(11, 3, "u11")];
        let mut world = World::new(select, first);
        let mut listeners = Vec::new();
        for asked in asked {
            let wanted = sync(SyncMode::RefreshAndPersist, None);
            // A base that is not there is told at once.
            if let Ok(following) = world.start(&asked, wanted) {
                let mut listener = Consumer::default();
                let mut following = following;
                listener.listen(&world, &mut following);
                let poller = listener.clone();
                listeners.push((asked, following, listener, poller));
            }
        }
        for (change, [restarts, listens, polls]) in changes {
            let (mut put, mut deleted) = (Vec::new(), Vec::new());
            for step in &change {
                match step {
                    model::Step::Put(number, shape) => put.push(made(*number, shape)),
                    model::Step::Delete(number) => deleted.push(*number),
                }
            }
            world.change(put, &deleted);
            for (asked, following, listener, poller) in &mut listeners {
                let content = world.content(asked);
                if listens {
                    listener.listen(&world, following);
                    prop_assert_eq!(&listener.entries, &content);
                }
                if polls && (asked.base.is_empty() || world.start(asked, sync(SyncMode::RefreshOnly, None)).is_ok()) {
                    poller.persists = false;
                    poller.refresh(&world, asked);
                    prop_assert_eq!(&poller.entries, &content);
                }
            }
            if restarts {
                world.restart();
                for (asked, following, listener, poller) in &mut listeners {
                    let cookie = listener.cookie.clone();
                    let wanted = sync(SyncMode::RefreshAndPersist, cookie.as_deref());
                    if let Ok(started) = world.start(asked, wanted) {
                        *following = started;
                        listener.persists = false;
                        listener.listen(&world, following);
                        prop_assert_eq!(&listener.entries, &world.content(asked));
                    } else {
                        // Its base is gone.
                        *asked = Asked {
                            base: "",
                            scope: SearchScope::WholeSubtree,
                            ..*asked
                        };
                        *listener = Consumer::default();
                        *poller = Consumer::default();
                        *following = world
                            .start(asked, sync(SyncMode::RefreshAndPersist, None))
                            .unwrap();
                        listener.listen(&world, following);
                    }
                }
            }
        }
    }
}

#[test]
fn a_poll_tells_what_changed_and_what_is_gone_alone() {
    let world = world();
    let mut client = Consumer::default();
    client.refresh(&world, &USERS);
    assert_eq!(client.log().len(), 2);
    client.refresh(&world, &USERS);
    assert_eq!(client.log(), Vec::<String>::new());
    world.change([user(12, 3, "bob").with("description", &["new"])], &[11]);
    client.refresh(&world, &USERS);
    assert_eq!(client.log(), ["1 CN=bob,OU=A,DC=corp,DC=example,DC=com"]);
    assert_eq!(client.entries, world.content(&USERS));
}

#[test]
fn a_listener_hears_of_derived_changes_and_of_moves_into_and_out_of_its_base() {
    let world = world();
    let asked = Asked {
        base: "ou=a,dc=corp,dc=example,dc=com",
        ..USERS
    };
    let mut client = Consumer::default();
    let mut following = world
        .start(&asked, sync(SyncMode::RefreshAndPersist, None))
        .unwrap();
    client.listen(&world, &mut following);
    client.log();
    let first = client.cookie.clone();
    world.change([group(30, 4, "g", &[12])], &[]);
    client.listen(&world, &mut following);
    assert_eq!(
        client.log(),
        [
            "2 CN=ann,OU=A,DC=corp,DC=example,DC=com",
            "2 CN=bob,OU=A,DC=corp,DC=example,DC=com"
        ]
    );
    assert_ne!(client.cookie, first);
    world.change([user(11, 4, "ann"), user(13, 3, "cleo")], &[]);
    client.listen(&world, &mut following);
    assert_eq!(
        client.log(),
        [
            "3 CN=ann,OU=A,DC=corp,DC=example,DC=com",
            "1 CN=cleo,OU=A,DC=corp,DC=example,DC=com"
        ]
    );
    // A base under another name is none.
    world.change([ou(3, 1, "C")], &[]);
    client.listen(&world, &mut following);
    assert_eq!(client.log().len(), 2);
    assert!(client.entries.is_empty());
    world.change([ou(3, 1, "A")], &[]);
    client.listen(&world, &mut following);
    assert_eq!(client.entries, world.content(&asked));
}

#[test]
fn a_listener_hears_of_derived_changes_in_what_it_asked_for_alone() {
    let world = world();
    let add = || world.change([local(40, Some(3), "cn=new", "device")], &[]);
    let remove = || world.change([], &[40]);
    let join = || world.change([group(30, 4, "g", &[11, 12])], &[]);
    let leave = || world.change([group(30, 4, "g", &[11])], &[]);
    let rename = || world.change([ou(3, 1, "C")], &[]);
    for (attributes, counts, memberships) in [
        (&["*", "+"][..], 1, 1),
        (&[], 0, 1),
        (&["cn"], 0, 0),
        (&["1.1"], 0, 0),
        (&["numSubordinates"], 1, 0),
        (&["memberOf"], 0, 1),
    ] {
        let asked = Asked {
            filter: "(|(ou=*)(uid=*))",
            attributes,
            ..USERS
        };
        let mut client = Consumer::default();
        let mut following = world
            .start(&asked, sync(SyncMode::RefreshAndPersist, None))
            .unwrap();
        client.listen(&world, &mut following);
        let mut told = |change: &dyn Fn()| {
            client.log();
            change();
            client.listen(&world, &mut following);
            client.log().len()
        };
        assert_eq!(told(&add), counts, "{attributes:?}");
        assert_eq!(told(&remove), counts, "{attributes:?}");
        assert_eq!(told(&join), memberships, "{attributes:?}");
        assert_eq!(told(&leave), memberships, "{attributes:?}");
        // The names of what is below change for everybody.
        assert_eq!(told(&rename), 3, "{attributes:?}");
        world.change([ou(3, 1, "A")], &[]);
    }
}

#[test]
fn a_listener_hears_of_naming_contexts_below_its_base_by_name() {
    let world = world();
    world.change([local_top(2)], &[]);
    let asked = Asked {
        base: "dc=example,dc=com",
        filter: "(objectClass=*)",
        ..USERS
    };
    let mut client = Consumer::default();
    let mut following = world
        .start(&asked, sync(SyncMode::RefreshAndPersist, None))
        .unwrap();
    let mut listen = |client: &mut Consumer| {
        client.listen(&world, &mut following);
        assert_eq!(client.entries, world.content(&asked));
        client.entries.len()
    };
    assert_eq!(listen(&mut client), 7);
    // The count of the entry above changes with the context.
    world.change([], &[1]);
    assert_eq!(listen(&mut client), 1);
    world.change([domain(1)], &[]);
    assert_eq!(listen(&mut client), 7);
    // What lies below a base goes and comes with it.
    world.change([], &[2]);
    assert_eq!(listen(&mut client), 0);
    world.change([local_top(2)], &[]);
    assert_eq!(listen(&mut client), 7);
}

#[test]
fn a_listener_hears_what_a_referral_object_hides() {
    let world = world();
    let plain = || local(40, Some(1), "ou=away", "organizationalUnit");
    let below = local(41, Some(40), "cn=hidden", "device");
    world.change([plain(), below], &[]);
    let asked = Asked {
        filter: "(objectClass=*)",
        ..USERS
    };
    let mut client = Consumer::default();
    let mut following = world
        .start(&asked, sync(SyncMode::RefreshAndPersist, None))
        .unwrap();
    client.listen(&world, &mut following);
    let shown = client.entries.len();
    let referral = plain()
        .with("objectClass", &["referral", "extensibleObject"])
        .with("ref", &["ldap://there.example.com"]);
    for (entry, count) in [(referral, shown - 2), (plain(), shown)] {
        world.change([entry], &[]);
        client.listen(&world, &mut following);
        assert_eq!(client.entries.len(), count);
    }
}

#[test]
fn what_was_published_while_a_client_did_not_read_is_one_difference() {
    let world = world();
    let mut client = Consumer::default();
    let mut following = world
        .start(&USERS, sync(SyncMode::RefreshAndPersist, None))
        .unwrap();
    client.listen(&world, &mut following);
    client.log();
    for number in 0..20 {
        let text = number.to_string();
        world.change([user(11, 3, "ann").with("description", &[&text])], &[]);
        world.change([user(40, 3, "here and gone")], &[]);
        world.change([], &[40]);
    }
    client.listen(&world, &mut following);
    assert_eq!(client.log(), ["2 CN=ann,OU=A,DC=corp,DC=example,DC=com"]);
    assert_eq!(client.entries, world.content(&USERS));
}

#[test]
fn a_commit_too_large_for_the_log_is_found_by_comparison() {
    let world = world();
    let mut client = Consumer::default();
    let mut following = world
        .start(&USERS, sync(SyncMode::RefreshAndPersist, None))
        .unwrap();
    client.listen(&world, &mut following);
    client.log();
    let before = client.cookie.clone();
    let many =
        (1000..6000).map(|number| local(number, Some(1), &format!("cn=l{number}"), "device"));
    world.change(many.chain([user(11, 4, "ann")]), &[12]);
    client.listen(&world, &mut following);
    assert_eq!(
        client.log(),
        [
            "3 CN=bob,OU=A,DC=corp,DC=example,DC=com",
            "2 CN=ann,OU=B,DC=corp,DC=example,DC=com"
        ]
    );
    // Whoever comes with a cookie from before must take everything.
    let refused = world.start(&USERS, sync(SyncMode::RefreshOnly, before.as_deref()));
    let code = refused.err().map(|result| result.code);
    assert_eq!(code, Some(ResultCode::SYNC_REFRESH_REQUIRED));
    client.persists = false;
    client.refresh(&world, &USERS);
    assert_eq!(client.entries, world.content(&USERS));
}

#[test]
fn a_cookie_that_says_nothing_is_refused_or_everything_is_sent() {
    let world = world();
    let other = self::world();
    let mut client = Consumer::default();
    client.refresh(&other, &USERS);
    let foreign = client.cookie.clone().unwrap();
    for cookie in [
        foreign.as_str(),
        "rid=001,csn=20260101000000Z",
        "x",
        "\u{e9}",
    ] {
        let request = |reload_hint| {
            Wanted::Sync(SyncRequest {
                mode: SyncMode::RefreshOnly,
                cookie: Some(cookie.as_bytes()),
                reload_hint,
            })
        };
        let refused = world.start(&USERS, request(false)).err().unwrap();
        assert_eq!(refused.code, ResultCode::SYNC_REFRESH_REQUIRED, "{cookie}");
        let mut reloaded = Consumer::default();
        reloaded.entries.insert("gone".to_owned(), Found::default());
        let mut following = world.start(&USERS, request(true)).unwrap();
        reloaded.listen(&world, &mut following);
        assert_eq!(reloaded.entries, world.content(&USERS), "{cookie}");
    }
    // OpenLDAP's consumer, before it has anything.
    assert!(
        world
            .start(&USERS, sync(SyncMode::RefreshOnly, Some("rid=001")))
            .is_ok()
    );
}

#[test]
fn the_size_limit_holds_for_the_refresh_alone() {
    let world = world();
    let narrow = Asked {
        size_limit: 2,
        ..USERS
    };
    let mut client = Consumer::default();
    let mut following = world
        .start(&narrow, sync(SyncMode::RefreshAndPersist, None))
        .unwrap();
    client.listen(&world, &mut following);
    world.change([user(13, 3, "cleo"), user(14, 3, "dora")], &[]);
    client.listen(&world, &mut following);
    assert_eq!((client.entries.len(), client.result), (4, None));
    let mut late = Consumer::default();
    let mut following = world
        .start(&narrow, sync(SyncMode::RefreshAndPersist, None))
        .unwrap();
    late.listen(&world, &mut following);
    assert_eq!((late.entries.len(), late.result), (2, Some(4)));
}

fn persistent(
    change_types: u32,
    changes_only: bool,
    return_entry_changes: bool,
) -> Wanted<'static> {
    Wanted::Persistent(PersistentSearch {
        change_types,
        changes_only,
        return_entry_changes,
    })
}

#[test]
fn a_persistent_search_tells_changes_of_the_kinds_asked_for() {
    let world = world();
    let hear = |wanted| {
        let mut client = Consumer::default();
        let mut following = world.start(&USERS, wanted).unwrap();
        client.listen(&world, &mut following);
        (client, following)
    };
    let mut all = hear(persistent(15, true, true));
    let mut plain = hear(persistent(15, false, false));
    let mut deletions = hear(persistent(2, true, true));
    assert_eq!(all.0.log(), Vec::<String>::new());
    assert_eq!(plain.0.log().len(), 2);
    let base = "OU=A,DC=corp,DC=example,DC=com";
    let steps: [(Vec<Entry>, Vec<u32>, String); 5] = [
        (
            vec![user(13, 3, "cleo")],
            vec![],
            format!("1 CN=cleo,{base} "),
        ),
        (
            vec![user(13, 3, "cleo").with("description", &["x"])],
            vec![],
            format!("4 CN=cleo,{base} "),
        ),
        (
            vec![user(13, 3, "cleo").named("CN=Cleopatra")],
            vec![],
            format!("8 CN=Cleopatra,{base} CN=cleo,{base}"),
        ),
        (vec![], vec![13], format!("2 CN=Cleopatra,{base} ")),
        (vec![ou(50, 1, "none of it")], vec![], String::new()),
    ];
    for (put, deleted, expected) in steps {
        world.change(put, &deleted);
        for (client, following) in [&mut all, &mut plain, &mut deletions] {
            client.listen(&world, following);
        }
        let expected: Vec<String> = Some(expected)
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect();
        assert_eq!(all.0.log(), expected);
        assert_eq!(plain.0.log().len(), expected.len());
        let deletion = expected.iter().filter(|text| text.starts_with('2'));
        assert_eq!(deletions.0.log().len(), deletion.count());
    }
}
