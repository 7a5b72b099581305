//! Names as they compare: distinguishedNameMatch (RFC 4517 section 4.2.15).

use std::borrow::Cow;

use crate::dn::{Dn, PlainDn, Rdn};

use super::prepare::{Case, Insignificant, prepare};
use super::{InvalidValue, Schema};

impl Schema {
    /// The normalized form of a relative name: equal octets, equal names.
    ///
    /// # Errors
    /// As [`Schema::normalize_rdn_into`].
    pub fn normalize_rdn(&self, rdn: &Rdn) -> Result<Vec<u8>, InvalidValue> {
        let mut output = Vec::with_capacity(32);
        self.normalize_rdn_into(rdn, &mut output)?;
        Ok(output)
    }

    /// Appends the normalized form of a relative name; nothing else is allocated for a name
    /// such as `uid=alice`.
    ///
    /// Each assertion is the type's first name in lower case and the value normalized by the
    /// type's equality rule, each preceded by its length; the assertions are sorted. A value that
    /// this rule cannot normalize, or whose type is unknown, compares as caseIgnoreMatch does, and
    /// what is not even text by its octets: an entry that AD gave such a name is served.
    ///
    /// # Errors
    /// [`InvalidValue`] for an empty value, and for two of one type (RFC 4512 section 2.3.1).
    pub fn normalize_rdn_into(&self, rdn: &Rdn, output: &mut Vec<u8>) -> Result<(), InvalidValue> {
        if let [ava] = rdn.avas.as_slice() {
            return self.normalize_ava_into(ava.attribute.as_bytes(), &ava.value, output);
        }
        let mut types: Vec<_> = rdn
            .avas
            .iter()
            .filter_map(|ava| self.attribute(ava.attribute.as_bytes()))
            .collect();
        types.sort_unstable();
        if types.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(InvalidValue("two values of one attribute type in a name"));
        }
        let mut avas = rdn
            .avas
            .iter()
            .map(|ava| {
                let mut key = Vec::with_capacity(32);
                self.normalize_ava_into(ava.attribute.as_bytes(), &ava.value, &mut key)
                    .map(|()| key)
            })
            .collect::<Result<Vec<_>, _>>()?;
        avas.sort();
        output.extend(avas.into_iter().flatten());
        Ok(())
    }

    /// The normalized forms of the relative names of a name, the entry's own first.
    ///
    /// # Errors
    /// As [`Schema::normalize_rdn_into`].
    pub fn normalize_dn(&self, dn: &Dn) -> Result<Vec<Vec<u8>>, InvalidValue> {
        dn.rdns.iter().map(|rdn| self.normalize_rdn(rdn)).collect()
    }

    /// Appends the normalized form of a name: each relative name preceded by its length.
    ///
    /// # Errors
    /// As [`Schema::normalize_rdn_into`].
    pub fn normalize_dn_into(&self, dn: &Dn, output: &mut Vec<u8>) -> Result<(), InvalidValue> {
        let mut rdns = dn.rdns.iter();
        rdns.try_for_each(|rdn| prefixed(output, |output| self.normalize_rdn_into(rdn, output)))
    }

    /// Whether the values of a name follow the syntaxes of their types; an unknown type has any
    /// value but none at all.
    ///
    /// # Errors
    /// [`InvalidValue`], which is what invalidDNSyntax says (RFC 4511 appendix A.2).
    pub fn check_dn(&self, dn: &Dn) -> Result<(), InvalidValue> {
        for ava in dn.rdns.iter().flat_map(|rdn| &rdn.avas) {
            let follows = match self.attribute(ava.attribute.as_bytes()) {
                Some(id) => self.attribute_type(id).syntax.validate(&ava.value),
                None => !ava.value.is_empty(),
            };
            if !follows {
                return Err(InvalidValue(
                    "a value in the name does not follow its syntax",
                ));
            }
        }
        Ok(())
    }

    /// The same of a plain name.
    ///
    /// # Errors
    /// As [`Schema::normalize_rdn_into`].
    pub fn normalize_plain_into(
        &self,
        name: PlainDn<'_>,
        output: &mut Vec<u8>,
    ) -> Result<(), InvalidValue> {
        name.avas().try_for_each(|(attribute, value)| {
            prefixed(output, |output| {
                self.normalize_ava_into(attribute, value, output)
            })
        })
    }

    /// The normalized forms of the relative names of a plain name.
    ///
    /// # Errors
    /// As [`Schema::normalize_rdn_into`].
    pub fn plain_keys(&self, name: PlainDn<'_>) -> Result<NameKeys<'static>, InvalidValue> {
        let mut octets = Vec::with_capacity(2 * name.as_str().len());
        self.normalize_plain_into(name, &mut octets)?;
        Ok(NameKeys::new(octets))
    }

    /// The normalized forms of the relative names of any name.
    ///
    /// # Errors
    /// As [`Schema::normalize_rdn_into`].
    pub fn name_keys(&self, name: &Dn) -> Result<NameKeys<'static>, InvalidValue> {
        let mut octets = Vec::with_capacity(32 * name.len());
        self.normalize_dn_into(name, &mut octets)?;
        Ok(NameKeys::new(octets))
    }

    fn normalize_ava_into(
        &self,
        attribute: &[u8],
        value: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<(), InvalidValue> {
        if value.is_empty() {
            return Err(InvalidValue("an empty value in a name"));
        }
        let id = self.attribute(attribute);
        match id {
            Some(id) => push_prefixed(self.lower_name(id), output),
            None => push_prefixed(&attribute.to_ascii_lowercase(), output),
        }
        let rule = id.and_then(|id| self.attribute_type(id).equality);
        if rule.is_some_and(|rule| rule.only_folds(value)) {
            push_length(value.len(), output);
            output.extend(value.iter().map(u8::to_ascii_lowercase));
            return Ok(());
        }
        if let Some(rule) = rule
            && let Ok(value) = rule.normalize(self, value)
        {
            push_prefixed(&value, output);
            return Ok(());
        }
        let prepared = prepare(value, Case::Fold, Insignificant::WHOLE).unwrap_or_else(|_| {
            // No text and no integer normalizes to something that begins like this.
            let mut octets = vec![0xff];
            octets.extend_from_slice(value);
            Cow::Owned(octets)
        });
        push_prefixed(&prepared, output);
        Ok(())
    }
}

/// The normalized relative names of one name, the entry's own first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameKeys<'n> {
    /// Each preceded by its length.
    octets: Cow<'n, [u8]>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl<'n> NameKeys<'n> {
    fn new(normalized: Vec<u8>) -> Self {
        let ends = ends(&normalized);
        Self {
            octets: Cow::Owned(normalized),
            // What was just made reads.
            ends: ends.unwrap_or_default(),
        }
    }

    /// Those of a name in its normalized form, as [`Schema::normalize_dn_into`] makes it; `None`
    /// for what is none.
    pub fn read(normalized: &'n [u8]) -> Option<Self> {
        Some(Self {
            octets: Cow::Borrowed(normalized),
            ends: ends(normalized)?,
        })
    }

    /// The number of relative names.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it is the name of the root.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The relative name at a place; empty where there is none.
    pub fn get(&self, place: usize) -> &[u8] {
        let before = place.checked_sub(1).map(|before| self.ends.get(before));
        let start = before.map_or(Some(0), Option::<&usize>::copied);
        let rest = start.and_then(|start| self.octets.get(start..));
        let key = rest.and_then(split_prefixed);
        key.map_or(&[], |(key, _)| key)
    }

    /// The relative names in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &[u8]> + ExactSizeIterator {
        (0..self.len()).map(|place| self.get(place))
    }
}

/// Where each of some octets ends that are preceded by their lengths.
fn ends(normalized: &[u8]) -> Option<Vec<usize>> {
    // Nearly all names have fewer.
    let mut ends = Vec::with_capacity(8);
    let mut rest = normalized;
    while !rest.is_empty() {
        (_, rest) = split_prefixed(rest)?;
        ends.push(normalized.len() - rest.len());
    }
    Some(ends)
}

/// Appends what `append` does, preceded by its length.
fn prefixed(
    output: &mut Vec<u8>,
    append: impl FnOnce(&mut Vec<u8>) -> Result<(), InvalidValue>,
) -> Result<(), InvalidValue> {
    let start = output.len();
    // Nearly all lengths are one octet.
    output.push(0);
    append(output)?;
    let length = output.len() - start - 1;
    if length < 0x80 {
        if let Some(octet) = output.get_mut(start) {
            *octet = low_bits(length);
        }
    } else {
        let mut octets = Vec::new();
        push_length(length, &mut octets);
        output.splice(start..=start, octets);
    }
    Ok(())
}

/// Appends the length, seven bits an octet, and the octets.
fn push_prefixed(octets: &[u8], output: &mut Vec<u8>) {
    push_length(octets.len(), output);
    output.extend_from_slice(octets);
}

/// What [`push_prefixed`] appended, and what follows.
fn split_prefixed(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length = 0usize;
    for (place, octet) in octets.iter().enumerate().take(5) {
        length |= usize::from(octet & 0x7f) << (7 * place);
        if octet & 0x80 == 0 {
            return octets.get(place + 1..)?.split_at_checked(length);
        }
    }
    None
}

fn push_length(length: usize, output: &mut Vec<u8>) {
    let mut length = length;
    while length >= 0x80 {
        output.push(0x80 | low_bits(length));
        length >>= 7;
    }
    output.push(low_bits(length));
}

#[allow(clippy::cast_possible_truncation)] // Only seven bits are left.
fn low_bits(length: usize) -> u8 {
    (length & 0x7f) as u8
}
