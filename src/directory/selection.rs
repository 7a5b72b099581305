//! Which attributes of an entry an answer carries (RFC 4511 section 4.5.1.8).

use super::{
    EntryId,
    derived::Derivation,
    packed::{PackedAttribute, PackedAttributes},
    snapshot::Snapshot,
};
use crate::{
    access::Secrets,
    proto::response::write_attribute,
    schema::{AttributeDescription, AttributeId},
};

/// An attribute list, resolved once for all entries of a search.
#[derive(Clone, Debug)]
pub struct AttributeSelection {
    all_user: bool,
    all_operational: bool,
    /// Types asked for, subtypes included; ascending by type.
    wanted: Vec<Wanted>,
    /// What is derived and asked for.
    derived: Vec<(AttributeId, Derivation)>,
    secrets: Secrets,
    types_only: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Wanted {
    attribute: AttributeId,
    options: Vec<String>,
}

impl AttributeSelection {
    /// Resolves a list of attribute descriptions; unknown ones select nothing.
    pub fn new(snapshot: &Snapshot, list: &[&[u8]], types_only: bool, secrets: &Secrets) -> Self {
        let schema = snapshot.schema();
        let mut selection = Self {
            all_user: list.is_empty(),
            all_operational: false,
            wanted: Vec::with_capacity(list.len()),
            derived: Vec::new(),
            secrets: secrets.clone(),
            types_only,
        };
        for name in list {
            match *name {
                b"*" => selection.all_user = true,
                b"+" => selection.all_operational = true,
                name => {
                    let Some(description) = AttributeDescription::parse(name) else {
                        continue;
                    };
                    let Some(id) = schema.attribute(description.base.as_bytes()) else {
                        continue;
                    };
                    let wanted = schema.subtypes(id).iter().map(|attribute| Wanted {
                        attribute: *attribute,
                        options: description.options.clone(),
                    });
                    selection
                        .wanted
                        .extend(wanted.filter(|wanted| !secrets.contains(wanted.attribute)));
                }
            }
        }
        selection.wanted.sort();
        selection.wanted.dedup();
        selection.derived = snapshot
            .derivations()
            .iter()
            .filter(|(id, derivation)| selection.selects_derived(snapshot, *id, *derivation))
            .collect();
        selection
    }

    /// Appends the selected attributes of an entry as PartialAttributes.
    pub fn write(
        &self,
        snapshot: &Snapshot,
        id: EntryId,
        attributes: &PackedAttributes,
        out: &mut Vec<u8>,
    ) {
        let derivations = snapshot.derivations();
        for attribute in attributes.iter() {
            // Written with what is derived, under one description.
            let merged = derivations.of(attribute.attribute).is_some()
                && !attribute.has_options
                && self
                    .derived
                    .iter()
                    .any(|(derived, _)| *derived == attribute.attribute);
            if !merged && self.selects(snapshot, &attribute) {
                self.write_stored(&attribute, out);
            }
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
        for attribute in attributes.iter() {
            if self.selects(snapshot, &attribute) {
                self.write_stored(&attribute, out);
            }
        }
    }

    fn selects(&self, snapshot: &Snapshot, attribute: &PackedAttribute<'_>) -> bool {
        let id = attribute.attribute;
        if self.secrets.contains(id) {
            return false;
        }
        let operational = snapshot.schema().attribute_type(id).is_operational();
        if (operational && self.all_operational) || (!operational && self.all_user) {
            return true;
        }
        let first = self.wanted.partition_point(|wanted| wanted.attribute < id);
        self.wanted
            .get(first..)
            .unwrap_or_default()
            .iter()
            .take_while(|wanted| wanted.attribute == id)
            .any(|wanted| attribute.has_options(&wanted.options))
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
        (self.all_user && (both || !operational))
            || (self.all_operational && (both || operational))
            || self
                .wanted
                .iter()
                .any(|wanted| wanted.attribute == id && wanted.options.is_empty())
    }

    fn write_stored(&self, attribute: &PackedAttribute<'_>, out: &mut Vec<u8>) {
        if self.types_only {
            let description = String::from_utf8_lossy(attribute.description());
            write_attribute(out, &description, |_| {});
        } else {
            out.extend_from_slice(attribute.encoded);
        }
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
        let start = out.len();
        let mut any = false;
        write_attribute(
            out,
            snapshot.schema().attribute_type(attribute).name(),
            |out| {
                let before = out.len();
                derivation.write_values(snapshot, id, out);
                // A local entry may name what is no entry: such values are stored as text.
                let stored = stored
                    .of_type(attribute)
                    .filter(|stored| !stored.has_options);
                for value in stored.flat_map(|stored| stored.values()) {
                    crate::ber::write_octets(out, crate::ber::OCTET_STRING, value);
                }
                any = out.len() > before;
                if self.types_only {
                    out.truncate(before);
                }
            },
        );
        if !any {
            out.truncate(start);
        }
    }
}
