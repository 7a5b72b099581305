#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

use super::*;

/// Answers of `libsss_idmap` 2.8.2 (`sss_idmap_sid_to_unix`), each from a table of its own.
const LIBSSS_IDMAP: &[(&str, u32)] = &[
    ("S-1-5-21-2966102495-3163130805-921133302-0", 608800000),
    ("S-1-5-21-2966102495-3163130805-921133302-500", 608800500),
    ("S-1-5-21-2966102495-3163130805-921133302-513", 608800513),
    ("S-1-5-21-2966102495-3163130805-921133302-1103", 608801103),
    ("S-1-5-21-2966102495-3163130805-921133302-199999", 608999999),
    (
        "S-1-5-21-2966102495-3163130805-921133302-200000",
        1243400000,
    ),
    ("S-1-5-21-2966102495-3163130805-921133302-400001", 959800001),
    (
        "S-1-5-21-2966102495-3163130805-921133302-2199999",
        1803599999,
    ),
    (
        "S-1-5-21-2966102495-3163130805-921133302-2200000",
        1416600000,
    ),
    (
        "S-1-5-21-2966102495-3163130805-921133302-10000000",
        1738200000,
    ),
    (
        "S-1-5-21-2966102495-3163130805-921133302-2147483647",
        838683647,
    ),
    (
        "S-1-5-21-2966102495-3163130805-921133302-4294967295",
        213367295,
    ),
    ("S-1-5-21-1-2-3-0", 686200000),
    ("S-1-5-21-1-2-3-500", 686200500),
    ("S-1-5-21-1-2-3-513", 686200513),
    ("S-1-5-21-1-2-3-1103", 686201103),
    ("S-1-5-21-1-2-3-199999", 686399999),
    ("S-1-5-21-1-2-3-200000", 832600000),
    ("S-1-5-21-1-2-3-400001", 313800001),
    ("S-1-5-21-1-2-3-2199999", 1754199999),
    ("S-1-5-21-1-2-3-2200000", 1544400000),
    ("S-1-5-21-1-2-3-10000000", 1474800000),
    ("S-1-5-21-1-2-3-2147483647", 1533283647),
    ("S-1-5-21-1-2-3-4294967295", 1032967295),
    ("S-1-5-21-3623811015-3361044348-30300820-0", 674000000),
    ("S-1-5-21-3623811015-3361044348-30300820-500", 674000500),
    ("S-1-5-21-3623811015-3361044348-30300820-513", 674000513),
    ("S-1-5-21-3623811015-3361044348-30300820-1103", 674001103),
    ("S-1-5-21-3623811015-3361044348-30300820-199999", 674199999),
    ("S-1-5-21-3623811015-3361044348-30300820-200000", 1787200000),
    ("S-1-5-21-3623811015-3361044348-30300820-400001", 67800001),
    (
        "S-1-5-21-3623811015-3361044348-30300820-2199999",
        1021799999,
    ),
    ("S-1-5-21-3623811015-3361044348-30300820-2200000", 396600000),
    (
        "S-1-5-21-3623811015-3361044348-30300820-10000000",
        1652800000,
    ),
    (
        "S-1-5-21-3623811015-3361044348-30300820-2147483647",
        1814483647,
    ),
    (
        "S-1-5-21-3623811015-3361044348-30300820-4294967295",
        1237767295,
    ),
    ("S-1-5-21-0-0-0-0", 1017000000),
    ("S-1-5-21-0-0-0-500", 1017000500),
    ("S-1-5-21-0-0-0-513", 1017000513),
    ("S-1-5-21-0-0-0-1103", 1017001103),
    ("S-1-5-21-0-0-0-199999", 1017199999),
    ("S-1-5-21-0-0-0-200000", 867600000),
    ("S-1-5-21-0-0-0-400001", 932200001),
    ("S-1-5-21-0-0-0-2199999", 795599999),
    ("S-1-5-21-0-0-0-2200000", 1578200000),
    ("S-1-5-21-0-0-0-10000000", 690600000),
    ("S-1-5-21-0-0-0-2147483647", 920083647),
    ("S-1-5-21-0-0-0-4294967295", 1988567295),
    ("S-1-5-21-4294967295-4294967295-4294967295-0", 1246200000),
    ("S-1-5-21-4294967295-4294967295-4294967295-500", 1246200500),
    ("S-1-5-21-4294967295-4294967295-4294967295-513", 1246200513),
    ("S-1-5-21-4294967295-4294967295-4294967295-1103", 1246201103),
    (
        "S-1-5-21-4294967295-4294967295-4294967295-199999",
        1246399999,
    ),
    (
        "S-1-5-21-4294967295-4294967295-4294967295-200000",
        1969000000,
    ),
    (
        "S-1-5-21-4294967295-4294967295-4294967295-400001",
        799800001,
    ),
    (
        "S-1-5-21-4294967295-4294967295-4294967295-2199999",
        940799999,
    ),
    (
        "S-1-5-21-4294967295-4294967295-4294967295-2200000",
        49600000,
    ),
    (
        "S-1-5-21-4294967295-4294967295-4294967295-10000000",
        1900200000,
    ),
    (
        "S-1-5-21-4294967295-4294967295-4294967295-2147483647",
        421483647,
    ),
    (
        "S-1-5-21-4294967295-4294967295-4294967295-4294967295",
        1452567295,
    ),
];

fn sid(text: &str) -> Sid {
    text.parse().unwrap()
}

fn ids(table: &mut SliceTable, sids: impl IntoIterator<Item = String>) -> Vec<Option<u32>> {
    sids.into_iter()
        .map(|text| table.id_of(&sid(&text)))
        .collect()
}

/// CRC-32 of the ids in little endian, 0 where there is none.
fn digest(ids: &[Option<u32>]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for id in ids {
        hasher.update(&id.unwrap_or(0).to_le_bytes());
    }
    hasher.finalize()
}

#[test]
fn hashes_like_the_reference() {
    let vectors: [(&[u8], u32, u32); 9] = [
        (b"", 0, 0),
        (b"", 1, 0x514e_28b7),
        (b"", 0xffff_ffff, 0x81f1_6f39),
        (b"\0\0\0\0", 0, 0x2362_f9de),
        (b"aaaa", 0x9747_b28c, 0x5a97_808a),
        (b"aaa", 0x9747_b28c, 0x283e_0130),
        (b"aa", 0x9747_b28c, 0x5d21_1726),
        (b"a", 0x9747_b28c, 0x7fa0_9ea6),
        (b"Hello, world!", 0x9747_b28c, 0x2488_4cba),
    ];
    for (octets, seed, hash) in vectors {
        assert_eq!(murmur3(octets, seed), hash, "{octets:?}");
    }
}

#[test]
fn ids_equal_those_of_sssd() {
    for (text, id) in LIBSSS_IDMAP {
        assert_eq!(SliceTable::default().id_of(&sid(text)), Some(*id), "{text}");
    }
}

/// Two domains whose SIDs hash to slice 6351: the later one gets the next slice.
#[test]
fn domains_that_collide_take_the_next_slice() {
    let accounts = ["S-1-5-21-104-7-7-1000", "S-1-5-21-111-7-7-1000"];
    for [first, second] in [accounts, [accounts[1], accounts[0]]] {
        let mut table = SliceTable::default();
        assert_eq!(table.id_of(&sid(first)), Some(1_270_401_000));
        assert_eq!(table.id_of(&sid(second)), Some(1_270_601_000));
        // And keeps it, whichever is met first after a restart.
        let mut table = SliceTable::from_bytes(&table.to_bytes()).unwrap();
        assert_eq!(table.id_of(&sid(second)), Some(1_270_601_000));
        assert_eq!(table.id_of(&sid(first)), Some(1_270_401_000));
        assert!(!table.take_changed());
    }
}

/// Two reserved slices of one domain are the same one: only the first that is needed gives ids.
#[test]
fn reserved_slices_that_collide_give_ids_once() {
    let forward: [i64; 14] = [
        1029600005, 265200005, 330000005, 1138200005, 31800005, 1907600005, 789000005, 6800005,
        1047400005, -1, 1373800005, 155400005, 1489000005, 369800005,
    ];
    let backward: [i64; 14] = [
        369800005, 1489000005, 155400005, 1373800005, 6800005, 1047400005, -1, 789000005,
        1907600005, 31800005, 1138200005, 330000005, 265200005, 1029600005,
    ];
    let expected = |ids: [i64; 14]| ids.map(|id| u32::try_from(id).ok()).to_vec();
    let account = |number: u32| format!("S-1-5-21-9-9-113-{}", 200_000 * number + 5);
    let mut table = SliceTable::default();
    assert_eq!(ids(&mut table, (0..14).map(account)), expected(forward));
    let mut table = SliceTable::default();
    assert_eq!(
        ids(&mut table, (0..14).rev().map(account)),
        expected(backward)
    );
}

/// One domain takes all 10,000 slices; the digest is that of the library's 10,300 answers.
#[test]
fn runs_out_of_slices_like_sssd() {
    let mut table = SliceTable::default();
    let answers = ids(
        &mut table,
        (0..10_300).map(|number| format!("S-1-5-21-1-2-3-{}", 200_000u32 * number)),
    );
    assert_eq!(digest(&answers), 0xcf68_2aa8);
    assert_eq!(answers[9_999], Some(159_800_000));
    assert!(answers[10_000..].iter().all(Option::is_none));
    assert_eq!(table.id_of(&sid("S-1-5-21-4-5-6-1000")), None);
    assert!(!table.add_domain(&sid("S-1-5-21-4-5-6")));
    assert_eq!(
        SliceTable::from_bytes(&table.to_bytes())
            .unwrap()
            .to_bytes(),
        table.to_bytes()
    );
}

/// 20,000 accounts of 400 domains in mixed order, against the digest of the library's answers.
#[test]
fn mixed_domains_equal_those_of_sssd() {
    let mut state = 1u64;
    let mut next = move |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let accounts: Vec<_> = (0..20_000)
        .map(|_| {
            let domain = next(400);
            let rid = next(4_000_000);
            format!("S-1-5-21-{domain}-{}-11-{rid}", domain * 7)
        })
        .collect();
    let mut table = SliceTable::default();
    let answers = ids(&mut table, accounts.clone());
    assert_eq!(digest(&answers), 0xe186_d637);
    assert_eq!(answers.iter().filter(|id| id.is_none()).count(), 2_813);

    // What was given stays, in any order, also after a restart.
    let mut table = SliceTable::from_bytes(&table.to_bytes()).unwrap();
    for (account, answer) in accounts.iter().zip(&answers).rev() {
        assert_eq!(table.id_of(&sid(account)), *answer, "{account}");
    }
    assert!(!table.take_changed());
}

#[test]
fn only_accounts_of_domains_have_ids() {
    let mut table = SliceTable::default();
    for text in [
        "S-1-5-32-544",
        "S-1-5-11",
        "S-1-1-0",
        "S-1-0",
        "S-1-5-21-1-2-3",
        "S-1-5-21-1-2-3-4-5",
        "S-1-5-22-1-2-3-4",
        "S-1-4-21-1-2-3-4",
    ] {
        assert_eq!(table.id_of(&sid(text)), None, "{text}");
    }
    assert!(!table.add_domain(&sid("S-1-5-32")));
    assert!(!table.take_changed());
    assert_eq!(table, SliceTable::default());
}

#[test]
fn tells_when_it_changed() {
    let mut table = SliceTable::default();
    assert!(table.add_domain(&sid("S-1-5-21-1-2-3")));
    assert!(table.take_changed());
    assert!(table.add_domain(&sid("S-1-5-21-1-2-3")));
    assert!(table.id_of(&sid("S-1-5-21-1-2-3-500")).is_some());
    assert!(!table.take_changed());
    assert!(table.id_of(&sid("S-1-5-21-1-2-3-200000")).is_some());
    assert!(table.take_changed());
}

#[test]
fn the_stored_form_is_readable() {
    let mut table = SliceTable::default();
    table.add_domain(&sid("S-1-5-21-1-2-3"));
    table.id_of(&sid("S-1-5-21-1-2-3-400001"));
    let text = String::from_utf8(table.to_bytes()).unwrap();
    assert!(
        text.starts_with("adduct slices 1\nS-1-5-21-1-2-3 0=3430 2=1568 1~4162 2~1568 3~"),
        "{text}"
    );
}

#[test]
fn refuses_a_damaged_table() {
    let good = "adduct slices 1\nS-1-5-21-1-2-3 0=7 1~8\n";
    assert_eq!(
        SliceTable::from_bytes(good.as_bytes()).unwrap().to_bytes(),
        good.as_bytes()
    );
    for line in [
        "S-1-5-21-1-2-4 0=7",
        "S-1-5-21-1-2-3 0=9",
        "S-1-5-21-1-2-3 1~9",
        "S-1-5-21-1-2-4 0=10000",
        "S-1-5-21-1-2-4 0=-1",
        "S-1-5-21-1-2-4 21475=9",
        "S-1-5-21-1-2-4 0=",
        "S-1-5-21-1-2-4 =9",
        "S-1-5-21-1-2-4 0=9=9",
        "S-1-5-21-1-2-4 0=9  1~8",
        "S-1-5-21-1-2-4 9",
        "S-1-5-32-1-2-4 0=9",
        "S-1-5-21-1-2 0=9",
        "",
    ] {
        let text = format!("{good}{line}\n");
        assert_eq!(
            SliceTable::from_bytes(text.as_bytes()),
            Err(SliceTableError::Line(3)),
            "{line:?}"
        );
    }
    for text in [&b""[..], b"adduct slices 2\n", b"\xff"] {
        assert_eq!(SliceTable::from_bytes(text), Err(SliceTableError::Header));
    }
}
