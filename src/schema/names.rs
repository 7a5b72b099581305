//! Names in any case and OIDs, found without copying what is looked for.

/// What each of some names stands for.
///
/// Definitions are few and nobody from outside adds any, so that a hash without a secret will do:
/// a client that sends names of equal hashes looks at one definition for each, as with any others.
#[derive(Clone, Debug)]
pub(super) struct Names<Id> {
    named: Vec<(Box<[u8]>, Id)>,
    /// Places in `named` with the hashes of the names, at most half of them taken: a name is at
    /// the place its hash says, or at one of those up to the next free one.
    table: Vec<Option<(u32, u32)>>,
}

impl<Id> Default for Names<Id> {
    fn default() -> Self {
        Self {
            named: Vec::new(),
            table: Vec::new(),
        }
    }
}

impl<Id: Copy> Names<Id> {
    /// What a name stands for.
    pub(super) fn get(&self, name: &[u8]) -> Option<Id> {
        let hash = hash(name);
        let mut place = hash as usize;
        while let Some((other, index)) = self.table.get(place & self.mask()).copied().flatten() {
            if other == hash
                && let Some((known, id)) = self.named.get(index as usize)
                && known.eq_ignore_ascii_case(name)
            {
                return Some(*id);
            }
            place += 1;
        }
        None
    }

    /// Adds a name; one that stands for something stays what it is.
    pub(super) fn add(&mut self, name: Box<[u8]>, id: Id) {
        let Ok(index) = u32::try_from(self.named.len()) else {
            return;
        };
        if self.get(&name).is_some() {
            return;
        }
        if self.named.len() * 2 >= self.table.len() {
            self.grow();
        }
        self.place(hash(&name), index);
        self.named.push((name, id));
    }

    fn grow(&mut self) {
        let len = (self.table.len() * 2).max(16);
        let placed = std::mem::replace(&mut self.table, vec![None; len]);
        for (hash, index) in placed.into_iter().flatten() {
            self.place(hash, index);
        }
    }

    fn place(&mut self, hash: u32, index: u32) {
        let mut place = hash as usize;
        let mask = self.mask();
        while self.table.get(place & mask).is_some_and(Option::is_some) {
            place += 1;
        }
        if let Some(slot) = self.table.get_mut(place & mask) {
            *slot = Some((hash, index));
        }
    }

    /// The length of the table is a power of two.
    fn mask(&self) -> usize {
        self.table.len().wrapping_sub(1)
    }
}

/// Makes letters of either case one; other octets may become one, too, which a hash may do.
const FOLD: u64 = 0x2020_2020_2020_2020;

#[allow(clippy::cast_possible_truncation)] // The high half is the better one.
fn hash(name: &[u8]) -> u32 {
    let mix = |hash: u64, word: u64| {
        let product = (hash ^ (word | FOLD)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        product ^ (product >> 32)
    };
    let mut hash = name.len() as u64;
    let (words, rest) = name.as_chunks::<8>();
    for word in words {
        hash = mix(hash, u64::from_le_bytes(*word));
    }
    // The last octets, some of them for a second time.
    let rest = match name.last_chunk::<8>() {
        Some(last) if !rest.is_empty() => u64::from_le_bytes(*last),
        _ => rest
            .iter()
            .fold(0, |word, octet| word << 8 | u64::from(*octet)),
    };
    (mix(hash, rest) >> 16) as u32
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_as_a_map_of_lower_case_names(
            names in prop::collection::vec("[a-cA-C1.-]{0,4}|[a-zA-Z0-9;-]{6,20}", 0..80),
            asked in prop::collection::vec("[a-cA-C1.-]{0,4}", 0..20),
        ) {
            let mut map = Names::default();
            let mut model: HashMap<String, usize> = HashMap::new();
            for (id, name) in names.iter().enumerate() {
                map.add(name.as_bytes().into(), id);
                model.entry(name.to_ascii_lowercase()).or_insert(id);
            }
            for name in names.iter().chain(&asked) {
                let expected = model.get(&name.to_ascii_lowercase()).copied();
                prop_assert_eq!(map.get(name.as_bytes()), expected);
                prop_assert_eq!(map.get(name.to_ascii_uppercase().as_bytes()), expected);
            }
        }
    }
}
