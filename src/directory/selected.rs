//! Which users and groups of a source are served: the facts its selection asks about.

use std::sync::Arc;

use roaring::RoaringBitmap;

use super::{
    EntryId,
    anchors::Anchors,
    bound::{BoundFilter, bitmap},
    build::Builder,
    evaluate::Subject,
    snapshot::{Kind, OriginId, Snapshot},
    source::SourceSettings,
};
use crate::{
    access::Secrets,
    filter::Filter,
    mapping::select::{GroupFacts, Selection, UserFacts},
};

/// Applies one source's selection.
pub(super) struct Selector<'s> {
    source: &'s SourceSettings,
    origin: OriginId,
}

impl<'s> Selector<'s> {
    pub(super) fn new(source: &'s SourceSettings, origin: OriginId) -> Self {
        Self { source, origin }
    }

    /// Whether anything but everything is selected.
    pub(super) fn is_selective(&self) -> bool {
        let select = &self.source.select;
        !select.bases.is_empty() || !select.groups.is_empty() || select.exclude.is_some()
    }

    /// Brings what is served up to date.
    ///
    /// Groups depend on users and users on groups, so that a changed link, name or place asks for
    /// all of them, and a user who comes or goes for all groups; another change for its entry alone.
    pub(super) fn run(&self, builder: &mut Builder<'_>) {
        if !self.is_selective() {
            return;
        }
        if builder.structure_changed {
            builder.anchors.find(self.source, &builder.next);
        }
        let touched = |builder: &Builder<'_>| builder.touched.iter().map(EntryId).collect();
        let everything =
            |builder: &Builder<'_>| (0..builder.next.id_bound()).map(EntryId).collect();
        let asked: Vec<EntryId> = if builder.structure_changed {
            everything(builder)
        } else {
            touched(builder)
        };
        let users = self.of_kind(&builder.next, &asked, |kind| kind == Kind::User);
        let groups = self.of_kind(&builder.next, &asked, |kind| {
            matches!(kind, Kind::Group { .. })
        });
        if users.is_empty() && groups.is_empty() {
            return;
        }
        let facts = Facts::gather(&builder.next, &builder.anchors, self);
        let mut changed = false;
        for id in users {
            changed |= builder.set_selected(id, facts.selects_user(id));
        }
        let groups = if changed && !builder.structure_changed {
            let all: Vec<EntryId> = everything(builder);
            self.of_kind(&builder.next, &all, |kind| {
                matches!(kind, Kind::Group { .. })
            })
        } else {
            groups
        };
        if groups.is_empty() {
            return;
        }
        let holding = self.groups_of_selected_users(&builder.next);
        for id in groups {
            builder.set_selected(id, facts.serves_group(id, holding.contains(id.0)));
        }
    }

    fn of_kind(
        &self,
        snapshot: &Snapshot,
        ids: &[EntryId],
        is_asked: impl Fn(Kind) -> bool,
    ) -> Vec<EntryId> {
        ids.iter()
            .copied()
            .filter(|id| {
                snapshot
                    .entry(*id)
                    .is_some_and(|entry| entry.origin == self.origin && is_asked(entry.kind))
            })
            .collect()
    }

    /// Every group that holds a selected user, directly or through other groups.
    fn groups_of_selected_users(&self, snapshot: &Snapshot) -> RoaringBitmap {
        let selected = (0..snapshot.id_bound()).map(EntryId).filter(|id| {
            snapshot.entry(*id).is_some_and(|entry| {
                entry.origin == self.origin && entry.kind == Kind::User && entry.selected
            })
        });
        let mut open: Vec<EntryId> = selected.collect();
        let mut found = RoaringBitmap::new();
        while let Some(id) = open.pop() {
            let mut above = bitmap(snapshot.links.sources(id, snapshot.known.member));
            above.extend(snapshot.primary_group(id).map(|group| group.0));
            for group in above {
                if found.insert(group) {
                    open.push(EntryId(group));
                }
            }
        }
        found
    }
}

/// The source's selection, looked up in one snapshot.
struct Facts {
    /// As if everything were served: what is excluded must not depend on what is.
    everything: Snapshot,
    selection: Selection,
    bases: Vec<EntryId>,
    named: RoaringBitmap,
    in_groups: RoaringBitmap,
    exclude: Option<BoundFilter>,
}

impl Facts {
    fn gather(snapshot: &Snapshot, anchors: &Anchors, selector: &Selector<'_>) -> Self {
        let mut everything = snapshot.clone();
        everything.unselective = true;
        everything.written = Arc::default();
        everything.copies = Arc::default();
        everything.proven = Arc::default();
        let select = &selector.source.select;
        let locate = |dn: &String| anchors.entry(selector.source, dn, snapshot);
        let named: RoaringBitmap = select
            .groups
            .iter()
            .filter_map(locate)
            .map(|id| id.0)
            .collect();
        let exclude = select.exclude.as_ref().and_then(|text| {
            let filter = Filter::parse(text).ok()?;
            Some(BoundFilter::bind(
                &filter.as_request(),
                &everything,
                &Secrets::new(&snapshot.schema),
            ))
        });
        Self {
            selection: Selection {
                has_bases: !select.bases.is_empty(),
                has_groups: !select.groups.is_empty(),
            },
            bases: select.bases.iter().filter_map(locate).collect(),
            in_groups: members_below(snapshot, &named),
            named,
            exclude,
            everything,
        }
    }

    fn selects_user(&self, id: EntryId) -> bool {
        self.selection.selects_user(UserFacts {
            in_base: self.in_base(id),
            in_group: self.in_groups.contains(id.0),
            excluded: self.is_excluded(id),
        })
    }

    fn serves_group(&self, id: EntryId, holds_selected_user: bool) -> bool {
        self.selection.serves_group(GroupFacts {
            in_base: self.in_base(id),
            named: self.named.contains(id.0),
            holds_selected_user,
            excluded: self.is_excluded(id),
        })
    }

    fn in_base(&self, id: EntryId) -> bool {
        self.bases
            .iter()
            .any(|base| self.everything.is_within(id, *base))
    }

    fn is_excluded(&self, id: EntryId) -> bool {
        let (Some(filter), Some(entry)) = (&self.exclude, self.everything.entry(id)) else {
            return false;
        };
        let subject = Subject {
            snapshot: &self.everything,
            id: Some(id),
            attributes: &entry.attributes,
        };
        filter.evaluate(subject) == Some(true)
    }
}

/// All members of some groups, nested ones and those by primary group, served or not.
fn members_below(snapshot: &Snapshot, groups: &RoaringBitmap) -> RoaringBitmap {
    let mut open: Vec<EntryId> = groups.iter().map(EntryId).collect();
    let mut found = RoaringBitmap::new();
    while let Some(group) = open.pop() {
        let mut below = bitmap(snapshot.links.targets(group, snapshot.known.member));
        below.extend(
            snapshot
                .accounts_with_primary_group(group)
                .map(|user| user.0),
        );
        for member in below {
            if found.insert(member) {
                open.push(EntryId(member));
            }
        }
    }
    found
}
