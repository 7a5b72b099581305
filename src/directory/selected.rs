//! Which users and groups of a source are served: the facts its selection asks about.

use roaring::RoaringBitmap;

use super::{
    EntryId,
    bound::{BoundFilter, bitmap},
    build::Builder,
    evaluate::Subject,
    snapshot::{Kind, OriginId, Resolved, Snapshot},
    source::SourceSettings,
};
use crate::{
    access::Secrets,
    dn::Dn,
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
    /// Groups depend on users and users on groups, so that a changed link asks for all of them; a
    /// changed attribute for its entry alone.
    pub(super) fn run(&self, builder: &mut Builder<'_>) {
        if !self.is_selective() {
            return;
        }
        let asked: Vec<EntryId> = if builder.structure_changed {
            (0..builder.next.id_bound()).map(EntryId).collect()
        } else {
            builder.touched.iter().map(EntryId).collect()
        };
        let facts = Facts::gather(&builder.next, self);
        let mut users = Vec::new();
        let mut groups = Vec::new();
        for id in asked {
            match builder.next.entry(id) {
                Some(entry) if entry.origin != self.origin => {}
                Some(entry) if entry.kind == Kind::User => users.push(id),
                Some(entry) if matches!(entry.kind, Kind::Group { .. }) => groups.push(id),
                _ => {}
            }
        }
        for id in users {
            let selected = facts.selects_user(&builder.next, id);
            builder.set_selected(id, selected);
        }
        let holding = self.groups_of_selected_users(&builder.next);
        for id in groups {
            let served = facts.serves_group(&builder.next, id, holding.contains(id.0));
            builder.set_selected(id, served);
        }
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
    selection: Selection,
    bases: Vec<EntryId>,
    named: RoaringBitmap,
    in_groups: RoaringBitmap,
    exclude: Option<BoundFilter>,
}

impl Facts {
    fn gather(snapshot: &Snapshot, selector: &Selector<'_>) -> Self {
        let select = &selector.source.select;
        let locate = |dn: &String| match snapshot.locate(&Dn::parse(dn).ok()?, |_| true) {
            Resolved::Found(id) => Some(id),
            Resolved::Missing { .. } => None,
        };
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
                snapshot,
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
        }
    }

    fn selects_user(&self, snapshot: &Snapshot, id: EntryId) -> bool {
        self.selection.selects_user(UserFacts {
            in_base: self.in_base(snapshot, id),
            in_group: self.in_groups.contains(id.0),
            excluded: self.is_excluded(snapshot, id),
        })
    }

    fn serves_group(&self, snapshot: &Snapshot, id: EntryId, holds_selected_user: bool) -> bool {
        self.selection.serves_group(GroupFacts {
            in_base: self.in_base(snapshot, id),
            named: self.named.contains(id.0),
            holds_selected_user,
            excluded: self.is_excluded(snapshot, id),
        })
    }

    fn in_base(&self, snapshot: &Snapshot, id: EntryId) -> bool {
        self.bases.iter().any(|base| snapshot.is_within(id, *base))
    }

    fn is_excluded(&self, snapshot: &Snapshot, id: EntryId) -> bool {
        let (Some(filter), Some(entry)) = (&self.exclude, snapshot.entry(id)) else {
            return false;
        };
        let subject = Subject {
            snapshot,
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
