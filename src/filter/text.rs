//! The string form of filters (RFC 4515).

use std::fmt;
use std::str::FromStr;

use super::Filter;

/// How deep filters may be nested.
pub const MAX_DEPTH: usize = 100;

/// Why a text is not a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid filter at byte {offset}: expected {expected}")]
pub struct FilterError {
    /// The byte offset in the text.
    pub offset: usize,
    /// What would have been right there.
    pub expected: &'static str,
}

impl Filter {
    /// Reads the string form, including `(&)` and `(|)` (RFC 4526).
    ///
    /// White space between filters is passed over. Empty parts of a substring filter are left
    /// out, so that `(cn=**)` is the same as `(cn=*)`.
    ///
    /// # Errors
    /// [`FilterError`] with the byte offset and what was expected there; also for filters nested
    /// deeper than [`MAX_DEPTH`].
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let mut parser = Parser {
            bytes: text.as_bytes(),
            position: 0,
        };
        let filter = parser.filter(1)?;
        parser.skip_spaces();
        match parser.peek() {
            None => Ok(filter),
            Some(_) => Err(parser.expected("the end of the filter")),
        }
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        Self::parse(text)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        match self {
            Self::And(filters) => write_list(f, "&", filters)?,
            Self::Or(filters) => write_list(f, "|", filters)?,
            Self::Not(filter) => write!(f, "!{filter}")?,
            Self::Equality { attribute, value } => write_item(f, attribute, "=", value)?,
            Self::GreaterOrEqual { attribute, value } => write_item(f, attribute, ">=", value)?,
            Self::LessOrEqual { attribute, value } => write_item(f, attribute, "<=", value)?,
            Self::Approx { attribute, value } => write_item(f, attribute, "~=", value)?,
            Self::Present(attribute) => write!(f, "{attribute}=*")?,
            Self::Substrings {
                attribute,
                initial,
                any,
                final_,
            } => {
                write_item(f, attribute, "=", initial.as_deref().unwrap_or_default())?;
                f.write_str("*")?;
                for part in any {
                    write_value(f, part)?;
                    f.write_str("*")?;
                }
                write_value(f, final_.as_deref().unwrap_or_default())?;
            }
            Self::Extensible {
                rule,
                attribute,
                value,
                dn_attributes,
            } => {
                f.write_str(attribute.as_deref().unwrap_or_default())?;
                if *dn_attributes {
                    f.write_str(":dn")?;
                }
                if let Some(rule) = rule {
                    write!(f, ":{rule}")?;
                }
                f.write_str(":=")?;
                write_value(f, value)?;
            }
        }
        f.write_str(")")
    }
}

fn write_list(f: &mut fmt::Formatter<'_>, operator: &str, filters: &[Filter]) -> fmt::Result {
    f.write_str(operator)?;
    filters.iter().try_for_each(|filter| write!(f, "{filter}"))
}

fn write_item(
    f: &mut fmt::Formatter<'_>,
    attribute: &str,
    operator: &str,
    value: &[u8],
) -> fmt::Result {
    write!(f, "{attribute}{operator}")?;
    write_value(f, value)
}

/// Escapes what the grammar needs, and whatever would not show in a log.
fn write_value(f: &mut fmt::Formatter<'_>, value: &[u8]) -> fmt::Result {
    for chunk in value.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '*' | '(' | ')' | '\\' | '\0'..='\x1f' | '\x7f' => {
                    write!(f, "\\{:02x}", u32::from(character))?;
                }
                _ => fmt::Write::write_char(f, character)?,
            }
        }
        for byte in chunk.invalid() {
            write!(f, "\\{byte:02x}")?;
        }
    }
    Ok(())
}

struct Parser<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.position).copied()
    }

    fn advance(&mut self) {
        self.position += 1;
    }

    /// Takes this text where it comes next.
    fn take(&mut self, text: &str) -> bool {
        let next = self.bytes.get(self.position..self.position + text.len());
        let taken = next.is_some_and(|next| next.eq_ignore_ascii_case(text.as_bytes()));
        if taken {
            self.position += text.len();
        }
        taken
    }

    fn expected(&self, expected: &'static str) -> FilterError {
        FilterError {
            offset: self.position,
            expected,
        }
    }

    fn skip_spaces(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.advance();
        }
    }

    fn filter(&mut self, depth: usize) -> Result<Filter, FilterError> {
        self.skip_spaces();
        if self.peek() != Some(b'(') {
            return Err(self.expected("`(`"));
        }
        if depth > MAX_DEPTH {
            return Err(self.expected("at most 100 levels"));
        }
        self.advance();
        self.skip_spaces();
        let filter = match self.peek() {
            Some(b'&') => Filter::And(self.list(depth)?),
            Some(b'|') => Filter::Or(self.list(depth)?),
            Some(b'!') => {
                self.advance();
                let filter = Filter::Not(Box::new(self.filter(depth + 1)?));
                self.skip_spaces();
                filter
            }
            _ => self.item()?,
        };
        if self.peek() != Some(b')') {
            return Err(self.expected("`)`"));
        }
        self.advance();
        Ok(filter)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Filter>, FilterError> {
        self.advance();
        let mut filters = Vec::new();
        loop {
            self.skip_spaces();
            if self.peek() == Some(b')') {
                return Ok(filters);
            }
            filters.push(self.filter(depth + 1)?);
        }
    }

    fn item(&mut self) -> Result<Filter, FilterError> {
        let attribute = self.name();
        if self.peek() == Some(b':') {
            return self.extensible(attribute);
        }
        let Some(attribute) = attribute else {
            return Err(self.expected("an attribute description, `&`, `|` or `!`"));
        };
        if self.take(">=") {
            let value = self.whole_value()?;
            return Ok(Filter::GreaterOrEqual { attribute, value });
        }
        if self.take("<=") {
            let value = self.whole_value()?;
            return Ok(Filter::LessOrEqual { attribute, value });
        }
        if self.take("~=") {
            let value = self.whole_value()?;
            return Ok(Filter::Approx { attribute, value });
        }
        if self.take("=") {
            return self.equality_or_parts(attribute);
        }
        Err(self.expected("`=`, `>=`, `<=`, `~=` or `:=`"))
    }

    /// `=` and what follows it: a value, parts of one, or `*`.
    fn equality_or_parts(&mut self, attribute: String) -> Result<Filter, FilterError> {
        let initial = self.value()?;
        if self.peek() != Some(b'*') {
            return Ok(Filter::Equality {
                attribute,
                value: initial,
            });
        }
        let mut parts = Vec::new();
        while self.peek() == Some(b'*') {
            self.advance();
            parts.push(self.value()?);
        }
        let final_ = parts.pop().unwrap_or_default();
        parts.retain(|part| !part.is_empty());
        if initial.is_empty() && final_.is_empty() && parts.is_empty() {
            return Ok(Filter::Present(attribute));
        }
        let some = |part: Vec<u8>| (!part.is_empty()).then_some(part);
        Ok(Filter::Substrings {
            attribute,
            initial: some(initial),
            any: parts,
            final_: some(final_),
        })
    }

    fn extensible(&mut self, attribute: Option<String>) -> Result<Filter, FilterError> {
        let dn_attributes = self.take(":dn:");
        if dn_attributes {
            // The colon also begins what follows.
            self.position -= 1;
        }
        let mut rule = None;
        if !self.take(":=") {
            if !self.take(":") {
                return Err(self.expected("`:=`"));
            }
            rule = self.name();
            if rule.is_none() {
                return Err(self.expected("a matching rule"));
            }
            if !self.take(":=") {
                return Err(self.expected("`:=`"));
            }
        }
        if attribute.is_none() && rule.is_none() {
            return Err(self.expected("an attribute description or a matching rule before `:=`"));
        }
        Ok(Filter::Extensible {
            rule,
            attribute,
            value: self.whole_value()?,
            dn_attributes,
        })
    }

    /// An attribute description or a rule, as far as its characters go.
    fn name(&mut self) -> Option<String> {
        let start = self.position;
        while self
            .peek()
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || b"-._;".contains(&byte))
        {
            self.advance();
        }
        let name = self.bytes.get(start..self.position)?;
        (!name.is_empty()).then(|| String::from_utf8_lossy(name).into_owned())
    }

    fn whole_value(&mut self) -> Result<Vec<u8>, FilterError> {
        let value = self.value()?;
        if self.peek() == Some(b'*') {
            return Err(self.expected("`*` escaped as `\\2a`"));
        }
        Ok(value)
    }

    /// Octets up to `)` or `*`, with `\` and two hex digits for any octet.
    fn value(&mut self) -> Result<Vec<u8>, FilterError> {
        let mut value = Vec::new();
        loop {
            match self.peek() {
                None | Some(b')' | b'*') => return Ok(value),
                Some(b'(') => return Err(self.expected("`(` escaped as `\\28`")),
                Some(0) => return Err(self.expected("NUL escaped as `\\00`")),
                Some(b'\\') => {
                    self.advance();
                    let octet = self.hex_pair();
                    value.push(octet.ok_or_else(|| self.expected("two hex digits after `\\`"))?);
                }
                Some(byte) => {
                    value.push(byte);
                    self.advance();
                }
            }
        }
    }

    fn hex_pair(&mut self) -> Option<u8> {
        let digits = self.bytes.get(self.position..self.position + 2)?;
        let [high, low] = digits else { return None };
        let high = char::from(*high).to_digit(16)?;
        let low = char::from(*low).to_digit(16)?;
        self.position += 2;
        u8::try_from(high << 4 | low).ok()
    }
}
