//! The targets of links, in chunks whose ends the targets themselves decide.

use uuid::Uuid;

use super::{FORMAT, RecordError, Records, entry_prefixes};
use crate::entry::Entry;

/// One in this many targets ends its chunk.
///
/// Small enough that a chunk hardly ever gets as long as [`MAX_CHUNK`] by itself (one in 2,000).
const MEAN_CHUNK: u64 = 64;

/// The most targets in one chunk; they fill 7.5 KiB.
pub(super) const MAX_CHUNK: usize = 480;

pub(super) fn link_records(uuid: Uuid, attribute: &str, targets: &[Uuid], records: &mut Records) {
    let [_, mut prefix] = entry_prefixes(uuid);
    // A longer name makes a key the store refuses anyway.
    prefix.extend_from_slice(
        &u16::try_from(attribute.len())
            .unwrap_or(u16::MAX)
            .to_be_bytes(),
    );
    prefix.extend_from_slice(attribute.as_bytes());
    for chunk in chunks(targets) {
        let Some(first) = chunk.first() else { continue };
        let mut payload = Vec::with_capacity(1 + 16 * chunk.len());
        payload.push(FORMAT);
        for target in chunk {
            payload.extend_from_slice(target.as_bytes());
        }
        records.insert([prefix.as_slice(), first.as_bytes()].concat(), payload);
    }
}

/// The targets in one chunk.
pub(super) fn decode_targets(
    attribute: &str,
    first: Uuid,
    payload: &[u8],
) -> Result<Vec<Uuid>, RecordError> {
    let chunk = || RecordError::LinkChunk {
        attribute: attribute.to_owned(),
    };
    let rest = match payload.split_first() {
        Some((&FORMAT, rest)) => rest,
        Some((&found, _)) => return Err(RecordError::Format { found }),
        None => return Err(chunk()),
    };
    let (targets, []) = rest.as_chunks::<16>() else {
        return Err(chunk());
    };
    if targets.first() != Some(first.as_bytes()) {
        return Err(chunk());
    }
    Ok(targets.iter().copied().map(Uuid::from_bytes).collect())
}

/// Adds the targets in one chunk to the link of an entry.
pub(super) fn add_targets(
    entry: &mut Entry,
    attribute: &str,
    first: Uuid,
    payload: &[u8],
) -> Result<(), RecordError> {
    let targets = decode_targets(attribute, first, payload)?;
    let mut links = entry.links.iter_mut();
    match links.find(|link| link.attribute == attribute) {
        Some(link) => {
            link.targets.extend(targets);
            Ok(())
        }
        None => Err(RecordError::UnknownLink {
            attribute: attribute.to_owned(),
        }),
    }
}

/// Cuts sorted targets into chunks of at most [`MAX_CHUNK`].
///
/// First after every target whose weight says so, which no other target can change. What is still
/// too long is cut after its heaviest target, and so on: a new target moves such a cut only in the
/// rare case that it is heavier than all others around it.
pub(super) fn chunks(targets: &[Uuid]) -> Vec<&[Uuid]> {
    let mut chunks = Vec::new();
    let mut uncut = Vec::new();
    for run in targets.split_inclusive(|target| ends_chunk(*target)) {
        uncut.push(run);
        while let Some(run) = uncut.pop() {
            if run.len() <= MAX_CHUNK {
                chunks.push(run);
                continue;
            }
            // Not after the last one: that is a cut already.
            let heaviest = (0..run.len() - 1)
                .zip(run)
                .max_by_key(|(_, target)| weight(**target))
                .map_or(0, |(position, _)| position);
            let (front, back) = run.split_at(heaviest + 1);
            uncut.push(back);
            uncut.push(front);
        }
    }
    chunks
}

/// Whether a target ends its chunk, whatever its neighbours.
pub(super) fn ends_chunk(target: Uuid) -> bool {
    weight(target).is_multiple_of(MEAN_CHUNK)
}

/// A number that looks random. Changing it rewrites the chunks of every group.
fn weight(target: Uuid) -> u64 {
    let (high, low) = target.as_u64_pair();
    mix(high ^ mix(low))
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
pub(super) fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
