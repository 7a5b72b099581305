//! From a configuration to an open directory.

use std::{fs, path::PathBuf, sync::Arc};

use anyhow::Context as _;

use crate::{
    config::Config,
    directory::{Directory, SelectSettings, SourceSettings},
    mapping::{
        config::{Ids, MemberUid, NameCase, PosixConfig},
        policy::{self, IdPolicy, PosixPolicy},
    },
    schema::Schema,
    store::SledStore,
    sync::config::SourceConfig,
};

/// Opens the store of a configuration and loads everything.
pub(super) fn directory(config: &Config) -> anyhow::Result<Directory> {
    let schema = schema(config)?;
    let path = config.data_dir.join("store");
    fs::create_dir_all(&config.data_dir)
        .with_context(|| format!("making the directory {}", config.data_dir.display()))?;
    let store = SledStore::open(&path)?;
    let sources = config
        .sources
        .iter()
        .map(source)
        .collect::<anyhow::Result<_>>()?;
    let (directory, summary) = Directory::open(Arc::new(store), schema, sources)?;
    for problem in &summary.problems {
        tracing::error!("damaged in the store: {problem}");
    }
    if !summary.problems.is_empty() {
        tracing::error!(
            problems = summary.problems.len(),
            "the store was damaged: damaged entries of AD are fetched again, local entries that are named above must be imported again"
        );
    }
    for name in &summary.unknown_sources {
        tracing::warn!(
            "entries of source {name} are stored but not served: it is not configured any more"
        );
    }
    tracing::info!(entries = summary.entries, "loaded");
    Ok(directory)
}

/// The built-in schema, with the definitions of `schema_dir`.
fn schema(config: &Config) -> anyhow::Result<Arc<Schema>> {
    let Some(directory) = &config.directory.schema_dir else {
        return Ok(Schema::shared_builtin());
    };
    let mut paths: Vec<PathBuf> = fs::read_dir(directory)
        .with_context(|| format!("reading schema_dir {}", directory.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.retain(|path| {
        path.extension()
            .is_some_and(|kind| kind == "schema" || kind == "ldif")
    });
    paths.sort();
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let text =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        files.push((path, text));
    }
    Ok(Arc::new(Schema::with_files(&files)?))
}

fn source(config: &SourceConfig) -> anyhow::Result<SourceSettings> {
    Ok(SourceSettings {
        name: config.name.clone(),
        domain: config.domain.clone(),
        posix: posix(&config.posix).with_context(|| format!("source {}", config.name))?,
        select: SelectSettings {
            bases: config.select.bases.clone(),
            groups: config.select.groups.clone(),
            exclude: config.select.exclude.clone(),
        },
    })
}

fn posix(config: &PosixConfig) -> anyhow::Result<PosixPolicy> {
    Ok(PosixPolicy {
        ids: match config.ids {
            Ids::Sssd => IdPolicy::Sssd,
            Ids::Attributes => IdPolicy::Attributes,
            Ids::AttributesThenSssd => IdPolicy::AttributesThenSssd,
        },
        home: config.home.parse()?,
        shell: config.shell.clone(),
        name_case: match config.name_case {
            NameCase::Lower => policy::NameCase::Lower,
            NameCase::Keep => policy::NameCase::Keep,
        },
        member_uid: match config.member_uid {
            MemberUid::Direct => policy::MemberUid::Direct,
            MemberUid::Nested => policy::MemberUid::Nested,
        },
    })
}
