//! Values that are written otherwise than they are stored: some of them, or with identities.

use roaring::RoaringBitmap;

use super::{
    AttributeSelection,
    range::{Range, Ranges},
};
use crate::{
    ber::{self, Reader},
    directory::{
        EntryId, ValueFilter,
        containers::DnWriter,
        extended_dn::write_identities,
        packed::{PackedAttribute, PackedAttributes},
        snapshot::Snapshot,
    },
    proto::{control::ExtendedDnForm, response::write_attribute},
    schema::{AttributeId, Syntax},
};

/// What becomes of the values of an answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    pub(super) ranges: Ranges,
    pub(super) matched: Option<ValueFilter>,
    pub(super) extended_dn: Option<ExtendedDnForm>,
}

/// The values of one description before any of them is left out.
struct Values<'v> {
    attribute: AttributeId,
    /// Those that are DNs of entries.
    entries: RoaringBitmap,
    /// Others that are derived, as OCTET STRINGs.
    derived: Vec<u8>,
    stored: Option<PackedAttribute<'v>>,
}

#[derive(Clone, Copy)]
enum Value<'v> {
    /// The DN of an entry.
    Entry(EntryId),
    Octets(&'v [u8]),
}

impl AttributeSelection {
    /// Appends the selected attributes of an entry; one that is made up has no id.
    pub(super) fn write_shaped(
        &self,
        shape: &Shape,
        snapshot: &Snapshot,
        id: Option<EntryId>,
        attributes: &PackedAttributes,
        out: &mut Vec<u8>,
    ) {
        for stored in attributes.iter() {
            let merged = id.is_some() && self.is_merged(&stored);
            if merged || self.secrets.contains(stored.attribute) {
                continue;
            }
            let range = shape.ranges.of(snapshot.schema(), &stored);
            if range.is_none() && !self.selects(snapshot, &stored) {
                continue;
            }
            let values = Values {
                attribute: stored.attribute,
                entries: RoaringBitmap::new(),
                derived: Vec::new(),
                stored: Some(stored),
            };
            self.write_values(shape, snapshot, &values, range, out);
        }
        let Some(id) = id else { return };
        for (attribute, derivation) in &self.derived {
            let mut values = Values {
                attribute: *attribute,
                entries: RoaringBitmap::new(),
                derived: Vec::new(),
                stored: attributes
                    .of_type(*attribute)
                    .find(|stored| !stored.has_options),
            };
            match derivation.entries(snapshot, id) {
                Some(entries) => values.entries = entries,
                None => derivation.write_values(snapshot, id, &mut values.derived),
            }
            let range = shape.ranges.of_type(*attribute);
            self.write_values(shape, snapshot, &values, range, out);
        }
    }

    fn write_values(
        &self,
        shape: &Shape,
        snapshot: &Snapshot,
        values: &Values<'_>,
        range: Option<Range>,
        out: &mut Vec<u8>,
    ) {
        let mut writer = ValueWriter::new(shape, snapshot, values.attribute);
        let mut octets = Vec::new();
        let (mut any, mut place, mut more) = (false, 0u64, false);
        for value in values.iter() {
            any = true;
            if !writer.is_wanted(value, values.stored.as_ref()) {
                continue;
            }
            if let Some(range) = range {
                if range.last.is_some_and(|last| place > last) {
                    more = true;
                    break;
                }
                place += 1;
                if place <= range.first {
                    continue;
                }
            }
            if !self.types_only {
                writer.write(value, &mut octets);
            }
        }
        // A range that begins beyond the end is of no attribute.
        if !any || range.is_some_and(|range| place <= range.first) {
            return;
        }
        let mut description = match &values.stored {
            Some(stored) => String::from_utf8_lossy(stored.description()).into_owned(),
            None => {
                let attribute = snapshot.schema().attribute_type(values.attribute);
                attribute.name().to_owned()
            }
        };
        if let Some(range) = range {
            description.push_str(&range.option(more));
        }
        write_attribute(out, &description, |out| out.extend_from_slice(&octets));
    }
}

impl Values<'_> {
    /// In an order that stays while the values do: entries by id, then what is derived, then what
    /// is stored.
    fn iter(&self) -> impl Iterator<Item = Value<'_>> {
        let entries = self.entries.iter().map(|id| Value::Entry(EntryId(id)));
        let mut derived = Reader::new(&self.derived);
        let derived = std::iter::from_fn(move || derived.octets().ok());
        let stored = self.stored.iter().flat_map(PackedAttribute::values);
        entries.chain(derived.chain(stored).map(Value::Octets))
    }
}

/// Writes the values of one attribute.
struct ValueWriter<'s> {
    shape: &'s Shape,
    snapshot: &'s Snapshot,
    attribute: AttributeId,
    is_dn: bool,
    dns: DnWriter<'s>,
    /// A DN that is compared.
    dn: Vec<u8>,
}

impl<'s> ValueWriter<'s> {
    fn new(shape: &'s Shape, snapshot: &'s Snapshot, attribute: AttributeId) -> Self {
        let syntax = snapshot.schema().attribute_type(attribute).syntax;
        Self {
            shape,
            snapshot,
            attribute,
            is_dn: matches!(syntax, Syntax::Dn | Syntax::NameAndOptionalUid),
            dns: DnWriter::new(snapshot),
            dn: Vec::new(),
        }
    }

    fn is_wanted(&mut self, value: Value<'_>, stored: Option<&PackedAttribute<'_>>) -> bool {
        let Some(filter) = &self.shape.matched else {
            return true;
        };
        let octets = match value {
            Value::Octets(octets) => octets,
            Value::Entry(id) => {
                self.dn.clear();
                self.snapshot.write_dn(id, &mut self.dn);
                &self.dn
            }
        };
        filter.accepts(self.snapshot, self.attribute, stored, octets)
    }

    /// Appends a value as an OCTET STRING.
    fn write(&mut self, value: Value<'_>, out: &mut Vec<u8>) {
        match (self.shape.extended_dn, value) {
            (None, Value::Entry(id)) => self.dns.write(id, out),
            (Some(form), Value::Entry(id)) => ber::write_nested(out, ber::OCTET_STRING, |out| {
                write_identities(self.snapshot, id, form, out);
                self.snapshot.write_dn(id, out);
            }),
            (form, Value::Octets(octets)) => {
                let identified = form.filter(|_| self.is_dn).and_then(|form| {
                    let dn = std::str::from_utf8(octets).ok()?;
                    Some((form, self.snapshot.resolve_str(dn)?))
                });
                ber::write_nested(out, ber::OCTET_STRING, |out| {
                    if let Some((form, id)) = identified {
                        write_identities(self.snapshot, id, form, out);
                    }
                    out.extend_from_slice(octets);
                });
            }
        }
    }
}
