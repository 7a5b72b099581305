//! Who may read or write what.

pub mod config;
use std::sync::Arc;

use crate::schema::{AttributeId, Schema};

/// Attributes nobody reads, compares or searches: proof of identity, and what it is derived from.
const SECRETS: &[&str] = &[
    "userPassword",
    "authPassword",
    "unicodePwd",
    "dBCSPwd",
    "ntPwdHistory",
    "lmPwdHistory",
    "supplementalCredentials",
    "sambaNTPassword",
    "sambaLMPassword",
    "sambaPasswordHistory",
    "krbPrincipalKey",
    "krbMKey",
];

/// The secret attribute types of one schema.
#[derive(Clone, Debug)]
pub struct Secrets(Arc<[AttributeId]>);

impl Secrets {
    /// Looks them up; those the schema does not define cannot be stored either.
    pub fn new(schema: &Schema) -> Self {
        Self(
            SECRETS
                .iter()
                .filter_map(|name| schema.attribute(name.as_bytes()))
                .collect(),
        )
    }

    /// Whether this type is secret.
    pub fn contains(&self, attribute: AttributeId) -> bool {
        self.0.contains(&attribute)
    }
}
