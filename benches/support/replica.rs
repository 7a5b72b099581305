//! The generated directory in memory, as the server holds it.
//!
//! Unlike the rest of the support this uses the crate; benches name it beside the rest.

#![allow(dead_code, reason = "every bench uses its own part of this")]

use std::sync::Arc;

use adduct::access::Secrets;
use adduct::auth::hash_pool::HashPool;
use adduct::directory::{
    AttributeSelection, BoundFilter, Directory, EntryId, Search, ServedEntry, Snapshot, Step,
};
use adduct::exchange::{ImportOptions, import};
use adduct::proto::MessageId;
use adduct::proto::request::{Filter, SearchScope};
use adduct::proto::response::write_entry;
use adduct::schema::Schema;
use adduct::store::MemoryStore;
use anyhow::Context;

use crate::support::population::{BASE, Pattern, Population};
use crate::support::{fixtures, ldif};

/// One version of the directory, and what nobody reads of it.
pub(crate) struct Replica {
    pub(crate) population: Population,
    pub(crate) directory: Arc<Directory>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) secrets: Secrets,
    base: EntryId,
}

impl Replica {
    /// 10,000 users and 200 groups; panics where that fails.
    pub(crate) fn generate() -> Self {
        Self::of_size(10_000, 200)
    }

    /// Imports the generated directory; panics where that fails.
    pub(crate) fn of_size(users: u32, groups: u32) -> Self {
        Self::try_generate(users, groups).unwrap_or_else(|error| panic!("the directory: {error:#}"))
    }

    fn try_generate(users: u32, groups: u32) -> anyhow::Result<Self> {
        let population = Population::generated(BASE, Pattern::default(), users, groups);
        let files = tempfile::tempdir()?;
        let content = files.path().join("content.ldif");
        ldif::write_file(&content, &population)?;

        let schema = Schema::shared_builtin();
        let secrets = Secrets::new(&schema);
        let store = Arc::new(MemoryStore::new());
        let open = || {
            Directory::open(
                Arc::clone(&store) as Arc<_>,
                Arc::clone(&schema),
                Vec::new(),
            )
        };
        let options = ImportOptions::default();
        import(
            open()?.0,
            &HashPool::new(1, 1)?,
            &[content],
            &options,
            |_| {},
        )?;
        let (directory, _) = open()?;
        directory.index_substrings();
        let snapshot = directory.snapshot();
        let base = snapshot.resolve_str(BASE).context("it has no base")?;
        Ok(Self {
            population,
            directory: Arc::new(directory),
            snapshot,
            secrets,
            base,
        })
    }

    /// The entry of a DN that is known to be there.
    pub(crate) fn entry(&self, dn: &str) -> (EntryId, &ServedEntry) {
        let id = self.snapshot.resolve_str(dn);
        id.and_then(|id| Some((id, &**self.snapshot.entry(id)?)))
            .unwrap_or_else(|| panic!("{dn} is missing"))
    }

    /// A filter as the server evaluates it.
    pub(crate) fn bind(&self, filter: &Filter<'_>) -> BoundFilter {
        BoundFilter::bind(filter, &self.snapshot, &self.secrets)
    }

    /// An attribute list as the server writes it.
    pub(crate) fn select(&self, attributes: &[&[u8]]) -> AttributeSelection {
        AttributeSelection::new(&self.snapshot, attributes, false, &self.secrets)
    }

    /// Answers a search of the whole subtree, as the server does once it is decoded; returns the
    /// number of entries.
    pub(crate) fn search(
        &self,
        filter: &Filter<'_>,
        attributes: &[&[u8]],
        out: &mut Vec<u8>,
    ) -> u64 {
        let mut search = Search::new(
            Arc::clone(&self.snapshot),
            Some(self.base),
            SearchScope::WholeSubtree,
            self.bind(filter),
        );
        let selection = self.select(attributes);
        let mut budget = usize::MAX;
        let mut found = 0;
        while let Step::Match(id) = search.next(&mut budget) {
            if let Some(entry) = self.snapshot.entry(id) {
                self.write((id, entry), &selection, out);
                found += 1;
            }
        }
        found
    }

    /// Appends the answer that carries one entry.
    pub(crate) fn write(
        &self,
        (id, entry): (EntryId, &ServedEntry),
        selection: &AttributeSelection,
        out: &mut Vec<u8>,
    ) {
        write_entry(
            out,
            MESSAGE_ID,
            |out| self.snapshot.write_dn(id, out),
            |out| selection.write(&self.snapshot, id, &entry.attributes, out),
            &[],
        );
    }
}

/// Attribute descriptions in the form of a request.
pub(crate) fn octets<'a>(attributes: &[&'a str]) -> Vec<&'a [u8]> {
    attributes.iter().map(|name| name.as_bytes()).collect()
}

const MESSAGE_ID: MessageId = MessageId(fixtures::MESSAGE_ID);
