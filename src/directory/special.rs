//! The entries that are found in ways of their own: aliases, referral objects, subentries, and
//! naming contexts that lie within others.
//!
//! They are gathered once for each version, so that where there are none a search pays a branch.

use std::collections::HashSet;

use super::{
    EntryId,
    postings::Postings,
    snapshot::{MAX_DEPTH, Snapshot},
};

/// The OID of the class `alias` (RFC 4512 section 2.6).
const ALIAS: &[u8] = b"2.5.6.1";
/// The OID of the class `referral` (RFC 3296 section 2.2).
const REFERRAL: &[u8] = b"2.16.840.1.113730.3.2.6";
/// The OID of the class `subentry` (RFC 3672 section 2.4).
const SUBENTRY: &[u8] = b"2.5.17.0";

/// The special entries of one version, served or not.
#[derive(Clone, Debug, Default)]
pub(super) struct Special {
    pub(super) aliases: Option<Postings>,
    pub(super) referrals: Option<Postings>,
    pub(super) subentries: Option<Postings>,
    /// Tops whose names lie below that of another top.
    pub(super) nested: Vec<EntryId>,
}

impl Special {
    /// Looks them up; the indexes must be settled.
    pub(super) fn gather(snapshot: &Snapshot) -> Self {
        let of_class = |oid: &[u8]| {
            let class = snapshot.known.object_class;
            snapshot.index.equality(class, oid).cloned()
        };
        Self {
            aliases: of_class(ALIAS),
            referrals: of_class(REFERRAL),
            subentries: of_class(SUBENTRY),
            nested: nested(snapshot),
        }
    }

    /// Whether a name may lead elsewhere.
    pub(super) fn diverts(&self) -> bool {
        self.aliases.is_some() || self.referrals.is_some()
    }
}

/// The tops below other tops by name.
fn nested(snapshot: &Snapshot) -> Vec<EntryId> {
    if snapshot.tops.len() < 2 {
        return Vec::new();
    }
    let tops = || {
        let tops = snapshot.tops.iter();
        tops.filter_map(|id| Some((*id, snapshot.entry(*id)?)))
    };
    let names: HashSet<&[Box<[u8]>]> = tops().map(|(_, entry)| entry.keys.as_ref()).collect();
    tops()
        .filter(|(_, entry)| {
            (1..entry.keys.len())
                .filter_map(|above| entry.keys.get(above..))
                .any(|above| names.contains(above))
        })
        .map(|(id, _)| id)
        .collect()
}

impl Snapshot {
    /// Whether this entry stands for another one.
    pub(super) fn is_alias(&self, id: EntryId) -> bool {
        self.is_of(self.special.aliases.as_ref(), id)
            && self
                .entry(id)
                .is_some_and(|entry| entry.attributes.has(self.known.aliased_object_name))
    }

    /// Whether this entry says that other servers hold what is below its name.
    pub(super) fn is_referral(&self, id: EntryId) -> bool {
        self.is_of(self.special.referrals.as_ref(), id)
            && self
                .entry(id)
                .is_some_and(|entry| entry.attributes.has(self.known.reference))
    }

    /// Whether this entry holds what applies to a subtree (RFC 3672).
    pub(super) fn is_subentry(&self, id: EntryId) -> bool {
        self.is_of(self.special.subentries.as_ref(), id)
    }

    fn is_of(&self, special: Option<&Postings>, id: EntryId) -> bool {
        special.is_some_and(|ids| ids.contains(id))
    }

    /// The served tops below an entry by name, each with the number of levels between.
    pub fn tops_below(&self, id: EntryId) -> Vec<(EntryId, usize)> {
        if self.special.nested.is_empty() {
            return Vec::new();
        }
        let name = self.name_keys(id);
        let nested = self.special.nested.iter().copied();
        nested
            .filter_map(|top| {
                let keys = &self.entry(top)?.keys;
                let levels = keys.len().checked_sub(name.len())?;
                let above = keys.get(levels..)?;
                let below = levels > 0 && above.iter().map(AsRef::as_ref).eq(name.iter().copied());
                (below && self.is_served(top)).then_some((top, levels))
            })
            .collect()
    }

    /// The normalized RDNs of an entry's whole name.
    fn name_keys(&self, id: EntryId) -> Vec<&[u8]> {
        let mut keys: Vec<&[u8]> = Vec::new();
        for entry in self.path(id).filter_map(|id| self.entry(id)) {
            keys.extend(entry.keys.iter().map(AsRef::as_ref));
        }
        keys
    }

    /// An entry and those above it, up to its top.
    pub(super) fn path(&self, id: EntryId) -> impl Iterator<Item = EntryId> + '_ {
        let parent = |id: &EntryId| self.entry(*id)?.parent;
        std::iter::successors(Some(id), parent).take(MAX_DEPTH)
    }
}
