//! Compare (RFC 4511 section 4.10).
//!
//! | because | result code |
//! | --- | --- |
//! | the value is there, or is not | compareTrue, compareFalse |
//! | no such entry, no value of the attribute | noSuchObject, noSuchAttribute |
//! | unknown attribute, a value it cannot have | undefinedAttributeType, invalidAttributeSyntax |
//! | values of the attribute cannot be compared | inappropriateMatching |
//! | no DN | invalidDNSyntax |
//! | other servers hold the entry | referral |
//! | a secret, or nobody is bound | insufficientAccessRights |

use super::{
    Call, root_dse,
    target::{Name, check_original},
};
use crate::{
    directory::{BoundFilter, Diversions, Snapshot, Subject},
    proto::{
        LdapResult, ResultCode,
        request::{AttributeValueAssertion, CompareRequest, Filter},
    },
    schema::AttributeDescription,
};

/// Compares one value.
pub(super) fn compare(call: &Call<'_>, request: &CompareRequest<'_>) -> LdapResult {
    decide(call, request).unwrap_or_else(|refusal| refusal)
}

fn decide(call: &Call<'_>, request: &CompareRequest<'_>) -> Result<LdapResult, LdapResult> {
    let name = Name::parse(request.entry)?;
    let snapshot = call.service.directory.snapshot();
    if let Some(made_up) = root_dse::made_up(call, &snapshot, &name)? {
        return compare_with(call, made_up.subject(&snapshot), &request.assertion);
    }
    if let Some(busy) = call.busy() {
        return Err(busy);
    }
    call.may_read()?;
    // "Servers that support aliases do not dereference them" (RFC 4511 section 4.10).
    let diversions = Diversions {
        aliases: false,
        referrals: !call.controls.manage_dsa_it,
    };
    let id = name.find(&snapshot, diversions, None)?;
    check_original(&snapshot, id, call.controls.dont_use_copy, None)?;
    match Subject::of(&snapshot, id) {
        Some(subject) => compare_with(call, subject, &request.assertion),
        None => Err(LdapResult::new(ResultCode::NO_SUCH_OBJECT, "no such entry")),
    }
}

fn compare_with(
    call: &Call<'_>,
    subject: Subject<'_>,
    assertion: &AttributeValueAssertion<'_>,
) -> Result<LdapResult, LdapResult> {
    call.assert_of(subject)?;
    check_attribute(call, subject.snapshot, assertion.attribute)?;
    let secrets = call.settings.access.secrets();
    let holds = |filter: &Filter<'_>| {
        BoundFilter::bind(filter, subject.snapshot, secrets).evaluate(subject)
    };
    let name = assertion.attribute.escape_ascii();
    let (code, text) = match holds(&Filter::Equality(*assertion)) {
        Some(true) => (ResultCode::COMPARE_TRUE, String::new()),
        _ if holds(&Filter::Present(assertion.attribute)) != Some(true) => (
            ResultCode::NO_SUCH_ATTRIBUTE,
            format!("the entry has no {name}"),
        ),
        Some(false) => (ResultCode::COMPARE_FALSE, String::new()),
        None => (
            ResultCode::INVALID_ATTRIBUTE_SYNTAX,
            format!("this is no value of {name}"),
        ),
    };
    Ok(LdapResult::new(code, text))
}

/// Refuses attributes that are unknown, secret, or cannot be compared.
fn check_attribute(
    call: &Call<'_>,
    snapshot: &Snapshot,
    attribute: &[u8],
) -> Result<(), LdapResult> {
    let schema = snapshot.schema();
    let name = attribute.escape_ascii();
    let (code, text) = match AttributeDescription::parse(attribute)
        .and_then(|description| schema.attribute(description.base.as_bytes()))
    {
        None => (
            ResultCode::UNDEFINED_ATTRIBUTE_TYPE,
            format!("the schema does not define {name}"),
        ),
        Some(known) if call.settings.access.secrets().contains(known) => (
            ResultCode::INSUFFICIENT_ACCESS_RIGHTS,
            "the values of this attribute are secret: prove a password by a bind".to_owned(),
        ),
        Some(known) if schema.attribute_type(known).equality.is_none() => (
            ResultCode::INAPPROPRIATE_MATCHING,
            format!("values of {name} have no equality rule to be compared by"),
        ),
        Some(_) => return Ok(()),
    };
    Err(LdapResult::new(code, text))
}
