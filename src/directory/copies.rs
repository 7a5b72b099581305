//! Entries as they were written last, for answers that carry many of them.
//!
//! Performance critical: what is asked of all entries is asked again and again, by every client in
//! the same form. Copying an entry costs a few octets a nanosecond, composing it from stored
//! attributes, names and links many times that. A version starts with what the one before it had,
//! less what its change affects.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{EntryId, selection::AttributeSelection, snapshot::Snapshot};

/// How many entries, by id, are kept together.
const ENTRIES: u32 = 256;
/// Octets that are kept in all.
const MOST: usize = 64 * 1024 * 1024;
/// Octets of an entry that is kept: more are copied as fast from where they are stored.
const LARGE: usize = 8 * 1024;
/// Octets an entry takes beside its own.
const OVERHEAD: usize = 32;
/// How many forms are kept.
const MOST_FORMS: usize = 8;

/// What was written of one version of the directory.
#[derive(Debug, Default)]
pub(super) struct Copies(Mutex<Kept>);

#[derive(Clone, Debug, Default)]
struct Kept {
    /// The one that was used last is the last.
    forms: Vec<Kind>,
    octets: usize,
}

/// The entries in one form.
#[derive(Clone, Debug)]
struct Kind {
    form: Arc<Form>,
    rows: imbl::OrdMap<u32, Arc<Row>>,
    octets: usize,
}

/// What is written of each entry.
#[derive(Debug)]
struct Form {
    selection: Arc<AttributeSelection>,
    /// Tells what the attributes are written into.
    frame: Box<[u8]>,
}

#[derive(Clone, Debug)]
struct Row {
    entries: Box<[Option<Arc<[u8]>>]>,
    octets: usize,
}

impl Copies {
    /// What still holds after a change that affects these entries.
    pub(super) fn without(&self, affected: &[EntryId]) -> Self {
        let mut kept = self.kept().clone();
        for kind in &mut kept.forms {
            for id in affected {
                kept.octets -= kind.forget(*id);
            }
        }
        Self(Mutex::new(kept))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing panics half way through a change of it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Keeps a row in place of the one that was there; false where there is no room left for this
    /// form even without all others.
    fn keep(&mut self, form: &Arc<Form>, number: u32, row: Arc<Row>) -> bool {
        let place = self.forms.iter().position(|kind| kind.form.is_like(form));
        let mut kind = match place {
            Some(place) => self.forms.remove(place),
            None => Kind {
                form: Arc::clone(form),
                rows: imbl::OrdMap::new(),
                octets: 0,
            },
        };
        let before = kind.rows.get(&number).map_or(0, |row| row.octets);
        let more = row.octets.saturating_sub(before);
        while self.forms.len() >= MOST_FORMS
            || (self.octets + more > MOST && !self.forms.is_empty())
        {
            self.octets -= self.forms.remove(0).octets;
        }
        let fits = self.octets + more <= MOST;
        if fits {
            self.octets = self.octets - before + row.octets;
            kind.octets = kind.octets - before + row.octets;
            kind.rows.insert(number, row);
        }
        self.forms.push(kind);
        fits
    }
}

impl Kind {
    /// Returns how many octets that were.
    fn forget(&mut self, id: EntryId) -> usize {
        let number = id.0 / ENTRIES;
        let Some(row) = self.rows.get_mut(&number) else {
            return 0;
        };
        if row.get(id).is_none() {
            return 0;
        }
        let octets = Arc::make_mut(row).set(id, None);
        if row.octets == 0 {
            self.rows.remove(&number);
        }
        self.octets -= octets;
        octets
    }
}

impl Form {
    fn is_like(&self, other: &Self) -> bool {
        self.frame == other.frame
            && (Arc::ptr_eq(&self.selection, &other.selection)
                || self.selection.is_like(&other.selection))
    }
}

impl Row {
    fn new() -> Self {
        Self {
            entries: vec![None; ENTRIES as usize].into(),
            octets: 0,
        }
    }

    fn get(&self, id: EntryId) -> Option<&Arc<[u8]>> {
        self.entries.get((id.0 % ENTRIES) as usize)?.as_ref()
    }

    /// Returns how many octets were there before.
    fn set(&mut self, id: EntryId, octets: Option<Arc<[u8]>>) -> usize {
        let Some(slot) = self.entries.get_mut((id.0 % ENTRIES) as usize) else {
            return 0;
        };
        let size = |octets: &Option<Arc<[u8]>>| {
            octets.as_ref().map_or(0, |octets| octets.len() + OVERHEAD)
        };
        let before = size(slot);
        self.octets = self.octets + size(&octets) - before;
        *slot = octets;
        before
    }
}

/// Gives entries in one form, ascending at best, and keeps what had to be written.
#[derive(Debug)]
pub struct Copier {
    copies: Arc<Copies>,
    form: Arc<Form>,
    number: u32,
    row: Arc<Row>,
    /// Whether the row is not kept yet as it is.
    is_new: bool,
    /// Whether what is not there can still be kept.
    has_room: bool,
    written: Vec<u8>,
}

impl Copier {
    /// For the attributes that a selection writes into a frame; `None` where more than the entries
    /// that the change log names may be written otherwise after a change.
    pub fn new(
        snapshot: &Snapshot,
        selection: &Arc<AttributeSelection>,
        frame: &[u8],
    ) -> Option<Self> {
        selection.is_logged().then(|| {
            let mut copier = Self {
                copies: Arc::clone(&snapshot.copies),
                form: Arc::new(Form {
                    selection: Arc::clone(selection),
                    frame: frame.into(),
                }),
                number: 0,
                row: Arc::new(Row::new()),
                is_new: false,
                has_room: true,
                written: Vec::new(),
            };
            copier.load(0);
            copier
        })
    }

    /// What was written of an entry before, else what `write` appends.
    pub fn get(&mut self, id: EntryId, write: impl FnOnce(&mut Vec<u8>)) -> &[u8] {
        let number = id.0 / ENTRIES;
        if self.number != number {
            self.keep();
            self.load(number);
        }
        if self.row.get(id).is_none() {
            self.written.clear();
            write(&mut self.written);
            if !self.has_room || self.written.len() > LARGE {
                return &self.written;
            }
            Arc::make_mut(&mut self.row).set(id, Some(self.written.as_slice().into()));
            self.is_new = true;
        }
        self.row.get(id).map_or(&[], |octets| octets)
    }

    fn load(&mut self, number: u32) {
        let kept = self.copies.kept();
        let kind = kept.forms.iter().find(|kind| kind.form.is_like(&self.form));
        let row = kind.and_then(|kind| kind.rows.get(&number));
        self.row = row.map_or_else(|| Arc::new(Row::new()), Arc::clone);
        self.number = number;
    }

    fn keep(&mut self) {
        if std::mem::take(&mut self.is_new) {
            let row = Arc::clone(&self.row);
            self.has_room = self.copies.kept().keep(&self.form, self.number, row);
        }
    }
}

impl Drop for Copier {
    fn drop(&mut self) {
        self.keep();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::tests::build::*;

    fn form(label: &[u8]) -> Arc<Form> {
        let fixture = Fixture::new([local_top(1)]);
        let now = fixture.now();
        let secrets = crate::access::Secrets::new(now.schema());
        Arc::new(Form {
            selection: Arc::new(AttributeSelection::new(&now, &[], false, &secrets)),
            frame: label.into(),
        })
    }

    fn row(octets: usize) -> Arc<Row> {
        let mut row = Row::new();
        row.set(EntryId(3), Some(vec![0; octets].into()));
        Arc::new(row)
    }

    #[test]
    fn what_is_kept_has_a_limit_and_the_form_used_last_stays() {
        let copies = Copies::default();
        let (one, other) = (form(b"one"), form(b"other"));
        assert!(copies.kept().keep(&one, 0, row(MOST / 2)));
        assert!(copies.kept().keep(&other, 0, row(MOST / 3)));
        assert!(copies.kept().keep(&other, 1, row(MOST / 3)));
        assert_eq!(copies.kept().forms.len(), 1);
        assert!(!copies.kept().keep(&other, 2, row(MOST / 2)));
        assert_eq!(copies.kept().octets, 2 * (MOST / 3 + OVERHEAD));
        assert!(copies.kept().keep(&other, 1, row(10)));
        assert_eq!(copies.kept().octets, MOST / 3 + 10 + 2 * OVERHEAD);
        assert!(copies.kept().keep(&one, 0, row(10)));
        assert_eq!(copies.kept().forms.len(), 2);
        for number in 0..20 {
            copies.kept().keep(&form(&[number]), 0, row(10));
        }
        assert_eq!(copies.kept().forms.len(), MOST_FORMS);
        assert_eq!(copies.kept().octets, MOST_FORMS * (10 + OVERHEAD));
    }

    #[test]
    fn what_a_change_affects_is_forgotten_in_the_next_version_alone() {
        let copies = Copies::default();
        copies.kept().keep(&form(b""), 0, row(10));
        copies.kept().keep(&form(b""), 1, row(20));
        let next = copies.without(&[EntryId(3), EntryId(4)]);
        assert_eq!(next.kept().octets, 20 + OVERHEAD);
        assert!(!next.kept().forms[0].rows.contains_key(&0));
        assert_eq!(copies.kept().octets, 30 + 2 * OVERHEAD);
    }
}
