//! The entries that are made up, as they were made last: they are read far more often than what
//! they follow from changes.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::session::Channel;
use crate::{directory::PackedAttributes, schema::Schema, store::ChangeSeq};

/// What was made under one set of settings; starts empty.
#[derive(Debug, Default)]
pub struct MadeUpEntries {
    /// By what TLS gives a connection.
    root: [ArcSwapOption<(ChangeSeq, PackedAttributes)>; 4],
    subschema: ArcSwapOption<(Arc<Schema>, PackedAttributes)>,
}

/// Attributes together with what they follow from.
pub(super) enum MadeUpAttributes {
    Root(Arc<(ChangeSeq, PackedAttributes)>),
    Subschema(Arc<(Arc<Schema>, PackedAttributes)>),
}

impl MadeUpEntries {
    /// The root DSE of a version of the directory.
    pub(super) fn root(
        &self,
        seq: ChangeSeq,
        channel: Channel,
        make: impl FnOnce() -> PackedAttributes,
    ) -> MadeUpAttributes {
        let [neither, certified, tls, both] = &self.root;
        let slot = match (channel.tls, channel.certified) {
            (false, false) => neither,
            (false, true) => certified,
            (true, false) => tls,
            (true, true) => both,
        };
        let known = slot.load_full().filter(|known| known.0 == seq);
        MadeUpAttributes::Root(known.unwrap_or_else(|| {
            let made = Arc::new((seq, make()));
            slot.store(Some(Arc::clone(&made)));
            made
        }))
    }

    /// A schema as an entry.
    pub(super) fn subschema(
        &self,
        schema: &Arc<Schema>,
        make: impl FnOnce() -> PackedAttributes,
    ) -> MadeUpAttributes {
        let slot = &self.subschema;
        let known = slot.load_full();
        let known = known.filter(|known| Arc::ptr_eq(&known.0, schema));
        MadeUpAttributes::Subschema(known.unwrap_or_else(|| {
            let made = Arc::new((Arc::clone(schema), make()));
            slot.store(Some(Arc::clone(&made)));
            made
        }))
    }
}

impl std::ops::Deref for MadeUpAttributes {
    type Target = PackedAttributes;

    fn deref(&self) -> &PackedAttributes {
        match self {
            Self::Root(made) => &made.1,
            Self::Subschema(made) => &made.1,
        }
    }
}
