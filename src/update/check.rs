//! What attributes must be like to make an entry (RFC 4512 sections 2.3 to 2.5).

use thiserror::Error;

use super::{classes::class_problems, naming::naming_problems};
use crate::{
    dn::Rdn,
    entry::{Attribute, Link},
    proto::{LdapResult, ResultCode},
    schema::{AttributeDescription, AttributeId, AttributeType, Schema},
};

/// Why attributes make no entry.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs)] // The messages say it.
pub enum Problem {
    #[error("attribute {0}: the schema does not define it; put a definition into schema_dir")]
    UndefinedAttribute(String),
    #[error("object class {0}: the schema does not define it; put a definition into schema_dir")]
    UndefinedClass(String),
    #[error("object class {0}: it is obsolete")]
    ObsoleteClass(String),
    #[error("it has no objectClass")]
    NoClass,
    #[error("none of its object classes is structural")]
    NoStructuralClass,
    #[error("the structural object classes {0} and {1} exclude each other")]
    TwoStructuralClasses(String, String),
    #[error("the structural object class cannot change from {0} to {1}: delete and add the entry")]
    StructuralClass(String, String),
    #[error("attribute {attribute}: object class {class} demands it")]
    Missing { attribute: String, class: String },
    #[error("attribute {0}: no object class of the entry allows it")]
    NotAllowed(String),
    #[error("attribute {attribute}: value {number} is no {syntax}")]
    Syntax {
        attribute: String,
        number: usize,
        syntax: &'static str,
    },
    #[error("the value of {0} in the name does not follow its syntax")]
    NamedSyntax(String),
    #[error("attribute {0}: it can have one value only")]
    SingleValue(String),
    #[error("attribute {0}: only the server writes it")]
    ServerOnly(String),
    #[error("attribute {0}: a value is there more than once")]
    Twice(String),
    #[error("attribute {0}: the value is there already")]
    Exists(String),
    #[error("attribute {0}: the entry does not have it")]
    NoAttribute(String),
    #[error("attribute {0}: the entry does not have the value")]
    NoValue(String),
    #[error("attribute {0}: it has no equality rule, so that it can only be replaced as a whole")]
    NoEquality(String),
    #[error("attribute {0}: there is no value")]
    NoValues(String),
    #[error("attribute {0}: an increment takes one value")]
    OneIncrement(String),
    #[error("attribute {0}: its values are no integers")]
    NoInteger(String),
    #[error("the entry does not have the value of {0} that its RDN has")]
    Naming(String),
    #[error("the RDN has an attribute {0}, which the schema does not define")]
    NamingUndefined(String),
    #[error("the RDN has {0} twice")]
    NamingTwice(String),
    #[error("an entry cannot be named by {0}")]
    NamingAttribute(String),
    #[error("the RDN has {0}, which no object class of the entry allows")]
    NamingNotAllowed(String),
    #[error("{0} is no kind of change")]
    Change(i64),
    #[error("userPassword: {0}")]
    Password(String),
}

impl Problem {
    /// The result code of an update that has it.
    pub fn code(&self) -> ResultCode {
        match self {
            Self::NoValues(_) | Self::OneIncrement(_) | Self::Change(_) => {
                ResultCode::PROTOCOL_ERROR
            }
            Self::NoAttribute(_) | Self::NoValue(_) => ResultCode::NO_SUCH_ATTRIBUTE,
            Self::UndefinedAttribute(_) => ResultCode::UNDEFINED_ATTRIBUTE_TYPE,
            Self::NoEquality(_) => ResultCode::INAPPROPRIATE_MATCHING,
            Self::SingleValue(_) | Self::ServerOnly(_) | Self::NoInteger(_) | Self::Password(_) => {
                ResultCode::CONSTRAINT_VIOLATION
            }
            Self::Twice(_) | Self::Exists(_) => ResultCode::ATTRIBUTE_OR_VALUE_EXISTS,
            Self::Syntax { .. } => ResultCode::INVALID_ATTRIBUTE_SYNTAX,
            Self::NamedSyntax(_) => ResultCode::INVALID_DN_SYNTAX,
            Self::NamingUndefined(_)
            | Self::NamingTwice(_)
            | Self::NamingAttribute(_)
            | Self::NamingNotAllowed(_) => ResultCode::NAMING_VIOLATION,
            Self::UndefinedClass(_)
            | Self::ObsoleteClass(_)
            | Self::NoClass
            | Self::NoStructuralClass
            | Self::TwoStructuralClasses(..)
            | Self::Missing { .. }
            | Self::NotAllowed(_) => ResultCode::OBJECT_CLASS_VIOLATION,
            Self::Naming(_) => ResultCode::NOT_ALLOWED_ON_RDN,
            Self::StructuralClass(..) => ResultCode::OBJECT_CLASS_MODS_PROHIBITED,
        }
    }
}

impl From<Problem> for LdapResult {
    fn from(problem: Problem) -> Self {
        Self::new(problem.code(), problem.to_string())
    }
}

/// Octets of a request in a message: as ASCII, and not for long.
pub(super) fn shown(octets: &[u8]) -> String {
    const LONGEST: usize = 100;
    match octets.get(..LONGEST) {
        Some(start) if octets.len() > LONGEST => format!("{}...", start.escape_ascii()),
        _ => octets.escape_ascii().to_string(),
    }
}

/// What follows from an entry's place and its links, and what only the server counts: records of
/// other servers say it, and it is passed over.
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

/// Takes what is derived out of an LDIF record and checks the rest as far as it must hold to be
/// served: what attributes are defined, what their values are, and the name.
///
/// What classes demand and allow is for updates: servers differ in it, and an export of entries
/// from AD carries two chains of classes.
///
/// # Errors
/// The first [`Problem`].
pub fn check_record(
    schema: &Schema,
    rdn: &Rdn,
    attributes: &mut Vec<Attribute>,
) -> Result<(), Problem> {
    attributes.retain(|attribute| {
        !DERIVED
            .iter()
            .any(|derived| derived.eq_ignore_ascii_case(&attribute.description))
    });
    for attribute in attributes.iter() {
        let definition = AttributeDescription::parse(attribute.description.as_bytes())
            .and_then(|description| schema.attribute(description.base.as_bytes()))
            .map(|id| schema.attribute_type(id))
            .ok_or_else(|| Problem::UndefinedAttribute(shown(attribute.description.as_bytes())))?;
        check_syntax(definition, attribute)?;
        check_single(definition, &attribute.description, attribute.values.len())?;
    }
    let classes = attributes
        .iter()
        .find(|attribute| attribute.description.eq_ignore_ascii_case("objectClass"))
        .ok_or(Problem::NoClass)?;
    super::classes::Classes::of(schema, &classes.values)?;
    let missing = naming_problems(schema, rdn, attributes).into_iter().next();
    missing.map_or(Ok(()), Err)
}

/// Everything an entry breaks but the syntax of values, which is checked as they come.
pub(super) fn problems(
    schema: &Schema,
    rdn: &Rdn,
    attributes: &[Attribute],
    links: &[Link],
) -> Vec<Problem> {
    let mut found = naming_problems(schema, rdn, attributes);
    found.extend(class_problems(schema, rdn, attributes, links));
    for attribute in attributes {
        let Some(id) = type_of(schema, &attribute.description) else {
            continue;
        };
        let linked = links
            .iter()
            .find(|link| link.attribute.eq_ignore_ascii_case(&attribute.description));
        let count = attribute.values.len() + linked.map_or(0, |link| link.targets.len());
        found.extend(check_single(schema.attribute_type(id), &attribute.description, count).err());
    }
    for link in links {
        if let Some(id) = type_of(schema, &link.attribute) {
            let count = link.targets.len();
            found.extend(check_single(schema.attribute_type(id), &link.attribute, count).err());
        }
    }
    found
}

/// Whether every value follows the syntax.
pub(super) fn check_syntax(
    definition: &AttributeType,
    attribute: &Attribute,
) -> Result<(), Problem> {
    let wrong = attribute
        .values
        .iter()
        .position(|value| !definition.syntax.validate(value));
    match wrong {
        Some(position) => Err(Problem::Syntax {
            attribute: attribute.description.clone(),
            number: position + 1,
            syntax: definition.syntax.name(),
        }),
        None => Ok(()),
    }
}

/// Whether the values of an RDN follow their syntaxes.
pub(super) fn check_named_syntax(schema: &Schema, rdn: &Rdn) -> Result<(), Problem> {
    for ava in &rdn.avas {
        let id = schema
            .attribute(ava.attribute.as_bytes())
            .ok_or_else(|| Problem::NamingUndefined(shown(ava.attribute.as_bytes())))?;
        if !schema.attribute_type(id).syntax.validate(&ava.value) {
            return Err(Problem::NamedSyntax(shown(ava.attribute.as_bytes())));
        }
    }
    Ok(())
}

fn check_single(
    definition: &AttributeType,
    description: &str,
    count: usize,
) -> Result<(), Problem> {
    if definition.single_value && count > 1 {
        return Err(Problem::SingleValue(description.to_owned()));
    }
    Ok(())
}

/// The type of a stored description.
pub(super) fn type_of(schema: &Schema, description: &str) -> Option<AttributeId> {
    let base = description.split(';').next().unwrap_or_default();
    schema.attribute(base.as_bytes())
}
