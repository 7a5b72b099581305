//! The dereference control: an entry and those it names, in one answer
//! (draft-masarati-ldap-deref-00).

use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::{
    access::Secrets,
    ber::{self, write_nested, write_octets},
    directory::{AttributeSelection, Copier, EntryId, PackedAttributes, Snapshot},
    proto::{
        LdapResult, ResultCode,
        control::{DerefSpec, oid},
        response::ResponseControl,
    },
    schema::{AttributeDescription, AttributeId, Syntax},
};

/// Octets that may come with one entry: it is one message, whatever it names.
const MAX_OCTETS: usize = 64 * 1024 * 1024;
/// Values that are copied from what was written before.
const MANY: u64 = if cfg!(test) { 1 } else { 64 };
/// Attributes that may be followed; the schema has fewer whose values are DNs.
const MAX_FOLLOWED: usize = 256;

/// The attributes to follow on each entry of an answer.
#[derive(Debug)]
pub(super) struct Dereference {
    followed: Vec<Followed>,
    max_octets: usize,
}

#[derive(Debug)]
struct Followed {
    attribute: AttributeId,
    /// Options a description must have.
    options: Vec<String>,
    /// The description as the schema has it.
    description: String,
    /// What is wanted of the entries that are named.
    wanted: Arc<AttributeSelection>,
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
                Some(_) if followed.len() == MAX_FOLLOWED => "is one too many",
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
        Ok(Some(Self {
            followed,
            max_octets: MAX_OCTETS,
        }))
    }

    /// The control of an entry; `None` where it has none of the attributes.
    ///
    /// # Errors
    /// adminLimitExceeded where the entry names more than one message carries: a part would be
    /// taken for the whole.
    pub(super) fn control(
        &self,
        snapshot: &Snapshot,
        id: EntryId,
        attributes: &PackedAttributes,
    ) -> Result<Option<ResponseControl>, LdapResult> {
        let mut value = Vec::new();
        let (mut any, mut fits) = (false, true);
        write_nested(&mut value, ber::SEQUENCE, |out| {
            let start = out.len();
            fits = self
                .followed
                .iter()
                .all(|followed| followed.write(snapshot, id, attributes, self.max_octets, out));
            any = out.len() > start;
        });
        if !fits {
            return Err(LdapResult::new(
                ResultCode::ADMIN_LIMIT_EXCEEDED,
                format!(
                    "dereference control: {} and what it names are more than {} octets: ask for \
                     fewer attributes",
                    snapshot.dn(id),
                    self.max_octets
                ),
            ));
        }
        Ok(any.then_some(ResponseControl {
            oid: oid::DEREF,
            value: Some(value),
        }))
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
            wanted: Arc::new(AttributeSelection::new(snapshot, list, false, secrets)),
        })
    }

    fn is_same(&self, other: &Self) -> bool {
        self.attribute == other.attribute && self.options == other.options
    }

    /// Appends a DerefRes for each value; false where that would be more than `max_octets`.
    fn write(
        &self,
        snapshot: &Snapshot,
        id: EntryId,
        attributes: &PackedAttributes,
        max_octets: usize,
        out: &mut Vec<u8>,
    ) -> bool {
        // What is derived has no options.
        let derivation = snapshot
            .derivations()
            .of(self.attribute)
            .filter(|_| self.options.is_empty());
        let entries = derivation.and_then(|derivation| derivation.entries(snapshot, id));
        let count = entries.as_ref().map_or(0, RoaringBitmap::len);
        let mut copier = (count >= MANY)
            .then(|| Copier::new(snapshot, &self.wanted, self.description.as_bytes()))
            .flatten();
        for target in entries.iter().flatten().map(EntryId) {
            let dn = |out: &mut Vec<u8>| snapshot.write_dn(target, out);
            let write = |out: &mut Vec<u8>| self.write_one(snapshot, dn, Some(target), out);
            match &mut copier {
                Some(copier) => out.extend_from_slice(copier.get(target, write)),
                None => write(out),
            }
            if out.len() > max_octets {
                return false;
            }
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
            if out.len() > max_octets {
                return false;
            }
        }
        true
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use crate::directory::tests::build::*;

    fn dereference(
        snapshot: &Snapshot,
        attribute: &str,
        wanted: &[&str],
    ) -> Result<Option<Dereference>, LdapResult> {
        let spec = DerefSpec {
            attribute: attribute.as_bytes(),
            attributes: wanted.iter().map(|name| name.as_bytes()).collect(),
        };
        Dereference::new(snapshot, &[spec], true, &Secrets::new(snapshot.schema()))
    }

    fn fixture() -> Fixture {
        Fixture::new([
            domain(1),
            user(11, 1, "ann").with("mail", &["ann@example.com"]),
            user(12, 1, "bob"),
            group(20, 1, "team", &[11, 12]),
        ])
    }

    /// Attribute, DN and number of attributes of each DerefRes.
    fn results(fixture: &Fixture, number: u32, attribute: &str, wanted: &[&str]) -> Vec<String> {
        let now = fixture.now();
        let id = now.id_of(id(number)).unwrap();
        let attributes = &now.entry(id).unwrap().attributes;
        let dereference = dereference(&now, attribute, wanted).unwrap().unwrap();
        let Some(control) = dereference.control(&now, id, attributes).unwrap() else {
            return Vec::new();
        };
        let value = control.value.unwrap();
        let mut list = ber::Reader::new(&value)
            .expect(ber::SEQUENCE)
            .unwrap()
            .reader();
        let mut found = Vec::new();
        while !list.is_empty() {
            let mut result = list.expect(ber::SEQUENCE).unwrap().reader();
            let mut text = || String::from_utf8(result.octets().unwrap().to_vec()).unwrap();
            let (name, dn) = (text(), text());
            let mut count = 0;
            if let Some(attributes) = result.optional(ber::context_constructed(0)).unwrap() {
                let mut attributes = attributes.reader();
                while !attributes.is_empty() {
                    attributes.expect(ber::SEQUENCE).unwrap();
                    count += 1;
                }
                assert!(count > 0, "an empty list is left out");
            }
            assert!(result.is_empty());
            found.push(format!("{name} {dn} {count}"));
        }
        found
    }

    #[test]
    fn links_and_what_is_derived_from_them_are_followed() {
        let fixture = fixture();
        let (ann, bob, team) = (fixture.dn(11), fixture.dn(12), fixture.dn(20));
        let wanted = ["uid", "MAIL", "nosuch", "userPassword"];
        assert_eq!(
            results(&fixture, 20, "MEMBER", &wanted),
            [format!("member {ann} 2"), format!("member {bob} 1")]
        );
        assert_eq!(
            results(&fixture, 20, "member", &[]),
            [format!("member {ann} 0"), format!("member {bob} 0")]
        );
        assert_eq!(
            results(&fixture, 11, "memberOf", &["cn"]),
            [format!("memberOf {team} 1")]
        );
        assert_eq!(
            results(&fixture, 11, "entryDN", &["cn", "member"]),
            [format!("entryDN {ann} 1")]
        );
        assert!(results(&fixture, 11, "member", &["cn"]).is_empty());
        assert!(results(&fixture, 20, "member;x-a", &["cn"]).is_empty());
    }

    #[test]
    fn more_than_a_message_carries_is_an_error_and_no_part_of_it() {
        let fixture = fixture();
        let now = fixture.now();
        let id = now.id_of(id(20)).unwrap();
        let attributes = &now.entry(id).unwrap().attributes;
        let mut dereference = dereference(&now, "member", &["*"]).unwrap().unwrap();
        dereference.max_octets = 100;
        let refusal = dereference.control(&now, id, attributes).unwrap_err();
        assert_eq!(refusal.code, ResultCode::ADMIN_LIMIT_EXCEEDED);
    }

    #[test]
    fn attributes_without_dns_are_not_followed() {
        let fixture = fixture();
        for attribute in ["cn", "userPassword", "nosuch", "member;;", ""] {
            let refusal = dereference(&fixture.now(), attribute, &["cn"]).unwrap_err();
            assert_eq!(refusal.code, ResultCode::PROTOCOL_ERROR, "{attribute}");
        }
    }
}
