//! Compare (RFC 4511 section 4.10).
//!
//! | because | result code |
//! | --- | --- |
//! | the value is there, or is not | compareTrue, compareFalse |
//! | no such entry, no value of the attribute | noSuchObject, noSuchAttribute |
//! | unknown attribute, a value it cannot have | undefinedAttributeType, invalidAttributeSyntax |
//! | no DN | invalidDNSyntax |
//! | a secret, or nobody is bound | insufficientAccessRights |

use super::{Call, bind_first};
use crate::{
    directory::{BoundFilter, EntryId, Resolved, Snapshot, Subject},
    dn::Dn,
    proto::{
        LdapResult, ResultCode,
        request::{AttributeValueAssertion, CompareRequest, Filter},
    },
    schema::AttributeDescription,
    server::session::Session,
};

/// Compares one value.
pub(super) fn compare(call: &Call<'_>, session: &Session, compare: &CompareRequest) -> LdapResult {
    if let Some(busy) = call.busy() {
        return busy;
    }
    let access = &call.settings.access;
    if !access.may_read(&session.identity) {
        return bind_first();
    }
    let snapshot = call.service.directory.snapshot();
    let dn = match Dn::parse(&compare.dn) {
        Ok(dn) => dn,
        Err(error) => return LdapResult::new(ResultCode::INVALID_DN_SYNTAX, error.to_string()),
    };
    let id = match snapshot.resolve(&dn) {
        Resolved::Found(id) => id,
        Resolved::Missing { nearest } => return no_such_object(&snapshot, nearest),
    };
    let attribute = compare.attribute.as_bytes();
    let known = AttributeDescription::parse(attribute)
        .and_then(|description| snapshot.schema().attribute(description.base.as_bytes()));
    let Some(known) = known else {
        return LdapResult::new(
            ResultCode::UNDEFINED_ATTRIBUTE_TYPE,
            format!("the schema does not define {}", compare.attribute),
        );
    };
    if access.secrets().contains(known) {
        return LdapResult::new(
            ResultCode::INSUFFICIENT_ACCESS_RIGHTS,
            "the values of this attribute are secret: prove a password by a bind",
        );
    }
    let holds = |filter: &Filter<'_>| {
        let subject = subject(&snapshot, id)?;
        BoundFilter::bind(filter, &snapshot, access.secrets()).evaluate(subject)
    };
    let value = &compare.value;
    match holds(&Filter::Equality(AttributeValueAssertion {
        attribute,
        value,
    })) {
        Some(true) => LdapResult::new(ResultCode::COMPARE_TRUE, ""),
        Some(false) if holds(&Filter::Present(attribute)) == Some(true) => {
            LdapResult::new(ResultCode::COMPARE_FALSE, "")
        }
        Some(false) => LdapResult::new(
            ResultCode::NO_SUCH_ATTRIBUTE,
            format!("the entry has no {}", compare.attribute),
        ),
        None => LdapResult::new(
            ResultCode::INVALID_ATTRIBUTE_SYNTAX,
            format!(
                "this is no value of {}, or its values cannot be compared",
                compare.attribute
            ),
        ),
    }
}

fn subject(snapshot: &Snapshot, id: EntryId) -> Option<Subject<'_>> {
    Some(Subject {
        snapshot,
        id: Some(id),
        attributes: &snapshot.entry(id)?.attributes,
    })
}

/// The result for a DN that names nothing.
pub(super) fn no_such_object(snapshot: &Snapshot, nearest: Option<EntryId>) -> LdapResult {
    let matched = nearest.map(|id| snapshot.dn(id)).unwrap_or_default();
    LdapResult::new(ResultCode::NO_SUCH_OBJECT, "no such entry").matched(matched)
}
