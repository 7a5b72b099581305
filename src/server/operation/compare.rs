//! Compare (RFC 4511 section 4.10).
//!
//! | because | result code |
//! | --- | --- |
//! | the value is there, or is not | compareTrue, compareFalse |
//! | no such entry, no value of the attribute | noSuchObject, noSuchAttribute |
//! | unknown attribute, a value it cannot have | undefinedAttributeType, invalidAttributeSyntax |
//! | no DN | invalidDNSyntax |
//! | a secret, or nobody is bound | insufficientAccessRights |

use super::{Call, find, parse_dn};
use crate::{
    directory::{BoundFilter, EntryId, Snapshot, Subject},
    proto::{
        LdapResult, ResultCode,
        request::{CompareRequest, Filter},
    },
    schema::AttributeDescription,
};

/// Compares one value.
pub(super) fn compare(call: &Call<'_>, request: &CompareRequest<'_>) -> LdapResult {
    decide(call, request).unwrap_or_else(|refusal| refusal)
}

fn decide(call: &Call<'_>, request: &CompareRequest<'_>) -> Result<LdapResult, LdapResult> {
    if let Some(busy) = call.busy() {
        return Err(busy);
    }
    call.may_read()?;
    let snapshot = call.service.directory.snapshot();
    let id = find(&snapshot, &parse_dn(request.entry)?)?;
    call.assert(&snapshot, id)?;
    let attribute = request.assertion.attribute;
    let known = AttributeDescription::parse(attribute)
        .and_then(|description| snapshot.schema().attribute(description.base.as_bytes()))
        .ok_or_else(|| {
            LdapResult::new(
                ResultCode::UNDEFINED_ATTRIBUTE_TYPE,
                format!("the schema does not define {}", attribute.escape_ascii()),
            )
        })?;
    let secrets = call.settings.access.secrets();
    if secrets.contains(known) {
        return Err(LdapResult::new(
            ResultCode::INSUFFICIENT_ACCESS_RIGHTS,
            "the values of this attribute are secret: prove a password by a bind",
        ));
    }
    let holds = |filter: &Filter<'_>| {
        let subject = subject(&snapshot, id)?;
        BoundFilter::bind(filter, &snapshot, secrets).evaluate(subject)
    };
    Ok(match holds(&Filter::Equality(request.assertion)) {
        Some(true) => LdapResult::new(ResultCode::COMPARE_TRUE, ""),
        Some(false) if holds(&Filter::Present(attribute)) == Some(true) => {
            LdapResult::new(ResultCode::COMPARE_FALSE, "")
        }
        Some(false) => LdapResult::new(
            ResultCode::NO_SUCH_ATTRIBUTE,
            format!("the entry has no {}", attribute.escape_ascii()),
        ),
        None => LdapResult::new(
            ResultCode::INVALID_ATTRIBUTE_SYNTAX,
            format!(
                "this is no value of {}, or its values cannot be compared",
                attribute.escape_ascii()
            ),
        ),
    })
}

fn subject(snapshot: &Snapshot, id: EntryId) -> Option<Subject<'_>> {
    Some(Subject {
        snapshot,
        id: Some(id),
        attributes: &snapshot.entry(id)?.attributes,
    })
}
