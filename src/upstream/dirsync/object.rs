//! One object of a DirSync answer: what changed.

use uuid::Uuid;

use crate::upstream::{ExtendedDn, LinkValue, SearchEntry, extended_dn::guid_from_octets};

/// Attributes that are told by fields of their own, or tell nothing.
const NOT_KEPT: [&str; 5] = [
    "instanceType",
    "isDeleted",
    "isRecycled",
    "lastKnownParent",
    "parentGUID",
];
/// DN-valued attributes that are no links, whose values come with an identity in front.
const PLAIN_DN: [&str; 3] = [
    "objectCategory",
    "distinguishedName",
    "defaultObjectCategory",
];

/// What a DirSync answer says about one object: changes alone, except when it is new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirSyncObject {
    /// Its objectGUID.
    pub guid: Uuid,
    /// Its DN now, without identities. The name of a deleted object contains a line feed, which
    /// is written `\0A` here.
    pub dn: String,
    /// Its `name`, where it is new, was renamed or moved.
    pub name: Option<String>,
    /// The objectGUID of its superior; comes together with `name`.
    pub parent_guid: Option<Uuid>,
    /// It is deleted: a tombstone that keeps little but its identity.
    pub is_deleted: bool,
    /// It was deleted and is back, without its links.
    pub is_reanimated: bool,
    /// Where a deleted object was.
    pub last_known_parent: Option<LinkValue>,
    /// Attributes with all their values; no values means that the attribute was removed.
    pub attributes: Vec<(String, Vec<Vec<u8>>)>,
    /// Links that were added. Some may be known already.
    pub link_adds: Vec<(String, Vec<LinkValue>)>,
    /// Links that were removed. Some may never have been known.
    pub link_removes: Vec<(String, Vec<LinkValue>)>,
    /// Link attributes with all their values.
    pub links_replaced: Vec<(String, Vec<LinkValue>)>,
}

impl DirSyncObject {
    /// Reads an entry of a DirSync answer, and names the links of which it has a part only.
    ///
    /// `member;range=1-1` holds values added and `member;range=0-0` values removed; another range
    /// means that the server would not send all values at once.
    pub(in crate::upstream) fn from_entry(
        entry: SearchEntry,
        links: &[String],
    ) -> Result<(Self, Vec<String>), String> {
        let guid = entry
            .first("objectGUID")
            .and_then(guid_from_octets)
            .ok_or_else(|| format!("no objectGUID in a change of {}", entry.dn))?;
        let mut object = Self {
            guid,
            name: entry.first_str("name").map(str::to_owned),
            parent_guid: entry.first("parentGUID").and_then(guid_from_octets),
            is_deleted: entry.first("isDeleted") == Some(b"TRUE".as_slice()),
            is_reanimated: false,
            last_known_parent: entry
                .first("lastKnownParent")
                .and_then(LinkValue::from_value),
            dn: ExtendedDn::parse(&entry.dn).dn,
            attributes: Vec::new(),
            link_adds: Vec::new(),
            link_removes: Vec::new(),
            links_replaced: Vec::new(),
        };
        let mut ranged: Vec<String> = Vec::new();
        for (description, mut values) in entry.attributes {
            let (name, range) = range_of(&description);
            if name.eq_ignore_ascii_case("isDeleted") && values.is_empty() {
                object.is_reanimated = true;
            }
            if contains(&NOT_KEPT, name) {
                continue;
            }
            let is_link = links.iter().any(|link| link.eq_ignore_ascii_case(name));
            match range {
                Some(Range::ADDED) => object
                    .link_adds
                    .push((name.to_owned(), link_values(name, &values))),
                Some(Range::REMOVED) => object
                    .link_removes
                    .push((name.to_owned(), link_values(name, &values))),
                Some(_) => ranged.push(name.to_owned()),
                None if is_link => object
                    .links_replaced
                    .push((name.to_owned(), link_values(name, &values))),
                None => {
                    if contains(&PLAIN_DN, name) {
                        values.iter_mut().for_each(strip_identity);
                    }
                    object.attributes.push((description, values));
                }
            }
        }
        // Beside a part the attribute itself may stand without values, which says nothing.
        object
            .links_replaced
            .retain(|(name, _)| !ranged.iter().any(|other| other.eq_ignore_ascii_case(name)));
        Ok((object, ranged))
    }
}

/// The positions in `attribute;range=first-last`; `last` is `None` for `*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: u64,
    pub(super) last: Option<u64>,
}

impl Range {
    const REMOVED: Self = Self {
        first: 0,
        last: Some(0),
    };
    const ADDED: Self = Self {
        first: 1,
        last: Some(1),
    };
}

/// Splits an attribute description into its type and its range, if it has one.
pub(super) fn range_of(description: &str) -> (&str, Option<Range>) {
    let mut parts = description.split(';');
    let name = parts.next().unwrap_or_default();
    let range = parts.find_map(|option| {
        let (key, positions) = option.split_once('=')?;
        if !key.eq_ignore_ascii_case("range") {
            return None;
        }
        let (first, last) = positions.split_once('-')?;
        Some(Range {
            first: first.parse().ok()?,
            last: match last {
                "*" => None,
                last => Some(last.parse().ok()?),
            },
        })
    });
    (name, range)
}

/// Reads the targets of a link; those without identity are left out and logged.
pub(super) fn link_values(attribute: &str, values: &[Vec<u8>]) -> Vec<LinkValue> {
    let read: Vec<LinkValue> = values
        .iter()
        .filter_map(|value| LinkValue::from_value(value))
        .collect();
    if read.len() < values.len() {
        tracing::warn!(
            attribute,
            values = values.len() - read.len(),
            "link values without <GUID=...> are left out"
        );
    }
    read
}

fn strip_identity(value: &mut Vec<u8>) {
    if let Ok(text) = std::str::from_utf8(value) {
        *value = ExtendedDn::parse(text).dn.into_bytes();
    }
}

fn contains(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    const WIRE_GUID: [u8; 16] = [
        0x8d, 0x30, 0xf4, 0x37, 0xb0, 0x1a, 0x1f, 0x4f, 0x9b, 0x24, 0xbd, 0x97, 0x86, 0x81, 0xff,
        0xdc,
    ];
    const A: &str =
        "<GUID=edc441a6-0000-4000-8000-000000000001>;<SID=S-1-5-21-1-2-3-1104>;CN=A,DC=x";
    const B: &str = "<GUID=edc441a6-0000-4000-8000-000000000002>;CN=B,DC=x";

    fn read(dn: &str, attributes: &[(&str, &[&str])]) -> (DirSyncObject, Vec<String>) {
        let mut all = vec![("objectGUID".to_owned(), vec![WIRE_GUID.to_vec()])];
        all.extend(attributes.iter().map(|(name, values)| {
            let values = values.iter().map(|value| value.as_bytes().to_vec());
            ((*name).to_owned(), values.collect())
        }));
        let entry = SearchEntry {
            dn: dn.to_owned(),
            attributes: all,
        };
        DirSyncObject::from_entry(entry, &["member".to_owned(), "manager".to_owned()]).unwrap()
    }

    fn names(links: &[(String, Vec<LinkValue>)]) -> Vec<(&str, Vec<&str>)> {
        links
            .iter()
            .map(|(name, values)| {
                let values = values.iter().map(|value| value.dn.as_str()).collect();
                (name.as_str(), values)
            })
            .collect()
    }

    #[test]
    fn a_change_of_attributes_is_told_as_it_came() {
        let (object, _) = read(
            "<GUID=37f4308d-1ab0-4f1f-9b24-bd978681ffdc>;<SID=S-1-5-21-1-2-3-9>;CN=U,DC=x",
            &[
                ("mail", &["u@example.com"]),
                ("telephoneNumber", &[]),
                ("instanceType", &["4"]),
                (
                    "objectCategory",
                    &["<GUID=edc441a6-0000-4000-8000-000000000009>;CN=Person,CN=Schema"],
                ),
            ],
        );
        assert_eq!(
            object.guid.to_string(),
            "37f4308d-1ab0-4f1f-9b24-bd978681ffdc"
        );
        assert_eq!(object.dn, "CN=U,DC=x");
        assert_eq!(object.name, None);
        let kept: Vec<_> = object.attributes.iter().skip(1).cloned().collect();
        assert_eq!(
            kept,
            [
                ("mail".to_owned(), vec![b"u@example.com".to_vec()]),
                ("telephoneNumber".to_owned(), vec![]),
                (
                    "objectCategory".to_owned(),
                    vec![b"CN=Person,CN=Schema".to_vec()]
                ),
            ]
        );
    }

    #[test]
    fn incremental_values_are_additions_and_removals() {
        let (object, ranged) = read(
            "CN=G,DC=x",
            &[("member;range=1-1", &[A]), ("member;range=0-0", &[B])],
        );
        assert_eq!(names(&object.link_adds), [("member", vec!["CN=A,DC=x"])]);
        assert_eq!(names(&object.link_removes), [("member", vec!["CN=B,DC=x"])]);
        assert!(object.links_replaced.is_empty() && ranged.is_empty());
        assert_eq!(object.link_adds[0].1[0].sid.as_ref().unwrap().len(), 28);
    }

    #[test]
    fn values_without_a_range_replace_all() {
        let (object, _) = read("CN=G,DC=x", &[("member", &[A, B]), ("manager", &[])]);
        assert_eq!(
            names(&object.links_replaced),
            [
                ("member", vec!["CN=A,DC=x", "CN=B,DC=x"]),
                ("manager", vec![])
            ]
        );
    }

    #[test]
    fn a_part_of_the_values_is_to_be_read_anew() {
        let (object, ranged) = read(
            "CN=G,DC=x",
            &[("member", &[]), ("member;range=0-1499", &[A, B])],
        );
        assert!(object.links_replaced.is_empty());
        assert_eq!(ranged, ["member"]);
    }

    #[test]
    fn a_deletion_and_its_reversal_are_told_apart() {
        let (deleted, _) = read(
            "CN=U\\0ADEL:37f4308d-1ab0-4f1f-9b24-bd978681ffdc,CN=Deleted Objects,DC=x",
            &[
                ("isDeleted", &["TRUE"]),
                ("isRecycled", &["TRUE"]),
                ("name", &["U\nDEL:37f4308d-1ab0-4f1f-9b24-bd978681ffdc"]),
                ("lastKnownParent", &[B]),
                ("mail", &[]),
            ],
        );
        assert!(deleted.is_deleted && !deleted.is_reanimated);
        assert_eq!(deleted.last_known_parent.unwrap().dn, "CN=B,DC=x");
        let (back, _) = read("CN=U,DC=x", &[("isDeleted", &[]), ("name", &["U"])]);
        assert!(back.is_reanimated && !back.is_deleted);
    }

    #[test]
    fn ranges_are_read_as_servers_write_them() {
        for (text, name, range) in [
            ("member", "member", None),
            ("member;range=0-1499", "member", Some((0, Some(1499)))),
            ("member;Range=1500-*", "member", Some((1500, None))),
            ("userCertificate;binary", "userCertificate", None),
            ("member;range=x", "member", None),
        ] {
            let expected = range.map(|(first, last)| Range { first, last });
            assert_eq!(range_of(text), (name, expected), "{text}");
        }
    }

    #[test]
    fn an_entry_without_identity_is_an_error() {
        let entry = SearchEntry {
            dn: "CN=U".to_owned(),
            attributes: vec![("objectGUID".to_owned(), vec![vec![1, 2]])],
        };
        assert!(DirSyncObject::from_entry(entry, &[]).is_err());
    }
}
