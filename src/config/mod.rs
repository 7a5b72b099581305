//! The configuration file: gathers what each module defines, reads it and checks it.
//!
//! [`Config::load`] gives either a configuration without errors or every error there is. Paths in
//! it are resolved against the directory of the file, secrets are read.

use std::path::PathBuf;

use serde::Deserialize;

use crate::{
    access::config::AccessConfig,
    auth::config::AuthConfig,
    directory::config::DirectoryConfig,
    server::config::{LimitsConfig, ListenConfig, TlsConfig},
    sync::config::SourceConfig,
};

/// A whole configuration file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The version of the file format, [`Config::VERSION`].
    pub version: u32,
    /// Where the store and the admin socket live.
    pub data_dir: PathBuf,
    /// The addresses served.
    pub listen: ListenConfig,
    /// The server's certificate; without it there is no TLS.
    pub tls: Option<TlsConfig>,
    /// Schema and naming contexts.
    pub directory: DirectoryConfig,
    /// Who may read and write.
    pub access: AccessConfig,
    /// How binds are decided.
    pub auth: AuthConfig,
    /// What clients may take.
    pub limits: LimitsConfig,
    /// The domains that are replicated.
    #[serde(rename = "source")]
    pub sources: Vec<SourceConfig>,
    /// The file this was read from; empty for a configuration made in memory.
    #[serde(skip)]
    pub file: PathBuf,
}

impl Config {
    /// The version of the file format this program reads.
    pub const VERSION: u32 = 1;
}

impl Default for Config {
    fn default() -> Self {
        Self {
            version: Self::VERSION,
            data_dir: PathBuf::from("data"),
            listen: ListenConfig::default(),
            tls: None,
            directory: DirectoryConfig::default(),
            access: AccessConfig::default(),
            auth: AuthConfig::default(),
            limits: LimitsConfig::default(),
            sources: Vec::new(),
            file: PathBuf::new(),
        }
    }
}
