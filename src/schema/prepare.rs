//! String preparation for comparison (RFC 4518).
//!
//! The output differs from section 2.6.1 in one thing that no comparison can see: sequences of
//! spaces become one space, and there is none at the ends, so that most values are their own
//! prepared form and need no copy. [`super::matching::substrings_match`] accounts for it.

use std::borrow::Cow;
use std::str;

use stringprep::tables;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use super::InvalidValue;

/// Whether letters are folded (RFC 4518 section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    Fold,
    Keep,
}

/// Which characters do not count (RFC 4518 section 2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Insignificant {
    /// Section 2.6.1: spaces at the ends, and all but one elsewhere. The flags keep one at an end.
    Spaces { keep_first: bool, keep_last: bool },
    /// Section 2.6.2: all spaces.
    AllSpaces,
    /// Section 2.6.3: all spaces and hyphens.
    SpacesAndHyphens,
}

impl Insignificant {
    /// What does not count in a whole value.
    pub(super) const WHOLE: Self = Self::Spaces {
        keep_first: false,
        keep_last: false,
    };
}

/// Prepares a string; borrows it where it already is in its prepared form.
///
/// Code points that Unicode did not assign when this was built are prohibited (RFC 4518
/// section 2.4). Those assigned since version 3.2, of which the RFC knows nothing, are let
/// through: newer letters and emoji occur in the names AD holds.
pub(super) fn prepare(
    value: &[u8],
    case: Case,
    insignificant: Insignificant,
) -> Result<Cow<'_, [u8]>, InvalidValue> {
    let plain = insignificant == Insignificant::WHOLE && is_plain(value);
    if plain || value.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        if plain || (!value.is_empty() && is_significant(value, insignificant)) {
            let folds = case == Case::Fold && value.iter().any(u8::is_ascii_uppercase);
            return Ok(match folds {
                true => Cow::Owned(value.to_ascii_lowercase()),
                false => Cow::Borrowed(value),
            });
        }
        let mut output = Vec::with_capacity(value.len());
        let characters = value.iter().map(|&byte| char::from(byte));
        match case {
            Case::Fold => remove(
                characters.map(|character| character.to_ascii_lowercase()),
                insignificant,
                &mut output,
            ),
            Case::Keep => remove(characters, insignificant, &mut output),
        }
        return Ok(Cow::Owned(output));
    }
    let text = str::from_utf8(value).map_err(|_| InvalidValue("not UTF-8"))?;
    let normalized = map_and_normalize(text, case);
    if let Some(first) = normalized.chars().next()
        && is_combining_mark(first)
    {
        return Err(InvalidValue("a combining mark at the beginning"));
    }
    if normalized.chars().any(is_prohibited) {
        return Err(InvalidValue("a prohibited character"));
    }
    let mut output = Vec::with_capacity(normalized.len());
    remove(normalized.chars(), insignificant, &mut output);
    Ok(Cow::Owned(output))
}

/// Whether a whole value is printable ASCII of which every character counts.
pub(super) fn is_plain(value: &[u8]) -> bool {
    // Before a value, a space does not count either.
    let mut before = b' ';
    for &octet in value {
        if !matches!(octet, b' '..=b'~') || (octet == b' ' && before == b' ') {
            return false;
        }
        before = octet;
    }
    before != b' '
}

/// Whether every character of printable ASCII counts.
fn is_significant(value: &[u8], insignificant: Insignificant) -> bool {
    match insignificant {
        Insignificant::Spaces {
            keep_first,
            keep_last,
        } => {
            (keep_first || value.first() != Some(&b' '))
                && (keep_last || value.last() != Some(&b' '))
                && !value.windows(2).any(|pair| pair == b"  ")
        }
        Insignificant::AllSpaces => !value.contains(&b' '),
        Insignificant::SpacesAndHyphens => !value.iter().any(|byte| matches!(byte, b' ' | b'-')),
    }
}

/// Steps Map and Normalize, repeated until nothing changes.
///
/// The tables are of Unicode 3.2 and the normalization is of today, so one round may leave
/// something that the next would map: squared capital letters decompose into plain ones.
fn map_and_normalize(text: &str, case: Case) -> String {
    let mut current = text.to_owned();
    for _ in 0..4 {
        let mapped = current
            .chars()
            .filter(|&character| !is_mapped_to_nothing(character))
            .map(|character| {
                if tables::x520_mapped_to_space(character) {
                    ' '
                } else {
                    character
                }
            });
        let next: String = match case {
            Case::Fold => mapped.flat_map(Folded::of).nfkc().collect(),
            Case::Keep => mapped.nfkc().collect(),
        };
        if next == current {
            break;
        }
        current = next;
    }
    current
}

/// Case folding by table B.2 of RFC 3454, and by Unicode's own for what that table cannot know.
enum Folded {
    Table(tables::CaseFoldForNfkc),
    Unicode(std::char::ToLowercase),
}

impl Folded {
    fn of(character: char) -> Self {
        if tables::unassigned_code_point(character) {
            Self::Unicode(character.to_lowercase())
        } else {
            Self::Table(tables::case_fold_for_nfkc(character))
        }
    }
}

impl Iterator for Folded {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        match self {
            Self::Table(characters) => characters.next(),
            Self::Unicode(characters) => characters.next(),
        }
    }
}

/// RFC 4518 section 2.2; the crate's table holds the control characters but not the format ones.
fn is_mapped_to_nothing(character: char) -> bool {
    tables::x520_mapped_to_nothing(character)
        || matches!(character,
            '\u{06dd}' | '\u{070f}' | '\u{180e}' | '\u{200c}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2063}' | '\u{206a}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0001}' | '\u{e0020}'..='\u{e007f}')
}

/// RFC 4518 section 2.4; a `char` is no surrogate.
fn is_prohibited(character: char) -> bool {
    character == '\u{fffd}'
        || (!character.is_ascii()
            && (tables::private_use(character)
                || tables::non_character_code_point(character)
                || tables::change_display_properties_or_deprecated(character)
                || character.general_category() == GeneralCategory::Unassigned))
}

/// Step Insignificant Character Handling.
fn remove(
    characters: impl Iterator<Item = char>,
    insignificant: Insignificant,
    output: &mut Vec<u8>,
) {
    let mut characters = characters.peekable();
    let mut pending_space = false;
    let (keep_first, keep_last) = match insignificant {
        Insignificant::Spaces {
            keep_first,
            keep_last,
        } => (keep_first, keep_last),
        _ => (false, false),
    };
    while let Some(character) = characters.next() {
        // A space that carries a combining mark is no space (section 2.6.1).
        let is_space = character == ' '
            && !characters
                .peek()
                .is_some_and(|&next| is_combining_mark(next));
        if is_space {
            pending_space = true;
            continue;
        }
        match insignificant {
            Insignificant::Spaces { .. } => {
                if pending_space && (keep_first || !output.is_empty()) {
                    output.push(b' ');
                }
            }
            Insignificant::AllSpaces => {}
            Insignificant::SpacesAndHyphens if is_hyphen(character) => continue,
            Insignificant::SpacesAndHyphens => {}
        }
        pending_space = false;
        output.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
    if let Insignificant::Spaces { .. } = insignificant {
        // Nothing but spaces is one space, whole or in part.
        let only_spaces = output.is_empty();
        if only_spaces || (pending_space && keep_last) {
            output.push(b' ');
        }
    }
}

/// RFC 4518 section 2.6.3, as left by NFKC.
fn is_hyphen(character: char) -> bool {
    matches!(
        character,
        '-' | '\u{058a}' | '\u{2010}' | '\u{2011}' | '\u{2212}' | '\u{fe63}' | '\u{ff0d}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(text: &str) -> String {
        String::from_utf8(
            prepare(text.as_bytes(), Case::Fold, Insignificant::WHOLE)
                .unwrap()
                .into_owned(),
        )
        .unwrap()
    }

    #[test]
    fn prepared_ascii_is_borrowed() {
        for text in ["alice", "john smith", "a-b.c@d_1"] {
            let output = prepare(text.as_bytes(), Case::Fold, Insignificant::WHOLE).unwrap();
            assert!(matches!(output, Cow::Borrowed(_)), "{text}");
        }
        let output = prepare(b"John Smith", Case::Keep, Insignificant::WHOLE).unwrap();
        assert!(matches!(output, Cow::Borrowed(_)));
    }

    #[test]
    fn the_steps_of_rfc_4518() {
        for (text, prepared) in [
            ("  John   SMITH ", "john smith"),
            ("   ", " "),
            ("Zo\u{00eb}", "zo\u{00eb}"),
            ("Zoe\u{0308}", "zo\u{00eb}"),
            ("CAFE\u{0301}", "caf\u{00e9}"),
            ("STRASSE", "strasse"),
            ("Straße", "strasse"),
            ("\u{fb01}n", "fin"),
            ("Ⅷ", "viii"),
            ("ＡＢＣ", "abc"),
            ("a\u{00ad}b\u{200b}c\u{feff}", "abc"),
            ("a\tb\r\nc", "a b c"),
            ("a\u{00a0}\u{3000}b", "a b"),
            ("a\0b\x7f", "ab"),
            ("ΣΊΣΥΦΟΣ", "σίσυφοσ"),
            ("Bob 🎉", "bob 🎉"),
            ("🄰", "a"),
            ("Дмитрий", "дмитрий"),
            ("", " "),
            ("a\u{034f}b\u{180b}\u{fe0f}c\u{1806}\u{fffc}", "abc"),
            ("a\u{06dd}\u{070f}\u{180e}\u{200c}\u{2060}\u{206a}b", "ab"),
            ("a\u{1d173}\u{e0001}\u{e0020}\u{fff9}b", "ab"),
            ("a\u{85}\u{0b}\u{0c}\u{2028}\u{2029}b", "a b"),
            ("a\u{1680}\u{2003}\u{202f}\u{205f}b", "a b"),
            ("a \u{0301}b", "a \u{0301}b"),
            ("İ", "i\u{0307}"),
            ("\u{1e9e}", "ss"),
            ("\u{212b}\u{2126}", "\u{e5}\u{3c9}"),
        ] {
            assert_eq!(fold(text), prepared, "{text:?}");
        }
    }

    #[test]
    fn prohibited_characters() {
        for text in [
            "\u{fffd}",
            "a\u{e000}",
            "\u{f0000}",
            "\u{10fffd}",
            "\u{fdd0}",
            "\u{ffff}",
            "\u{1fffe}",
            "a\u{0378}",
            "\u{0301}a",
            "\u{20dd}",
        ] {
            assert!(
                prepare(text.as_bytes(), Case::Fold, Insignificant::WHOLE).is_err(),
                "{text:?}"
            );
        }
        assert!(prepare(b"a\xff", Case::Fold, Insignificant::WHOLE).is_err());
    }

    #[test]
    fn numbers_lose_spaces_and_hyphens() {
        let telephone = |text: &str| {
            prepare(text.as_bytes(), Case::Fold, Insignificant::SpacesAndHyphens)
                .unwrap()
                .into_owned()
        };
        assert_eq!(telephone("+1 512-315 0280"), telephone("+15123150280"));
        assert_eq!(telephone("1\u{2010}2\u{2212}3"), b"123");
        assert_eq!(telephone("1-800-FLOWERS"), b"1800flowers");
        assert_eq!(
            &*prepare(b" 1 2 3 ", Case::Keep, Insignificant::AllSpaces).unwrap(),
            b"123"
        );
    }
}
