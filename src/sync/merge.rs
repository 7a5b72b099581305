//! One change from AD, applied to what is stored.

use uuid::Uuid;

use crate::{
    entry::{Entry, Origin},
    upstream::DirSyncObject,
};

/// Attributes that every whole answer about an object holds.
const WHOLE: &str = "objectClass";

/// What a change means for the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Merged {
    /// The entry as it is to be stored now.
    Put(Entry),
    /// The entry is gone; links to it go with it.
    Delete(Uuid),
    /// Nothing that was stored is touched.
    Unchanged,
    /// The change is of an object that is not stored and does not tell all of it: it must be read
    /// whole before it can be stored.
    Unknown(Uuid),
}

/// Applies a change to the entry stored for its object, if there is one.
///
/// Attributes in the change replace those stored, and attributes without values go. Links are
/// added and removed by identity; adding one that is there or removing one that is not is no
/// error, since AD may tell a change twice. A deleted object that is back starts without links.
/// Neither the parent nor the targets of links need to be known.
///
/// In a full round nothing tells what is not there any more: give as `old` only what the same
/// round has brought, not what was stored before it. Attributes and links are kept in the order
/// of their names, so that two rounds with the same content give the same entry.
pub(super) fn merge(old: Option<Entry>, mut change: DirSyncObject, source: &str) -> Merged {
    if change.is_deleted {
        return match old {
            Some(_) => Merged::Delete(change.guid),
            None => Merged::Unchanged,
        };
    }
    let before = old.clone();
    let mut entry = match old {
        Some(entry) => entry,
        None if is_whole(&change) => new_entry(&change, source),
        None => return Merged::Unknown(change.guid),
    };
    if change.is_reanimated {
        entry.links.clear();
    }
    place(&mut entry, &change);
    for (description, values) in std::mem::take(&mut change.attributes) {
        entry.set(&description, values);
    }
    change_links(&mut entry, &change);
    entry.links.retain(|link| !link.targets.is_empty());
    entry
        .attributes
        .sort_by_cached_key(|attribute| attribute.description.to_ascii_lowercase());
    entry
        .links
        .sort_by_cached_key(|link| link.attribute.to_ascii_lowercase());
    if before.as_ref() == Some(&entry) {
        Merged::Unchanged
    } else {
        Merged::Put(entry)
    }
}

/// Whether a change holds all there is, as the first answer about an object does.
fn is_whole(change: &DirSyncObject) -> bool {
    change.name.is_some()
        && change
            .attributes
            .iter()
            .any(|(name, values)| name.eq_ignore_ascii_case(WHOLE) && !values.is_empty())
}

fn new_entry(change: &DirSyncObject, source: &str) -> Entry {
    Entry {
        uuid: change.guid,
        parent: None,
        rdn: change.dn.clone(),
        origin: Origin::Source(source.to_owned()),
        attributes: Vec::new(),
        links: Vec::new(),
    }
}

/// Puts the entry where the change says. Without a parent it is the top of a naming context and
/// keeps its whole DN.
fn place(entry: &mut Entry, change: &DirSyncObject) {
    if let Some(parent) = change.parent_guid {
        entry.parent = Some(parent);
        first_rdn(&change.dn).clone_into(&mut entry.rdn);
    } else if change.name.is_some() {
        entry.parent = None;
        entry.rdn.clone_from(&change.dn);
    }
}

/// The first RDN of a DN in the string form of RFC 4514: up to the first comma that is neither
/// escaped nor quoted.
fn first_rdn(dn: &str) -> &str {
    let mut escaped = false;
    let mut quoted = false;
    for (position, character) in dn.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => return dn.split_at(position).0,
            _ => {}
        }
    }
    dn
}

fn change_links(entry: &mut Entry, change: &DirSyncObject) {
    for (attribute, values) in &change.links_replaced {
        *entry.link_mut(attribute) = values.iter().map(|value| value.guid).collect();
    }
    // Removals first: a single-valued link that changes is told as a removal and an addition.
    for (attribute, values) in &change.link_removes {
        let targets = entry.link_mut(attribute);
        for value in values {
            targets.remove(&value.guid);
        }
    }
    for (attribute, values) in &change.link_adds {
        entry
            .link_mut(attribute)
            .extend(values.iter().map(|value| value.guid));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::upstream::LinkValue;

    const USER: Uuid = Uuid::from_u128(1);
    const PARENT: Uuid = Uuid::from_u128(100);
    const A: Uuid = Uuid::from_u128(10);
    const B: Uuid = Uuid::from_u128(11);

    fn change(dn: &str) -> DirSyncObject {
        DirSyncObject {
            guid: USER,
            dn: dn.to_owned(),
            name: None,
            parent_guid: None,
            is_deleted: false,
            is_reanimated: false,
            last_known_parent: None,
            attributes: vec![],
            link_adds: vec![],
            link_removes: vec![],
            links_replaced: vec![],
        }
    }

    fn attribute(name: &str, values: &[&str]) -> (String, Vec<Vec<u8>>) {
        let values = values.iter().map(|value| value.as_bytes().to_vec());
        (name.to_owned(), values.collect())
    }

    fn links(targets: &[Uuid]) -> Vec<(String, Vec<LinkValue>)> {
        let values = targets.iter().map(|&guid| LinkValue {
            guid,
            sid: None,
            dn: String::new(),
        });
        vec![("member".to_owned(), values.collect())]
    }

    fn added() -> DirSyncObject {
        DirSyncObject {
            name: Some("Smith, John".to_owned()),
            parent_guid: Some(PARENT),
            attributes: vec![
                attribute("objectClass", &["top", "group"]),
                attribute("mail", &["m"]),
            ],
            link_adds: links(&[A]),
            ..change("CN=Smith\\, John,OU=Staff,DC=x")
        }
    }

    fn stored() -> Entry {
        match merge(None, added(), "corp") {
            Merged::Put(entry) => entry,
            other => panic!("{other:?}"),
        }
    }

    fn after(change: &DirSyncObject) -> Entry {
        match merge(Some(stored()), change.clone(), "corp") {
            Merged::Put(entry) => entry,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_new_object_becomes_an_entry() {
        let entry = stored();
        assert_eq!((entry.uuid, entry.parent), (USER, Some(PARENT)));
        assert_eq!(entry.rdn, "CN=Smith\\, John");
        assert_eq!(entry.origin, Origin::Source("corp".to_owned()));
        assert_eq!(entry.first_str("mail"), Some("m"));
        assert!(entry.link("member").unwrap().contains(&A));
    }

    #[test]
    fn the_top_of_a_naming_context_keeps_its_dn() {
        let top = DirSyncObject {
            dn: "DC=corp,DC=x".to_owned(),
            parent_guid: None,
            ..added()
        };
        let Merged::Put(entry) = merge(None, top, "corp") else {
            panic!("not stored")
        };
        assert_eq!((entry.parent, entry.rdn.as_str()), (None, "DC=corp,DC=x"));
    }

    #[test]
    fn attributes_are_replaced_and_removed() {
        let mut delta = change("CN=Smith\\, John,OU=Renamed,DC=x");
        delta.attributes = vec![attribute("MAIL", &[]), attribute("title", &["t"])];
        let entry = after(&delta);
        assert_eq!(entry.attribute("mail"), None);
        assert_eq!(entry.first_str("title"), Some("t"));
        assert_eq!(
            (entry.parent, entry.rdn.as_str()),
            (Some(PARENT), "CN=Smith\\, John")
        );
    }

    #[test]
    fn what_is_told_twice_changes_nothing() {
        assert_eq!(merge(Some(stored()), added(), "corp"), Merged::Unchanged);
        let mut delta = change("CN=Smith\\, John,OU=Staff,DC=x");
        delta.attributes = vec![attribute("fax", &[])];
        delta.link_removes = links(&[B]);
        assert_eq!(merge(Some(stored()), delta, "corp"), Merged::Unchanged);
    }

    #[test]
    fn the_order_of_attributes_in_an_answer_is_no_change() {
        let mut other = added();
        other.attributes.reverse();
        let Merged::Put(entry) = merge(None, other.clone(), "corp") else {
            panic!("not stored")
        };
        assert_eq!(entry, stored());
    }

    #[test]
    fn links_are_adjusted_by_identity() {
        let dn = "CN=Smith\\, John,OU=Staff,DC=x";
        for (adds, removes, replaced, expected) in [
            (links(&[B]), vec![], vec![], vec![A, B]),
            (links(&[B]), links(&[A]), vec![], vec![B]),
            (links(&[A]), links(&[A]), vec![], vec![A]),
            (vec![], links(&[A]), vec![], vec![]),
            (vec![], vec![], links(&[B]), vec![B]),
            (vec![], vec![], links(&[]), vec![]),
        ] {
            let delta = DirSyncObject {
                link_adds: adds,
                link_removes: removes,
                links_replaced: replaced,
                attributes: vec![attribute("title", &["t"])],
                ..change(dn)
            };
            let entry = after(&delta);
            let found: Vec<Uuid> = entry
                .link("member")
                .into_iter()
                .flatten()
                .copied()
                .collect();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_move_changes_parent_and_rdn() {
        let mut delta = change("CN=J\\+S,OU=Other,DC=x");
        delta.name = Some("J+S".to_owned());
        delta.parent_guid = Some(B);
        let entry = after(&delta);
        assert_eq!((entry.parent, entry.rdn.as_str()), (Some(B), "CN=J\\+S"));
        assert_eq!(entry.first_str("mail"), Some("m"));
    }

    #[test]
    fn a_deletion_is_for_what_is_stored() {
        let mut delta = change("CN=S\\0ADEL:1,CN=Deleted Objects,DC=x");
        delta.is_deleted = true;
        assert_eq!(
            merge(Some(stored()), delta.clone(), "corp"),
            Merged::Delete(USER)
        );
        assert_eq!(merge(None, delta, "corp"), Merged::Unchanged);
    }

    #[test]
    fn an_object_that_is_back_has_no_groups() {
        let mut delta = change("CN=Back,OU=Staff,DC=x");
        delta.name = Some("Back".to_owned());
        delta.parent_guid = Some(PARENT);
        delta.is_reanimated = true;
        assert!(after(&delta).links.is_empty());
        // Its objectSid survived the deletion, so it is not told: only a reading brings it.
        assert_eq!(merge(None, delta, "corp"), Merged::Unknown(USER));
    }

    #[test]
    fn the_first_rdn_ends_at_a_comma_of_the_dn() {
        for (dn, rdn) in [
            ("CN=a,DC=x", "CN=a"),
            ("CN=a\\,b,DC=x", "CN=a\\,b"),
            ("CN=a\\\\,DC=x", "CN=a\\\\"),
            ("CN=\"a,b\",DC=x", "CN=\"a,b\""),
            ("CN=ü\\2C,DC=x", "CN=ü\\2C"),
            ("DC=x", "DC=x"),
        ] {
            assert_eq!(first_rdn(dn), rdn);
        }
    }
}
