//! The values of large links as they were written last, until anything in them changes.
//!
//! Performance critical: composing the DN of a member costs two entries, copying it a few octets. A
//! version starts with what the one before it had, less what its change affects, so that a renamed
//! OU still is one entry changed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::EntryId;
use crate::schema::AttributeId;

/// Fewer links are not worth a place; the tests have small groups.
const FEW: u64 = if cfg!(test) { 1 } else { 16 };
/// Octets that are kept in all; where more come, all are let go.
const MOST: usize = 16 * 1024 * 1024;

/// What was written of one version of the directory.
#[derive(Debug, Default)]
pub(super) struct Written(Mutex<Kept>);

#[derive(Clone, Debug, Default)]
struct Kept {
    values: imbl::OrdMap<(EntryId, AttributeId), Arc<[u8]>>,
    octets: usize,
}

impl Written {
    /// Appends what was written of an attribute before, else what `write` appends; `links` says of
    /// about how many values.
    pub(super) fn copy(
        &self,
        id: EntryId,
        attribute: AttributeId,
        links: u64,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        if links < FEW {
            write(out);
            return;
        }
        let key = (id, attribute);
        let known = self.kept().values.get(&key).map(Arc::clone);
        if let Some(known) = known {
            out.extend_from_slice(&known);
            return;
        }
        let start = out.len();
        write(out);
        if let Some(octets) = out.get(start..) {
            self.kept().keep(key, octets.into());
        }
    }

    /// What still holds after a change that affects these entries.
    pub(super) fn without(&self, affected: impl IntoIterator<Item = EntryId>) -> Self {
        let mut kept = self.kept().clone();
        if !kept.values.is_empty() {
            for id in affected {
                kept.forget(id);
            }
        }
        Self(Mutex::new(kept))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing panics half way through a change of it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn keep(&mut self, key: (EntryId, AttributeId), octets: Arc<[u8]>) {
        if octets.len() > MOST {
            return;
        }
        if self.octets + octets.len() > MOST {
            *self = Self::default();
        }
        self.octets += octets.len();
        if let Some(before) = self.values.insert(key, octets) {
            self.octets -= before.len();
        }
    }

    fn forget(&mut self, id: EntryId) {
        let all = (id, AttributeId(0))..=(id, AttributeId(u16::MAX));
        let keys: Vec<_> = self.values.range(all).map(|(key, _)| *key).collect();
        for key in keys {
            if let Some(octets) = self.values.remove(&key) {
                self.octets -= octets.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMBER: AttributeId = AttributeId(7);

    fn written(written: &Written, id: u32, links: u64, octets: &[u8]) -> Vec<u8> {
        let mut out = b"before".to_vec();
        written.copy(EntryId(id), MEMBER, links, &mut out, |out| {
            out.extend_from_slice(octets);
        });
        out.split_off(6)
    }

    #[test]
    fn large_values_are_written_once_until_they_are_affected() {
        let first = Written::default();
        assert_eq!(written(&first, 1, FEW, b"one"), b"one");
        assert_eq!(written(&first, 2, FEW, b"two"), b"two");
        assert_eq!(written(&first, 1, FEW, b"other"), b"one");
        let second = first.without([EntryId(1)]);
        assert_eq!(written(&second, 1, FEW, b"other"), b"other");
        assert_eq!(written(&second, 2, FEW, b"other"), b"two");
        assert_eq!(written(&first, 1, FEW, b"other"), b"one");
        assert_eq!(second.kept().octets, 8);
    }

    #[test]
    fn few_values_are_written_each_time() {
        let few = Written::default();
        assert_eq!(written(&few, 1, FEW - 1, b"one"), b"one");
        assert_eq!(written(&few, 1, FEW - 1, b"other"), b"other");
    }

    #[test]
    fn what_is_kept_has_a_limit() {
        let full = Written::default();
        let large = vec![0; MOST / 2 + 1];
        written(&full, 1, FEW, &large);
        written(&full, 2, FEW, &large);
        assert_eq!(full.kept().values.len(), 1);
        assert_eq!(full.kept().octets, large.len());
        written(&full, 3, FEW, &vec![0; MOST + 1]);
        assert_eq!(full.kept().values.len(), 1);
    }
}
