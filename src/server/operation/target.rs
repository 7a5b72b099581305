//! The entry a request names: by its DN, or by what it is, through aliases, unless other servers
//! hold it.
//!
//! | because | result code |
//! | --- | --- |
//! | neither a DN nor one of AD's names | invalidDNSyntax |
//! | no such entry | noSuchObject, with the nearest entry above |
//! | it is at or below a referral object, or wanted from its original | referral |
//! | an alias names no entry | aliasProblem |
//! | aliases go round in circles | loopDetect |

use std::borrow::Cow;

use super::{invalid_dn, root_dse, text};
use crate::{
    directory::{Diversions, EntryId, Identity, OriginId, Snapshot, Target, derived::SUBSCHEMA_DN},
    dn::{Dn, PlainDn},
    proto::{LdapResult, ResultCode, request::SearchScope},
};

/// A name as requests carry it.
pub(super) enum Name<'n> {
    /// A DN in the spelling most clients use.
    Plain(PlainDn<'n>),
    /// Any other DN, that of the root among them.
    Dn(Dn),
    /// `<GUID=...>` or `<SID=...>`.
    Identity(Identity),
}

impl<'n> Name<'n> {
    /// Reads a name, or invalidDNSyntax.
    pub(super) fn parse(octets: &'n [u8]) -> Result<Self, LdapResult> {
        let text = text(octets)?;
        if let Some(plain) = PlainDn::read(text) {
            return Ok(Self::Plain(plain));
        }
        match Identity::parse(text) {
            Some(Ok(identity)) => Ok(Self::Identity(identity)),
            Some(Err(error)) => Err(invalid_dn(error.to_string())),
            None => match Dn::parse(text) {
                Ok(dn) => Ok(Self::Dn(dn)),
                Err(error) => Err(invalid_dn(error.to_string())),
            },
        }
    }

    /// The same without what was sent.
    pub(super) fn into_owned(self) -> Name<'static> {
        match self {
            // It is a DN, so that it reads.
            Self::Plain(plain) => Name::Dn(Dn::parse(plain.as_str()).unwrap_or_default()),
            Self::Dn(dn) => Name::Dn(dn),
            Self::Identity(identity) => Name::Identity(identity),
        }
    }

    /// The name as a DN of this many relative names, where it is one.
    pub(super) fn as_dn_of(&self, length: usize) -> Option<Cow<'_, Dn>> {
        match self {
            Self::Plain(plain) if plain.count() == length => {
                Dn::parse(plain.as_str()).ok().map(Cow::Owned)
            }
            Self::Dn(dn) if dn.len() == length => Some(Cow::Borrowed(dn)),
            _ => None,
        }
    }

    /// Whether it is the DN of the root DSE.
    pub(super) fn is_root(&self) -> bool {
        matches!(self, Self::Dn(dn) if dn.is_root())
    }

    /// Finds the served entry; `scope` is for the URIs of referrals to a search.
    pub(super) fn find(
        &self,
        snapshot: &Snapshot,
        diversions: Diversions,
        scope: Option<SearchScope>,
    ) -> Result<EntryId, LdapResult> {
        let target = match self {
            Self::Plain(plain) => snapshot.find_plain(*plain, diversions),
            Self::Dn(dn) => snapshot.find(dn, diversions),
            Self::Identity(identity) => match by_identity(snapshot, identity) {
                // What it is called decides whether others hold it.
                Some(id) => snapshot.divert(id, diversions),
                None => Target::Missing { nearest: None },
            },
        };
        if target == (Target::Missing { nearest: None }) && self.ends_in_subschema(snapshot) {
            return Err(missing().matched(SUBSCHEMA_DN.to_owned()));
        }
        target.reached(snapshot, scope)
    }

    fn ends_in_subschema(&self, snapshot: &Snapshot) -> bool {
        match self {
            Self::Plain(plain) => {
                Dn::parse(plain.as_str()).is_ok_and(|dn| root_dse::ends_in_subschema(snapshot, &dn))
            }
            Self::Dn(dn) => root_dse::ends_in_subschema(snapshot, dn),
            Self::Identity(_) => false,
        }
    }
}

/// Refers to AD for what was replicated from it, where no copy may be used (RFC 6171 section 3).
pub(super) fn check_original(
    snapshot: &Snapshot,
    id: EntryId,
    dont_use_copy: bool,
    scope: Option<SearchScope>,
) -> Result<(), LdapResult> {
    let copied = snapshot
        .entry(id)
        .is_some_and(|entry| entry.origin != OriginId::LOCAL);
    if !dont_use_copy || !copied {
        return Ok(());
    }
    Err(match snapshot.original_uri(id, scope) {
        Some(uri) => LdapResult::referral(vec![uri]),
        None => LdapResult::new(
            ResultCode::UNWILLING_TO_PERFORM,
            "this entry is a copy, and its original is not known any more",
        ),
    })
}

fn missing() -> LdapResult {
    LdapResult::new(ResultCode::NO_SUCH_OBJECT, "no such entry")
}

/// The served entry of an identity; one from AD where a local entry has the same SID.
fn by_identity(snapshot: &Snapshot, identity: &Identity) -> Option<EntryId> {
    snapshot
        .identified(identity)
        .iter()
        .map(EntryId)
        .filter(|id| snapshot.is_served(*id))
        .min_by_key(|id| {
            let entry = snapshot.entry(*id);
            entry.map(|entry| (entry.origin == OriginId::LOCAL, entry.uuid))
        })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::directory::{SourceRecord, tests::build::*};

    fn find(fixture: &Fixture, name: &str) -> Result<String, LdapResult> {
        let snapshot = fixture.now();
        Name::parse(name.as_bytes())?
            .find(&snapshot, Diversions::default(), None)
            .map(|id| snapshot.dn(id))
    }

    /// An OU that is served for its user, and one in which nobody is.
    fn world() -> Fixture {
        Fixture::new([
            domain(1),
            ou(2, 1, "Staff"),
            ou(3, 1, "Empty"),
            ou(4, 3, "Inner"),
            user(11, 2, "ann"),
        ])
    }

    #[test]
    fn what_is_not_served_is_not_told_by_matched_dn() {
        let fixture = world();
        let domain = "DC=corp,DC=example,DC=com";
        for (name, matched) in [
            ("ou=empty", domain.to_owned()),
            ("ou=inner,ou=empty", domain.to_owned()),
            ("cn=x,ou=inner,ou=empty", domain.to_owned()),
            ("cn=x,ou=staff", format!("OU=Staff,{domain}")),
        ] {
            let result = find(&fixture, &format!("{name},{domain}")).unwrap_err();
            assert_eq!(result.code, ResultCode::NO_SUCH_OBJECT);
            assert_eq!(result.matched_dn, matched, "{name}");
        }
        let unserved = format!("<GUID={}>", id(3));
        let result = find(&fixture, &unserved).unwrap_err();
        assert_eq!(result.code, ResultCode::NO_SUCH_OBJECT);
        assert_eq!(result.matched_dn, "");
    }

    #[test]
    fn entries_of_ad_are_named_by_guid_and_sid() {
        let fixture = world();
        let ann = "CN=ann,OU=Staff,DC=corp,DC=example,DC=com";
        let octets: String = id(11)
            .to_bytes_le()
            .map(|octet| format!("{octet:02x}"))
            .concat();
        for name in [
            format!("<GUID={}>", id(11)),
            format!("<GUID={octets}>"),
            "<SID=S-1-5-21-2966102495-3163130805-921133302-1011>".to_owned(),
        ] {
            assert_eq!(find(&fixture, &name).unwrap(), ann, "{name}");
        }
    }

    #[test]
    fn without_copies_ad_is_where_to_ask_for_its_entries() {
        let fixture = world();
        let local = local_top(5);
        fixture.put([local]);
        fixture
            .directory
            .write(|transaction| {
                transaction.put_source(SourceRecord {
                    name: SOURCE.to_owned(),
                    domain: "corp.example.com".to_owned(),
                    ..Default::default()
                });
                Ok::<_, std::convert::Infallible>(())
            })
            .unwrap();
        let snapshot = fixture.now();
        let check = |number, dont_use_copy| {
            let id = snapshot.id_of(id(number)).unwrap();
            let scope = Some(SearchScope::WholeSubtree);
            check_original(&snapshot, id, dont_use_copy, scope)
        };
        assert_eq!(check(11, false), Ok(()));
        assert_eq!(check(5, true), Ok(()));
        let result = check(11, true).unwrap_err();
        assert_eq!(result.code, ResultCode::REFERRAL);
        let uri = "ldap://corp.example.com/CN=ann,OU=Staff,DC=corp,DC=example,DC=com??sub";
        assert_eq!(result.referral, [uri]);
    }
}
