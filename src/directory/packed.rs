//! Attributes in the form they travel in: written once, copied into every answer.

use std::borrow::Cow;

use super::attributes_view::AttributesView;
use crate::{
    ber::{self, Reader},
    entry::Attribute,
    proto::response::write_attribute,
    schema::{AttributeDescription, AttributeId, Schema, Syntax},
};

/// The attributes of one entry as PartialAttribute elements (RFC 4511 section 4.1.7) in one buffer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackedAttributes {
    /// The slots, ascending by attribute, and the attributes they tell of.
    octets: Box<[u8]>,
    slots: u16,
}

/// Where an attribute is.
#[derive(Clone, Copy)]
struct Slot {
    attribute: AttributeId,
    /// Whether the description carries options.
    options: bool,
    /// Where it ends, counted from where the first begins.
    end: u32,
}

impl Slot {
    const LEN: usize = 6;
    /// Stands in the place of an end's highest bit: entries come from records and messages far
    /// below 2 GiB.
    const OPTIONS: u32 = 1 << 31;

    fn write(self) -> [u8; Self::LEN] {
        let options = if self.options { Self::OPTIONS } else { 0 };
        let ([a, b], [c, d, e, f]) = (
            self.attribute.0.to_le_bytes(),
            (self.end & !Self::OPTIONS | options).to_le_bytes(),
        );
        [a, b, c, d, e, f]
    }

    // Inlined, or a look at a slot costs a call.
    #[inline(always)]
    fn read([a, b, c, d, e, f]: [u8; Self::LEN]) -> Self {
        let end = u32::from_le_bytes([c, d, e, f]);
        Self {
            attribute: AttributeId(u16::from_le_bytes([a, b])),
            options: end & Self::OPTIONS != 0,
            end: end & !Self::OPTIONS,
        }
    }

    fn end(self) -> usize {
        self.end as usize
    }

    /// What it tells of, which begins at `start`.
    fn attribute(self, octets: &[u8], start: usize) -> PackedAttribute<'_> {
        PackedAttribute {
            attribute: self.attribute,
            has_options: self.options,
            encoded: octets.get(start..self.end()).unwrap_or_default(),
        }
    }
}

/// An attribute's type, its description as it is served, and its values.
type Named<'a> = (AttributeId, Cow<'a, str>, &'a [&'a [u8]]);

/// One attribute of a packed entry.
#[derive(Clone, Copy, Debug)]
pub struct PackedAttribute<'a> {
    /// Its type.
    pub attribute: AttributeId,
    /// Whether its description carries options.
    pub has_options: bool,
    /// The whole PartialAttribute.
    pub encoded: &'a [u8],
}

impl PackedAttributes {
    /// Packs attributes; those whose type the schema does not define are left out.
    ///
    /// Two attributes of one description are merged; names take the schema's spelling.
    pub fn pack(schema: &Schema, attributes: &[Attribute]) -> Self {
        let list = AttributesView::from(attributes);
        Self::pack_some(schema, list.iter(), |_| true)
    }

    /// Packs those of some types, given by description and values.
    pub(super) fn pack_some<'a, 'v: 'a>(
        schema: &Schema,
        attributes: impl Iterator<Item = (&'a str, &'a [&'v [u8]])>,
        is_wanted: impl Fn(AttributeId) -> bool,
    ) -> Self {
        let mut sorted: Vec<Named<'_>> = attributes
            .filter_map(|(description, values)| {
                let (id, description) = canonical_description(schema, description)?;
                is_wanted(id).then_some((id, description, values))
            })
            .collect();
        // Stable, so that merged values keep their order.
        sorted.sort_by(|left, right| (left.0, &left.1).cmp(&(right.0, &right.1)));
        let same = |left: &Named<'_>, right: &Named<'_>| (left.0, &left.1) == (right.0, &right.1);
        let slots = u16::try_from(sorted.chunk_by(same).count()).unwrap_or(u16::MAX);
        let first = usize::from(slots) * Slot::LEN;
        let mut octets = Vec::with_capacity(first + 1024);
        octets.resize(first, 0);
        for (place, same) in sorted.chunk_by(same).take(slots.into()).enumerate() {
            let Some((attribute, description, _)) = same.first() else {
                continue;
            };
            write_attribute(&mut octets, description, |out| {
                for value in same.iter().flat_map(|(_, _, values)| *values) {
                    ber::write_octets(out, ber::OCTET_STRING, value);
                }
            });
            let slot = Slot {
                attribute: *attribute,
                options: description.contains(';'),
                end: u32::try_from(octets.len() - first).unwrap_or(u32::MAX),
            };
            if let Some(written) = octets.as_chunks_mut().0.get_mut(place) {
                *written = slot.write();
            }
        }
        Self {
            octets: octets.into(),
            slots,
        }
    }

    /// The slots and the attributes.
    fn split(&self) -> (&[[u8; Slot::LEN]], &[u8]) {
        let (slots, attributes) = self
            .octets
            .split_at_checked(usize::from(self.slots) * Slot::LEN)
            .unwrap_or_default();
        (slots.as_chunks().0, attributes)
    }

    /// All attributes, ascending by type.
    pub fn iter(&self) -> impl Iterator<Item = PackedAttribute<'_>> {
        let (slots, octets) = self.split();
        attributes(slots, octets, 0)
    }

    /// Appends those that are wanted, without options by their type alone; neighbours in one go.
    pub(super) fn copy(
        &self,
        wanted: impl Fn(AttributeId) -> bool,
        wanted_with_options: impl Fn(&PackedAttribute<'_>) -> bool,
        out: &mut Vec<u8>,
    ) {
        let (slots, octets) = self.split();
        // What is wanted in a row, and the end of what was looked at.
        let mut run = 0..0;
        let mut start = 0;
        for slot in slots {
            let slot = Slot::read(*slot);
            let is_wanted = if slot.options {
                wanted_with_options(&slot.attribute(octets, start))
            } else {
                wanted(slot.attribute)
            };
            if is_wanted {
                if run.end != start {
                    out.extend_from_slice(octets.get(run).unwrap_or_default());
                    run = start..start;
                }
                run.end = slot.end();
            }
            start = slot.end();
        }
        out.extend_from_slice(octets.get(run).unwrap_or_default());
    }

    /// The attributes of one type, with whatever options.
    pub fn of_type(&self, attribute: AttributeId) -> impl Iterator<Item = PackedAttribute<'_>> {
        let (slots, octets) = self.split();
        let first = slots.partition_point(|slot| Slot::read(*slot).attribute < attribute);
        let (before, slots) = slots.split_at_checked(first).unwrap_or_default();
        let start = before.last().map_or(0, |slot| Slot::read(*slot).end());
        let is_other = |slot: &[u8; Slot::LEN]| Slot::read(*slot).attribute != attribute;
        let count = slots.iter().position(is_other).unwrap_or(slots.len());
        attributes(slots.get(..count).unwrap_or_default(), octets, start)
    }

    /// Whether two entries have the same of one type: descriptions, values and their order.
    pub(super) fn has_same(&self, attribute: AttributeId, other: &Self) -> bool {
        self.of_type(attribute)
            .map(|own| own.encoded)
            .eq(other.of_type(attribute).map(|others| others.encoded))
    }

    /// The values of one type, whatever the options.
    pub fn values(&self, attribute: AttributeId) -> impl Iterator<Item = &[u8]> {
        self.of_type(attribute)
            .flat_map(|attribute| attribute.values())
    }

    /// The first value of one type.
    pub fn first(&self, attribute: AttributeId) -> Option<&[u8]> {
        self.values(attribute).next()
    }

    /// The first value as an unsigned decimal number.
    pub fn number(&self, attribute: AttributeId) -> Option<u32> {
        std::str::from_utf8(self.first(attribute)?)
            .ok()?
            .parse()
            .ok()
    }

    /// Whether the entry has an attribute of this type.
    pub fn has(&self, attribute: AttributeId) -> bool {
        self.of_type(attribute).next().is_some()
    }
}

impl<'a> PackedAttribute<'a> {
    /// The values, in order.
    pub fn values(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (_, mut values) = self.parts();
        std::iter::from_fn(move || values.octets().ok())
    }

    /// The description with its options, as it is served.
    pub fn description(&self) -> &'a [u8] {
        self.parts().0
    }

    /// Whether the description has all these options (RFC 4512 section 2.5.2), given in lower case.
    pub fn has_options(&self, wanted: &[String]) -> bool {
        wanted.is_empty()
            || (self.has_options
                && wanted.iter().all(|option| {
                    self.description()
                        .split(|octet| *octet == b';')
                        .skip(1)
                        .any(|present| present.eq_ignore_ascii_case(option.as_bytes()))
                }))
    }

    fn parts(&self) -> (&'a [u8], Reader<'a>) {
        // `pack` wrote it, so that it reads; what would not has no values.
        let mut parts = match Reader::new(self.encoded).element() {
            Ok(element) => element.reader(),
            Err(_) => Reader::new(&[]),
        };
        let description = parts.octets().unwrap_or_default();
        let values = match parts.element() {
            Ok(element) => element.reader(),
            Err(_) => Reader::new(&[]),
        };
        (description, values)
    }
}

/// The attributes that slots tell of, the first of which begins at `start`.
fn attributes<'a>(
    slots: &'a [[u8; Slot::LEN]],
    octets: &'a [u8],
    mut start: usize,
) -> impl Iterator<Item = PackedAttribute<'a>> {
    slots.iter().map(move |slot| {
        let slot = Slot::read(*slot);
        let attribute = slot.attribute(octets, start);
        start = slot.end();
        attribute
    })
}

/// The type of a description and its spelling in answers.
pub fn canonical_description<'s>(
    schema: &'s Schema,
    description: &str,
) -> Option<(AttributeId, Cow<'s, str>)> {
    // Without options it is the name itself, as a rule.
    if let Some(id) = schema.attribute(description.as_bytes()) {
        let attribute = schema.attribute_type(id);
        if !is_binary_only(attribute.syntax) {
            return Some((id, Cow::Borrowed(attribute.name())));
        }
    }
    let parsed = AttributeDescription::parse(description.as_bytes())?;
    let id = schema.attribute(parsed.base.as_bytes())?;
    let attribute = schema.attribute_type(id);
    let mut options = parsed.options;
    // Values of these syntaxes travel under `;binary` only (RFC 4523 section 2).
    if is_binary_only(attribute.syntax) && !options.iter().any(|option| option == BINARY) {
        options.push(BINARY.to_owned());
        options.sort();
    }
    let mut text = attribute.name().to_owned();
    for option in &options {
        text.push(';');
        text.push_str(option);
    }
    Some((id, Cow::Owned(text)))
}

/// The option that asks for, or says of, values in BER (RFC 4522).
const BINARY: &str = "binary";

fn is_binary_only(syntax: Syntax) -> bool {
    matches!(
        syntax,
        Syntax::Certificate
            | Syntax::CertificateList
            | Syntax::CertificatePair
            | Syntax::SupportedAlgorithm
    )
}
