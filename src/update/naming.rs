//! The rules of names (RFC 4512 section 2.3).

use super::{
    check::{Problem, shown},
    draft::Comparison,
    password::is_password,
};
use crate::{
    dn::{Dn, Rdn},
    entry::Attribute,
    schema::Schema,
};

/// What is wrong with an RDN, or with the values that it names.
pub(super) fn naming_problems(
    schema: &Schema,
    rdn: &Rdn,
    attributes: &[Attribute],
) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut seen = Vec::with_capacity(rdn.avas.len());
    for ava in &rdn.avas {
        let name = || shown(ava.attribute.as_bytes());
        let Some(id) = schema.attribute(ava.attribute.as_bytes()) else {
            found.push(Problem::NamingUndefined(name()));
            continue;
        };
        if seen.contains(&id) {
            found.push(Problem::NamingTwice(name()));
        }
        seen.push(id);
        let definition = schema.attribute_type(id);
        if definition.equality.is_none()
            || definition.no_user_modification
            || definition.is_operational()
            // It would be readable in the name, and in the clear in the entry.
            || is_password(schema, ava.attribute.as_bytes())
        {
            found.push(Problem::NamingAttribute(name()));
        }
        let comparison = Comparison::of(schema, id);
        let has = attributes.iter().any(|attribute| {
            schema.attribute(attribute.description.as_bytes()) == Some(id)
                && attribute
                    .values
                    .iter()
                    .any(|value| comparison.same(value, &ava.value))
        });
        if !has {
            found.push(Problem::Naming(name()));
        }
    }
    found
}

/// Adds the values of an RDN that are missing (RFC 4511 section 4.7).
pub(super) fn add_named(schema: &Schema, rdn: &Rdn, attributes: &mut Vec<Attribute>) {
    for ava in &rdn.avas {
        let Some(id) = schema.attribute(ava.attribute.as_bytes()) else {
            continue;
        };
        let comparison = Comparison::of(schema, id);
        let own = attributes
            .iter_mut()
            .find(|attribute| schema.attribute(attribute.description.as_bytes()) == Some(id));
        match own {
            Some(own) => {
                if !own
                    .values
                    .iter()
                    .any(|value| comparison.same(value, &ava.value))
                {
                    own.values.push(ava.value.clone());
                }
            }
            None => attributes.push(Attribute {
                description: schema.attribute_type(id).name().to_owned(),
                values: vec![ava.value.clone()],
            }),
        }
    }
}

/// Whether a DN is one of these naming contexts.
pub fn names_context(schema: &Schema, contexts: &[String], dn: &Dn) -> bool {
    let name = schema.normalize_dn(dn).ok();
    contexts.iter().any(|context| {
        Dn::parse(context)
            .ok()
            .and_then(|dn| schema.normalize_dn(&dn).ok())
            == name
    })
}

/// What the name of a top is made of where none is configured: a missing superior is more likely
/// than a top of any other kind.
const TOPS: &[&str] = &["dc", "o", "c", "l", "st"];

/// Whether an entry without a superior may be added.
pub(super) fn may_be_top(schema: &Schema, contexts: &[String], dn: &Dn) -> bool {
    if !contexts.is_empty() {
        return names_context(schema, contexts, dn);
    }
    let tops: Vec<_> = TOPS
        .iter()
        .filter_map(|name| schema.attribute(name.as_bytes()))
        .collect();
    dn.rdns.iter().flat_map(|rdn| &rdn.avas).all(|ava| {
        schema
            .attribute(ava.attribute.as_bytes())
            .is_some_and(|id| tops.contains(&id))
    })
}
