//! What a domain controller says to a name and a password.

use crate::proto::{LdapResult, ResultCode};

/// The outcome of a bind that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindOutcome {
    /// The result code, 0 for success and 49 for nearly every refusal.
    pub result_code: u32,
    /// AD's text, meant for logs.
    pub diagnostic: String,
    /// AD's reason as a Win32 error code, e.g. 0x52e for a wrong password.
    pub sub_code: Option<u32>,
}

impl BindOutcome {
    /// Unknown user.
    pub const NO_SUCH_USER: u32 = 0x525;
    /// Wrong password, or unknown user.
    pub const LOGON_FAILURE: u32 = 0x52e;
    /// Not at this hour.
    pub const INVALID_LOGON_HOURS: u32 = 0x530;
    /// Not from this workstation.
    pub const INVALID_WORKSTATION: u32 = 0x531;
    /// The password is too old.
    pub const PASSWORD_EXPIRED: u32 = 0x532;
    /// The account is disabled.
    pub const ACCOUNT_DISABLED: u32 = 0x533;
    /// The account has ended.
    pub const ACCOUNT_EXPIRED: u32 = 0x701;
    /// The password must be changed at the first logon.
    pub const PASSWORD_MUST_CHANGE: u32 = 0x773;
    /// The account is locked.
    pub const ACCOUNT_LOCKED: u32 = 0x775;

    /// Whether the identity is proved and let in.
    pub fn is_success(&self) -> bool {
        self.result_code == ResultCode::SUCCESS.0
    }

    /// Whether the password was right, though the account may not get in.
    ///
    /// AD checks the password first; a locked account proves nothing.
    pub fn proves_password(&self) -> bool {
        self.is_success()
            || matches!(
                self.sub_code,
                Some(
                    Self::INVALID_LOGON_HOURS
                        | Self::INVALID_WORKSTATION
                        | Self::PASSWORD_EXPIRED
                        | Self::ACCOUNT_DISABLED
                        | Self::ACCOUNT_EXPIRED
                        | Self::PASSWORD_MUST_CHANGE
                )
            )
    }

    /// The reason in words.
    pub fn reason(&self) -> String {
        let known = match self.sub_code {
            _ if self.is_success() => Some("success"),
            Some(Self::NO_SUCH_USER) => Some("there is no such account"),
            Some(Self::LOGON_FAILURE) => Some("unknown name or wrong password"),
            Some(Self::INVALID_LOGON_HOURS) => Some("not within its logon hours"),
            Some(Self::INVALID_WORKSTATION) => Some("not allowed from this host"),
            Some(Self::PASSWORD_EXPIRED) => Some("its password has expired"),
            Some(Self::ACCOUNT_DISABLED) => Some("it is disabled"),
            Some(Self::ACCOUNT_EXPIRED) => Some("it has expired"),
            Some(Self::PASSWORD_MUST_CHANGE) => {
                Some("its password must be changed at the first logon")
            }
            Some(Self::ACCOUNT_LOCKED) => Some("it is locked"),
            _ => None,
        };
        match known {
            Some(reason) => reason.to_owned(),
            None => format!("{} ({:?})", self.diagnostic, ResultCode(self.result_code)),
        }
    }
}

impl From<LdapResult> for BindOutcome {
    fn from(result: LdapResult) -> Self {
        Self {
            result_code: result.code.0,
            sub_code: sub_code(&result.diagnostic),
            diagnostic: result.diagnostic,
        }
    }
}

/// Finds `data XXX` in a text; Windows and Samba differ in everything around it.
fn sub_code(diagnostic: &str) -> Option<u32> {
    let (_, after) = diagnostic.split_once("data ")?;
    let digits = after
        .find(|character: char| !character.is_ascii_hexdigit())
        .map_or(after, |end| after.split_at(end).0);
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(diagnostic: &str) -> BindOutcome {
        BindOutcome::from(LdapResult::new(ResultCode::INVALID_CREDENTIALS, diagnostic))
    }

    #[test]
    fn the_sub_code_is_found_in_both_dialects() {
        for (text, code) in [
            (
                "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data 52e, v1db1",
                Some(0x52e),
            ),
            (
                "80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data 775, v4563",
                Some(0x775),
            ),
            ("AcceptSecurityContext error, data 0", Some(0)),
            ("data ", None),
            ("data xyz", None),
            ("BindSimple: Transport encryption required.", None),
            ("data ffffffffff", None),
        ] {
            assert_eq!(outcome(text).sub_code, code, "{text}");
        }
    }

    #[test]
    fn only_some_refusals_prove_the_password() {
        for (code, proved) in [
            ("52e", false),
            ("525", false),
            ("530", true),
            ("531", true),
            ("532", true),
            ("533", true),
            ("701", true),
            ("773", true),
            ("775", false),
            ("568", false),
        ] {
            let outcome = outcome(&format!("error, data {code}, v1db1"));
            assert_eq!(outcome.proves_password(), proved, "{code}");
            assert!(!outcome.is_success());
        }
    }
}
