//! From the name in a bind to exactly one entry: every form AD takes, and the POSIX ones.

use roaring::RoaringBitmap;

use crate::{
    directory::{EntryId, Identity, Kind, Resolved, Snapshot},
    dn::{Dn, PlainDn, Rdn},
};

/// What a name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// This entry.
    One(EntryId),
    /// Nothing that could bind.
    Nobody,
    /// More than one entry: refused, since an application would take one man for the other.
    Ambiguous,
    /// It has the form of a DN but is none.
    InvalidDn,
}

/// Finds the entry that a bind name means.
///
/// The forms are: DN, `<GUID=...>`, `<SID=...>`, `S-1-...`, user principal name (stored, or
/// sAMAccountName with the DNS or NetBIOS name of the domain), `DOMAIN\name`, canonical name
/// (`domain/container/name`), sAMAccountName or uid alone, and a DN that starts with `uid=` below
/// any entry above the account.
pub fn resolve(snapshot: &Snapshot, name: &[u8]) -> Named {
    let Ok(text) = std::str::from_utf8(name) else {
        return Named::Nobody;
    };
    // The spelling of most clients, without a copy of anything.
    if let Some(plain) = PlainDn::read(text)
        && let Resolved::Found(id) = snapshot.resolve_plain(plain)
    {
        return if can_bind(snapshot, id) {
            Named::One(id)
        } else {
            Named::Nobody
        };
    }
    let found = if let Some(identity) = by_identity(snapshot, text) {
        identity
    } else if looks_like_a_dn(text) {
        match Dn::parse(text) {
            Ok(dn) => {
                let found = by_dn(snapshot, &dn);
                if found.is_empty() && snapshot.schema().check_dn(&dn).is_err() {
                    return Named::InvalidDn;
                }
                found
            }
            Err(_) => return Named::InvalidDn,
        }
    } else {
        by_account_name(snapshot, text)
    };
    only_account(snapshot, &found)
}

/// A name without the `dn:` or `u:` that says its form in an authzId (RFC 4513 section 5.2.1.8).
pub fn without_form(name: &[u8]) -> &[u8] {
    [&b"dn:"[..], b"u:"]
        .iter()
        .find_map(|form| {
            let (found, rest) = name.split_at_checked(form.len())?;
            found.eq_ignore_ascii_case(form).then_some(rest)
        })
        .unwrap_or(name)
}

/// The account of a DN, in any spelling and by nothing else.
pub fn by_exact_dn(snapshot: &Snapshot, dn: &Dn) -> Option<EntryId> {
    match snapshot.resolve(dn) {
        Resolved::Found(id) if can_bind(snapshot, id) => Some(id),
        _ => None,
    }
}

/// Finds the entry that an account name means, which is never taken for a DN, GUID or SID.
pub fn resolve_account(snapshot: &Snapshot, name: &str) -> Named {
    only_account(snapshot, &by_account_name(snapshot, name))
}

fn only_account(snapshot: &Snapshot, found: &RoaringBitmap) -> Named {
    let mut accounts = found
        .iter()
        .map(EntryId)
        .filter(|id| can_bind(snapshot, *id));
    match (accounts.next(), accounts.next()) {
        (None, _) => Named::Nobody,
        (Some(id), None) => Named::One(id),
        (Some(_), Some(_)) => Named::Ambiguous,
    }
}

/// Only served users, and local entries, have a password here.
fn can_bind(snapshot: &Snapshot, id: EntryId) -> bool {
    snapshot.is_served(id)
        && snapshot
            .entry(id)
            .is_some_and(|entry| matches!(entry.kind, Kind::User | Kind::Local))
}

/// An account name may have an equals sign; a DN has one before any separator of other forms.
fn looks_like_a_dn(text: &str) -> bool {
    let Some((attribute, _)) = text.split_once('=') else {
        return false;
    };
    let attribute = attribute.trim();
    !attribute.is_empty()
        && attribute
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || "-.;".contains(character))
}

fn by_identity(snapshot: &Snapshot, text: &str) -> Option<RoaringBitmap> {
    let identity = match Identity::parse(text) {
        Some(identity) => identity.ok()?,
        None if text.starts_with("S-1-") => Identity::Sid(text.parse().ok()?),
        None => return None,
    };
    Some(snapshot.identified(&identity))
}

fn by_dn(snapshot: &Snapshot, dn: &Dn) -> RoaringBitmap {
    if let Resolved::Found(id) = snapshot.resolve(dn) {
        return std::iter::once(id.0).collect();
    }
    by_uid_below(snapshot, dn).unwrap_or_default()
}

/// `uid=NAME,` with any entry above the account: what applications build that know RFC 2307 only.
fn by_uid_below(snapshot: &Snapshot, dn: &Dn) -> Option<RoaringBitmap> {
    let (Rdn { avas }, superior) = dn.split_first()?;
    let [ava] = avas.as_slice() else { return None };
    let uid = snapshot.known().uid;
    if snapshot.schema().attribute(ava.attribute.as_bytes()) != Some(uid) {
        return None;
    }
    let Resolved::Found(above) = snapshot.resolve(&superior) else {
        return None;
    };
    let mut tops = vec![above];
    tops.extend(snapshot.tops_below(above).into_iter().map(|(top, _)| top));
    let found = snapshot.equal(uid, &ava.value);
    let is_below = |id: &u32| {
        tops.iter()
            .any(|top| snapshot.is_within(EntryId(*id), *top))
    };
    Some(found.iter().filter(is_below).collect())
}

fn by_account_name(snapshot: &Snapshot, text: &str) -> RoaringBitmap {
    let known = snapshot.known();
    let account = |name: &str| snapshot.equal(known.sam_account_name, name.as_bytes());
    // In a canonical name the backslash is an escape.
    if let Some((domain, name)) = text.split_once('\\')
        && !domain.contains('/')
    {
        let accounts = account(name);
        return of_sources(snapshot, &accounts, |source| {
            source.has_netbios_name(domain)
        });
    }
    let mut found = RoaringBitmap::new();
    if let Some((name, suffix)) = text.rsplit_once('@') {
        found |= snapshot.equal(known.user_principal_name, text.as_bytes());
        found |= of_sources(snapshot, &account(name), |source| {
            source.domain.eq_ignore_ascii_case(suffix) || source.has_netbios_name(suffix)
        });
    }
    if let Some((domain, path)) = text.split_once('/') {
        found |= by_canonical_name(snapshot, domain, path);
    }
    found |= account(text);
    found | snapshot.equal(known.uid, text.as_bytes())
}

/// The entries of a set that come from the sources that are meant.
fn of_sources(
    snapshot: &Snapshot,
    ids: &RoaringBitmap,
    is_meant: impl Fn(&crate::directory::SourceRecord) -> bool,
) -> RoaringBitmap {
    ids.iter()
        .filter(|id| {
            snapshot
                .source_of(EntryId(*id))
                .is_some_and(|source| is_meant(source))
        })
        .collect()
}

/// `corp.example.com/Staff/Name`, where a slash in a name is written `\/`.
fn by_canonical_name(snapshot: &Snapshot, domain: &str, path: &str) -> RoaringBitmap {
    let mut open: Vec<EntryId> = snapshot
        .naming_contexts()
        .filter(|id| {
            snapshot
                .source_of(*id)
                .is_some_and(|source| source.domain.eq_ignore_ascii_case(domain))
        })
        .collect();
    let path = path.replace("\\/", "\0");
    for part in path.split('/') {
        let part = part.replace('\0', "/");
        // By name, so that a bind costs the same however many entries a container has.
        open = open
            .into_iter()
            .flat_map(|above| {
                NAMING_ATTRIBUTES.iter().filter_map({
                    let part = part.as_bytes();
                    move |naming| snapshot.child_named(above, &Rdn::new(naming, part))
                })
            })
            .collect();
    }
    open.into_iter().map(|id| id.0).collect()
}

/// What AD names entries by, beside `dc`, which is in the part before the path.
const NAMING_ATTRIBUTES: &[&str] = &["cn", "ou"];

#[cfg(test)]
mod tests;
