//! Persistent search (draft-ietf-ldapext-psearch-03).

use super::following::{Change, Report, Versions};
use crate::{
    ber::{self, write_integer, write_nested, write_octets},
    directory::EntryId,
    proto::{
        control::{PersistentSearch, oid},
        response::ResponseControl,
    },
};

const ADD: u32 = 1;
const DELETE: u32 = 2;
const MODIFY: u32 = 4;
const MODIFY_DN: u32 = 8;

/// What one client wants to hear of.
#[derive(Debug)]
pub(super) struct Persistent(PersistentSearch);

impl Persistent {
    pub(super) fn new(request: PersistentSearch) -> Self {
        Self(request)
    }

    /// Whether the search begins with what is there.
    pub(super) fn wants_content(&self) -> bool {
        !self.0.changes_only
    }

    /// How a change is told, if it is wanted.
    ///
    /// An entry that a rename brings or takes out of the content is told as renamed; one that is
    /// there but matches no more is none of the changes the draft knows.
    pub(super) fn report(
        &self,
        change: Change,
        versions: Versions<'_>,
        id: EntryId,
    ) -> Option<Report> {
        let Versions { before, after } = versions;
        let old_dn = before.is_served(id).then(|| before.dn(id));
        let new_dn = after.is_served(id).then(|| after.dn(id));
        let change_type = match (&old_dn, &new_dn) {
            (None, _) => ADD,
            (_, None) => DELETE,
            (old, new) if old != new => MODIFY_DN,
            _ if change == Change::Left => return None,
            _ => MODIFY,
        };
        if self.0.change_types & change_type == 0 {
            return None;
        }
        let previous = old_dn.filter(|_| change_type == MODIFY_DN);
        let control = self.0.return_entry_changes.then(|| {
            let number = i64::try_from(after.seq().0).unwrap_or(i64::MAX);
            entry_change(change_type, previous.as_deref(), number)
        });
        Some(Report {
            controls: control.into_iter().collect(),
            as_before: change_type == DELETE,
            bare: false,
        })
    }
}

/// EntryChangeNotification; the number is that of the commit, as in highestCommittedUSN.
fn entry_change(change_type: u32, previous_dn: Option<&str>, number: i64) -> ResponseControl {
    let mut value = Vec::new();
    write_nested(&mut value, ber::SEQUENCE, |out| {
        write_integer(out, ber::ENUMERATED, i64::from(change_type));
        if let Some(dn) = previous_dn {
            write_octets(out, ber::OCTET_STRING, dn.as_bytes());
        }
        write_integer(out, ber::INTEGER, number);
    });
    ResponseControl {
        oid: oid::ENTRY_CHANGE,
        value: Some(value),
    }
}
