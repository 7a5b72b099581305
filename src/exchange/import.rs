//! LDIF content records into local entries, all or nothing.

use std::{
    collections::{BTreeSet, HashMap},
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
    sync::mpsc::sync_channel,
    thread,
};

use thiserror::Error;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    auth::{
        hash_pool::{HashPool, PoolError},
        password::{PasswordError, UserPassword},
    },
    directory::{Directory, DirectoryError, Resolved, Snapshot, WriteError},
    dn::{Dn, DnError},
    entry::{Attribute, Entry, Origin},
    ldif::{LdifError, LdifReader, LdifRecord},
    schema::Schema,
    update::{
        Stamp, adopt,
        check::{Problem, check_record},
        names_context,
        password::is_password,
        take_links,
    },
};

/// Who is named as the creator of entries whose records name nobody.
const AUTHOR: &str = "cn=adduct import";

/// Records that are passed on at once.
const PORTION: usize = 128;
/// Portions that may wait to be taken.
const MOST_PORTIONS: usize = 16;

/// How to import.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// Replace local entries that are there already.
    pub replace: bool,
    /// The only tops allowed; empty for any.
    pub naming_contexts: Vec<String>,
}

/// Loads LDIF files as local entries of a directory that is closed with it, and returns how many;
/// `progress` gets the number of records read so far.
///
/// Parents may come after children and in other files. DNs in link attributes become identities
/// where they name an entry, here or there already, and stay text where they do not. Passwords in
/// the clear are hashed. Blocks; must not be called from async code.
///
/// # Errors
/// [`ImportError`] names file, line and DN; nothing is changed then.
pub fn import(
    directory: Directory,
    hashes: &HashPool,
    files: &[PathBuf],
    options: &ImportOptions,
    mut progress: impl FnMut(u64),
) -> Result<u64, ImportError> {
    let snapshot = directory.snapshot();
    let mut batch = Batch::new(snapshot.schema());
    read(files, |file, record| {
        batch.add(file, record)?;
        progress(batch.records.len() as u64);
        Ok(())
    })?;
    batch.hash_passwords(hashes)?;
    let entries = batch.into_entries(&snapshot, options)?;
    let count = entries.len() as u64;
    let stored = if snapshot.stored() == 0 {
        directory.fill(entries.into_iter().map(|(_, entry)| entry))
    } else {
        add(&directory, entries)
    };
    stored.map_err(ImportError::Directory)?;
    Ok(count)
}

/// Reads records on a thread of its own and passes them on, in order.
fn read(
    files: &[PathBuf],
    mut take: impl FnMut(&Path, LdifRecord) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    thread::scope(|scope| {
        // Dropped where a record is refused, which ends the reader.
        let (sender, portions) = sync_channel(MOST_PORTIONS);
        scope.spawn(move || {
            for file in files {
                let send = |portion| sender.send((file, portion)).is_ok();
                if !read_file(file, send) {
                    return;
                }
            }
        });
        for (file, portion) in portions {
            for record in portion? {
                take(file, record)?;
            }
        }
        Ok(())
    })
}

/// Reads one file; false where it cannot be read, or nobody wants more.
fn read_file(file: &Path, send: impl Fn(Result<Vec<LdifRecord>, ImportError>) -> bool) -> bool {
    let opened = match File::open(file) {
        Ok(opened) => opened,
        Err(error) => {
            let file = file.to_owned();
            send(Err(ImportError::Open { file, error }));
            return false;
        }
    };
    let mut portion = Vec::with_capacity(PORTION);
    for record in LdifReader::new(BufReader::with_capacity(1 << 20, opened)).allow_file_urls() {
        match record {
            Ok(record) => portion.push(record),
            Err(error) => {
                // What is wrong with records before it comes first.
                let file = file.to_owned();
                let _ = send(Ok(portion)) && send(Err(ImportError::Ldif { file, error }));
                return false;
            }
        }
        if portion.len() == PORTION
            && !send(Ok(std::mem::replace(
                &mut portion,
                Vec::with_capacity(PORTION),
            )))
        {
            return false;
        }
    }
    send(Ok(portion))
}

/// Adds entries to others, some of which may have waited for them.
fn add(directory: &Directory, entries: Vec<(Dn, Entry)>) -> Result<(), DirectoryError> {
    let added = directory.write(|transaction| {
        let mut names = Vec::with_capacity(entries.len());
        for (dn, entry) in entries {
            names.push((dn, entry.uuid));
            transaction.put(entry);
        }
        for (dn, uuid) in names {
            adopt(transaction, &dn, uuid)?;
        }
        Ok(())
    });
    added.map_err(|error| match error {
        WriteError::Refused(error) | WriteError::Directory(error) => error,
    })
}

/// The records of all files, by their names.
struct Batch<'s> {
    schema: &'s Schema,
    records: Vec<Record>,
    /// Positions by normalized DN.
    names: HashMap<Vec<u8>, usize>,
    /// Which password, of which record and value, is in the clear.
    cleartext: Vec<(usize, usize, usize)>,
    stamp: Stamp,
}

struct Record {
    place: Place,
    dn: Dn,
    uuid: Uuid,
    attributes: Vec<Attribute>,
}

/// Where a record stands.
#[derive(Clone, Debug)]
pub struct Place {
    file: PathBuf,
    line: u64,
    dn: String,
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{}:{}: {}",
            self.file.display(),
            self.line,
            self.dn
        )
    }
}

impl<'s> Batch<'s> {
    fn new(schema: &'s Schema) -> Self {
        Self {
            schema,
            records: Vec::new(),
            names: HashMap::new(),
            cleartext: Vec::new(),
            stamp: Stamp::now(AUTHOR),
        }
    }

    fn add(&mut self, file: &Path, record: LdifRecord) -> Result<(), ImportError> {
        let place = Place {
            file: file.to_owned(),
            line: record.line,
            dn: record.dn,
        };
        let dn = match Dn::parse(&place.dn) {
            Ok(dn) if !dn.is_root() => dn,
            Ok(_) => return Err(ImportError::RootDse { place }),
            Err(error) => return Err(ImportError::Dn { place, error }),
        };
        let mut attributes = record.attributes;
        if let Some(rdn) = dn.rdn() {
            check_record(self.schema, rdn, &mut attributes).map_err(|problem| {
                ImportError::Record {
                    place: place.clone(),
                    problem,
                }
            })?;
        }
        let name = self.name(&dn, &place)?;
        let position = self.records.len();
        if let Some(other) = self.names.insert(name, position) {
            let first = self
                .records
                .get(other)
                .map(|record| record.place.to_string());
            return Err(ImportError::Twice {
                place,
                first: first.unwrap_or_default(),
            });
        }
        self.note_passwords(position, &attributes, &place)?;
        let uuid = take_uuid(&mut attributes).unwrap_or_else(Uuid::new_v4);
        self.stamp.created(&mut attributes);
        self.records.push(Record {
            place,
            dn,
            uuid,
            attributes,
        });
        Ok(())
    }

    fn name(&self, dn: &Dn, place: &Place) -> Result<Vec<u8>, ImportError> {
        let mut name = Vec::with_capacity(64);
        self.schema
            .normalize_dn_into(dn, &mut name)
            .map_err(|error| ImportError::Name {
                place: place.clone(),
                problem: error.0,
            })?;
        Ok(name)
    }

    fn note_passwords(
        &mut self,
        record: usize,
        attributes: &[Attribute],
        place: &Place,
    ) -> Result<(), ImportError> {
        for (position, attribute) in attributes.iter().enumerate() {
            if !is_password(self.schema, attribute.description.as_bytes()) {
                continue;
            }
            for (value, octets) in attribute.values.iter().enumerate() {
                match UserPassword::parse(octets) {
                    Ok(UserPassword::Hashed(_)) => {}
                    Ok(UserPassword::Cleartext(_)) => {
                        self.cleartext.push((record, position, value));
                    }
                    Err(error) => {
                        return Err(ImportError::Password {
                            place: place.clone(),
                            error,
                        });
                    }
                }
            }
        }
        Ok(())
    }

    /// Hashes what is in the clear, on all workers.
    fn hash_passwords(&mut self, hashes: &HashPool) -> Result<(), ImportError> {
        let cleartext = std::mem::take(&mut self.cleartext);
        let mut passwords = Vec::with_capacity(cleartext.len());
        for (record, attribute, value) in &cleartext {
            if let Some(stored) = self.value_mut(*record, *attribute, *value) {
                let stored = Zeroizing::new(std::mem::take(stored));
                if let Ok(UserPassword::Cleartext(password)) = UserPassword::parse(&stored) {
                    passwords.push(Zeroizing::new(password.to_vec()));
                }
            }
        }
        let hashed = hashes.hash_all_blocking(passwords)?;
        for ((record, attribute, value), hash) in cleartext.into_iter().zip(hashed) {
            if let Some(stored) = self.value_mut(record, attribute, value) {
                *stored = hash.into_bytes();
            }
        }
        Ok(())
    }

    fn value_mut(&mut self, record: usize, attribute: usize, value: usize) -> Option<&mut Vec<u8>> {
        self.records
            .get_mut(record)?
            .attributes
            .get_mut(attribute)?
            .values
            .get_mut(value)
    }

    /// Finds parents, identities and links.
    fn into_entries(
        self,
        snapshot: &Snapshot,
        options: &ImportOptions,
    ) -> Result<Vec<(Dn, Entry)>, ImportError> {
        let mut uuids = BTreeSet::new();
        let mut identities = Vec::with_capacity(self.records.len());
        for record in &self.records {
            let uuid = match present(snapshot, &record.dn) {
                Some((_, Origin::Source(source))) => {
                    return Err(ImportError::Replicated {
                        place: record.place.clone(),
                        source_name: source,
                    });
                }
                Some(_) if !options.replace => {
                    return Err(ImportError::Present {
                        place: record.place.clone(),
                    });
                }
                Some((uuid, Origin::Local)) => uuid,
                // An entry of another name, perhaps one from AD, must not be replaced by mistake.
                None if is_taken(snapshot, record.uuid) => {
                    return Err(ImportError::Uuid {
                        place: record.place.clone(),
                        uuid: record.uuid,
                    });
                }
                None => record.uuid,
            };
            if !uuids.insert(uuid) {
                return Err(ImportError::Uuid {
                    place: record.place.clone(),
                    uuid,
                });
            }
            identities.push(uuid);
        }
        let resolver = Resolver {
            schema: self.schema,
            snapshot,
            names: &self.names,
            identities: &identities,
        };
        let mut entries = Vec::with_capacity(self.records.len());
        for (record, uuid) in self.records.into_iter().zip(&identities) {
            let parent = resolver.parent(&record, options)?;
            let rdn = match (&parent, record.dn.rdn()) {
                (Some(_), Some(rdn)) => rdn.to_string(),
                _ => record.dn.to_string(),
            };
            let mut attributes = record.attributes;
            let links = take_links(self.schema, &mut attributes, |dn| resolver.find(dn));
            let entry = Entry {
                uuid: *uuid,
                parent,
                rdn,
                origin: Origin::Local,
                attributes,
                links,
            };
            entries.push((record.dn, entry));
        }
        Ok(entries)
    }
}

/// Finds entries among those that are imported and those that are there.
struct Resolver<'r> {
    schema: &'r Schema,
    snapshot: &'r Snapshot,
    names: &'r HashMap<Vec<u8>, usize>,
    identities: &'r [Uuid],
}

impl Resolver<'_> {
    fn find(&self, dn: &Dn) -> Option<Uuid> {
        let mut name = Vec::with_capacity(64);
        self.schema.normalize_dn_into(dn, &mut name).ok()?;
        match self.names.get(&name) {
            Some(position) => self.identities.get(*position).copied(),
            None => present(self.snapshot, dn).map(|(uuid, _)| uuid),
        }
    }

    /// The entry above; `None` for the top of a naming context.
    fn parent(
        &self,
        record: &Record,
        options: &ImportOptions,
    ) -> Result<Option<Uuid>, ImportError> {
        let mut above = record.dn.parent();
        let parent = above.as_ref().and_then(|dn| self.find(dn));
        if parent.is_some() {
            return Ok(parent);
        }
        // A top has nothing above it; where there is something higher up, a level is missing.
        while let Some(dn) = above.filter(|dn| !dn.is_root()) {
            if self.find(&dn).is_some() {
                return Err(ImportError::Parent {
                    place: record.place.clone(),
                    nearest: dn.to_string(),
                });
            }
            above = dn.parent();
        }
        let allowed = options.naming_contexts.is_empty()
            || names_context(self.schema, &options.naming_contexts, &record.dn);
        if allowed {
            Ok(None)
        } else {
            Err(ImportError::NamingContext {
                place: record.place.clone(),
            })
        }
    }
}

fn present(snapshot: &Snapshot, dn: &Dn) -> Option<(Uuid, Origin)> {
    let Resolved::Found(id) = snapshot.resolve(dn) else {
        return None;
    };
    let entry = snapshot.entry(id)?;
    let origin = snapshot.origin(entry.origin)?.origin.clone();
    Some((entry.uuid, origin))
}

fn is_taken(snapshot: &Snapshot, uuid: Uuid) -> bool {
    snapshot
        .id_of(uuid)
        .is_some_and(|id| snapshot.entry(id).is_some())
}

/// An entryUUID in the record is kept, so that an export can be taken back.
fn take_uuid(attributes: &mut Vec<Attribute>) -> Option<Uuid> {
    let position = attributes
        .iter()
        .position(|attribute| attribute.description.eq_ignore_ascii_case("entryUUID"))?;
    let attribute = attributes.remove(position);
    let text = attribute.values.into_iter().next()?;
    Uuid::parse_str(std::str::from_utf8(&text).ok()?).ok()
}

/// Why nothing was imported.
#[derive(Debug, Error)]
pub enum ImportError {
    /// A file cannot be opened.
    #[error("{}: {error}", file.display())]
    Open {
        /// The file.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file is no LDIF.
    #[error("{}: {error}", file.display())]
    Ldif {
        /// The file.
        file: PathBuf,
        /// Line, DN and reason.
        error: LdifError,
    },
    /// A name is no DN.
    #[error("{place}: not a DN: {error}")]
    Dn {
        /// Where.
        place: Place,
        /// Why.
        error: DnError,
    },
    /// The empty DN.
    #[error("{place}: the empty DN is that of the root DSE, which the server makes itself")]
    RootDse {
        /// Where.
        place: Place,
    },
    /// A name cannot be compared.
    #[error("{place}: the DN cannot be compared: {problem}")]
    Name {
        /// Where.
        place: Place,
        /// Why.
        problem: &'static str,
    },
    /// The record is no entry.
    #[error("{place}: {problem}")]
    Record {
        /// Where.
        place: Place,
        /// Why.
        problem: Problem,
    },
    /// Two records have the same name.
    #[error("{place}: this entry came before, at {first}")]
    Twice {
        /// Where.
        place: Place,
        /// Where it came before.
        first: String,
    },
    /// The entry is there.
    #[error("{place}: this entry is there already: use --replace to replace such entries")]
    Present {
        /// Where.
        place: Place,
    },
    /// The entry belongs to AD.
    #[error("{place}: this entry comes from source {source_name}: change it in Active Directory")]
    Replicated {
        /// Where.
        place: Place,
        /// The source's name.
        source_name: String,
    },
    /// Two records have the same entryUUID.
    #[error("{place}: another entry has the entryUUID {uuid}, too")]
    Uuid {
        /// Where.
        place: Place,
        /// The identity.
        uuid: Uuid,
    },
    /// The entry above is missing.
    #[error("{place}: the entry above it is missing; the nearest there is {nearest}")]
    Parent {
        /// Where.
        place: Place,
        /// The nearest entry above.
        nearest: String,
    },
    /// The entry would be a top that is not configured.
    #[error("{place}: it lies in none of the configured naming_contexts")]
    NamingContext {
        /// Where.
        place: Place,
    },
    /// A stored password cannot be verified.
    #[error("{place}: userPassword: {error}")]
    Password {
        /// Where.
        place: Place,
        /// Why.
        error: PasswordError,
    },
    /// A password cannot be hashed.
    #[error("cannot hash a password: {0}")]
    Hash(#[from] PoolError),
    /// The store failed.
    #[error(transparent)]
    Directory(DirectoryError),
}
