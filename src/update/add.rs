//! Add (RFC 4511 section 4.7).

use std::collections::HashSet;

use uuid::Uuid;

use super::{
    Update, check, classes,
    draft::{Draft, Named},
    failed,
    links::{Targets, adopt},
    naming,
};
use crate::{
    directory::Resolved,
    dn::Dn,
    entry::{Attribute, Entry, Origin},
    proto::{LdapResult, ResultCode},
};

impl Update<'_, '_> {
    /// Adds an entry; the values of its RDN and the superclasses of its classes need not be given.
    ///
    /// # Errors
    /// The result that says why not.
    pub fn add(&mut self, dn: &Dn, attributes: Vec<Attribute>) -> Result<Uuid, LdapResult> {
        let snapshot = self.snapshot();
        let schema = self.schema();
        let rdn = dn
            .rdn()
            .ok_or_else(|| LdapResult::new(ResultCode::NAMING_VIOLATION, "it has no name"))?;
        if let Resolved::Found(_) = snapshot.resolve(dn) {
            return Err(LdapResult::new(
                ResultCode::ENTRY_ALREADY_EXISTS,
                "an entry has this name already",
            ));
        }
        let superior = self.superior(dn)?;
        let uuid = Uuid::new_v4();
        let entry = Entry {
            uuid,
            parent: superior
                .and_then(|id| snapshot.entry(id))
                .map(|entry| entry.uuid),
            rdn: match superior {
                Some(_) => rdn.to_string(),
                None => dn.to_string(),
            },
            origin: Origin::Local,
            attributes: Vec::with_capacity(attributes.len() + 5),
            links: Vec::new(),
        };
        let mut draft = Draft::new(schema, Targets::new(snapshot, dn, uuid), entry);
        let mut seen = HashSet::with_capacity(attributes.len());
        for attribute in attributes {
            let named = Named::writable(schema, attribute.description.as_bytes())?;
            draft.add(&named, attribute.values)?;
            if let Some(twice) = seen.replace(named.description) {
                return Err(check::Problem::Twice(twice).into());
            }
        }
        let mut entry = draft.entry;
        naming::add_named(schema, rdn, &mut entry.attributes);
        check::check_named_syntax(schema, rdn)?;
        for attribute in &mut entry.attributes {
            if attribute.description == "objectClass" {
                classes::add_implied(schema, &mut attribute.values);
            }
        }
        let problems = check::problems(schema, rdn, &entry.attributes, &entry.links);
        if let Some(problem) = problems.into_iter().next() {
            return Err(problem.into());
        }
        self.stamp.created(&mut entry.attributes);
        self.transaction.put(entry);
        adopt(self.transaction, dn, uuid).map_err(|error| failed(&error))?;
        Ok(uuid)
    }
}
