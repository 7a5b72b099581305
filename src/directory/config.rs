//! What the directory holds beside its entries.

use std::path::PathBuf;

use serde::Deserialize;

use crate::setting;

/// `[directory]`: schema and naming contexts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DirectoryConfig {
    /// More definitions beside the built-in ones: `*.schema` (OpenLDAP form) and `*.ldif`.
    pub schema_dir: Option<PathBuf>,
    /// The naming contexts shown in the root DSE; none means the tops of what the store holds.
    #[serde(deserialize_with = "setting::dns")]
    pub naming_contexts: Vec<String>,
}
