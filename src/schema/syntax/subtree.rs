//! Subtree Specification (RFC 3672 section 2.1 and appendix A).

use std::str;

use crate::dn::Dn;

use super::{definition::is_number, is_oid};

/// The deepest nesting of a specification filter that is taken.
const MAX_DEPTH: usize = 64;

/// Whether this is `{ base ..., specificExclusions ..., ... }`, each at most once, in this order.
pub(super) fn is_subtree_specification(value: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(value) else {
        return false;
    };
    let mut cursor = Cursor { rest: text };
    cursor.specification().is_some() && cursor.rest.is_empty()
}

struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn specification(&mut self) -> Option<()> {
        self.take("{").then_some(())?;
        let mut first = true;
        for component in [
            "base",
            "specificExclusions",
            "minimum",
            "maximum",
            "specificationFilter",
        ] {
            let start = self.rest;
            if !first && !self.take(",") {
                break;
            }
            self.spaces();
            if self.word() != component || !self.spaces() {
                self.rest = start;
                continue;
            }
            first = false;
            match component {
                "base" => self.name()?,
                "specificExclusions" => self.exclusions()?,
                "specificationFilter" => self.filter(0)?,
                _ => is_number(self.word().as_bytes()).then_some(())?,
            }
        }
        self.take("}").then_some(())
    }

    fn spaces(&mut self) -> bool {
        let before = self.rest.len();
        self.rest = self.rest.trim_start_matches(' ');
        self.rest.len() < before
    }

    /// Takes a literal and the spaces before it.
    fn take(&mut self, literal: &str) -> bool {
        match self.rest.trim_start_matches(' ').strip_prefix(literal) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn word(&mut self) -> &'a str {
        let end = self
            .rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '-'))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    /// A local name in quotation marks, each of which is doubled inside.
    fn name(&mut self) -> Option<()> {
        self.take("\"").then_some(())?;
        let mut name = String::new();
        loop {
            let (part, rest) = self.rest.split_once('"')?;
            name.push_str(part);
            self.rest = rest;
            match self.rest.strip_prefix('"') {
                Some(rest) => {
                    name.push('"');
                    self.rest = rest;
                }
                None => return Dn::parse(&name).is_ok().then_some(()),
            }
        }
    }

    fn exclusions(&mut self) -> Option<()> {
        self.items(|this| {
            (this.take("chopBefore:") || this.take("chopAfter:")).then_some(())?;
            this.name()
        })
    }

    /// `item:`, `and:{ }`, `or:{ }` or `not:`.
    fn filter(&mut self, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        if self.take("item:") {
            return is_oid(self.word().as_bytes()).then_some(());
        }
        if self.take("not:") {
            return self.filter(depth + 1);
        }
        (self.take("and:") || self.take("or:")).then_some(())?;
        self.items(|this| this.filter(depth + 1))
    }

    /// `{`, items with commas between them, `}`.
    fn items(&mut self, item: impl Fn(&mut Self) -> Option<()>) -> Option<()> {
        self.take("{").then_some(())?;
        if self.take("}") {
            return Some(());
        }
        loop {
            item(self)?;
            if self.take("}") {
                return Some(());
            }
            self.take(",").then_some(())?;
        }
    }
}
