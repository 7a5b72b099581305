//! What an attribute list names.
//!
//! A list may be as long as a message: what is kept grows with the schema, or with the list where
//! it has options, never with their product.

use std::collections::BTreeSet;

use crate::{
    access::Secrets,
    directory::packed::PackedAttribute,
    schema::{AttributeDescription, AttributeId, ObjectClass, ObjectClassId, Schema, TypeSet},
};

/// Attributes asked for by name, or by a class that allows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Asked for without options; subtypes included.
    types: TypeSet,
    /// Asked for with options: only descriptions that have them.
    with_options: Vec<Described>,
    /// The classes asked for without options.
    classes: BTreeSet<ObjectClassId>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Described {
    named: Named,
    options: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Named {
    Type(AttributeId),
    Class(ObjectClassId),
}

impl Wanted {
    /// Adds a type and its subtypes.
    pub(super) fn add_type(&mut self, schema: &Schema, id: AttributeId, options: Vec<String>) {
        if options.is_empty() {
            for id in schema.subtypes(id) {
                self.types.insert(schema, *id);
            }
        } else {
            let named = Named::Type(id);
            self.with_options.push(Described { named, options });
        }
    }

    /// Adds what a class and its superclasses allow; unknown ones allow nothing.
    pub(super) fn add_class(&mut self, schema: &Schema, name: &[u8]) {
        let Some(description) = AttributeDescription::parse(name) else {
            return;
        };
        let Some(id) = schema.object_class(description.base.as_bytes()) else {
            return;
        };
        // Options follow the class like an attribute's name.
        if !description.options.is_empty() {
            self.with_options.push(Described {
                named: Named::Class(id),
                options: description.options,
            });
        } else if self.classes.insert(id) {
            for attribute in allowed(schema, id) {
                self.add_type(schema, attribute, Vec::new());
            }
        }
    }

    /// The list is at its end; secrets are wanted in vain.
    pub(super) fn finish(&mut self, secrets: &Secrets) {
        for id in secrets.iter() {
            self.types.remove(id);
        }
        self.with_options.sort();
        self.with_options.dedup();
    }

    /// Whether a class of this OID was named.
    pub(super) fn has_class(&self, schema: &Schema, oid: &str) -> bool {
        self.classes
            .iter()
            .any(|id| schema.object_class_def(*id).oid == oid)
    }

    /// The types that were named without options.
    pub(super) fn types(&self) -> &TypeSet {
        &self.types
    }

    /// Whether a type was named without options.
    pub(super) fn has_type(&self, id: AttributeId) -> bool {
        self.types.contains(id)
    }

    /// Whether the description of a stored attribute was named with options it has.
    pub(super) fn has_described(&self, schema: &Schema, attribute: &PackedAttribute<'_>) -> bool {
        let id = attribute.attribute;
        attribute.has_options
            && self.with_options.iter().any(|described| {
                attribute.has_options(&described.options)
                    && match described.named {
                        Named::Type(named) => schema.subtypes(named).contains(&id),
                        Named::Class(class) => {
                            allowed(schema, class).any(|named| schema.subtypes(named).contains(&id))
                        }
                    }
            })
    }
}

/// The attribute types a class and its superclasses name.
fn allowed(schema: &Schema, class: ObjectClassId) -> impl Iterator<Item = AttributeId> + '_ {
    [class]
        .into_iter()
        .chain(schema.superclasses(class).iter().copied())
        .flat_map(|class| {
            let ObjectClass { must, may, .. } = schema.object_class_def(class);
            must.iter().chain(may).copied()
        })
}
