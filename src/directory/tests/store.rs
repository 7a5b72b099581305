//! What is durable, and what becomes of failures and damage.

use std::sync::Arc;

use super::build::*;
use crate::{
    directory::{Directory, LoadSummary, SelectSettings, SourceRecord, WriteError},
    schema::Schema,
    store::{Store, StoreError},
};

fn reopen(fixture: &Fixture) -> (Directory, LoadSummary) {
    Directory::open(
        Arc::clone(&fixture.store) as Arc<_>,
        Schema::shared_builtin(),
        fixture.sources.clone(),
    )
    .unwrap()
}

/// The keys of an entry's records, by namespace.
fn keys(fixture: &Fixture, namespace: u8, number: u32) -> Vec<Vec<u8>> {
    let prefix = [&[namespace], id(number).as_bytes().as_slice()].concat();
    let mut keys = Vec::new();
    fixture
        .store
        .scan(&prefix, &mut |key, _| keys.push(key.to_vec()))
        .unwrap();
    keys
}

fn put_progress(directory: &Directory) {
    directory
        .write(|transaction| {
            transaction.put_source(SourceRecord {
                name: SOURCE.to_owned(),
                complete: true,
                progress: Some("cookie".into()),
                ..SourceRecord::default()
            });
            Ok::<_, std::convert::Infallible>(())
        })
        .unwrap();
}

fn progress(directory: &Directory) -> Option<serde_json::Value> {
    directory.snapshot().source(SOURCE)?.progress.clone()
}

#[test]
fn a_failed_commit_changes_nothing() {
    let fixture = Fixture::new([domain(1), user(2, 1, "ann")]);
    let before = fixture.now();
    fixture.store.fail_next_commit();
    let failed = fixture.directory.write(|transaction| {
        transaction.put(user(3, 1, "bob"));
        transaction.delete(id(2));
        Ok::<_, std::convert::Infallible>(())
    });
    assert!(matches!(
        failed,
        Err(WriteError::Directory(
            crate::directory::DirectoryError::Store(StoreError::Injected)
        ))
    ));
    assert!(Arc::ptr_eq(&before, &fixture.now()));
    assert_eq!(fixture.find("(uid=*)"), [2]);
    fixture.put([user(3, 1, "bob")]);
    assert_eq!(fixture.find("(uid=*)"), [2, 3]);
    assert_eq!(fixture.now().seq(), fixture.store.last_seq());
}

#[test]
fn a_refused_change_changes_nothing() {
    let fixture = Fixture::new([domain(1)]);
    let refused = fixture.directory.write(|transaction| {
        transaction.put(user(3, 1, "bob"));
        Err::<(), _>("no")
    });
    assert!(matches!(refused, Err(WriteError::Refused("no"))));
    assert_eq!(fixture.find("(uid=*)"), NOBODY);
}

#[test]
fn a_change_sees_itself() {
    let fixture = Fixture::new([domain(1), user(2, 1, "ann")]);
    fixture
        .directory
        .write(|transaction| {
            transaction.put(user(3, 1, "bob"));
            transaction.delete(id(2));
            assert!(transaction.get(id(2))?.is_none());
            assert_eq!(transaction.get(id(3))?.unwrap().uuid, id(3));
            assert_eq!(transaction.len(), 2);
            Ok::<_, crate::directory::DirectoryError>(())
        })
        .unwrap();
    assert_eq!(fixture.find("(uid=*)"), [3]);
}

#[test]
fn what_changes_nothing_makes_no_version() {
    let fixture = Fixture::new([domain(1)]);
    let before = fixture.now();
    fixture.delete(&[99]);
    fixture.put([]);
    assert!(Arc::ptr_eq(&before, &fixture.now()));
    assert_eq!(fixture.now().seq(), fixture.store.last_seq());
}

#[test]
fn a_damaged_entry_is_named_and_its_source_starts_over() {
    for namespace in [b'e', b'l'] {
        let fixture = Fixture::new([
            domain(1),
            user(2, 1, "ann"),
            group(3, 1, "team", &[2]).with("gidNumber", &["700"]),
            user(4, 1, "bob").with("primaryGroupID", &["1003"]),
        ]);
        put_progress(&fixture.directory);
        assert!(progress(&reopen(&fixture).0).is_some());
        assert!(fixture.store.corrupt(&keys(&fixture, namespace, 3)[0]));
        let (directory, summary) = reopen(&fixture);
        assert_eq!(summary.problems.len(), 1, "{summary:?}");
        assert!(summary.problems[0].contains(&id(3).to_string()));
        assert_eq!(summary.entries, 3);
        assert_eq!(find(&directory.snapshot(), "(uid=*)"), [2, 4]);
        assert_eq!(find(&directory.snapshot(), "(gidNumber=700)"), NOBODY);
        assert_eq!(progress(&directory), None);
        assert!(directory.snapshot().source(SOURCE).unwrap().complete);
        // For good, not only as long as this process runs.
        assert_eq!(progress(&reopen(&fixture).0), None);
    }
}

#[test]
fn an_entry_that_comes_again_leaves_nothing_of_its_damaged_records() {
    let members: Vec<u32> = (1000..3000).collect();
    for damaged in [0, 1, 5] {
        let fixture = Fixture::new([domain(1), user(2, 1, "ann"), group(3, 1, "team", &members)]);
        let mut records = keys(&fixture, b'e', 3);
        records.extend(keys(&fixture, b'l', 3));
        assert!(fixture.store.corrupt(&records[damaged]));
        let (directory, _) = reopen(&fixture);
        directory
            .write(|transaction| {
                assert!(transaction.get(id(3))?.is_none());
                transaction.put(group(3, 1, "team", &[2]));
                Ok::<_, crate::directory::DirectoryError>(())
            })
            .unwrap();
        let (again, summary) = reopen(&fixture);
        assert_eq!(summary.problems, Vec::<String>::new(), "{damaged}");
        assert_eq!(values(&again.snapshot(), 3, "member").len(), 1);
        let stored = again
            .write(|transaction| transaction.get(id(3)))
            .unwrap()
            .unwrap();
        assert_eq!(stored.link("member").unwrap().len(), 1);
    }
}

#[test]
fn what_is_filled_in_is_what_is_written_and_leaves_nothing_of_what_was_damaged() {
    let members: Vec<u32> = (1000..3000).collect();
    let team =
        |members: &[u32]| local(3, Some(2), "cn=team", "groupOfNames").linked("member", members);
    let entries = || {
        [
            local_top(2),
            local(4, Some(2), "cn=ann", "person"),
            team(&[4]),
        ]
    };
    let written = Fixture::new(entries()).now();
    let fixture = Fixture::new([team(&members)]);
    assert!(fixture.store.corrupt(&keys(&fixture, b'e', 3)[0]));
    let (directory, summary) = reopen(&fixture);
    assert_eq!((summary.problems.len(), summary.entries), (1, 0));
    let before = directory.snapshot().seq();
    directory.fill(entries()).unwrap();
    let (again, summary) = reopen(&fixture);
    assert_eq!(summary.problems, Vec::<String>::new());
    let filled = again.snapshot();
    assert!(filled.seq() > before);
    for number in [2, 3, 4] {
        for attribute in ["objectClass", "cn", "member", "entryDN"] {
            assert_eq!(
                values(&filled, number, attribute),
                values(&written, number, attribute),
                "{number} {attribute}"
            );
        }
    }
}

#[test]
fn a_damaged_entry_can_be_deleted() {
    let fixture = Fixture::new([domain(1), group(3, 1, "team", &[1, 2])]);
    assert!(fixture.store.corrupt(&keys(&fixture, b'l', 3)[0]));
    let (directory, _) = reopen(&fixture);
    directory
        .write(|transaction| {
            transaction.delete(id(3));
            Ok::<_, std::convert::Infallible>(())
        })
        .unwrap();
    assert_eq!(reopen(&fixture).1.problems, Vec::<String>::new());
}

#[test]
fn what_is_left_of_a_damaged_entry_of_a_source_is_removed() {
    let members: Vec<u32> = (1000..3000).collect();
    for damaged in [0, 1, 5] {
        let fixture = Fixture::new([domain(1), user(2, 1, "ann"), group(3, 1, "team", &members)]);
        put_progress(&fixture.directory);
        let mut records = keys(&fixture, b'e', 3);
        records.extend(keys(&fixture, b'l', 3));
        assert!(fixture.store.corrupt(&records[damaged]));
        assert_eq!(reopen(&fixture).1.problems.len(), 1);
        let (directory, summary) = reopen(&fixture);
        assert_eq!(summary.problems, Vec::<String>::new(), "{damaged}");
        assert_eq!(summary.entries, 2);
        assert_eq!(progress(&directory), None);
        assert_eq!(keys(&fixture, b'e', 3), Vec::<Vec<u8>>::new());
        assert_eq!(keys(&fixture, b'l', 3), Vec::<Vec<u8>>::new());
        // What was fetched meanwhile counts at the next start.
        put_progress(&directory);
        assert!(progress(&reopen(&fixture).0).is_some());
    }
}

#[test]
fn what_is_left_of_a_damaged_local_entry_is_kept_until_it_is_replaced() {
    for (namespace, length) in [(b'e', 1), (b'l', 1), (b'e', 20_000), (b'l', 20_000)] {
        let made = || {
            local(3, Some(1), "cn=team", "groupOfNames")
                .with("description", &[&"a".repeat(length)])
                .linked("member", &[2])
        };
        let fixture = Fixture::new([local_top(1), domain(2), made()]);
        put_progress(&fixture.directory);
        assert!(fixture.store.corrupt(&keys(&fixture, namespace, 3)[0]));
        for _ in 0..2 {
            let (directory, summary) = reopen(&fixture);
            assert_eq!(summary.problems.len(), 1, "{summary:?}");
            assert!(summary.problems[0].contains(&id(3).to_string()));
            // No source lost anything.
            assert!(progress(&directory).is_some());
        }
        let (directory, _) = reopen(&fixture);
        directory
            .write(|transaction| {
                transaction.put(made());
                Ok::<_, std::convert::Infallible>(())
            })
            .unwrap();
        let (_, summary) = reopen(&fixture);
        assert_eq!(summary.problems, Vec::<String>::new());
        assert_eq!(summary.entries, 3);
    }
}

#[test]
fn damage_to_what_is_remembered_of_a_source_is_repaired() {
    for name in ["source/corp", "select/corp/0"] {
        let select = SelectSettings {
            bases: vec!["ou=staff,dc=corp,dc=example,dc=com".to_owned()],
            ..SelectSettings::default()
        };
        let fixture = Fixture::selecting(select, [domain(1), ou(2, 1, "Staff"), user(3, 2, "ann")]);
        put_progress(&fixture.directory);
        let key = [b"m", name.as_bytes()].concat();
        assert!(fixture.store.corrupt(&key));
        let (directory, summary) = reopen(&fixture);
        assert_eq!(summary.problems.len(), 1, "{summary:?}");
        assert_eq!(progress(&directory), None);
        assert_eq!(find(&directory.snapshot(), "(uid=*)"), [3]);
        assert_eq!(reopen(&fixture).1.problems, Vec::<String>::new());
    }
}

#[test]
fn lost_records_are_noticed() {
    let fixture = Fixture::new([domain(1), user(2, 1, "ann")]);
    put_progress(&fixture.directory);
    assert!(fixture.store.lose(&keys(&fixture, b'e', 2)[0]));
    let (directory, summary) = reopen(&fixture);
    assert_eq!(summary.problems.len(), 1);
    assert_eq!(progress(&directory), None);
}

#[test]
fn an_unknown_source_is_named() {
    let fixture = Fixture::new([domain(1)]);
    let (_, summary) = Directory::open(
        Arc::clone(&fixture.store) as Arc<_>,
        Schema::shared_builtin(),
        Vec::new(),
    )
    .unwrap();
    assert_eq!(summary.unknown_sources, [SOURCE]);
}

#[test]
fn the_commit_that_changed_an_entry_is_remembered() {
    let fixture = Fixture::new([domain(1), user(2, 1, "ann")]);
    let first = fixture.now().seq();
    fixture.put([user(3, 1, "bob")]);
    let changed = |directory: &Directory, number| {
        let now = directory.snapshot();
        now.entry(now.id_of(id(number)).unwrap()).unwrap().changed
    };
    for directory in [&fixture.directory, &fixture.reopened()] {
        assert_eq!(changed(directory, 2), first);
        assert_eq!(changed(directory, 3).0, first.0 + 1);
    }
    assert_eq!(fixture.values(3, "uSNChanged"), [(first.0 + 1).to_string()]);
    assert_eq!(
        fixture.stored(2).first_str("uSNChanged").unwrap(),
        first.0.to_string()
    );
}
