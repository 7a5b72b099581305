//! From definitions to a [`Schema`]: numbers first, then what the names in them stand for.

use super::description::{AttributeTypeDescription, ObjectClassDescription};
use super::files::{Body, Definition, SchemaError};
use super::names::Names;
use super::repeats;
use super::{
    AttributeId, AttributeType, MatchingRule, ObjectClass, ObjectClassId, RuleKind, Schema, Syntax,
    syntax,
};

/// A schema on its way: numbers are given first, so that definitions may refer to later ones.
#[derive(Default)]
pub(super) struct Builder<'a> {
    schema: Schema,
    attributes: Vec<(&'a Definition, &'a AttributeTypeDescription)>,
    classes: Vec<(&'a Definition, &'a ObjectClassDescription)>,
    /// Definitions of what was defined before; see [`repeats`].
    repeated_attributes: Vec<(AttributeId, &'a Definition, &'a AttributeTypeDescription)>,
    repeated_classes: Vec<(ObjectClassId, &'a Definition, &'a ObjectClassDescription)>,
}

impl<'a> Builder<'a> {
    pub(super) fn build(mut self, definitions: &'a [Definition]) -> Result<Schema, SchemaError> {
        for definition in definitions {
            match &definition.body {
                Body::AttributeType(description) => {
                    self.number_attribute(definition, description)?
                }
                Body::ObjectClass(description) => self.number_class(definition, description)?,
            }
        }
        self.resolve_attributes()?;
        self.resolve_classes()?;
        Ok(self.schema)
    }

    fn number_attribute(
        &mut self,
        definition: &'a Definition,
        description: &'a AttributeTypeDescription,
    ) -> Result<(), SchemaError> {
        let keys = keys(definition, &description.oid, &description.names)?;
        if let Some(id) = repeated(&self.schema.attribute_names, &keys) {
            for key in keys {
                // A further name; one that stands for something else stays what it is.
                self.schema.attribute_names.add(&key, id);
            }
            self.repeated_attributes.push((id, definition, description));
            return Ok(());
        }
        let id = u16::try_from(self.attributes.len())
            .map(AttributeId)
            .map_err(|_| definition.error("more than 65,536 attribute types".to_owned()))?;
        self.attributes.push((definition, description));
        self.schema.lower_names.push(
            description
                .names
                .first()
                .unwrap_or(&description.oid)
                .to_ascii_lowercase()
                .into_bytes()
                .into(),
        );
        for key in keys {
            self.schema.attribute_names.add(&key, id);
        }
        Ok(())
    }

    fn number_class(
        &mut self,
        definition: &'a Definition,
        description: &'a ObjectClassDescription,
    ) -> Result<(), SchemaError> {
        let keys = keys(definition, &description.oid, &description.names)?;
        if let Some(id) = repeated(&self.schema.class_names, &keys) {
            for key in keys {
                self.schema.class_names.add(&key, id);
            }
            self.repeated_classes.push((id, definition, description));
            return Ok(());
        }
        let id = u16::try_from(self.classes.len())
            .map(ObjectClassId)
            .map_err(|_| definition.error("more than 65,536 object classes".to_owned()))?;
        self.classes.push((definition, description));
        for key in keys {
            self.schema.class_names.add(&key, id);
        }
        Ok(())
    }

    /// Supertypes before subtypes, since syntax and rules are inherited.
    fn resolve_attributes(&mut self) -> Result<(), SchemaError> {
        let mut resolved: Vec<Option<AttributeType>> = vec![None; self.attributes.len()];
        let mut waiting: Vec<usize> = (0..self.attributes.len()).collect();
        while !waiting.is_empty() {
            let mut blocked = Vec::new();
            for &index in &waiting {
                let Some(&(definition, description)) = self.attributes.get(index) else {
                    continue;
                };
                let sup = self.sup(definition, description)?;
                let sup = match sup {
                    None => None,
                    Some(sup) => match resolved.get(usize::from(sup.0)) {
                        Some(Some(resolved)) => Some(resolved),
                        _ => {
                            blocked.push(index);
                            continue;
                        }
                    },
                };
                let id = AttributeId(u16::try_from(index).unwrap_or(u16::MAX));
                let attribute = attribute_type(id, definition, description, sup)?;
                if let Some(place) = resolved.get_mut(index) {
                    *place = Some(attribute);
                }
            }
            if blocked.len() == waiting.len()
                && let Some((definition, description)) = blocked
                    .first()
                    .and_then(|&index| self.attributes.get(index))
            {
                return Err(definition.error(format!(
                    "SUP `{}` leads back to this attribute type",
                    description.sup.as_deref().unwrap_or_default()
                )));
            }
            waiting = blocked;
        }
        self.schema.attributes = resolved.into_iter().flatten().collect();
        let parents: Vec<Vec<usize>> = self
            .schema
            .attributes
            .iter()
            .map(|attribute| attribute.sup.iter().map(|sup| usize::from(sup.0)).collect())
            .collect();
        self.schema.subtypes = numbered(&below(&parents), AttributeId);
        for &(id, definition, description) in &self.repeated_attributes {
            let first = self.schema.attribute_type(id);
            let earlier = self.attributes.get(usize::from(id.0)).map(|entry| entry.0);
            let same = if earlier.is_some_and(Definition::is_builtin) {
                repeats::is_attribute(first, description)
            } else {
                let sup = self.sup(definition, description)?;
                let sup = sup.map(|sup| self.schema.attribute_type(sup));
                let repeated = attribute_type(id, definition, description, sup)?;
                repeats::same_attribute(first, repeated)
            };
            if !same {
                return Err(contradiction(definition, first.name(), &first.oid, earlier));
            }
            passed_over(definition, first.name());
        }
        Ok(())
    }

    fn sup(
        &self,
        definition: &Definition,
        description: &AttributeTypeDescription,
    ) -> Result<Option<AttributeId>, SchemaError> {
        let Some(name) = &description.sup else {
            return Ok(None);
        };
        self.schema
            .attribute(name.as_bytes())
            .map(Some)
            .ok_or_else(|| definition.error(format!("unknown attribute type `{name}` in SUP")))
    }

    fn resolve_classes(&mut self) -> Result<(), SchemaError> {
        let mut classes = Vec::with_capacity(self.classes.len());
        for (index, &(definition, description)) in self.classes.iter().enumerate() {
            let id = ObjectClassId(u16::try_from(index).unwrap_or(u16::MAX));
            classes.push(object_class(&self.schema, id, definition, description)?);
        }
        self.schema.classes = classes;
        let parents: Vec<Vec<usize>> = self
            .schema
            .classes
            .iter()
            .map(|class| class.sup.iter().map(|sup| usize::from(sup.0)).collect())
            .collect();
        for (index, &(definition, _)) in self.classes.iter().enumerate() {
            let above = above(index, &parents);
            if above.contains(&index) {
                return Err(definition.error("SUP leads back to this object class".to_owned()));
            }
            self.schema
                .superclasses
                .push(above.into_iter().map(object_class_id).collect());
        }
        self.schema.subclasses = numbered(&below(&parents), ObjectClassId);
        for &(id, definition, description) in &self.repeated_classes {
            let repeated = object_class(&self.schema, id, definition, description)?;
            let first = self.schema.object_class_def(id);
            let earlier = self.classes.get(usize::from(id.0)).map(|entry| entry.0);
            let same = if earlier.is_some_and(Definition::is_builtin) {
                repeats::is_class(&self.schema, first, &repeated)
            } else {
                repeats::same_class(first, repeated)
            };
            if !same {
                return Err(contradiction(definition, first.name(), &first.oid, earlier));
            }
            passed_over(definition, first.name());
        }
        Ok(())
    }
}

/// What of these names and this OID was defined before: by the OID, which comes last, else by a
/// name.
fn repeated<Id: Copy>(names: &Names<Id>, keys: &[Box<[u8]>]) -> Option<Id> {
    keys.iter().rev().find_map(|key| names.get(key))
}

fn passed_over(definition: &Definition, name: &str) {
    tracing::debug!(
        file = %definition.file.display(),
        line = definition.line,
        name,
        "passed over: defined before in a way that takes the same entries"
    );
}

/// The lower-case names and the OID of a definition.
fn keys(
    definition: &Definition,
    oid: &str,
    names: &[String],
) -> Result<Vec<Box<[u8]>>, SchemaError> {
    if !syntax::is_numeric_oid(oid.as_bytes()) {
        return Err(definition.error(format!(
            "`{oid}` is neither a dotted OID nor a name given by an objectidentifier line above"
        )));
    }
    if let Some(name) = names
        .iter()
        .find(|name| !syntax::is_descriptor(name.as_bytes()))
    {
        return Err(definition.error(format!(
            "`{name}` is not a name; letters, digits and hyphens are allowed, a letter first"
        )));
    }
    Ok(names
        .iter()
        .map(String::as_str)
        .chain([oid])
        .map(|key| key.to_ascii_lowercase().into_bytes().into())
        .collect())
}

fn attribute_type(
    id: AttributeId,
    definition: &Definition,
    description: &AttributeTypeDescription,
    sup: Option<&AttributeType>,
) -> Result<AttributeType, SchemaError> {
    let rule = |name: &Option<String>, keyword: &str, kind: RuleKind, inherited| {
        let Some(name) = name else {
            return Ok(inherited);
        };
        match MatchingRule::by_name(name.as_bytes()) {
            Some(rule) if rule.kind() == kind => Ok(Some(rule)),
            Some(_) => Err(definition.error(format!("`{name}` is no rule for {keyword}"))),
            None => Err(definition.error(format!("unknown matching rule `{name}` in {keyword}"))),
        }
    };
    let syntax = match (&description.syntax, sup) {
        (Some(oid), _) => Syntax::by_oid(oid)
            .ok_or_else(|| definition.error(format!("unknown syntax `{oid}`")))?,
        (None, Some(sup)) => sup.syntax,
        (None, None) => {
            return Err(definition.error("neither SYNTAX nor SUP; one is needed".to_owned()));
        }
    };
    Ok(AttributeType {
        id,
        oid: description.oid.clone(),
        names: description.names.clone(),
        description: description.description.clone(),
        obsolete: description.obsolete,
        sup: sup.map(|sup| sup.id),
        equality: rule(
            &description.equality,
            "EQUALITY",
            RuleKind::Equality,
            sup.and_then(|sup| sup.equality),
        )?,
        ordering: rule(
            &description.ordering,
            "ORDERING",
            RuleKind::Ordering,
            sup.and_then(|sup| sup.ordering),
        )?,
        substring: rule(
            &description.substring,
            "SUBSTR",
            RuleKind::Substrings,
            sup.and_then(|sup| sup.substring),
        )?,
        syntax,
        single_value: description.single_value,
        collective: description.collective,
        no_user_modification: description.no_user_modification,
        usage: description.usage,
    })
}

fn object_class(
    schema: &Schema,
    id: ObjectClassId,
    definition: &Definition,
    description: &ObjectClassDescription,
) -> Result<ObjectClass, SchemaError> {
    let attributes = |names: &[String], keyword: &str| {
        names
            .iter()
            .map(|name| {
                schema.attribute(name.as_bytes()).ok_or_else(|| {
                    definition.error(format!("unknown attribute type `{name}` in {keyword}"))
                })
            })
            .collect::<Result<Vec<_>, _>>()
    };
    let sup = description
        .sup
        .iter()
        .map(|name| {
            schema
                .object_class(name.as_bytes())
                .ok_or_else(|| definition.error(format!("unknown object class `{name}` in SUP")))
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(ObjectClass {
        id,
        oid: description.oid.clone(),
        names: description.names.clone(),
        description: description.description.clone(),
        obsolete: description.obsolete,
        kind: description.kind,
        sup,
        must: attributes(&description.must, "MUST")?,
        may: attributes(&description.may, "MAY")?,
    })
}

fn contradiction(
    definition: &Definition,
    name: &str,
    oid: &str,
    earlier: Option<&Definition>,
) -> SchemaError {
    let place = earlier.map_or_else(String::new, |earlier| {
        format!(" in {}:{}", earlier.file.display(), earlier.line)
    });
    definition.error(format!(
        "`{name}` ({oid}) is defined differently{place}; take this definition out"
    ))
}

/// Everything reached over `parents`, nearest first; holds the start itself only in a loop.
fn above(start: usize, parents: &[Vec<usize>]) -> Vec<usize> {
    let mut reached: Vec<usize> = Vec::new();
    let mut next = vec![start];
    while !next.is_empty() {
        let mut further = Vec::new();
        for &parent in next
            .iter()
            .filter_map(|&index| parents.get(index))
            .flatten()
        {
            if !reached.contains(&parent) {
                reached.push(parent);
                further.push(parent);
            }
        }
        next = further;
    }
    reached
}

/// For each number: itself, then everything that has it above.
fn below(parents: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut sets: Vec<Vec<usize>> = (0..parents.len()).map(|index| vec![index]).collect();
    for index in 0..parents.len() {
        for ancestor in above(index, parents) {
            if let Some(set) = sets.get_mut(ancestor) {
                set.push(index);
            }
        }
    }
    sets
}

fn numbered<Id>(sets: &[Vec<usize>], id: fn(u16) -> Id) -> Vec<Vec<Id>> {
    sets.iter()
        .map(|set| {
            set.iter()
                // Every number came from a 16-bit one.
                .filter_map(|&index| u16::try_from(index).ok())
                .map(id)
                .collect()
        })
        .collect()
}

fn object_class_id(index: usize) -> ObjectClassId {
    // Every number came from a 16-bit one.
    ObjectClassId(u16::try_from(index).unwrap_or(u16::MAX))
}
