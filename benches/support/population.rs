//! Who is in the test directory: names, numbers and memberships, all computed from an index.
//!
//! The writer of the LDIF and the load generator both read from here, so that the latter knows
//! what a right answer holds without having seen the directory.

use std::collections::BTreeSet;
use std::str::FromStr;

use anyhow::{Context, ensure};

/// The naming context where none is given.
pub(crate) const BASE: &str = "dc=bench,dc=example";

/// The users, groups and the service account of one test directory.
#[derive(Clone, Debug)]
pub(crate) struct Population {
    base: String,
    users: Users,
    groups: u32,
    /// How many groups each user is a direct member of; empty where nobody knows.
    memberships: Vec<u32>,
}

#[derive(Clone, Debug)]
enum Users {
    Numbered { pattern: Pattern, count: u32 },
    Listed(Vec<String>),
}

impl Population {
    /// The directory that [`super::ldif`] writes.
    pub(crate) fn generated(base: &str, pattern: Pattern, users: u32, groups: u32) -> Self {
        let mut population = Self {
            base: base.to_owned(),
            users: Users::Numbered {
                pattern,
                count: users,
            },
            groups,
            memberships: Vec::new(),
        };
        let mut memberships = vec![0; users as usize];
        for member in (0..groups).flat_map(|group| population.members(group)) {
            if let Some(count) = memberships.get_mut(member as usize) {
                *count += 1;
            }
        }
        population.memberships = memberships;
        population
    }

    /// The users of a directory made by somebody else; nothing is known of its groups.
    pub(crate) fn listed(base: &str, names: Vec<String>) -> anyhow::Result<Self> {
        ensure!(!names.is_empty(), "the list of users is empty");
        u32::try_from(names.len()).context("the list of users is too long")?;
        Ok(Self {
            base: base.to_owned(),
            users: Users::Listed(names),
            groups: 0,
            memberships: Vec::new(),
        })
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    pub(crate) fn users(&self) -> u32 {
        match &self.users {
            Users::Numbered { count, .. } => *count,
            // `listed` checked it.
            Users::Listed(names) => u32::try_from(names.len()).unwrap_or(u32::MAX),
        }
    }

    pub(crate) fn groups(&self) -> u32 {
        self.groups
    }

    /// Whether numbers, groups and memberships are those computed here.
    pub(crate) fn is_generated(&self) -> bool {
        matches!(self.users, Users::Numbered { .. })
    }

    pub(crate) fn user_name(&self, user: u32) -> String {
        match &self.users {
            Users::Numbered { pattern, .. } => pattern.name(user),
            Users::Listed(names) => names.get(user as usize).cloned().unwrap_or_default(),
        }
    }

    pub(crate) fn user_dn(&self, user: u32) -> String {
        format!("uid={},ou=people,{}", self.user_name(user), self.base)
    }

    pub(crate) fn uid_number(&self, user: u32) -> u32 {
        100_000 + user
    }

    /// How many groups name this user; `None` where the directory is not ours.
    pub(crate) fn memberships(&self, user: u32) -> Option<u32> {
        self.memberships.get(user as usize).copied()
    }

    pub(crate) fn group_name(&self, group: u32) -> String {
        format!("g{group:05}")
    }

    pub(crate) fn group_dn(&self, group: u32) -> String {
        format!("cn={},ou=groups,{}", self.group_name(group), self.base)
    }

    pub(crate) fn gid_number(&self, group: u32) -> u32 {
        10_000 + group
    }

    /// The users of a group: about 50, in each five hundredth group 1,000.
    pub(crate) fn members(&self, group: u32) -> BTreeSet<u32> {
        let mut random = Random::new(0x6d65_6d62_6572_0000 | u64::from(group));
        let size = match group % 500 {
            0 => 1_000,
            _ => 30 + random.below(41),
        };
        (0..size).map(|_| random.below(self.users())).collect()
    }

    /// The account a client service binds as.
    pub(crate) fn service_dn(&self) -> String {
        format!("uid={SERVICE},ou=services,{}", self.base)
    }

    /// Who may change entries.
    pub(crate) fn administrator_dn(&self) -> String {
        format!("uid={ADMINISTRATOR},ou=services,{}", self.base)
    }
}

/// The names of the service account and of whoever may write; [`password`] holds for them, too.
pub(crate) const SERVICE: &str = "service";
pub(crate) const ADMINISTRATOR: &str = "administrator";

/// The password of whoever has this name.
pub(crate) fn password(name: &str) -> String {
    format!("pw-{name}")
}

/// A name with a number in it, as printf writes it: `u%06d`.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    prefix: String,
    width: usize,
    suffix: String,
}

impl Pattern {
    pub(crate) fn name(&self, number: u32) -> String {
        let Self {
            prefix,
            width,
            suffix,
        } = self;
        format!("{prefix}{number:0width$}{suffix}")
    }
}

impl Default for Pattern {
    fn default() -> Self {
        Self {
            prefix: "u".to_owned(),
            width: 6,
            suffix: String::new(),
        }
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = || {
            let (prefix, rest) = text.split_once('%')?;
            let (width, suffix) = rest.split_once('d')?;
            let width = match width.strip_prefix('0') {
                Some(width) => width.parse().ok().filter(|width| *width <= 20)?,
                None if width.is_empty() => 0,
                None => return None,
            };
            Some(Self {
                prefix: prefix.to_owned(),
                width,
                suffix: suffix.to_owned(),
            })
        };
        parts().ok_or_else(|| "expected one %d or %0Nd in it, such as u%06d".to_owned())
    }
}

/// A small deterministic generator (splitmix64); not for secrets.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 where `bound` is 0.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        let high = (self.next() >> 32) * u64::from(bound);
        // Both factors are below 2^32, so the upper half of the product fits.
        u32::try_from(high >> 32).unwrap_or(0)
    }

    /// One of `choices`.
    pub(crate) fn pick<T: Copy + Default>(&mut self, choices: &[T]) -> T {
        let count = u32::try_from(choices.len()).unwrap_or(u32::MAX);
        choices
            .get(self.below(count) as usize)
            .copied()
            .unwrap_or_default()
    }
}
