//! The subschema entry: to the letter of the grammar of RFC 4512, and complete in itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::ldap::{Found, Tools};
use common::sample::{self, ALICE, BASE};

/// What follows a keyword.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Argument {
    Nothing,
    Names,
    Text,
    Oid,
    Oids,
    NumericOid,
    OidWithLength,
    Usage,
}
use Argument::*;

type Grammar = &'static [(&'static str, Argument)];

const ATTRIBUTE_TYPE: Grammar = &[
    ("NAME", Names),
    ("DESC", Text),
    ("OBSOLETE", Nothing),
    ("SUP", Oid),
    ("EQUALITY", Oid),
    ("ORDERING", Oid),
    ("SUBSTR", Oid),
    ("SYNTAX", OidWithLength),
    ("SINGLE-VALUE", Nothing),
    ("COLLECTIVE", Nothing),
    ("NO-USER-MODIFICATION", Nothing),
    ("USAGE", Usage),
];
const OBJECT_CLASS: Grammar = &[
    ("NAME", Names),
    ("DESC", Text),
    ("OBSOLETE", Nothing),
    ("SUP", Oids),
    ("ABSTRACT", Nothing),
    ("STRUCTURAL", Nothing),
    ("AUXILIARY", Nothing),
    ("MUST", Oids),
    ("MAY", Oids),
];
const MATCHING_RULE: Grammar = &[
    ("NAME", Names),
    ("DESC", Text),
    ("OBSOLETE", Nothing),
    ("SYNTAX", NumericOid),
];
const MATCHING_RULE_USE: Grammar = &[
    ("NAME", Names),
    ("DESC", Text),
    ("OBSOLETE", Nothing),
    ("APPLIES", Oids),
];
const SYNTAX: Grammar = &[("DESC", Text)];

/// One definition: its OID, and each keyword with what followed it.
#[derive(Debug)]
struct Definition {
    oid: String,
    fields: BTreeMap<String, Vec<String>>,
}

impl Definition {
    fn has(&self, keyword: &str) -> bool {
        self.fields.contains_key(keyword)
    }

    fn all(&self, keyword: &str) -> &[String] {
        self.fields.get(keyword).map_or(&[], Vec::as_slice)
    }

    fn one(&self, keyword: &str) -> Option<&str> {
        self.all(keyword).first().map(String::as_str)
    }
}

/// Reads by the ABNF: `wsp` is any number of spaces, `sp` at least one, and every character counts.
struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn parse(text: &'a str, grammar: Grammar) -> Result<Definition, String> {
        let mut parser = Self { text, at: 0 };
        parser
            .definition(grammar)
            .map_err(|what| format!("expected {what} at {} of {text}", parser.at))
    }

    fn definition(&mut self, grammar: Grammar) -> Result<Definition, &'static str> {
        self.literal("(")?;
        self.wsp();
        let oid = self.numeric_oid()?;
        let mut fields = BTreeMap::new();
        for (keyword, argument) in grammar {
            let start = self.at;
            if self.sp().is_err() || self.literal(keyword).is_err() {
                self.at = start;
                continue;
            }
            let values = match argument {
                Nothing => Vec::new(),
                Names => self.sp().and_then(|()| self.names())?,
                Text => vec![self.sp().and_then(|()| self.text())?],
                Oid => vec![self.sp().and_then(|()| self.oid())?],
                Oids => self.sp().and_then(|()| self.oids())?,
                NumericOid => vec![self.sp().and_then(|()| self.numeric_oid())?],
                OidWithLength => {
                    let oid = self.sp().and_then(|()| self.numeric_oid())?;
                    if self.literal("{").is_ok() {
                        self.number()?;
                        self.literal("}")?;
                    }
                    vec![oid]
                }
                Usage => {
                    self.sp()?;
                    let usages = [
                        "userApplications",
                        "directoryOperation",
                        "distributedOperation",
                        "dSAOperation",
                    ];
                    let usage = usages.into_iter().find(|usage| self.literal(usage).is_ok());
                    vec![usage.ok_or("a usage")?.to_owned()]
                }
            };
            fields.insert((*keyword).to_owned(), values);
        }
        loop {
            let start = self.at;
            if self.sp().is_err() || self.literal("X-").is_err() {
                self.at = start;
                break;
            }
            self.some(|c| c.is_ascii_alphabetic() || c == '-' || c == '_')?;
            self.sp()?;
            if self.literal("(").is_ok() {
                self.wsp();
                self.text()?;
                while self.sp().is_ok() && self.text().is_ok() {}
                self.literal(")")?;
            } else {
                self.text()?;
            }
        }
        self.wsp();
        self.literal(")")?;
        match self.at == self.text.len() {
            true => Ok(Definition { oid, fields }),
            false => Err("the end"),
        }
    }

    fn literal(&mut self, literal: &str) -> Result<(), &'static str> {
        match self.text[self.at..].starts_with(literal) {
            true => {
                self.at += literal.len();
                Ok(())
            }
            false => Err("a literal"),
        }
    }

    fn wsp(&mut self) {
        while self.literal(" ").is_ok() {}
    }

    fn sp(&mut self) -> Result<(), &'static str> {
        self.literal(" ").map_err(|_| "a space")?;
        self.wsp();
        Ok(())
    }

    fn some(&mut self, right: impl Fn(char) -> bool) -> Result<String, &'static str> {
        let rest = &self.text[self.at..];
        let length = rest.find(|c| !right(c)).unwrap_or(rest.len());
        self.at += length;
        match length {
            0 => Err("another character"),
            _ => Ok(rest[..length].to_owned()),
        }
    }

    fn number(&mut self) -> Result<String, &'static str> {
        let digits = self.some(|c| c.is_ascii_digit())?;
        match digits.len() > 1 && digits.starts_with('0') {
            true => Err("no leading zero"),
            false => Ok(digits),
        }
    }

    fn numeric_oid(&mut self) -> Result<String, &'static str> {
        let mut oid = self.number()?;
        while self.literal(".").is_ok() {
            oid = format!("{oid}.{}", self.number()?);
        }
        match oid.contains('.') {
            true => Ok(oid),
            false => Err("a dotted OID"),
        }
    }

    fn name(&mut self) -> Result<String, &'static str> {
        let name = self.some(|c| c.is_ascii_alphanumeric() || c == '-')?;
        match name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            true => Ok(name),
            false => Err("a letter first"),
        }
    }

    fn oid(&mut self) -> Result<String, &'static str> {
        match self.text[self.at..].starts_with(|c: char| c.is_ascii_digit()) {
            true => self.numeric_oid(),
            false => self.name(),
        }
    }

    fn oids(&mut self) -> Result<Vec<String>, &'static str> {
        if self.literal("(").is_err() {
            return Ok(vec![self.oid()?]);
        }
        self.wsp();
        let mut oids = vec![self.oid()?];
        self.wsp();
        while self.literal("$").is_ok() {
            self.wsp();
            oids.push(self.oid()?);
            self.wsp();
        }
        self.literal(")")?;
        Ok(oids)
    }

    fn names(&mut self) -> Result<Vec<String>, &'static str> {
        let quoted = |parser: &mut Self| {
            parser.literal("'")?;
            let name = parser.name()?;
            parser.literal("'")?;
            Ok::<_, &'static str>(name)
        };
        if self.literal("(").is_err() {
            return Ok(vec![quoted(self)?]);
        }
        self.wsp();
        let mut names = Vec::new();
        while self.text[self.at..].starts_with('\'') {
            names.push(quoted(self)?);
            self.wsp();
        }
        self.literal(")")?;
        Ok(names)
    }

    /// `\27` and `\5C` are the only escapes.
    fn text(&mut self) -> Result<String, &'static str> {
        self.literal("'")?;
        let text = self.some(|c| c != '\'')?;
        self.literal("'")?;
        let bare = text
            .replace("\\27", "")
            .replace("\\5C", "")
            .replace("\\5c", "");
        match bare.contains('\\') {
            true => Err("an escape"),
            false => Ok(text),
        }
    }
}

/// One attribute of the subschema entry, read.
struct Definitions {
    all: Vec<Definition>,
    by_name: BTreeMap<String, usize>,
}

impl Definitions {
    fn read(entry: &Found, attribute: &str, grammar: Grammar) -> Self {
        let mut by_name = BTreeMap::new();
        let mut all = Vec::new();
        for text in entry.texts(attribute) {
            let definition =
                Parser::parse(&text, grammar).unwrap_or_else(|error| panic!("{error}"));
            let mut names = definition.all("NAME").to_vec();
            names.push(definition.oid.clone());
            for name in names {
                let before = by_name.insert(name.to_ascii_lowercase(), all.len());
                assert_eq!(before, None, "{attribute}: {name} is there twice");
            }
            all.push(definition);
        }
        assert!(!all.is_empty(), "{attribute}");
        Self { all, by_name }
    }

    fn get(&self, name: &str) -> Option<&Definition> {
        self.by_name
            .get(&name.to_ascii_lowercase())
            .map(|index| &self.all[*index])
    }
}

struct Subschema {
    syntaxes: Definitions,
    rules: Definitions,
    uses: Definitions,
    attributes: Definitions,
    classes: Definitions,
}

impl Subschema {
    fn of(tools: &Tools) -> Self {
        let root = tools.read("", &["subschemaSubentry"]).unwrap();
        let dn = root.text("subschemaSubentry").unwrap();
        let entry = tools
            .search_with(&["-s", "base"], &dn, "(objectClass=subschema)", &["*", "+"])
            .pop()
            .unwrap();
        Self {
            syntaxes: Definitions::read(&entry, "ldapSyntaxes", SYNTAX),
            rules: Definitions::read(&entry, "matchingRules", MATCHING_RULE),
            // The same names as in matchingRules, so apart from them.
            uses: Definitions::read(&entry, "matchingRuleUse", MATCHING_RULE_USE),
            attributes: Definitions::read(&entry, "attributeTypes", ATTRIBUTE_TYPE),
            classes: Definitions::read(&entry, "objectClasses", OBJECT_CLASS),
        }
    }
}

#[test]
fn every_definition_parses_and_what_it_names_is_defined() {
    let server = sample::server("");
    let schema = Subschema::of(&Tools::new(&server));
    for rule in &schema.rules.all {
        let syntax = rule.one("SYNTAX").expect("a rule has a syntax");
        assert!(schema.syntaxes.get(syntax).is_some(), "{rule:?}");
    }
    for rule in &schema.uses.all {
        assert!(schema.rules.get(&rule.oid).is_some(), "{rule:?}");
        assert!(rule.has("APPLIES"), "{rule:?}");
        for name in rule.all("APPLIES") {
            assert!(schema.attributes.get(name).is_some(), "{name} in {rule:?}");
        }
    }
    for attribute in &schema.attributes.all {
        let usage = |attribute: &Definition| {
            attribute
                .one("USAGE")
                .unwrap_or("userApplications")
                .to_owned()
        };
        assert!(
            attribute.has("SUP") || attribute.has("SYNTAX"),
            "{attribute:?}"
        );
        if let Some(sup) = attribute.one("SUP") {
            let sup = schema.attributes.get(sup).expect(sup);
            assert_eq!(usage(sup), usage(attribute), "{attribute:?}");
        }
        for keyword in ["EQUALITY", "ORDERING", "SUBSTR"] {
            if let Some(rule) = attribute.one(keyword) {
                let rule = schema.rules.get(rule).expect(rule);
                let name = rule.one("NAME").unwrap();
                let kind = match keyword {
                    "ORDERING" => name.ends_with("OrderingMatch"),
                    "SUBSTR" => name.ends_with("SubstringsMatch"),
                    _ => !name.contains("Ordering") && !name.contains("Substrings"),
                };
                assert!(kind, "{keyword} {name}");
            }
        }
        if let Some(syntax) = attribute.one("SYNTAX") {
            assert!(schema.syntaxes.get(syntax).is_some(), "{attribute:?}");
        }
        // RFC 4512 section 4.1.2.
        assert!(
            !attribute.has("NO-USER-MODIFICATION") || usage(attribute) != "userApplications",
            "{attribute:?}"
        );
        assert!(
            !attribute.has("COLLECTIVE") || usage(attribute) == "userApplications",
            "{attribute:?}"
        );
    }
    for class in &schema.classes.all {
        let kind = |class: &Definition| {
            ["ABSTRACT", "AUXILIARY"]
                .into_iter()
                .find(|kind| class.has(kind))
                .unwrap_or("STRUCTURAL")
        };
        for sup in class.all("SUP") {
            let sup = schema.classes.get(sup).expect(sup);
            // RFC 4512 sections 2.4.1 to 2.4.3.
            assert!(
                kind(sup) == "ABSTRACT" || (kind(sup) == kind(class)),
                "{class:?} below {sup:?}"
            );
        }
        assert!(class.oid == "2.5.6.0" || class.has("SUP"), "{class:?}");
        for name in class.all("MUST").iter().chain(class.all("MAY")) {
            assert!(schema.attributes.get(name).is_some(), "{name} in {class:?}");
        }
    }
}

#[test]
fn every_attribute_that_is_served_is_defined() {
    let server = sample::server("");
    let tools = sample::alice(&server);
    let schema = Subschema::of(&tools);
    let mut entries = tools.search(BASE, "(objectClass=*)", &["*", "+"]);
    entries.extend(tools.read("", &["*", "+"]));
    entries.extend(tools.read("cn=Subschema", &["*", "+"]));
    let mut seen = BTreeSet::new();
    for entry in &entries {
        for (description, values) in &entry.attributes {
            let base = description.split(';').next().unwrap();
            let definition = schema.attributes.get(base);
            let definition = definition.unwrap_or_else(|| panic!("{base} of {}", entry.dn));
            assert!(
                !definition.has("SINGLE-VALUE") || values.len() == 1,
                "{base}"
            );
            seen.insert(definition.one("NAME").unwrap_or_default().to_owned());
        }
        for class in entry.texts("objectClass") {
            assert!(schema.classes.get(&class).is_some(), "{class}");
        }
    }
    for name in [
        "entryUUID",
        "entryDN",
        "structuralObjectClass",
        "hasSubordinates",
        "memberOf",
    ] {
        assert!(seen.contains(name), "{name} is not served: {seen:?}");
    }
    // Operational attributes come when they are asked for only.
    for entry in tools.search(BASE, "(objectClass=*)", &["*"]) {
        for description in entry.attributes.keys() {
            let usage = schema.attributes.get(description).unwrap().one("USAGE");
            assert!(usage.is_none(), "{description} of {}", entry.dn);
        }
    }
    assert!(tools.read(ALICE, &["*"]).is_some());
}

#[test]
fn what_rfcs_define_is_defined_in_their_way() {
    let server = sample::server("");
    let schema = Subschema::of(&Tools::new(&server));
    let operational: &[(&str, &str, &str)] = &[
        ("createTimestamp", "2.5.18.1", "directoryOperation"),
        ("modifyTimestamp", "2.5.18.2", "directoryOperation"),
        ("creatorsName", "2.5.18.3", "directoryOperation"),
        ("modifiersName", "2.5.18.4", "directoryOperation"),
        ("hasSubordinates", "2.5.18.9", "directoryOperation"),
        ("subschemaSubentry", "2.5.18.10", "directoryOperation"),
        ("structuralObjectClass", "2.5.21.9", "directoryOperation"),
        ("governingStructureRule", "2.5.21.10", "directoryOperation"),
        ("entryUUID", "1.3.6.1.1.16.4", "directoryOperation"),
        ("entryDN", "1.3.6.1.1.20", "directoryOperation"),
        (
            "numSubordinates",
            "1.3.6.1.4.1.453.16.2.103",
            "directoryOperation",
        ),
        ("vendorName", "1.3.6.1.1.4", "dSAOperation"),
        ("vendorVersion", "1.3.6.1.1.5", "dSAOperation"),
    ];
    for (name, oid, usage) in operational {
        let definition = schema.attributes.get(name).expect(name);
        assert_eq!(definition.oid, *oid);
        assert_eq!(definition.one("USAGE"), Some(*usage), "{name}");
        for keyword in ["SINGLE-VALUE", "NO-USER-MODIFICATION", "EQUALITY"] {
            assert!(definition.has(keyword), "{keyword} of {name}");
        }
    }
    for (name, oid) in [
        ("altServer", "1.3.6.1.4.1.1466.101.120.6"),
        ("namingContexts", "1.3.6.1.4.1.1466.101.120.5"),
        ("supportedControl", "1.3.6.1.4.1.1466.101.120.13"),
        ("supportedExtension", "1.3.6.1.4.1.1466.101.120.7"),
        ("supportedFeatures", "1.3.6.1.4.1.4203.1.3.5"),
        ("supportedLDAPVersion", "1.3.6.1.4.1.1466.101.120.15"),
        ("supportedSASLMechanisms", "1.3.6.1.4.1.1466.101.120.14"),
    ] {
        let definition = schema.attributes.get(name).expect(name);
        assert_eq!(
            (definition.oid.as_str(), definition.one("USAGE")),
            (oid, Some("dSAOperation"))
        );
    }
    for (name, oid) in [
        ("objectClass", "2.5.4.0"),
        ("aliasedObjectName", "2.5.4.1"),
        ("ref", "2.16.840.1.113730.3.1.34"),
        ("subtreeSpecification", "2.5.18.6"),
        ("administrativeRole", "2.5.18.5"),
        ("member", "2.5.4.31"),
        ("uid", "0.9.2342.19200300.100.1.1"),
    ] {
        assert_eq!(schema.attributes.get(name).expect(name).oid, oid);
    }
    // RFC 4512, 4519, 4523, 4524, 2798, 3296, 3672, 2079 and draft-howard-rfc2307bis.
    for (name, oid, kind) in [
        ("top", "2.5.6.0", "ABSTRACT"),
        ("alias", "2.5.6.1", "STRUCTURAL"),
        ("country", "2.5.6.2", "STRUCTURAL"),
        ("locality", "2.5.6.3", "STRUCTURAL"),
        ("organization", "2.5.6.4", "STRUCTURAL"),
        ("organizationalUnit", "2.5.6.5", "STRUCTURAL"),
        ("person", "2.5.6.6", "STRUCTURAL"),
        ("organizationalPerson", "2.5.6.7", "STRUCTURAL"),
        ("organizationalRole", "2.5.6.8", "STRUCTURAL"),
        ("groupOfNames", "2.5.6.9", "STRUCTURAL"),
        ("residentialPerson", "2.5.6.10", "STRUCTURAL"),
        ("applicationProcess", "2.5.6.11", "STRUCTURAL"),
        ("device", "2.5.6.14", "STRUCTURAL"),
        ("strongAuthenticationUser", "2.5.6.15", "AUXILIARY"),
        ("certificationAuthority", "2.5.6.16", "AUXILIARY"),
        ("groupOfUniqueNames", "2.5.6.17", "STRUCTURAL"),
        ("userSecurityInformation", "2.5.6.18", "AUXILIARY"),
        ("cRLDistributionPoint", "2.5.6.19", "STRUCTURAL"),
        ("pkiUser", "2.5.6.21", "AUXILIARY"),
        ("pkiCA", "2.5.6.22", "AUXILIARY"),
        ("deltaCRL", "2.5.6.23", "AUXILIARY"),
        ("subentry", "2.5.17.0", "STRUCTURAL"),
        ("subschema", "2.5.20.1", "AUXILIARY"),
        (
            "extensibleObject",
            "1.3.6.1.4.1.1466.101.120.111",
            "AUXILIARY",
        ),
        ("dcObject", "1.3.6.1.4.1.1466.344", "AUXILIARY"),
        ("uidObject", "1.3.6.1.1.3.1", "AUXILIARY"),
        ("referral", "2.16.840.1.113730.3.2.6", "STRUCTURAL"),
        ("inetOrgPerson", "2.16.840.1.113730.3.2.2", "STRUCTURAL"),
        ("account", "0.9.2342.19200300.100.4.5", "STRUCTURAL"),
        ("document", "0.9.2342.19200300.100.4.6", "STRUCTURAL"),
        ("documentSeries", "0.9.2342.19200300.100.4.9", "STRUCTURAL"),
        ("room", "0.9.2342.19200300.100.4.7", "STRUCTURAL"),
        ("domain", "0.9.2342.19200300.100.4.13", "STRUCTURAL"),
        (
            "RFC822localPart",
            "0.9.2342.19200300.100.4.14",
            "STRUCTURAL",
        ),
        (
            "domainRelatedObject",
            "0.9.2342.19200300.100.4.17",
            "AUXILIARY",
        ),
        (
            "friendlyCountry",
            "0.9.2342.19200300.100.4.18",
            "STRUCTURAL",
        ),
        (
            "simpleSecurityObject",
            "0.9.2342.19200300.100.4.19",
            "AUXILIARY",
        ),
        ("labeledURIObject", "1.3.6.1.4.1.250.3.15", "AUXILIARY"),
        ("posixAccount", "1.3.6.1.1.1.2.0", "AUXILIARY"),
        ("shadowAccount", "1.3.6.1.1.1.2.1", "AUXILIARY"),
        ("posixGroup", "1.3.6.1.1.1.2.2", "AUXILIARY"),
        ("nisNetgroup", "1.3.6.1.1.1.2.8", "STRUCTURAL"),
    ] {
        let class = schema.classes.get(name).expect(name);
        assert_eq!(class.oid, oid, "{name}");
        assert!(class.has(kind), "{name}");
    }
    // RFC 4517 section 4.2 and RFC 4530.
    for name in "bitStringMatch booleanMatch caseExactIA5Match caseExactMatch caseExactOrderingMatch \
        caseExactSubstringsMatch caseIgnoreIA5Match caseIgnoreIA5SubstringsMatch caseIgnoreListMatch \
        caseIgnoreListSubstringsMatch caseIgnoreMatch caseIgnoreOrderingMatch \
        caseIgnoreSubstringsMatch directoryStringFirstComponentMatch distinguishedNameMatch \
        generalizedTimeMatch generalizedTimeOrderingMatch integerFirstComponentMatch integerMatch \
        integerOrderingMatch keywordMatch numericStringMatch numericStringOrderingMatch \
        numericStringSubstringsMatch objectIdentifierFirstComponentMatch objectIdentifierMatch \
        octetStringMatch octetStringOrderingMatch telephoneNumberMatch \
        telephoneNumberSubstringsMatch uniqueMemberMatch wordMatch uuidMatch uuidOrderingMatch"
        .split_whitespace()
    {
        assert!(schema.rules.get(name).is_some(), "{name}");
    }
    // RFC 4517 section 3.3, where the last arcs are these.
    for arc in [
        3, 6, 7, 11, 12, 14, 15, 16, 17, 21, 22, 23, 24, 25, 26, 27, 28, 30, 31, 34, 35, 36, 37,
        38, 39, 40, 41, 44, 50, 51, 52, 53, 54, 58,
    ] {
        let oid = format!("1.3.6.1.4.1.1466.115.121.1.{arc}");
        assert!(schema.syntaxes.get(&oid).is_some(), "{oid}");
    }
}

#[test]
fn a_definition_is_found_by_its_first_component() {
    let server = sample::server("");
    let tools = Tools::new(&server);
    for (filter, found) in [
        ("(attributeTypes=cn)", true),
        ("(attributeTypes=2.5.4.3)", true),
        ("(attributeTypes=commonName)", true),
        ("(objectClasses=person)", true),
        ("(matchingRules=caseIgnoreMatch)", true),
        ("(matchingRuleUse=2.5.13.2)", true),
        ("(ldapSyntaxes=1.3.6.1.4.1.1466.115.121.1.15)", true),
        ("(attributeTypes=1.2.3.4)", false),
        ("(!(attributeTypes=1.2.3.4))", true),
        ("(attributeTypes=noSuchName)", false),
        ("(!(attributeTypes=noSuchName))", false),
    ] {
        let entries = tools.search_with(&["-s", "base"], "cn=Subschema", filter, &["1.1"]);
        assert_eq!(!entries.is_empty(), found, "{filter}");
    }
}
