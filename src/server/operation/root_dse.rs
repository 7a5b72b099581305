//! The entries that are made up: the root DSE (RFC 4512 section 5.1) and the subschema
//! (section 4.4).

use super::extended;
use crate::{
    directory::{PackedAttributes, Snapshot, derived::SUBSCHEMA_DN},
    dn::Dn,
    entry::Attribute,
    proto::{
        control,
        extended::{FEATURE_ALL_OPERATIONAL, FEATURE_BY_CLASS, FEATURE_TRUE_FALSE},
    },
    server::Settings,
};

/// What this server says of itself.
pub(super) fn root_dse(snapshot: &Snapshot, settings: &Settings) -> PackedAttributes {
    let contexts = naming_contexts(snapshot, settings);
    let attributes = [
        one("objectClass", "top"),
        one("vendorName", "Adduct"),
        one("vendorVersion", env!("CARGO_PKG_VERSION")),
        many("namingContexts", &contexts),
        many(
            "defaultNamingContext",
            contexts.get(..1).unwrap_or_default(),
        ),
        many(
            "supportedControl",
            &control::supported().collect::<Vec<_>>(),
        ),
        many("supportedExtension", &extended::supported(settings)),
        many(
            "supportedFeatures",
            &[
                FEATURE_ALL_OPERATIONAL,
                FEATURE_BY_CLASS,
                FEATURE_TRUE_FALSE,
            ],
        ),
        one("supportedLDAPVersion", "3"),
        one("subschemaSubentry", SUBSCHEMA_DN),
        one("highestCommittedUSN", &snapshot.seq().0.to_string()),
        one("entryDN", ""),
    ];
    let present: Vec<Attribute> = attributes
        .into_iter()
        .filter(|attribute| !attribute.values.is_empty())
        .collect();
    PackedAttributes::pack(snapshot.schema(), &present)
}

/// The tops of what is served, or those that are configured and there.
fn naming_contexts(snapshot: &Snapshot, settings: &Settings) -> Vec<String> {
    if settings.naming_contexts.is_empty() {
        snapshot
            .naming_contexts()
            .map(|id| snapshot.dn(id))
            .collect()
    } else {
        let configured = settings.naming_contexts.iter();
        configured
            .filter(|dn| snapshot.resolve_str(dn).is_some())
            .cloned()
            .collect()
    }
}

/// The schema as an entry.
pub(super) fn subschema(snapshot: &Snapshot) -> PackedAttributes {
    let schema = snapshot.schema();
    let attributes = [
        many(
            "objectClass",
            &["top", "subentry", "subschema", "extensibleObject"],
        ),
        one("cn", "Subschema"),
        one("entryDN", SUBSCHEMA_DN),
        one("subschemaSubentry", SUBSCHEMA_DN),
        one("structuralObjectClass", "subentry"),
        many("ldapSyntaxes", &schema.ldap_syntax_definitions()),
        many("matchingRules", &schema.matching_rule_definitions()),
        many("matchingRuleUse", &schema.matching_rule_use_definitions()),
        many("attributeTypes", &schema.attribute_type_definitions()),
        many("objectClasses", &schema.object_class_definitions()),
    ];
    PackedAttributes::pack(schema, &attributes)
}

/// Whether a DN is that of the subschema, in any spelling.
pub(super) fn is_subschema(snapshot: &Snapshot, dn: &Dn) -> bool {
    let schema = snapshot.schema();
    let own = Dn::parse(SUBSCHEMA_DN)
        .ok()
        .and_then(|own| schema.normalize_dn(&own).ok());
    own.is_some() && schema.normalize_dn(dn).ok() == own
}

fn one(description: &str, value: &str) -> Attribute {
    many(description, &[value])
}

fn many<V: AsRef<str>>(description: &str, values: &[V]) -> Attribute {
    Attribute {
        description: description.to_owned(),
        values: values
            .iter()
            .map(|value| value.as_ref().as_bytes().to_vec())
            .collect(),
    }
}
