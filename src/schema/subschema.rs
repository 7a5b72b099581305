//! The values of a subschema entry (RFC 4512 section 4.2), written from what was read.

use std::fmt::Write as _;

use super::description::SYSTEM_ONLY;
use super::{AttributeId, AttributeType, MatchingRule, ObjectClass, Schema, Syntax, Usage};

impl Schema {
    /// The values of `attributeTypes`, in the order of definition.
    pub fn attribute_type_definitions(&self) -> Vec<String> {
        self.attributes()
            .map(|attribute| self.attribute_type_definition(attribute))
            .collect()
    }

    /// The values of `objectClasses`, in the order of definition.
    pub fn object_class_definitions(&self) -> Vec<String> {
        self.object_classes()
            .map(|class| self.object_class_definition(class))
            .collect()
    }

    /// The values of `matchingRules`.
    pub fn matching_rule_definitions(&self) -> Vec<String> {
        MatchingRule::all()
            .map(|rule| {
                format!(
                    "( {} NAME '{}' SYNTAX {} )",
                    rule.oid(),
                    rule.name(),
                    rule.syntax().oid()
                )
            })
            .collect()
    }

    /// The values of `ldapSyntaxes`.
    pub fn ldap_syntax_definitions(&self) -> Vec<String> {
        Syntax::all()
            .map(|syntax| format!("( {} DESC '{}' )", syntax.oid(), syntax.name()))
            .collect()
    }

    /// The values of `matchingRuleUse`: each rule with the attribute types it can be used with in
    /// an extensible match (RFC 4512 section 4.1.4).
    pub fn matching_rule_use_definitions(&self) -> Vec<String> {
        MatchingRule::all()
            .filter_map(|rule| {
                let names: Vec<&str> = self
                    .attributes()
                    .filter(|attribute| rule.applies_to(attribute))
                    .map(AttributeType::name)
                    .collect();
                (!names.is_empty()).then(|| {
                    format!(
                        "( {} NAME '{}' APPLIES {} )",
                        rule.oid(),
                        rule.name(),
                        oids(&names)
                    )
                })
            })
            .collect()
    }

    fn attribute_type_definition(&self, attribute: &AttributeType) -> String {
        let sup = attribute.sup.map(|id| self.attribute_type(id));
        let mut text = head(
            &attribute.oid,
            &attribute.names,
            &attribute.description,
            attribute.obsolete,
        );
        if let Some(sup) = sup {
            push(&mut text, "SUP", sup.name());
        }
        // What is the same in the supertype is inherited.
        let own = |rule: Option<MatchingRule>, inherited: Option<MatchingRule>| {
            rule.filter(|_| rule != inherited).map(MatchingRule::name)
        };
        for (keyword, rule) in [
            (
                "EQUALITY",
                own(attribute.equality, sup.and_then(|sup| sup.equality)),
            ),
            (
                "ORDERING",
                own(attribute.ordering, sup.and_then(|sup| sup.ordering)),
            ),
            (
                "SUBSTR",
                own(attribute.substring, sup.and_then(|sup| sup.substring)),
            ),
        ] {
            if let Some(name) = rule {
                push(&mut text, keyword, name);
            }
        }
        if sup.is_none_or(|sup| sup.syntax != attribute.syntax) {
            push(&mut text, "SYNTAX", attribute.syntax.oid());
        }
        for (keyword, set) in [
            (" SINGLE-VALUE", attribute.single_value),
            (" COLLECTIVE", attribute.collective),
            (
                " NO-USER-MODIFICATION",
                attribute.no_user_modification && attribute.is_operational(),
            ),
        ] {
            if set {
                text.push_str(keyword);
            }
        }
        if attribute.usage != Usage::UserApplications {
            push(&mut text, "USAGE", attribute.usage.name());
        } else if attribute.no_user_modification {
            // AD's, such as objectSid; the keyword needs an operational usage (RFC 4512 4.1.2).
            push(&mut text, SYSTEM_ONLY, "'TRUE'");
        }
        text.push_str(" )");
        text
    }

    fn object_class_definition(&self, class: &ObjectClass) -> String {
        let mut text = head(&class.oid, &class.names, &class.description, class.obsolete);
        let sup: Vec<&str> = class
            .sup
            .iter()
            .map(|&id| self.object_class_def(id).name())
            .collect();
        let names = |ids: &[AttributeId]| -> Vec<&str> {
            ids.iter()
                .map(|&id| self.attribute_type(id).name())
                .collect()
        };
        if !sup.is_empty() {
            push(&mut text, "SUP", &oids(&sup));
        }
        text.push(' ');
        text.push_str(class.kind.name());
        for (keyword, names) in [("MUST", names(&class.must)), ("MAY", names(&class.may))] {
            if !names.is_empty() {
                push(&mut text, keyword, &oids(&names));
            }
        }
        text.push_str(" )");
        text
    }
}

/// What attribute types and object classes begin with.
fn head(oid: &str, names: &[String], description: &str, obsolete: bool) -> String {
    let mut text = format!("( {oid}");
    match names {
        [] => {}
        [name] => push(&mut text, "NAME", &format!("'{name}'")),
        _ => {
            text.push_str(" NAME (");
            for name in names {
                let _infallible = write!(text, " '{name}'");
            }
            text.push_str(" )");
        }
    }
    if !description.is_empty() {
        let escaped = description.replace('\\', "\\5C").replace('\'', "\\27");
        push(&mut text, "DESC", &format!("'{escaped}'"));
    }
    if obsolete {
        text.push_str(" OBSOLETE");
    }
    text
}

fn push(text: &mut String, keyword: &str, argument: &str) {
    text.push(' ');
    text.push_str(keyword);
    text.push(' ');
    text.push_str(argument);
}

/// `oids` of RFC 4512 section 4.1.
fn oids(names: &[&str]) -> String {
    match names {
        [name] => (*name).to_owned(),
        _ => format!("( {} )", names.join(" $ ")),
    }
}
