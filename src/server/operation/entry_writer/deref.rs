//! The dereference control: an entry and those it names, in one answer
//! (draft-masarati-ldap-deref-00).

use crate::{
    access::Secrets,
    ber::{self, write_nested, write_octets},
    directory::{AttributeSelection, EntryId, PackedAttributes, Snapshot},
    proto::{
        LdapResult, ResultCode,
        control::{DerefSpec, oid},
        response::ResponseControl,
    },
    schema::{AttributeDescription, AttributeId, Syntax},
};

/// The attributes to follow on each entry of an answer.
#[derive(Debug)]
pub(super) struct Dereference(Vec<Followed>);

#[derive(Debug)]
struct Followed {
    attribute: AttributeId,
    /// Options a description must have.
    options: Vec<String>,
    /// The description as the schema has it.
    description: String,
    /// What is wanted of the entries that are named.
    wanted: AttributeSelection,
}

impl Dereference {
    /// Resolves a request; one that cannot be followed is passed over unless it is critical.
    ///
    /// # Errors
    /// protocolError for an attribute whose values are no DNs, or that is there twice.
    pub(super) fn new(
        snapshot: &Snapshot,
        specs: &[DerefSpec<'_>],
        critical: bool,
        secrets: &Secrets,
    ) -> Result<Option<Self>, LdapResult> {
        let mut followed: Vec<Followed> = Vec::new();
        for spec in specs {
            let refusal = match Followed::new(snapshot, spec, secrets) {
                Some(new) if followed.iter().any(|old| old.is_same(&new)) => "is there twice",
                Some(new) => {
                    followed.push(new);
                    continue;
                }
                None => "is no attribute whose values are DNs",
            };
            if critical {
                return Err(LdapResult::new(
                    ResultCode::PROTOCOL_ERROR,
                    format!(
                        "dereference control: {} {refusal}",
                        spec.attribute.escape_ascii()
                    ),
                ));
            }
            return Ok(None);
        }
        Ok(Some(Self(followed)))
    }

    /// The control of an entry; `None` where it has none of the attributes.
    pub(super) fn control(
        &self,
        snapshot: &Snapshot,
        id: EntryId,
        attributes: &PackedAttributes,
    ) -> Option<ResponseControl> {
        let mut value = Vec::new();
        let mut any = false;
        write_nested(&mut value, ber::SEQUENCE, |out| {
            let start = out.len();
            for followed in &self.0 {
                followed.write(snapshot, id, attributes, out);
            }
            any = out.len() > start;
        });
        any.then_some(ResponseControl {
            oid: oid::DEREF,
            value: Some(value),
        })
    }
}

impl Followed {
    fn new(snapshot: &Snapshot, spec: &DerefSpec<'_>, secrets: &Secrets) -> Option<Self> {
        let schema = snapshot.schema();
        let parsed = AttributeDescription::parse(spec.attribute)?;
        let attribute = schema.attribute(parsed.base.as_bytes())?;
        let definition = schema.attribute_type(attribute);
        if secrets.contains(attribute)
            || !matches!(definition.syntax, Syntax::Dn | Syntax::NameAndOptionalUid)
        {
            return None;
        }
        let mut description = definition.name().to_owned();
        for option in &parsed.options {
            description.push(';');
            description.push_str(option);
        }
        // An empty list asks for nothing here, unlike that of a search.
        let nothing: &[&[u8]] = &[b"1.1"];
        let list = match spec.attributes.as_slice() {
            [] => nothing,
            list => list,
        };
        Some(Self {
            attribute,
            options: parsed.options,
            description,
            wanted: AttributeSelection::new(snapshot, list, false, secrets),
        })
    }

    fn is_same(&self, other: &Self) -> bool {
        self.attribute == other.attribute && self.options == other.options
    }

    /// Appends a DerefRes for each value.
    fn write(
        &self,
        snapshot: &Snapshot,
        id: EntryId,
        attributes: &PackedAttributes,
        out: &mut Vec<u8>,
    ) {
        // What is derived has no options.
        let derivation = snapshot
            .derivations()
            .of(self.attribute)
            .filter(|_| self.options.is_empty());
        let entries = derivation.and_then(|derivation| derivation.entries(snapshot, id));
        for target in entries.iter().flatten().map(EntryId) {
            let dn = |out: &mut Vec<u8>| snapshot.write_dn(target, out);
            self.write_one(snapshot, dn, Some(target), out);
        }
        let stored = attributes
            .of_type(self.attribute)
            .filter(|stored| stored.has_options(&self.options));
        for text in stored.flat_map(|stored| stored.values()) {
            let target = std::str::from_utf8(text)
                .ok()
                .and_then(|dn| snapshot.resolve_str(dn));
            let dn = |out: &mut Vec<u8>| out.extend_from_slice(text);
            self.write_one(snapshot, dn, target, out);
        }
    }

    fn write_one(
        &self,
        snapshot: &Snapshot,
        dn: impl FnOnce(&mut Vec<u8>),
        target: Option<EntryId>,
        out: &mut Vec<u8>,
    ) {
        write_nested(out, ber::SEQUENCE, |out| {
            write_octets(out, ber::OCTET_STRING, self.description.as_bytes());
            write_nested(out, ber::OCTET_STRING, dn);
            let entry = target.and_then(|id| Some((id, snapshot.entry(id)?)));
            let Some((id, entry)) = entry else { return };
            let start = out.len();
            let mut any = false;
            write_nested(out, ber::context_constructed(0), |out| {
                let start = out.len();
                self.wanted.write(snapshot, id, &entry.attributes, out);
                any = out.len() > start;
            });
            // Attributes without values are left out, and a list without attributes, too.
            if !any {
                out.truncate(start);
            }
        });
    }
}
