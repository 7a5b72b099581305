//! What is remembered of a source, in the same commit as the entries that came from it.

use serde::{Deserialize, Serialize};

use crate::mapping::policy::PosixPolicy;

/// How the entries of one source are made and which of them are served; from the configuration.
#[derive(Clone, Debug)]
pub struct SourceSettings {
    /// The source's name, under which its entries are stored.
    pub name: String,
    /// The DNS name of the domain.
    pub domain: String,
    /// How ids, homes and names are made.
    pub posix: PosixPolicy,
    /// Which users and groups are served.
    pub select: SelectSettings,
}

/// Which users and groups of a source are served.
#[derive(Clone, Debug, Default)]
pub struct SelectSettings {
    /// DNs; a user lies below one of them. None means anywhere. An entry that was found under one
    /// is still meant after it was renamed or moved.
    pub bases: Vec<String>,
    /// DNs of groups; a user is in one of them. None means everybody. As for `bases`.
    pub groups: Vec<String>,
    /// A filter that takes users and groups out.
    pub exclude: Option<String>,
}

/// What is remembered of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecord {
    /// The source's name.
    pub name: String,
    /// The DNS name of the domain.
    pub domain: String,
    /// The NetBIOS name of the domain, for names of the form DOMAIN\user.
    pub netbios: Option<String>,
    /// The SID of the domain as text.
    pub domain_sid: Option<String>,
    /// Whether a whole synchronisation was finished; before, its entries are not to be believed.
    pub complete: bool,
    /// How far the synchronisation has come; only it knows the form.
    pub progress: Option<serde_json::Value>,
}

impl SelectSettings {
    /// The DNs it names.
    pub(super) fn dns(&self) -> impl Iterator<Item = &String> {
        self.bases.iter().chain(&self.groups)
    }
}

impl SourceRecord {
    /// Whether this is the domain's NetBIOS name, in any case.
    pub fn has_netbios_name(&self, name: &str) -> bool {
        self.netbios
            .as_ref()
            .is_some_and(|own| own.eq_ignore_ascii_case(name))
    }
}
