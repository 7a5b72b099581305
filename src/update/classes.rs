//! The rules of object classes (RFC 4512 section 2.4).

use std::collections::{BTreeSet, HashSet};

use super::check::{Problem, shown, type_of};
use crate::{
    dn::Rdn,
    entry::{Attribute, Link},
    schema::{AttributeId, ObjectClassId, ObjectClassKind, Schema, Usage},
};

/// The object classes of an entry, superclasses included.
pub(super) struct Classes<'s> {
    schema: &'s Schema,
    all: BTreeSet<u16>,
    /// Those that are named, not implied.
    named: Vec<ObjectClassId>,
}

impl<'s> Classes<'s> {
    /// Looks up the values of objectClass.
    pub(super) fn of(schema: &'s Schema, values: &[Vec<u8>]) -> Result<Self, Problem> {
        let mut classes = Self {
            schema,
            all: BTreeSet::new(),
            named: Vec::with_capacity(values.len()),
        };
        for value in values {
            let id = schema
                .object_class(value)
                .ok_or_else(|| Problem::UndefinedClass(shown(value)))?;
            classes.named.push(id);
            classes.all.insert(id.0);
            let above = schema.superclasses(id);
            classes.all.extend(above.iter().map(|class| class.0));
        }
        Ok(classes)
    }

    fn iter(&self) -> impl Iterator<Item = ObjectClassId> + '_ {
        self.all.iter().map(|id| ObjectClassId(*id))
    }

    /// The one structural class below which there is no other.
    pub(super) fn structural(&self) -> Result<ObjectClassId, Problem> {
        let is_structural = |id: &ObjectClassId| {
            self.schema.object_class_def(*id).kind == ObjectClassKind::Structural
        };
        let mut lowest = self.iter().filter(is_structural).filter(|id| {
            !self
                .iter()
                .any(|other| self.schema.superclasses(other).contains(id) && is_structural(&other))
        });
        let first = lowest.next().ok_or(Problem::NoStructuralClass)?;
        match lowest.next() {
            None => Ok(first),
            Some(second) => Err(Problem::TwoStructuralClasses(
                self.name(first),
                self.name(second),
            )),
        }
    }

    /// The name of a class.
    pub(super) fn name(&self, id: ObjectClassId) -> String {
        self.schema.object_class_def(id).name().to_owned()
    }

    /// The attributes that may be there; `None` for any (extensibleObject, RFC 4512 section 4.3).
    fn allowed(&self) -> Option<HashSet<u16>> {
        let extensible = self.schema.object_class(b"extensibleObject");
        if extensible.is_some_and(|id| self.all.contains(&id.0)) {
            return None;
        }
        let definitions = self.iter().map(|id| self.schema.object_class_def(id));
        Some(
            definitions
                .flat_map(|class| class.must.iter().chain(&class.may))
                .map(|attribute| attribute.0)
                .collect(),
        )
    }
}

/// Adds the superclasses of the classes that are named (RFC 4512 section 3.3).
pub(super) fn add_implied(schema: &Schema, values: &mut Vec<Vec<u8>>) {
    let Ok(classes) = Classes::of(schema, values) else {
        return;
    };
    for id in classes.iter().filter(|id| !classes.named.contains(id)) {
        values.push(classes.name(id).into_bytes());
    }
}

/// The values of objectClass.
pub(super) fn values(attributes: &[Attribute]) -> Option<&Vec<Vec<u8>>> {
    attributes
        .iter()
        .find(|attribute| attribute.description.eq_ignore_ascii_case("objectClass"))
        .map(|attribute| &attribute.values)
}

/// What the classes forbid or miss.
pub(super) fn class_problems(
    schema: &Schema,
    rdn: &Rdn,
    attributes: &[Attribute],
    links: &[Link],
) -> Vec<Problem> {
    let Some(values) = values(attributes) else {
        return vec![Problem::NoClass];
    };
    let classes = match Classes::of(schema, values) {
        Ok(classes) => classes,
        Err(problem) => return vec![problem],
    };
    let mut found = Vec::new();
    for id in &classes.named {
        if schema.object_class_def(*id).obsolete {
            found.push(Problem::ObsoleteClass(classes.name(*id)));
        }
    }
    found.extend(classes.structural().err());
    let present = present(schema, attributes, links);
    for id in classes.iter() {
        for attribute in &schema.object_class_def(id).must {
            if !present.iter().any(|(other, _)| other == attribute) {
                found.push(Problem::Missing {
                    attribute: schema.attribute_type(*attribute).name().to_owned(),
                    class: classes.name(id),
                });
            }
        }
    }
    let Some(allowed) = classes.allowed() else {
        return found;
    };
    let names: Vec<AttributeId> = rdn
        .avas
        .iter()
        .filter_map(|ava| schema.attribute(ava.attribute.as_bytes()))
        .collect();
    for (id, description) in present {
        let definition = schema.attribute_type(id);
        // Operational attributes are no matter of classes, unless they are about a server; nor is
        // what the server writes.
        let operational = matches!(
            definition.usage,
            Usage::DirectoryOperation | Usage::DistributedOperation
        );
        if allowed.contains(&id.0) || operational || definition.no_user_modification {
            continue;
        }
        found.push(if names.contains(&id) {
            Problem::NamingNotAllowed(description.to_owned())
        } else {
            Problem::NotAllowed(description.to_owned())
        });
    }
    found
}

/// The attributes of an entry, links included, with their types.
fn present<'e>(
    schema: &Schema,
    attributes: &'e [Attribute],
    links: &'e [Link],
) -> Vec<(AttributeId, &'e str)> {
    let attributes = attributes
        .iter()
        .map(|attribute| attribute.description.as_str());
    let links = links
        .iter()
        .filter(|link| !link.targets.is_empty())
        .map(|link| link.attribute.as_str());
    attributes
        .chain(links)
        .filter_map(|description| Some((type_of(schema, description)?, description)))
        .collect()
}
