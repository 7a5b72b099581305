//! What a record must be like to become an entry.

use thiserror::Error;

use crate::{
    dn::Rdn,
    entry::Attribute,
    schema::{AttributeDescription, AttributeType, Schema},
};

/// What no record says itself: it follows from the entry's place and its links.
const DERIVED: &[&str] = &[
    "entryDN",
    "hasSubordinates",
    "numSubordinates",
    "subschemaSubentry",
    "structuralObjectClass",
    "memberOf",
    "distinguishedName",
    "uSNChanged",
    "entryCSN",
    "contextCSN",
];

/// Why a record is no entry.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecordProblem {
    /// The schema does not define the attribute.
    #[error("attribute {0}: the schema does not define it; put a definition into schema_dir")]
    UndefinedAttribute(String),
    /// The schema does not define the object class.
    #[error("object class {0}: the schema does not define it; put a definition into schema_dir")]
    UndefinedClass(String),
    /// There is no object class.
    #[error("it has no objectClass")]
    NoClass,
    /// A value that the syntax does not allow.
    #[error("attribute {attribute}: value {number} is no {syntax}")]
    Syntax {
        /// The attribute.
        attribute: String,
        /// Which of its values, from 1 on.
        number: usize,
        /// What it should be.
        syntax: &'static str,
    },
    /// More than one value of a single-valued attribute.
    #[error("attribute {0}: it can have one value only")]
    SingleValue(String),
    /// A value of the RDN that the entry does not have.
    #[error("the entry does not have the value of {0} that its RDN has")]
    Naming(String),
}

/// Takes out what is derived and checks the rest against the schema.
pub(super) fn check(
    schema: &Schema,
    rdn: &Rdn,
    attributes: &mut Vec<Attribute>,
) -> Result<(), RecordProblem> {
    attributes.retain(|attribute| {
        !DERIVED
            .iter()
            .any(|derived| derived.eq_ignore_ascii_case(&attribute.description))
    });
    for attribute in attributes.iter() {
        check_values(definition(schema, attribute)?, attribute)?;
    }
    check_classes(schema, attributes)?;
    check_naming(schema, rdn, attributes)
}

fn definition<'s>(
    schema: &'s Schema,
    attribute: &Attribute,
) -> Result<&'s AttributeType, RecordProblem> {
    AttributeDescription::parse(attribute.description.as_bytes())
        .and_then(|description| schema.attribute(description.base.as_bytes()))
        .map(|id| schema.attribute_type(id))
        .ok_or_else(|| RecordProblem::UndefinedAttribute(attribute.description.clone()))
}

fn check_values(definition: &AttributeType, attribute: &Attribute) -> Result<(), RecordProblem> {
    if definition.single_value && attribute.values.len() > 1 {
        return Err(RecordProblem::SingleValue(attribute.description.clone()));
    }
    let wrong = attribute
        .values
        .iter()
        .position(|value| !definition.syntax.validate(value));
    match wrong {
        Some(position) => Err(RecordProblem::Syntax {
            attribute: attribute.description.clone(),
            number: position + 1,
            syntax: definition.syntax.name(),
        }),
        None => Ok(()),
    }
}

fn check_classes(schema: &Schema, attributes: &[Attribute]) -> Result<(), RecordProblem> {
    let classes = attributes
        .iter()
        .find(|attribute| attribute.description.eq_ignore_ascii_case("objectClass"))
        .ok_or(RecordProblem::NoClass)?;
    match classes
        .values
        .iter()
        .find(|class| schema.object_class(class).is_none())
    {
        Some(class) => Err(RecordProblem::UndefinedClass(
            String::from_utf8_lossy(class).into_owned(),
        )),
        None => Ok(()),
    }
}

/// RFC 4512 section 2.3: the values in the RDN are values of the entry.
fn check_naming(schema: &Schema, rdn: &Rdn, attributes: &[Attribute]) -> Result<(), RecordProblem> {
    for ava in &rdn.avas {
        let missing = || RecordProblem::Naming(ava.attribute.clone());
        let id = schema
            .attribute(ava.attribute.as_bytes())
            .ok_or_else(|| RecordProblem::UndefinedAttribute(ava.attribute.clone()))?;
        let rule = schema.attribute_type(id).equality;
        let same = |value: &[u8]| match rule {
            Some(rule) => match (
                rule.normalize(schema, value),
                rule.normalize(schema, &ava.value),
            ) {
                (Ok(own), Ok(named)) => own == named,
                _ => value == ava.value,
            },
            None => value == ava.value,
        };
        let found = attributes.iter().any(|attribute| {
            schema.attribute(attribute.description.as_bytes()) == Some(id)
                && attribute.values.iter().any(|value| same(value))
        });
        if !found {
            return Err(missing());
        }
    }
    Ok(())
}
