//! The domains that are replicated.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Deserializer};

use crate::{
    mapping::config::PosixConfig,
    setting::{self, Secret},
    upstream::ServerAddress,
};

/// One `[[source]]`: an AD domain and what is taken from it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SourceConfig {
    /// The name of the source in status, logs and records. Required, unique.
    pub name: String,
    /// The DNS name of the domain. Required.
    #[serde(deserialize_with = "setting::domain")]
    pub domain: String,
    /// Domain controllers as `ldaps://HOST[:PORT][@ADDRESS]`; none means DNS SRV.
    #[serde(deserialize_with = "servers")]
    pub servers: Vec<ServerAddress>,
    /// The authorities of the controllers' certificates, PEM; `None` is the system's trust.
    pub ca_file: Option<PathBuf>,
    /// Who binds to AD: a userPrincipalName, `DOMAIN\name` or a DN. Required.
    pub account: String,
    /// The file with the account's password; `None` means `NAME.password` in the directory of
    /// systemd credentials, `NAME` being the name of the source.
    pub password_file: Option<PathBuf>,
    /// The account's password, as read from its file.
    #[serde(skip)]
    pub password: Secret,
    /// How often AD is asked for changes.
    #[serde(deserialize_with = "setting::duration")]
    pub poll: Duration,
    /// How changes are found; `None` takes the best that AD grants.
    pub method: Option<Method>,
    /// What is replicated.
    pub select: SelectConfig,
    /// How many removals are let through.
    pub brake: BrakeConfig,
    /// The derived attributes.
    pub posix: PosixConfig,
}

impl Default for SourceConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            domain: String::new(),
            servers: Vec::new(),
            ca_file: None,
            account: String::new(),
            password_file: None,
            password: Secret::default(),
            poll: Duration::from_secs(2),
            method: None,
            select: SelectConfig::default(),
            brake: BrakeConfig::default(),
            posix: PosixConfig::default(),
        }
    }
}

/// How changes in AD are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// The DirSync control.
    Dirsync,
    /// Polling of uSNChanged.
    Usn,
}

impl Method {
    /// The word for it in configuration and status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dirsync => "dirsync",
            Self::Usn => "usn",
        }
    }
}

/// `[source.select]`: the users and groups that are replicated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SelectConfig {
    /// Containers to take from; none means the whole domain.
    #[serde(deserialize_with = "setting::dns")]
    pub bases: Vec<String>,
    /// Groups whose members are taken, nested ones too; none means everybody.
    #[serde(deserialize_with = "setting::dns")]
    pub groups: Vec<String>,
    /// Users and groups that are not taken, as a search filter.
    #[serde(deserialize_with = "setting::filter")]
    pub exclude: Option<String>,
}

/// `[source.brake]`: how many removals one round may make.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BrakeConfig {
    /// Entries removed, also by leaving the selection.
    pub max_deletes: usize,
    /// Entries removed, in percent of those served.
    pub max_percent: u8,
    /// Members removed from one group of ten and more, in percent.
    pub max_member_percent: u8,
}

impl Default for BrakeConfig {
    fn default() -> Self {
        Self {
            max_deletes: 50,
            max_percent: 5,
            max_member_percent: 30,
        }
    }
}

fn servers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ServerAddress>, D::Error> {
    setting::list(
        deserializer,
        "\"ldaps://HOST[:PORT]\", an IP address may follow after @",
        |text| text.parse().ok(),
    )
}
