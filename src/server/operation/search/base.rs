//! From the base object to where a search looks (RFC 4511 section 4.5.1.1 to 4.5.1.3).

use std::sync::Arc;

use super::{Answer, Bases, Call, EntryWriter, Name, Selections, Shape, root_dse, target};
use crate::{
    directory::{BoundFilter, Diversions, EntryId, OriginId, Reach, Region, Snapshot},
    proto::{
        LdapResult,
        request::{DerefAliases, SearchRequest, SearchScope},
        response::write_reference,
    },
};

/// The base as it was named.
pub(super) enum Base<'n> {
    /// The name was looked up before.
    Known(EntryId),
    Named(Name<'n>),
}

/// Where a search looks.
pub(super) struct Place {
    /// The base; `None` for the root, which is above every naming context.
    pub(super) base: Option<EntryId>,
    /// Where the scope alone does not say it.
    pub(super) region: Option<Box<Region>>,
}

/// Finds the base and what a search reaches from it; references to other servers are written.
pub(super) fn find(
    call: &Call<'_>,
    request: &SearchRequest<'_>,
    snapshot: &Arc<Snapshot>,
    base: &Base<'_>,
    bases: &mut Bases,
    out: &mut Vec<u8>,
) -> Result<Place, LdapResult> {
    let controls = call.controls;
    let deref = request.deref_aliases;
    let scope = request.scope;
    let base = match base {
        Base::Known(id) => Some(*id),
        Base::Named(name) if name.is_root() => {
            if call.controls.assertion.is_some()
                && let Some(root) = root_dse::made_up(call, snapshot, name)?
            {
                call.assert_of(root.subject(snapshot))?;
            }
            None
        }
        Base::Named(name) => {
            let diversions = Diversions {
                aliases: matches!(
                    deref,
                    DerefAliases::FindingBaseObject | DerefAliases::Always
                ),
                referrals: !controls.manage_dsa_it,
            };
            let id = name.find(snapshot, diversions, Some(scope))?;
            bases.keep(request.base_object, id, snapshot);
            Some(id)
        }
    };
    if let Some(id) = base {
        target::check_original(snapshot, id, controls.dont_use_copy, Some(scope))?;
        call.assert(snapshot, id)?;
    }
    let reach = Reach {
        aliases: matches!(deref, DerefAliases::InSearching | DerefAliases::Always),
        referrals: !controls.manage_dsa_it,
        subentries: controls.subentries,
        originals: controls.dont_use_copy,
    };
    let Some((region, references)) = Region::new(snapshot, base, scope, reach) else {
        return Ok(Place { base, region: None });
    };
    if !controls.domain_scope {
        // RFC 4511 section 4.5.3: what lies right below the base is searched by itself.
        let further = match scope {
            SearchScope::SingleLevel => SearchScope::BaseObject,
            _ => SearchScope::WholeSubtree,
        };
        for reference in &references {
            write_reference(out, call.id, &snapshot.uris(reference, Some(further)));
        }
        if controls.dont_use_copy {
            refer_to_originals(call, snapshot, base, scope, further, out);
        }
    }
    Ok(Place {
        base,
        region: Some(region),
    })
}

/// Writes where the originals of the naming contexts are that a search without copies leaves out.
fn refer_to_originals(
    call: &Call<'_>,
    snapshot: &Snapshot,
    base: Option<EntryId>,
    scope: SearchScope,
    further: SearchScope,
    out: &mut Vec<u8>,
) {
    let contexts: Vec<EntryId> = match base {
        _ if scope == SearchScope::BaseObject => Vec::new(),
        None => snapshot.naming_contexts().collect(),
        Some(base) => {
            let below = snapshot.tops_below(base).into_iter();
            below
                .filter(|(_, levels)| scope != SearchScope::SingleLevel || *levels == 1)
                .map(|(top, _)| top)
                .collect()
        }
    };
    for context in contexts {
        let copied = snapshot
            .entry(context)
            .is_some_and(|entry| entry.origin != OriginId::LOCAL);
        if copied && let Some(uri) = snapshot.original_uri(context, Some(further)) {
            write_reference(out, call.id, &[uri]);
        }
    }
}

/// Answers a search whose base is made up: the root DSE, or the subschema, below which there is
/// nothing; `None` where it is not.
pub(super) fn answer_made_up(
    call: &Call<'_>,
    request: &SearchRequest<'_>,
    snapshot: &Snapshot,
    name: &Name<'_>,
    selections: &mut Selections,
    out: &mut Vec<u8>,
) -> Result<Option<Answer>, LdapResult> {
    if name.is_root() && request.scope != SearchScope::BaseObject {
        return Ok(None);
    }
    let Some(made_up) = root_dse::made_up(call, snapshot, name)? else {
        return Ok(None);
    };
    let subject = made_up.subject(snapshot);
    call.assert_of(subject)?;
    // The root DSE is no entry of the tree, so that no control hides it.
    let wanted = match (request.scope, call.controls.subentries) {
        _ if !made_up.is_subentry => true,
        (SearchScope::BaseObject, subentries) => subentries != Some(false),
        (SearchScope::WholeSubtree, subentries) => subentries == Some(true),
        (SearchScope::SingleLevel | SearchScope::Subordinates, _) => false,
    };
    let selection = selections.of(call, request, snapshot);
    let writer = EntryWriter::new(call, selection, snapshot)?;
    let secrets = call.settings.access.secrets();
    let filter = BoundFilter::bind(&request.filter, snapshot, secrets);
    let wanted = wanted && filter.evaluate(subject) == Some(true);
    let answer = Shape::answer_made_up(call, snapshot, || {
        if wanted {
            let (dn, attributes) = (&*made_up.dn, &made_up.attributes);
            writer.write_made_up(snapshot, call.id, dn, attributes, out);
        }
        u64::from(wanted)
    });
    Ok(Some(answer))
}
