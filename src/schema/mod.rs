//! Attribute types, object classes, syntaxes and matching rules (RFC 4512, RFC 4517).
//!
//! A [`Schema`] is built once from the definitions compiled in (the files in `/schemas`) and those
//! an administrator adds, and never changes afterwards. Names and OIDs become small integers
//! ([`AttributeId`], [`ObjectClassId`]); values become octets that compare as their matching rule
//! says ([`MatchingRule::normalize`]).

mod attribute_type;
mod builder;
mod builtin;
mod description;
mod files;
mod matching;
mod name;
mod names;
mod object_class;
mod prepare;
mod registry;
mod repeats;
mod subschema;
mod syntax;
mod time;
mod type_set;

pub use attribute_type::{AttributeDescription, AttributeType, Usage};
pub use files::SchemaError;
pub use matching::{
    MatchingRule, Position, RuleKind, SubstringAssertion, holds_word, substrings_match,
};
pub use name::NameKeys;
pub use object_class::{ObjectClass, ObjectClassKind};
pub use registry::Schema;
pub use syntax::Syntax;
pub use type_set::TypeSet;

/// The number of an attribute type within its [`Schema`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttributeId(pub u16);

/// The number of an object class within its [`Schema`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectClassId(pub u16);

/// Why a value has no normalized form under a matching rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid value: {0}")]
pub struct InvalidValue(pub &'static str);

#[cfg(test)]
mod tests;
