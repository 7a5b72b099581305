//! The bases that a connection searches: the same few for ever, found by the octets that were sent
//! instead of by what they mean.

use std::sync::{Arc, Weak};

use crate::directory::{EntryId, Snapshot};

/// How many names a connection keeps.
const MAX_NAMES: usize = 4;
/// Octets of a name that is kept.
const MAX_OCTETS: usize = 256;

/// The names that one connection searched from last, and what they lead to.
#[derive(Debug, Default)]
pub(in crate::server) struct Bases(Vec<Known>);

#[derive(Debug)]
struct Known {
    name: Box<[u8]>,
    entry: EntryId,
    /// What it was found in; held weakly, which keeps nothing of it but its place in memory, so
    /// that no other version is taken for it.
    version: Weak<Snapshot>,
}

impl Bases {
    /// The entry that a name leads to in this version, if that is known.
    pub(super) fn get(&self, name: &[u8], snapshot: &Arc<Snapshot>) -> Option<EntryId> {
        let known = self.0.iter().find(|known| *known.name == *name)?;
        known.is_of(snapshot).then_some(known.entry)
    }

    /// Keeps what a name leads to, unless aliases or referrals may lead elsewhere: what they lead
    /// to is another matter for each request.
    pub(super) fn keep(&mut self, name: &[u8], entry: EntryId, snapshot: &Arc<Snapshot>) {
        if snapshot.has_diversions() || name.len() > MAX_OCTETS {
            return;
        }
        let version = Arc::downgrade(snapshot);
        if let Some(known) = self.0.iter_mut().find(|known| *known.name == *name) {
            known.entry = entry;
            known.version = version;
            return;
        }
        if self.0.len() == MAX_NAMES {
            self.0.remove(0);
        }
        self.0.push(Known {
            name: name.into(),
            entry,
            version,
        });
    }
}

impl Known {
    fn is_of(&self, snapshot: &Arc<Snapshot>) -> bool {
        std::ptr::eq(self.version.as_ptr(), Arc::as_ptr(snapshot))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::directory::tests::build::*;

    fn found(fixture: &Fixture, bases: &mut Bases, name: &str) -> Option<EntryId> {
        let snapshot = fixture.now();
        let entry = snapshot.resolve_str(name)?;
        bases.keep(name.as_bytes(), entry, &snapshot);
        Some(entry)
    }

    #[test]
    fn a_name_is_known_in_its_own_spelling_and_version() {
        let fixture = Fixture::new([local_top(1), local(2, Some(1), "cn=a", "person")]);
        let top = fixture.now().dn(fixture.now().id_of(id(1)).unwrap());
        let name = format!("cn=a,{top}");
        let mut bases = Bases::default();
        assert_eq!(bases.get(name.as_bytes(), &fixture.now()), None);
        let entry = found(&fixture, &mut bases, &name);
        assert!(entry.is_some());
        assert_eq!(bases.get(name.as_bytes(), &fixture.now()), entry);
        let other = name.to_uppercase();
        assert_eq!(bases.get(other.as_bytes(), &fixture.now()), None);
        assert_eq!(bases.get(top.as_bytes(), &fixture.now()), None);

        // Another entry has the name now.
        fixture.put([
            local(2, Some(1), "cn=b", "person"),
            local(3, Some(1), "cn=a", "person"),
        ]);
        assert_eq!(bases.get(name.as_bytes(), &fixture.now()), None);
        let after = found(&fixture, &mut bases, &name);
        assert_ne!(after, entry);
        assert_eq!(bases.get(name.as_bytes(), &fixture.now()), after);
        fixture.delete(&[3]);
        assert_eq!(bases.get(name.as_bytes(), &fixture.now()), None);
    }

    #[test]
    fn a_copy_of_a_version_is_another_one() {
        let fixture = Fixture::new([local_top(1)]);
        let now = fixture.now();
        let copy = Arc::new(Snapshot::clone(&now));
        let mut bases = Bases::default();
        bases.keep(b"dc=x", EntryId(0), &now);
        assert_eq!(bases.get(b"dc=x", &now), Some(EntryId(0)));
        assert_eq!(bases.get(b"dc=x", &copy), None);
    }

    #[test]
    fn nothing_is_kept_alive_or_mistaken() {
        let fixture = Fixture::new([local_top(1)]);
        let mut bases = Bases::default();
        let mut copy = Arc::new(Snapshot::clone(&fixture.now()));
        for _ in 0..100 {
            bases.keep(b"dc=x", EntryId(0), &copy);
            assert_eq!(Arc::strong_count(&copy), 1);
            let next = Arc::new(Snapshot::clone(&copy));
            drop(copy);
            // It may not lie where the one before was.
            copy = next;
            assert_eq!(bases.get(b"dc=x", &copy), None);
        }
    }

    #[test]
    fn names_are_few_and_short() {
        let fixture = Fixture::new([local_top(1)]);
        let now = fixture.now();
        let mut bases = Bases::default();
        for name in 0..=u8::try_from(MAX_NAMES).unwrap() {
            bases.keep(&[name], EntryId(name.into()), &now);
        }
        assert_eq!(bases.get(&[0], &now), None);
        assert_eq!(bases.get(&[1], &now), Some(EntryId(1)));
        let long = [b'x'; MAX_OCTETS + 1];
        bases.keep(&long, EntryId(0), &now);
        assert_eq!(bases.get(&long, &now), None);
        assert_eq!(bases.get(&[1], &now), Some(EntryId(1)));
    }

    #[test]
    fn where_aliases_or_referrals_are_nothing_is_kept() {
        for (rdn, class) in [("cn=a", "alias"), ("cn=r", "referral")] {
            let fixture = Fixture::new([local_top(1), local(2, Some(1), rdn, class)]);
            let now = fixture.now();
            let mut bases = Bases::default();
            bases.keep(b"dc=x", EntryId(0), &now);
            assert_eq!(bases.get(b"dc=x", &now), None, "{class}");
        }
    }
}
