#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use super::*;
use crate::{
    directory::SourceSettings,
    schema::Schema,
    store::{MemoryStore, Store},
    sync::{
        fake::{Ad, DOMAIN, FakeDomain, STAFF, bare, group, links, object, user},
        observe::LogObserver,
    },
};

/// A directory on a store, and an engine that fills it from a domain.
struct Replica {
    store: Arc<MemoryStore>,
    directory: Arc<Directory>,
    state: StateHandle,
    engine: Engine<FakeDomain>,
}

impl Replica {
    fn new(domain: &FakeDomain) -> Self {
        Self::on(Arc::new(MemoryStore::default()), domain)
    }

    fn on(store: Arc<MemoryStore>, domain: &FakeDomain) -> Self {
        let settings = SourceSettings {
            name: "corp".to_owned(),
            domain: "corp.example.com".to_owned(),
            posix: Default::default(),
            select: Default::default(),
        };
        let (directory, _) = Directory::open(
            Arc::clone(&store) as Arc<dyn Store>,
            Schema::shared_builtin(),
            vec![settings],
        )
        .unwrap();
        let directory = Arc::new(directory);
        let state = StateHandle::new("corp");
        let setting = Setting {
            source: "corp".to_owned(),
            domain: "corp.example.com".to_owned(),
            poll: Duration::from_secs(2),
            directory: Arc::clone(&directory),
            state: state.clone(),
            observer: Arc::new(LogObserver::default()),
        };
        let engine = Engine::new(setting, domain.clone());
        Self {
            store,
            directory,
            state,
            engine,
        }
    }

    async fn round(&mut self) -> Result<(), String> {
        self.engine.attempt(false).await
    }

    /// As after a restart of the process.
    fn reopened(self, domain: &FakeDomain) -> Self {
        Self::on(self.store, domain)
    }

    fn dn(&self, number: u128) -> Option<String> {
        let snapshot = self.directory.snapshot();
        let id = snapshot.id_of(Uuid::from_u128(number))?;
        snapshot.entry(id)?;
        Some(snapshot.dn(id))
    }

    fn members(&self, group: u128) -> Vec<u128> {
        let entry = self.directory.stored(Uuid::from_u128(group)).unwrap();
        entry
            .unwrap()
            .link("member")
            .into_iter()
            .flatten()
            .map(Uuid::as_u128)
            .collect()
    }
}

fn domain_with(users: &[u128]) -> FakeDomain {
    let domain = FakeDomain::new();
    for number in users {
        domain.add(user(*number));
    }
    domain
}

/// The cookies sent until now; `None` asks for everything.
fn cookies(domain: &FakeDomain) -> Vec<Option<usize>> {
    domain.with(|ad| ad.cookies.clone())
}

#[tokio::test]
async fn the_first_round_takes_everything_and_the_next_ones_only_changes() {
    let domain = domain_with(&[10, 11]);
    domain.add(group(20, &[10, 99]));
    let mut replica = Replica::new(&domain);
    assert_eq!(replica.state.load().state, State::FirstSync);
    replica.round().await.unwrap();
    let state = replica.state.load();
    assert_eq!(
        (state.state, state.users, state.groups),
        (State::Current, 2, 1)
    );
    assert_eq!(state.server.as_deref(), Some("dc1.corp.example.com"));
    assert_eq!(
        replica.dn(10).unwrap(),
        "CN=u10,OU=Staff,DC=corp,DC=example,DC=com"
    );
    // A link to what is not known is kept, for it may come.
    assert_eq!(replica.members(20), [10, 99]);

    // The unit alone is told when it is renamed.
    domain.change(
        {
            let mut unit = bare(STAFF, "OU=Team,DC=corp,DC=example,DC=com");
            unit.name = Some("Team".to_owned());
            unit.parent_guid = Some(DOMAIN);
            unit
        },
        Some(object(
            STAFF,
            "OU=Team",
            Some(DOMAIN),
            &["organizationalUnit"],
        )),
    );
    domain.delete(Uuid::from_u128(11));
    replica.round().await.unwrap();
    assert_eq!(
        replica.dn(10).unwrap(),
        "CN=u10,OU=Team,DC=corp,DC=example,DC=com"
    );
    assert_eq!(replica.dn(11), None);
    assert_eq!(replica.state.load().users, 1);
    assert_eq!(cookies(&domain), [None, Some(5)]);
}

#[tokio::test]
async fn an_answer_that_breaks_off_changes_nothing() {
    let domain = domain_with(&[10, 11]);
    let mut replica = Replica::new(&domain);
    domain.with(|ad| ad.break_after = Some(3));
    let error = replica.round().await.unwrap_err();
    assert!(error.contains("cut short"), "{error}");
    let state = replica.state.load();
    assert_eq!(state.state, State::FirstSync);
    assert_eq!(state.error.as_ref(), Some(&error));
    assert_eq!((replica.dn(10), replica.dn(11)), (None, None));

    replica.round().await.unwrap();
    assert_eq!(replica.state.load().error, None);

    domain.delete(Uuid::from_u128(10));
    domain.add(user(12));
    domain.with(|ad| ad.break_after = Some(1));
    replica.round().await.unwrap_err();
    assert_eq!(replica.state.load().state, State::Failing);
    assert!(replica.dn(10).is_some() && replica.dn(12).is_none());
    replica.round().await.unwrap();
    assert!(replica.dn(10).is_none() && replica.dn(12).is_some());
    assert_eq!(cookies(&domain), [None, None, Some(4), Some(4)]);
}

#[tokio::test]
async fn a_full_round_that_breaks_off_removes_nothing() {
    let domain = domain_with(&[10, 11]);
    let mut replica = Replica::new(&domain);
    replica.round().await.unwrap();
    domain.with(|ad| {
        ad.objects.remove(&Uuid::from_u128(10));
        ad.break_after = Some(2);
    });
    replica.engine.attempt(true).await.unwrap_err();
    assert!(replica.dn(10).is_some() && replica.dn(11).is_some());
    replica.engine.attempt(true).await.unwrap();
    assert!(replica.dn(10).is_none() && replica.dn(11).is_some());
}

#[tokio::test]
async fn what_makes_the_position_doubtful_makes_a_full_round() {
    type Make = fn(&mut Ad);
    let doubts: [(&str, Make); 3] = [
        ("rejected", |ad| ad.rejects = true),
        ("usn", |ad| ad.usn = 50),
        ("invocation", |ad| {
            ad.facts.invocation_id = Uuid::from_u128(78);
            ad.closes = true;
        }),
    ];
    for (doubt, make) in doubts {
        let domain = domain_with(&[10, 11]);
        let mut replica = Replica::new(&domain);
        replica.round().await.unwrap();
        // Lost without a word, as after a restored backup.
        domain.with(|ad| {
            ad.objects.remove(&Uuid::from_u128(10));
            make(ad);
        });
        replica.round().await.unwrap();
        assert_eq!(replica.dn(10), None, "{doubt}");
        assert!(replica.dn(11).is_some(), "{doubt}");
        assert_eq!(*cookies(&domain).last().unwrap(), None, "{doubt}");
    }
}

#[tokio::test]
async fn rounds_without_change_write_nothing() {
    let domain = domain_with(&[10]);
    let mut replica = Replica::new(&domain);
    replica.round().await.unwrap();
    let before = replica.store.last_seq();
    for _ in 0..5 {
        replica.round().await.unwrap();
    }
    // A change of what is not stored, and one that says what is known.
    domain.add(object(
        Uuid::from_u128(30),
        "CN=Printer",
        Some(STAFF),
        &["top", "printQueue"],
    ));
    domain.add(user(10));
    replica.round().await.unwrap();
    assert_eq!(replica.store.last_seq(), before);
    // What was passed is not asked for again.
    replica.round().await.unwrap();
    assert_eq!(cookies(&domain).last(), Some(&Some(5)));

    // A full comparison finds nothing to write but the position.
    replica.engine.attempt(true).await.unwrap();
    assert_eq!(replica.store.last_seq().0, before.0 + 1);
}

#[tokio::test]
async fn a_restart_goes_on_from_the_stored_position() {
    let domain = domain_with(&[10]);
    let mut replica = Replica::new(&domain);
    replica.round().await.unwrap();
    domain.add(user(11));
    domain.with(|ad| ad.is_down = true);
    let mut replica = replica.reopened(&domain);
    let state = replica.state.load();
    assert_eq!((state.state, state.users), (State::Current, 1));
    assert!(state.last_success.is_some());
    replica.round().await.unwrap_err();
    assert_eq!(replica.state.load().state, State::Failing);
    domain.with(|ad| ad.is_down = false);
    replica.round().await.unwrap();
    assert!(replica.dn(11).is_some());
    assert_eq!(cookies(&domain), [None, Some(3)]);
}

#[tokio::test]
async fn what_the_store_refuses_is_applied_by_the_next_round() {
    let domain = domain_with(&[10]);
    let mut replica = Replica::new(&domain);
    replica.round().await.unwrap();
    domain.add(user(11));
    replica.store.fail_next_commit();
    replica.round().await.unwrap_err();
    assert_eq!(replica.state.load().state, State::Failing);
    assert_eq!(replica.dn(11), None);
    replica.round().await.unwrap();
    assert!(replica.dn(11).is_some());
}

#[tokio::test]
async fn a_connection_closed_while_idle_is_no_failure() {
    let domain = domain_with(&[10]);
    let mut replica = Replica::new(&domain);
    replica.round().await.unwrap();
    domain.with(|ad| ad.closes = true);
    replica.round().await.unwrap();
    assert_eq!(replica.state.load().rounds_failed, 0);
}

#[tokio::test]
async fn nothing_is_published_while_deletions_cannot_be_seen() {
    let domain = domain_with(&[10]);
    domain.with(|ad| ad.blind = true);
    let mut replica = Replica::new(&domain);
    let error = replica.round().await.unwrap_err();
    assert!(error.contains("grant it"), "{error}");
    assert_eq!(replica.state.load().state, State::FirstSync);
    assert_eq!(replica.dn(10), None);
    domain.with(|ad| ad.blind = false);
    replica.round().await.unwrap();
    assert_eq!(replica.state.load().state, State::Current);
}

#[tokio::test]
async fn who_is_brought_back_is_in_no_group() {
    for seen_meanwhile in [true, false] {
        let domain = domain_with(&[10, 11]);
        domain.add(group(20, &[10, 11]));
        let mut replica = Replica::new(&domain);
        replica.round().await.unwrap();
        domain.delete(Uuid::from_u128(10));
        if seen_meanwhile {
            replica.round().await.unwrap();
            assert_eq!(replica.members(20), [11]);
        }
        // AD tells neither objectClass nor the name, which survived.
        let mut back = bare(
            Uuid::from_u128(10),
            "CN=u10,OU=Staff,DC=corp,DC=example,DC=com",
        );
        back.name = Some("u10".to_owned());
        back.parent_guid = Some(STAFF);
        back.is_reanimated = true;
        domain.change(back, Some(user(10)));
        replica.round().await.unwrap();
        assert!(replica.dn(10).is_some());
        assert_eq!(replica.members(20), [11], "{seen_meanwhile}");
        assert_eq!(domain.with(|ad| ad.read.clone()), [Uuid::from_u128(10)]);

        let mut joins = bare(
            Uuid::from_u128(20),
            "CN=g20,OU=Staff,DC=corp,DC=example,DC=com",
        );
        joins.link_adds.push(("member".to_owned(), links(&[10])));
        domain.change(joins, Some(group(20, &[10, 11])));
        replica.round().await.unwrap();
        assert_eq!(replica.members(20), [10, 11]);
    }
}

#[tokio::test]
async fn a_superior_of_another_kind_becomes_a_container() {
    let domain = domain_with(&[10]);
    let odd = Uuid::from_u128(40);
    let classes = ["top", "msDS-AzAdminManager"];
    domain.add(object(odd, "CN=Az", Some(STAFF), &classes));
    let below = |number| {
        let mut group = group(number, &[10]);
        group.parent_guid = Some(odd);
        group
    };
    domain.add(below(20));
    let mut replica = Replica::new(&domain);
    let expected = "CN=g20,CN=Az,OU=Staff,DC=corp,DC=example,DC=com";
    replica.round().await.unwrap();
    assert_eq!(replica.dn(20).unwrap(), expected);
    assert_eq!(domain.with(|ad| ad.read.clone()), [odd]);
    // A comparison keeps it.
    replica.engine.attempt(true).await.unwrap();
    assert_eq!(replica.dn(20).unwrap(), expected);

    // The same where the superior was there long before the group.
    let other = Uuid::from_u128(41);
    domain.add(object(other, "CN=Other", Some(STAFF), &classes));
    replica.round().await.unwrap();
    assert_eq!(replica.dn(41), None);
    let mut late = group(21, &[]);
    late.parent_guid = Some(other);
    domain.add(late);
    replica.round().await.unwrap();
    assert_eq!(
        replica.dn(21).unwrap(),
        "CN=g21,CN=Other,OU=Staff,DC=corp,DC=example,DC=com"
    );
}

#[tokio::test]
async fn an_object_that_becomes_an_account_is_read_whole() {
    let domain = domain_with(&[]);
    let mut contact = object(Uuid::from_u128(10), "CN=u10", Some(STAFF), &["top", "user"]);
    contact
        .attributes
        .push(("sAMAccountType".to_owned(), vec![b"805306369".to_vec()]));
    domain.add(contact);
    let mut replica = Replica::new(&domain);
    replica.round().await.unwrap();
    assert_eq!(replica.dn(10), None);
    let mut change = bare(
        Uuid::from_u128(10),
        "CN=u10,OU=Staff,DC=corp,DC=example,DC=com",
    );
    change
        .attributes
        .push(("sAMAccountType".to_owned(), vec![b"805306368".to_vec()]));
    domain.change(change, Some(user(10)));
    replica.round().await.unwrap();
    assert!(replica.dn(10).is_some());
}

#[tokio::test]
async fn orders_are_answered_and_the_engine_stops_when_told() {
    let domain = domain_with(&[10]);
    let replica = Replica::new(&domain);
    let stop = CancellationToken::new();
    let (orders, waiting) = mpsc::channel(1);
    let engine = tokio::spawn(replica.engine.run(waiting, stop.clone()));
    for (down, full) in [(false, false), (true, true), (false, true)] {
        domain.with(|ad| ad.is_down = down);
        let (reply, answer) = oneshot::channel();
        orders.send(Command { full, reply }).await.unwrap();
        assert_eq!(answer.await.unwrap().is_err(), down);
    }
    assert!(
        cookies(&domain)
            .iter()
            .filter(|cookie| cookie.is_none())
            .count()
            >= 2
    );
    stop.cancel();
    engine.await.unwrap();
}
