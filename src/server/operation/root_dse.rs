//! The entries that are made up: the root DSE (RFC 4512 section 5.1) and the subschema
//! (section 4.4).

use std::time::SystemTime;

use super::{Call, bind, extended, target::Name};
use crate::{
    directory::{PackedAttributes, Snapshot, Subject, derived::SUBSCHEMA_DN},
    dn::Dn,
    entry::Attribute,
    mapping::time::generalized_time,
    proto::{
        LdapResult, control,
        extended::{
            FEATURE_ALL_OPERATIONAL, FEATURE_BY_CLASS, FEATURE_MODIFY_INCREMENT, FEATURE_TRUE_FALSE,
        },
    },
    server::{Settings, made_up::MadeUpAttributes},
};

/// An entry that no store holds.
pub(super) struct MadeUp {
    /// Its DN.
    pub(super) dn: &'static str,
    /// What it has.
    pub(super) attributes: MadeUpAttributes,
    /// Whether it is a subentry (RFC 3672).
    pub(super) is_subentry: bool,
}

impl MadeUp {
    /// What filters are evaluated on.
    pub(super) fn subject<'s>(&'s self, snapshot: &'s Snapshot) -> Subject<'s> {
        Subject {
            snapshot,
            id: None,
            attributes: &self.attributes,
        }
    }
}

/// The entry of a name if it is one that is made up; busy as long as the schema may be another one
/// in a moment.
pub(super) fn made_up(
    call: &Call<'_>,
    snapshot: &Snapshot,
    name: &Name<'_>,
) -> Result<Option<MadeUp>, LdapResult> {
    let made_up = &call.settings.made_up;
    if name.is_root() {
        return Ok(Some(MadeUp {
            dn: "",
            attributes: made_up.root(snapshot.seq(), call.channel, || root_dse(call, snapshot)),
            is_subentry: false,
        }));
    }
    // The subschema lies right below the root.
    let Some(dn) = name.as_dn_of(1) else {
        return Ok(None);
    };
    if !is_subschema(snapshot, &dn) {
        return Ok(None);
    }
    match call.busy() {
        Some(busy) => Err(busy),
        None => Ok(Some(MadeUp {
            dn: SUBSCHEMA_DN,
            attributes: made_up.subschema(snapshot.schema(), || {
                subschema(snapshot, call.service.started)
            }),
            is_subentry: true,
        })),
    }
}

/// What this server says of itself.
fn root_dse(call: &Call<'_>, snapshot: &Snapshot) -> PackedAttributes {
    let settings = call.settings;
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
            "supportedSASLMechanisms",
            &bind::mechanisms(settings, call.channel),
        ),
        many(
            "supportedFeatures",
            &[
                FEATURE_ALL_OPERATIONAL,
                FEATURE_BY_CLASS,
                FEATURE_TRUE_FALSE,
                FEATURE_MODIFY_INCREMENT,
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

/// The schema as an entry; `loaded` lets clients keep what they read (RFC 4512 section 4.2).
fn subschema(snapshot: &Snapshot, loaded: SystemTime) -> PackedAttributes {
    let schema = snapshot.schema();
    let loaded = generalized_time(loaded);
    let attributes = [
        many(
            "objectClass",
            &["top", "subentry", "subschema", "extensibleObject"],
        ),
        one("cn", "Subschema"),
        one("subtreeSpecification", "{ }"),
        one("createTimestamp", &loaded),
        one("modifyTimestamp", &loaded),
        one("hasSubordinates", "FALSE"),
        one("numSubordinates", "0"),
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
    dn.len() == 1 && ends_in_subschema(snapshot, dn)
}

/// Whether a DN is that of the subschema, or one below, where there is nothing.
pub(super) fn ends_in_subschema(snapshot: &Snapshot, dn: &Dn) -> bool {
    let schema = snapshot.schema();
    let normalized = |dn: &Dn| schema.normalize_rdn(dn.rdns.last()?).ok();
    let own = Dn::parse(SUBSCHEMA_DN).ok();
    let own = own.as_ref().and_then(normalized);
    own.is_some() && normalized(dn) == own
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
