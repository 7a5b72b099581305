//! What an update makes of an entry (RFC 4511 sections 4.6 to 4.9): the schema's rules, values,
//! names and links, all within one [`Transaction`].
//!
//! | because | result code |
//! | --- | --- |
//! | no such attribute or value | noSuchAttribute |
//! | an attribute or option nobody defined | undefinedAttributeType |
//! | a single value changed of an attribute without an equality rule | inappropriateMatching |
//! | a second value, one that only the server writes, a number that cannot grow | constraintViolation |
//! | a value, or the entry, that is there | attributeOrValueExists, entryAlreadyExists |
//! | a value that the syntax does not allow | invalidAttributeSyntax |
//! | no such entry, no such superior | noSuchObject with the nearest above |
//! | an entry or a superior that stands for one elsewhere | referral |
//! | a superior that is an alias | aliasProblem |
//! | an entry from AD, a name at the top, a ring | unwillingToPerform |
//! | an RDN that the classes do not allow | namingViolation |
//! | classes that contradict each other, or the attributes | objectClassViolation |
//! | entries below one that is deleted | notAllowedOnNonLeaf |
//! | a value of the RDN taken away | notAllowedOnRDN |
//! | another structural class | objectClassModsProhibited |
//!
//! A class that the schema does not define is an objectClassViolation: its name does follow the
//! syntax (RFC 4511 appendix A.2). What was wrong with an entry before a change, such as a group
//! that lost its last member, does not stand in the way of the change.

mod add;
pub mod check;
mod classes;
mod delete;
mod draft;
mod integer;
mod links;
mod modify;
mod naming;
pub mod password;
mod place;
mod rename;
mod stamp;

use uuid::Uuid;

pub use self::{
    links::{adopt, take_links},
    modify::Change,
    naming::names_context,
    place::find,
    rename::Rename,
    stamp::Stamp,
};
use crate::{
    directory::{DirectoryError, Snapshot, Transaction},
    entry::Entry,
    proto::{LdapResult, ResultCode},
    schema::Schema,
};

/// One update: the transaction it is made in, and what it is made with.
#[derive(Debug)]
pub struct Update<'u, 'w> {
    /// Where it is made.
    pub transaction: &'u mut Transaction<'w>,
    /// Who makes it, and when.
    pub stamp: &'u Stamp,
    /// Whether referral objects are entries like others (RFC 3296).
    pub manage_dsa_it: bool,
    /// The tops there may be; empty for any.
    pub naming_contexts: &'u [String],
}

impl<'w> Update<'_, 'w> {
    fn snapshot(&self) -> &'w Snapshot {
        self.transaction.snapshot()
    }

    fn schema(&self) -> &'w Schema {
        self.transaction.snapshot().schema()
    }

    /// The entry as it is stored; one that is served but cannot be read is an error.
    fn stored(&self, uuid: Uuid) -> Result<Entry, LdapResult> {
        self.transaction
            .get(uuid)
            .map_err(|error| failed(&error))?
            .ok_or_else(|| LdapResult::new(ResultCode::OTHER, "the stored entry is damaged"))
    }
}

/// The result where the store failed; the details are for the log alone.
pub fn failed(error: &DirectoryError) -> LdapResult {
    tracing::error!(%error, "an update could not be stored");
    LdapResult::new(ResultCode::OTHER, "the store failed: nothing was changed")
}

#[cfg(test)]
mod tests;
