//! What every engine must do: one suite, instantiated for each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use proptest::{collection::vec, prelude::*, test_runner::TestRunner};

use super::{record::TALLY_KEY, *};

/// An engine under test.
trait Subject: Store + Sized {
    fn open(directory: &Path) -> Self;
    /// Flips a bit of a stored record.
    fn damage(&self, key: &[u8]);
    /// Takes a stored record away.
    fn forget(&self, key: &[u8]);
}

impl Subject for MemoryStore {
    fn open(_: &Path) -> Self {
        Self::new()
    }
    fn damage(&self, key: &[u8]) {
        assert!(self.corrupt(key));
    }
    fn forget(&self, key: &[u8]) {
        assert!(self.lose(key));
    }
}

impl Subject for SledStore {
    fn open(directory: &Path) -> Self {
        Self::open(directory).unwrap()
    }
    fn damage(&self, key: &[u8]) {
        assert!(self.tamper(key, |frame| {
            *frame.last_mut()? ^= 1;
            Some(())
        }));
    }
    fn forget(&self, key: &[u8]) {
        assert!(self.tamper(key, |_| None));
    }
}

macro_rules! contract {
    ($($name:ident),* $(,)?) => {
        mod memory {
            use super::MemoryStore;
            $(#[test] fn $name() { super::with::<MemoryStore>(super::$name); })*
        }
        mod sled {
            use super::SledStore;
            $(#[test] fn $name() { super::with::<SledStore>(super::$name); })*
        }
    };
}

contract! {
    commits_are_read_back,
    records_come_in_key_order,
    deletes_remove,
    sequences_count_commits,
    a_refused_batch_changes_nothing,
    limits_are_inclusive,
    damage_is_reported_and_nothing_else_lost,
    a_damaged_record_can_be_replaced_and_removed,
    a_lost_record_is_missed_once,
    a_lost_tally_is_reported_and_replaced,
    a_damaged_tally_is_reported,
    a_large_batch_is_one_commit,
    readers_are_not_disturbed_by_commits,
    behaves_like_a_map,
}

fn with<S: Subject>(test: fn(&S)) {
    let directory = tempfile::tempdir().unwrap();
    test(&S::open(directory.path()));
}

fn batch<const N: usize>(operations: [(&str, Option<&str>); N]) -> Batch {
    Batch {
        operations: operations
            .into_iter()
            .map(|(key, payload)| (key.into(), payload.map(Into::into)))
            .collect(),
    }
}

fn contents(store: &impl Store) -> (Vec<(String, String)>, LoadReport) {
    let mut found = Vec::new();
    let report = store
        .load(&mut |key, payload| {
            found.push((
                String::from_utf8_lossy(key).into_owned(),
                String::from_utf8_lossy(payload).into_owned(),
            ));
        })
        .unwrap();
    (found, report)
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs
        .map(|(key, payload)| (key.into(), payload.into()))
        .to_vec()
}

fn commits_are_read_back<S: Subject>(store: &S) {
    let (found, report) = contents(store);
    assert!(found.is_empty() && report.is_sound(), "{report:?}");
    store
        .commit(batch([("b", Some("2")), ("a", Some("1")), ("c", Some(""))]))
        .unwrap();
    assert_eq!(store.get(b"a").unwrap(), Some(b"1".to_vec()));
    assert_eq!(store.get(b"c").unwrap(), Some(Vec::new()));
    assert_eq!(store.get(b"d").unwrap(), None);
    store.commit(batch([("a", Some("one"))])).unwrap();
    let (found, report) = contents(store);
    assert_eq!(found, pairs([("a", "one"), ("b", "2"), ("c", "")]));
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.records, 3);
    assert_eq!(store.verify().unwrap(), report);
}

fn records_come_in_key_order<S: Subject>(store: &S) {
    let keys: [&[u8]; 6] = [b"\x01", b"a", b"a\0", b"a\xff", b"b", b"\xff\xff"];
    for key in keys.iter().rev() {
        let operations = [(key.to_vec(), Some(b"x".to_vec()))].into();
        store.commit(Batch { operations }).unwrap();
    }
    let mut found = Vec::new();
    store.load(&mut |key, _| found.push(key.to_vec())).unwrap();
    assert_eq!(found, keys);
    for (prefix, expected) in [
        (b"a".as_slice(), &keys[1..4]),
        (b"\xff", &keys[5..]),
        (b"", &keys),
        (b"zz", &[]),
    ] {
        let mut found = Vec::new();
        let damaged = store
            .scan(prefix, &mut |key, _| found.push(key.to_vec()))
            .unwrap();
        assert_eq!(found, expected);
        assert_eq!(damaged, []);
    }
    assert_eq!(
        store.get(TALLY_KEY).unwrap(),
        None,
        "the store's own is not shown"
    );
}

fn deletes_remove<S: Subject>(store: &S) {
    store
        .commit(batch([("a", Some("1")), ("b", Some("2"))]))
        .unwrap();
    store
        .commit(batch([("a", None), ("c", Some("3")), ("nobody", None)]))
        .unwrap();
    assert_eq!(store.get(b"a").unwrap(), None);
    let (found, report) = contents(store);
    assert_eq!(found, pairs([("b", "2"), ("c", "3")]));
    assert!(report.is_sound(), "{report:?}");
}

fn sequences_count_commits<S: Subject>(store: &S) {
    assert_eq!(store.last_seq(), ChangeSeq(0));
    assert_eq!(store.commit(Batch::default()).unwrap(), ChangeSeq(0));
    for expected in 1..=3 {
        let seq = store.commit(batch([("a", Some("1"))])).unwrap();
        assert_eq!(seq, ChangeSeq(expected));
        assert_eq!(store.last_seq(), seq);
    }
    assert_eq!(store.commit(Batch::default()).unwrap(), ChangeSeq(3));
    assert_eq!(store.verify().unwrap().last_seq, ChangeSeq(3));
}

fn a_refused_batch_changes_nothing<S: Subject>(store: &S) {
    store.commit(batch([("a", Some("1"))])).unwrap();
    let refused = |key: Vec<u8>, length| {
        let mut batch = batch([("a", None), ("b", Some("2"))]);
        batch.operations.insert(key, Some(vec![b'x'; length]));
        let error = store.commit(batch).unwrap_err();
        assert_eq!(store.last_seq(), ChangeSeq(1));
        assert_eq!(contents(store).0, pairs([("a", "1")]));
        error
    };
    assert!(matches!(refused(vec![], 1), StoreError::EmptyKey));
    assert!(matches!(
        refused(vec![0, 1], 1),
        StoreError::ReservedKey { key } if key == [0, 1]
    ));
    assert!(matches!(
        refused(vec![b'k'; MAX_KEY + 1], 1),
        StoreError::KeyTooLong { length } if length == MAX_KEY + 1
    ));
    assert!(matches!(
        refused(b"z".to_vec(), MAX_PAYLOAD + 1),
        StoreError::PayloadTooLarge { length, .. } if length == MAX_PAYLOAD + 1
    ));
}

fn limits_are_inclusive<S: Subject>(store: &S) {
    let key = vec![b'k'; MAX_KEY];
    let operations = [(key.clone(), Some(vec![7; MAX_PAYLOAD]))].into();
    store.commit(Batch { operations }).unwrap();
    assert_eq!(store.get(&key).unwrap().unwrap().len(), MAX_PAYLOAD);
}

fn damage_is_reported_and_nothing_else_lost<S: Subject>(store: &S) {
    store
        .commit(batch([
            ("a1", Some("1")),
            ("a2", Some("2")),
            ("b", Some("3")),
        ]))
        .unwrap();
    store.damage(b"a2");
    let (found, report) = contents(store);
    assert_eq!(found, pairs([("a1", "1"), ("b", "3")]));
    assert!(!report.is_sound());
    assert_eq!((report.records, report.missing()), (2, 0));
    assert_eq!(report.corrupt.len(), 1);
    assert_eq!(report.corrupt[0].key, b"a2");
    assert!(matches!(
        report.corrupt[0].reason,
        FrameError::Checksum { .. }
    ));
    assert_eq!(store.scan(b"a", &mut |_, _| {}).unwrap(), report.corrupt);
    assert_eq!(store.scan(b"b", &mut |_, _| {}).unwrap(), []);
    let error = store.get(b"a2").unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt(record) if record.key == b"a2"));
    assert!(
        error.to_string().contains("record 'a2' is damaged"),
        "{error}"
    );
}

fn a_damaged_record_can_be_replaced_and_removed<S: Subject>(store: &S) {
    store
        .commit(batch([("a", Some("1")), ("b", Some("2"))]))
        .unwrap();
    store.damage(b"a");
    store.damage(b"b");
    store
        .commit(batch([("a", None), ("b", Some("new"))]))
        .unwrap();
    let (found, report) = contents(store);
    assert_eq!(found, pairs([("b", "new")]));
    assert!(report.is_sound(), "{report:?}");
}

fn a_lost_record_is_missed_once<S: Subject>(store: &S) {
    store
        .commit(batch([("a", Some("1")), ("b", Some("2"))]))
        .unwrap();
    store.forget(b"a");
    let (_, report) = contents(store);
    assert!(!report.is_sound());
    assert_eq!((report.missing(), report.expected_records), (1, Some(2)));
    store.commit(batch([("c", Some("3"))])).unwrap();
    let (_, report) = contents(store);
    assert!(report.is_sound(), "{report:?}");
}

fn a_lost_tally_is_reported_and_replaced<S: Subject>(store: &S) {
    store.commit(batch([("a", Some("1"))])).unwrap();
    store.commit(batch([("b", Some("2"))])).unwrap();
    store.forget(TALLY_KEY);
    let (found, report) = contents(store);
    assert_eq!(found.len(), 2);
    assert!(!report.is_sound());
    assert_eq!(report.corrupt[0].reason, FrameError::TallyMissing);
    assert_eq!(
        store.commit(batch([("c", Some("3"))])).unwrap(),
        ChangeSeq(3)
    );
    assert!(store.verify().unwrap().is_sound());
}

fn a_damaged_tally_is_reported<S: Subject>(store: &S) {
    store.commit(batch([("a", Some("1"))])).unwrap();
    store.damage(TALLY_KEY);
    let (found, report) = contents(store);
    assert_eq!(found.len(), 1);
    assert_eq!((report.expected_records, report.corrupt.len()), (None, 1));
    assert!(!report.is_sound());
}

fn a_large_batch_is_one_commit<S: Subject>(store: &S) {
    const COUNT: u32 = 50_000;
    let key = |n: u32| [b"k", n.to_be_bytes().as_slice()].concat();
    let payload = |n: u32| n.to_be_bytes().repeat(25);
    let operations = (0..COUNT).map(|n| (key(n), Some(payload(n)))).collect();
    assert_eq!(store.commit(Batch { operations }).unwrap(), ChangeSeq(1));
    let mut expected = 0_u32;
    let report = store
        .load(&mut |found_key, found_payload| {
            assert_eq!(found_key, key(expected));
            assert_eq!(found_payload, payload(expected));
            expected += 1;
        })
        .unwrap();
    assert_eq!(expected, COUNT);
    assert!(report.is_sound());
}

fn readers_are_not_disturbed_by_commits<S: Subject>(store: &S) {
    let done = AtomicBool::new(false);
    let payload = |n: u32| n.to_be_bytes().repeat(50);
    let commit = |n: u32| {
        let operations = (0..50_u8)
            .map(|key| (vec![b'k', key], Some(payload(n))))
            .collect();
        store.commit(Batch { operations }).unwrap();
    };
    commit(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut reads = 0;
                while !done.load(Ordering::Relaxed) || reads == 0 {
                    let mut found = 0;
                    let damaged = store
                        .scan(b"k", &mut |_, payload| {
                            assert_eq!(payload, payload[..4].repeat(50));
                            found += 1;
                        })
                        .unwrap();
                    assert_eq!((found, damaged.len()), (50, 0));
                    assert!(store.get(b"k\x07").unwrap().is_some());
                    reads += 1;
                }
            });
        }
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                assert!(store.verify().unwrap().is_sound());
            }
        });
        for n in 1..100 {
            commit(n);
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(store.get(b"k\x07").unwrap(), Some(payload(99)));
}

type Operations = Vec<BTreeMap<Vec<u8>, Option<Vec<u8>>>>;

/// Batches over few keys, so that they meet.
fn operations() -> impl Strategy<Value = Operations> {
    let key = vec(b'a'..=b'c', 1..4);
    let payload = prop::option::weighted(0.7, vec(any::<u8>(), 0..200));
    vec(prop::collection::btree_map(key, payload, 0..8), 0..12)
}

fn behaves_like_a_map<S: Subject>(store: &S) {
    // One store for all cases: opening one takes longer than a case. Each case goes on from the
    // state the last one left, which makes the model richer.
    let model = std::cell::RefCell::new(BTreeMap::new());
    let seq = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(48));
    runner
        .run(&operations(), |batches| {
            let mut model = model.borrow_mut();
            for operations in batches {
                seq.set(seq.get() + u64::from(!operations.is_empty()));
                apply(&mut model, &operations);
                prop_assert_eq!(store.commit(Batch { operations }).unwrap().0, seq.get());
            }
            prop_assert_eq!(&everything(store), &*model);
            Ok(())
        })
        .unwrap();
}

fn apply(model: &mut BTreeMap<Vec<u8>, Vec<u8>>, operations: &BTreeMap<Vec<u8>, Option<Vec<u8>>>) {
    for (key, payload) in operations {
        match payload {
            Some(payload) => model.insert(key.clone(), payload.clone()),
            None => model.remove(key),
        };
    }
}

fn everything(store: &impl Store) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut found = BTreeMap::new();
    let report = store
        .load(&mut |key, payload| {
            found.insert(key.to_vec(), payload.to_vec());
        })
        .unwrap();
    assert!(report.is_sound(), "{report:?}");
    found
}

#[test]
fn memory_fails_a_commit_on_demand() {
    let store = MemoryStore::new();
    store.fail_next_commit();
    let error = store.commit(batch([("a", Some("1"))])).unwrap_err();
    assert!(matches!(error, StoreError::Injected) && error.is_transient());
    assert_eq!(store.verify().unwrap().records, 0);
    assert_eq!(
        store.commit(batch([("a", Some("1"))])).unwrap(),
        ChangeSeq(1)
    );
}

mod sled_files {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_reopened_store_goes_on_where_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let mut model = BTreeMap::new();
        for round in 1..=8_u8 {
            let store = SledStore::open(directory.path()).unwrap();
            assert_eq!(store.last_seq(), ChangeSeq(u64::from(round) - 1));
            assert_eq!(everything(&store), model);
            let operations: BTreeMap<_, _> = (0..round * 3)
                .map(|n| (vec![b'k', n], (n % 4 != round % 4).then(|| vec![round; 50])))
                .collect();
            apply(&mut model, &operations);
            store.commit(Batch { operations }).unwrap();
        }
    }

    #[test]
    fn a_new_directory_is_for_its_owner_only() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("new/store");
        drop(SledStore::open(&directory).unwrap());
        let mode = fs::metadata(&directory).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_second_open_names_directory_and_holder() {
        let directory = tempfile::tempdir().unwrap();
        let store = SledStore::open(directory.path()).unwrap();
        // The file a running sled is about to finish must be left alone.
        let unfinished = directory.path().join("snap.0000000000000001.generating");
        fs::write(&unfinished, "half").unwrap();
        let error = SledStore::open(directory.path()).unwrap_err();
        assert!(error.is_transient());
        let text = error.to_string();
        assert!(matches!(
            error,
            StoreError::InUse { holder: Some(holder), .. } if holder == std::process::id()
        ));
        assert!(
            text.contains(&*directory.path().to_string_lossy()),
            "{text}"
        );
        assert!(text.contains("another adduct"), "{text}");
        assert!(unfinished.exists());
        drop(store);
        SledStore::open(directory.path()).unwrap();
    }

    #[test]
    fn a_foreign_lock_on_the_log_is_in_use_too() {
        let directory = tempfile::tempdir().unwrap();
        drop(SledStore::open(directory.path()).unwrap());
        let log = fs::File::open(directory.path().join("db")).unwrap();
        log.lock().unwrap();
        assert!(matches!(
            SledStore::open(directory.path()),
            Err(StoreError::InUse { holder: None, .. })
        ));
    }

    /// Opens a store of 1,000 records after `vandalize` was at its files.
    fn survives(vandalize: fn(&Path)) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let operations: BTreeMap<_, _> = (0..1000_u16)
            .map(|n| {
                (
                    [b"k", n.to_be_bytes().as_slice()].concat(),
                    Some(vec![7; 500]),
                )
            })
            .collect();
        for half in 0..2 {
            let store = SledStore::open(directory.path()).unwrap();
            let operations = operations
                .iter()
                .filter(|(key, _)| key[2] % 2 == half)
                .map(|(key, payload)| (key.clone(), payload.clone()))
                .collect();
            store.commit(Batch { operations }).unwrap();
        }
        vandalize(directory.path());
        let store = SledStore::open(directory.path()).unwrap();
        assert_eq!(everything(&store).len(), 1000);
        assert_eq!(
            store.commit(batch([("k", Some("v"))])).unwrap(),
            ChangeSeq(3)
        );
        drop(store);
        let store = SledStore::open(directory.path()).unwrap();
        assert_eq!(everything(&store).len(), 1001);
        drop(store);
        directory
    }

    fn newest_snapshot(directory: &Path) -> PathBuf {
        fs::read_dir(directory)
            .unwrap()
            .map(|file| file.unwrap().path())
            .filter(|path| {
                path.file_name()
                    .unwrap()
                    .to_string_lossy()
                    .starts_with("snap.")
            })
            .max()
            .expect("sled wrote a snapshot")
    }

    #[test]
    fn a_half_written_snapshot_is_removed() {
        survives(|directory| {
            let whole = fs::read(newest_snapshot(directory)).unwrap();
            fs::write(
                directory.join("snap.00000000FFFFFFFF.generating"),
                &whole[..whole.len() / 2],
            )
            .unwrap();
        });
    }

    #[test]
    fn an_empty_snapshot_is_removed() {
        survives(|directory| {
            fs::write(directory.join("snap.00000000FFFFFFFF"), "").unwrap();
        });
    }

    #[test]
    fn garbage_for_a_snapshot_is_set_aside() {
        let directory = survives(|directory| {
            fs::write(directory.join("snap.00000000FFFFFFFF"), [7; 100]).unwrap();
        });
        assert!(
            directory
                .path()
                .join("broken-1.snap.00000000FFFFFFFF")
                .exists()
        );
    }

    #[test]
    fn a_cut_snapshot_is_set_aside() {
        survives(|directory| {
            let path = newest_snapshot(directory);
            let whole = fs::read(&path).unwrap();
            fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        });
    }

    #[test]
    fn a_store_without_any_snapshot_is_rebuilt() {
        survives(|directory| fs::remove_file(newest_snapshot(directory)).unwrap());
    }

    /// What the first `count` commits make.
    fn state_after(count: u64) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut model = BTreeMap::new();
        for seq in 1..=count {
            apply(&mut model, &commit_number(seq));
        }
        model
    }

    fn commit_number(seq: u64) -> BTreeMap<Vec<u8>, Option<Vec<u8>>> {
        (0..40)
            .map(|n| {
                let payload = seq.to_be_bytes().repeat(100);
                let key = format!("k{:03}", (seq * 17 + n) % 300);
                (key.into_bytes(), (n % 5 != 0).then_some(payload))
            })
            .collect()
    }

    #[test]
    fn a_cut_log_does_not_pass_for_a_whole_one() {
        for cut in [100, 40_000, 300_000, 700_000, 1_500_000] {
            let directory = tempfile::tempdir().unwrap();
            for half in [1..=30, 31..=60] {
                let store = SledStore::open(directory.path()).unwrap();
                for seq in half {
                    let operations = commit_number(seq);
                    store.commit(Batch { operations }).unwrap();
                }
            }
            let log = fs::File::options()
                .write(true)
                .open(directory.path().join("db"))
                .unwrap();
            let length = log.metadata().unwrap().len();
            log.set_len(length.saturating_sub(cut)).unwrap();
            let Ok(store) = SledStore::open(directory.path()) else {
                continue;
            };
            let mut found = BTreeMap::new();
            let load = store.load(&mut |key, payload| {
                found.insert(key.to_vec(), payload.to_vec());
            });
            match load {
                Ok(report) if report.is_sound() => {
                    assert_eq!(report.last_seq, ChangeSeq(60), "cut {cut}");
                    assert!(found == state_after(60), "cut {cut}");
                }
                // Parts of a commit are told of, too, and kept: they may be all there is.
                Ok(report) if report.newer_than_last_seq > 0 => {}
                Ok(report) if report.reached > report.last_seq => {
                    assert_eq!(report.reached, ChangeSeq(60), "cut {cut}");
                    assert!(found == state_after(report.last_seq.0), "cut {cut}");
                    // Seen again until something is committed, and no sequence comes twice.
                    drop(store);
                    let store = SledStore::open(directory.path()).unwrap();
                    assert!(!store.load(&mut |_, _| {}).unwrap().is_sound());
                    let seq = store.commit(batch([("k", Some("v"))])).unwrap();
                    assert_eq!(seq, ChangeSeq(61));
                    drop(store);
                    let store = SledStore::open(directory.path()).unwrap();
                    assert!(store.load(&mut |_, _| {}).unwrap().is_sound());
                }
                Ok(_) | Err(_) => {}
            }
        }
    }

    #[test]
    fn a_damaged_tally_is_counted_anew_on_open() {
        let directory = tempfile::tempdir().unwrap();
        let store = SledStore::open(directory.path()).unwrap();
        store.commit(batch([("a", Some("1"))])).unwrap();
        store.commit(batch([("b", Some("2"))])).unwrap();
        store.damage(TALLY_KEY);
        drop(store);
        let store = SledStore::open(directory.path()).unwrap();
        assert_eq!(store.last_seq(), ChangeSeq(2));
        assert!(!store.verify().unwrap().is_sound());
        assert_eq!(store.commit(batch([("c", None)])).unwrap(), ChangeSeq(3));
        assert!(store.verify().unwrap().is_sound());
    }

    #[test]
    fn no_record_goes_to_a_file_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let store = SledStore::open(directory.path()).unwrap();
        for round in 0..4_u8 {
            let operations = (0..200_u8)
                .map(|n| (vec![b'k', n], Some(vec![n ^ round; MAX_PAYLOAD])))
                .collect();
            store.commit(Batch { operations }).unwrap();
        }
        let blobs = fs::read_dir(directory.path().join("blobs")).unwrap();
        assert_eq!(blobs.count(), 0);
    }
}
