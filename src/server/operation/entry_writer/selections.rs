//! The attribute lists of one connection, resolved.
//!
//! Clients ask with the same few lists for ever: each is resolved when it is first sent, and found
//! by its octets from then on.

use std::sync::Arc;

use crate::{
    directory::{AttributeSelection, Snapshot},
    proto::request::SearchRequest,
    schema::Schema,
    server::operation::Call,
};

/// How many lists are kept: more than one client program uses.
const MAX_LISTS: usize = 8;
/// Octets of a list that is kept.
const MAX_OCTETS: usize = 1024;

/// The lists that were sent last.
#[derive(Debug, Default)]
pub(in crate::server) struct Selections(Vec<Resolved>);

#[derive(Debug)]
struct Resolved {
    list: Box<[u8]>,
    types_only: bool,
    /// What the names mean; held, so that no other schema takes its place in memory.
    schema: Arc<Schema>,
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
        let known = self.0.iter().find(|known| {
            *known.list == *request.attributes.octets()
                && known.types_only == request.types_only
                && Arc::ptr_eq(&known.schema, schema)
        });
        if let Some(known) = known {
            return Arc::clone(&known.selection);
        }
        let selection = Arc::new(resolve(call, request, snapshot));
        let list = request.attributes.octets();
        if list.len() <= MAX_OCTETS {
            if self.0.len() == MAX_LISTS {
                self.0.remove(0);
            }
            self.0.push(Resolved {
                list: list.into(),
                types_only: request.types_only,
                schema: Arc::clone(schema),
                selection: Arc::clone(&selection),
            });
        }
        selection
    }
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
