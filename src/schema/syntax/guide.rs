//! Guide and Enhanced Guide (RFC 4517 sections 3.3.10 and 3.3.14).

use std::str;

use super::is_oid;

/// The deepest nesting of criteria that is taken.
const MAX_DEPTH: usize = 64;

/// `[ object-class SHARP ] criteria`.
pub(super) fn is_guide(value: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(value) else {
        return false;
    };
    match text.split_once('#') {
        Some((class, criteria)) => is_class(class) && is_criteria(criteria),
        None => is_criteria(text),
    }
}

/// `object-class SHARP WSP criteria WSP SHARP WSP subset`.
pub(super) fn is_enhanced_guide(value: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(value) else {
        return false;
    };
    let parts: Vec<&str> = text.split('#').collect();
    let [class, criteria, subset] = parts.as_slice() else {
        return false;
    };
    let subset = subset.trim_start_matches(' ');
    is_class(class)
        && is_criteria(criteria.trim_matches(' '))
        && ["baseobject", "oneLevel", "wholeSubtree"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(subset))
}

fn is_class(text: &str) -> bool {
    is_oid(text.trim_matches(' ').as_bytes())
}

fn is_criteria(text: &str) -> bool {
    let mut rest = text;
    criteria(&mut rest, 0).is_some() && rest.is_empty()
}

/// `and-term *( BAR and-term )`, where an and-term is `term *( AMPERSAND term )`.
fn criteria(rest: &mut &str, depth: usize) -> Option<()> {
    loop {
        term(rest, depth)?;
        if !take(rest, "|") && !take(rest, "&") {
            return Some(());
        }
    }
}

fn term(rest: &mut &str, depth: usize) -> Option<()> {
    if depth > MAX_DEPTH {
        return None;
    }
    if take(rest, "!") {
        return term(rest, depth + 1);
    }
    if take(rest, "(") {
        criteria(rest, depth + 1)?;
        return take(rest, ")").then_some(());
    }
    if take(rest, "?true") || take(rest, "?false") {
        return Some(());
    }
    let (attribute, after) = rest.split_once('$')?;
    *rest = after;
    let matched = ["EQ", "SUBSTR", "GE", "LE", "APPROX"]
        .into_iter()
        .any(|kind| take(rest, kind));
    (is_oid(attribute.as_bytes()) && matched).then_some(())
}

/// Takes a literal, in any case as ABNF has it.
fn take(rest: &mut &str, literal: &str) -> bool {
    let Some((start, after)) = rest.split_at_checked(literal.len()) else {
        return false;
    };
    let taken = start.eq_ignore_ascii_case(literal);
    if taken {
        *rest = after;
    }
    taken
}
