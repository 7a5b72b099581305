//! Durable records; the only place that knows sled.

use std::collections::BTreeMap;

/// The position of a commit in the order of all commits of one store, from 1 on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeSeq(pub u64);

/// The largest payload of one record, in octets.
///
/// Larger values make sled 0.34 write files beside its log that it never syncs.
pub const MAX_PAYLOAD: usize = 8 * 1024 - 64;

/// What one commit does: for each key a new payload, or `None` to remove the record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Keys in order, so that two engines see the same sequence.
    pub operations: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}
