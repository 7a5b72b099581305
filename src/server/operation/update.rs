//! Add, Delete, Modify, ModifyDN: refused, with the reason.

use super::{Call, bind_first, parse_dn, target};
use crate::{
    directory::{Kind, Resolved},
    proto::{LdapResult, ResultCode},
};

/// The result of an update: entries of AD are changed in AD, local ones by import.
pub(super) fn refuse(call: &Call<'_>, dn: &[u8]) -> LdapResult {
    if let Some(busy) = call.busy() {
        return busy;
    }
    if !call.identity.is_known() {
        return bind_first();
    }
    let dn = match parse_dn(dn) {
        Ok(dn) => dn,
        Err(result) => return result,
    };
    let snapshot = call.service.directory.snapshot();
    if let Err(referral) = target::check_referral(&snapshot, &dn, call.controls.manage_dsa_it) {
        return referral;
    }
    let of_ad = match snapshot.resolve(&dn) {
        Resolved::Found(id) => Some(id),
        Resolved::Missing { nearest } => nearest,
    }
    .and_then(|id| snapshot.entry(id))
    .is_some_and(|entry| entry.kind != Kind::Local);
    let text = if of_ad {
        "this entry comes from Active Directory: change it there, it follows within seconds"
    } else {
        "local entries are changed by `adduct import` in this version"
    };
    LdapResult::new(ResultCode::UNWILLING_TO_PERFORM, text)
}
