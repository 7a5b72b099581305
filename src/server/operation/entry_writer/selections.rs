//! Attribute lists, resolved.
//!
//! Clients ask with the same few lists for ever: each is resolved when it is first sent, and found
//! by its octets from then on, also by the connections that come after.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::{
    access::Secrets,
    directory::{AttributeSelection, Snapshot},
    proto::request::SearchRequest,
    schema::Schema,
    server::operation::Call,
};

/// How many lists a connection keeps: more than one client program uses.
const MAX_LISTS: usize = 8;
/// How many lists are kept for all connections.
const MAX_SHARED: usize = 32;
/// Octets of a list that is kept.
const MAX_OCTETS: usize = 1024;

/// The lists that one connection sent last.
#[derive(Debug, Default)]
pub(in crate::server) struct Selections(Vec<Arc<Resolved>>);

/// The lists that were resolved last for any connection; a new one takes them from here.
#[derive(Debug, Default)]
pub(in crate::server) struct SharedSelections(ArcSwap<Vec<Arc<Resolved>>>);

#[derive(Debug)]
struct Resolved {
    list: Box<[u8]>,
    types_only: bool,
    /// What the names mean; held, so that no other schema takes its place in memory.
    schema: Arc<Schema>,
    /// What is not given, whoever asks.
    secrets: Secrets,
    selection: Arc<AttributeSelection>,
}

impl Selections {
    /// What a search asks for; the secrets of a connection are the same all its life.
    pub(in crate::server::operation) fn of(
        &mut self,
        call: &Call<'_>,
        request: &SearchRequest<'_>,
        snapshot: &Snapshot,
    ) -> Arc<AttributeSelection> {
        let schema = snapshot.schema();
        if let Some(known) = self.0.iter().find(|known| known.is_of(request, schema)) {
            return Arc::clone(&known.selection);
        }
        if request.attributes.octets().len() > MAX_OCTETS {
            return Arc::new(resolve(call, request, snapshot));
        }
        let resolved = call.service.selections.of(call, request, snapshot);
        let selection = Arc::clone(&resolved.selection);
        push(&mut self.0, resolved, MAX_LISTS);
        selection
    }
}

impl SharedSelections {
    fn of(
        &self,
        call: &Call<'_>,
        request: &SearchRequest<'_>,
        snapshot: &Snapshot,
    ) -> Arc<Resolved> {
        let schema = snapshot.schema();
        let secrets = call.settings.access.secrets();
        let shared = self.0.load();
        let known = shared
            .iter()
            .find(|known| known.is_of(request, schema) && known.secrets == *secrets);
        if let Some(known) = known {
            return Arc::clone(known);
        }
        let resolved = Arc::new(Resolved {
            list: request.attributes.octets().into(),
            types_only: request.types_only,
            schema: Arc::clone(schema),
            secrets: secrets.clone(),
            selection: Arc::new(resolve(call, request, snapshot)),
        });
        self.0.rcu(|shared| {
            let mut lists = Vec::clone(shared);
            push(&mut lists, Arc::clone(&resolved), MAX_SHARED);
            lists
        });
        resolved
    }
}

impl Resolved {
    fn is_of(&self, request: &SearchRequest<'_>, schema: &Arc<Schema>) -> bool {
        *self.list == *request.attributes.octets()
            && self.types_only == request.types_only
            && Arc::ptr_eq(&self.schema, schema)
    }
}

/// Adds a list; the oldest goes where there is no room.
fn push(lists: &mut Vec<Arc<Resolved>>, resolved: Arc<Resolved>, most: usize) {
    if lists.len() == most {
        lists.remove(0);
    }
    lists.push(resolved);
}

/// Resolves what a search asks for.
pub(in crate::server::operation) fn resolve(
    call: &Call<'_>,
    request: &SearchRequest<'_>,
    snapshot: &Snapshot,
) -> AttributeSelection {
    let list: Vec<&[u8]> = request.attributes.iter().collect();
    let secrets = call.settings.access.secrets();
    AttributeSelection::new(snapshot, &list, request.types_only, secrets)
}
