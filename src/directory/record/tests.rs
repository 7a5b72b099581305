#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;

use proptest::{
    collection::{btree_set, vec},
    prelude::*,
};

use super::{
    links::{MAX_CHUNK, chunks, ends_chunk, mix},
    *,
};
use crate::{
    entry::{Attribute, Link, Origin},
    store::{FrameError, MAX_PAYLOAD, MemoryStore, Store as _},
};

fn uuid(n: u64) -> Uuid {
    // Spread like the random ones of AD.
    Uuid::from_u64_pair(mix(n), mix(n ^ 0x5555))
}

fn sample(n: u64) -> Entry {
    Entry {
        uuid: uuid(n),
        parent: Some(uuid(n + 1)),
        rdn: format!("CN=Smith\\, John {n}"),
        origin: Origin::Source("corp".into()),
        attributes: (0..20)
            .map(|attribute| Attribute {
                description: format!("attributeNumber{attribute}"),
                values: vec![format!("value {attribute} of {n}").into_bytes()],
            })
            .collect(),
        links: vec![Link {
            attribute: "manager".into(),
            targets: [uuid(n + 2)].into(),
        }],
    }
}

fn group(members: impl IntoIterator<Item = u64>) -> Entry {
    Entry {
        links: vec![Link {
            attribute: "member".into(),
            targets: members.into_iter().map(uuid).collect(),
        }],
        ..sample(1)
    }
}

fn with_photo(n: u64) -> Entry {
    let mut entry = sample(n);
    entry.set("jpegPhoto", vec![vec![0xd8; 3 * MAX_PAYLOAD]]);
    entry
}

fn read_back(records: &Records) -> Result<Entry, RecordError> {
    entry_from(
        records
            .iter()
            .map(|(key, payload)| (key.as_slice(), payload.as_slice())),
    )
}

/// Everything a loader hands out, put together.
#[derive(Default)]
struct Collected {
    entries: Vec<Entry>,
    meta: BTreeMap<String, Vec<u8>>,
    problems: Vec<String>,
}

impl Collected {
    fn take(&mut self, loaded: Loaded<Entry>) {
        match loaded {
            Loaded::Body(entry) => self.entries.push(entry),
            Loaded::Targets {
                uuid,
                attribute,
                targets,
            } => {
                let entry = self
                    .entries
                    .iter_mut()
                    .find(|entry| entry.uuid == uuid)
                    .unwrap();
                entry.link_mut(&attribute).extend(targets);
            }
            Loaded::Meta { name, payload } => {
                self.meta.insert(name, payload);
            }
            Loaded::Rejected { uuid, reason } => {
                self.entries.retain(|entry| entry.uuid != uuid);
                self.problems.push(format!("entry {uuid}: {reason}"));
            }
            Loaded::Problem(problem) => self.problems.push(problem),
        }
    }
}

fn load(records: &Records) -> (Vec<Entry>, Vec<String>) {
    let mut loader = EntryLoader::new(|view: BodyView<'_>| view.to_entry());
    let mut collected = Collected::default();
    for (key, payload) in records {
        loader.visit(key, payload, &mut |loaded| collected.take(loaded));
    }
    loader.finish(&mut |loaded| collected.take(loaded));
    (collected.entries, collected.problems)
}

fn sorted<const N: usize>(mut entries: [Entry; N]) -> Vec<Entry> {
    entries.sort_by_key(|entry| entry.uuid);
    entries.to_vec()
}

#[test]
fn an_entry_comes_back() {
    for entry in [sample(1), with_photo(1), group(0..5000), group([])] {
        let records = records_of(&entry);
        assert!(records.values().all(|payload| payload.len() <= MAX_PAYLOAD));
        assert_eq!(read_back(&records).as_ref(), Ok(&entry));
        assert_eq!(load(&records), (vec![entry], vec![]));
    }
}

#[test]
fn links_of_one_name_become_one() {
    let mut entry = group(0..300);
    entry.links.push(Link {
        attribute: "manager".into(),
        targets: [uuid(1)].into(),
    });
    let mut twice = entry.clone();
    twice.links.push(Link {
        attribute: "member".into(),
        targets: (200..300).map(uuid).collect(),
    });
    assert_eq!(read_back(&records_of(&twice)), Ok(entry));
}

#[test]
fn the_loader_tells_entries_apart() {
    let entries = sorted([sample(1), with_photo(2), sample(3), with_photo(4)]);
    let records = entries.iter().flat_map(records_of).collect();
    assert_eq!(load(&records), (entries, vec![]));
}

#[test]
fn a_missing_part_drops_its_entry_only() {
    let (whole, broken) = (with_photo(1), with_photo(2));
    for part in 0..4_u32 {
        let mut records = records_of(&whole);
        let key = [
            entry_prefixes(broken.uuid)[0].as_slice(),
            &part.to_be_bytes(),
        ]
        .concat();
        let mut incomplete = records_of(&broken);
        incomplete.remove(&key).expect("the entry has four parts");
        assert_eq!(
            read_back(&incomplete),
            Err(RecordError::MissingPart { part })
        );
        records.extend(incomplete);
        let (entries, problems) = load(&records);
        assert_eq!(entries, std::slice::from_ref(&whole));
        assert_eq!(
            problems,
            [format!(
                "entry {}: part {part} of its body is missing",
                broken.uuid
            )]
        );
    }
}

#[test]
fn targets_without_a_body_drop_that_entry_only() {
    let (whole, broken) = (sample(3), group(0..1000));
    let mut records = records_of(&broken);
    records.retain(|key, _| key[0] == LINKS);
    assert_eq!(read_back(&records), Err(RecordError::NoBody));
    records.extend(records_of(&whole));
    let (entries, problems) = load(&records);
    assert_eq!(entries, [whole]);
    assert_eq!(problems, [format!("entry {}: it has no body", broken.uuid)]);
}

#[test]
fn records_that_do_not_belong_are_refused() {
    let entry = sample(1);
    let mut records = records_of(&entry);
    records.insert(
        [entry_prefixes(entry.uuid)[0].as_slice(), &[0, 0, 0, 1]].concat(),
        b"more".to_vec(),
    );
    let excess = RecordError::ExcessPart {
        expected: 1,
        found: 1,
    };
    assert_eq!(read_back(&records), Err(excess));
    assert_eq!(load(&records).0, []);

    let mut records = records_of(&entry);
    records.extend(records_of(&sample(2)));
    assert!(matches!(
        read_back(&records),
        Err(RecordError::ForeignRecord { .. })
    ));
}

#[test]
fn a_link_the_body_does_not_name_is_refused() {
    let mut records = records_of(&group(0..10));
    records.retain(|key, _| key[0] == LINKS);
    records.extend(
        records_of(&sample(1))
            .into_iter()
            .filter(|(key, _)| key[0] == BODY),
    );
    let attribute = "member".to_owned();
    assert_eq!(
        read_back(&records),
        Err(RecordError::UnknownLink { attribute })
    );
}

#[test]
fn another_format_is_named() {
    for namespace in [BODY, LINKS] {
        let mut records = records_of(&sample(1));
        for (_, payload) in records.iter_mut().filter(|(key, _)| key[0] == namespace) {
            payload[0] = 9;
        }
        assert_eq!(read_back(&records), Err(RecordError::Format { found: 9 }));
    }
}

#[test]
fn a_damaged_record_drops_its_entry_only() {
    let (whole, broken) = (sample(1), group(0..2000));
    let broken = Entry {
        uuid: uuid(77),
        ..broken
    };
    let mut records = records_of(&whole);
    records.extend(records_of(&broken));
    records.insert(meta_key("cookie"), b"c".to_vec());
    let [_, links] = entry_prefixes(broken.uuid);
    let victim = records
        .keys()
        .filter(|key| key.starts_with(&links))
        .nth(3)
        .unwrap()
        .clone();
    let store = MemoryStore::new();
    store.commit(diff(&Records::new(), records)).unwrap();
    assert!(store.corrupt(&victim));
    let mut loader = EntryLoader::new(|view: BodyView<'_>| view.to_entry());
    let mut collected = Collected::default();
    let mut take = |loaded: Loaded<Entry>| collected.take(loaded);
    let report = store
        .load(&mut |key, payload| loader.visit(key, payload, &mut take))
        .unwrap();
    for record in &report.corrupt {
        loader.visit_damaged(record, &mut take);
    }
    loader.finish(&mut take);
    let Collected {
        entries,
        meta,
        problems,
    } = collected;
    assert_eq!(entries, [whole]);
    assert_eq!(meta, [("cookie".to_owned(), b"c".to_vec())].into());
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].contains(&broken.uuid.to_string()),
        "{problems:?}"
    );
    assert!(matches!(
        report.corrupt[0].reason,
        FrameError::Checksum { .. }
    ));
}

#[test]
fn keys_tell_whose_they_are() {
    let entry = group(0..10);
    for key in records_of(&entry).keys() {
        assert_eq!(key_uuid(key), Some(entry.uuid));
        let prefixes = entry_prefixes(entry.uuid);
        assert!(prefixes.iter().any(|prefix| key.starts_with(prefix)));
    }
    assert_eq!(key_uuid(&meta_key("a name longer than a uuid")), None);
    assert_eq!(key_uuid(b"e short"), None);
}

#[test]
fn one_more_or_less_member_changes_two_records_at_most() {
    const MEMBERS: u64 = 10_000;
    let members: BTreeSet<Uuid> = (0..MEMBERS).map(uuid).collect();
    let with = |members: &BTreeSet<Uuid>| {
        let mut entry = group([]);
        entry.links[0].targets.clone_from(members);
        records_of(&entry)
    };
    let before = with(&members);
    for n in 0..500 {
        let mut changed = members.clone();
        changed.insert(uuid(MEMBERS + n));
        let after = with(&changed);
        let changed = diff(&before, after.clone()).operations.len();
        assert!((1..=2).contains(&changed), "member {n}: {changed} records");
        // Taking him out again is the way back.
        assert!(diff(&after, before.clone()).operations.len() <= 2);
    }
}

#[test]
fn a_run_without_a_natural_end_is_cut_where_it_stays_cut() {
    let endless = |n: &u64| !ends_chunk(uuid(*n));
    let members: Vec<u64> = (0..).filter(endless).take(3000).collect();
    let before = records_of(&group(members.iter().copied()));
    let changes: Vec<usize> = (10_000..)
        .filter(endless)
        .take(200)
        .map(|member| {
            let after = records_of(&group(members.iter().copied().chain([member])));
            diff(&before, after).operations.len()
        })
        .collect();
    let more_than_two = changes.iter().filter(|count| **count > 2).count();
    assert!(more_than_two <= 4, "{more_than_two} of 200");
    assert!(changes.iter().all(|count| *count <= 6), "{changes:?}");
}

#[test]
fn chunks_are_neither_long_nor_many() {
    for count in [0, 1, 480, 481, 10_000, 100_000] {
        // Both random uuids and such as differ in few bits.
        let random: BTreeSet<Uuid> = (0..count).map(uuid).collect();
        let serial: BTreeSet<Uuid> = (0..count).map(|n| Uuid::from_u64_pair(7, n)).collect();
        for targets in [random, serial] {
            let targets: Vec<Uuid> = targets.into_iter().collect();
            let chunks = chunks(&targets);
            assert_eq!(chunks.concat(), targets);
            assert!(
                chunks
                    .iter()
                    .all(|chunk| (1..=MAX_CHUNK).contains(&chunk.len()))
            );
            assert!(chunks.len() <= targets.len() / 50 + 3, "{}", chunks.len());
        }
    }
}

#[test]
fn diff_is_what_changed() {
    let old = records_of(&sample(1));
    assert_eq!(diff(&old, old.clone()), Batch::default());
    let gone = diff(&old, Records::new());
    assert_eq!(gone.operations.len(), old.len());
    assert!(gone.operations.values().all(Option::is_none));
    let mut moved = sample(1);
    moved.parent = None;
    assert_eq!(diff(&old, records_of(&moved)).operations.len(), 1);
}

fn entries() -> impl Strategy<Value = Entry> {
    let id = || any::<[u8; 16]>().prop_map(Uuid::from_bytes);
    let value = prop_oneof![
        20 => vec(any::<u8>(), 0..100),
        1 => vec(any::<u8>(), 0..100 * 1024),
    ];
    let attribute = (".{0,40}", vec(value, 0..4)).prop_map(|(description, values)| Attribute {
        description,
        values,
    });
    let targets = prop_oneof![
        3 => btree_set(id(), 0..5),
        1 => btree_set(id(), 0..5000),
    ];
    let links = prop::collection::btree_map(".{0,30}", targets, 0..4).prop_map(|links| {
        links
            .into_iter()
            .map(|(attribute, targets)| Link { attribute, targets })
            .collect::<Vec<_>>()
    });
    let origin = prop_oneof![Just(Origin::Local), ".{0,10}".prop_map(Origin::Source)];
    (
        (id(), prop::option::of(id()), ".{0,100}", origin),
        vec(attribute, 0..12),
        links.prop_shuffle(),
    )
        .prop_map(|((uuid, parent, rdn, origin), attributes, links)| Entry {
            uuid,
            parent,
            rdn,
            origin,
            attributes,
            links,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, ..Default::default() })]

    #[test]
    fn any_entry_comes_back(entry in entries()) {
        let records = records_of(&entry);
        prop_assert!(records.values().all(|payload| payload.len() <= MAX_PAYLOAD));
        prop_assert_eq!(read_back(&records), Ok(entry.clone()));
        let (entries, problems) = load(&records);
        prop_assert_eq!(entries, vec![entry]);
        prop_assert_eq!(problems, Vec::<String>::new());
    }

    #[test]
    fn the_difference_leads_from_one_state_to_the_other(old in entries(), new in entries()) {
        let (old, new) = (records_of(&old), records_of(&new));
        let mut records = old.clone();
        for (key, payload) in diff(&old, new.clone()).operations {
            match payload {
                Some(payload) => records.insert(key, payload),
                None => records.remove(&key),
            };
        }
        prop_assert_eq!(records, new);
    }
}

proptest! {
    #[test]
    fn no_octets_make_it_panic(records: Vec<(Vec<u8>, Vec<u8>)>, body: Vec<u8>) {
        let mut loader = EntryLoader::new(|view: BodyView<'_>| view.to_entry());
        for (key, payload) in &records {
            loader.visit(key, payload, &mut |_| {});
        }
        loader.finish(&mut |_| {});
        let _ = BodyView::decode(Uuid::nil(), &body);
    }
}
