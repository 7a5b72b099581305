//! Who may read and write.

use serde::Deserialize;

use crate::setting;

/// `[access]`: what the unauthenticated and the administrators may do.
///
/// Every authenticated identity may read all but secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccessConfig {
    /// What a client that is not bound may read.
    pub anonymous: Anonymous,
    /// DNs of those who may write local entries.
    #[serde(deserialize_with = "setting::dns")]
    pub administrators: Vec<String>,
}

/// What a client that is not bound may read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Anonymous {
    /// The root DSE and the subschema.
    #[default]
    #[serde(rename = "rootdse")]
    RootDse,
    /// Everything but secrets.
    Read,
}
