//! Which entries a change affects as clients see them: more than those it puts and deletes.
//!
//! DNs and links are derived, so that a rename shows in everything below and in everything that
//! names any of it, and a new member shows in its memberOf.

use roaring::RoaringBitmap;
use uuid::Uuid;

use super::{
    EntryId,
    bound::bitmap,
    changes::MAX_AFFECTED,
    derived::{Derivation, LINK_ATTRIBUTES},
    snapshot::{MAX_DEPTH, Resolved, Snapshot},
};
use crate::{dn::Dn, schema::AttributeId};

/// What a change touches, while it is made; given up where it is too much to be logged.
#[derive(Debug)]
pub(super) struct Trace(Option<Touched>);

#[derive(Debug, Default)]
struct Touched {
    entries: RoaringBitmap,
    links: Vec<(EntryId, AttributeId, EntryId)>,
}

impl Trace {
    /// Of a change that has touched nothing yet.
    pub(super) fn new() -> Self {
        Self(Some(Touched::default()))
    }

    /// Of a change that nobody asks about.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// An entry that is put, deleted, or selected anew.
    pub(super) fn touch(&mut self, id: EntryId) {
        if let Some(touched) = &mut self.0 {
            touched.entries.insert(id.0);
            if touched.entries.len() > MAX_AFFECTED as u64 {
                self.0 = None;
            }
        }
    }

    /// A link that comes or goes.
    pub(super) fn link(&mut self, from: EntryId, attribute: AttributeId, to: EntryId) {
        if let Some(touched) = &mut self.0 {
            touched.links.push((from, attribute, to));
            if touched.links.len() > MAX_AFFECTED {
                self.0 = None;
            }
        }
    }

    /// The entries that look different after the change, and perhaps a few that do not; `None`
    /// where they are too many.
    pub(super) fn affected(self, last: &Snapshot, next: &Snapshot) -> Option<Vec<Uuid>> {
        let mut expansion = Expansion {
            versions: [last, next],
            links: LINK_ATTRIBUTES
                .iter()
                .filter_map(|name| next.schema.attribute(name.as_bytes()))
                .collect(),
            found: RoaringBitmap::new(),
        };
        expansion.run(&self.0?)?;
        let served = expansion.found.iter().map(EntryId).filter_map(|id| {
            let version = [next, last]
                .into_iter()
                .find(|version| version.is_served(id))?;
            Some(version.entry(id)?.uuid)
        });
        Some(served.collect())
    }
}

struct Expansion<'s> {
    versions: [&'s Snapshot; 2],
    links: Vec<AttributeId>,
    found: RoaringBitmap,
}

impl Expansion<'_> {
    /// `None` where there are too many.
    fn run(&mut self, touched: &Touched) -> Option<()> {
        // Those that others name or count otherwise than before.
        let mut shown = RoaringBitmap::new();
        for id in touched.entries.iter().map(EntryId) {
            self.found.insert(id.0);
            if self.is_moved(id) || self.differs_in_reach(id) {
                for version in self.versions {
                    self.collect_below(version, id, &mut shown)?;
                }
            } else if self.differs_in_kind(id) {
                shown.insert(id.0);
            } else if self.differs_as_member(id) {
                for version in self.versions {
                    self.found |= version.nested_groups_of(id);
                }
            }
        }
        // A container is served where something served lies below it.
        for id in &touched.entries | &shown {
            for version in self.versions {
                self.collect_above(version, EntryId(id), &mut shown);
            }
        }
        for id in shown.iter().map(EntryId) {
            self.found.insert(id.0);
            for version in self.versions {
                // Which counts what lies below it.
                self.found.extend(counting(version, id).map(|id| id.0));
                for attribute in &self.links {
                    self.found |= version.closure(id, |id| version.sources_of(id, *attribute));
                }
                self.found |= version.nested_members(id);
            }
            self.check(self.found.len())?;
        }
        for (from, attribute, to) in &touched.links {
            self.found.insert(from.0);
            for version in self.versions {
                self.found |= version.closure(*from, |id| version.sources_of(id, *attribute));
                if *attribute == version.known.member {
                    self.found.insert(to.0);
                    self.found |= version.nested_members(*to);
                }
            }
            self.check(self.found.len())?;
        }
        self.check(self.found.len())
    }

    fn check(&self, count: u64) -> Option<()> {
        (count <= MAX_AFFECTED as u64).then_some(())
    }

    fn is_moved(&self, id: EntryId) -> bool {
        let [before, after] = self.versions.map(|version| version.entry(id));
        match (before, after) {
            (Some(before), Some(after)) => before.parent != after.parent || before.rdn != after.rdn,
            (before, after) => before.is_some() != after.is_some(),
        }
    }

    fn differs_in_service(&self, id: EntryId) -> bool {
        let [before, after] = self.versions.map(|version| version.is_served(id));
        before != after
    }

    /// Whether searches find more or less below it: none do below what is not served, and few below
    /// a referral object.
    fn differs_in_reach(&self, id: EntryId) -> bool {
        let [before, after] = self.versions.map(|version| version.is_referral(id));
        before != after || self.differs_in_service(id)
    }

    /// Whether others see it as another member or group.
    fn differs_in_kind(&self, id: EntryId) -> bool {
        let [before, after] = self.versions.map(|version| {
            let entry = version.entry(id)?;
            Some((
                entry.kind,
                entry.origin,
                entry.attributes.first(version.known.object_sid),
            ))
        });
        before != after
    }

    /// Whether its groups see it otherwise: by its name or its primary group.
    fn differs_as_member(&self, id: EntryId) -> bool {
        let [before, after] = self.versions.map(|version| {
            let attributes = &version.entry(id)?.attributes;
            Some((
                attributes.first(version.known.uid),
                attributes.first(version.known.primary_group_id),
            ))
        });
        before != after
    }

    /// An entry and all that lies below it, served or not, naming contexts by name included.
    fn collect_below(
        &self,
        version: &Snapshot,
        top: EntryId,
        into: &mut RoaringBitmap,
    ) -> Option<()> {
        let mut open = vec![top];
        open.extend(version.tops_below(top).into_iter().map(|(top, _)| top));
        let mut seen = RoaringBitmap::new();
        while let Some(id) = open.pop() {
            if seen.insert(id.0) {
                self.check(seen.len())?;
                open.extend(bitmap(version.children.get(&id)).iter().map(EntryId));
            }
        }
        *into |= seen;
        Some(())
    }

    /// The entries above one that are served because of it, or no more.
    fn collect_above(&self, version: &Snapshot, id: EntryId, into: &mut RoaringBitmap) {
        let mut next = parent(version, id);
        for _ in 0..MAX_DEPTH {
            let Some(id) = next else { return };
            if self.differs_in_service(id) {
                into.insert(id.0);
            }
            next = parent(version, id);
        }
    }
}

fn parent(version: &Snapshot, id: EntryId) -> Option<EntryId> {
    version.entry(id)?.parent
}

/// The entry that counts another as one right below it: the top of a naming context has one by name.
fn counting(version: &Snapshot, id: EntryId) -> Option<EntryId> {
    let entry = version.entry(id)?;
    entry.parent.or_else(|| {
        let above = Dn::parse(&entry.rdn).ok()?.parent()?;
        match version.resolve(&above) {
            Resolved::Found(id) => Some(id),
            Resolved::Missing { .. } => None,
        }
    })
}

/// Whether an entry that is served in both versions looks different to a client that asks for
/// these derived attributes: its own change is one in any case, and so is another name.
pub(super) fn is_changed(
    before: &Snapshot,
    after: &Snapshot,
    id: EntryId,
    derived: &(impl Iterator<Item = Derivation> + Clone),
) -> bool {
    let (Some(old), Some(new)) = (before.entry(id), after.entry(id)) else {
        return true;
    };
    if old.changed != new.changed || old.attributes != new.attributes {
        return true;
    }
    let values = |version: &Snapshot| {
        let mut out = Vec::new();
        version.write_dn(id, &mut out);
        for derivation in derived.clone() {
            let start = out.len();
            derivation.write_values(version, id, &mut out);
            out.push(u8::from(out.len() > start));
        }
        out
    };
    values(before) != values(after)
}
