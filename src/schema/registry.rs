//! The registry: every definition under its number, found by name or OID.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use super::builder::Builder;
use super::files::{self, Macros, SchemaError};
use super::names::Names;
use super::{AttributeId, AttributeType, MatchingRule, ObjectClass, ObjectClassId, builtin};

/// All definitions that are in force.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    pub(super) attributes: Vec<AttributeType>,
    /// By attribute number: the first name in lower case.
    pub(super) lower_names: Vec<Box<[u8]>>,
    /// By attribute number: the type itself and everything below it.
    pub(super) subtypes: Vec<Vec<AttributeId>>,
    pub(super) classes: Vec<ObjectClass>,
    /// By class number: everything above it.
    pub(super) superclasses: Vec<Vec<ObjectClassId>>,
    /// By class number: the class itself and everything below it.
    pub(super) subclasses: Vec<Vec<ObjectClassId>>,
    pub(super) attribute_names: Names<AttributeId>,
    pub(super) class_names: Names<ObjectClassId>,
}

impl Schema {
    /// The definitions compiled in.
    ///
    /// # Panics
    /// Never in a build that passed its tests: they read the same files.
    pub fn builtin() -> Self {
        Self::shared_builtin().as_ref().clone()
    }

    /// The definitions compiled in, read once per process.
    ///
    /// # Panics
    /// As [`Schema::builtin`].
    pub fn shared_builtin() -> Arc<Self> {
        static BUILTIN: LazyLock<Arc<Schema>> = LazyLock::new(|| match Schema::with_files(&[]) {
            Ok(schema) => Arc::new(schema),
            Err(error) => panic!("built-in schema: {error}"),
        });
        Arc::clone(&BUILTIN)
    }

    /// The definitions compiled in, and those of these files (path and content).
    ///
    /// Files whose name ends in `.ldif` are LDIF (`attributeTypes:`, `objectClasses:`, with or
    /// without `olc`), others have OpenLDAP's form. The order does not matter, except for
    /// `objectidentifier`, which must come before its use. A definition that is there already is
    /// passed over when it says the same; of one compiled in, also when that takes every entry this
    /// one does, as with the files that come with OpenLDAP.
    ///
    /// # Errors
    /// [`SchemaError`] for the first definition that cannot be read, names something unknown, or
    /// contradicts another one.
    pub fn with_files(extra: &[(PathBuf, String)]) -> Result<Self, SchemaError> {
        let mut macros = Macros::new();
        let mut definitions = Vec::new();
        for (name, content) in builtin::FILES {
            let file = Path::new(files::BUILTIN).join(name);
            definitions.extend(files::read(&file, content, &mut macros)?);
        }
        for (file, content) in extra {
            definitions.extend(files::read(file, content, &mut macros)?);
        }
        Builder::default().build(&definitions)
    }

    /// The attribute type of this name, in any case, or dotted OID; options must be gone.
    pub fn attribute(&self, name_or_oid: &[u8]) -> Option<AttributeId> {
        self.attribute_names.get(name_or_oid)
    }

    /// The attribute type of this number.
    ///
    /// # Panics
    /// For a number of another schema.
    #[allow(clippy::indexing_slicing)] // Numbers are given out by this registry alone.
    pub fn attribute_type(&self, id: AttributeId) -> &AttributeType {
        &self.attributes[usize::from(id.0)]
    }

    /// The object class of this name, in any case, or dotted OID.
    pub fn object_class(&self, name_or_oid: &[u8]) -> Option<ObjectClassId> {
        self.class_names.get(name_or_oid)
    }

    /// The object class of this number.
    ///
    /// # Panics
    /// For a number of another schema.
    #[allow(clippy::indexing_slicing)] // As above.
    pub fn object_class_def(&self, id: ObjectClassId) -> &ObjectClass {
        &self.classes[usize::from(id.0)]
    }

    /// The attribute type itself, then everything below it.
    pub fn subtypes(&self, id: AttributeId) -> &[AttributeId] {
        self.subtypes
            .get(usize::from(id.0))
            .map_or(&[], Vec::as_slice)
    }

    /// Everything above an object class, nearest first, without itself.
    pub fn superclasses(&self, id: ObjectClassId) -> &[ObjectClassId] {
        self.superclasses
            .get(usize::from(id.0))
            .map_or(&[], Vec::as_slice)
    }

    /// The object class itself, then everything below it.
    pub fn object_subclasses(&self, id: ObjectClassId) -> &[ObjectClassId] {
        self.subclasses
            .get(usize::from(id.0))
            .map_or(&[], Vec::as_slice)
    }

    /// The matching rule of this name, in any case, or dotted OID.
    pub fn matching_rule(&self, name_or_oid: &[u8]) -> Option<MatchingRule> {
        MatchingRule::by_name(name_or_oid)
    }

    /// Every attribute type, in the order of the numbers.
    pub fn attributes(&self) -> impl Iterator<Item = &AttributeType> {
        self.attributes.iter()
    }

    /// Every object class, in the order of the numbers.
    pub fn object_classes(&self) -> impl Iterator<Item = &ObjectClass> {
        self.classes.iter()
    }

    /// The number of attribute types; each [`AttributeId`] is below it.
    pub fn len(&self) -> usize {
        self.attributes.len()
    }

    /// Whether there are no attribute types.
    pub fn is_empty(&self) -> bool {
        self.attributes.is_empty()
    }

    /// The dotted OID behind a name of a class, an attribute type or a matching rule, in this
    /// order, as objectIdentifierMatch needs it.
    pub fn oid_of(&self, name_or_oid: &[u8]) -> Option<&str> {
        if let Some(id) = self.object_class(name_or_oid) {
            return Some(&self.object_class_def(id).oid);
        }
        if let Some(id) = self.attribute(name_or_oid) {
            return Some(&self.attribute_type(id).oid);
        }
        MatchingRule::by_name(name_or_oid).map(MatchingRule::oid)
    }

    /// The first name of an attribute type in lower case.
    pub(super) fn lower_name(&self, id: AttributeId) -> &[u8] {
        self.lower_names
            .get(usize::from(id.0))
            .map_or(&[], AsRef::as_ref)
    }
}
