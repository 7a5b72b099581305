//! Which attributes of an entry an answer carries (RFC 4511 section 4.5.1.8).
//!
//! | asked for | given |
//! | --- | --- |
//! | nothing, `*` | all user attributes |
//! | `+` | all operational attributes (RFC 3673) |
//! | a name or an OID | the type and its subtypes, whatever the options |
//! | `name;option` | those whose description has at least these options |
//! | `name;range=a-b` | some of the values (MS-ADTS section 3.1.1.3.1.3.3) |
//! | `@class` | what the class and its superclasses allow (RFC 4529) |
//! | anything else, `1.1` among it | nothing |
//!
//! Descriptions in answers are the schema's, however the client wrote them.

mod range;
mod shape;
mod wanted;

use self::{range::Range, shape::Shape, wanted::Wanted};
use super::{
    EntryId, ValueFilter, affected,
    derived::Derivation,
    extended_dn,
    packed::{PackedAttribute, PackedAttributes},
    snapshot::Snapshot,
};
use crate::{
    access::Secrets,
    proto::{control::ExtendedDnForm, response::write_attribute},
    schema::{AttributeDescription, AttributeId, Schema, TypeSet},
};

/// The class whose entries may have any user attribute (RFC 4512 section 4.3).
const EXTENSIBLE_OBJECT: &str = "1.3.6.1.4.1.1466.101.120.111";

/// An attribute list, resolved once for all entries of a search.
#[derive(Clone, Debug)]
pub struct AttributeSelection {
    all_user: bool,
    all_operational: bool,
    wanted: Wanted,
    /// What is derived and asked for.
    derived: Vec<(AttributeId, Derivation)>,
    /// The types of those, whose stored values go with what is derived.
    merged: TypeSet,
    /// The types of which what is stored without options is copied as it is.
    copied: TypeSet,
    secrets: Secrets,
    types_only: bool,
    /// What becomes of the values, for the few requests that want them otherwise than stored.
    shape: Option<Box<Shape>>,
}

impl AttributeSelection {
    /// Resolves a list of attribute descriptions; unknown ones select nothing.
    pub fn new(snapshot: &Snapshot, list: &[&[u8]], types_only: bool, secrets: &Secrets) -> Self {
        let schema = snapshot.schema();
        let mut selection = Self {
            all_user: list.is_empty(),
            all_operational: false,
            wanted: Wanted::default(),
            derived: Vec::new(),
            merged: TypeSet::default(),
            copied: TypeSet::default(),
            secrets: secrets.clone(),
            types_only,
            shape: None,
        };
        for name in list {
            match *name {
                b"*" => selection.all_user = true,
                b"+" => selection.all_operational = true,
                name => match name.strip_prefix(b"@") {
                    Some(class) => selection.wanted.add_class(schema, class),
                    None => selection.want(schema, name),
                },
            }
        }
        selection.wanted.finish(secrets);
        selection.all_user |= selection.wanted.has_class(schema, EXTENSIBLE_OBJECT);
        selection.derived = snapshot
            .derivations()
            .iter()
            .filter(|(id, derivation)| selection.selects_derived(snapshot, *id, *derivation))
            .collect();
        for (id, _) in &selection.derived {
            selection.merged.insert(schema, *id);
        }
        selection.copied = selection.types(schema).without(&selection.merged);
        selection
    }

    /// The same with those values alone that a filter accepts; the others leave their attribute
    /// without values (RFC 3876 section 2).
    #[must_use]
    pub fn matching(mut self, filter: ValueFilter) -> Self {
        // It has no effect where no values are wanted.
        if !self.types_only {
            self.shape_mut().matched = Some(filter);
        }
        self
    }

    /// The same with identities before each DN, where they are asked for.
    #[must_use]
    pub fn with_extended_dns(mut self, form: ExtendedDnForm) -> Self {
        self.shape_mut().extended_dn = Some(form);
        self
    }

    fn shape_mut(&mut self) -> &mut Shape {
        self.shape.get_or_insert_default()
    }

    fn want(&mut self, schema: &Schema, name: &[u8]) {
        let Some(mut description) = AttributeDescription::parse(name) else {
            return;
        };
        let Some(id) = schema.attribute(description.base.as_bytes()) else {
            return;
        };
        match Range::take_from(&mut description.options) {
            Ok(None) => self.wanted.add_type(schema, id, description.options),
            Ok(Some(range)) => {
                let ranges = &mut self.shape_mut().ranges;
                ranges.add(schema, id, description.options, range);
            }
            // An option that is not known makes the description unknown.
            Err(_) => {}
        }
    }

    /// Appends the name of an entry.
    pub fn write_name(&self, snapshot: &Snapshot, id: EntryId, out: &mut Vec<u8>) {
        if let Some(form) = self.shape.as_ref().and_then(|shape| shape.extended_dn) {
            extended_dn::write_identities(snapshot, id, form, out);
        }
        snapshot.write_dn(id, out);
    }

    /// Appends the selected attributes of an entry as PartialAttributes.
    pub fn write(
        &self,
        snapshot: &Snapshot,
        id: EntryId,
        attributes: &PackedAttributes,
        out: &mut Vec<u8>,
    ) {
        if let Some(shape) = &self.shape {
            self.write_shaped(shape, snapshot, Some(id), attributes, out);
            return;
        }
        if self.types_only {
            let named = |stored: &PackedAttribute<'_>| {
                self.selects(snapshot, stored) && !self.is_merged(stored)
            };
            write_descriptions(attributes, named, out);
        } else {
            let copied = |id| self.copied.contains(id);
            let with_options = |stored: &PackedAttribute<'_>| self.selects(snapshot, stored);
            attributes.copy(copied, with_options, out);
        }
        for (attribute, derivation) in &self.derived {
            self.write_derived(snapshot, id, *attribute, *derivation, attributes, out);
        }
    }

    /// Appends the selected attributes of an entry that is made up, like the root DSE.
    pub fn write_made_up(
        &self,
        snapshot: &Snapshot,
        attributes: &PackedAttributes,
        out: &mut Vec<u8>,
    ) {
        if let Some(shape) = &self.shape {
            self.write_shaped(shape, snapshot, None, attributes, out);
            return;
        }
        let selected = |stored: &PackedAttribute<'_>| self.selects(snapshot, stored);
        if self.types_only {
            write_descriptions(attributes, selected, out);
        } else {
            let schema = snapshot.schema();
            attributes.copy(|id| self.selects_type(schema, id), selected, out);
        }
    }

    /// Whether the change log names every entry of which it writes other octets after a change, and
    /// it copies whole values.
    pub(super) fn is_logged(&self) -> bool {
        let by_name_only = |(_, derivation): &(_, Derivation)| derivation.is_by_name_only();
        self.shape.is_none() && !self.derived.iter().any(by_name_only)
    }

    /// Whether two selections without a shape write the same of every entry.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let Self {
            all_user,
            all_operational,
            wanted,
            derived,
            merged: _,
            copied: _,
            secrets,
            types_only,
            shape,
        } = self;
        *all_user == other.all_user
            && *all_operational == other.all_operational
            && *types_only == other.types_only
            && *wanted == other.wanted
            && *derived == other.derived
            && *secrets == other.secrets
            && shape.is_none()
            && other.shape.is_none()
    }

    /// Whether an entry that is served in both versions looks different under this selection; its
    /// own change is one even where the values are others than those asked for.
    pub fn is_changed(&self, before: &Snapshot, after: &Snapshot, id: EntryId) -> bool {
        let derived = self.derived.iter().map(|(_, derivation)| *derivation);
        affected::is_changed(before, after, id, &derived)
    }

    /// Whether a stored attribute is written with what is derived, under one description.
    fn is_merged(&self, attribute: &PackedAttribute<'_>) -> bool {
        !attribute.has_options && self.merged.contains(attribute.attribute)
    }

    fn selects(&self, snapshot: &Snapshot, attribute: &PackedAttribute<'_>) -> bool {
        let schema = snapshot.schema();
        self.selects_type(schema, attribute.attribute)
            || (attribute.has_options
                && !self.secrets.contains(attribute.attribute)
                && self.wanted.has_described(schema, attribute))
    }

    /// The types that are selected whatever the options.
    fn types(&self, schema: &Schema) -> TypeSet {
        let mut types = self.wanted.types().clone();
        if self.all_user || self.all_operational {
            for attribute in schema.attributes() {
                if self.selects_type(schema, attribute.id) {
                    types.insert(schema, attribute.id);
                }
            }
        }
        types
    }

    /// Whether stored attributes of a type are selected whatever their options.
    fn selects_type(&self, schema: &Schema, id: AttributeId) -> bool {
        if self.wanted.has_type(id) {
            return true;
        }
        if !(self.all_user || self.all_operational) || self.secrets.contains(id) {
            return false;
        }
        if schema.attribute_type(id).is_operational() {
            self.all_operational
        } else {
            self.all_user
        }
    }

    fn selects_derived(
        &self,
        snapshot: &Snapshot,
        id: AttributeId,
        derivation: Derivation,
    ) -> bool {
        if matches!(derivation, Derivation::ObjectGuid | Derivation::EntryUuid) {
            return false;
        }
        let operational = snapshot.schema().attribute_type(id).is_operational();
        // AD gives memberOf and distinguishedName with `*`, other servers with `+`.
        let both = matches!(
            derivation,
            Derivation::MemberOf | Derivation::DistinguishedName
        );
        let by_name_only = derivation.is_by_name_only();
        (self.all_user && !by_name_only && (both || !operational))
            || (self.all_operational && !by_name_only && (both || operational))
            || self.wanted.has_type(id)
            || self
                .shape
                .as_ref()
                .is_some_and(|shape| shape.ranges.of_type(id).is_some())
    }

    fn write_derived(
        &self,
        snapshot: &Snapshot,
        id: EntryId,
        attribute: AttributeId,
        derivation: Derivation,
        stored: &PackedAttributes,
        out: &mut Vec<u8>,
    ) {
        let mut stored = stored
            .of_type(attribute)
            .filter(|stored| !stored.has_options)
            .flat_map(|stored| stored.values());
        let name = snapshot.schema().attribute_type(attribute).name();
        if self.types_only {
            if stored.next().is_some() || derivation.is_present(snapshot, id) {
                write_attribute(out, name, |_| {});
            }
            return;
        }
        let start = out.len();
        let mut any = false;
        write_attribute(out, name, |out| {
            let before = out.len();
            derivation.write_values(snapshot, id, out);
            // A local entry may name what is no entry: such values are stored as text.
            for value in stored {
                crate::ber::write_octets(out, crate::ber::OCTET_STRING, value);
            }
            any = out.len() > before;
        });
        if !any {
            out.truncate(start);
        }
    }
}

/// Appends the descriptions of those that are wanted, without values.
fn write_descriptions(
    attributes: &PackedAttributes,
    wanted: impl Fn(&PackedAttribute<'_>) -> bool,
    out: &mut Vec<u8>,
) {
    for attribute in attributes.iter().filter(wanted) {
        let description = String::from_utf8_lossy(attribute.description());
        write_attribute(out, &description, |_| {});
    }
}
