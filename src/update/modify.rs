//! Modify (RFC 4511 section 4.6) and its increment (RFC 4525).

use uuid::Uuid;

use super::{
    Update,
    check::{self, Problem},
    classes::{self, Classes},
    draft::{Draft, Named},
    links::Targets,
    place,
};
use crate::{
    directory::EntryId,
    dn::{Dn, Rdn},
    entry::{Attribute, Entry},
    proto::{LdapResult, ResultCode, request::ChangeOperation},
    schema::Schema,
};

/// One change of an entry.
#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    /// What is done.
    pub operation: ChangeOperation,
    /// To which attribute, with which values.
    pub attribute: Attribute,
}

// Values may be passwords.
impl std::fmt::Debug for Change {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{:?} {}",
            self.operation, self.attribute.description
        )
    }
}

impl Update<'_, '_> {
    /// Makes changes of one entry in their order; what they amount to must follow the schema, what
    /// they pass through need not.
    ///
    /// # Errors
    /// The result that says why not.
    pub fn modify(&mut self, id: EntryId, changes: Vec<Change>) -> Result<Uuid, LdapResult> {
        let snapshot = self.snapshot();
        place::local(snapshot, id)?;
        let uuid = snapshot
            .entry(id)
            .map(|entry| entry.uuid)
            .unwrap_or_default();
        if changes.is_empty() {
            return Ok(uuid);
        }
        let stored = with_classes(self.schema(), self.stored(uuid)?);
        let dn = Dn::parse(&snapshot.dn(id)).map_err(|error| damaged(&error))?;
        let targets = Targets::new(snapshot, &dn, uuid);
        let mut draft = Draft::new(self.schema(), targets, stored);
        let before = draft.entry.clone();
        for change in changes {
            apply(self.schema(), &mut draft, change)?;
        }
        self.finish(&before, draft.entry)?;
        Ok(uuid)
    }

    /// Checks what became of an entry, and puts it in place of what it was.
    pub(super) fn finish(&mut self, before: &Entry, after: Entry) -> Result<(), LdapResult> {
        let schema = self.schema();
        let mut after = with_classes(schema, after);
        let rdn = own_rdn(&after)?;
        let mut problems = check::problems(schema, &rdn, &after.attributes, &after.links);
        if !problems.is_empty() {
            let old = check::problems(schema, &own_rdn(before)?, &before.attributes, &before.links);
            problems.retain(|problem| !old.contains(problem));
        }
        problems.sort_by_key(|problem| !matches!(problem, Problem::Naming(_)));
        let naming = problems
            .iter()
            .any(|problem| matches!(problem, Problem::Naming(_)));
        if !naming {
            structural_stays(schema, &before.attributes, &after.attributes)?;
        }
        if let Some(problem) = problems.into_iter().next() {
            return Err(problem.into());
        }
        self.stamp.modified(&mut after);
        self.transaction.put(after);
        Ok(())
    }
}

fn apply(schema: &Schema, draft: &mut Draft<'_>, change: Change) -> Result<(), Problem> {
    if let ChangeOperation::Other(number) = change.operation {
        return Err(Problem::Change(number));
    }
    let Attribute {
        description,
        values,
    } = change.attribute;
    let named = Named::writable(schema, description.as_bytes())?;
    match change.operation {
        ChangeOperation::Add => draft.add(&named, values),
        ChangeOperation::Delete => draft.delete(&named, values),
        ChangeOperation::Replace => draft.replace(&named, values),
        ChangeOperation::Increment => draft.increment(&named, values),
        ChangeOperation::Other(number) => Err(Problem::Change(number)),
    }
}

/// An entry with the superclasses of its classes.
fn with_classes(schema: &Schema, mut entry: Entry) -> Entry {
    for attribute in &mut entry.attributes {
        if attribute.description.eq_ignore_ascii_case("objectClass") {
            classes::add_implied(schema, &mut attribute.values);
        }
    }
    entry
}

/// RFC 4512 section 3.3: a person does not become a country.
fn structural_stays(
    schema: &Schema,
    before: &[Attribute],
    after: &[Attribute],
) -> Result<(), Problem> {
    let structural = |attributes| {
        let classes = Classes::of(schema, classes::values(attributes)?).ok()?;
        let id = classes.structural().ok()?;
        Some((id, classes.name(id)))
    };
    match (structural(before), structural(after)) {
        (Some((old, old_name)), Some((new, new_name))) if old != new => {
            Err(Problem::StructuralClass(old_name, new_name))
        }
        _ => Ok(()),
    }
}

/// The RDN of an entry, also of a top.
pub(super) fn own_rdn(entry: &Entry) -> Result<Rdn, LdapResult> {
    let dn = Dn::parse(&entry.rdn).map_err(|error| damaged(&error))?;
    dn.rdn()
        .cloned()
        .ok_or_else(|| damaged(&"the entry has no RDN"))
}

pub(super) fn damaged(problem: &dyn std::fmt::Display) -> LdapResult {
    LdapResult::new(
        ResultCode::OTHER,
        format!("the name of the stored entry is damaged: {problem}"),
    )
}
