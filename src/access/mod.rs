//! Who may read or write what.
//!
//! Anonymous clients read the root DSE and the subschema; everybody who proved who he is reads
//! everything but secrets; administrators write local entries.

pub mod config;

use std::sync::Arc;

use uuid::Uuid;

use self::config::{AccessConfig, Anonymous};
use crate::{
    dn::Dn,
    schema::{AttributeId, Schema, TypeSet},
};

/// Who a connection speaks for (RFC 4513 section 5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AuthorizationIdentity {
    /// Nobody in particular.
    #[default]
    Anonymous,
    /// An entry of the directory.
    Entry {
        /// Its identity, which outlives renames.
        uuid: Uuid,
        /// Its DN when it proved who it is.
        dn: String,
        /// Whether it may write.
        administrator: bool,
    },
}

impl AuthorizationIdentity {
    /// Whether somebody has proved who he is.
    pub fn is_known(&self) -> bool {
        *self != Self::Anonymous
    }

    /// The DN for logs; empty for anonymous.
    pub fn dn(&self) -> &str {
        match self {
            Self::Anonymous => "",
            Self::Entry { dn, .. } => dn,
        }
    }
}

/// The rules of one configuration.
#[derive(Clone, Debug)]
pub struct Access {
    anonymous_reads: bool,
    administrators: Vec<Vec<Vec<u8>>>,
    secrets: Secrets,
}

impl Access {
    /// The rules of a configuration, whose DNs were checked when it was read.
    pub fn new(config: &AccessConfig, schema: &Schema) -> Self {
        let normalize = |dn: &String| schema.normalize_dn(&Dn::parse(dn).ok()?).ok();
        Self {
            anonymous_reads: config.anonymous == Anonymous::Read,
            administrators: config.administrators.iter().filter_map(normalize).collect(),
            secrets: Secrets::new(schema),
        }
    }

    /// Whether entries, beside root DSE and subschema, are read by this identity.
    pub fn may_read(&self, identity: &AuthorizationIdentity) -> bool {
        self.anonymous_reads || identity.is_known()
    }

    /// The normalized names of the administrators' entries.
    pub fn administrators(&self) -> &[Vec<Vec<u8>>] {
        &self.administrators
    }

    /// What nobody reads.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }
}

/// Attributes nobody reads, compares or searches: proof of identity, and what it is derived from.
const SECRETS: &[&str] = &[
    "userPassword",
    "authPassword",
    "pwdHistory",
    "unicodePwd",
    "dBCSPwd",
    "ntPwdHistory",
    "lmPwdHistory",
    "supplementalCredentials",
    "unixUserPassword",
    "msSFU30Password",
    "ms-Mcs-AdmPwd",
    "msLAPS-Password",
    "msLAPS-EncryptedPassword",
    "msLAPS-EncryptedPasswordHistory",
    "msLAPS-EncryptedDSRMPassword",
    "msLAPS-EncryptedDSRMPasswordHistory",
    "sambaNTPassword",
    "sambaLMPassword",
    "sambaPasswordHistory",
    "krbPrincipalKey",
    "krbMKey",
];

/// The secret attribute types of one schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secrets {
    ids: Arc<[AttributeId]>,
    set: Arc<TypeSet>,
}

impl Secrets {
    /// Looks them up; those the schema does not define cannot be stored either.
    pub fn new(schema: &Schema) -> Self {
        let names = SECRETS.iter();
        let ids: Arc<[_]> = names
            .filter_map(|name| schema.attribute(name.as_bytes()))
            .collect();
        let mut set = TypeSet::default();
        for id in ids.iter() {
            set.insert(schema, *id);
        }
        let set = Arc::new(set);
        Self { ids, set }
    }

    /// Every one of them.
    pub fn iter(&self) -> impl Iterator<Item = AttributeId> {
        self.ids.iter().copied()
    }

    /// Whether this type is secret.
    pub fn contains(&self, attribute: AttributeId) -> bool {
        self.set.contains(attribute)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listed_is_secret_and_nothing_else() {
        let schema = Schema::builtin();
        let secrets = Secrets::new(&schema);
        let password = schema.attribute(b"userPassword").unwrap();
        assert!(secrets.contains(password));
        for attribute in schema.attributes() {
            let listed = secrets.iter().any(|id| id == attribute.id);
            assert_eq!(
                secrets.contains(attribute.id),
                listed,
                "{}",
                attribute.name()
            );
        }
        assert!(!secrets.contains(AttributeId(u16::MAX)));
    }
}
