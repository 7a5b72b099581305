//! Makes the next snapshot out of the last one: the only code that changes what readers see.

use std::sync::Arc;

use roaring::RoaringBitmap;
use uuid::Uuid;

use super::{
    EntryId,
    affected::Trace,
    anchors::Anchors,
    attributes_view::AttributesView,
    column,
    derived::LINK_ATTRIBUTES,
    form::{Form, Forms, bare},
    selected::Selector,
    snapshot::{Kind, OriginId, ServedEntry, Snapshot},
    source::SourceSettings,
    special::Special,
};
use crate::{
    entry::{Attribute, Entry, Origin},
    mapping::{
        derive::{self, DeriveContext},
        idmap::SliceTable,
        sid::Sid,
    },
    schema::AttributeId,
    store::ChangeSeq,
};

/// The next snapshot, and what else is to be remembered with it.
pub(super) struct Built {
    pub(super) snapshot: Snapshot,
    pub(super) slices: SliceTable,
    pub(super) anchors: Anchors,
    pub(super) trace: Trace,
}

/// The next snapshot while it is made.
#[derive(Debug)]
pub(super) struct Builder<'s> {
    pub(super) next: Snapshot,
    pub(super) slices: SliceTable,
    pub(super) anchors: Anchors,
    sources: &'s [SourceSettings],
    seq: ChangeSeq,
    /// Entries whose own reasons to be served may have changed.
    pub(super) touched: RoaringBitmap,
    /// Whether a link, a name, a place or a primary group changed, on which others' reasons depend.
    pub(super) structure_changed: bool,
    /// What others will want to know of the change.
    pub(super) trace: Trace,
    /// The rows of columns in which an entry changed.
    rows: RoaringBitmap,
}

impl<'s> Builder<'s> {
    pub(super) fn new(
        last: &Snapshot,
        slices: SliceTable,
        anchors: Anchors,
        sources: &'s [SourceSettings],
        seq: ChangeSeq,
    ) -> Self {
        let mut next = last.clone();
        next.seq = seq;
        // Until it is known what the change affects.
        next.written = Arc::default();
        next.copies = Arc::default();
        next.proven = Arc::default();
        Self {
            next,
            slices,
            anchors,
            sources,
            seq,
            touched: RoaringBitmap::new(),
            structure_changed: false,
            trace: Trace::new(),
            rows: RoaringBitmap::new(),
        }
    }

    /// The snapshot with every selection up to date.
    pub(super) fn finish(mut self) -> Built {
        let schema = Arc::clone(&self.next.schema);
        self.next.index.end_bulk(&schema);
        self.next.special = Special::gather(&self.next);
        for (position, source) in self.sources.iter().enumerate() {
            Selector::new(source, origin_of(position)).run(&mut self);
        }
        self.next.columns = Arc::new(self.next.columns.without(&self.rows));
        Built {
            snapshot: self.next,
            slices: self.slices,
            anchors: self.anchors,
            trace: self.trace,
        }
    }

    /// Puts an entry in place of the one of its identity, links included.
    pub(super) fn put(&mut self, entry: &Entry) {
        let id = self.intern(entry.uuid);
        self.put_body(entry, self.seq);
        for name in LINK_ATTRIBUTES {
            let Some(attribute) = self.next.schema.attribute(name.as_bytes()) else {
                continue;
            };
            let old = super::bound::bitmap(self.next.links.targets(id, attribute));
            let new: RoaringBitmap = entry
                .link(name)
                .into_iter()
                .flatten()
                .map(|target| self.intern(*target).0)
                .collect();
            for gone in &old - &new {
                self.remove_link(id, attribute, EntryId(gone));
            }
            for added in &new - &old {
                self.add_link(id, attribute, EntryId(added));
            }
        }
    }

    /// Adds one link, as the records of a store tell them.
    pub(super) fn put_link(&mut self, from: Uuid, attribute: &str, to: Uuid) {
        if let Some(attribute) = self.next.schema.attribute(attribute.as_bytes()) {
            let (from, to) = (self.intern(from), self.intern(to));
            self.add_link(from, attribute, to);
        }
    }

    fn add_link(&mut self, from: EntryId, attribute: AttributeId, to: EntryId) {
        self.next.links.insert(from, attribute, to);
        self.structure_changed = true;
        self.trace.link(from, attribute, to);
    }

    fn remove_link(&mut self, from: EntryId, attribute: AttributeId, to: EntryId) {
        self.next.links.remove(from, attribute, to);
        self.structure_changed = true;
        self.trace.link(from, attribute, to);
    }

    /// Puts an entry without its links.
    pub(super) fn put_body(&mut self, entry: &Entry, changed: ChangeSeq) {
        if entry.origin == Origin::Local {
            let attributes = AttributesView::from(entry.attributes.as_slice());
            let ids = (entry.uuid, entry.parent);
            let form = self.forms().local(ids, &entry.rdn, &attributes);
            self.put_local(form, changed);
        } else {
            let (origin, kind, form) = self.replicated_form(entry);
            self.put_form(form, origin, kind, changed);
        }
    }

    /// Puts a local entry without its links.
    pub(super) fn put_local(&mut self, form: Form, changed: ChangeSeq) {
        self.put_form(form, OriginId::LOCAL, Kind::Local, changed);
    }

    fn put_form(&mut self, form: Form, origin: OriginId, kind: Kind, changed: ChangeSeq) {
        let id = self.intern(form.uuid);
        let parent = form.parent.map(|parent| self.intern(parent));
        // As before, until the selection decides anew.
        let was_selected = self
            .next
            .entry(id)
            .is_some_and(|before| before.selected && before.origin == origin);
        let served = ServedEntry {
            uuid: form.uuid,
            parent,
            rdn: form.rdn,
            keys: form.keys,
            origin,
            kind,
            selected: match kind {
                Kind::Container => false,
                Kind::Local => true,
                Kind::User | Kind::Group { .. } => was_selected || self.is_unselective(origin),
            },
            changed,
            attributes: form.attributes,
        };
        self.structure_changed |= self
            .next
            .entry(id)
            .is_none_or(|before| self.differs_in_structure(before, &served));
        self.set_served(id, Arc::new(served));
        self.touched.insert(id.0);
        self.trace.touch(id);
    }

    fn differs_in_structure(&self, before: &ServedEntry, after: &ServedEntry) -> bool {
        let known = &self.next.known;
        let value =
            |entry: &ServedEntry, attribute| entry.attributes.first(attribute).map(<[u8]>::to_vec);
        before.parent != after.parent
            || before.rdn != after.rdn
            || before.origin != after.origin
            || before.kind != after.kind
            || value(before, known.primary_group_id) != value(after, known.primary_group_id)
            || value(before, known.object_sid) != value(after, known.object_sid)
    }

    /// Removes an entry and its own links; links to it stay, in case it comes back.
    pub(super) fn delete(&mut self, uuid: Uuid) {
        let Some(id) = self.next.id_of(uuid) else {
            return;
        };
        for name in LINK_ATTRIBUTES {
            let Some(attribute) = self.next.schema.attribute(name.as_bytes()) else {
                continue;
            };
            for target in super::bound::bitmap(self.next.links.targets(id, attribute)) {
                self.remove_link(id, attribute, EntryId(target));
            }
        }
        self.take_out(id);
        self.structure_changed = true;
        self.trace.touch(id);
    }

    /// Sets whether an entry is served for its own sake; returns whether that is a change.
    pub(super) fn set_selected(&mut self, id: EntryId, selected: bool) -> bool {
        let Some(entry) = self
            .next
            .entry(id)
            .filter(|entry| entry.selected != selected)
        else {
            return false;
        };
        self.trace.touch(id);
        let before = self.next.is_wanted(id, entry);
        let mut entry = ServedEntry::clone(entry);
        let parent = entry.parent;
        entry.selected = selected;
        let after = self.next.is_wanted(id, &entry);
        self.set_entry(id, Some(Arc::new(entry)));
        if before != after {
            self.count_below(parent, after);
        }
        true
    }

    /// The users whose gid follows from a group that changed.
    pub(super) fn dependents(&self, group: Uuid) -> Vec<Uuid> {
        let Some(id) = self.next.id_of(group) else {
            return Vec::new();
        };
        self.next
            .accounts_with_primary_group(id)
            .filter_map(|user| Some(self.next.entry(user)?.uuid))
            .collect()
    }

    /// The commit that is made.
    pub(super) fn seq(&self) -> ChangeSeq {
        self.seq
    }

    /// The gid that users have from a group of this SID while it is not there.
    pub(super) fn computed_gid(&self, group: Uuid) -> Option<u32> {
        let id = self.next.id_of(group)?;
        let entry = self.next.entry(id)?;
        let source = usize::from(entry.origin.0)
            .checked_sub(1)
            .and_then(|position| self.sources.get(position))?;
        let sid = entry.attributes.first(self.next.known.object_sid)?;
        let sid = Sid::from_bytes(sid).ok()?;
        // A copy, since asking must not give out a slice.
        source
            .posix
            .ids
            .computes()
            .then(|| self.slices.clone().id_of(&sid))?
    }

    /// Whether the entry that is there is a group of AD.
    pub(super) fn is_group(&self, uuid: Uuid) -> bool {
        self.next
            .id_of(uuid)
            .and_then(|id| self.next.entry(id))
            .is_some_and(|entry| matches!(entry.kind, Kind::Group { .. }))
    }

    /// The gid that is served for a group.
    pub(super) fn gid_of(&self, uuid: Uuid) -> Option<u32> {
        let id = self.next.id_of(uuid)?;
        self.next
            .entry(id)?
            .attributes
            .number(self.next.known.gid_number)
    }

    fn is_unselective(&self, origin: OriginId) -> bool {
        let source = usize::from(origin.0)
            .checked_sub(1)
            .and_then(|position| self.sources.get(position));
        source.is_none_or(|source| !Selector::new(source, origin).is_selective())
    }

    fn forms(&self) -> Forms<'_> {
        Forms {
            schema: &self.next.schema,
            derivations: &self.next.derivations,
        }
    }

    /// What readers get of an entry from AD: both dialects.
    fn replicated_form(&mut self, entry: &Entry) -> (OriginId, Kind, Form) {
        let (origin, kind, attributes) = self.both_dialects(entry);
        let attributes = AttributesView::from(attributes.as_slice());
        let ids = (entry.uuid, entry.parent);
        let form = self.forms().form(ids, &entry.rdn, attributes.iter());
        (origin, kind, form)
    }

    fn both_dialects(&mut self, entry: &Entry) -> (OriginId, Kind, Vec<Attribute>) {
        let mut sources = self.sources.iter().enumerate();
        let found = sources.find(
            |(_, source)| matches!(&entry.origin, Origin::Source(name) if *name == source.name),
        );
        // A source that is not configured any more: kept, but not served.
        let Some((position, source)) = found else {
            return (OriginId::FORMER, Kind::Container, bare(entry.uuid));
        };
        let origin = origin_of(position);
        let kind = match derive::classify(entry) {
            derive::Kind::User => Kind::User,
            derive::Kind::Group { .. } => Kind::Group { posix: false },
            derive::Kind::Container => Kind::Container,
            derive::Kind::Unserved => return (origin, Kind::Container, bare(entry.uuid)),
        };
        let next = &self.next;
        let own_sid = derive::object_sid(entry);
        let primary_gid = |rid: u32| {
            let group = next.by_sid(&own_sid.as_ref()?.sibling(rid)?, origin)?;
            next.entry(group)?.attributes.number(next.known.gid_number)
        };
        let attributes = derive::served_attributes(
            entry,
            &mut DeriveContext {
                policy: &source.posix,
                domain: &source.domain,
                slices: &mut self.slices,
                primary_gid: &primary_gid,
            },
        );
        let posix = attributes.iter().any(|attribute| {
            attribute.description.eq_ignore_ascii_case("objectClass")
                && attribute
                    .values
                    .iter()
                    .any(|class| class.eq_ignore_ascii_case(b"posixGroup"))
        });
        let kind = match kind {
            Kind::Group { .. } => Kind::Group { posix },
            other => other,
        };
        (origin, kind, attributes)
    }

    /// The id of an identity, given out at its first mention.
    fn intern(&mut self, uuid: Uuid) -> EntryId {
        if let Some(id) = self.next.id_of(uuid) {
            return id;
        }
        let id = self.next.entries.next_id();
        self.next.ids.insert(uuid, id);
        id
    }

    /// Puts an entry in place of the one that is there.
    fn set_served(&mut self, id: EntryId, entry: Arc<ServedEntry>) {
        let before = self.next.entry(id).cloned();
        let in_place = before.filter(|before| {
            before.parent.is_some() && before.parent == entry.parent && before.keys == entry.keys
        });
        let Some(before) = in_place else {
            self.take_out(id);
            self.put_in(id, entry);
            return;
        };
        let schema = Arc::clone(&self.next.schema);
        self.next.index.replace(&schema, id, &before, &entry);
        let [was_wanted, is_wanted] = [&before, &entry].map(|entry| self.next.is_wanted(id, entry));
        self.set_entry(id, Some(entry));
        if was_wanted != is_wanted {
            self.count_below(before.parent, is_wanted);
        }
    }

    fn take_out(&mut self, id: EntryId) {
        let Some(entry) = self.next.entry(id).cloned() else {
            return;
        };
        let wanted = self.next.is_wanted(id, &entry);
        match entry.parent {
            Some(parent) => {
                self.next.children.remove(&parent, id);
                if let Some(key) = entry.keys.first() {
                    let hash = self.next.name_hash(parent, key);
                    self.next.names.remove(&hash, id);
                }
            }
            None => self.next.tops.retain(|top| *top != id),
        }
        let schema = Arc::clone(&self.next.schema);
        self.next.index.remove(&schema, id, &entry);
        self.set_entry(id, None);
        self.next.count -= 1;
        // After it is gone, so that a ring does not count it twice.
        if wanted {
            self.count_below(entry.parent, false);
        }
    }

    fn put_in(&mut self, id: EntryId, entry: Arc<ServedEntry>) {
        let wanted = self.next.is_wanted(id, &entry);
        match entry.parent {
            Some(parent) => {
                self.next.children.insert(parent, id);
                if let Some(key) = entry.keys.first() {
                    let hash = self.next.name_hash(parent, key);
                    self.next.names.insert(hash, id);
                }
            }
            None => self.next.tops.push_back(id),
        }
        let schema = Arc::clone(&self.next.schema);
        self.next.index.insert(&schema, id, &entry);
        let parent = entry.parent;
        self.set_entry(id, Some(entry));
        self.next.count += 1;
        if wanted {
            self.count_below(parent, true);
        }
    }

    fn set_entry(&mut self, id: EntryId, entry: Option<Arc<ServedEntry>>) {
        self.next.entries.set(id, entry);
        self.rows.insert(column::row_of(id));
    }

    /// Counts one wanted entry more or less right below `parent`, and passes it on upwards where
    /// that makes a difference.
    ///
    /// Each count is of an entry's own children only, so that it stays right whatever order moves
    /// come in, even when they make a ring for a while. A parent that has not come yet gets its
    /// count all the same, and passes it on when it comes.
    fn count_below(&mut self, parent: Option<EntryId>, more: bool) {
        let mut next = parent;
        while let Some(id) = next {
            let count = self.next.wanted_below.get(&id).copied().unwrap_or(0);
            let changed = if more {
                count.saturating_add(1)
            } else {
                count.saturating_sub(1)
            };
            if changed == 0 {
                self.next.wanted_below.remove(&id);
            } else {
                self.next.wanted_below.insert(id, changed);
            }
            let first_or_last = count.min(changed) == 0 && count != changed;
            next = match self.next.entry(id) {
                Some(entry) if first_or_last && !entry.selected => entry.parent,
                _ => None,
            };
        }
    }
}

/// Sources follow the local origin.
pub(super) fn origin_of(position: usize) -> OriginId {
    OriginId(u16::try_from(position + 1).unwrap_or(u16::MAX))
}
