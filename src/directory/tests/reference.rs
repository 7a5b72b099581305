//! Matching as RFC 4517 and RFC 4518 tell it, value by value: slow, plain, and without a line of
//! what it is compared with, except for the parser of names and the tables of the schema.

use stringprep::tables;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use crate::{
    dn::{Dn, Rdn},
    schema::{MatchingRule, RuleKind, Schema, Syntax},
};

/// What an assertion value is to a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Validity {
    /// Of the assertion syntax.
    Inside,
    /// Not of it, but values of entries from AD may be like it: Undefined unless true.
    Outside,
    /// Comparable to nothing: Undefined.
    Invalid,
}

/// Which part of a value a string is, for spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Whole,
    Initial,
    Any,
    Final,
}

/// RFC 4518 section 2.6.
#[derive(Clone, Copy)]
enum Insignificant {
    Spaces,
    Numeric,
    Telephone,
}

/// The six steps of RFC 4518, with the doubled spaces of section 2.6.1.
fn prepare(octets: &[u8], fold: bool, insignificant: Insignificant, role: Role) -> Option<String> {
    let text = std::str::from_utf8(octets).ok()?;
    let mut mapped = String::new();
    for character in text.chars() {
        match character {
            '\u{ad}'
            | '\u{1806}'
            | '\u{34f}'
            | '\u{180b}'..='\u{180d}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{fffc}'
            | '\u{200b}' => {}
            '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | '\u{85}' => mapped.push(' '),
            '\0'..='\u{8}'
            | '\u{e}'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{200c}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2063}'
            | '\u{feff}' => {}
            '\u{a0}'
            | '\u{1680}'
            | '\u{2000}'..='\u{200a}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{202f}'
            | '\u{205f}'
            | '\u{3000}' => mapped.push(' '),
            other if fold => mapped.extend(tables::case_fold_for_nfkc(other)),
            other => mapped.push(other),
        }
    }
    let characters: Vec<char> = mapped.nfkc().collect();
    let prohibited = |c: &char| matches!(c, '\u{fffd}' | '\u{e000}'..='\u{f8ff}' | '\u{378}' | '\u{379}' | '\u{fdd0}'..='\u{fdef}');
    if characters.iter().any(prohibited)
        || characters.first().is_some_and(|c| is_combining_mark(*c))
    {
        return None;
    }
    let is_space = |index: usize| {
        characters[index] == ' '
            && !characters
                .get(index + 1)
                .is_some_and(|next| is_combining_mark(*next))
    };
    let hyphens = "-\u{58a}\u{2010}\u{2011}\u{2212}\u{fe63}\u{ff0d}";
    let kept = |index: usize| match insignificant {
        Insignificant::Spaces => true,
        Insignificant::Numeric => !is_space(index),
        Insignificant::Telephone => !is_space(index) && !hyphens.contains(characters[index]),
    };
    if !matches!(insignificant, Insignificant::Spaces) {
        return Some(
            (0..characters.len())
                .filter(|i| kept(*i))
                .map(|i| characters[i])
                .collect(),
        );
    }
    // Words, and whether spaces stood at the ends.
    let mut words: Vec<String> = vec![String::new()];
    for (index, character) in characters.iter().enumerate() {
        if is_space(index) {
            words.push(String::new());
        } else {
            words.last_mut().unwrap().push(*character);
        }
    }
    let first = words.first().unwrap().is_empty();
    let last = words.last().unwrap().is_empty();
    words.retain(|word| !word.is_empty());
    if words.is_empty() {
        return Some(if role == Role::Whole { "  " } else { " " }.to_owned());
    }
    let inner = words.join("  ");
    let before = matches!(role, Role::Whole | Role::Initial) || first;
    let after = matches!(role, Role::Whole | Role::Final) || last;
    let space = |there: bool| if there { " " } else { "" };
    Some(format!("{}{inner}{}", space(before), space(after)))
}

/// How a rule prepares strings; `None` for rules of other values.
fn strings(rule: MatchingRule) -> Option<(bool, Insignificant)> {
    let name = rule.name();
    let insignificant = if name.starts_with("numeric") {
        Insignificant::Numeric
    } else if name.starts_with("telephone") {
        Insignificant::Telephone
    } else if name.starts_with("case") && !name.contains("List")
        || matches!(
            name,
            "wordMatch" | "keywordMatch" | "directoryStringFirstComponentMatch"
        )
    {
        Insignificant::Spaces
    } else {
        return None;
    };
    Some((
        !name.starts_with("caseExact") && !name.starts_with("numeric"),
        insignificant,
    ))
}

fn is_printable(octets: &[u8]) -> bool {
    let characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'()+,-.=/:? ";
    !octets.is_empty()
        && octets
            .iter()
            .all(|octet| characters.as_bytes().contains(octet))
}

fn is_name(octets: &[u8]) -> bool {
    octets.first().is_some_and(u8::is_ascii_alphabetic)
        && octets
            .iter()
            .all(|c| c.is_ascii_alphanumeric() || *c == b'-')
}

fn is_oid(octets: &[u8]) -> bool {
    let arcs: Vec<&[u8]> = octets.split(|c| *c == b'.').collect();
    arcs.len() > 1
        && arcs.iter().all(|arc| {
            !arc.is_empty()
                && arc.iter().all(u8::is_ascii_digit)
                && (arc.len() == 1 || arc[0] != b'0')
        })
}

/// The lines of a postal address; `None` where an escape is wrong or a line is empty.
fn lines(octets: &[u8]) -> Option<Vec<Vec<u8>>> {
    octets
        .split(|c| *c == b'$')
        .map(|line| {
            let mut output = Vec::new();
            let mut index = 0;
            while index < line.len() {
                if line[index] == b'\\' {
                    match line.get(index + 1..index + 3)? {
                        b"24" => output.push(b'$'),
                        b"5C" | b"5c" => output.push(b'\\'),
                        _ => return None,
                    }
                    index += 3;
                } else {
                    output.push(line[index]);
                    index += 1;
                }
            }
            (!output.is_empty()).then_some(output)
        })
        .collect()
}

/// Whether `octets` may be asserted, as a whole or as a part.
pub(crate) fn validity(schema: &Schema, rule: MatchingRule, octets: &[u8], role: Role) -> Validity {
    let either = |right: bool| {
        if right {
            Validity::Inside
        } else {
            Validity::Invalid
        }
    };
    if let Some((fold, insignificant)) = strings(rule) {
        let name = rule.name();
        let ia5 = name.contains("IA5");
        if prepare(octets, fold, insignificant, role).is_none() || (octets.is_empty() && !ia5) {
            return Validity::Invalid;
        }
        let inside = match insignificant {
            Insignificant::Numeric => octets.iter().all(|c| c.is_ascii_digit() || *c == b' '),
            Insignificant::Telephone => is_printable(octets),
            Insignificant::Spaces => !ia5 || octets.is_ascii(),
        };
        return if inside {
            Validity::Inside
        } else {
            Validity::Outside
        };
    }
    match rule.syntax() {
        Syntax::Oid => {
            if schema.oid_of(octets).is_some() || is_oid(octets) {
                Validity::Inside
            } else if is_name(octets) {
                Validity::Outside
            } else {
                Validity::Invalid
            }
        }
        Syntax::PostalAddress => {
            let comparable = list(octets).is_some_and(|lines| !lines.concat().is_empty());
            match (lines(octets), comparable) {
                (_, false) => Validity::Invalid,
                (Some(_), true) => Validity::Inside,
                (None, true) => Validity::Outside,
            }
        }
        // The parts of a list.
        Syntax::SubstringAssertion => either(!octets.is_empty() && list(octets).is_some()),
        Syntax::Integer => either(integer(octets).is_some()),
        Syntax::Boolean => either(octets == b"TRUE" || octets == b"FALSE"),
        Syntax::BitString => either(is_bits(octets)),
        Syntax::GeneralizedTime => either(instant(octets).is_some()),
        Syntax::Uuid => either(is_uuid(octets)),
        Syntax::Dn => either(name(octets).is_some()),
        Syntax::NameAndOptionalUid => either(name_and_uid(octets).is_some()),
        _ => Validity::Inside,
    }
}

/// Whether a value matches an assertion that is not invalid.
pub(crate) fn holds(schema: &Schema, rule: MatchingRule, own: &[u8], asserted: &[u8]) -> bool {
    try_holds(schema, rule, own, asserted).unwrap_or(false)
}

fn try_holds(schema: &Schema, rule: MatchingRule, own: &[u8], asserted: &[u8]) -> Option<bool> {
    let first = rule.name().contains("FirstComponent");
    let own = if first { first_component(own)? } else { own };
    if let Some((fold, insignificant)) = strings(rule) {
        if own.is_empty() && !rule.name().contains("IA5") {
            return None;
        }
        let own = prepare(own, fold, insignificant, Role::Whole)?;
        let asserted = prepare(asserted, fold, insignificant, Role::Whole)?;
        return Some(match rule.kind() {
            RuleKind::Ordering => own < asserted,
            RuleKind::Words => has_word(own.trim(), asserted.trim(), rule.name() == "keywordMatch"),
            _ => own == asserted,
        });
    }
    let ordering = rule.kind() == RuleKind::Ordering;
    Some(match rule.syntax() {
        Syntax::OctetString if ordering => own < asserted,
        Syntax::OctetString => own == asserted,
        Syntax::Integer if ordering => integer(own)? < integer(asserted)?,
        Syntax::Integer => integer(own)? == integer(asserted)?,
        Syntax::GeneralizedTime if ordering => instant(own)? < instant(asserted)?,
        Syntax::GeneralizedTime => instant(own)? == instant(asserted)?,
        Syntax::Boolean => own == asserted && (own == b"TRUE" || own == b"FALSE"),
        Syntax::BitString => is_bits(own) && own == asserted,
        Syntax::Uuid => {
            let (own, asserted) = (own.to_ascii_lowercase(), asserted.to_ascii_lowercase());
            is_uuid(&own)
                && if ordering {
                    own < asserted
                } else {
                    own == asserted
                }
        }
        Syntax::Oid => {
            let oid = |octets: &[u8]| match schema.oid_of(octets) {
                Some(oid) => Some(oid.to_owned()),
                None if is_name(octets) || is_oid(octets) => {
                    Some(String::from_utf8(octets.to_ascii_lowercase()).unwrap())
                }
                None => None,
            };
            oid(own)? == oid(asserted)?
        }
        Syntax::PostalAddress => list(own)? == list(asserted)?,
        Syntax::Dn => same_name(schema, &name(own)?, &name(asserted)?),
        Syntax::NameAndOptionalUid => {
            let (own, own_bits) = name_and_uid(own)?;
            let (asserted, bits) = name_and_uid(asserted)?;
            own_bits == bits && same_name(schema, &own, &asserted)
        }
        other => panic!("no rule for {other:?}"),
    })
}

/// Whether the parts match a value, in order and apart.
pub(crate) fn holds_parts(rule: MatchingRule, own: &[u8], parts: &[(Role, Vec<u8>)]) -> bool {
    try_parts(rule, own, parts).unwrap_or(false)
}

fn try_parts(rule: MatchingRule, own: &[u8], parts: &[(Role, Vec<u8>)]) -> Option<bool> {
    if rule.name() == "octetStringSubstringsMatch" {
        return Some(in_order(
            own,
            parts.iter().map(|(role, part)| (*role, part.clone())),
        ));
    }
    let Some((fold, insignificant)) = strings(rule) else {
        // Each line apart from the next, by something that no part has.
        let own: Vec<String> = list(own)?;
        let own = format!(" {} ", own.join("\u{1}"));
        let parts = parts.iter().map(|(role, part)| {
            let lines: Vec<String> = list_of(part, *role)?;
            Some((*role, lines.join("\u{2}").into_bytes()))
        });
        let parts: Option<Vec<_>> = parts.collect();
        return Some(in_order(own.as_bytes(), parts?.into_iter()));
    };
    if own.is_empty() && !rule.name().contains("IA5") {
        return None;
    }
    let own = prepare(own, fold, insignificant, Role::Whole)?;
    let parts = parts.iter().map(|(role, part)| {
        Some((
            *role,
            prepare(part, fold, insignificant, *role)?.into_bytes(),
        ))
    });
    let parts: Option<Vec<_>> = parts.collect();
    Some(in_order(own.as_bytes(), parts?.into_iter()))
}

/// Tries every way to lay the parts into the value.
fn in_order(value: &[u8], mut parts: impl Iterator<Item = (Role, Vec<u8>)> + Clone) -> bool {
    let Some((role, part)) = parts.next() else {
        return true;
    };
    let fits = |start: usize| value.get(start..start + part.len()) == Some(&part[..]);
    let starts = match role {
        Role::Initial => 0..1,
        Role::Final => value.len().saturating_sub(part.len())..value.len() + 1,
        _ => 0..value.len() + 1,
    };
    starts
        .filter(|start| fits(*start))
        .filter(|start| role != Role::Final || start + part.len() == value.len())
        .any(|start| in_order(&value[start + part.len()..], parts.clone()))
}

fn has_word(text: &str, word: &str, phrases: bool) -> bool {
    if word.is_empty() || (word.contains(' ') && !phrases) {
        return false;
    }
    let text: Vec<char> = text.chars().collect();
    let word: Vec<char> = word.chars().collect();
    (0..text.len()).any(|start| {
        let end = start + word.len();
        text.get(start..end) == Some(&word[..])
            && (start == 0 || !text[start - 1].is_alphanumeric())
            && text.get(end).is_none_or(|next| !next.is_alphanumeric())
    })
}

/// Sign, number of digits, digits; the last two turned round for negative numbers.
fn integer(octets: &[u8]) -> Option<(bool, i64, Vec<i16>)> {
    let text = std::str::from_utf8(octets).ok()?;
    let (positive, digits) = match text.strip_prefix('-') {
        Some(digits) => (false, digits),
        None => (true, text),
    };
    let wrong = digits.is_empty()
        || !digits.bytes().all(|c| c.is_ascii_digit())
        || (digits.starts_with('0') && (digits.len() > 1 || !positive));
    if wrong {
        return None;
    }
    let sign: i16 = if positive { 1 } else { -1 };
    let length = i64::try_from(digits.len()).unwrap() * i64::from(sign);
    let digits = digits.bytes().map(|c| sign * i16::from(c - b'0')).collect();
    Some((positive, length, digits))
}

fn is_bits(octets: &[u8]) -> bool {
    let text = String::from_utf8_lossy(octets);
    text.strip_prefix('\'')
        .and_then(|text| text.strip_suffix("'B"))
        .is_some_and(|bits| bits.chars().all(|bit| bit == '0' || bit == '1'))
}

fn is_uuid(octets: &[u8]) -> bool {
    octets.len() == 36
        && octets.iter().enumerate().all(|(index, c)| match index {
            8 | 13 | 18 | 23 => *c == b'-',
            _ => c.is_ascii_hexdigit(),
        })
}

/// Seconds and their trillionths since the year 0, leap seconds behind the minute they end.
fn instant(octets: &[u8]) -> Option<(i64, i64, i128)> {
    let text = std::str::from_utf8(octets).ok()?;
    let zone = text.find(['Z', '+', '-'])?;
    let (local, zone) = text.split_at(zone);
    let (digits, fraction) = match local.split_once(['.', ',']) {
        Some((digits, fraction)) => (digits, Some(fraction)),
        None => (local, None),
    };
    let all_digits = |text: &str| text.bytes().all(|c| c.is_ascii_digit());
    if !all_digits(digits) || !matches!(digits.len(), 10 | 12 | 14) {
        return None;
    }
    if fraction.is_some_and(|fraction| fraction.is_empty() || !all_digits(fraction)) {
        return None;
    }
    let number = |from: usize, to: usize| {
        digits
            .get(from..to)
            .map_or(0, |n| n.parse::<i64>().unwrap())
    };
    let (year, month, day) = (number(0, 4), number(4, 6), number(6, 8));
    let (hour, minute, second) = (number(8, 10), number(10, 12), number(12, 14));
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [
        31,
        if leap { 29 } else { 28 },
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let length = *lengths.get(usize::try_from(month - 1).ok()?)?;
    if day < 1 || day > length || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let east = match zone {
        "Z" => 0,
        _ => {
            let digits = &zone[1..];
            if !all_digits(digits) || !matches!(digits.len(), 2 | 4) {
                return None;
            }
            let hours: i64 = digits[..2].parse().unwrap();
            let minutes: i64 = digits.get(2..).unwrap().parse().unwrap_or(0);
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * if zone.starts_with('-') { -1 } else { 1 }
        }
    };
    let days = (0..year)
        .map(|y| {
            if y % 4 == 0 && (y % 100 != 0 || y % 400 == 0) {
                366
            } else {
                365
            }
        })
        .sum::<i64>()
        + lengths[..usize::try_from(month - 1).unwrap()]
            .iter()
            .sum::<i64>()
        + day
        - 1;
    let unit: i128 = match digits.len() {
        10 => 3600,
        12 => 60,
        _ => 1,
    };
    let fraction = fraction.map_or(0, |fraction| {
        format!("{fraction:0<12.12}").parse::<i128>().unwrap() * unit
    });
    let minutes = (days * 24 + hour) * 60 + minute - east;
    let trillion = 1_000_000_000_000;
    let more = i64::try_from(fraction / trillion).unwrap();
    if minutes < 0 {
        return None;
    }
    Some((minutes + more / 60, second + more % 60, fraction % trillion))
}

fn first_component(octets: &[u8]) -> Option<&[u8]> {
    let text = std::str::from_utf8(octets).ok()?;
    let inner = text.trim_start().strip_prefix('(')?.trim_start();
    inner.split([' ', ')']).next().map(str::as_bytes)
}

/// The lines of an address as they compare, without the spaces at their ends; empty ones occur
/// in AD.
fn list(octets: &[u8]) -> Option<Vec<String>> {
    let lines = list_of(octets, Role::Whole)?.into_iter();
    let inner = |line: String| match line.as_str() {
        "" | "  " => line,
        _ => line[1..line.len() - 1].to_owned(),
    };
    Some(lines.map(inner).collect())
}

fn list_of(octets: &[u8], role: Role) -> Option<Vec<String>> {
    octets
        .split(|c| *c == b'$')
        .map(|line| {
            if line.is_empty() {
                return Some(String::new());
            }
            let unescaped = lines(line).map_or_else(|| line.to_vec(), |lines| lines.concat());
            prepare(&unescaped, true, Insignificant::Spaces, role)
        })
        .collect()
}

fn name(octets: &[u8]) -> Option<Dn> {
    let dn = Dn::parse(std::str::from_utf8(octets).ok()?).ok()?;
    let empty = dn
        .rdns
        .iter()
        .flat_map(|rdn| &rdn.avas)
        .any(|ava| ava.value.is_empty());
    (!empty).then_some(dn)
}

fn name_and_uid(octets: &[u8]) -> Option<(Dn, Option<Vec<u8>>)> {
    if let Some(position) = octets.iter().rposition(|c| *c == b'#')
        && is_bits(&octets[position + 1..])
    {
        return Some((
            name(&octets[..position])?,
            Some(octets[position + 1..].to_vec()),
        ));
    }
    Some((name(octets)?, None))
}

fn same_name(schema: &Schema, left: &Dn, right: &Dn) -> bool {
    left.rdns.len() == right.rdns.len()
        && left
            .rdns
            .iter()
            .zip(&right.rdns)
            .all(|(l, r)| same_rdn(schema, l, r))
}

fn same_rdn(schema: &Schema, left: &Rdn, right: &Rdn) -> bool {
    left.avas.len() == right.avas.len()
        && left.avas.iter().all(|l| {
            right.avas.iter().any(|r| {
                let (lt, rt) = (
                    schema.attribute(l.attribute.as_bytes()),
                    schema.attribute(r.attribute.as_bytes()),
                );
                let rule = lt.and_then(|id| schema.attribute_type(id).equality);
                let same_type =
                    lt == rt && (lt.is_some() || l.attribute.eq_ignore_ascii_case(&r.attribute));
                let comparable = |value: &[u8], rule| {
                    validity(schema, rule, value, Role::Whole) != Validity::Invalid
                };
                same_type
                    && match rule {
                        Some(rule) if comparable(&l.value, rule) && comparable(&r.value, rule) => {
                            holds(schema, rule, &l.value, &r.value)
                        }
                        // What its own rule cannot compare is compared as text.
                        _ => {
                            holds(schema, MatchingRule::CaseIgnoreMatch, &l.value, &r.value)
                                || l.value == r.value
                        }
                    }
            })
        })
}
