//! How POSIX attributes are made for the users and groups of one source.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// The checked form of `[source.posix]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PosixPolicy {
    /// Where uid and gid numbers come from.
    pub ids: IdPolicy,
    /// `homeDirectory` of users without `unixHomeDirectory`.
    pub home: Template,
    /// `loginShell` of users without one.
    pub shell: String,
    /// The case of `uid` and `memberUid`.
    pub name_case: NameCase,
    /// Whose names a group's `memberUid` lists.
    pub member_uid: MemberUid,
}

/// Where uid and gid numbers come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdPolicy {
    /// From the SID alone, as SSSD with `ldap_id_mapping = true`.
    Sssd,
    /// From AD's uidNumber and gidNumber alone; who has none is no POSIX account or group.
    Attributes,
    /// From AD's attributes, and from the SID where one is missing.
    #[default]
    AttributesThenSssd,
}

/// The case of names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NameCase {
    /// sAMAccountName in lower case, as SSSD shows it for AD.
    #[default]
    Lower,
    /// sAMAccountName as AD has it.
    Keep,
}

/// Whose names a group's `memberUid` lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemberUid {
    /// Direct members only.
    Direct,
    /// Members of nested groups, too.
    #[default]
    Nested,
}

impl IdPolicy {
    /// Whether AD's uidNumber and gidNumber are looked at.
    pub fn reads_attributes(self) -> bool {
        matches!(self, Self::Attributes | Self::AttributesThenSssd)
    }

    /// Whether ids are computed from SIDs.
    pub fn computes(self) -> bool {
        matches!(self, Self::Sssd | Self::AttributesThenSssd)
    }
}

impl NameCase {
    /// The name in this case.
    pub fn apply(self, name: &str) -> String {
        match self {
            Self::Lower => name.to_lowercase(),
            Self::Keep => name.to_owned(),
        }
    }
}

impl Default for PosixPolicy {
    fn default() -> Self {
        Self {
            ids: IdPolicy::default(),
            home: Template(vec![
                Piece::Text("/home/".to_owned()),
                Piece::Variable(Variable::Name),
            ]),
            shell: "/bin/bash".to_owned(),
            name_case: NameCase::default(),
            member_uid: MemberUid::default(),
        }
    }
}

/// A path with variables: `%u` name, `%d` domain, `%f` first letter of the name, `%U` uid number,
/// `%%` a percent sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable(Variable),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variable {
    Name,
    Domain,
    FirstLetter,
    UidNumber,
}

/// Why text is no template.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// A path that depends on where a process stands is no home.
    #[error("must begin with a slash")]
    NotAbsolute,
    /// A percent sign that begins no variable.
    #[error("%{0} is not a variable; there are %u, %d, %f, %U and %%")]
    UnknownVariable(char),
    /// The text ends in a single percent sign.
    #[error("ends in a single percent sign; write %% for one")]
    LonePercent,
    /// A control character, which no path can have.
    #[error("contains a control character")]
    ControlCharacter,
}

/// What the variables of a template stand for.
#[derive(Clone, Copy, Debug)]
pub struct TemplateValues<'a> {
    /// The user's POSIX name.
    pub name: &'a str,
    /// The DNS name of his domain.
    pub domain: &'a str,
    /// His uid number.
    pub uid_number: u32,
}

impl Template {
    /// The path for one user.
    ///
    /// The values come from AD and are not to be trusted with the shape of the path: each is one
    /// component or part of one. A slash, NUL or other control character in a value becomes `_`,
    /// and so do the dots of a value that consists of dots (`.` and `..` would be other folders).
    pub fn expand(&self, values: TemplateValues<'_>) -> String {
        let mut path = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => path.push_str(text),
                Piece::Variable(Variable::Name) => push_component(&mut path, values.name),
                Piece::Variable(Variable::Domain) => push_component(&mut path, values.domain),
                Piece::Variable(Variable::FirstLetter) => {
                    let rest = values.name.char_indices().nth(1);
                    let end = rest.map_or(values.name.len(), |(index, _)| index);
                    push_component(&mut path, values.name.get(..end).unwrap_or_default());
                }
                Piece::Variable(Variable::UidNumber) => {
                    path.push_str(&values.uid_number.to_string());
                }
            }
        }
        path
    }
}

fn push_component(path: &mut String, value: &str) {
    let only_dots = value.chars().all(|character| character == '.');
    path.extend(value.chars().map(|character| match character {
        '/' => '_',
        '.' if only_dots => '_',
        control if control.is_control() => '_',
        other => other,
    }));
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        if !text.starts_with('/') {
            return Err(TemplateError::NotAbsolute);
        }
        if text.chars().any(char::is_control) {
            return Err(TemplateError::ControlCharacter);
        }
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            if character != '%' {
                literal.push(character);
                continue;
            }
            let variable = match characters.next().ok_or(TemplateError::LonePercent)? {
                'u' => Variable::Name,
                'd' => Variable::Domain,
                'f' => Variable::FirstLetter,
                'U' => Variable::UidNumber,
                '%' => {
                    literal.push('%');
                    continue;
                }
                other => return Err(TemplateError::UnknownVariable(other)),
            };
            if !literal.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Variable(variable));
        }
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        Ok(Self(pieces))
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => f.write_str(&text.replace('%', "%%"))?,
                Piece::Variable(Variable::Name) => f.write_str("%u")?,
                Piece::Variable(Variable::Domain) => f.write_str("%d")?,
                Piece::Variable(Variable::FirstLetter) => f.write_str("%f")?,
                Piece::Variable(Variable::UidNumber) => f.write_str("%U")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use proptest::prelude::*;

    use super::*;

    fn expand(template: &str, name: &str) -> String {
        template
            .parse::<Template>()
            .unwrap()
            .expand(TemplateValues {
                name,
                domain: "corp.example.com",
                uid_number: 1_234,
            })
    }

    #[test]
    fn templates_expand() {
        for (template, name, path) in [
            ("/home/%u", "jdoe", "/home/jdoe"),
            ("/home/%d/%f/%u", "jdoe", "/home/corp.example.com/j/jdoe"),
            ("/home/%f/%u", "émile", "/home/é/émile"),
            ("/srv/%U/100%%u", "jdoe", "/srv/1234/100%u"),
            ("/home", "jdoe", "/home"),
            ("/%u%u", "ab", "/abab"),
            ("/home/%f", "", "/home/"),
        ] {
            assert_eq!(expand(template, name), path, "{template}");
        }
    }

    #[test]
    fn names_cannot_escape_the_path() {
        for (name, path) in [
            ("../etc", "/home/.._etc"),
            ("..", "/home/__"),
            (".", "/home/_"),
            ("a/b", "/home/a_b"),
            ("/", "/home/_"),
            ("a\0b\nc", "/home/a_b_c"),
            ("j.doe", "/home/j.doe"),
            ("%u", "/home/%u"),
        ] {
            assert_eq!(expand("/home/%u", name), path, "{name:?}");
        }
        assert_eq!(expand("/home/%f/%u", "..x"), "/home/_/..x");
    }

    #[test]
    fn templates_are_checked() {
        for (template, error) in [
            ("", TemplateError::NotAbsolute),
            ("home/%u", TemplateError::NotAbsolute),
            ("%u", TemplateError::NotAbsolute),
            ("/home/%x", TemplateError::UnknownVariable('x')),
            ("/home/%é", TemplateError::UnknownVariable('é')),
            ("/home/%", TemplateError::LonePercent),
            ("/home/\n%u", TemplateError::ControlCharacter),
        ] {
            assert_eq!(template.parse::<Template>(), Err(error), "{template:?}");
        }
        assert_eq!(
            PosixPolicy::default().home,
            "/home/%u".parse::<Template>().unwrap()
        );
    }

    #[test]
    fn names_take_the_case_asked_for() {
        assert_eq!(NameCase::Lower.apply("J.DÖE"), "j.döe");
        assert_eq!(NameCase::Keep.apply("J.Doe"), "J.Doe");
    }

    proptest! {
        #[test]
        fn any_template_is_safe(text in ".*") {
            if let Ok(template) = text.parse::<Template>() {
                prop_assert_eq!(template.to_string().parse::<Template>().unwrap(), template);
            }
        }

        #[test]
        fn any_name_stays_one_component(name in "[\\PC./\0]{1,12}") {
            let path = expand("/home/%u/x", &name);
            prop_assert_eq!(path.split('/').count(), 4);
            prop_assert!(path.split('/').all(|component| component != "." && component != ".."));
        }
    }
}
