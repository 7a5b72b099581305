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

use super::{invalid_dn, text};
use crate::{
    directory::{Diversions, EntryId, Identity, OriginId, Snapshot, Target},
    dn::Dn,
    proto::{LdapResult, ResultCode, request::SearchScope},
};

/// A name as requests carry it.
pub(super) enum Name {
    /// A DN.
    Dn(Dn),
    /// `<GUID=...>` or `<SID=...>`.
    Identity(Identity),
}

impl Name {
    /// Reads a name, or invalidDNSyntax.
    pub(super) fn parse(octets: &[u8]) -> Result<Self, LdapResult> {
        let text = text(octets)?;
        match Identity::parse(text) {
            Some(Ok(identity)) => Ok(Self::Identity(identity)),
            Some(Err(error)) => Err(invalid_dn(error.to_string())),
            None => match Dn::parse(text) {
                Ok(dn) => Ok(Self::Dn(dn)),
                Err(error) => Err(invalid_dn(error.to_string())),
            },
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
            Self::Dn(dn) => snapshot.find(dn, diversions),
            Self::Identity(identity) => match by_identity(snapshot, identity) {
                // What it is called decides whether others hold it.
                Some(id) => snapshot.divert(id, diversions),
                None => Target::Missing { nearest: None },
            },
        };
        reach(snapshot, target, scope)
    }
}

/// The result for what is not here, however it was named.
fn reach(
    snapshot: &Snapshot,
    target: Target,
    scope: Option<SearchScope>,
) -> Result<EntryId, LdapResult> {
    let dn = |id: Option<EntryId>| id.map(|id| snapshot.dn(id)).unwrap_or_default();
    Err(match target {
        Target::Found(id) => return Ok(id),
        Target::Missing { nearest } => {
            LdapResult::new(ResultCode::NO_SUCH_OBJECT, "no such entry").matched(dn(nearest))
        }
        Target::BrokenAlias { nearest } => LdapResult::new(
            ResultCode::ALIAS_PROBLEM,
            "an alias in the name names no entry",
        )
        .matched(dn(nearest)),
        Target::Loop(alias) => LdapResult::new(
            ResultCode::LOOP_DETECT,
            "the aliases in the name go round in circles",
        )
        .matched(dn(Some(alias))),
        Target::Elsewhere(reference) => {
            referral(snapshot.uris(&reference, scope)).matched(dn(Some(reference.object)))
        }
    })
}

/// Refuses names at or below a referral object, unless these are managed (RFC 3296 section 5.2).
pub(super) fn check_referral(
    snapshot: &Snapshot,
    dn: &Dn,
    manage_dsa_it: bool,
) -> Result<(), LdapResult> {
    let diversions = Diversions {
        aliases: false,
        referrals: !manage_dsa_it,
    };
    match snapshot.find(dn, diversions) {
        target @ Target::Elsewhere(_) => reach(snapshot, target, None).map(drop),
        _ => Ok(()),
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
        Some(uri) => referral(vec![uri]),
        None => LdapResult::new(
            ResultCode::UNWILLING_TO_PERFORM,
            "this entry is a copy, and its original is not known any more",
        ),
    })
}

fn referral(uris: Vec<String>) -> LdapResult {
    let mut result = LdapResult::new(ResultCode::REFERRAL, "other servers hold this entry");
    result.referral = uris;
    result
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
