//! From a name to an entry, through aliases, and to where a referral object stands in the way.

use super::{
    EntryId,
    reference::Reference,
    snapshot::{Resolved, Snapshot},
};
use crate::{
    dn::{Dn, PlainDn},
    proto::{LdapResult, ResultCode, request::SearchScope},
    schema::InvalidValue,
};

/// Further than this aliases are not followed: they go round in circles.
const MAX_ALIASES: usize = 32;

/// What may divert the search for a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Diversions {
    /// Aliases are followed (RFC 4511 section 4.5.1.3).
    pub aliases: bool,
    /// Referral objects end it (RFC 3296); without, they are entries like others.
    pub referrals: bool,
}

/// What a name leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// This entry.
    Found(EntryId),
    /// There is none; `nearest` is the lowest entry above it that there is.
    Missing {
        /// For matchedDN.
        nearest: Option<EntryId>,
    },
    /// There can be none: the name has a value that the syntax of its type does not allow.
    Invalid(InvalidValue),
    /// Other servers hold it.
    Elsewhere(Reference),
    /// An alias on the way names no entry; `nearest` is the lowest above what it names.
    BrokenAlias {
        /// For matchedDN.
        nearest: Option<EntryId>,
    },
    /// Aliases on the way go round in circles; this is one of them.
    Loop(EntryId),
}

impl Target {
    /// The entry, or the result for what is not here; `scope` is for the URIs of referrals to a
    /// search.
    ///
    /// # Errors
    /// noSuchObject, aliasProblem, loopDetect and referral, with the entry that matched;
    /// invalidDNSyntax.
    pub fn reached(
        self,
        snapshot: &Snapshot,
        scope: Option<SearchScope>,
    ) -> Result<EntryId, LdapResult> {
        let dn = |id: Option<EntryId>| id.map(|id| snapshot.dn(id)).unwrap_or_default();
        let (code, text, matched) = match self {
            Self::Found(id) => return Ok(id),
            Self::Missing { nearest } => (ResultCode::NO_SUCH_OBJECT, "no such entry", nearest),
            Self::Invalid(error) => {
                return Err(LdapResult::new(
                    ResultCode::INVALID_DN_SYNTAX,
                    error.to_string(),
                ));
            }
            Self::BrokenAlias { nearest } => (
                ResultCode::ALIAS_PROBLEM,
                "an alias in the name names no entry",
                nearest,
            ),
            Self::Loop(alias) => (
                ResultCode::LOOP_DETECT,
                "the aliases in the name go round in circles",
                Some(alias),
            ),
            Self::Elsewhere(reference) => {
                let referral = LdapResult::referral(snapshot.uris(&reference, scope));
                return Err(referral.matched(dn(Some(reference.object))));
            }
        };
        Err(LdapResult::new(code, text).matched(dn(matched)))
    }
}

impl Snapshot {
    /// Whether names may lead to other entries than they name, or elsewhere.
    pub fn has_diversions(&self) -> bool {
        self.special.diverts()
    }

    /// Finds the served entry of a DN in any spelling.
    pub fn find(&self, dn: &Dn, diversions: Diversions) -> Target {
        let resolved = self.resolve(dn);
        let target = if self.special.diverts() {
            self.follow(dn, resolved, diversions)
        } else {
            resolved.into()
        };
        // Entries from AD may have any name, so that only what is not there is looked at.
        match target {
            Target::Missing { .. } => match self.schema.check_dn(dn) {
                Ok(()) => target,
                Err(error) => Target::Invalid(error),
            },
            target => target,
        }
    }

    /// The same of a name in the plain spelling.
    pub fn find_plain(&self, name: PlainDn<'_>, diversions: Diversions) -> Target {
        if !self.special.diverts()
            && let Resolved::Found(id) = self.resolve_plain(name)
        {
            return Target::Found(id);
        }
        match Dn::parse(name.as_str()) {
            Ok(dn) => self.find(&dn, diversions),
            Err(_) => Target::Missing { nearest: None },
        }
    }

    /// The same for an entry that was found by something else than its name.
    pub fn divert(&self, id: EntryId, diversions: Diversions) -> Target {
        if !self.special.diverts() {
            return Target::Found(id);
        }
        match Dn::parse(&self.dn(id)) {
            Ok(dn) => self.follow(&dn, Resolved::Found(id), diversions),
            Err(_) => Target::Found(id),
        }
    }

    fn follow(&self, dn: &Dn, resolved: Resolved, diversions: Diversions) -> Target {
        let mut resolved = resolved;
        let mut dn = dn.clone();
        // The alias that was followed last, and the length of what it names.
        let mut through: Option<(EntryId, usize)> = None;
        for _ in 0..=MAX_ALIASES {
            let last = match resolved {
                Resolved::Found(id) => Some(id),
                Resolved::Missing { nearest } => nearest,
            };
            let Some(diversion) = last.and_then(|last| self.diversion(last, diversions)) else {
                let exists = last.map_or(0, |last| self.depth(last));
                return match resolved {
                    Resolved::Missing { nearest }
                        if through.is_some_and(|(_, length)| exists < length) =>
                    {
                        Target::BrokenAlias { nearest }
                    }
                    resolved => resolved.into(),
                };
            };
            let below = dn.len().saturating_sub(self.depth(diversion));
            let mut below = dn.rdns.get(..below).unwrap_or_default().to_vec();
            if self.is_referral(diversion) {
                let object = diversion;
                return Target::Elsewhere(Reference { object, below });
            }
            let Some(named) = self.aliased(diversion) else {
                return Target::BrokenAlias {
                    nearest: Some(diversion),
                };
            };
            through = Some((diversion, named.len()));
            below.extend(named.rdns);
            dn = Dn { rdns: below };
            resolved = self.resolve(&dn);
        }
        match through {
            Some((alias, _)) => Target::Loop(alias),
            None => resolved.into(),
        }
    }

    /// The highest entry from `last` upwards that diverts.
    fn diversion(&self, last: EntryId, diversions: Diversions) -> Option<EntryId> {
        self.path(last)
            .filter(|id| {
                (diversions.aliases && self.is_alias(*id))
                    || (diversions.referrals && self.is_referral(*id))
            })
            .last()
    }

    /// The name that an alias stands for; `None` where it is none.
    pub(super) fn aliased(&self, alias: EntryId) -> Option<Dn> {
        let attributes = &self.entry(alias)?.attributes;
        let name = attributes.first(self.known.aliased_object_name)?;
        let dn = Dn::parse(std::str::from_utf8(name).ok()?).ok()?;
        (!dn.is_root()).then_some(dn)
    }

    /// The number of relative names of an entry's DN.
    fn depth(&self, id: EntryId) -> usize {
        self.path(id)
            .filter_map(|id| self.entry(id))
            .map(|entry| entry.keys.len())
            .sum()
    }
}

impl From<Resolved> for Target {
    fn from(resolved: Resolved) -> Self {
        match resolved {
            Resolved::Found(id) => Self::Found(id),
            Resolved::Missing { nearest } => Self::Missing { nearest },
        }
    }
}
