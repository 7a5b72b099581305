//! One version of the directory, immutable once published.
//!
//! All maps are persistent: the next version shares what did not change, so that publishing costs
//! what changed and readers keep the version they started with.

use std::sync::Arc;

use roaring::RoaringBitmap;
use uuid::Uuid;

use super::{
    EntryId,
    changes::ChangeLog,
    column::Columns,
    containers::Containers,
    copies::Copies,
    derived::Derivations,
    entries::Entries,
    found::Found,
    index::Index,
    known::Known,
    links::Links,
    packed::PackedAttributes,
    postings::{Postings, PostingsMap},
    proven::Proven,
    shards::Shards,
    source::SourceRecord,
    special::Special,
    written::Written,
};
use crate::{
    dn::{Dn, PlainDn, Rdn},
    entry::Origin,
    mapping::sid::Sid,
    schema::{AttributeId, NameKeys, Schema},
    store::ChangeSeq,
};

type Map<K, V> =
    imbl::GenericHashMap<K, V, foldhash::fast::RandomState, imbl::shared_ptr::DefaultSharedPtr>;

/// One entry as it is served.
#[derive(Clone, Debug)]
pub struct ServedEntry {
    /// Its identity.
    pub uuid: Uuid,
    /// The entry above it; `None` for the top of a naming context.
    pub parent: Option<EntryId>,
    /// The RDN as text, or the whole DN of a top.
    pub rdn: Box<str>,
    /// The normalized RDNs, one for an entry that has a parent; the leftmost first.
    pub(super) keys: Box<[Box<[u8]>]>,
    /// Who is the authority for it.
    pub origin: OriginId,
    /// What it is to the rules of serving.
    pub kind: Kind,
    /// Whether it is served for its own sake; a container may be for what lies below it.
    pub(super) selected: bool,
    /// The commit that changed it last.
    pub changed: ChangeSeq,
    /// The stored attributes.
    pub attributes: PackedAttributes,
}

/// The place of an origin in the list of origins ([`Snapshot::origin`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OriginId(pub u16);

impl OriginId {
    /// Entries made here.
    pub const LOCAL: Self = Self(0);
    /// Entries of a source that is not configured any more.
    pub const FORMER: Self = Self(u16::MAX);
}

/// What an entry is to the rules of serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A local entry.
    Local,
    /// A user of AD.
    User,
    /// A group of AD; `posix` where it carries posixGroup.
    Group {
        /// Whether it is a posixGroup.
        posix: bool,
    },
    /// A container of AD, served where something served lies below it.
    Container,
}

/// What decides how a source's groups are served; index 0 is the local origin.
#[derive(Clone, Debug)]
pub struct OriginView {
    /// The authority.
    pub origin: Origin,
    /// Whether memberUid names the members of nested groups too.
    pub nested_member_uid: bool,
}

/// One version of the directory.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(super) seq: ChangeSeq,
    pub(super) schema: Arc<Schema>,
    pub(super) known: Known,
    pub(super) derivations: Arc<Derivations>,
    pub(super) origins: Arc<[OriginView]>,
    pub(super) sources: imbl::OrdMap<String, Arc<SourceRecord>>,
    pub(super) entries: Entries,
    pub(super) ids: Shards<Uuid, EntryId>,
    pub(super) children: PostingsMap<EntryId>,
    /// (parent, normalized RDN) by hash; collisions are told apart by the entry's own keys.
    pub(super) names: PostingsMap<u64>,
    pub(super) tops: imbl::Vector<EntryId>,
    /// How many entries right below an entry are wanted: served for their own sake, or wanted for
    /// what lies below them.
    pub(super) wanted_below: Map<EntryId, u32>,
    pub(super) links: Links,
    pub(super) index: Index,
    pub(super) changes: ChangeLog,
    pub(super) special: Special,
    pub(super) written: Arc<Written>,
    pub(super) copies: Arc<Copies>,
    pub(super) proven: Arc<Proven>,
    pub(super) columns: Arc<Columns>,
    pub(super) count: usize,
    /// Every entry counts as served; for the selection alone, which decides about that.
    pub(super) unselective: bool,
    pub(super) hasher: foldhash::fast::RandomState,
}

impl Snapshot {
    /// The commit this version shows.
    pub fn seq(&self) -> ChangeSeq {
        self.seq
    }

    /// The schema the entries follow.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The attribute types with a meaning to this code.
    pub fn known(&self) -> &Known {
        &self.known
    }

    /// The attributes that are derived.
    pub fn derivations(&self) -> &Derivations {
        &self.derivations
    }

    /// The indexes.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// What is remembered of a source.
    pub fn source(&self, name: &str) -> Option<&Arc<SourceRecord>> {
        self.sources.get(name)
    }

    /// What is remembered of every source.
    pub fn sources(&self) -> impl Iterator<Item = &Arc<SourceRecord>> {
        self.sources.values()
    }

    /// What is remembered of the source an entry came from.
    pub fn source_of(&self, id: EntryId) -> Option<&Arc<SourceRecord>> {
        match &self.origin(self.entry(id)?.origin)?.origin {
            Origin::Source(name) => self.source(name),
            Origin::Local => None,
        }
    }

    /// The authority for an entry.
    pub fn origin(&self, id: OriginId) -> Option<&OriginView> {
        self.origins.get(usize::from(id.0))
    }

    /// One past the highest id in use.
    pub fn id_bound(&self) -> u32 {
        self.entries.bound()
    }

    /// The number of stored entries, served or not.
    pub fn stored(&self) -> usize {
        self.count
    }

    /// The entry of this id, served or not.
    pub fn entry(&self, id: EntryId) -> Option<&Arc<ServedEntry>> {
        self.entries.get(id)
    }

    /// The id of an identity; it may name no entry yet.
    pub fn id_of(&self, uuid: Uuid) -> Option<EntryId> {
        self.ids.get(&uuid).copied()
    }

    /// Whether readers see this entry: it is served itself or by what lies below it, and every
    /// entry above it is there.
    pub fn is_served(&self, id: EntryId) -> bool {
        let Some(entry) = self.entry(id) else {
            return false;
        };
        self.is_wanted(id, entry) && self.is_rooted(entry)
    }

    /// Whether an entry is to be served, for its own sake or for what lies below it.
    pub(super) fn is_wanted(&self, id: EntryId, entry: &ServedEntry) -> bool {
        entry.selected || self.wanted_below.contains_key(&id) || self.unselective
    }

    fn is_rooted(&self, entry: &ServedEntry) -> bool {
        self.is_rooted_through(entry, |_| {})
    }

    /// Whether readers see this entry, and it is `base` or lies below it; without a base it lies
    /// below the root.
    pub(super) fn is_served_within(
        &self,
        id: EntryId,
        entry: &ServedEntry,
        base: Option<EntryId>,
    ) -> bool {
        let mut below = base.is_none_or(|base| base == id);
        self.is_wanted(id, entry)
            && self.is_rooted_through(entry, |above| below |= base == Some(above))
            && below
    }

    /// Whether every entry above is there; each is passed to `meet`.
    fn is_rooted_through(&self, entry: &ServedEntry, mut meet: impl FnMut(EntryId)) -> bool {
        let mut parent = entry.parent;
        // A ring cannot be made through `resolve` but a source could send one.
        for _ in 0..MAX_DEPTH {
            let Some(id) = parent else { return true };
            meet(id);
            let Some(above) = self.entry(id) else {
                return false;
            };
            parent = above.parent;
        }
        false
    }

    /// The tops of the served naming contexts.
    pub fn naming_contexts(&self) -> impl Iterator<Item = EntryId> + '_ {
        self.tops.iter().copied().filter(|id| self.is_served(*id))
    }

    /// Appends the DN of an entry.
    pub fn write_dn(&self, id: EntryId, out: &mut Vec<u8>) {
        let mut next = Some(id);
        for depth in 0..MAX_DEPTH {
            let Some(entry) = next.and_then(|id| self.entry(id)) else {
                return;
            };
            if depth > 0 {
                out.push(b',');
            }
            out.extend_from_slice(entry.rdn.as_bytes());
            next = entry.parent;
        }
    }

    /// The DN of an entry as text.
    pub fn dn(&self, id: EntryId) -> String {
        let mut out = Vec::with_capacity(64);
        self.write_dn(id, &mut out);
        // RDNs are text.
        String::from_utf8(out).unwrap_or_default()
    }

    /// Whether an entry has this name, which is normalized.
    pub fn is_named(&self, id: EntryId, name: &[Vec<u8>]) -> bool {
        let mut rest = name.iter();
        let mut next = Some(id);
        for _ in 0..MAX_DEPTH {
            let Some(entry) = next.and_then(|id| self.entry(id)) else {
                break;
            };
            if !entry
                .keys
                .iter()
                .all(|key| rest.next().is_some_and(|own| **own == **key))
            {
                return false;
            }
            next = entry.parent;
        }
        rest.next().is_none()
    }

    /// Finds the served entry of a DN in any spelling.
    pub fn resolve(&self, dn: &Dn) -> Resolved {
        match self.schema.name_keys(dn) {
            Ok(keys) => self.resolve_keys(&keys),
            Err(_) => Resolved::Missing { nearest: None },
        }
    }

    /// Finds the served entry of normalized names.
    fn resolve_keys(&self, keys: &NameKeys<'_>) -> Resolved {
        // Whatever is above a served entry is served, so that one question nearly always does.
        match self.locate_keys(keys, |_| true) {
            Resolved::Found(id) if self.is_served(id) => Resolved::Found(id),
            _ => self.locate_keys(keys, |id| self.is_served(id)),
        }
    }

    /// Finds the entry of a DN among those that are accepted.
    pub(super) fn locate(&self, dn: &Dn, accept: impl Fn(EntryId) -> bool) -> Resolved {
        match self.schema.name_keys(dn) {
            Ok(keys) => self.locate_keys(&keys, accept),
            Err(_) => Resolved::Missing { nearest: None },
        }
    }

    fn locate_keys(&self, keys: &NameKeys<'_>, accept: impl Fn(EntryId) -> bool) -> Resolved {
        // The top that leaves the fewest names below it; of two, the same one after a restart.
        let mut top: Option<((usize, Uuid), EntryId)> = None;
        // Not by adapters, through which the iterator would be moved each time.
        for id in &self.tops {
            let Some(entry) = self.entry(*id) else {
                continue;
            };
            let Some(below) = keys.len().checked_sub(entry.keys.len()) else {
                continue;
            };
            let rank = (below, entry.uuid);
            let mut suffix = (below..).zip(&entry.keys);
            if suffix.all(|(place, own)| keys.get(place) == &**own)
                && top.is_none_or(|(best, _)| rank < best)
                && accept(*id)
            {
                top = Some((rank, *id));
            }
        }
        let Some(((below, _), mut id)) = top else {
            return Resolved::Missing { nearest: None };
        };
        for key in keys.iter().take(below).rev() {
            match self.child(id, key, &accept) {
                Some(child) => id = child,
                None => return Resolved::Missing { nearest: Some(id) },
            }
        }
        Resolved::Found(id)
    }

    /// The same of a name in the plain spelling.
    pub fn resolve_plain(&self, name: PlainDn<'_>) -> Resolved {
        match self.schema.plain_keys(name) {
            Ok(keys) => self.resolve_keys(&keys),
            Err(_) => Resolved::Missing { nearest: None },
        }
    }

    /// The served entry of a DN as distinguishedNameMatch normalizes it.
    pub(super) fn resolve_normalized(&self, dn: &[u8]) -> Option<EntryId> {
        match self.resolve_keys(&NameKeys::read(dn)?) {
            Resolved::Found(id) => Some(id),
            Resolved::Missing { .. } => None,
        }
    }

    /// The served entry of a DN given as text; `None` as well where it is no DN.
    pub fn resolve_str(&self, dn: &str) -> Option<EntryId> {
        let resolved = match PlainDn::read(dn) {
            Some(name) => self.resolve_plain(name),
            None => self.resolve(&Dn::parse(dn).ok()?),
        };
        match resolved {
            Resolved::Found(id) => Some(id),
            Resolved::Missing { .. } => None,
        }
    }

    /// The served entry right below another that has this RDN in any spelling.
    pub fn child_named(&self, parent: EntryId, rdn: &Rdn) -> Option<EntryId> {
        let key = self.schema.normalize_rdn(rdn).ok()?;
        self.child(parent, &key, |id| self.is_served(id))
    }

    /// The accepted entry of this normalized RDN below another; one that is not served may have
    /// the name of one that is. Should two be accepted, it is the same one after a restart.
    fn child(
        &self,
        parent: EntryId,
        key: &[u8],
        accept: impl Fn(EntryId) -> bool,
    ) -> Option<EntryId> {
        let mut child: Option<(Uuid, EntryId)> = None;
        Found::of(self.names.get(&self.name_hash(parent, key))).for_each(|id| {
            let is_named = |entry: &&Arc<ServedEntry>| {
                entry.parent == Some(parent) && entry.keys.first().is_some_and(|own| **own == *key)
            };
            if let Some(entry) = self.entry(id).filter(is_named)
                && child.is_none_or(|(first, _)| entry.uuid < first)
                && accept(id)
            {
                child = Some((entry.uuid, id));
            }
        });
        child.map(|(_, id)| id)
    }

    pub(super) fn name_hash(&self, parent: EntryId, key: &[u8]) -> u64 {
        use std::hash::BuildHasher;
        self.hasher.hash_one((parent.0, key))
    }

    /// The served entries right below an entry.
    pub fn children(&self, id: EntryId) -> impl Iterator<Item = EntryId> + '_ {
        self.children
            .get(&id)
            .into_iter()
            .flat_map(Postings::iter)
            .filter(|child| self.is_served(*child))
    }

    /// The same, and the served naming contexts that are right below it by name alone.
    pub fn subordinates(&self, id: EntryId) -> impl Iterator<Item = EntryId> + '_ {
        let contexts = self.tops_below(id).into_iter();
        let right_below = contexts.filter(|(_, levels)| *levels == 1);
        self.children(id).chain(right_below.map(|(top, _)| top))
    }

    /// Whether an entry is `top` or lies below it.
    pub fn is_within(&self, id: EntryId, top: EntryId) -> bool {
        let mut next = Some(id);
        for _ in 0..MAX_DEPTH {
            match next {
                Some(id) if id == top => return true,
                Some(id) => next = self.entry(id).and_then(|entry| entry.parent),
                None => return false,
            }
        }
        false
    }

    /// The members of a group that are served: those it lists and, unless it is one of the
    /// domain's default groups, those whose primary group it is.
    pub fn members(&self, group: EntryId) -> RoaringBitmap {
        self.targets(group, self.known.member)
    }

    /// The served groups that have this entry as a member, its primary group included unless it
    /// is one of the domain's default ones.
    pub fn groups_of(&self, member: EntryId) -> RoaringBitmap {
        self.sources_of(member, self.known.member)
    }

    /// Passes each of [`Snapshot::groups_of`] on, in the same order; most entries need no set of
    /// them.
    pub(super) fn for_each_group(&self, member: EntryId, mut act: impl FnMut(EntryId)) {
        if self.primary_group_that_lists(member).is_some() {
            self.groups_of(member).iter().map(EntryId).for_each(act);
            return;
        }
        Found::of(self.links.sources(member, self.known.member)).for_each(|group| {
            if self.is_served(group) {
                act(group);
            }
        });
    }

    /// The served entries that `from` names in a link attribute.
    pub fn targets(&self, from: EntryId, attribute: AttributeId) -> RoaringBitmap {
        let mut found = self
            .served_only(self.links.targets(from, attribute))
            .into_bitmap();
        if attribute == self.known.member {
            found |= self.primary_members(from);
        }
        found
    }

    /// The served entries that name `to` in a link attribute.
    pub fn sources_of(&self, to: EntryId, attribute: AttributeId) -> RoaringBitmap {
        self.sources_found(to, attribute).into_bitmap()
    }

    /// The same as what is found by a filter.
    pub(super) fn sources_found(&self, to: EntryId, attribute: AttributeId) -> Found {
        let found = self.served_only(self.links.sources(to, attribute));
        if attribute == self.known.member
            && let Some(primary) = self.primary_group_that_lists(to)
            && self.is_served(primary)
        {
            return found.or(Some(primary).into());
        }
        found
    }

    fn served_only(&self, postings: Option<&Postings>) -> Found {
        let found = Found::of(postings);
        let all = match &found {
            Found::Few(few) => {
                let few = few.as_slice().iter().copied();
                return few.filter(|id| self.is_served(*id)).collect();
            }
            Found::Many(all) => all,
        };
        let mut rooted = Containers::new();
        let mut is_served = |id: u32| {
            let id = EntryId(id);
            self.entry(id).is_some_and(|entry| {
                self.is_wanted(id, entry)
                    && entry
                        .parent
                        .is_none_or(|parent| rooted.get(parent, || self.is_rooted(entry)))
            })
        };
        // Most often all of them are, and nothing needs to be made.
        if all.iter().all(&mut is_served) {
            return found;
        }
        let mut served = RoaringBitmap::new();
        // Cheaper than inserting one by one; postings are ascending.
        let appended = served.append(all.iter().filter(|id| is_served(*id)));
        debug_assert!(appended.is_ok(), "postings out of order");
        served.into()
    }

    /// The entry of a user's primary group, whether default or not.
    pub fn primary_group(&self, user: EntryId) -> Option<EntryId> {
        let entry = self.entry(user)?;
        let rid = entry.attributes.number(self.known.primary_group_id)?;
        let sid = Sid::from_bytes(self.sid(user)?).ok()?;
        self.by_sid(&sid.sibling(rid)?, entry.origin)
    }

    /// The same unless it is one of the domain's default ones.
    fn primary_group_that_lists(&self, user: EntryId) -> Option<EntryId> {
        let attributes = &self.entry(user)?.attributes;
        let rid = attributes.number(self.known.primary_group_id)?;
        // The group's SID ends in it.
        if is_default(rid) {
            return None;
        }
        self.primary_group(user)
    }

    /// The entry with a SID from one source.
    pub fn by_sid(&self, sid: &Sid, origin: OriginId) -> Option<EntryId> {
        let octets = sid.to_bytes();
        self.index
            .equality(self.known.object_sid, &octets)?
            .iter()
            .find(|id| {
                self.entry(*id).is_some_and(|entry| {
                    entry.origin == origin
                        && entry.attributes.first(self.known.object_sid) == Some(octets.as_slice())
                })
            })
    }

    /// Whether a group is one of those every account of a kind is in.
    fn is_default_group(&self, group: EntryId) -> bool {
        self.rid(group).is_none_or(is_default)
    }

    fn rid(&self, id: EntryId) -> Option<u32> {
        Sid::from_bytes(self.sid(id)?).ok()?.rid()
    }

    /// The octets of an entry's SID.
    pub(super) fn sid(&self, id: EntryId) -> Option<&[u8]> {
        self.entry(id)?.attributes.first(self.known.object_sid)
    }

    /// The users whose primary group this is, served ones only.
    fn primary_members(&self, group: EntryId) -> RoaringBitmap {
        let Some(entry) = self.entry(group) else {
            return RoaringBitmap::new();
        };
        if !matches!(entry.kind, Kind::Group { .. }) || self.is_default_group(group) {
            return RoaringBitmap::new();
        }
        self.accounts_with_primary_group(group)
            .filter(|id| self.is_served(*id))
            .map(|id| id.0)
            .collect()
    }

    /// The users whose primary group this is, default groups and users not served included.
    pub(super) fn accounts_with_primary_group(
        &self,
        group: EntryId,
    ) -> impl Iterator<Item = EntryId> + '_ {
        let found = self.rid(group).and_then(|rid| {
            let rule = self
                .schema
                .attribute_type(self.known.primary_group_id)
                .equality?;
            let text = rid.to_string();
            let normalized = rule.normalize(&self.schema, text.as_bytes()).ok()?;
            self.index
                .equality(self.known.primary_group_id, &normalized)
        });
        found
            .into_iter()
            .flat_map(Postings::iter)
            .filter(move |user| self.primary_group(*user) == Some(group))
    }

    /// The members of a group and of the groups in it, whatever the nesting; loops end.
    pub fn nested_members(&self, group: EntryId) -> RoaringBitmap {
        self.closure(group, |id| self.members(id))
    }

    /// The groups an entry is in, directly or through other groups; loops end.
    pub fn nested_groups_of(&self, member: EntryId) -> RoaringBitmap {
        self.closure(member, |id| self.groups_of(id))
    }

    /// Everything that steps lead to; loops end.
    pub(super) fn closure(
        &self,
        from: EntryId,
        step: impl Fn(EntryId) -> RoaringBitmap,
    ) -> RoaringBitmap {
        let mut found = RoaringBitmap::new();
        let mut open = vec![from];
        while let Some(id) = open.pop() {
            let fresh = step(id) - &found;
            open.extend(fresh.iter().map(EntryId));
            found |= fresh;
        }
        found
    }

    /// Whether a group's memberUid is made from its members here.
    pub fn derives_member_uid(&self, entry: &ServedEntry) -> bool {
        matches!(entry.kind, Kind::Group { posix: true })
    }

    /// The users whose names a group's memberUid lists.
    pub fn member_uid_users(&self, group: EntryId) -> RoaringBitmap {
        let Some(entry) = self
            .entry(group)
            .filter(|entry| self.derives_member_uid(entry))
        else {
            return RoaringBitmap::new();
        };
        let members = if self.nests_member_uid(entry) {
            self.nested_members(group)
        } else {
            self.members(group)
        };
        members
            .iter()
            .filter(|id| {
                self.entry(EntryId(*id)).is_some_and(|entry| {
                    entry.kind == Kind::User && entry.attributes.has(self.known.uid)
                })
            })
            .collect()
    }

    /// The groups whose memberUid lists this user.
    pub fn member_uid_groups(&self, user: EntryId) -> RoaringBitmap {
        if self
            .entry(user)
            .is_none_or(|entry| entry.kind != Kind::User)
        {
            return RoaringBitmap::new();
        }
        // The group's source decides, which need not be the user's.
        let direct = self.groups_of(user);
        let nested = if self.origins.iter().any(|origin| origin.nested_member_uid) {
            self.nested_groups_of(user)
        } else {
            RoaringBitmap::new()
        };
        (&direct | &nested)
            .iter()
            .filter(|id| {
                self.entry(EntryId(*id)).is_some_and(|group| {
                    self.derives_member_uid(group)
                        && (direct.contains(*id) || self.nests_member_uid(group))
                })
            })
            .collect()
    }

    fn nests_member_uid(&self, entry: &ServedEntry) -> bool {
        self.origin(entry.origin)
            .is_some_and(|origin| origin.nested_member_uid)
    }
}

/// Domain Users, Guests, Computers, Controllers and Read-only Domain Controllers, by the last part
/// of their SIDs.
fn is_default(rid: u32) -> bool {
    matches!(rid, 513..=516 | 521)
}

/// The deepest tree that is walked.
pub(super) const MAX_DEPTH: usize = 512;

/// What became of a DN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// The entry it names.
    Found(EntryId),
    /// There is none; `nearest` is the lowest entry above it that there is.
    Missing {
        /// For matchedDN.
        nearest: Option<EntryId>,
    },
}
