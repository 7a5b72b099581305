//! Delete (RFC 4511 section 4.8), of a whole subtree on request (draft-armijo-ldap-treedelete).

use std::collections::BTreeSet;

use super::{Update, modify::damaged, place};
use crate::{
    directory::{EntryId, Snapshot},
    dn::Dn,
    proto::{LdapResult, ResultCode},
};

impl Update<'_, '_> {
    /// Deletes an entry, and with `tree` all below it; links to what is deleted go with it.
    ///
    /// # Errors
    /// The result that says why not.
    pub fn delete(&mut self, id: EntryId, tree: bool) -> Result<(), LdapResult> {
        let snapshot = self.snapshot();
        place::local(snapshot, id)?;
        if has_context_below(snapshot, id)? || (!tree && snapshot.children(id).next().is_some()) {
            return Err(LdapResult::new(
                ResultCode::NOT_ALLOWED_ON_NON_LEAF,
                "there are entries below it: delete those first, or use the tree delete control",
            ));
        }
        let mut deleted = BTreeSet::new();
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            place::local(snapshot, id)?;
            deleted.extend(snapshot.entry(id).map(|entry| entry.uuid));
            open.extend(snapshot.children(id));
        }
        self.detach(&deleted)?;
        for uuid in deleted {
            self.transaction.delete(uuid);
        }
        Ok(())
    }
}

/// Whether a naming context of its own, perhaps one of AD, has its name below an entry.
fn has_context_below(snapshot: &Snapshot, id: EntryId) -> Result<bool, LdapResult> {
    let normalized = |dn: &str| {
        let dn = Dn::parse(dn).map_err(|error| damaged(&error))?;
        let keys = snapshot.schema().normalize_dn(&dn);
        keys.map_err(|error| damaged(&error))
    };
    let own = normalized(&snapshot.dn(id))?;
    Ok(snapshot
        .naming_contexts()
        .filter(|top| *top != id)
        .filter_map(|top| normalized(&snapshot.dn(top)).ok())
        .any(|top| top.len() > own.len() && top.ends_with(&own)))
}
