//! Which controls are supported.

use crate::proto::{Control, LdapResult, ResultCode};

/// ManageDsaIT (RFC 3296): there are no referral objects, so that it changes nothing.
const MANAGE_DSA_IT: &str = "2.16.840.1.113730.3.4.2";
/// AD's domain scope: there are no continuation references, so that it changes nothing.
const DOMAIN_SCOPE: &str = "1.2.840.113556.1.4.1339";

/// The controls that every operation takes; what is here is advertised.
pub(super) const SUPPORTED: &[&str] = &[MANAGE_DSA_IT, DOMAIN_SCOPE];

/// "unavailableCriticalExtension" where a control must be obeyed and cannot (RFC 4511 section 4.1.11).
pub(super) fn refusal(controls: &[Control<'_>]) -> Option<LdapResult> {
    let unknown = controls.iter().find(|control| {
        control.criticality && !SUPPORTED.iter().any(|oid| oid.as_bytes() == control.oid)
    })?;
    Some(LdapResult::new(
        ResultCode::UNAVAILABLE_CRITICAL_EXTENSION,
        format!(
            "the critical control {} is not supported",
            String::from_utf8_lossy(unknown.oid)
        ),
    ))
}
