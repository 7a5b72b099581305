//! Values of one attribute side by side, for substring searches that no index helps.
//!
//! Performance critical: to look into an entry costs several misses of the cache, to look through
//! the values of a thousand entries that lie in a row hardly more. Columns are made when a search
//! first needs them, and made again where an entry has changed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use memchr::memmem::Finder;

use super::{
    EntryId,
    bound::{BoundFilter, Item, Test},
    snapshot::Snapshot,
};
use crate::schema::{AttributeId, MatchingRule};

/// How many entries, by id, have their values in one column.
const ENTRIES: u32 = 1024;
const WORDS: usize = ENTRIES as usize / 64;
/// What a search is charged for a column that was there, in candidates.
const LOOK: usize = ENTRIES as usize / 16;
/// Octets that are kept in all; where more come, all are let go.
const MOST: usize = 32 * 1024 * 1024;
/// Behind each value: no part of UTF-8, so that nothing is found across values.
const END: u8 = 0xff;

/// The columns made of one version of the directory.
#[derive(Debug, Default)]
pub(super) struct Columns(Mutex<Kept>);

#[derive(Clone, Debug, Default)]
struct Kept {
    columns: imbl::OrdMap<(u32, AttributeId), Arc<Column>>,
    octets: usize,
}

/// The values of one attribute in a row of entries, as its substring rule normalizes them.
#[derive(Debug)]
struct Column {
    text: Box<[u8]>,
    /// Of each value: where it ends, and the entry's place in the row.
    values: Box<[(u32, u16)]>,
}

impl Columns {
    /// What still holds after these rows have changed.
    pub(super) fn without(&self, rows: impl IntoIterator<Item = u32>) -> Self {
        let mut kept = self.kept().clone();
        if !kept.columns.is_empty() {
            for row in rows {
                kept.forget(row);
            }
        }
        Self(Mutex::new(kept))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing panics half way through a change of it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A column, and whether it had to be made.
    fn get(
        &self,
        snapshot: &Snapshot,
        row: u32,
        attribute: AttributeId,
        rule: MatchingRule,
    ) -> (Arc<Column>, bool) {
        let key = (row, attribute);
        if let Some(column) = self.kept().columns.get(&key) {
            return (Arc::clone(column), false);
        }
        let column = Arc::new(Column::new(snapshot, row, attribute, rule));
        self.kept().keep(key, Arc::clone(&column));
        (column, true)
    }
}

impl Kept {
    fn keep(&mut self, key: (u32, AttributeId), column: Arc<Column>) {
        let octets = column.octets();
        if octets > MOST {
            return;
        }
        if self.octets + octets > MOST {
            *self = Self::default();
        }
        self.octets += octets;
        if let Some(before) = self.columns.insert(key, column) {
            self.octets -= before.octets();
        }
    }

    fn forget(&mut self, row: u32) {
        let all = (row, AttributeId(0))..=(row, AttributeId(u16::MAX));
        let keys: Vec<_> = self.columns.range(all).map(|(key, _)| *key).collect();
        for key in keys {
            if let Some(column) = self.columns.remove(&key) {
                self.octets -= column.octets();
            }
        }
    }
}

/// The row an entry is in.
pub(super) fn row_of(id: EntryId) -> u32 {
    id.0 / ENTRIES
}

impl Column {
    fn new(snapshot: &Snapshot, row: u32, attribute: AttributeId, rule: MatchingRule) -> Self {
        let (mut text, mut values) = (Vec::new(), Vec::new());
        for place in 0..ENTRIES {
            let id = row
                .checked_mul(ENTRIES)
                .and_then(|first| first.checked_add(place));
            let Some(entry) = id.and_then(|id| snapshot.entry(EntryId(id))) else {
                continue;
            };
            for value in entry.attributes.values(attribute) {
                // What the rule cannot read matches nothing.
                let Ok(value) = rule.normalize(snapshot.schema(), value) else {
                    continue;
                };
                text.extend_from_slice(&value);
                text.push(END);
                let end = u32::try_from(text.len()).unwrap_or(u32::MAX);
                values.push((end, u16::try_from(place).unwrap_or(u16::MAX)));
            }
        }
        Self {
            text: text.into(),
            values: values.into(),
        }
    }

    fn octets(&self) -> usize {
        size_of::<Self>() + self.text.len() + size_of_val(&*self.values)
    }

    fn find(&self, needle: &Finder<'_>, found: &mut [u64; WORDS]) {
        let mut values = self.values.iter();
        let mut known = 0;
        for position in needle.find_iter(&self.text) {
            if position < known {
                continue;
            }
            let holder = values
                .as_slice()
                .partition_point(|(end, _)| (*end as usize) <= position);
            let Some((end, place)) = values.nth(holder) else {
                return;
            };
            known = *end as usize;
            set(found, *place);
        }
    }
}

fn set(found: &mut [u64; WORDS], place: u16) {
    if let Some(word) = found.get_mut(usize::from(place / 64)) {
        *word |= 1 << (place % 64);
    }
}

/// What a search looks for in columns before it looks into entries.
#[derive(Debug)]
pub(super) struct Scan {
    /// An entry that matches has one of them.
    needles: Vec<Needle>,
    row: Option<u32>,
    found: [u64; WORDS],
}

#[derive(Debug)]
struct Needle {
    attributes: Vec<AttributeId>,
    rule: MatchingRule,
    part: Finder<'static>,
}

impl Scan {
    /// What must be in a value of each entry that a filter is true of; `None` where no part of the
    /// filter says so.
    pub(super) fn of(snapshot: &Snapshot, filter: &BoundFilter) -> Option<Self> {
        Some(Self {
            needles: needles(snapshot, filter)?,
            row: None,
            found: [0; WORDS],
        })
    }

    /// Whether an entry may match; takes what it cost from a budget of candidates.
    pub(super) fn may_match(
        &mut self,
        snapshot: &Snapshot,
        candidate: EntryId,
        budget: &mut usize,
    ) -> bool {
        let row = row_of(candidate);
        if self.row != Some(row) {
            self.row = Some(row);
            self.found = [0; WORDS];
            for needle in &self.needles {
                for attribute in &needle.attributes {
                    let (column, made) =
                        snapshot.columns.get(snapshot, row, *attribute, needle.rule);
                    *budget = budget.saturating_sub(if made { ENTRIES as usize } else { LOOK });
                    column.find(&needle.part, &mut self.found);
                }
            }
        }
        let place = candidate.0 % ENTRIES;
        self.found
            .get(place as usize / 64)
            .is_some_and(|word| word & (1 << (place % 64)) != 0)
    }

    /// About how many octets are held.
    pub(super) fn octets(&self) -> usize {
        let needles = self.needles.iter().map(|needle| {
            size_of::<Needle>()
                + needle.attributes.len() * size_of::<AttributeId>()
                + needle.part.needle().len()
        });
        size_of::<Self>() + needles.sum::<usize>()
    }
}

fn needles(snapshot: &Snapshot, filter: &BoundFilter) -> Option<Vec<Needle>> {
    match filter {
        BoundFilter::And(parts) => parts.iter().find_map(|part| needles(snapshot, part)),
        BoundFilter::Or(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(needles(snapshot, part)?);
            }
            Some(all)
        }
        BoundFilter::Item(item) => needle(snapshot, item).map(|needle| vec![needle]),
        BoundFilter::Not(_) | BoundFilter::Undefined => None,
    }
}

fn needle(snapshot: &Snapshot, item: &Item) -> Option<Needle> {
    let Test::Contains { rule, parts } = &item.test else {
        return None;
    };
    let is_stored = |id: &AttributeId| {
        snapshot.derivations().of(*id).is_none()
            && snapshot.schema.attribute_type(*id).substring == Some(*rule)
    };
    let is_derived = item.derived.as_ref().is_some_and(|ids| !ids.is_empty());
    if item.in_dn || is_derived || !item.attributes.iter().all(is_stored) {
        return None;
    }
    let ends = [&parts.initial, &parts.last].into_iter().flatten();
    // Without the spaces that face the rest of the value, which may be fewer there.
    let part = ends
        .chain(&parts.any)
        .map(|part| part.trim_ascii())
        .max_by_key(|part| part.len())
        .filter(|part| !part.is_empty())?;
    Some(Needle {
        attributes: item.attributes.to_vec(),
        rule: *rule,
        part: Finder::new(part).into_owned(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::directory::tests::build::*;

    fn person(number: u32, street: &[&str]) -> crate::entry::Entry {
        local(number, Some(2), &format!("cn=p{number}"), "inetOrgPerson")
            .with("sn", &["x"])
            .with("street", street)
    }

    #[test]
    fn values_are_found_as_they_are_in_each_version() {
        let fixture = Fixture::new([
            local_top(2),
            person(3, &["5 Long Road", "Long Lane"]),
            person(4, &["Short Street"]),
        ]);
        let before = fixture.now();
        assert_eq!(find(&before, "(street=*LONG*)"), [3]);
        assert_eq!(find(&before, "(|(street=*long l*)(street=short*))"), [3, 4]);
        assert_eq!(find(&before, "(street= 5  long *)"), [3]);
        assert_eq!(find(&before, "(street=*road*lane*)"), [0; 0]);
        fixture.put([person(3, &["Wide Road"]), person(5, &["Long Alley"])]);
        let after = fixture.now();
        assert_eq!(find(&after, "(street=*long*)"), [5]);
        assert_eq!(find(&before, "(street=*long*)"), [3]);
        assert_eq!(find(&after, "(street=*r*)"), [3, 4]);
    }

    #[test]
    fn columns_that_did_not_change_are_kept_within_a_limit() {
        let column = |octets: usize| {
            Arc::new(Column {
                text: vec![0; octets].into(),
                values: Box::default(),
            })
        };
        let columns = Columns::default();
        columns.kept().keep((0, AttributeId(1)), column(10));
        columns.kept().keep((1, AttributeId(1)), column(10));
        let next = columns.without([1]);
        assert!(next.kept().columns.contains_key(&(0, AttributeId(1))));
        assert_eq!(next.kept().columns.len(), 1);
        assert_eq!(columns.kept().columns.len(), 2);
        next.kept().keep((2, AttributeId(1)), column(MOST / 2 + 1));
        next.kept().keep((3, AttributeId(1)), column(MOST / 2 + 1));
        assert_eq!(next.kept().columns.len(), 1);
        let octets: usize = next.kept().columns.values().map(|kept| kept.octets()).sum();
        assert_eq!(next.kept().octets, octets);
    }
}
