//! Where an update applies: entries, their superiors, and what stands in the way.

use super::Update;
use crate::{
    directory::{EntryId, Kind, OriginId, Resolved, Snapshot},
    dn::Dn,
    entry::Origin,
    proto::{LdapResult, ResultCode},
};

/// The served entry of a DN.
///
/// # Errors
/// noSuchObject with the nearest entry above; referral for a referral object, or where one is the
/// nearest above, unless `manage_dsa_it` (RFC 3296 section 5.1).
pub fn find(snapshot: &Snapshot, dn: &Dn, manage_dsa_it: bool) -> Result<EntryId, LdapResult> {
    let (found, nearest) = match snapshot.resolve(dn) {
        Resolved::Found(id) => (Some(id), Some(id)),
        Resolved::Missing { nearest } => (None, nearest),
    };
    if let Some(id) = nearest.filter(|id| !manage_dsa_it && is_a(snapshot, *id, b"referral")) {
        return Err(referral(snapshot, id, dn));
    }
    found.ok_or_else(|| {
        let matched = nearest.map(|id| snapshot.dn(id)).unwrap_or_default();
        LdapResult::new(ResultCode::NO_SUCH_OBJECT, "no such entry").matched(matched)
    })
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
        let nearest = match snapshot.resolve(&above) {
            Resolved::Found(id) => Some(id),
            Resolved::Missing { nearest } => nearest,
        };
        if nearest.is_none()
            && super::naming::may_be_top(snapshot.schema(), self.naming_contexts, dn)
        {
            return Ok(None);
        }
        let id = find(snapshot, &above, false).map_err(|refusal| match refusal.code {
            ResultCode::NO_SUCH_OBJECT => LdapResult {
                diagnostic: "the entry above it is missing".to_owned(),
                ..refusal
            },
            // The client goes on with the new entry's name.
            ResultCode::REFERRAL => nearest.map_or(refusal, |id| referral(snapshot, id, dn)),
            _ => refusal,
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

/// The result that sends a client to where a referral object points (RFC 3296 section 5).
fn referral(snapshot: &Snapshot, id: EntryId, dn: &Dn) -> LdapResult {
    let own = Dn::parse(&snapshot.dn(id)).map_or(0, |own| own.len());
    let below = dn.len().saturating_sub(own);
    let below = Dn {
        rdns: dn.rdns.get(..below).unwrap_or_default().to_vec(),
    };
    let mut result = LdapResult::new(ResultCode::REFERRAL, "").matched(snapshot.dn(id));
    if let (Some(entry), Some(attribute)) =
        (snapshot.entry(id), snapshot.schema().attribute(b"ref"))
    {
        result.referral = entry
            .attributes
            .values(attribute)
            .filter_map(|uri| std::str::from_utf8(uri).ok())
            .map(|uri| below_uri(uri, &below))
            .collect();
    }
    result
}

/// A URI for what lies below the entry it names.
fn below_uri(uri: &str, below: &Dn) -> String {
    // A label may follow the URI (RFC 2079).
    let uri = uri.split(' ').next().unwrap_or_default();
    if below.is_root() {
        return uri.to_owned();
    }
    let Some((scheme, rest)) = uri
        .split_once("://")
        .filter(|(scheme, _)| scheme.starts_with("ldap"))
    else {
        return uri.to_owned();
    };
    let Some((host, dn)) = rest.split_once('/').filter(|(_, dn)| !dn.is_empty()) else {
        return uri.to_owned();
    };
    let mut name = String::new();
    for octet in below.to_string().bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~=,+".contains(&octet) {
            name.push(char::from(octet));
        } else {
            name.push_str(&format!("%{octet:02X}"));
        }
    }
    format!("{scheme}://{host}/{name},{dn}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_referral_names_what_lies_below_it() {
        let below = Dn::parse("cn=a b").unwrap();
        for (uri, expected) in [
            ("ldap://h/dc=x label", "ldap://h/cn=a%20b,dc=x"),
            ("ldap://h/", "ldap://h/"),
            ("ldap://h", "ldap://h"),
            ("http://h/p", "http://h/p"),
        ] {
            assert_eq!(below_uri(uri, &below), expected);
        }
        assert_eq!(below_uri("ldap://h/dc=x", &Dn::ROOT), "ldap://h/dc=x");
    }
}
