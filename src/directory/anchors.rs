//! Which entries the DNs of the sources' selections stand for, through renames and moves.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{
    EntryId,
    record::{self, Records},
    snapshot::{Resolved, Snapshot},
    source::SourceSettings,
};
use crate::{dn::Dn, store::MAX_PAYLOAD};

/// The meta records with what a DN stands for start so; the source's name and a number follow.
pub(super) const SELECT: &str = "select/";

/// For each DN of a selection the entry that was last found under it.
#[derive(Clone, Debug, Default)]
pub(super) struct Anchors {
    /// By the source's name and the DN as it is configured.
    found: BTreeMap<(String, String), Uuid>,
    /// What those are called now that lie under their DNs no more; kept to say it once.
    renamed: BTreeMap<(String, String), String>,
}

impl Anchors {
    /// Remembers again what a record says, if the DN is still configured; `None` where the record
    /// makes no sense.
    pub(super) fn recall(
        &mut self,
        name: &str,
        payload: &[u8],
        sources: &[SourceSettings],
    ) -> Option<()> {
        let (source, _) = name.strip_prefix(SELECT)?.rsplit_once('/')?;
        let (uuid, dn) = payload.split_first_chunk()?;
        let dn = std::str::from_utf8(dn).ok()?;
        let is_configured = sources.iter().any(|settings| {
            settings.name == source && settings.select.dns().any(|configured| configured == dn)
        });
        if is_configured {
            let key = (source.to_owned(), dn.to_owned());
            self.found.insert(key, Uuid::from_bytes(*uuid));
        }
        Some(())
    }

    /// The records that keep all this: one for each DN, since a long list has no room in one.
    pub(super) fn records(&self) -> Records {
        let mut records = Records::new();
        for (number, ((source, dn), uuid)) in self.found.iter().enumerate() {
            let payload = [uuid.as_bytes(), dn.as_bytes()].concat();
            if payload.len() <= MAX_PAYLOAD {
                let key = record::meta_key(&format!("{SELECT}{source}/{number}"));
                records.insert(key, payload);
            }
        }
        records
    }

    /// Looks every DN of a source up: what lies under it now is what it stands for from now on.
    pub(super) fn find(&mut self, source: &SourceSettings, snapshot: &Snapshot) {
        for dn in source.select.dns() {
            let key = (source.name.clone(), dn.clone());
            match locate(snapshot, dn).and_then(|id| snapshot.entry(id)) {
                Some(entry) => {
                    self.renamed.remove(&key);
                    self.found.insert(key, entry.uuid);
                }
                None => self.tell_renamed(key, snapshot),
            }
        }
    }

    /// The entry a DN stands for; `None` where it was never found or is there no more.
    pub(super) fn entry(
        &self,
        source: &SourceSettings,
        dn: &str,
        snapshot: &Snapshot,
    ) -> Option<EntryId> {
        let key = (source.name.clone(), dn.to_owned());
        let id = snapshot.id_of(*self.found.get(&key)?)?;
        snapshot.entry(id).map(|_| id)
    }

    /// Tells the administrator what to write instead, once for each new name.
    fn tell_renamed(&mut self, key: (String, String), snapshot: &Snapshot) {
        let uuid = self.found.get(&key);
        let Some(id) = uuid.and_then(|uuid| snapshot.id_of(*uuid)) else {
            return;
        };
        let now = snapshot.dn(id);
        // While something above it has not come yet its DN breaks off.
        if locate(snapshot, &now) != Some(id) || self.renamed.get(&key) == Some(&now) {
            return;
        }
        let (source, configured) = &key;
        tracing::warn!(
            source,
            configured,
            now,
            "an entry that the selection names was renamed or moved; it is still meant, but the configuration should name it as it is called now"
        );
        self.renamed.insert(key, now);
    }
}

/// The entry under a DN, served or not.
fn locate(snapshot: &Snapshot, dn: &str) -> Option<EntryId> {
    match snapshot.locate(&Dn::parse(dn).ok()?, |_| true) {
        Resolved::Found(id) => Some(id),
        Resolved::Missing { .. } => None,
    }
}
