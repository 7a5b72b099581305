//! What readers get of a local entry: it follows from its record alone, so that any thread may make
//! it.

use uuid::Uuid;

use super::{
    derived::{Derivation, Derivations},
    packed::PackedAttributes,
};
use crate::{
    dn::Dn,
    entry::{Attribute, Entry, Origin},
    schema::Schema,
};

/// What is made of entries where nothing else is looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Forms<'s> {
    pub(super) schema: &'s Schema,
    pub(super) derivations: &'s Derivations,
}

/// An entry's names and attributes as they are served.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) keys: Box<[Box<[u8]>]>,
    pub(super) attributes: PackedAttributes,
}

impl Forms<'_> {
    /// The form of a local entry; `None` for those from AD, which take more than their records.
    pub(super) fn of(self, entry: &Entry) -> Option<Form> {
        (entry.origin == Origin::Local).then(|| Form {
            keys: self.keys(entry),
            attributes: self.local(entry),
        })
    }

    /// The attributes that readers are given, less those that are derived.
    pub(super) fn pack<'a>(
        self,
        attributes: impl IntoIterator<Item = (&'a str, &'a [Vec<u8>])>,
    ) -> PackedAttributes {
        PackedAttributes::pack_some(self.schema, attributes, |attribute| {
            let derivation = self.derivations.of(attribute);
            !derivation.is_some_and(Derivation::is_never_stored)
        })
    }

    /// With the superclasses of its classes, which need not be stored.
    fn local(self, entry: &Entry) -> PackedAttributes {
        let uuid = [entry.uuid.to_string().into_bytes()];
        let classes: Vec<Attribute> = entry
            .attributes
            .iter()
            .filter(|attribute| is_of_classes(&attribute.description))
            .map(|attribute| self.with_superclasses(attribute))
            .collect();
        let others = entry.attributes.iter().filter(|attribute| {
            let description = &attribute.description;
            !is_of_classes(description) && !description.eq_ignore_ascii_case(ENTRY_UUID)
        });
        self.pack(
            others
                .chain(&classes)
                .map(|attribute| (attribute.description.as_str(), attribute.values.as_slice()))
                .chain([(ENTRY_UUID, uuid.as_slice())]),
        )
    }

    fn with_superclasses(self, attribute: &Attribute) -> Attribute {
        let mut values = attribute.values.clone();
        for class in &attribute.values {
            let Some(class) = self.schema.object_class(class) else {
                continue;
            };
            for implied in self.schema.superclasses(class) {
                let name = self.schema.object_class_def(*implied).name().as_bytes();
                if !values.iter().any(|own| own.eq_ignore_ascii_case(name)) {
                    values.push(name.to_vec());
                }
            }
        }
        Attribute {
            description: attribute.description.clone(),
            values,
        }
    }

    /// The normalized RDNs; a name that has none is kept under its own octets.
    pub(super) fn keys(self, entry: &Entry) -> Box<[Box<[u8]>]> {
        let normalized = Dn::parse(&entry.rdn)
            .ok()
            .and_then(|dn| self.schema.normalize_dn(&dn).ok())
            .filter(|keys| !keys.is_empty());
        match normalized {
            Some(keys) => keys.into_iter().map(Vec::into_boxed_slice).collect(),
            None => Box::new([entry.rdn.as_bytes().into()]),
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
