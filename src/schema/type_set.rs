//! Sets of attribute types.

use super::{AttributeId, Schema};

/// A set of attribute types of one schema: a bit for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TypeSet(Vec<u64>);

impl TypeSet {
    /// Adds a type of this schema; the first one makes room for all of them.
    pub fn insert(&mut self, schema: &Schema, id: AttributeId) {
        let (word, bit) = place(id);
        if self.0.is_empty() {
            self.0.resize(schema.len() / 64 + 1, 0);
        }
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }

    /// Takes a type out.
    pub fn remove(&mut self, id: AttributeId) {
        let (word, bit) = place(id);
        if let Some(word) = self.0.get_mut(word) {
            *word &= !bit;
        }
    }

    /// Those that are not in another set.
    pub fn without(mut self, others: &Self) -> Self {
        for (word, other) in self.0.iter_mut().zip(&others.0) {
            *word &= !other;
        }
        self
    }

    /// Whether a type is one of them.
    pub fn contains(&self, id: AttributeId) -> bool {
        let (word, bit) = place(id);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }
}

fn place(id: AttributeId) -> (usize, u64) {
    (usize::from(id.0 / 64), 1 << (id.0 % 64))
}
