//! What AD's attributes say about whether an account may be used.

use super::attributes::Number;

/// userAccountControl: the account is disabled.
const ACCOUNTDISABLE: i64 = 0x2;
/// userAccountControl: the password never expires, nor has it to be changed.
const DONT_EXPIRE_PASSWD: i64 = 0x1_0000;
/// userAccountControl: AD has set a random password; only a smart card gets in.
const SMARTCARD_REQUIRED: i64 = 0x4_0000;

/// The state of an account as the replica knows it.
///
/// Times are FILETIMEs. An attribute that is not there says nothing, since the account that
/// replicates may not be allowed to read it; one that cannot be understood counts against the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountState {
    /// The account is disabled.
    pub disabled: bool,
    /// `accountExpires` has passed.
    pub expired: bool,
    /// When the account was locked. Whether it still is depends on the domain's policy
    /// ([`AccountState::is_locked`]).
    pub lockout_time: Option<u64>,
    /// The password must be changed before the account can be used.
    pub must_change_password: bool,
    /// The password is random, so no simple bind can succeed.
    pub smartcard_required: bool,
    /// When the password was last set; `None` where it must be changed or is not known.
    pub password_last_set: Option<u64>,
    /// The domain's maximum password age does not apply.
    pub password_never_expires: bool,
}

/// Reads the state of an account at a time; `first` gives the first value of an attribute.
pub fn account_state<'a>(
    first: impl Fn(&str) -> Option<&'a [u8]>,
    now_filetime: u64,
) -> AccountState {
    let number = |attribute: &str| Number::parse(first(attribute));
    let control = number("userAccountControl");
    let has = |bit: i64| control.value().is_some_and(|bits| bits & bit != 0);
    let password_never_expires = has(DONT_EXPIRE_PASSWD);
    let smartcard_required = has(SMARTCARD_REQUIRED);
    let password_last_set = number("pwdLastSet");
    // MS-ADTS 3.1.1.4.5.17: these accounts are exempt from the password's expiry.
    let must_change_password = !password_never_expires
        && !smartcard_required
        && match password_last_set {
            Number::Absent => false,
            Number::Is(time) => time <= 0,
            Number::Garbage => true,
        };
    AccountState {
        disabled: has(ACCOUNTDISABLE) || control == Number::Garbage,
        expired: match number("accountExpires") {
            Number::Absent | Number::Is(0 | i64::MAX) => false,
            Number::Is(time) => {
                u64::try_from(time).is_ok_and(|time| time <= now_filetime) || time < 0
            }
            Number::Garbage => true,
        },
        lockout_time: match number("lockoutTime") {
            Number::Absent | Number::Is(0) => None,
            // A time that cannot be is read as now: locked for the whole duration.
            garbage => Some(positive(garbage).unwrap_or(now_filetime)),
        },
        must_change_password,
        smartcard_required,
        password_last_set: positive(password_last_set),
        password_never_expires,
    }
}

impl AccountState {
    /// Whether the account is locked at a time.
    ///
    /// `lockout_duration` is AD's attribute of that name: a negative count of 100 ns, where 0 and
    /// the lowest number mean until an administrator unlocks it.
    pub fn is_locked(&self, now_filetime: u64, lockout_duration: i64) -> bool {
        let Some(since) = self.lockout_time else {
            return false;
        };
        let for_ever = matches!(lockout_duration, 0 | i64::MIN);
        for_ever || since.saturating_add(lockout_duration.unsigned_abs()) > now_filetime
    }
}

fn positive(number: Number) -> Option<u64> {
    u64::try_from(number.value()?).ok().filter(|time| *time > 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use uuid::Uuid;

    use super::*;
    use crate::entry::{Entry, Origin};

    const NOW: u64 = 134_398_496_880_000_000;

    const GOOD: AccountState = AccountState {
        disabled: false,
        expired: false,
        lockout_time: None,
        must_change_password: false,
        smartcard_required: false,
        password_last_set: None,
        password_never_expires: false,
    };

    fn state(attributes: &[(&str, &str)]) -> AccountState {
        let mut entry = Entry {
            uuid: Uuid::nil(),
            parent: None,
            rdn: "CN=x".to_owned(),
            origin: Origin::Source("corp".to_owned()),
            attributes: Vec::new(),
            links: Vec::new(),
        };
        for (name, value) in attributes {
            entry.set(name, vec![value.as_bytes().to_vec()]);
        }
        account_state(|name| entry.first(name), NOW)
    }

    #[test]
    fn states() {
        let disabled = AccountState {
            disabled: true,
            ..GOOD
        };
        let expired = AccountState {
            expired: true,
            ..GOOD
        };
        let must_change = AccountState {
            must_change_password: true,
            ..GOOD
        };
        let never_expires = AccountState {
            password_never_expires: true,
            ..GOOD
        };
        let smartcard = AccountState {
            smartcard_required: true,
            ..GOOD
        };
        let locked = |time| AccountState {
            lockout_time: Some(time),
            ..GOOD
        };
        let password_set = AccountState {
            password_last_set: Some(5),
            ..GOOD
        };
        let table: &[(&[(&str, &str)], AccountState)] = &[
            (&[], GOOD),
            (&[("userAccountControl", "512")], GOOD),
            (&[("userAccountControl", "514")], disabled),
            (&[("userAccountControl", "546")], disabled),
            (&[("userAccountControl", "x")], disabled),
            (&[("userAccountControl", "66048")], never_expires),
            (&[("userAccountControl", "262656")], smartcard),
            (&[("accountExpires", "0")], GOOD),
            (&[("accountExpires", "9223372036854775807")], GOOD),
            (&[("accountExpires", "134398496880000001")], GOOD),
            (&[("accountExpires", "134398496880000000")], expired),
            (&[("accountExpires", "1")], expired),
            (&[("accountExpires", "-1")], expired),
            (&[("accountExpires", "never")], expired),
            (&[("lockoutTime", "0")], GOOD),
            (&[("lockoutTime", "7")], locked(7)),
            (&[("lockoutTime", "-7")], locked(NOW)),
            (&[("lockoutTime", "x")], locked(NOW)),
            (&[("pwdLastSet", "5")], password_set),
            (&[("pwdLastSet", "0")], must_change),
            (&[("pwdLastSet", "-1")], must_change),
            (&[("pwdLastSet", "")], must_change),
            (
                &[("pwdLastSet", "0"), ("userAccountControl", "66048")],
                never_expires,
            ),
        ];
        for (attributes, expected) in table {
            assert_eq!(state(attributes), *expected, "{attributes:?}");
        }
    }

    #[test]
    fn a_lockout_lasts_as_long_as_the_domain_says() {
        let minutes = |count: i64| count * 60 * 10_000_000;
        let locked = AccountState {
            lockout_time: Some(NOW - 10 * 60 * 10_000_000),
            ..GOOD
        };
        for (duration, expected) in [
            (-minutes(30), true),
            (-minutes(10), false),
            (-minutes(5), false),
            (0, true),
            (i64::MIN, true),
        ] {
            assert_eq!(locked.is_locked(NOW, duration), expected, "{duration}");
        }
        assert!(!GOOD.is_locked(NOW, 0));
    }
}
