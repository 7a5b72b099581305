//! The text of schema definitions (RFC 4512 section 4.1), read into what they say.
//!
//! Names are not looked up here; [`super::registry`] does that.

use super::Usage;
use super::object_class::ObjectClassKind;

/// Why a text is not a definition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(super) struct DescriptionError {
    /// The byte offset in the text.
    pub(super) offset: usize,
    /// What is wrong there.
    pub(super) message: String,
}

/// The extension by which a user attribute that clients may not write is published.
pub(super) const SYSTEM_ONLY: &str = "X-SYSTEM-ONLY";

/// An attribute type description as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AttributeTypeDescription {
    pub(super) oid: String,
    pub(super) names: Vec<String>,
    pub(super) description: String,
    pub(super) obsolete: bool,
    pub(super) sup: Option<String>,
    pub(super) equality: Option<String>,
    pub(super) ordering: Option<String>,
    pub(super) substring: Option<String>,
    pub(super) syntax: Option<String>,
    pub(super) single_value: bool,
    pub(super) collective: bool,
    pub(super) no_user_modification: bool,
    pub(super) usage: Usage,
}

/// An object class description as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ObjectClassDescription {
    pub(super) oid: String,
    pub(super) names: Vec<String>,
    pub(super) description: String,
    pub(super) obsolete: bool,
    pub(super) sup: Vec<String>,
    pub(super) kind: ObjectClassKind,
    pub(super) must: Vec<String>,
    pub(super) may: Vec<String>,
}

impl AttributeTypeDescription {
    pub(super) fn parse(text: &str) -> Result<Self, DescriptionError> {
        let mut reader = Reader::new(text);
        let mut this = Self {
            oid: reader.open()?,
            ..Self::default()
        };
        while let Some(keyword) = reader.keyword()? {
            match keyword.to_ascii_uppercase().as_str() {
                "NAME" => this.names = reader.list()?,
                "DESC" => this.description = reader.string()?,
                "OBSOLETE" => this.obsolete = true,
                "SUP" => this.sup = Some(reader.string()?),
                "EQUALITY" => this.equality = Some(reader.string()?),
                "ORDERING" => this.ordering = Some(reader.string()?),
                "SUBSTR" => this.substring = Some(reader.string()?),
                "SYNTAX" => {
                    // The length in braces is a suggestion that nothing here follows.
                    let mut syntax = reader.string()?;
                    if let Some(brace) = syntax.find('{') {
                        syntax.truncate(brace);
                    }
                    this.syntax = Some(syntax);
                }
                "SINGLE-VALUE" => this.single_value = true,
                "COLLECTIVE" => this.collective = true,
                "NO-USER-MODIFICATION" => this.no_user_modification = true,
                "USAGE" => this.usage = usage(&mut reader)?,
                SYSTEM_ONLY => this.no_user_modification = reader.string()? == "TRUE",
                _ if is_extension(keyword) => drop(reader.list()?),
                _ => return Err(reader.unknown(keyword)),
            }
        }
        Ok(this)
    }
}

impl ObjectClassDescription {
    pub(super) fn parse(text: &str) -> Result<Self, DescriptionError> {
        let mut reader = Reader::new(text);
        let mut this = Self {
            oid: reader.open()?,
            ..Self::default()
        };
        while let Some(keyword) = reader.keyword()? {
            match keyword.to_ascii_uppercase().as_str() {
                "NAME" => this.names = reader.list()?,
                "DESC" => this.description = reader.string()?,
                "OBSOLETE" => this.obsolete = true,
                "SUP" => this.sup = reader.list()?,
                "ABSTRACT" => this.kind = ObjectClassKind::Abstract,
                "STRUCTURAL" => this.kind = ObjectClassKind::Structural,
                "AUXILIARY" => this.kind = ObjectClassKind::Auxiliary,
                "MUST" => this.must = reader.list()?,
                "MAY" => this.may = reader.list()?,
                _ if is_extension(keyword) => drop(reader.list()?),
                _ => return Err(reader.unknown(keyword)),
            }
        }
        Ok(this)
    }
}

/// The first word or quoted string after the opening parenthesis.
pub(super) fn first_component(text: &str) -> Option<String> {
    Reader::new(text).open().ok()
}

fn usage(reader: &mut Reader<'_>) -> Result<Usage, DescriptionError> {
    let word = reader.string()?;
    Usage::by_name(&word).ok_or_else(|| {
        reader.error(format!(
            "unknown USAGE `{word}`; userApplications, directoryOperation, \
             distributedOperation and dSAOperation are allowed"
        ))
    })
}

fn is_extension(keyword: &str) -> bool {
    keyword
        .get(..2)
        .is_some_and(|prefix| prefix.eq_ignore_ascii_case("X-"))
}

/// One piece of a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token<'a> {
    Open,
    Close,
    Dollar,
    Quoted(String),
    Word(&'a str),
}

struct Reader<'a> {
    text: &'a str,
    position: usize,
    /// Where the last token began.
    start: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            position: 0,
            start: 0,
        }
    }

    fn error(&self, message: String) -> DescriptionError {
        DescriptionError {
            offset: self.start,
            message,
        }
    }

    fn unknown(&self, keyword: &str) -> DescriptionError {
        self.error(format!("unknown keyword `{keyword}`"))
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.position..).unwrap_or_default()
    }

    fn token(&mut self) -> Result<Token<'a>, DescriptionError> {
        let rest = self.rest().trim_start();
        self.position = self.text.len() - rest.len();
        self.start = self.position;
        let single = match rest.chars().next() {
            None => return Err(self.error("the definition has no end; `)` is missing".to_owned())),
            Some('(') => Some(Token::Open),
            Some(')') => Some(Token::Close),
            Some('$') => Some(Token::Dollar),
            Some('\'') => return self.quoted(),
            Some(_) => None,
        };
        if let Some(token) = single {
            self.position += 1;
            return Ok(token);
        }
        let length = rest
            .find(|character: char| character.is_whitespace() || "()$'".contains(character))
            .unwrap_or(rest.len());
        self.position += length;
        Ok(Token::Word(rest.get(..length).unwrap_or_default()))
    }

    /// `qdstring`: `\27` and `\5C` stand for `'` and `\`.
    fn quoted(&mut self) -> Result<Token<'a>, DescriptionError> {
        let body = self.rest().get(1..).unwrap_or_default();
        let Some(length) = body.find('\'') else {
            return Err(self.error("the quoted string has no end".to_owned()));
        };
        self.position += length + 2;
        let raw = body.get(..length).unwrap_or_default();
        Ok(Token::Quoted(
            raw.replace("\\27", "'")
                .replace("\\5C", "\\")
                .replace("\\5c", "\\"),
        ))
    }

    /// The opening parenthesis and the first component.
    fn open(&mut self) -> Result<String, DescriptionError> {
        match self.token()? {
            Token::Open => self.string(),
            _ => Err(self.error("a definition begins with `(`".to_owned())),
        }
    }

    /// The next keyword, or `None` at the end.
    fn keyword(&mut self) -> Result<Option<&'a str>, DescriptionError> {
        match self.token()? {
            Token::Word(word) => Ok(Some(word)),
            Token::Close if self.rest().trim().is_empty() => Ok(None),
            Token::Close => Err(self.error("text after the end of the definition".to_owned())),
            _ => Err(self.error("expected a keyword or `)`".to_owned())),
        }
    }

    fn string(&mut self) -> Result<String, DescriptionError> {
        match self.token()? {
            Token::Word(word) => Ok(word.to_owned()),
            Token::Quoted(text) => Ok(text),
            _ => Err(self.error("expected a name, an OID or a quoted string".to_owned())),
        }
    }

    /// One string, or several in parentheses with or without `$` between.
    fn list(&mut self) -> Result<Vec<String>, DescriptionError> {
        match self.token()? {
            Token::Word(word) => return Ok(vec![word.to_owned()]),
            Token::Quoted(text) => return Ok(vec![text]),
            Token::Open => {}
            _ => return Err(self.error("expected a name or a list in parentheses".to_owned())),
        }
        let mut items = Vec::new();
        loop {
            match self.token()? {
                Token::Word(word) => items.push(word.to_owned()),
                Token::Quoted(text) => items.push(text),
                Token::Dollar => {}
                Token::Close => return Ok(items),
                Token::Open => return Err(self.error("a list within a list".to_owned())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_an_attribute_type() {
        let read = AttributeTypeDescription::parse(
            "( 1.2.3 NAME ( 'a' 'b' ) DESC 'it\\27s' OBSOLETE SUP name EQUALITY caseIgnoreMatch \
             SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15{128} \
             SINGLE-VALUE NO-USER-MODIFICATION USAGE directoryOperation X-ORIGIN ( 'x' 'y' ) )",
        )
        .unwrap();
        assert_eq!(read.oid, "1.2.3");
        assert_eq!(read.names, ["a", "b"]);
        assert_eq!(read.description, "it's");
        assert_eq!(
            read.syntax.as_deref(),
            Some("1.3.6.1.4.1.1466.115.121.1.15")
        );
        assert!(read.obsolete && read.single_value && read.no_user_modification);
        assert_eq!(read.usage, Usage::DirectoryOperation);
    }

    #[test]
    fn reads_an_object_class() {
        let read = ObjectClassDescription::parse(
            "(1.2.3 NAME 'c' SUP (top $ person) AUXILIARY MUST cn MAY (sn $description))",
        )
        .unwrap();
        assert_eq!(read.sup, ["top", "person"]);
        assert_eq!(read.kind, ObjectClassKind::Auxiliary);
        assert_eq!(read.must, ["cn"]);
        assert_eq!(read.may, ["sn", "description"]);
    }

    #[test]
    fn errors_tell_where() {
        for (text, offset) in [
            ("1.2.3", 0),
            ("( 1.2.3 NAME 'a", 13),
            ("( 1.2.3 NAME 'a'", 16),
            ("( 1.2.3 WHAT )", 8),
            ("( 1.2.3 USAGE never )", 14),
            ("( 1.2.3 ) x", 8),
            ("( 1.2.3 NAME ( 'a' ( 'b' ) ) )", 19),
        ] {
            assert_eq!(
                AttributeTypeDescription::parse(text).unwrap_err().offset,
                offset,
                "{text}"
            );
        }
    }
}
