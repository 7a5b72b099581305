//! Where an update applies: entries, their superiors, and what stands in the way.

use super::Update;
use crate::{
    directory::{Diversions, EntryId, Kind, OriginId, Resolved, Snapshot, Target},
    dn::Dn,
    entry::Origin,
    proto::{LdapResult, ResultCode},
};

/// The served entry of a DN.
///
/// # Errors
/// noSuchObject with the nearest entry above; referral at or below a referral object, unless
/// `manage_dsa_it` (RFC 3296 section 5.1).
pub fn find(snapshot: &Snapshot, dn: &Dn, manage_dsa_it: bool) -> Result<EntryId, LdapResult> {
    let diversions = Diversions {
        aliases: false,
        referrals: !manage_dsa_it,
    };
    snapshot.find(dn, diversions).reached(snapshot, None)
}

/// Refuses an entry that is not written here.
pub(super) fn local(snapshot: &Snapshot, id: EntryId) -> Result<(), LdapResult> {
    let Some(entry) = snapshot.entry(id) else {
        return Err(unwilling("the entry is gone"));
    };
    if entry.origin == OriginId::LOCAL {
        return Ok(());
    }
    let source = match snapshot.origin(entry.origin).map(|view| &view.origin) {
        Some(Origin::Source(name)) => format!(" (source {name})"),
        _ => String::new(),
    };
    Err(unwilling(&format!(
        "this entry comes from Active Directory{source}: change it there, it follows within seconds"
    )))
}

/// What is not done here.
pub(super) fn unwilling(text: &str) -> LdapResult {
    LdapResult::new(ResultCode::UNWILLING_TO_PERFORM, text)
}

impl Update<'_, '_> {
    /// The superior of a new entry; `None` for the top of a naming context.
    pub(super) fn superior(&self, dn: &Dn) -> Result<Option<EntryId>, LdapResult> {
        let snapshot = self.snapshot();
        let above = dn.parent().unwrap_or_default();
        let missing = match snapshot.resolve(&above) {
            Resolved::Found(_) => None,
            Resolved::Missing { nearest } => Some(nearest),
        };
        if missing == Some(None)
            && super::naming::may_be_top(snapshot.schema(), self.naming_contexts, dn)
        {
            return Ok(None);
        }
        // The client goes on with the new entry's name elsewhere.
        let diversions = Diversions {
            aliases: false,
            referrals: true,
        };
        if let target @ Target::Elsewhere(_) = snapshot.find(dn, diversions) {
            target.reached(snapshot, None)?;
        }
        let id = find(snapshot, &above, true).map_err(|refusal| LdapResult {
            diagnostic: "the entry above it is missing".to_owned(),
            ..refusal
        })?;
        self.may_hold(id)?;
        Ok(Some(id))
    }

    /// Refuses an entry that has nothing local below it.
    pub(super) fn may_hold(&self, id: EntryId) -> Result<(), LdapResult> {
        let snapshot = self.snapshot();
        if is_a(snapshot, id, b"alias") {
            let refusal = LdapResult::new(
                ResultCode::ALIAS_PROBLEM,
                "the entry above it is an alias, which has nothing below it",
            );
            return Err(refusal.matched(snapshot.dn(id)));
        }
        let kind = snapshot.entry(id).map(|entry| entry.kind);
        if !matches!(kind, Some(Kind::Local | Kind::Container)) {
            return Err(unwilling(
                "local entries lie below local ones or containers of Active Directory, not below its users and groups",
            ));
        }
        Ok(())
    }
}

/// Whether an entry has an object class, or one below it.
fn is_a(snapshot: &Snapshot, id: EntryId, class: &[u8]) -> bool {
    let schema = snapshot.schema();
    let (Some(entry), Some(class)) = (snapshot.entry(id), schema.object_class(class)) else {
        return false;
    };
    entry
        .attributes
        .values(snapshot.known().object_class)
        .filter_map(|value| schema.object_class(value))
        .any(|own| own == class || schema.superclasses(own).contains(&class))
}
