//! Where a search looks when that is more, or less, than the entries below its base: through
//! aliases, into naming contexts within, not below referral objects, and with or without
//! subentries.

use std::collections::{HashMap, HashSet};

use roaring::RoaringBitmap;

use super::{
    EntryId,
    naming::{Diversions, Target},
    reference::Reference,
    snapshot::{OriginId, Snapshot},
};
use crate::proto::request::SearchScope;

/// What is special about where a search looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Aliases below the base are followed (RFC 4511 section 4.5.1.3).
    pub aliases: bool,
    /// Referral objects hide what is below them (RFC 3296 section 5.4).
    pub referrals: bool,
    /// Only subentries are wanted (`true`) or none (`false`); without, they are found as the base
    /// alone (RFC 3672 section 3).
    pub subentries: Option<bool>,
    /// Only entries this server is the authority for are wanted (RFC 6171).
    pub originals: bool,
}

/// Where a search looks.
#[derive(Clone, Debug)]
pub struct Region {
    base: Option<EntryId>,
    scope: SearchScope,
    reach: Reach,
    /// Entries whose subtrees are searched, beside the base.
    subtrees: RoaringBitmap,
    /// Entries that are searched beside those right below the base.
    single: RoaringBitmap,
}

impl Region {
    /// The region of a search and, where other servers hold parts of it, the names of those;
    /// `None` where there is nothing special about it.
    ///
    /// The base is an entry that was found under the same rules, or `None` for the root.
    pub fn new(
        snapshot: &Snapshot,
        base: Option<EntryId>,
        scope: SearchScope,
        reach: Reach,
    ) -> Option<(Box<Self>, Vec<Reference>)> {
        let special = &snapshot.special;
        let of_subentries = reach.subentries == Some(true);
        if scope == SearchScope::BaseObject && reach.subentries.is_none() {
            return None;
        }
        let nested = match base {
            Some(base) if scope != SearchScope::BaseObject => snapshot.tops_below(base),
            _ => Vec::new(),
        };
        let is_plain = nested.is_empty()
            && (!reach.aliases || special.aliases.is_none())
            && (!reach.referrals || special.referrals.is_none())
            && special.subentries.is_none()
            && !of_subentries
            && !reach.originals;
        if is_plain {
            return None;
        }
        let mut region = Self {
            base,
            scope,
            reach,
            subtrees: RoaringBitmap::new(),
            single: RoaringBitmap::new(),
        };
        for (top, levels) in nested {
            if scope != SearchScope::SingleLevel {
                region.subtrees.insert(top.0);
            } else if levels == 1 {
                region.single.insert(top.0);
            }
        }
        let mut references = Vec::new();
        if scope != SearchScope::BaseObject {
            if reach.aliases && special.aliases.is_some() {
                region.follow_aliases(snapshot, &mut references);
            }
            let by_alias = references.len();
            if reach.referrals {
                region.meet_referrals(snapshot, &mut references);
            }
            if by_alias > 0 {
                let mut seen = HashSet::new();
                references.retain(|reference| seen.insert(reference.clone()));
            }
        }
        Some((Box::new(region), references))
    }

    /// The entries that are searched beside those right below the base.
    pub(super) fn single(&self) -> &RoaringBitmap {
        &self.single
    }

    /// Whether nothing but subentries is looked for.
    pub(super) fn is_of_subentries(&self) -> bool {
        self.reach.subentries == Some(true)
    }

    /// Whether a served entry is looked at.
    pub(super) fn contains(&self, snapshot: &Snapshot, id: EntryId) -> bool {
        self.is_visible(snapshot, id) && self.reaches(snapshot, id)
    }

    fn is_visible(&self, snapshot: &Snapshot, id: EntryId) -> bool {
        let is_base = Some(id) == self.base;
        let subentries = match self.reach.subentries {
            Some(only) => snapshot.is_subentry(id) == only,
            None => self.scope == SearchScope::BaseObject || !snapshot.is_subentry(id),
        };
        let copied = self.reach.originals
            && snapshot
                .entry(id)
                .is_none_or(|entry| entry.origin != OriginId::LOCAL);
        // Those below the base were followed; the base was meant if it was found.
        let followed = self.reach.aliases && !is_base && snapshot.is_alias(id);
        subentries && !copied && !followed
    }

    fn reaches(&self, snapshot: &Snapshot, id: EntryId) -> bool {
        match self.scope {
            SearchScope::BaseObject => Some(id) == self.base,
            SearchScope::SingleLevel => {
                let parent = snapshot.entry(id).and_then(|entry| entry.parent);
                (parent == self.base || self.single.contains(id.0))
                    && !(self.reach.referrals && snapshot.is_referral(id))
            }
            SearchScope::Subordinates if Some(id) == self.base => false,
            SearchScope::WholeSubtree | SearchScope::Subordinates => {
                for above in snapshot.path(id) {
                    if self.reach.referrals && snapshot.is_referral(above) {
                        return false;
                    }
                    if Some(above) == self.base || self.subtrees.contains(above.0) {
                        return true;
                    }
                }
                self.base.is_none()
            }
        }
    }

    /// Adds what the aliases in the region stand for, and in the region so found, each once: loops
    /// end. An alias that names nothing is passed over.
    fn follow_aliases(&mut self, snapshot: &Snapshot, references: &mut Vec<Reference>) {
        let diversions = Diversions {
            aliases: true,
            referrals: self.reach.referrals,
        };
        let aliases = snapshot.special.aliases.iter();
        let aliases = aliases
            .flat_map(super::Postings::iter)
            .filter(|id| Some(*id) != self.base && snapshot.is_alias(*id));
        // Those not followed yet, by the entries they lie below.
        let mut below: HashMap<EntryId, Vec<EntryId>> = HashMap::new();
        let mut open = Vec::new();
        for alias in aliases.filter(|id| snapshot.is_served(*id)) {
            if self.reaches(snapshot, alias) {
                open.push(alias);
            } else if self.scope != SearchScope::SingleLevel {
                for above in snapshot.path(alias) {
                    below.entry(above).or_default().push(alias);
                }
            }
        }
        while let Some(alias) = open.pop() {
            let Some(name) = snapshot.aliased(alias) else {
                continue;
            };
            match snapshot.find(&name, diversions) {
                Target::Found(id) if self.scope == SearchScope::SingleLevel => {
                    self.single.insert(id.0);
                }
                Target::Found(id) if !self.reaches(snapshot, id) && self.subtrees.insert(id.0) => {
                    let found = below.remove(&id).unwrap_or_default();
                    open.extend(found.iter().filter(|id| self.reaches(snapshot, **id)));
                }
                Target::Elsewhere(reference) => references.push(reference),
                _ => {}
            }
        }
    }

    /// The highest referral objects in the region, whatever the filter.
    fn meet_referrals(&self, snapshot: &Snapshot, references: &mut Vec<Reference>) {
        let referrals = snapshot.special.referrals.iter();
        for object in referrals.flat_map(super::Postings::iter) {
            if !snapshot.is_referral(object) || !snapshot.is_served(object) {
                continue;
            }
            let parent = snapshot.entry(object).and_then(|entry| entry.parent);
            let is_met = match (self.scope, parent) {
                (SearchScope::BaseObject, _) => false,
                (SearchScope::SingleLevel, _) => {
                    parent == self.base || self.single.contains(object.0)
                }
                // The parent of what lies right below the base is the base itself.
                (_, Some(parent)) => Some(parent) == self.base || self.reaches(snapshot, parent),
                (_, None) => self.base.is_none() || self.subtrees.contains(object.0),
            };
            if is_met {
                let below = Vec::new();
                references.push(Reference { object, below });
            }
        }
    }
}
