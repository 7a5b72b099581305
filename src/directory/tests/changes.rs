//! How far the change log reaches, and when a new one begins.

use std::sync::Arc;

use super::build::*;
use crate::{
    directory::{Directory, Position, SelectSettings},
    entry::Entry,
    store::Store,
};

fn device(number: u32) -> Entry {
    local(number, Some(1), &format!("cn=l{number}"), "device")
}

fn fixture() -> Fixture {
    Fixture::new([local_top(1), device(2)])
}

/// The numbers of the entries affected since; `None` where nobody knows.
fn since(directory: &Directory, position: &Position) -> Option<Vec<u32>> {
    let affected = directory.snapshot().affected_since(position)?;
    let numbers = affected
        .iter()
        .map(|uuid| u32::try_from(uuid.as_u128() - id(0).as_u128()).unwrap());
    Some(numbers.collect())
}

fn keys(fixture: &Fixture) -> usize {
    let mut keys = 0;
    let damaged = fixture.store.scan(b"mchanges", &mut |_, _| keys += 1);
    assert_eq!(damaged.unwrap(), []);
    keys
}

#[test]
fn the_log_outlives_a_restart() {
    let fixture = fixture();
    let first = fixture.now().position();
    fixture.change([device(3)], &[2]);
    let second = fixture.now().position();
    fixture.put([device(4)]);
    let reopened = fixture.reopened();
    for directory in [&fixture.directory, &reopened] {
        // The top's numSubordinates is another each time.
        assert_eq!(since(directory, &first), Some(vec![1, 2, 3, 4]));
        assert_eq!(since(directory, &second), Some(vec![1, 4]));
        assert_eq!(
            since(directory, &directory.snapshot().position()),
            Some(vec![])
        );
    }
    assert_eq!(reopened.snapshot().position(), fixture.now().position());
    assert_eq!(
        fixture
            .now()
            .affected_since(&self::fixture().now().position()),
        None
    );
}

#[test]
fn the_oldest_commits_fall_out_of_the_log_and_of_the_store() {
    let fixture = fixture();
    let first = fixture.now().position();
    let batches: Vec<Vec<Entry>> = (0..20)
        .map(|batch| {
            (0..1500)
                .map(|number| device(10 + batch * 1500 + number))
                .collect()
        })
        .collect();
    let mut positions = Vec::new();
    for batch in batches {
        fixture.put(batch);
        positions.push(fixture.now().position());
        // Four records for 1501 entries, and one for the log.
        assert!(keys(&fixture) <= 1 + 4 * 11, "{}", keys(&fixture));
    }
    for directory in [&fixture.directory, &fixture.reopened()] {
        assert_eq!(since(directory, &first), None);
        assert_eq!(since(directory, &positions[5]), None);
        assert_eq!(since(directory, &positions[17]).unwrap().len(), 3001);
    }
}

#[test]
fn what_affects_too_much_is_a_cut() {
    let fixture = fixture();
    let before = fixture.now().position();
    fixture.put((10..5000).map(device));
    assert_eq!(keys(&fixture), 1);
    for directory in [&fixture.directory, &fixture.reopened()] {
        assert_eq!(since(directory, &before), None);
        assert_eq!(since(directory, &fixture.now().position()), Some(vec![]));
    }
    fixture.put([device(10)]);
    fixture.put([device(2).with("description", &["x"])]);
    assert_eq!(since(&fixture.reopened(), &before), None);
}

#[test]
fn a_position_of_a_history_that_was_undone_is_not_known() {
    let fixture = fixture();
    fixture.put([device(3)]);
    let stored = |fixture: &Fixture| {
        let mut batch = crate::store::Batch::default();
        let visit = &mut |key: &[u8], payload: &[u8]| {
            batch
                .operations
                .insert(key.to_vec(), Some(payload.to_vec()));
        };
        fixture.store.load(visit).unwrap();
        batch
    };
    let backup = stored(&fixture);
    let common = fixture.now().position();
    fixture.put([device(4)]);
    let undone = fixture.now().position();
    // The backup comes back, and another change takes the same number.
    let restored = Arc::new(crate::store::MemoryStore::new());
    for _ in 0..common
        .to_string()
        .split('.')
        .nth(1)
        .unwrap()
        .parse::<usize>()
        .unwrap()
        - 1
    {
        let mut filler = crate::store::Batch::default();
        filler.operations.insert(b"mselect/".to_vec(), None);
        filler
            .operations
            .insert(b"msource/x".to_vec(), Some(b"{".to_vec()));
        restored.commit(filler).unwrap();
    }
    let mut backup = backup;
    backup.operations.insert(b"msource/x".to_vec(), None);
    restored.commit(backup).unwrap();
    let directory = open(&restored, fixture.sources);
    assert_eq!(directory.snapshot().position(), common);
    directory
        .write(|transaction| {
            transaction.put(device(5));
            Ok::<_, std::convert::Infallible>(())
        })
        .unwrap();
    assert_eq!(since(&directory, &undone), None);
    assert_eq!(since(&directory, &common), Some(vec![1, 5]));
}

#[test]
fn other_settings_and_damage_begin_another_log() {
    let fixture = fixture();
    let before = fixture.now().position();
    let select = SelectSettings {
        bases: vec!["ou=a,dc=corp,dc=example,dc=com".to_owned()],
        ..SelectSettings::default()
    };
    let other = open(&fixture.store, vec![settings(select)]);
    assert_eq!(since(&other, &before), None);
    drop(other);

    let fixture = self::fixture();
    fixture.put([device(3)]);
    let before = fixture.now().position();
    let mut key = Vec::new();
    fixture
        .store
        .scan(b"mchanges/", &mut |found, _| key = found.to_vec())
        .unwrap();
    assert!(fixture.store.corrupt(&key));
    let (directory, _) = Directory::open(
        Arc::clone(&fixture.store) as Arc<_>,
        crate::schema::Schema::shared_builtin(),
        fixture.sources.clone(),
    )
    .unwrap();
    assert_eq!(since(&directory, &before), None);
    assert_eq!(keys(&fixture), 0);
    drop(directory);
    fixture.reopened();
}

#[test]
fn a_position_is_a_text_of_one_spelling() {
    let position = fixture().now().position();
    let text = position.to_string();
    assert_eq!(text.parse(), Ok(position));
    for wrong in [
        "",
        ".",
        "..",
        &text.to_uppercase(),
        &format!("{text}."),
        &text[1..],
    ] {
        assert!(wrong.parse::<Position>().is_err(), "{wrong}");
    }
}
