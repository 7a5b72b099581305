//! Files of definitions, in OpenLDAP's form and in LDIF.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::description::{AttributeTypeDescription, DescriptionError, ObjectClassDescription};

/// What is wrong with a file of definitions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}: {message}", file.display())]
pub struct SchemaError {
    /// The file as it was named.
    pub file: PathBuf,
    /// The line, from 1, on which the fault lies, else on which the definition begins.
    pub line: usize,
    /// What is wrong and what is allowed.
    pub message: String,
}

/// One definition and where it came from.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    pub(super) file: PathBuf,
    pub(super) line: usize,
    pub(super) body: Body,
}

#[derive(Clone, Debug)]
pub(super) enum Body {
    AttributeType(AttributeTypeDescription),
    ObjectClass(ObjectClassDescription),
}

impl Definition {
    /// Whether it is compiled in.
    pub(super) fn is_builtin(&self) -> bool {
        self.file.starts_with(BUILTIN)
    }

    pub(super) fn error(&self, message: String) -> SchemaError {
        SchemaError {
            file: self.file.clone(),
            line: self.line,
            message,
        }
    }
}

/// The directory that the files compiled in are said to be in.
pub(super) const BUILTIN: &str = "built-in";

/// Names for OIDs (`objectidentifier name oid`), valid in the files read after it.
pub(super) type Macros = HashMap<String, String>;

/// Reads one file: LDIF where its name ends in `.ldif`, else OpenLDAP's form.
///
/// # Errors
/// [`SchemaError`] for the first line that cannot be read.
pub(super) fn read(
    file: &Path,
    content: &str,
    macros: &mut Macros,
) -> Result<Vec<Definition>, SchemaError> {
    let ldif = file
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("ldif"));
    let mut definitions = Vec::new();
    for logical in unfold(content, ldif) {
        let error = |offset: usize, message: String| SchemaError {
            file: file.to_owned(),
            line: logical.line_at(offset),
            message,
        };
        let keyword = if ldif {
            ldif_keyword(&logical.text)
        } else {
            openldap_keyword(&logical.text)
        };
        let keyword = keyword.map_err(|message| error(0, message))?;
        let (Some(keyword), start) = keyword else {
            continue;
        };
        let text = logical.text.get(start..).unwrap_or_default();
        let faulty = |fault: DescriptionError| error(start + fault.offset, fault.message);
        let body = match keyword {
            Keyword::ObjectIdentifier => {
                define(text, macros).map_err(|message| error(start, message))?;
                continue;
            }
            Keyword::AttributeType => {
                let mut read = AttributeTypeDescription::parse(text).map_err(faulty)?;
                expand(&mut read.oid, macros);
                read.syntax.iter_mut().for_each(|oid| expand(oid, macros));
                Body::AttributeType(read)
            }
            Keyword::ObjectClass => {
                let mut read = ObjectClassDescription::parse(text).map_err(faulty)?;
                expand(&mut read.oid, macros);
                Body::ObjectClass(read)
            }
        };
        definitions.push(Definition {
            file: file.to_owned(),
            line: logical.line_at(0),
            body,
        });
    }
    Ok(definitions)
}

enum Keyword {
    ObjectIdentifier,
    AttributeType,
    ObjectClass,
}

/// A line with its continuations, and the offset at which each of them begins.
struct Logical {
    text: String,
    starts: Vec<(usize, usize)>,
}

impl Logical {
    fn line_at(&self, offset: usize) -> usize {
        self.starts
            .iter()
            .rev()
            .find(|(start, _)| *start <= offset)
            .map_or(1, |(_, line)| *line)
    }
}

/// Joins continuation lines, and leaves out comments and empty lines.
///
/// LDIF continues a line by exactly one space, which goes away; in OpenLDAP's form any white
/// space continues it and counts.
fn unfold(content: &str, ldif: bool) -> Vec<Logical> {
    let mut lines: Vec<Logical> = Vec::new();
    // A comment or an empty line ends what can be continued in LDIF, but not in OpenLDAP's form.
    let mut open = false;
    for (index, line) in content.lines().enumerate() {
        let number = index + 1;
        let continued = line.starts_with([' ', '\t']);
        if line.starts_with('#') || line.trim().is_empty() {
            open &= !ldif;
            continue;
        }
        match lines.last_mut() {
            Some(last) if continued && open => {
                let line = if ldif {
                    line.get(1..).unwrap_or_default()
                } else {
                    last.text.push('\n');
                    line
                };
                last.starts.push((last.text.len(), number));
                last.text.push_str(line);
            }
            // The continuation of a comment in LDIF is part of the comment.
            _ if continued && ldif => {}
            _ => {
                open = true;
                lines.push(Logical {
                    text: line.to_owned(),
                    starts: vec![(0, number)],
                });
            }
        }
    }
    lines
}

/// The keyword and where its argument begins; other LDIF attributes have none.
fn ldif_keyword(line: &str) -> Result<(Option<Keyword>, usize), String> {
    let Some((name, value)) = line.split_once(':') else {
        // `-` between the modifications of a change record.
        return Ok((None, 0));
    };
    let keyword = match name.to_ascii_lowercase().as_str() {
        "attributetypes" | "olcattributetypes" => Keyword::AttributeType,
        "objectclasses" | "olcobjectclasses" => Keyword::ObjectClass,
        "olcobjectidentifier" => Keyword::ObjectIdentifier,
        _ => return Ok((None, 0)),
    };
    if value.starts_with(':') {
        return Err(format!(
            "`{name}::`: definitions in base64 are not understood"
        ));
    }
    // OpenLDAP numbers the values it exports: `{12}( ... )`.
    let argument = value.trim_start();
    let argument = match argument
        .strip_prefix('{')
        .and_then(|rest| rest.split_once('}'))
    {
        Some((number, rest)) if number.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        _ => argument,
    };
    Ok((Some(keyword), line.len() - argument.len()))
}

fn openldap_keyword(line: &str) -> Result<(Option<Keyword>, usize), String> {
    let line_trimmed = line.trim_start();
    let length = line_trimmed
        .find(|character: char| character.is_whitespace() || character == '(')
        .unwrap_or(line_trimmed.len());
    let (word, argument) = line_trimmed.split_at(length);
    let keyword = match word.to_ascii_lowercase().as_str() {
        "attributetype" | "attributetypes" => Keyword::AttributeType,
        "objectclass" | "objectclasses" => Keyword::ObjectClass,
        "objectidentifier" => Keyword::ObjectIdentifier,
        // Content rules restrict what is stored; they are not enforced, so nothing is lost.
        "ditcontentrule" | "ditcontentrules" => return Ok((None, 0)),
        _ => {
            return Err(format!(
                "unknown directive `{word}`; attributetype, objectclass and objectidentifier \
                 are allowed"
            ));
        }
    };
    Ok((Some(keyword), line.len() - argument.len()))
}

/// `name oid`, where the OID may itself begin with a name: `name other:1.2`.
fn define(text: &str, macros: &mut Macros) -> Result<(), String> {
    let mut words = text.split_whitespace();
    let (Some(name), Some(oid), None) = (words.next(), words.next(), words.next()) else {
        return Err("expected a name and an OID".to_owned());
    };
    let mut oid = oid.to_owned();
    expand(&mut oid, macros);
    macros.insert(name.to_ascii_lowercase(), oid);
    Ok(())
}

fn expand(oid: &mut String, macros: &Macros) {
    let (name, suffix) = match oid.split_once(':') {
        Some((name, suffix)) => (name, Some(suffix)),
        None => (oid.as_str(), None),
    };
    if let Some(base) = macros.get(&name.to_ascii_lowercase()) {
        *oid = match suffix {
            Some(suffix) => format!("{base}.{suffix}"),
            None => base.clone(),
        };
    }
}
