//! The directory as LDIF that [`super::import()`] takes back.

use std::io::{self, Write};

use thiserror::Error;

use crate::{
    ber,
    directory::{
        Directory, DirectoryError, EntryId, Kind, Resolved, Snapshot, WriteError,
        derived::{Derivation, LINK_ATTRIBUTES},
    },
    dn::Dn,
    entry::Attribute,
    ldif::LdifWriter,
};

/// Writes an entry and those below it, or everything; returns how many entries.
///
/// Local entries are written as they are stored, passwords included; entries from AD as they are
/// served. Parents come before children. Blocks.
///
/// # Errors
/// [`ExportError`].
pub fn export(
    directory: &Directory,
    base: Option<&str>,
    out: &mut dyn Write,
) -> Result<u64, ExportError> {
    let snapshot = directory.snapshot();
    let mut open = tops(&snapshot, base)?;
    open.reverse();
    let mut writer = LdifWriter::new(out);
    let mut count = 0;
    while let Some(id) = open.pop() {
        let attributes = attributes(directory, &snapshot, id)?;
        writer.write_record(&snapshot.dn(id), &attributes)?;
        count += 1;
        let mut children: Vec<EntryId> = snapshot.children(id).collect();
        children.reverse();
        open.extend(children);
    }
    writer.finish()?;
    Ok(count)
}

fn tops(snapshot: &Snapshot, base: Option<&str>) -> Result<Vec<EntryId>, ExportError> {
    let Some(base) = base else {
        return Ok(snapshot.naming_contexts().collect());
    };
    let dn = Dn::parse(base).map_err(|error| ExportError::Dn {
        dn: base.to_owned(),
        problem: error.to_string(),
    })?;
    match snapshot.resolve(&dn) {
        Resolved::Found(id) => Ok(vec![id]),
        Resolved::Missing { nearest } => Err(ExportError::NoSuchEntry {
            dn: base.to_owned(),
            nearest: nearest.map(|id| snapshot.dn(id)).unwrap_or_default(),
        }),
    }
}

fn attributes(
    directory: &Directory,
    snapshot: &Snapshot,
    id: EntryId,
) -> Result<Vec<Attribute>, ExportError> {
    let Some(entry) = snapshot.entry(id) else {
        return Ok(Vec::new());
    };
    let mut attributes = if entry.kind == Kind::Local {
        stored(directory, entry.uuid)?
    } else {
        entry
            .attributes
            .iter()
            .map(|attribute| Attribute {
                description: String::from_utf8_lossy(attribute.description()).into_owned(),
                values: attribute.values().map(<[u8]>::to_vec).collect(),
            })
            .collect()
    };
    attributes.retain(|attribute| !attribute.description.eq_ignore_ascii_case("uSNChanged"));
    for name in LINK_ATTRIBUTES {
        add_links(snapshot, id, name, &mut attributes);
    }
    if !attributes
        .iter()
        .any(|attribute| attribute.description.eq_ignore_ascii_case("entryUUID"))
    {
        attributes.push(Attribute {
            description: "entryUUID".to_owned(),
            values: vec![entry.uuid.to_string().into_bytes()],
        });
    }
    // Readable: objectClass first, the rest by name.
    attributes.sort_by_cached_key(|attribute| {
        let name = attribute.description.to_ascii_lowercase();
        (name != "objectclass", name)
    });
    Ok(attributes)
}

fn stored(directory: &Directory, uuid: uuid::Uuid) -> Result<Vec<Attribute>, ExportError> {
    let entry = directory
        .write(|transaction| transaction.get(uuid))
        .map_err(|error| match error {
            WriteError::Refused(error) | WriteError::Directory(error) => error,
        })?;
    Ok(entry.map(|entry| entry.attributes).unwrap_or_default())
}

/// Adds the DNs of linked entries to those that are text.
fn add_links(snapshot: &Snapshot, id: EntryId, name: &str, attributes: &mut Vec<Attribute>) {
    let Some(attribute) = snapshot.schema().attribute(name.as_bytes()) else {
        return;
    };
    let mut octets = Vec::new();
    Derivation::Link(attribute).write_values(snapshot, id, &mut octets);
    let mut reader = ber::Reader::new(&octets);
    let values: Vec<Vec<u8>> =
        std::iter::from_fn(|| Some(reader.octets().ok()?.to_vec())).collect();
    if values.is_empty() {
        return;
    }
    match attributes
        .iter_mut()
        .find(|own| own.description.eq_ignore_ascii_case(name))
    {
        Some(own) => own.values.extend(values),
        None => attributes.push(Attribute {
            description: name.to_owned(),
            values,
        }),
    }
}

/// Why an export ended early.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The base is no DN.
    #[error("{dn}: not a DN: {problem}")]
    Dn {
        /// What was given.
        dn: String,
        /// Why.
        problem: String,
    },
    /// The base does not exist.
    #[error("there is no entry {dn}; the nearest above it is '{nearest}'")]
    NoSuchEntry {
        /// What was given.
        dn: String,
        /// The nearest entry above.
        nearest: String,
    },
    /// The store failed.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// Writing failed.
    #[error("writing: {0}")]
    Io(#[from] io::Error),
}
