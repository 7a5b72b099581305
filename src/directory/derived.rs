//! Attributes that no record holds: they follow from links, names and places in the tree.

use roaring::RoaringBitmap;
use uuid::Uuid;

use super::{
    EntryId,
    bound::{Test, bitmap, single},
    containers::DnWriter,
    found::Found,
    known::Known,
    postings::Postings,
    snapshot::{OriginId, Snapshot},
    token_groups::{self, TokenScope},
};
use crate::{
    ber,
    schema::{AttributeId, MatchingRule, ObjectClassKind, Schema},
};

/// DN-valued attributes whose values are kept as identities, so that they follow renames.
pub const LINK_ATTRIBUTES: [&str; 9] = [
    "member",
    "uniqueMember",
    "manager",
    "managedBy",
    "owner",
    "secretary",
    "assistant",
    "seeAlso",
    "roleOccupant",
];

/// The DN of the subschema subentry (RFC 4512 section 4.4).
pub const SUBSCHEMA_DN: &str = "cn=Subschema";

/// How an attribute is derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Derivation {
    /// The DNs of linked entries.
    Link(AttributeId),
    /// The DNs of the groups that have the entry as a member.
    MemberOf,
    /// The names of a group's users.
    MemberUid,
    /// The entry's own DN (RFC 5020).
    EntryDn,
    /// The same under AD's name, for entries from AD.
    DistinguishedName,
    /// The identity, which is stored as well: only looked up here.
    ObjectGuid,
    /// The identity as text, which is stored as well: only looked up here.
    EntryUuid,
    /// Whether anything lies below (X.501).
    HasSubordinates,
    /// How many entries lie right below.
    NumSubordinates,
    /// Where the schema is published.
    SubschemaSubentry,
    /// The most specific structural class (RFC 4512 section 3.3).
    StructuralObjectClass,
    /// The SIDs of all groups of an entry, the way AD's access checks count them.
    TokenGroups(TokenScope),
}

/// Every derivation of one schema: looked up once, kept by the snapshots.
#[derive(Clone, Debug)]
pub struct Derivations {
    /// By attribute number.
    by_attribute: Box<[Option<Derivation>]>,
    all: Box<[(AttributeId, Derivation)]>,
}

impl Derivations {
    /// Looks them up in a schema.
    pub(super) fn new(schema: &Schema, known: &Known) -> Self {
        let links = LINK_ATTRIBUTES
            .iter()
            .filter_map(|name| schema.attribute(name.as_bytes()))
            .map(|id| (id, Derivation::Link(id)));
        let all: Box<[_]> = links
            .chain([
                (known.member_of, Derivation::MemberOf),
                (known.member_uid, Derivation::MemberUid),
                (known.entry_dn, Derivation::EntryDn),
                (known.distinguished_name, Derivation::DistinguishedName),
                (known.object_guid, Derivation::ObjectGuid),
                (known.entry_uuid, Derivation::EntryUuid),
                (known.has_subordinates, Derivation::HasSubordinates),
                (known.num_subordinates, Derivation::NumSubordinates),
                (known.subschema_subentry, Derivation::SubschemaSubentry),
                (
                    known.structural_object_class,
                    Derivation::StructuralObjectClass,
                ),
                (known.token_groups, Derivation::TokenGroups(TokenScope::All)),
                (
                    known.token_groups_no_gc,
                    Derivation::TokenGroups(TokenScope::All),
                ),
                (
                    known.token_groups_global,
                    Derivation::TokenGroups(TokenScope::GlobalAndUniversal),
                ),
            ])
            .collect();
        let mut by_attribute = vec![None; schema.len()];
        for (id, derivation) in &all {
            if let Some(slot) = by_attribute.get_mut(usize::from(id.0)) {
                *slot = Some(*derivation);
            }
        }
        Self {
            by_attribute: by_attribute.into(),
            all,
        }
    }

    /// The derivation of an attribute, if it has one.
    pub fn of(&self, attribute: AttributeId) -> Option<Derivation> {
        self.by_attribute
            .get(usize::from(attribute.0))
            .copied()
            .flatten()
    }

    /// Every derivation, with its attribute.
    pub fn iter(&self) -> impl Iterator<Item = (AttributeId, Derivation)> + '_ {
        self.all.iter().copied()
    }
}

impl Derivation {
    /// Whether no entry stores the attribute, whatever an import or AD says.
    pub(super) fn is_never_stored(self) -> bool {
        matches!(
            self,
            Self::MemberOf
                | Self::EntryDn
                | Self::DistinguishedName
                | Self::HasSubordinates
                | Self::NumSubordinates
                | Self::SubschemaSubentry
                | Self::StructuralObjectClass
                | Self::TokenGroups(_)
        )
    }

    /// Whether only its own name asks for it, neither `*` nor `+`.
    pub(super) fn is_by_name_only(self) -> bool {
        matches!(self, Self::TokenGroups(_))
    }

    /// The entries that have this value, for equality; `None` where each entry must be asked.
    pub(super) fn entries_with(
        self,
        snapshot: &Snapshot,
        value: &[u8],
        test: &Test,
    ) -> Option<Found> {
        let target = || match test {
            // Its names are normalized already.
            Test::Equal {
                rule: MatchingRule::DistinguishedNameMatch,
                value: normalized,
                ..
            } => snapshot.resolve_normalized(normalized),
            _ => snapshot.resolve_str(std::str::from_utf8(value).ok()?),
        };
        Some(match self {
            Self::Link(attribute) => {
                target().map_or(Found::NONE, |id| snapshot.sources_found(id, attribute))
            }
            Self::MemberOf => target().map_or(Found::NONE, |id| snapshot.members(id).into()),
            Self::MemberUid => self.groups_by_member_uid(snapshot, value).into(),
            Self::EntryDn => target().into(),
            Self::DistinguishedName => target().filter(|id| is_from_ad(snapshot, *id)).into(),
            // The identity of an entry from AD; a local one may store anything under this name.
            Self::ObjectGuid => Uuid::from_slice_le(value)
                .ok()
                .and_then(|uuid| snapshot.id_of(uuid))
                .filter(|id| is_from_ad(snapshot, *id))
                .into(),
            Self::EntryUuid => std::str::from_utf8(value)
                .ok()
                .and_then(|text| Uuid::parse_str(text).ok())
                .and_then(|uuid| snapshot.id_of(uuid))
                .into(),
            Self::HasSubordinates
            | Self::NumSubordinates
            | Self::StructuralObjectClass
            | Self::SubschemaSubentry
            | Self::TokenGroups(_) => return None,
        })
    }

    /// The entries from which a chain of this attribute leads to the entry of a DN (AD's in-chain
    /// rule); `None` for attributes that are no links.
    pub(super) fn entries_in_chain(self, snapshot: &Snapshot, dn: &[u8]) -> Option<Found> {
        let target = std::str::from_utf8(dn)
            .ok()
            .and_then(|dn| snapshot.resolve_str(dn));
        Some(match self {
            Self::Link(attribute) => target.map_or(Found::NONE, |id| {
                snapshot
                    .closure(id, |id| snapshot.sources_of(id, attribute))
                    .into()
            }),
            Self::MemberOf => target.map_or(Found::NONE, |id| snapshot.nested_members(id).into()),
            _ => return None,
        })
    }

    fn groups_by_member_uid(self, snapshot: &Snapshot, value: &[u8]) -> RoaringBitmap {
        let uid = snapshot.known().uid;
        let Some(rule) = snapshot.schema().attribute_type(uid).equality else {
            return RoaringBitmap::new();
        };
        let Ok(normalized) = rule.normalize_assertion(snapshot.schema(), value) else {
            return RoaringBitmap::new();
        };
        let mut groups = RoaringBitmap::new();
        for user in bitmap(snapshot.index().equality(uid, &normalized)) {
            let user = EntryId(user);
            let same = snapshot.entry(user).is_some_and(|entry| {
                entry.attributes.values(uid).any(|own| {
                    rule.normalize(snapshot.schema(), own)
                        .is_ok_and(|own| own == normalized)
                })
            });
            if same && snapshot.is_served(user) {
                groups |= snapshot.member_uid_groups(user);
            }
        }
        groups
    }

    /// Whether the entry has the attribute by derivation.
    pub(super) fn is_present(self, snapshot: &Snapshot, id: EntryId) -> bool {
        match self {
            Self::Link(attribute) => !snapshot.targets(id, attribute).is_empty(),
            Self::MemberOf => !snapshot.groups_of(id).is_empty(),
            Self::MemberUid => !snapshot.member_uid_users(id).is_empty(),
            Self::DistinguishedName => is_from_ad(snapshot, id),
            Self::ObjectGuid | Self::EntryUuid => false,
            Self::StructuralObjectClass => structural_class(snapshot, id).is_some(),
            Self::TokenGroups(scope) => !token_groups::of(snapshot, id, scope).is_empty(),
            Self::EntryDn
            | Self::HasSubordinates
            | Self::NumSubordinates
            | Self::SubschemaSubentry => true,
        }
    }

    /// The entries whose DNs are the values; `None` for attributes with other values.
    pub fn entries(self, snapshot: &Snapshot, id: EntryId) -> Option<RoaringBitmap> {
        match self {
            Self::Link(attribute) => Some(snapshot.targets(id, attribute)),
            Self::MemberOf => Some(snapshot.groups_of(id)),
            Self::EntryDn => Some(single(Some(id))),
            Self::DistinguishedName => {
                Some(single(Some(id).filter(|id| is_from_ad(snapshot, *id))))
            }
            _ => None,
        }
    }

    /// Appends the values as OCTET STRINGs.
    pub fn write_values(self, snapshot: &Snapshot, id: EntryId, out: &mut Vec<u8>) {
        match self {
            Self::Link(attribute) => {
                let links = snapshot.links.targets(id, attribute);
                let count = links.map_or(0, Postings::len);
                snapshot.written.copy(id, attribute, count, out, |out| {
                    write_dns(snapshot, &snapshot.targets(id, attribute), out);
                });
            }
            Self::MemberOf => {
                let mut writer = DnWriter::new(snapshot);
                snapshot.for_each_group(id, |group| writer.write(group, out));
            }
            Self::MemberUid => {
                let known = snapshot.known();
                let links = snapshot.links.targets(id, known.member);
                let count = links.map_or(0, Postings::len);
                snapshot
                    .written
                    .copy(id, known.member_uid, count, out, |out| {
                        write_member_uids(snapshot, id, out);
                    });
            }
            Self::EntryDn => write_dn(snapshot, id, out),
            Self::DistinguishedName => {
                if is_from_ad(snapshot, id) {
                    write_dn(snapshot, id, out);
                }
            }
            Self::ObjectGuid | Self::EntryUuid => {}
            Self::HasSubordinates => {
                let any = snapshot.subordinates(id).next().is_some();
                ber::write_octets(out, ber::OCTET_STRING, if any { b"TRUE" } else { b"FALSE" });
            }
            Self::NumSubordinates => {
                let count = snapshot.subordinates(id).count().to_string();
                ber::write_octets(out, ber::OCTET_STRING, count.as_bytes());
            }
            Self::SubschemaSubentry => {
                ber::write_octets(out, ber::OCTET_STRING, SUBSCHEMA_DN.as_bytes())
            }
            Self::StructuralObjectClass => {
                if let Some(name) = structural_class(snapshot, id) {
                    ber::write_octets(out, ber::OCTET_STRING, name.as_bytes());
                }
            }
            Self::TokenGroups(scope) => {
                for group in token_groups::of(snapshot, id, scope) {
                    if let Some(sid) = snapshot.sid(EntryId(group)) {
                        ber::write_octets(out, ber::OCTET_STRING, sid);
                    }
                }
            }
        }
    }
}

fn write_dns(snapshot: &Snapshot, ids: &RoaringBitmap, out: &mut Vec<u8>) {
    let mut writer = DnWriter::new(snapshot);
    for id in ids {
        writer.write(EntryId(id), out);
    }
}

fn write_member_uids(snapshot: &Snapshot, group: EntryId, out: &mut Vec<u8>) {
    for user in snapshot.member_uid_users(group) {
        let name = snapshot
            .entry(EntryId(user))
            .and_then(|entry| entry.attributes.first(snapshot.known().uid));
        if let Some(name) = name {
            ber::write_octets(out, ber::OCTET_STRING, name);
        }
    }
}

fn write_dn(snapshot: &Snapshot, id: EntryId, out: &mut Vec<u8>) {
    ber::write_nested(out, ber::OCTET_STRING, |out| snapshot.write_dn(id, out));
}

fn is_from_ad(snapshot: &Snapshot, id: EntryId) -> bool {
    snapshot
        .entry(id)
        .is_some_and(|entry| entry.origin != OriginId::LOCAL)
}

/// The structural class with the most superclasses; an AD entry carries two chains, of which AD's
/// own counts, as it comes first.
fn structural_class(snapshot: &Snapshot, id: EntryId) -> Option<String> {
    let schema = snapshot.schema();
    let entry = snapshot.entry(id)?;
    let mut best: Option<(usize, String)> = None;
    for value in entry.attributes.values(snapshot.known().object_class) {
        let Some(class) = schema.object_class(value) else {
            continue;
        };
        let definition = schema.object_class_def(class);
        let depth = schema.superclasses(class).len();
        let deeper = best.as_ref().is_none_or(|(other, _)| depth > *other);
        if definition.kind == ObjectClassKind::Structural && deeper {
            best = Some((depth, definition.name().to_owned()));
        }
    }
    best.map(|(_, name)| name)
}
