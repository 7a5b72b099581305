//! A TOML document with positions, and the reading of it that finds every error.
//!
//! serde stops at the first error. So what caused it is taken out of the document and the rest is
//! read again, until nothing is wrong any more. The structs stay the only place that knows which
//! keys there are.

use std::{
    borrow::Cow,
    mem,
    ops::Range,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue, Deserializer},
};

use super::finding::Finding;

/// A document that is valid TOML.
pub(super) struct Document<'i> {
    file: &'i Path,
    text: &'i str,
    root: Spanned<DeTable<'i>>,
}

impl<'i> Document<'i> {
    /// Parses a text; the errors are those of syntax.
    pub(super) fn parse(file: &'i Path, text: &'i str) -> Result<Self, Vec<Finding>> {
        let (root, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            return Ok(Self { file, text, root });
        }
        Err(errors
            .iter()
            .map(|error| Finding {
                file: file.to_owned(),
                line: error.span().map(|span| line_at(text, span.start)),
                key: String::new(),
                problem: format!("not valid TOML: {}", error.message()),
                allowed: None,
                nearest: None,
            })
            .collect())
    }

    /// Reads the document as `T`, as far as it goes, with an error for everything left out.
    pub(super) fn read<T: Deserialize<'i> + Default>(&self) -> (T, Vec<Finding>) {
        let mut root = self.root.clone();
        let mut findings = Vec::new();
        loop {
            let error = match T::deserialize(Deserializer::from(root.clone())) {
                Ok(value) => return (value, findings),
                Err(error) => error,
            };
            let found = error.span().and_then(|span| find(root.get_ref(), &span));
            let Some(place) = found else {
                // Without a place there is nothing to take out, and so no way on.
                findings.push(self.finding(None, String::new(), error.message()));
                return (T::default(), findings);
            };
            let mut message = error.message().to_owned();
            if message == WANTED_A_WORD {
                message = self.ask_for_words::<T>(&root, &place);
            }
            let line = error.span().map(|span| line_at(self.text, span.start));
            // Indices are those of the document as it was written.
            let key = find(self.root.get_ref(), &error.span().unwrap_or_default())
                .map_or_else(|| key_of(&place), |original| key_of(&original));
            findings.push(self.finding(line, key, &message));
            remove(root.get_mut(), &place);
        }
    }

    /// The line of a key such as `source[0].poll`; of the table it is missing in, where it is.
    pub(super) fn line(&self, key: &str) -> Option<usize> {
        let (offset, _) = self.look_up(key);
        offset.map(|offset| line_at(self.text, offset))
    }

    /// Whether a key is written in the document.
    pub(super) fn contains(&self, key: &str) -> bool {
        self.look_up(key).1
    }

    /// The file this was read from.
    pub(super) fn file(&self) -> &'i Path {
        self.file
    }

    /// Makes a path that is relative to the file one that can be opened.
    pub(super) fn resolve(&self, path: &mut PathBuf) {
        if let Some(directory) = self.file.parent() {
            *path = directory.join(&*path);
        }
    }

    /// The offset of the deepest part of `key` that is there, and whether that is all of it.
    fn look_up(&self, key: &str) -> (Option<usize>, bool) {
        let mut offset = None;
        let mut table = self.root.get_ref();
        let mut parts = key.split('.').peekable();
        while let Some(part) = parts.next() {
            let (name, index) = match part.strip_suffix(']').and_then(|part| part.split_once('[')) {
                Some((name, index)) => (name, index.parse::<usize>().ok()),
                None => (part, None),
            };
            let Some((key, value)) = table.get_key_value(name) else {
                return (offset, false);
            };
            offset = Some(key.span().start);
            let value = match (index, value.get_ref()) {
                (Some(index), DeValue::Array(array)) => match array.get(index) {
                    Some(element) => {
                        offset = Some(element.span().start);
                        element.get_ref()
                    }
                    None => return (offset, false),
                },
                (_, value) => value,
            };
            match value {
                DeValue::Table(inner) => table = inner,
                _ if parts.peek().is_some() => return (offset, false),
                _ => {}
            }
        }
        (offset, true)
    }

    /// The message for a value that is no string where one of some words is wanted.
    ///
    /// serde names the words only to him who gives a wrong one, so an empty one is put there.
    fn ask_for_words<T: Deserialize<'i>>(
        &self,
        root: &Spanned<DeTable<'i>>,
        place: &[Step],
    ) -> String {
        let mut probe = root.clone();
        let Some(value) = value_at(probe.get_mut(), place) else {
            return WANTED_A_WORD.to_owned();
        };
        let found = kind_of(value);
        *value = DeValue::String(Cow::Borrowed(""));
        let words = T::deserialize(Deserializer::from(probe))
            .err()
            .and_then(|error| {
                let (_, words) = error.message().split_once("`, expected ")?;
                Some(words.to_owned())
            });
        match words {
            Some(words) => format!("invalid type: {found}, expected {words}"),
            None => format!("invalid type: {found}, expected a string"),
        }
    }

    fn finding(&self, line: Option<usize>, key: String, message: &str) -> Finding {
        let Translation {
            problem,
            allowed,
            nearest,
        } = translate(message);
        Finding {
            file: self.file.to_owned(),
            line,
            key,
            problem,
            allowed,
            nearest,
        }
    }
}

/// The word of `known` that is nearest to a mistyped one, if any is near.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= 0.7)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, candidate)| candidate.to_owned())
}

/// What toml says of a value that is neither a string nor a table where an enum is wanted.
const WANTED_A_WORD: &str = "wanted string or table";

/// One step from a table or list to what it holds.
#[derive(Clone)]
enum Step {
    Key(String),
    Index(usize),
}

/// The way to the key or value that spans exactly `span`.
fn find(table: &DeTable<'_>, span: &Range<usize>) -> Option<Vec<Step>> {
    table.iter().find_map(|(key, value)| {
        let step = Step::Key(key.get_ref().clone().into_owned());
        if key.span() == *span {
            return Some(vec![step]);
        }
        find_value(value, span).map(|rest| [vec![step], rest].concat())
    })
}

fn find_value(value: &Spanned<DeValue<'_>>, span: &Range<usize>) -> Option<Vec<Step>> {
    if value.span() == *span {
        return Some(Vec::new());
    }
    match value.get_ref() {
        DeValue::Table(table) => find(table, span),
        DeValue::Array(array) => array.iter().enumerate().find_map(|(index, element)| {
            find_value(element, span).map(|rest| [vec![Step::Index(index)], rest].concat())
        }),
        _ => None,
    }
}

fn key_of(place: &[Step]) -> String {
    let mut key = String::new();
    for step in place {
        match step {
            Step::Key(name) => {
                if !key.is_empty() {
                    key.push('.');
                }
                key.push_str(name);
            }
            Step::Index(index) => key.push_str(&format!("[{index}]")),
        }
    }
    key
}

fn value_at<'a, 'i>(table: &'a mut DeTable<'i>, place: &[Step]) -> Option<&'a mut DeValue<'i>> {
    let (Step::Key(name), rest) = place.split_first()? else {
        return None;
    };
    let mut value = table.get_mut(name.as_str())?.get_mut();
    for step in rest {
        value = match (value, step) {
            (DeValue::Table(table), Step::Key(name)) => table.get_mut(name.as_str())?.get_mut(),
            (DeValue::Array(array), Step::Index(index)) => array.get_mut(*index)?.get_mut(),
            _ => return None,
        };
    }
    Some(value)
}

fn remove(root: &mut DeTable<'_>, place: &[Step]) {
    let Some((last, above)) = place.split_last() else {
        return;
    };
    if above.is_empty() {
        if let Step::Key(name) = last {
            root.remove(name.as_str());
        }
        return;
    }
    match (value_at(root, above), last) {
        (Some(DeValue::Table(table)), Step::Key(name)) => {
            table.remove(name.as_str());
        }
        (Some(DeValue::Array(array)), Step::Index(index)) => {
            *array = mem::replace(array, DeArray::new())
                .into_iter()
                .enumerate()
                .filter_map(|(position, element)| (position != *index).then_some(element))
                .collect();
        }
        _ => {}
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    1 + before.iter().filter(|octet| **octet == b'\n').count()
}

fn kind_of(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("string \"{text}\""),
        DeValue::Integer(number) => format!("integer {number}"),
        DeValue::Float(number) => format!("number {number}"),
        DeValue::Boolean(value) => format!("boolean {value}"),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

struct Translation {
    problem: String,
    allowed: Option<String>,
    nearest: Option<String>,
}

/// serde's words for an error, taken apart.
fn translate(message: &str) -> Translation {
    let unknown = |kind: &str, rest: &str| {
        // The names stand between backticks, the unknown one first.
        let mut names = rest.split('`').skip(1).step_by(2);
        let name = names.next().unwrap_or_default().to_owned();
        let known: Vec<&str> = names.collect();
        Translation {
            problem: match kind {
                "key" => "unknown key".to_owned(),
                _ => format!("\"{name}\" is no {kind} here"),
            },
            nearest: nearest(&name, known.iter().copied()),
            allowed: Some(known.join(", ")),
        }
    };
    if let Some(rest) = message.strip_prefix("unknown field ") {
        return unknown("key", rest);
    }
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        return unknown("word", rest);
    }
    let wrong = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "))
        .and_then(|rest| rest.rsplit_once(", expected "));
    match wrong {
        Some((found, expected)) => Translation {
            problem: format!("found {}", plain(found)),
            allowed: Some(plain(expected)),
            nearest: None,
        },
        None => Translation {
            problem: message.to_owned(),
            allowed: None,
            nearest: None,
        },
    }
}

/// A type as an administrator would call it.
fn plain(name: &str) -> String {
    match name {
        "sequence" => "a list".to_owned(),
        "map" => "a table".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "path string" => "a path as a string".to_owned(),
        "u8" => "a whole number from 0 to 255".to_owned(),
        "u32" | "usize" => "a whole number, 0 or more".to_owned(),
        _ if name.starts_with("struct ") => "a table".to_owned(),
        _ => name
            .trim_start_matches("one of ")
            .replace("` or `", ", ")
            .replace('`', ""),
    }
}
