//! An entry while it is changed, attribute by attribute.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use uuid::Uuid;

use super::{
    check::{Problem, check_syntax, shown},
    integer,
    links::Targets,
};
use crate::{
    directory::{canonical_description, derived::LINK_ATTRIBUTES},
    entry::{Attribute, Entry},
    schema::{AttributeDescription, AttributeId, AttributeType, MatchingRule, Schema, Syntax},
};

/// How the values of one attribute type compare.
#[derive(Clone, Copy)]
pub(super) struct Comparison<'s> {
    schema: &'s Schema,
    rule: Option<MatchingRule>,
}

impl<'s> Comparison<'s> {
    pub(super) fn of(schema: &'s Schema, id: AttributeId) -> Self {
        Self {
            schema,
            rule: schema.attribute_type(id).equality,
        }
    }

    /// Octets that are the same for values that match; a value without a normalized form, or whose
    /// type has no equality rule, is its own.
    pub(super) fn key<'v>(&self, value: &'v [u8]) -> Cow<'v, [u8]>
    where
        's: 'v,
    {
        self.rule
            .and_then(|rule| rule.normalize(self.schema, value).ok())
            .unwrap_or(Cow::Borrowed(value))
    }

    pub(super) fn same(&self, left: &[u8], right: &[u8]) -> bool {
        left == right || self.key(left) == self.key(right)
    }
}

/// More options than that are not meant.
const LONGEST_DESCRIPTION: usize = 256;

/// An attribute as a request names it.
pub(super) struct Named<'s> {
    pub(super) id: AttributeId,
    pub(super) definition: &'s AttributeType,
    /// The description with the schema's name and sorted options.
    pub(super) description: String,
    /// Its name where DNs are kept as identities.
    link: Option<&'static str>,
}

impl<'s> Named<'s> {
    /// Finds the attribute of a description that a client may write.
    pub(super) fn writable(schema: &'s Schema, description: &[u8]) -> Result<Self, Problem> {
        let undefined = || Problem::UndefinedAttribute(shown(description));
        let parsed = AttributeDescription::parse(description)
            .filter(|_| description.len() <= LONGEST_DESCRIPTION)
            .ok_or_else(undefined)?;
        let id = schema
            .attribute(parsed.base.as_bytes())
            .ok_or_else(undefined)?;
        let definition = schema.attribute_type(id);
        if !parsed
            .options
            .iter()
            .all(|option| is_known_option(option, definition.syntax))
        {
            return Err(undefined());
        }
        let text = std::str::from_utf8(description).map_err(|_| undefined())?;
        let (_, description) = canonical_description(schema, text).ok_or_else(undefined)?;
        // AD gives every entry its name under this one; it is derived.
        let derived = schema.attribute(b"distinguishedName") == Some(id);
        if definition.no_user_modification || derived {
            return Err(Problem::ServerOnly(description.into_owned()));
        }
        let link = LINK_ATTRIBUTES
            .iter()
            .find(|name| schema.attribute(name.as_bytes()) == Some(id))
            .filter(|_| parsed.options.is_empty());
        Ok(Self {
            id,
            definition,
            description: description.into_owned(),
            link: link.copied(),
        })
    }

    fn name(&self) -> String {
        self.description.clone()
    }
}

/// The options that are known (RFC 4512 section 2.5.2): languages, private ones, and the binary
/// transfer of what is binary (RFC 4522).
fn is_known_option(option: &str, syntax: Syntax) -> bool {
    match option {
        "binary" => syntax.is_binary(),
        "phonetic" => true,
        _ => {
            let keystring = option
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
            let tag = option
                .strip_prefix("lang-")
                .or_else(|| option.strip_prefix("x-"));
            keystring && tag.is_some_and(|tag| !tag.is_empty())
        }
    }
}

/// An entry while it is changed.
pub(super) struct Draft<'d> {
    schema: &'d Schema,
    targets: Targets<'d>,
    pub(super) entry: Entry,
    /// By description, how the values compare; of attributes that only grew so far.
    keys: HashMap<String, HashSet<Vec<u8>>>,
}

impl<'d> Draft<'d> {
    /// Begins with an entry as it is stored.
    pub(super) fn new(schema: &'d Schema, targets: Targets<'d>, mut entry: Entry) -> Self {
        entry.attributes = canonical(schema, entry.attributes);
        Self {
            schema,
            targets,
            entry,
            keys: HashMap::new(),
        }
    }

    /// Adds values (RFC 4511 section 4.6).
    pub(super) fn add(&mut self, named: &Named<'_>, values: Vec<Vec<u8>>) -> Result<(), Problem> {
        if values.is_empty() {
            return Err(Problem::NoValues(named.name()));
        }
        if self.has(named) && named.definition.equality.is_none() {
            return Err(Problem::NoEquality(named.name()));
        }
        let values = self.checked(named, values)?;
        let comparison = Comparison::of(self.schema, named.id);
        for value in values {
            let key = comparison.key(&value).into_owned();
            if !self.keys(named).insert(key) {
                return Err(Problem::Exists(named.name()));
            }
            self.put(named, value)?;
        }
        Ok(())
    }

    /// Removes values, or all of them where none is given.
    pub(super) fn delete(
        &mut self,
        named: &Named<'_>,
        values: Vec<Vec<u8>>,
    ) -> Result<(), Problem> {
        if !self.has(named) {
            return Err(Problem::NoAttribute(named.name()));
        }
        if values.is_empty() {
            self.clear(named);
            return Ok(());
        }
        if named.definition.equality.is_none() {
            return Err(Problem::NoEquality(named.name()));
        }
        for value in self.checked(named, values)? {
            if !self.take(named, &value) {
                return Err(Problem::NoValue(named.name()));
            }
        }
        Ok(())
    }

    /// Puts values in place of all others; none removes the attribute, which need not be there.
    pub(super) fn replace(
        &mut self,
        named: &Named<'_>,
        values: Vec<Vec<u8>>,
    ) -> Result<(), Problem> {
        let values = self.checked(named, values)?;
        self.clear(named);
        for value in values {
            self.put(named, value)?;
        }
        Ok(())
    }

    /// Adds a number to every value (RFC 4525).
    pub(super) fn increment(
        &mut self,
        named: &Named<'_>,
        values: Vec<Vec<u8>>,
    ) -> Result<(), Problem> {
        let [delta] = values.as_slice() else {
            return Err(Problem::OneIncrement(named.name()));
        };
        if !matches!(
            named.definition.syntax,
            Syntax::Integer | Syntax::AdLargeInteger
        ) {
            return Err(Problem::NoInteger(named.name()));
        }
        let delta = delta.clone();
        self.checked(named, values)?;
        self.keys.remove(&named.description);
        let attribute = self
            .attribute_mut(named)
            .ok_or_else(|| Problem::NoAttribute(named.name()))?;
        for value in &mut attribute.values {
            *value = integer::sum(value, &delta);
        }
        Ok(())
    }

    /// Removes a value of the RDN that was; a missing one is no error.
    pub(super) fn forget(&mut self, id: AttributeId, value: &[u8]) {
        let comparison = Comparison::of(self.schema, id);
        let key = comparison.key(value);
        let name = self.schema.attribute_type(id).name();
        for attribute in &mut self.entry.attributes {
            if attribute.description == name {
                attribute.values.retain(|own| comparison.key(own) != key);
            }
        }
        self.entry
            .attributes
            .retain(|attribute| !attribute.values.is_empty());
    }

    /// The values if each follows the syntax and none is there twice.
    fn checked(&self, named: &Named<'_>, values: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Problem> {
        let attribute = Attribute {
            description: named.name(),
            values,
        };
        check_syntax(named.definition, &attribute)?;
        let comparison = Comparison::of(self.schema, named.id);
        let mut seen = HashSet::with_capacity(attribute.values.len());
        let twice = attribute
            .values
            .iter()
            .any(|value| !seen.insert(comparison.key(value)));
        if twice {
            return Err(Problem::Twice(attribute.description));
        }
        drop(seen);
        Ok(attribute.values)
    }

    fn attribute_mut(&mut self, named: &Named<'_>) -> Option<&mut Attribute> {
        self.entry
            .attributes
            .iter_mut()
            .find(|attribute| attribute.description == named.description)
    }

    fn values(&self, named: &Named<'_>) -> &[Vec<u8>] {
        self.entry
            .attributes
            .iter()
            .find(|attribute| attribute.description == named.description)
            .map_or(&[], |attribute| attribute.values.as_slice())
    }

    /// The values that are kept as they are, as they compare.
    fn keys(&mut self, named: &Named<'_>) -> &mut HashSet<Vec<u8>> {
        if !self.keys.contains_key(&named.description) {
            let comparison = Comparison::of(self.schema, named.id);
            let keys = self
                .values(named)
                .iter()
                .map(|value| comparison.key(value).into_owned())
                .collect();
            self.keys.insert(named.name(), keys);
        }
        self.keys.entry(named.name()).or_default()
    }

    fn has(&self, named: &Named<'_>) -> bool {
        let linked = named.link.and_then(|link| self.entry.link(link));
        linked.is_some_and(|targets| !targets.is_empty()) || !self.values(named).is_empty()
    }

    /// The entry that a value names, where the attribute keeps identities.
    fn target(&self, named: &Named<'_>, value: &[u8]) -> Option<(&'static str, Uuid)> {
        Some((named.link?, self.targets.find(value)?))
    }

    fn put(&mut self, named: &Named<'_>, value: Vec<u8>) -> Result<(), Problem> {
        if let Some((link, target)) = self.target(named, &value) {
            return if self.entry.link_mut(link).insert(target) {
                Ok(())
            } else {
                Err(Problem::Exists(named.name()))
            };
        }
        match self.attribute_mut(named) {
            Some(attribute) => attribute.values.push(value),
            None => self.entry.attributes.push(Attribute {
                description: named.name(),
                values: vec![value],
            }),
        }
        Ok(())
    }

    /// Whether the value was there.
    fn take(&mut self, named: &Named<'_>, value: &[u8]) -> bool {
        self.keys.remove(&named.description);
        if let Some((link, target)) = self.target(named, value)
            && self.entry.link_mut(link).remove(&target)
        {
            self.entry.links.retain(|link| !link.targets.is_empty());
            return true;
        }
        let comparison = Comparison::of(self.schema, named.id);
        let key = comparison.key(value);
        let Some(attribute) = self.attribute_mut(named) else {
            return false;
        };
        // The same octets are quickly found.
        let position = attribute.values.iter().position(|own| own == value);
        let found = position.or_else(|| {
            let mut values = attribute.values.iter();
            values.position(|own| comparison.key(own) == key)
        });
        if let Some(position) = found {
            attribute.values.remove(position);
        }
        let found = found.is_some();
        self.entry
            .attributes
            .retain(|attribute| !attribute.values.is_empty());
        found
    }

    fn clear(&mut self, named: &Named<'_>) {
        self.keys.remove(&named.description);
        self.entry
            .attributes
            .retain(|attribute| attribute.description != named.description);
        if let Some(name) = named.link {
            self.entry
                .links
                .retain(|link| !link.attribute.eq_ignore_ascii_case(name));
        }
    }
}

/// Attributes under their names in the schema, those of one description merged.
fn canonical(schema: &Schema, attributes: Vec<Attribute>) -> Vec<Attribute> {
    let mut merged: Vec<Attribute> = Vec::with_capacity(attributes.len());
    for mut attribute in attributes {
        if let Some((_, description)) = canonical_description(schema, &attribute.description)
            && description != attribute.description
        {
            attribute.description = description.into_owned();
        }
        match merged
            .iter_mut()
            .find(|other| other.description == attribute.description)
        {
            Some(other) => other.values.append(&mut attribute.values),
            None => merged.push(attribute),
        }
    }
    merged
}
