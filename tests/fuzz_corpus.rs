//! The fuzz targets over their corpora, and over what a little damage makes of these.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[allow(unreachable_pub)]
#[path = "../fuzz/targets.rs"]
mod targets;

use std::{
    collections::BTreeSet,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

/// Damaged inputs for each target; some targets take a millisecond for one.
const DAMAGED: usize = 300;

fn fuzz_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn corpus_of(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let files = fs::read_dir(fuzz_dir().join("corpus").join(target)).unwrap();
    let mut corpus: Vec<_> = files
        .map(|file| file.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    corpus.sort();
    corpus
}

fn run(target: targets::Target, what: &str, input: &[u8]) {
    let outcome = catch_unwind(AssertUnwindSafe(|| target(input)));
    assert!(outcome.is_ok(), "{what}: {}", input.escape_ascii());
}

#[test]
fn every_target_takes_its_corpus() {
    for (name, target) in targets::ALL {
        let corpus = corpus_of(name);
        assert!(!corpus.is_empty(), "no corpus for {name}");
        for (path, input) in corpus {
            run(*target, &path.display().to_string(), &input);
        }
    }
}

#[test]
fn every_target_takes_damaged_inputs() {
    for (name, target) in targets::ALL {
        let corpus = corpus_of(name);
        // The same numbers in every run (xorshift).
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut below = |bound: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % bound.max(1) as u64).unwrap()
        };
        for _ in 0..rounds() {
            let (path, seed) = &corpus[below(corpus.len())];
            let mut input = seed.clone();
            for _ in 0..=below(4) {
                let at = below(input.len() + 1);
                match below(5) {
                    0 if at < input.len() => input[at] = u8::try_from(below(256)).unwrap(),
                    1 if at < input.len() => input[at] ^= 1 << below(8),
                    2 => drop(input.drain(at..(at + below(8)).min(input.len()))),
                    3 => {
                        let (_, other) = &corpus[below(corpus.len())];
                        let from = below(other.len());
                        let until = (from + below(32)).min(other.len());
                        input.splice(at..at, other[from..until].iter().copied());
                    }
                    _ => input.insert(at, u8::try_from(below(256)).unwrap()),
                }
            }
            run(*target, &format!("{name}, from {}", path.display()), &input);
        }
    }
}

/// `ADDUCT_FUZZ_ROUNDS=100000 cargo test --test fuzz_corpus` does more of it without a fuzzer.
fn rounds() -> usize {
    let more = std::env::var("ADDUCT_FUZZ_ROUNDS");
    more.map_or(DAMAGED, |more| more.parse().unwrap())
}

#[test]
fn targets_corpora_and_binaries_are_the_same() {
    let targets: BTreeSet<String> = targets::ALL
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    let names = |dir: &str| -> BTreeSet<String> {
        let files = fs::read_dir(fuzz_dir().join(dir)).unwrap();
        files
            .map(|file| {
                file.unwrap()
                    .path()
                    .file_stem()
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned()
            })
            .collect()
    };
    assert_eq!(names("corpus"), targets);
    assert_eq!(names("fuzz_targets"), targets);
    let manifest = fs::read_to_string(fuzz_dir().join("Cargo.toml")).unwrap();
    for target in targets {
        assert!(
            manifest.contains(&format!("name = \"{target}\"")),
            "{target}"
        );
    }
}
