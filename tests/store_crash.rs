//! Kills a process that commits, and looks at what it left: the test runs itself as that process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
};

use adduct::store::{Batch, ChangeSeq, SledStore, Store as _};

/// Set for the child: the store's directory.
const DIRECTORY: &str = "ADDUCT_TEST_CRASH_DIRECTORY";

const ROUNDS: u64 = 12;

/// Slots are reused, so that commits also replace and remove what earlier ones wrote.
const SLOTS: u64 = 40;

#[test]
fn acknowledged_commits_survive_a_kill_and_none_is_torn() {
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        // Different numbers, so that the kill meets different moments of sled's life.
        let acknowledgements = 1 + round * 7 % 60;
        let last = run_and_kill(directory.path(), acknowledgements);
        assert!(last > acknowledged, "round {round} made no progress");
        acknowledged = inspect(directory.path(), last);
    }
}

/// The child's part; does nothing in an ordinary run.
#[test]
fn child_commits_until_it_is_killed() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let store = SledStore::open(Path::new(&directory)).unwrap();
    // Not `println`, which the test harness would keep.
    let mut out = std::io::stdout();
    loop {
        let seq = store.commit(batch(store.last_seq().0 + 1)).unwrap();
        writeln!(out, "ack {}", seq.0).unwrap();
        out.flush().unwrap();
    }
}

/// What commit number `seq` does: fills one slot anew and empties the one after it.
fn batch(seq: u64) -> Batch {
    let mut operations = BTreeMap::new();
    operations.insert(b"last".to_vec(), Some(seq.to_be_bytes().to_vec()));
    for (slot, filled) in [(seq % SLOTS, true), ((seq + 1) % SLOTS, false)] {
        for part in 0..parts(slot) {
            operations.insert(key(slot, part), filled.then(|| payload(seq, part)));
        }
    }
    Batch { operations }
}

fn key(slot: u64, part: u64) -> Vec<u8> {
    format!("slot {slot:02} {part:04}").into_bytes()
}

/// From one record to enough to fill several of sled's segments, or to go in portions.
fn parts(slot: u64) -> u64 {
    match slot % 10 {
        0 => 200,
        7 => 5000,
        n => n,
    }
}

fn payload(seq: u64, part: u64) -> Vec<u8> {
    let most = if part < 200 { 8000 } else { 40 };
    let length = usize::try_from(part * 997 % most).unwrap();
    let mut payload = seq.to_be_bytes().to_vec();
    payload.resize(8 + length, u8::try_from(seq % 251).unwrap());
    payload
}

/// Returns the last sequence the child could report before it died.
fn run_and_kill(directory: &Path, acknowledgements: u64) -> u64 {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_commits_until_it_is_killed", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Killed(child);
    let lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let mut last = 0;
    let mut seen = 0;
    for line in lines {
        if let Some(seq) = acknowledgement(&line.unwrap()) {
            last = seq;
            seen += 1;
            if seen == acknowledgements {
                // SIGKILL; the child is in the middle of its next commit. What it said before it
                // died is still in the pipe and read by the loop.
                child.0.kill().unwrap();
            }
        }
    }
    assert!(
        seen >= acknowledgements,
        "the child died by itself after {seen} commits"
    );
    last
}

/// The sequence of an acknowledgement; the harness may have begun the line with words of its own.
fn acknowledgement(line: &str) -> Option<u64> {
    line.rsplit_once("ack ")?.1.parse().ok()
}

/// Checks the store against what the commits up to its last one make; returns that one.
fn inspect(directory: &Path, acknowledged: u64) -> u64 {
    let store = SledStore::open(directory).unwrap();
    let mut found = BTreeMap::new();
    let report = store
        .load(&mut |key, payload| {
            found.insert(key.to_vec(), payload.to_vec());
        })
        .unwrap();
    assert!(report.is_sound(), "{report:?}");
    let ChangeSeq(last) = report.last_seq;
    // The one commit under way at the kill may be there, whole, though nobody was told.
    assert!(
        last == acknowledged || last == acknowledged + 1,
        "{acknowledged} acknowledged, {last} found"
    );
    let mut expected = BTreeMap::new();
    for seq in 1..=last {
        for (key, payload) in batch(seq).operations {
            match payload {
                Some(payload) => expected.insert(key, payload),
                None => expected.remove(&key),
            };
        }
    }
    assert!(
        found == expected,
        "the store differs from its {last} commits"
    );
    last
}

/// Does not outlive the test, whatever happens.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
