//! The entry as it is stored: attributes with values, and links by identity (RFC 4512 section 2).

use std::collections::BTreeSet;

use uuid::Uuid;

/// One node of the tree, independent of where its ancestors live.
///
/// The DN is not part of it: it follows from `parent` and `rdn`, so that renaming a container
/// changes one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The objectGUID of an AD object, the entryUUID of a local entry.
    pub uuid: Uuid,
    /// The superior entry; `None` for the top of a naming context.
    pub parent: Option<Uuid>,
    /// The RDN in the string form of RFC 4514; the whole DN where `parent` is `None`.
    pub rdn: String,
    /// Who is the authority for this entry.
    pub origin: Origin,
    /// Everything stored, operational attributes included, links excluded.
    pub attributes: Vec<Attribute>,
    /// DN-valued attributes whose targets are known by identity.
    pub links: Vec<Link>,
}

/// The authority for an entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// Made here, by import or by an LDAP update.
    Local,
    /// Replicated from the source of this name.
    Source(String),
}

/// An attribute description with its values (RFC 4512 section 2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// The attribute type's name, followed by `;option` for each option.
    pub description: String,
    /// The values as octets, in the order they came.
    pub values: Vec<Vec<u8>>,
}

/// A DN-valued attribute whose values are kept as identities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The attribute type's name, e.g. `member`.
    pub attribute: String,
    /// The entries it names; some may not be served, or not be known yet.
    pub targets: BTreeSet<Uuid>,
}

impl Entry {
    /// The attribute of this description, compared without regard to case.
    pub fn attribute(&self, description: &str) -> Option<&Attribute> {
        self.attributes
            .iter()
            .find(|attribute| attribute.description.eq_ignore_ascii_case(description))
    }

    /// The first value of an attribute.
    pub fn first(&self, description: &str) -> Option<&[u8]> {
        self.attribute(description)?
            .values
            .first()
            .map(Vec::as_slice)
    }

    /// The first value of an attribute as text; `None` where it is not UTF-8.
    pub fn first_str(&self, description: &str) -> Option<&str> {
        std::str::from_utf8(self.first(description)?).ok()
    }

    /// Replaces all values of an attribute; no values removes it.
    pub fn set(&mut self, description: &str, values: Vec<Vec<u8>>) {
        self.attributes
            .retain(|attribute| !attribute.description.eq_ignore_ascii_case(description));
        if !values.is_empty() {
            self.attributes.push(Attribute {
                description: description.to_owned(),
                values,
            });
        }
    }

    /// The targets of a link attribute.
    pub fn link(&self, attribute: &str) -> Option<&BTreeSet<Uuid>> {
        self.links
            .iter()
            .find(|link| link.attribute.eq_ignore_ascii_case(attribute))
            .map(|link| &link.targets)
    }

    /// The targets of a link attribute, made empty where there are none yet.
    pub fn link_mut(&mut self, attribute: &str) -> &mut BTreeSet<Uuid> {
        let position = match self
            .links
            .iter()
            .position(|link| link.attribute.eq_ignore_ascii_case(attribute))
        {
            Some(position) => position,
            None => {
                self.links.push(Link {
                    attribute: attribute.to_owned(),
                    targets: BTreeSet::new(),
                });
                self.links.len() - 1
            }
        };
        // The position was just found or made.
        #[allow(clippy::indexing_slicing)]
        &mut self.links[position].targets
    }
}
