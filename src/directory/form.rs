//! What readers get of an entry: of a local one it follows from its record alone, so that any
//! thread may make it.

use uuid::Uuid;

use super::{
    attributes_view::AttributesView,
    derived::{Derivation, Derivations},
    packed::PackedAttributes,
};
use crate::{dn::Dn, entry::Attribute, schema::Schema};

/// What is made of entries where nothing else is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Forms<'s> {
    pub(super) schema: &'s Schema,
    pub(super) derivations: &'s Derivations,
}

/// An entry as it is served.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) uuid: Uuid,
    pub(super) parent: Option<Uuid>,
    pub(super) rdn: Box<str>,
    pub(super) keys: Box<[Box<[u8]>]>,
    pub(super) attributes: PackedAttributes,
}

impl Forms<'_> {
    /// The form of a local entry.
    pub(super) fn local(
        self,
        (uuid, parent): (Uuid, Option<Uuid>),
        rdn: &str,
        attributes: &AttributesView<'_>,
    ) -> Form {
        let id = uuid.to_string();
        let id = [id.as_bytes()];
        // With the superclasses of its classes, which need not be stored.
        let classes: Vec<(&str, Vec<&[u8]>)> = attributes
            .iter()
            .filter(|(description, _)| is_of_classes(description))
            .map(|(description, values)| (description, self.with_superclasses(values)))
            .collect();
        let classes = classes
            .iter()
            .map(|(description, values)| (*description, values.as_slice()));
        let others = attributes.iter().filter(|(description, _)| {
            !is_of_classes(description) && !description.eq_ignore_ascii_case(ENTRY_UUID)
        });
        let all = others.chain(classes).chain([(ENTRY_UUID, id.as_slice())]);
        self.form((uuid, parent), rdn, all)
    }

    /// The form of an entry, given what readers get of it, what is derived aside.
    pub(super) fn form<'a, 'v: 'a>(
        self,
        (uuid, parent): (Uuid, Option<Uuid>),
        rdn: &str,
        attributes: impl Iterator<Item = (&'a str, &'a [&'v [u8]])>,
    ) -> Form {
        let is_stored = |attribute| {
            let derivation = self.derivations.of(attribute);
            !derivation.is_some_and(Derivation::is_never_stored)
        };
        Form {
            uuid,
            parent,
            rdn: rdn.into(),
            keys: self.keys(rdn),
            attributes: PackedAttributes::pack_some(self.schema, attributes, is_stored),
        }
    }

    fn with_superclasses<'v>(&'v self, classes: &[&'v [u8]]) -> Vec<&'v [u8]> {
        let mut all = classes.to_vec();
        for class in classes {
            let Some(class) = self.schema.object_class(class) else {
                continue;
            };
            for implied in self.schema.superclasses(class) {
                let name = self.schema.object_class_def(*implied).name().as_bytes();
                if !all.iter().any(|own| own.eq_ignore_ascii_case(name)) {
                    all.push(name);
                }
            }
        }
        all
    }

    /// The normalized RDNs; a name that has none is kept under its own octets.
    fn keys(self, rdn: &str) -> Box<[Box<[u8]>]> {
        let normalized = Dn::parse(rdn)
            .ok()
            .and_then(|dn| self.schema.normalize_dn(&dn).ok())
            .filter(|keys| !keys.is_empty());
        match normalized {
            Some(keys) => keys.into_iter().map(Vec::into_boxed_slice).collect(),
            None => Box::new([rdn.as_bytes().into()]),
        }
    }
}

/// What is shown of an entry that is not served itself, in case something served lies below it.
pub(super) fn bare(uuid: Uuid) -> Vec<Attribute> {
    let attribute = |description: &str, value: String| Attribute {
        description: description.to_owned(),
        values: vec![value.into_bytes()],
    };
    vec![
        attribute("objectClass", "top".to_owned()),
        attribute(ENTRY_UUID, uuid.to_string()),
    ]
}

const ENTRY_UUID: &str = "entryUUID";

fn is_of_classes(description: &str) -> bool {
    description.eq_ignore_ascii_case("objectClass")
}
