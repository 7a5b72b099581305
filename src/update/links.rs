//! DNs as values: identities where they name an entry, text where they do not.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{Update, check::type_of, draft::Comparison};
use crate::{
    directory::{
        DirectoryError, OriginId, Resolved, Snapshot, Transaction, derived::LINK_ATTRIBUTES,
    },
    dn::Dn,
    entry::{Attribute, Entry, Link},
    proto::LdapResult,
    schema::{AttributeId, Schema},
};

/// Finds the entries that values name, the one that is written included.
#[derive(Clone, Debug)]
pub(super) struct Targets<'t> {
    snapshot: &'t Snapshot,
    own: Option<(Vec<Vec<u8>>, Uuid)>,
}

impl<'t> Targets<'t> {
    /// Over a version, and an entry that has this name or will have it.
    pub(super) fn new(snapshot: &'t Snapshot, dn: &Dn, uuid: Uuid) -> Self {
        let own = snapshot.schema().normalize_dn(dn).ok();
        Self {
            snapshot,
            own: own.map(|name| (name, uuid)),
        }
    }

    /// The identity behind a DN.
    pub(super) fn find(&self, value: &[u8]) -> Option<Uuid> {
        let dn = Dn::parse(std::str::from_utf8(value).ok()?).ok()?;
        if let Resolved::Found(id) = self.snapshot.resolve(&dn) {
            return Some(self.snapshot.entry(id)?.uuid);
        }
        let (own, uuid) = self.own.as_ref()?;
        let name = self.snapshot.schema().normalize_dn(&dn).ok()?;
        (name == *own).then_some(*uuid)
    }
}

/// Takes the DNs that name an entry out of the attributes.
pub fn take_links(
    schema: &Schema,
    attributes: &mut Vec<Attribute>,
    find: impl Fn(&Dn) -> Option<Uuid>,
) -> Vec<Link> {
    let types = LINK_ATTRIBUTES.map(|name| schema.attribute(name.as_bytes()));
    let mut links: Vec<Link> = Vec::new();
    for attribute in attributes.iter_mut() {
        let Some(name) = link_name(schema, &types, &attribute.description) else {
            continue;
        };
        let mut targets = BTreeSet::new();
        attribute.values.retain(|value| {
            let dn = std::str::from_utf8(value)
                .ok()
                .and_then(|text| Dn::parse(text).ok());
            match dn.and_then(|dn| find(&dn)) {
                Some(uuid) => {
                    targets.insert(uuid);
                    false
                }
                None => true,
            }
        });
        if targets.is_empty() {
            continue;
        }
        match links.iter_mut().find(|link| link.attribute == name) {
            Some(link) => link.targets.append(&mut targets),
            None => links.push(Link {
                attribute: name.to_owned(),
                targets,
            }),
        }
    }
    attributes.retain(|attribute| !attribute.values.is_empty());
    links
}

/// The name of the link attribute, given the types of all, that a description without options
/// names, as an OID too.
fn link_name(
    schema: &Schema,
    types: &[Option<AttributeId>],
    description: &str,
) -> Option<&'static str> {
    // With options it is no name.
    let id = schema.attribute(description.as_bytes())?;
    let place = types.iter().position(|link| *link == Some(id))?;
    LINK_ATTRIBUTES.get(place).copied()
}

impl Update<'_, '_> {
    /// Takes entries that are deleted out of the links of local ones, which changes those.
    pub(super) fn detach(&mut self, deleted: &BTreeSet<Uuid>) -> Result<(), LdapResult> {
        let mut referrers: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
        for uuid in deleted {
            for referrer in self.transaction.referrers(*uuid) {
                if !deleted.contains(&referrer) && self.is_local(referrer) {
                    referrers.entry(referrer).or_default().push(*uuid);
                }
            }
        }
        for (referrer, gone) in referrers {
            let mut entry = self.stored(referrer)?;
            for link in &mut entry.links {
                for uuid in &gone {
                    link.targets.remove(uuid);
                }
            }
            entry.links.retain(|link| !link.targets.is_empty());
            self.stamp.modified(&mut entry);
            self.transaction.put(entry);
        }
        Ok(())
    }

    fn is_local(&self, uuid: Uuid) -> bool {
        let snapshot = self.snapshot();
        snapshot
            .id_of(uuid)
            .and_then(|id| snapshot.entry(id))
            .is_some_and(|entry| entry.origin == OriginId::LOCAL)
    }
}

/// Makes links of the values of local entries that named an entry before it had its name.
///
/// Of the attributes that are looked up by value: member, uniqueMember and manager. Others stay text
/// until they are written again, and so do names of entries below one that is moved.
///
/// # Errors
/// [`DirectoryError::Store`] where an entry cannot be read.
pub fn adopt(transaction: &mut Transaction<'_>, dn: &Dn, uuid: Uuid) -> Result<(), DirectoryError> {
    let snapshot = transaction.snapshot();
    let schema = snapshot.schema();
    let text = dn.to_string();
    for name in LINK_ATTRIBUTES {
        let Some(id) = schema.attribute(name.as_bytes()) else {
            continue;
        };
        if !snapshot.index().has_equality(id) || snapshot.index().presence(id).is_none() {
            continue;
        }
        let comparison = Comparison::of(schema, id);
        let key = comparison.key(text.as_bytes());
        let candidates = snapshot.index().equality(id, &key);
        for candidate in candidates.into_iter().flat_map(|found| found.iter()) {
            let Some(served) = snapshot
                .entry(candidate)
                .filter(|served| served.origin == OriginId::LOCAL)
            else {
                continue;
            };
            // One that the same change deleted is gone.
            let Some(mut entry) = transaction.get(served.uuid)? else {
                continue;
            };
            if take_value(schema, &mut entry, name, &comparison, &key) {
                entry.link_mut(name).insert(uuid);
                transaction.put(entry);
            }
        }
    }
    Ok(())
}

/// Removes a value of an attribute without options; whether it was there.
fn take_value(
    schema: &Schema,
    entry: &mut Entry,
    name: &str,
    comparison: &Comparison<'_>,
    key: &[u8],
) -> bool {
    let id = schema.attribute(name.as_bytes());
    let mut found = false;
    for attribute in &mut entry.attributes {
        if attribute.description.contains(';') || type_of(schema, &attribute.description) != id {
            continue;
        }
        attribute.values.retain(|value| {
            let same = *comparison.key(value) == *key;
            found |= same;
            !same
        });
    }
    entry
        .attributes
        .retain(|attribute| !attribute.values.is_empty());
    found
}
