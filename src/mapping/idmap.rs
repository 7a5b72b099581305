//! POSIX ids from SIDs, equal to those SSSD computes on hosts joined to AD.
//!
//! The ids from 200,000 up to 2,000,200,000 are cut into 10,000 slices of 200,000. A domain gets
//! the slice that the hash of its SID names, or the next one that is free; an account's RID is its
//! place within the slice. RIDs that do not fit go to further slices of the domain, each found by
//! the hash of the domain's SID and the first RID of the slice. This is what SSSD's `libsss_idmap`
//! does with its default options (`ldap_idmap_range_min`, `_max`, `_size`, `_helper_table_size`);
//! the tests hold answers of that library.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use thiserror::Error;

use super::sid::Sid;

/// Ids begin here (`ldap_idmap_range_min`).
const FIRST_ID: u32 = 200_000;

/// Ids in one slice (`ldap_idmap_range_size`).
const SLICE_SIZE: u32 = 200_000;

/// Slices between `ldap_idmap_range_min` and `ldap_idmap_range_max`.
const SLICES: u16 = 10_000;

/// Further slices chosen when a domain is first seen (`ldap_idmap_helper_table_size`).
const RESERVED_SLICES: u32 = 10;

/// The seed SSSD gives its hash.
const SEED: u32 = 0xdead_beef;

/// The first line of the stored form.
const HEADER: &str = "adduct slices 1";

/// In the stored form, between the number of a part and a slice that gives ids.
const ASSIGNED: char = '=';

/// In the stored form, between the number of a part and a slice that is reserved.
const RESERVED: char = '~';

/// Which domain has which slices.
///
/// Two domains may hash to one slice, and a slice beyond the reserved ones is chosen when its
/// first RID is met: SSSD's answer then depends on what it met first. This table remembers each
/// choice, so once an id was given it stays, whatever comes later or is met first after a restart.
/// Register the source's own domain ([`SliceTable::add_domain`]) before anything else, since a
/// host registers the domain it is joined to first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SliceTable {
    /// Slices that give ids.
    assigned: BTreeMap<Part, u16>,
    /// Slices chosen with the domain, but not used yet. They are not kept free: when another
    /// domain took the slice meanwhile, its RIDs get no id, in SSSD as here.
    reserved: BTreeMap<Part, u16>,
    /// The values of `assigned`.
    taken: BTreeSet<u16>,
    changed: bool,
}

/// One slice's worth of RIDs of one domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    /// The three numbers after `S-1-5-21`.
    domain: [u32; 3],
    /// A multiple of [`SLICE_SIZE`]; 0 for the domain's primary slice.
    first_rid: u32,
}

/// Why octets are no slice table.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SliceTableError {
    /// Not a table, or one of a later version.
    #[error("not a slice table of a known version")]
    Header,
    /// A line that cannot be read or that contradicts an earlier one.
    #[error("line {0} of the slice table is damaged")]
    Line(usize),
}

impl SliceTable {
    /// The uid or gid of an account.
    ///
    /// Chooses slices for a domain, or for RIDs of it, that were not met before; see
    /// [`SliceTable::take_changed`]. `None` for everything but accounts of a domain
    /// (`S-1-5-21-a-b-c-RID`): built-in and well-known SIDs have no id. Also `None` where SSSD has
    /// no id: no slice is left, or the one for these RIDs went to another domain.
    pub fn id_of(&mut self, sid: &Sid) -> Option<u32> {
        let rid = sid.rid()?;
        let domain = domain_numbers(&sid.domain_sid()?)?;
        let first_rid = rid - rid % SLICE_SIZE;
        let part = Part { domain, first_rid };
        let slice = match self.assigned.get(&part) {
            Some(slice) => *slice,
            None => self.assign(part)?,
        };
        Some(FIRST_ID + u32::from(slice) * SLICE_SIZE + (rid - first_rid))
    }

    /// Chooses the slices of a domain, unless it has them; false where `domain` is no domain's SID
    /// or no slice is left.
    pub fn add_domain(&mut self, domain: &Sid) -> bool {
        domain_numbers(domain).is_some_and(|domain| self.add(domain).is_some())
    }

    /// Whether a slice was chosen since the last call; the table must then be stored before the
    /// ids are shown to anybody.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// The stored form: a line for each domain, equal for equal tables.
    ///
    /// `S-1-5-21-1-2-3 0=3430 1~4162` says that RIDs below 200,000 have slice 3430 and that 4162 is
    /// reserved for the next 200,000. About 150 octets for a domain; some 100 KiB when all slices
    /// are given.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut lines = BTreeMap::new();
        for (mark, slices) in [(ASSIGNED, &self.assigned), (RESERVED, &self.reserved)] {
            for (part, slice) in slices {
                let line = lines
                    .entry(part.domain)
                    .or_insert_with(|| part.domain_name());
                let number = part.first_rid / SLICE_SIZE;
                // Writing to a String cannot fail.
                let _ = write!(line, " {number}{mark}{slice}");
            }
        }
        let mut text = format!("{HEADER}\n");
        for line in lines.values() {
            text.push_str(line);
            text.push('\n');
        }
        text.into_bytes()
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// A damaged table is refused as a whole: guessing at slices would change ids.
    pub fn from_bytes(octets: &[u8]) -> Result<Self, SliceTableError> {
        let text = std::str::from_utf8(octets).map_err(|_| SliceTableError::Header)?;
        let mut lines = text.lines();
        if lines.next() != Some(HEADER) {
            return Err(SliceTableError::Header);
        }
        let mut table = Self::default();
        for (index, line) in lines.enumerate() {
            table
                .read_line(line)
                .ok_or(SliceTableError::Line(index + 2))?;
        }
        Ok(table)
    }

    fn read_line(&mut self, line: &str) -> Option<()> {
        let mut words = line.split(' ');
        let domain = domain_numbers(&words.next()?.parse().ok()?)?;
        for word in words {
            let mark = word.find([ASSIGNED, RESERVED])?;
            let (number, rest) = word.split_at_checked(mark)?;
            let number: u32 = number.parse().ok()?;
            let slice: u16 = rest.get(1..)?.parse().ok()?;
            if slice >= SLICES {
                return None;
            }
            let part = Part {
                domain,
                first_rid: number.checked_mul(SLICE_SIZE)?,
            };
            let earlier = if rest.starts_with(RESERVED) {
                self.reserved.insert(part, slice)
            } else if self.taken.insert(slice) {
                self.assigned.insert(part, slice)
            } else {
                return None;
            };
            if earlier.is_some() {
                return None;
            }
        }
        Some(())
    }

    fn assign(&mut self, part: Part) -> Option<u16> {
        let primary = self.add(part.domain)?;
        if part.first_rid == 0 {
            return Some(primary);
        }
        // A domain for which no slices could be reserved has none beyond its first.
        let first_reserved = Part {
            first_rid: SLICE_SIZE,
            ..part
        };
        if !self.reserved.contains_key(&first_reserved) {
            return None;
        }
        let slice = match self.reserved.get(&part) {
            Some(slice) => *slice,
            None => self.choose(&part)?,
        };
        self.take(part, slice)
    }

    /// The primary slice of a domain, chosen now if it has none.
    fn add(&mut self, domain: [u32; 3]) -> Option<u16> {
        let primary = Part {
            domain,
            first_rid: 0,
        };
        if let Some(slice) = self.assigned.get(&primary) {
            return Some(*slice);
        }
        let slice = self.choose(&primary)?;
        self.take(primary, slice)?;
        for number in 1..=RESERVED_SLICES {
            let part = Part {
                domain,
                first_rid: number * SLICE_SIZE,
            };
            // Reserved slices are looked up among the assigned ones only, so two of them may be
            // the same; whichever is needed first gets it.
            if let Some(slice) = self.choose(&part) {
                self.reserved.insert(part, slice);
            }
        }
        Some(slice)
    }

    /// The slice that the hash names, or the next one that is free.
    fn choose(&self, part: &Part) -> Option<u16> {
        let hash = murmur3(part.name().as_bytes(), SEED) % u32::from(SLICES);
        let wanted = u16::try_from(hash).ok()?;
        (wanted..SLICES)
            .chain(0..wanted)
            .find(|slice| !self.taken.contains(slice))
    }

    fn take(&mut self, part: Part, slice: u16) -> Option<u16> {
        if !self.taken.insert(slice) {
            return None;
        }
        self.assigned.insert(part, slice);
        self.changed = true;
        Some(slice)
    }
}

impl Part {
    /// What SSSD hashes: the domain's SID, followed by the first RID for further slices.
    fn name(&self) -> String {
        match self.first_rid {
            0 => self.domain_name(),
            first_rid => format!("{}-{first_rid}", self.domain_name()),
        }
    }

    fn domain_name(&self) -> String {
        let [a, b, c] = self.domain;
        format!("S-1-5-21-{a}-{b}-{c}")
    }
}

fn domain_numbers(domain: &Sid) -> Option<[u32; 3]> {
    match domain.sub_authorities() {
        [21, a, b, c] if domain.is_domain() => Some([*a, *b, *c]),
        _ => None,
    }
}

/// MurmurHash3 in its 32 bit form (x86_32), blocks read as little endian.
fn murmur3(octets: &[u8], seed: u32) -> u32 {
    let scramble = |block: u32| {
        block
            .wrapping_mul(0xcc9e_2d51)
            .rotate_left(15)
            .wrapping_mul(0x1b87_3593)
    };
    let (blocks, tail) = octets.as_chunks::<4>();
    let mut hash = seed;
    for block in blocks {
        hash ^= scramble(u32::from_le_bytes(*block));
        hash = hash
            .rotate_left(13)
            .wrapping_mul(5)
            .wrapping_add(0xe654_6b64);
    }
    let tail = tail
        .iter()
        .rev()
        .fold(0, |sum, octet| sum << 8 | u32::from(*octet));
    // An empty tail scrambles to 0.
    hash ^= scramble(tail);
    // The algorithm takes the length modulo 2^32.
    #[allow(clippy::cast_possible_truncation)]
    let length = octets.len() as u32;
    hash ^= length;
    hash ^= hash >> 16;
    hash = hash.wrapping_mul(0x85eb_ca6b);
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

#[cfg(test)]
mod tests;
