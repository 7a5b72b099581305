//! How an AD object becomes a POSIX account or group.

use serde::Deserialize;

/// `[source.posix]`: the derived attributes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PosixConfig {
    /// Where uid and gid numbers come from.
    pub ids: Ids,
    /// Home directory where AD has none: `%u` name, `%d` domain, `%f` first letter, `%U` uid number.
    pub home: String,
    /// Login shell where AD has none.
    pub shell: String,
    /// The case of `uid` and `memberUid`.
    pub name_case: NameCase,
    /// Whose names `memberUid` holds.
    pub member_uid: MemberUid,
}

impl Default for PosixConfig {
    fn default() -> Self {
        Self {
            ids: Ids::default(),
            home: "/home/%u".to_owned(),
            shell: "/bin/bash".to_owned(),
            name_case: NameCase::default(),
            member_uid: MemberUid::default(),
        }
    }
}

/// Where uid and gid numbers come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ids {
    /// From the SID, by SSSD's algorithm.
    Sssd,
    /// From uidNumber and gidNumber in AD; who has none is no POSIX account.
    Attributes,
    /// From AD's attributes, else from the SID.
    #[default]
    AttributesThenSssd,
}

/// The case of names derived from sAMAccountName.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NameCase {
    /// In lower case, as SSSD shows them on hosts joined to AD.
    #[default]
    Lower,
    /// As they are in AD.
    Keep,
}

/// Whose names `memberUid` of a group holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemberUid {
    /// Direct members.
    Direct,
    /// Members of nested groups, too.
    #[default]
    Nested,
}
