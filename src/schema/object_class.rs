//! Object classes (RFC 4512 section 2.4).

use super::{AttributeId, ObjectClassId};

/// An object class as defined; what it inherits is reached through `Schema::superclasses`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectClass {
    /// Its number.
    pub id: ObjectClassId,
    /// The dotted OID.
    pub oid: String,
    /// The short names; the first is the one that is served.
    pub names: Vec<String>,
    /// Text for people; may be empty.
    pub description: String,
    /// Not for use in new entries.
    pub obsolete: bool,
    /// What entries may do with it.
    pub kind: ObjectClassKind,
    /// The direct superclasses.
    pub sup: Vec<ObjectClassId>,
    /// Attributes that its entries have.
    pub must: Vec<AttributeId>,
    /// Attributes that its entries may have.
    pub may: Vec<AttributeId>,
}

/// The kind of an object class (RFC 4512 section 2.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ObjectClassKind {
    /// A base for others.
    Abstract,
    /// What an entry is.
    #[default]
    Structural,
    /// What an entry is besides.
    Auxiliary,
}

impl ObjectClass {
    /// The name it is served under: the first short name, else the OID.
    pub fn name(&self) -> &str {
        self.names.first().unwrap_or(&self.oid)
    }
}

impl ObjectClassKind {
    /// The word in a definition.
    pub fn name(self) -> &'static str {
        match self {
            Self::Abstract => "ABSTRACT",
            Self::Structural => "STRUCTURAL",
            Self::Auxiliary => "AUXILIARY",
        }
    }
}
