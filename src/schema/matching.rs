//! Matching rules (RFC 4517 section 4), each as a normalization of values.
//!
//! Two values match by an equality rule when their normalized forms are the same octets; an
//! ordering rule's order is the octet order of the normalized forms. So a value is prepared once,
//! when it is stored, and comparing is comparing memory.

use std::borrow::Cow;
use std::str;

use crate::dn::{Dn, PlainDn};

use super::prepare::{Case, Insignificant, is_plain, prepare};
use super::{AttributeType, InvalidValue, Schema, Syntax, description, syntax, time};

/// What a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleKind {
    /// Compares a whole value.
    Equality,
    /// Tells which of two values comes first.
    Ordering,
    /// Compares parts of a value.
    Substrings,
    /// Looks for a word in a value; for extensible matches only.
    Words,
}

/// Which part of a value a substring was given for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// The beginning.
    Initial,
    /// Anywhere between.
    Any,
    /// The end.
    Final,
}

/// How a rule normalizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Normalization {
    BitString,
    Boolean,
    Dn,
    FirstInteger,
    FirstOid,
    FirstString,
    GeneralizedTime,
    Integer,
    NameAndOptionalUid,
    Octets,
    Oid,
    PostalAddress,
    String(Case, Insignificant),
    Uuid,
}

const IGNORE: Normalization = Normalization::String(Case::Fold, Insignificant::WHOLE);
const EXACT: Normalization = Normalization::String(Case::Keep, Insignificant::WHOLE);
const NUMERIC: Normalization = Normalization::String(Case::Keep, Insignificant::AllSpaces);
const TELEPHONE: Normalization = Normalization::String(Case::Fold, Insignificant::SpacesAndHyphens);

macro_rules! rules {
    ($($rule:ident $oid:literal $name:literal $kind:ident $syntax:ident $normalization:expr;)*) => {
        /// A matching rule of RFC 4517, of RFC 4530, or one of AD's.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs)] // The names are those of the RFCs; see `MatchingRule::name`.
        pub enum MatchingRule { $($rule,)* }

        /// What is known of one rule.
        struct Row {
            rule: MatchingRule,
            oid: &'static str,
            name: &'static str,
        }

        const ROWS: &[Row] = &[
            $(Row { rule: MatchingRule::$rule, oid: $oid, name: $name },)*
        ];

        impl MatchingRule {
            /// The dotted OID.
            pub fn oid(self) -> &'static str {
                match self { $(Self::$rule => $oid,)* }
            }

            /// The short name, e.g. `caseIgnoreMatch`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$rule => $name,)* }
            }

            /// What the rule is for.
            pub fn kind(self) -> RuleKind {
                match self { $(Self::$rule => RuleKind::$kind,)* }
            }

            /// The syntax of the assertion.
            pub fn syntax(self) -> Syntax {
                match self { $(Self::$rule => Syntax::$syntax,)* }
            }

            fn normalization(self) -> Normalization {
                match self { $(Self::$rule => $normalization,)* }
            }
        }
    };
}

rules! {
    ObjectIdentifierMatch "2.5.13.0" "objectIdentifierMatch" Equality Oid Normalization::Oid;
    DistinguishedNameMatch "2.5.13.1" "distinguishedNameMatch" Equality Dn Normalization::Dn;
    CaseIgnoreMatch "2.5.13.2" "caseIgnoreMatch" Equality DirectoryString IGNORE;
    CaseIgnoreOrderingMatch "2.5.13.3" "caseIgnoreOrderingMatch" Ordering DirectoryString IGNORE;
    CaseIgnoreSubstringsMatch "2.5.13.4" "caseIgnoreSubstringsMatch" Substrings SubstringAssertion IGNORE;
    CaseExactMatch "2.5.13.5" "caseExactMatch" Equality DirectoryString EXACT;
    CaseExactOrderingMatch "2.5.13.6" "caseExactOrderingMatch" Ordering DirectoryString EXACT;
    CaseExactSubstringsMatch "2.5.13.7" "caseExactSubstringsMatch" Substrings SubstringAssertion EXACT;
    NumericStringMatch "2.5.13.8" "numericStringMatch" Equality NumericString NUMERIC;
    NumericStringOrderingMatch "2.5.13.9" "numericStringOrderingMatch" Ordering NumericString NUMERIC;
    NumericStringSubstringsMatch "2.5.13.10" "numericStringSubstringsMatch" Substrings SubstringAssertion NUMERIC;
    CaseIgnoreListMatch "2.5.13.11" "caseIgnoreListMatch" Equality PostalAddress Normalization::PostalAddress;
    CaseIgnoreListSubstringsMatch "2.5.13.12" "caseIgnoreListSubstringsMatch" Substrings SubstringAssertion Normalization::PostalAddress;
    BooleanMatch "2.5.13.13" "booleanMatch" Equality Boolean Normalization::Boolean;
    IntegerMatch "2.5.13.14" "integerMatch" Equality Integer Normalization::Integer;
    IntegerOrderingMatch "2.5.13.15" "integerOrderingMatch" Ordering Integer Normalization::Integer;
    BitStringMatch "2.5.13.16" "bitStringMatch" Equality BitString Normalization::BitString;
    OctetStringMatch "2.5.13.17" "octetStringMatch" Equality OctetString Normalization::Octets;
    OctetStringOrderingMatch "2.5.13.18" "octetStringOrderingMatch" Ordering OctetString Normalization::Octets;
    OctetStringSubstringsMatch "2.5.13.19" "octetStringSubstringsMatch" Substrings OctetString Normalization::Octets;
    TelephoneNumberMatch "2.5.13.20" "telephoneNumberMatch" Equality TelephoneNumber TELEPHONE;
    TelephoneNumberSubstringsMatch "2.5.13.21" "telephoneNumberSubstringsMatch" Substrings SubstringAssertion TELEPHONE;
    UniqueMemberMatch "2.5.13.23" "uniqueMemberMatch" Equality NameAndOptionalUid Normalization::NameAndOptionalUid;
    GeneralizedTimeMatch "2.5.13.27" "generalizedTimeMatch" Equality GeneralizedTime Normalization::GeneralizedTime;
    GeneralizedTimeOrderingMatch "2.5.13.28" "generalizedTimeOrderingMatch" Ordering GeneralizedTime Normalization::GeneralizedTime;
    IntegerFirstComponentMatch "2.5.13.29" "integerFirstComponentMatch" Equality Integer Normalization::FirstInteger;
    ObjectIdentifierFirstComponentMatch "2.5.13.30" "objectIdentifierFirstComponentMatch" Equality Oid Normalization::FirstOid;
    DirectoryStringFirstComponentMatch "2.5.13.31" "directoryStringFirstComponentMatch" Equality DirectoryString Normalization::FirstString;
    CaseExactIa5Match "1.3.6.1.4.1.1466.109.114.1" "caseExactIA5Match" Equality Ia5String EXACT;
    CaseIgnoreIa5Match "1.3.6.1.4.1.1466.109.114.2" "caseIgnoreIA5Match" Equality Ia5String IGNORE;
    CaseIgnoreIa5SubstringsMatch "1.3.6.1.4.1.1466.109.114.3" "caseIgnoreIA5SubstringsMatch" Substrings SubstringAssertion IGNORE;
    CaseExactIa5SubstringsMatch "1.3.6.1.4.1.4203.1.2.1" "caseExactIA5SubstringsMatch" Substrings SubstringAssertion EXACT;
    WordMatch "2.5.13.32" "wordMatch" Words DirectoryString IGNORE;
    KeywordMatch "2.5.13.33" "keywordMatch" Words DirectoryString IGNORE;
    UuidMatch "1.3.6.1.1.16.2" "uuidMatch" Equality Uuid Normalization::Uuid;
    UuidOrderingMatch "1.3.6.1.1.16.3" "uuidOrderingMatch" Ordering Uuid Normalization::Uuid;
    BitAndMatch "1.2.840.113556.1.4.803" "integerBitAndMatch" Equality Integer Normalization::Integer;
    BitOrMatch "1.2.840.113556.1.4.804" "integerBitOrMatch" Equality Integer Normalization::Integer;
    InChainMatch "1.2.840.113556.1.4.1941" "inChainMatch" Equality Dn Normalization::Dn;
}

impl MatchingRule {
    /// Every rule known, in a stable order.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(|row| row.rule)
    }

    /// The rule of this name, in any case, or dotted OID.
    pub fn by_name(name_or_oid: &[u8]) -> Option<Self> {
        ROWS.iter()
            .find(|row| {
                row.name.as_bytes().eq_ignore_ascii_case(name_or_oid)
                    || row.oid.as_bytes() == name_or_oid
            })
            .map(|row| row.rule)
    }

    /// The normalized form of an attribute value.
    ///
    /// Rules for IA5 strings and telephone numbers accept any UTF-8 here, since AD stores it in
    /// such attributes; what may be stored is [`Syntax::validate`]'s matter.
    ///
    /// # Errors
    /// [`InvalidValue`] where the value has none: it matches nothing, and an assertion of it is
    /// Undefined (RFC 4511 section 4.5.1.7).
    pub fn normalize<'a>(
        self,
        schema: &'a Schema,
        value: &'a [u8],
    ) -> Result<Cow<'a, [u8]>, InvalidValue> {
        match self.normalization() {
            Normalization::FirstOid => normalize_oid(schema, first_component(value)?.as_bytes()),
            Normalization::FirstInteger => {
                normalize_integer(first_component(value)?.as_bytes()).map(Cow::Owned)
            }
            Normalization::FirstString => {
                let first = first_component(value)?;
                let prepared = prepare(first.as_bytes(), Case::Fold, Insignificant::WHOLE)?;
                Ok(Cow::Owned(prepared.into_owned()))
            }
            _ => self.normalize_assertion(schema, value),
        }
    }

    /// Whether a value has this normalized form; what is normalized is made only where it takes
    /// more than a look.
    pub fn is_normalized_to(self, schema: &Schema, value: &[u8], normalized: &[u8]) -> bool {
        if self.only_folds(value) {
            return value.eq_ignore_ascii_case(normalized);
        }
        if self.normalization() == Normalization::Integer
            && let Some((false, digits)) = syntax::integer(value)
            && let Ok(length @ ..=SHORT_DIGITS) = u8::try_from(digits.len())
        {
            return normalized.split_first() == Some((&(0x80 + length), digits));
        }
        self.normalize(schema, value)
            .is_ok_and(|value| *value == *normalized)
    }

    /// Whether the normalized form of a value is the value in lower case, which nearly all names
    /// come as.
    pub(super) fn only_folds(self, value: &[u8]) -> bool {
        self.normalization() == IGNORE && is_plain(value)
    }

    /// The normalized form of an assertion value; it equals that of the values it matches.
    ///
    /// It differs from [`MatchingRule::normalize`] for rules that look at the first component.
    ///
    /// # Errors
    /// As [`MatchingRule::normalize`].
    pub fn normalize_assertion<'a>(
        self,
        schema: &'a Schema,
        value: &'a [u8],
    ) -> Result<Cow<'a, [u8]>, InvalidValue> {
        match self.normalization() {
            Normalization::Octets => Ok(Cow::Borrowed(value)),
            // Of the string syntaxes only IA5 String has an empty value (RFC 4517 section 3.3.15).
            Normalization::String(..) | Normalization::FirstString
                if value.is_empty() && self.part_syntax() != Syntax::Ia5String =>
            {
                Err(InvalidValue("an empty string"))
            }
            Normalization::String(case, insignificant) => prepare(value, case, insignificant),
            Normalization::FirstString => prepare(value, Case::Fold, Insignificant::WHOLE),
            Normalization::Integer | Normalization::FirstInteger => {
                normalize_integer(value).map(Cow::Owned)
            }
            Normalization::Oid | Normalization::FirstOid => normalize_oid(schema, value),
            Normalization::Boolean => match value {
                b"TRUE" | b"FALSE" => Ok(Cow::Borrowed(value)),
                _ => Err(InvalidValue("neither TRUE nor FALSE")),
            },
            Normalization::BitString => syntax::bits(value)
                .map(Cow::Borrowed)
                .ok_or(InvalidValue("no bit string")),
            Normalization::GeneralizedTime => time::normalize(value)
                .map(|text| Cow::Owned(text.into_bytes()))
                .ok_or(InvalidValue("no generalized time")),
            Normalization::Uuid => syntax::uuid(value)
                .map(|octets| Cow::Owned(octets.to_vec()))
                .ok_or(InvalidValue("no UUID")),
            Normalization::PostalAddress => normalize_list(value).map(Cow::Owned),
            Normalization::Dn => {
                let mut output = Vec::with_capacity(value.len() + 16);
                normalize_name(schema, value, &mut output)?;
                Ok(Cow::Owned(output))
            }
            Normalization::NameAndOptionalUid => {
                let (name, uid) = syntax::name_and_optional_uid(value);
                let mut output = Vec::with_capacity(value.len() + 16);
                normalize_name(schema, name, &mut output)?;
                if let Some(bits) = uid {
                    // A relative name is never empty, so a zero length cannot be one.
                    output.push(0);
                    output.extend_from_slice(bits);
                }
                Ok(Cow::Owned(output))
            }
        }
    }

    /// The normalized form of one part of a substring assertion, for [`substrings_match`].
    ///
    /// A space at an end of the part that faces the rest of the value is kept (RFC 4518
    /// section 2.6.1); where an index wants the text alone, `trim_ascii` takes it off.
    ///
    /// # Errors
    /// [`InvalidValue`] for what cannot be part of a value, and for rules without parts.
    pub fn normalize_substring(
        self,
        part: &[u8],
        position: Position,
    ) -> Result<Cow<'_, [u8]>, InvalidValue> {
        if part.is_empty() {
            return Err(InvalidValue("an empty part"));
        }
        let spaces = Insignificant::Spaces {
            keep_first: position != Position::Initial,
            keep_last: position != Position::Final,
        };
        match self.normalization() {
            Normalization::Octets => Ok(Cow::Borrowed(part)),
            Normalization::String(case, Insignificant::Spaces { .. }) => {
                prepare(part, case, spaces)
            }
            Normalization::String(case, insignificant) => prepare(part, case, insignificant),
            Normalization::PostalAddress => normalize_list_part(part, spaces).map(Cow::Owned),
            _ => Err(InvalidValue("this matching rule knows no substrings")),
        }
    }

    /// The parts of a value of the Substring Assertion syntax, as [`Self::normalize_substring`]
    /// takes them: initial, any, final. `None` where it is none (RFC 4517 section 3.3.30).
    pub fn substring_assertion(self, value: &[u8]) -> Option<SubstringAssertion> {
        let mut parts = Vec::new();
        for part in value.split(|&byte| byte == b'*') {
            let part = syntax::unescape(part, b'*')?;
            // Here `$` is a character; in a substring filter it separates lines.
            parts.push(match self.normalization() {
                Normalization::PostalAddress => escape_line(&part),
                _ => part,
            });
        }
        let last = parts.pop()?;
        if parts.is_empty() {
            return None;
        }
        let first = parts.remove(0);
        let some = |part: Vec<u8>| (!part.is_empty()).then_some(part);
        if parts.iter().any(Vec::is_empty) {
            return None;
        }
        Some((some(first), parts, some(last)))
    }

    /// Whether an assertion value, or a part of one, is of the rule's assertion syntax.
    ///
    /// Where it is not, the assertion is Undefined (RFC 4511 section 4.5.1.7), although the
    /// normalization takes it: AD stores any text in attributes of narrower syntaxes, and names of
    /// classes that are not in the schema.
    pub fn is_assertion(self, schema: &Schema, value: &[u8]) -> bool {
        match self.normalization() {
            Normalization::Oid | Normalization::FirstOid => {
                schema.oid_of(value).is_some() || syntax::is_numeric_oid(value)
            }
            Normalization::PostalAddress if self.kind() == RuleKind::Equality => {
                Syntax::PostalAddress.validate(value)
            }
            Normalization::String(..) => match self.part_syntax() {
                Syntax::DirectoryString => true,
                narrow => narrow.validate(value),
            },
            _ => true,
        }
    }

    /// The syntax of an assertion value, or of the parts of one: that of the equality rule
    /// (RFC 4517 section 4.1).
    fn part_syntax(self) -> Syntax {
        match self {
            Self::CaseIgnoreIa5SubstringsMatch | Self::CaseExactIa5SubstringsMatch => {
                Syntax::Ia5String
            }
            Self::NumericStringSubstringsMatch => Syntax::NumericString,
            Self::TelephoneNumberSubstringsMatch => Syntax::TelephoneNumber,
            Self::CaseIgnoreListSubstringsMatch => Syntax::PostalAddress,
            Self::CaseIgnoreSubstringsMatch | Self::CaseExactSubstringsMatch => {
                Syntax::DirectoryString
            }
            _ => self.syntax(),
        }
    }

    /// Whether the rule can be used with an attribute type in an extensible match: it is one of
    /// the type's own, or compares values of the type's syntax (RFC 4517 section 4.2).
    pub fn applies_to(self, attribute: &AttributeType) -> bool {
        let own = [attribute.equality, attribute.ordering, attribute.substring];
        own.contains(&Some(self)) || self.compares(attribute.syntax)
    }

    fn compares(self, syntax: Syntax) -> bool {
        match self {
            Self::CaseIgnoreMatch
            | Self::CaseIgnoreOrderingMatch
            | Self::CaseIgnoreSubstringsMatch
            | Self::CaseExactMatch
            | Self::CaseExactOrderingMatch
            | Self::CaseExactSubstringsMatch
            | Self::WordMatch
            | Self::KeywordMatch => matches!(
                syntax,
                Syntax::DirectoryString
                    | Syntax::PrintableString
                    | Syntax::CountryString
                    | Syntax::TelephoneNumber
                    | Syntax::AdCaseIgnoreString
            ),
            Self::CaseExactIa5Match
            | Self::CaseExactIa5SubstringsMatch
            | Self::CaseIgnoreIa5Match
            | Self::CaseIgnoreIa5SubstringsMatch => syntax == Syntax::Ia5String,
            Self::NumericStringMatch
            | Self::NumericStringOrderingMatch
            | Self::NumericStringSubstringsMatch => syntax == Syntax::NumericString,
            Self::TelephoneNumberMatch | Self::TelephoneNumberSubstringsMatch => {
                syntax == Syntax::TelephoneNumber
            }
            Self::CaseIgnoreListMatch | Self::CaseIgnoreListSubstringsMatch => {
                syntax == Syntax::PostalAddress
            }
            Self::IntegerMatch
            | Self::IntegerOrderingMatch
            | Self::BitAndMatch
            | Self::BitOrMatch => {
                matches!(syntax, Syntax::Integer | Syntax::AdLargeInteger)
            }
            Self::OctetStringMatch
            | Self::OctetStringOrderingMatch
            | Self::OctetStringSubstringsMatch => {
                matches!(
                    syntax,
                    Syntax::OctetString | Syntax::Jpeg | Syntax::AdSecurityDescriptor
                )
            }
            Self::IntegerFirstComponentMatch => syntax == Syntax::DitStructureRuleDescription,
            Self::ObjectIdentifierFirstComponentMatch => matches!(
                syntax,
                Syntax::AttributeTypeDescription
                    | Syntax::DitContentRuleDescription
                    | Syntax::LdapSyntaxDescription
                    | Syntax::MatchingRuleDescription
                    | Syntax::MatchingRuleUseDescription
                    | Syntax::NameFormDescription
                    | Syntax::ObjectClassDescription
            ),
            Self::DirectoryStringFirstComponentMatch => false,
            Self::InChainMatch => syntax == Syntax::Dn,
            Self::BitStringMatch
            | Self::BooleanMatch
            | Self::DistinguishedNameMatch
            | Self::GeneralizedTimeMatch
            | Self::GeneralizedTimeOrderingMatch
            | Self::ObjectIdentifierMatch
            | Self::UniqueMemberMatch
            | Self::UuidMatch
            | Self::UuidOrderingMatch => syntax == self.syntax(),
        }
    }
}

/// The initial part, those in between, and the final part.
pub type SubstringAssertion = (Option<Vec<u8>>, Vec<Vec<u8>>, Option<Vec<u8>>);

/// Whether a word, or with `phrases` some words in a row, stands in a text; both are normalized.
///
/// A word ends where a character follows that is neither a letter nor a digit: what words and
/// keywords are, RFC 4517 leaves to the server.
pub fn holds_word(text: &[u8], word: &[u8], phrases: bool) -> bool {
    let (Ok(text), Ok(word)) = (str::from_utf8(text), str::from_utf8(word)) else {
        return false;
    };
    if word.trim().is_empty() || (word.contains(' ') && !phrases) {
        return false;
    }
    let part_of_word = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    text.match_indices(word).any(|(start, _)| {
        let before = text.get(..start).unwrap_or_default().chars().next_back();
        let after = text.get(start + word.len()..).unwrap_or_default();
        !part_of_word(before) && !part_of_word(after.chars().next())
    })
}

/// Whether a normalized value consists of these normalized parts in this order.
///
/// The parts come from [`MatchingRule::normalize_substring`], the value from
/// [`MatchingRule::normalize`] of a rule that prepares in the same way. The answer is that of RFC
/// 4518: there, values have one space at each end and two for each one inside, so that `*a * b*`
/// matches `a b`.
pub fn substrings_match<P: AsRef<[u8]>>(
    value: &[u8],
    initial: Option<&[u8]>,
    any: &[P],
    final_: Option<&[u8]>,
) -> bool {
    let faces_space = |part: &[u8]| part.first() == Some(&b' ') || part.last() == Some(&b' ');
    let any_faces_space = any.iter().any(|part| faces_space(part.as_ref()));
    if !any_faces_space && !initial.is_some_and(faces_space) && !final_.is_some_and(faces_space) {
        return parts_match(value, initial, any.iter().map(AsRef::as_ref), final_);
    }
    let mut padded = vec![b' '];
    // A value of nothing but spaces is two of them.
    if value != b" " {
        double_spaces(value, &mut padded);
    }
    padded.push(b' ');
    let any: Vec<Vec<u8>> = any
        .iter()
        .map(|part| expand(part.as_ref(), b"", b""))
        .collect();
    parts_match(
        &padded,
        initial.map(|part| expand(part, b" ", b"")).as_deref(),
        any.iter().map(Vec::as_slice),
        final_.map(|part| expand(part, b"", b" ")).as_deref(),
    )
}

fn parts_match<'a>(
    value: &[u8],
    initial: Option<&[u8]>,
    any: impl Iterator<Item = &'a [u8]>,
    final_: Option<&[u8]>,
) -> bool {
    let Some(rest) = value.strip_prefix(initial.unwrap_or_default()) else {
        return false;
    };
    let Some(mut rest) = rest.strip_suffix(final_.unwrap_or_default()) else {
        return false;
    };
    for part in any {
        let Some(position) = find(rest, part) else {
            return false;
        };
        rest = rest.get(position + part.len()..).unwrap_or_default();
    }
    true
}

fn find(value: &[u8], part: &[u8]) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    value.windows(part.len()).position(|window| window == part)
}

/// The form of RFC 4518 section 2.6.1 of a compact part.
fn expand(part: &[u8], before: &[u8], after: &[u8]) -> Vec<u8> {
    if part == b" " {
        return part.to_vec();
    }
    let mut output = before.to_vec();
    let inner = part.strip_prefix(b" ").unwrap_or(part);
    output.extend(part.iter().take(part.len() - inner.len()));
    let core = inner.strip_suffix(b" ").unwrap_or(inner);
    double_spaces(core, &mut output);
    output.extend(inner.iter().skip(core.len()));
    output.extend_from_slice(after);
    output
}

fn double_spaces(value: &[u8], output: &mut Vec<u8>) {
    for &byte in value {
        output.push(byte);
        if byte == b' ' {
            output.push(byte);
        }
    }
}

/// The longest magnitude whose length fits the first octet of a normalized integer.
const SHORT_DIGITS: u8 = 100;

/// Sign and length, then the digits: octet order is the order of the numbers, of any size.
///
/// The first octet is 0x80 plus the number of digits, or 0x7f minus it for negative numbers,
/// whose digits are complemented; past [`SHORT_DIGITS`] four octets of length follow it.
fn normalize_integer(value: &[u8]) -> Result<Vec<u8>, InvalidValue> {
    let (negative, digits) = syntax::integer(value).ok_or(InvalidValue("no integer"))?;
    let mut output = Vec::with_capacity(digits.len() + 1);
    match u8::try_from(digits.len()) {
        Ok(length) if length <= SHORT_DIGITS => output.push(0x80 + length),
        _ => {
            let length =
                u32::try_from(digits.len()).map_err(|_| InvalidValue("too large an integer"))?;
            output.push(0x80 + SHORT_DIGITS + 1);
            output.extend_from_slice(&length.to_be_bytes());
        }
    }
    output.extend_from_slice(digits);
    if negative {
        for octet in &mut output {
            *octet = !*octet;
        }
    }
    Ok(output)
}

/// The dotted OID of a name the schema knows, else the name in lower case.
fn normalize_oid<'a>(schema: &'a Schema, value: &[u8]) -> Result<Cow<'a, [u8]>, InvalidValue> {
    if let Some(oid) = schema.oid_of(value) {
        return Ok(Cow::Borrowed(oid.as_bytes()));
    }
    if syntax::is_numeric_oid(value) || syntax::is_descriptor(value) {
        return Ok(Cow::Owned(value.to_ascii_lowercase()));
    }
    Err(InvalidValue("neither an OID nor a name"))
}

fn normalize_name(schema: &Schema, value: &[u8], output: &mut Vec<u8>) -> Result<(), InvalidValue> {
    let text = str::from_utf8(value).map_err(|_| InvalidValue("not UTF-8"))?;
    if let Some(name) = PlainDn::read(text) {
        return schema.normalize_plain_into(name, output);
    }
    let dn = Dn::parse(text).map_err(|_| InvalidValue("no distinguished name"))?;
    schema.normalize_dn_into(&dn, output)
}

/// Stands between the normalized lines of a list: preparation maps every control character away.
const BETWEEN_LINES: u8 = b'\n';
/// Stands for `$` in a part of a list, which matches nothing: no part spans lines.
const NO_MATCH: u8 = 0x01;

/// Lines separated by `$`, each prepared as caseIgnoreMatch does (RFC 4517 section 3.3.28).
fn normalize_list(value: &[u8]) -> Result<Vec<u8>, InvalidValue> {
    let mut output = Vec::with_capacity(value.len());
    for (index, line) in value.split(|&byte| byte == b'$').enumerate() {
        if index > 0 {
            output.push(BETWEEN_LINES);
        }
        // Empty lines are outside the syntax, but AD sends such addresses.
        if !line.is_empty() {
            let line = unescape_line(line);
            output.extend_from_slice(&prepare(&line, Case::Fold, Insignificant::WHOLE)?);
        }
    }
    if output.is_empty() {
        return Err(InvalidValue("an empty string"));
    }
    Ok(output)
}

/// A part of a list as [`normalize_list`] has its lines.
fn normalize_list_part(part: &[u8], spaces: Insignificant) -> Result<Vec<u8>, InvalidValue> {
    let mut output = Vec::with_capacity(part.len());
    for (index, line) in part.split(|&byte| byte == b'$').enumerate() {
        if index > 0 {
            output.push(NO_MATCH);
        }
        if !line.is_empty() {
            output.extend_from_slice(&prepare(&unescape_line(line), Case::Fold, spaces)?);
        }
    }
    Ok(output)
}

/// `\24` and `\5C` of a Postal Address; other backslashes stand for themselves.
fn unescape_line(line: &[u8]) -> Cow<'_, [u8]> {
    match syntax::unescape(line, b'$') {
        Some(line) => Cow::Owned(line),
        // Outside the syntax, but AD sends such addresses.
        None => Cow::Borrowed(line),
    }
}

fn escape_line(line: &[u8]) -> Vec<u8> {
    let mut output = Vec::with_capacity(line.len());
    for &byte in line {
        match byte {
            b'$' => output.extend_from_slice(b"\\24"),
            b'\\' => output.extend_from_slice(b"\\5C"),
            _ => output.push(byte),
        }
    }
    output
}

/// The first component of a definition such as `( 2.5.4.3 NAME 'cn' ... )`.
fn first_component(value: &[u8]) -> Result<String, InvalidValue> {
    let text = str::from_utf8(value).map_err(|_| InvalidValue("not UTF-8"))?;
    description::first_component(text).ok_or(InvalidValue("no definition in parentheses"))
}

#[cfg(test)]
mod tests;
