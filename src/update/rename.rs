//! Modify DN (RFC 4511 section 4.9).

use uuid::Uuid;

use super::{
    Update, check,
    draft::Draft,
    failed,
    links::{Targets, adopt},
    modify::{damaged, own_rdn},
    naming, place,
};
use crate::{
    directory::{EntryId, OriginId, Resolved, Snapshot},
    dn::{Dn, MAX_RDNS, Rdn},
    entry::Entry,
    proto::{LdapResult, ResultCode},
    schema::{AttributeId, Schema},
};

/// A new name for an entry.
#[derive(Clone, Debug)]
pub struct Rename {
    /// The new RDN.
    pub rdn: Rdn,
    /// Whether the values of the old RDN go.
    pub delete_old: bool,
    /// The entry it is moved below; `None` leaves it where it is.
    pub superior: Option<Dn>,
}

impl Update<'_, '_> {
    /// Renames and moves an entry; what lies below it comes along.
    ///
    /// # Errors
    /// The result that says why not.
    pub fn rename(&mut self, id: EntryId, rename: &Rename) -> Result<Uuid, LdapResult> {
        let snapshot = self.snapshot();
        let schema = self.schema();
        place::local(snapshot, id)?;
        let Some(served) = snapshot.entry(id) else {
            return Err(place::unwilling("the entry is gone"));
        };
        let Some(parent) = served.parent else {
            return Err(place::unwilling(
                "the top of a naming context keeps its name: export, and import under another",
            ));
        };
        let superior = match &rename.superior {
            Some(dn) => self.new_superior(id, parent, dn)?,
            None => parent,
        };
        let above = Dn::parse(&snapshot.dn(superior)).map_err(|error| damaged(&error))?;
        let dn = above.child(rename.rdn.clone());
        if let Resolved::Found(other) = snapshot.resolve(&dn)
            && other != id
        {
            return Err(LdapResult::new(
                ResultCode::ENTRY_ALREADY_EXISTS,
                "an entry has this name already",
            ));
        }
        let uuid = served.uuid;
        let targets = Targets::new(snapshot, &dn, uuid);
        let mut draft = Draft::new(schema, targets, self.stored(uuid)?);
        let before = draft.entry.clone();
        check::check_named_syntax(schema, &rename.rdn)?;
        if rename.delete_old {
            // Also those that the new name has in another spelling, which comes in their place.
            for ava in &own_rdn(&before)?.avas {
                if let Some(attribute) = schema.attribute(ava.attribute.as_bytes())
                    && !keeps(&rename.rdn, schema, attribute, &ava.value, &draft.entry)
                {
                    draft.forget(attribute, &ava.value);
                }
            }
        }
        naming::add_named(schema, &rename.rdn, &mut draft.entry.attributes);
        let mut after = draft.entry;
        after.rdn = rename.rdn.to_string();
        after.parent = snapshot.entry(superior).map(|entry| entry.uuid);
        self.finish(&before, after)?;
        adopt(self.transaction, &dn, uuid).map_err(|error| failed(&error))?;
        Ok(uuid)
    }

    /// The entry that another is moved below.
    fn new_superior(&self, id: EntryId, parent: EntryId, dn: &Dn) -> Result<EntryId, LdapResult> {
        let snapshot = self.snapshot();
        if dn.is_root() {
            return Err(place::unwilling(
                "an entry does not become a naming context",
            ));
        }
        let superior = place::find(snapshot, dn, false)?;
        if superior == parent {
            return Ok(superior);
        }
        self.may_hold(superior)?;
        let is_local = snapshot
            .entry(superior)
            .is_some_and(|entry| entry.origin == OriginId::LOCAL);
        if !is_local {
            return Err(place::unwilling(
                "a local entry is not moved below one from Active Directory",
            ));
        }
        if snapshot.is_within(superior, id) {
            return Err(place::unwilling("an entry is not moved below itself"));
        }
        let depth = Dn::parse(&snapshot.dn(superior)).map_or(0, |dn| dn.len());
        if depth + height(snapshot, id) > MAX_RDNS {
            return Err(place::unwilling("names below it would become too long"));
        }
        Ok(superior)
    }
}

/// How many levels there are from an entry down, itself included.
fn height(snapshot: &Snapshot, id: EntryId) -> usize {
    let mut height = 0;
    let mut level = vec![id];
    while !level.is_empty() {
        height += 1;
        level = level
            .into_iter()
            .flat_map(|id| snapshot.children(id))
            .collect();
    }
    height
}

/// Whether a value of an entry is, to the octet, one of its new RDN as well.
fn keeps(rdn: &Rdn, schema: &Schema, id: AttributeId, value: &[u8], entry: &Entry) -> bool {
    let is_named = rdn
        .avas
        .iter()
        .any(|ava| schema.attribute(ava.attribute.as_bytes()) == Some(id) && ava.value == value);
    is_named
        && entry.attributes.iter().any(|attribute| {
            schema.attribute(attribute.description.as_bytes()) == Some(id)
                && attribute.values.iter().any(|own| own == value)
        })
}
