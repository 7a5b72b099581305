//! The frame around each payload, the store's note about itself, and the walk that checks both.
//!
//! A frame is `version (1) | sequence (8, big endian) | CRC-32 (4, big endian) | payload`. The
//! checksum covers version, sequence, key and payload, so that a record under a wrong key shows.
//! Version and checksum keep their place in every version; only so can a later version be told
//! from damage.

use super::{Batch, ChangeSeq, CorruptRecord, LoadReport, MAX_KEY, MAX_PAYLOAD, StoreError, Visit};

/// The version of the frame that is written, and the only one that is read.
pub(super) const VERSION: u8 = 1;

/// Octets before the payload.
pub(super) const HEADER: usize = 1 + 8 + 4;

/// Where the store keeps its [`Tally`].
pub(super) const TALLY_KEY: &[u8] = b"\0tally";

/// What is wrong with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Too short to be a frame.
    #[error("it has {length} octets, a frame has at least {HEADER}")]
    Truncated {
        /// Its length.
        length: usize,
    },
    /// Damaged in version, sequence, key or payload.
    #[error("its checksum is {computed:08x}, {stored:08x} is noted")]
    Checksum {
        /// The checksum in the frame.
        stored: u32,
        /// The checksum of what the frame holds.
        computed: u32,
    },
    /// Undamaged, but of another version.
    #[error("it has format {found}, {VERSION} is expected")]
    Version {
        /// The version found.
        found: u8,
    },
    /// The store's note about itself has a wrong length.
    #[error("the store's tally has {length} octets, 16 are expected")]
    Tally {
        /// Its length.
        length: usize,
    },
    /// The store has records but no note about itself.
    #[error("the store's tally is gone")]
    TallyMissing,
}

/// Puts a payload into its frame.
pub(super) fn encode(seq: ChangeSeq, key: &[u8], payload: &[u8]) -> Vec<u8> {
    let seq = seq.0.to_be_bytes();
    let mut frame = Vec::with_capacity(HEADER + payload.len());
    frame.push(VERSION);
    frame.extend_from_slice(&seq);
    frame.extend_from_slice(&checksum(VERSION, seq, key, payload).to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// Takes sequence and payload out of a frame.
pub(super) fn decode<'a>(key: &[u8], frame: &'a [u8]) -> Result<(ChangeSeq, &'a [u8]), FrameError> {
    let truncated = FrameError::Truncated {
        length: frame.len(),
    };
    let (&[version], rest) = frame.split_first_chunk().ok_or(truncated)?;
    let (&seq, rest) = rest.split_first_chunk().ok_or(truncated)?;
    let (&stored, payload) = rest.split_first_chunk().ok_or(truncated)?;
    let stored = u32::from_be_bytes(stored);
    let computed = checksum(version, seq, key, payload);
    // First the checksum: a version read from damaged octets means nothing.
    if stored != computed {
        return Err(FrameError::Checksum { stored, computed });
    }
    if version != VERSION {
        return Err(FrameError::Version { found: version });
    }
    Ok((ChangeSeq(u64::from_be_bytes(seq)), payload))
}

fn checksum(version: u8, seq: [u8; 8], key: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[version]);
    hasher.update(&seq);
    hasher.update(key);
    hasher.update(payload);
    hasher.finalize()
}

/// What every commit notes about the whole store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// The sequence of that commit.
    pub(super) last_seq: ChangeSeq,
    /// Records after it, this note not counted.
    pub(super) records: u64,
}

impl Tally {
    /// The frame to store under [`TALLY_KEY`].
    pub(super) fn encode(self) -> Vec<u8> {
        let mut payload = [0; 16];
        let (last_seq, records) = payload.split_at_mut(8);
        last_seq.copy_from_slice(&self.last_seq.0.to_be_bytes());
        records.copy_from_slice(&self.records.to_be_bytes());
        encode(self.last_seq, TALLY_KEY, &payload)
    }

    pub(super) fn decode(frame: &[u8]) -> Result<Self, FrameError> {
        let (_, payload) = decode(TALLY_KEY, frame)?;
        let wrong = FrameError::Tally {
            length: payload.len(),
        };
        let (&last_seq, rest) = payload.split_first_chunk().ok_or(wrong)?;
        let records: [u8; 8] = rest.try_into().map_err(|_| wrong)?;
        Ok(Self {
            last_seq: ChangeSeq(u64::from_be_bytes(last_seq)),
            records: u64::from_be_bytes(records),
        })
    }
}

/// Whether a key belongs to the store itself.
pub(super) fn is_reserved(key: &[u8]) -> bool {
    key.first() == Some(&0)
}

/// Refuses a batch no engine may write.
pub(super) fn check(batch: &Batch) -> Result<(), StoreError> {
    for (key, payload) in &batch.operations {
        if key.is_empty() {
            return Err(StoreError::EmptyKey);
        }
        if is_reserved(key) {
            return Err(StoreError::ReservedKey { key: key.clone() });
        }
        if key.len() > MAX_KEY {
            return Err(StoreError::KeyTooLong { length: key.len() });
        }
        if let Some(payload) = payload
            && payload.len() > MAX_PAYLOAD
        {
            return Err(StoreError::PayloadTooLarge {
                key: key.clone(),
                length: payload.len(),
            });
        }
    }
    Ok(())
}

/// The answer to a read of one record.
pub(super) fn payload(key: &[u8], frame: &[u8]) -> Result<Vec<u8>, StoreError> {
    match decode(key, frame) {
        Ok((_, payload)) => Ok(payload.to_vec()),
        Err(reason) => Err(unreadable(key, reason)),
    }
}

/// Another version is an error for the whole store, damage one of a single record.
pub(super) fn unreadable(key: &[u8], reason: FrameError) -> StoreError {
    match reason {
        FrameError::Version { found } => StoreError::Version {
            found,
            expected: VERSION,
        },
        reason => StoreError::Corrupt(CorruptRecord {
            key: key.to_vec(),
            reason,
        }),
    }
}

/// Builds a report from raw records that are handed in one by one in key order.
pub(super) struct Walk<'v> {
    visit: Visit<'v>,
    report: LoadReport,
    max_seq: ChangeSeq,
}

impl<'v> Walk<'v> {
    /// `last_seq` is what the engine believes the last commit to be.
    pub(super) fn new(last_seq: ChangeSeq, visit: Visit<'v>) -> Self {
        Self {
            visit,
            report: LoadReport {
                last_seq,
                ..LoadReport::default()
            },
            max_seq: ChangeSeq(0),
        }
    }

    /// Takes one raw record, the store's own included.
    pub(super) fn take(&mut self, key: &[u8], frame: &[u8]) -> Result<(), StoreError> {
        let reason = if key == TALLY_KEY {
            match Tally::decode(frame) {
                Ok(tally) => {
                    self.report.expected_records = Some(tally.records);
                    return Ok(());
                }
                Err(reason) => reason,
            }
        } else {
            match decode(key, frame) {
                Ok((seq, payload)) => {
                    if !is_reserved(key) {
                        self.report.records += 1;
                        self.report.newer_than_last_seq += u64::from(seq > self.report.last_seq);
                        self.max_seq = self.max_seq.max(seq);
                        (self.visit)(key, payload);
                    }
                    return Ok(());
                }
                Err(reason) => reason,
            }
        };
        match unreadable(key, reason) {
            StoreError::Corrupt(record) => {
                self.report.corrupt.push(record);
                Ok(())
            }
            error => Err(error),
        }
    }

    /// The damaged records, where not all records were handed in.
    pub(super) fn damaged(self) -> Vec<CorruptRecord> {
        self.report.corrupt
    }

    /// The report, and the tally as it should have been.
    pub(super) fn finish(self) -> (LoadReport, Tally) {
        let mut report = self.report;
        let tally_damaged = report
            .corrupt
            .first()
            .is_some_and(|record| record.key == TALLY_KEY);
        if report.expected_records.is_none() && !tally_damaged {
            if report.present() == 0 {
                report.expected_records = Some(0);
            } else {
                report.corrupt.insert(
                    0,
                    CorruptRecord {
                        key: TALLY_KEY.to_vec(),
                        reason: FrameError::TallyMissing,
                    },
                );
            }
        }
        let tally = Tally {
            last_seq: self.max_seq.max(report.last_seq),
            records: report.present(),
        };
        (report, tally)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_flipped_bit_is_noticed() {
        let frame = encode(ChangeSeq(7), b"key", b"payload");
        for bit in 0..frame.len() * 8 {
            let mut damaged = frame.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(
                decode(b"key", &damaged),
                Err(FrameError::Checksum { .. })
            ));
        }
        assert!(matches!(
            decode(b"kez", &frame),
            Err(FrameError::Checksum { .. })
        ));
    }

    #[test]
    fn another_version_is_told_from_damage_and_says_what_to_do() {
        let seq = 7_u64.to_be_bytes();
        let mut frame = vec![9];
        frame.extend_from_slice(&seq);
        frame.extend_from_slice(&checksum(9, seq, b"key", b"new").to_be_bytes());
        frame.extend_from_slice(b"new");
        let reason = decode(b"key", &frame).unwrap_err();
        assert_eq!(reason, FrameError::Version { found: 9 });
        let text = unreadable(b"key", reason).to_string();
        assert!(
            text.contains("format 9") && text.contains("export"),
            "{text}"
        );
    }

    #[test]
    fn a_short_frame_names_its_length() {
        for length in 0..HEADER {
            assert_eq!(
                decode(b"key", &vec![VERSION; length]),
                Err(FrameError::Truncated { length })
            );
        }
    }

    #[test]
    fn the_tally_comes_back() {
        let tally = Tally {
            last_seq: ChangeSeq(u64::MAX),
            records: 12,
        };
        assert_eq!(Tally::decode(&tally.encode()), Ok(tally));
        assert_eq!(
            Tally::decode(&encode(ChangeSeq(1), TALLY_KEY, b"short")),
            Err(FrameError::Tally { length: 5 })
        );
    }

    proptest! {
        #[test]
        fn a_frame_comes_back(seq: u64, key: Vec<u8>, payload: Vec<u8>) {
            let frame = encode(ChangeSeq(seq), &key, &payload);
            prop_assert_eq!(decode(&key, &frame), Ok((ChangeSeq(seq), payload.as_slice())));
        }

        #[test]
        fn no_bytes_make_it_panic(key: Vec<u8>, frame: Vec<u8>) {
            let _ = decode(&key, &frame);
            let _ = Tally::decode(&frame);
        }
    }
}
