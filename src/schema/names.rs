//! Names in any case and OIDs, found without copying what is looked for.

/// What each of some names stands for.
///
/// Definitions are few and nobody from outside adds any, so that a hash without a secret will do:
/// a client that sends names of equal hashes looks at one definition for each, as with any others.
#[derive(Clone, Debug)]
pub(super) struct Names<Id> {
    named: Vec<(Name, Id)>,
    /// Places in `named` with the hashes of the names, at most half of them taken: a name is at
    /// the place its hash says, or at one of those up to the next free one.
    table: Vec<Option<(u32, u32)>>,
}

/// A name in lower case, eight octets at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Name {
    len: usize,
    words: Box<[u64]>,
    last: u64,
}

impl Name {
    fn new(name: &[u8]) -> Self {
        Self {
            len: name.len(),
            words: words(name).collect(),
            last: last_word(name),
        }
    }

    fn is(&self, name: &[u8]) -> bool {
        self.len == name.len()
            && self.last == last_word(name)
            && words(name).zip(&self.words).all(|(word, own)| word == *own)
    }
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
                && known.is(name)
            {
                return Some(*id);
            }
            place += 1;
        }
        None
    }

    /// Adds a name; one that stands for something stays what it is.
    pub(super) fn add(&mut self, name: &[u8], id: Id) {
        let Ok(index) = u32::try_from(self.named.len()) else {
            return;
        };
        if self.get(name).is_some() {
            return;
        }
        if self.named.len() * 2 >= self.table.len() {
            self.grow();
        }
        self.place(hash(name), index);
        self.named.push((Name::new(name), id));
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

/// The octets of a name in lower case, eight at a time, as far as they go.
fn words(name: &[u8]) -> impl Iterator<Item = u64> {
    let (words, _) = name.as_chunks::<8>();
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    words.map(lower_case)
}

/// The last octets of a name in lower case, some of which may be in its words, too.
fn last_word(name: &[u8]) -> u64 {
    lower_case(match name.last_chunk::<8>() {
        Some(last) => u64::from_le_bytes(*last),
        None => name
            .iter()
            .fold(0, |word, octet| word << 8 | u64::from(*octet)),
    })
}

/// Eight octets, those that are ASCII letters in lower case.
fn lower_case(word: u64) -> u64 {
    const HIGH: u64 = repeated(0x80);
    // In each octet the highest bit says what is asked; nothing carries into the next.
    let low = word & !HIGH;
    let from_a = low + repeated(0x80 - b'A');
    let past_z = low + repeated(0x80 - b'Z' - 1);
    let upper = from_a & !past_z & !word & HIGH;
    word | upper >> 2
}

const fn repeated(octet: u8) -> u64 {
    u64::from_le_bytes([octet; 8])
}

#[allow(clippy::cast_possible_truncation)] // The high half is the better one.
fn hash(name: &[u8]) -> u32 {
    let mix = |hash: u64, word: u64| {
        let product = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        product ^ (product >> 32)
    };
    let words = words(name).fold(name.len() as u64, mix);
    (mix(words, last_word(name)) >> 16) as u32
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_name_is_kept_in_lower_case(name in prop::collection::vec(any::<u8>(), 0..30)) {
            prop_assert_eq!(Name::new(&name), Name::new(&name.to_ascii_lowercase()));
            prop_assert_eq!(hash(&name), hash(&name.to_ascii_uppercase()));
        }

        #[test]
        fn names_are_one_in_any_case_and_otherwise_not(
            (name, other) in (0..20usize).prop_flat_map(|len| {
                let octets = || prop::collection::vec(prop_oneof![any::<u8>(), b'@'..=b'{'], len);
                (octets(), octets())
            }),
            place in any::<prop::sample::Index>(),
        ) {
            let same = |left: &[u8], right: &[u8]| Name::new(left).is(right);
            prop_assert_eq!(same(&name, &other), name.eq_ignore_ascii_case(&other));
            let mut near = name.clone();
            if !near.is_empty() {
                let place = place.index(near.len());
                near[place] = other[place];
            }
            prop_assert_eq!(same(&name, &near), name.eq_ignore_ascii_case(&near));
        }

        #[test]
        fn behaves_as_a_map_of_lower_case_names(
            names in prop::collection::vec("[a-cA-C1.-]{0,4}|[a-zA-Z0-9;-]{6,20}", 0..80),
            asked in prop::collection::vec("[a-cA-C1.-]{0,4}", 0..20),
        ) {
            let mut map = Names::default();
            let mut model: HashMap<String, usize> = HashMap::new();
            for (id, name) in names.iter().enumerate() {
                map.add(name.as_bytes(), id);
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
