//! The configuration file: gathers what each module defines, reads it and checks it.
//!
//! [`Config::load`] gives either a configuration without errors or every error there is. Paths in
//! it are resolved against the directory of the file, secrets are read.

mod check;
mod document;
mod finding;
mod pem;
#[cfg(test)]
mod tests;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{
    access::config::AccessConfig,
    auth::config::AuthConfig,
    directory::config::DirectoryConfig,
    server::config::{LimitsConfig, ListenConfig, TlsConfig},
    sync::config::SourceConfig,
};

use document::Document;

pub use finding::{ConfigErrors, Finding};

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
    /// What is allowed but worth knowing, e.g. settings without effect in this version.
    #[serde(skip)]
    pub warnings: Vec<Finding>,
}

impl Config {
    /// The version of the file format this program reads.
    pub const VERSION: u32 = 1;

    /// Reads and checks a configuration file and the files it names.
    ///
    /// # Errors
    /// Every error there is, in the order of the lines.
    pub fn load(file: &Path) -> Result<Self, ConfigErrors> {
        let text = fs::read_to_string(file).map_err(|error| unreadable(file, &error))?;
        Self::parse(file, &text)
    }

    /// Reads and checks the text of a configuration file; `file` is where paths start from.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(file: &Path, text: &str) -> Result<Self, ConfigErrors> {
        let document = Document::parse(file, text).map_err(ConfigErrors)?;
        let (mut config, mut errors) = document.read::<Self>();
        let (more, mut warnings) = check::check(&mut config, &document, &errors);
        errors.extend(more);
        if errors.is_empty() {
            warnings.sort_by_key(|warning| warning.line);
            config.file = file.to_owned();
            config.warnings = warnings;
            Ok(config)
        } else {
            errors.sort_by_key(|error| error.line);
            Err(ConfigErrors(errors))
        }
    }

    /// Whether what differs from `running` takes effect at the next start only.
    pub fn needs_restart(&self, running: &Self) -> bool {
        self.data_dir != running.data_dir
            || self.listen != running.listen
            || self.directory.schema_dir != running.directory.schema_dir
            || self.auth.recheck_window != running.auth.recheck_window
            || self.sources != running.sources
    }

    /// The admin socket of a server with this configuration file.
    ///
    /// A file that became wrong while a server runs should not keep the administrator from asking
    /// that server, so only what matters for the socket is checked.
    ///
    /// # Errors
    /// The file is unreadable, is not valid TOML, or its `data_dir` is wrong.
    pub fn admin_socket_of(file: &Path) -> Result<PathBuf, ConfigErrors> {
        let text = fs::read_to_string(file).map_err(|error| unreadable(file, &error))?;
        let document = Document::parse(file, &text).map_err(ConfigErrors)?;
        let (mut config, errors) = document.read::<Self>();
        let errors: Vec<Finding> = errors
            .into_iter()
            .filter(|error| error.key == "data_dir")
            .collect();
        if !errors.is_empty() {
            return Err(ConfigErrors(errors));
        }
        document.resolve(&mut config.data_dir);
        Ok(config.admin_socket())
    }

    /// The socket on which the running server takes the orders of the administrator.
    pub fn admin_socket(&self) -> PathBuf {
        self.data_dir.join("admin.sock")
    }
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
            warnings: Vec::new(),
        }
    }
}

fn unreadable(file: &Path, error: &io::Error) -> ConfigErrors {
    ConfigErrors(vec![Finding {
        file: file.to_owned(),
        line: None,
        key: String::new(),
        problem: format!("cannot be read: {error}"),
        allowed: None,
        nearest: None,
    }])
}
