//! Definitions of what was defined before: when they say the same.

use super::description::AttributeTypeDescription;
use super::{AttributeType, ObjectClass, Schema, Syntax};

/// Whether a definition is another wording of an attribute type compiled in: the same OID, a name
/// in common, and no value that only the other would take.
///
/// Rules, supertype and usage are ours: where they differ from those of other servers, they do so
/// on purpose (see the comments in `/schemas`).
pub(super) fn is_attribute(first: &AttributeType, other: &AttributeTypeDescription) -> bool {
    let syntax = match &other.syntax {
        // Inherited, or one of a server that has more of them.
        None => true,
        Some(oid) => Syntax::by_oid(oid).is_none_or(|other| takes_values_of(first.syntax, other)),
    };
    first.oid == other.oid
        && names_meet(&first.names, &other.names)
        && syntax
        && (other.single_value || !first.single_value)
        && other.collective == first.collective
}

/// Whether two definitions of an attribute type say the same, descriptions aside.
pub(super) fn same_attribute(first: &AttributeType, mut other: AttributeType) -> bool {
    other.description.clone_from(&first.description);
    let same = same_names(&other.names, &first.names);
    other.names.clone_from(&first.names);
    same && other == *first
}

/// Whether a definition is another wording of an object class compiled in: the same OID, a name in
/// common, and no entry that only the other would take. An auxiliary class may be structural
/// elsewhere, as posixGroup is in RFC 2307.
pub(super) fn is_class(schema: &Schema, first: &ObjectClass, other: &ObjectClass) -> bool {
    let above = schema.superclasses(first.id).iter();
    let with_above = || {
        let above = above.clone().map(|id| schema.object_class_def(*id));
        std::iter::once(first).chain(above)
    };
    // An auxiliary class leaves the naming attributes to the structural one.
    let needed = other.must.iter().filter(|_| other.kind == first.kind);
    let allowed = needed.chain(&other.may).all(|attribute| {
        with_above().any(|class| class.must.contains(attribute) || class.may.contains(attribute))
    });
    first.oid == other.oid
        && names_meet(&first.names, &other.names)
        && allowed
        && first
            .must
            .iter()
            .all(|attribute| other.must.contains(attribute))
}

/// Whether two definitions of an object class say the same, descriptions and orders aside.
pub(super) fn same_class(first: &ObjectClass, mut other: ObjectClass) -> bool {
    let same = same_names(&other.names, &first.names);
    let mut first = first.clone();
    other.description.clone_from(&first.description);
    other.names.clone_from(&first.names);
    for class in [&mut first, &mut other] {
        class.must.sort();
        class.may.sort();
    }
    same && other == first
}

/// Whether each value of `narrow` is one of `wide`.
fn takes_values_of(wide: Syntax, narrow: Syntax) -> bool {
    let is_ascii = |syntax| {
        matches!(
            syntax,
            Syntax::Ia5String
                | Syntax::PrintableString
                | Syntax::CountryString
                | Syntax::TelephoneNumber
                | Syntax::NumericString
                | Syntax::Integer
                | Syntax::AdLargeInteger
                | Syntax::NisNetgroupTriple
                | Syntax::BootParameter
        )
    };
    wide == narrow
        || match wide {
            Syntax::DirectoryString => is_ascii(narrow) || narrow == Syntax::AdCaseIgnoreString,
            Syntax::Ia5String => is_ascii(narrow),
            Syntax::Integer | Syntax::AdLargeInteger => {
                matches!(narrow, Syntax::Integer | Syntax::AdLargeInteger)
            }
            Syntax::OctetString => narrow.is_binary(),
            _ => false,
        }
}

/// Whether one name is given by both, or none by the other.
fn names_meet(first: &[String], other: &[String]) -> bool {
    let known = |name: &String| first.iter().any(|own| own.eq_ignore_ascii_case(name));
    other.is_empty() || other.iter().any(known)
}

/// Whether the same names are given, in any order and case.
fn same_names(left: &[String], right: &[String]) -> bool {
    left.len() == right.len()
        && left
            .iter()
            .all(|name| right.iter().any(|other| other.eq_ignore_ascii_case(name)))
}
