//! Messages and filters as they occur, for the benches of single functions.

use crate::support::population::{BASE, Pattern, Population, password};
use crate::support::requests::{self, Control, Scope, filter};

/// The requests worth timing, by name; each is exactly one LDAPMessage.
pub(crate) fn requests() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("user-search", user_search()),
        ("groups-search", groups_search()),
        ("base-search", base_search()),
        ("bind", bind()),
    ]
}

/// SSSD looks up a user by name: 35 attributes.
fn user_search() -> Vec<u8> {
    let (mut out, base) = (Vec::new(), (BASE, Scope::WholeSubtree));
    requests::search(
        &mut out,
        MESSAGE_ID,
        base,
        requests::SSSD_USER,
        None,
        |out| {
            filter::sssd_user(out, "uid", &population().user_name(USER));
        },
    );
    out
}

/// SSSD looks for the groups of a user: a DN in the filter, and a control.
fn groups_search() -> Vec<u8> {
    let (mut out, base) = (Vec::new(), (BASE, Scope::WholeSubtree));
    let (attributes, paged) = (
        requests::SSSD_INITGROUPS,
        Some(Control::PagedResults(1000, b"")),
    );
    requests::search(&mut out, MESSAGE_ID, base, attributes, paged, |out| {
        filter::sssd_groups_of(out, &population().user_dn(USER));
    });
    out
}

/// SSSD asks whether a member is a user: the smallest search there is.
fn base_search() -> Vec<u8> {
    let (mut out, dn) = (Vec::new(), population().user_dn(USER));
    let base = (&*dn, Scope::BaseObject);
    requests::search(
        &mut out,
        MESSAGE_ID,
        base,
        requests::SSSD_MEMBER,
        None,
        |out| {
            filter::equality(out, "objectclass", "posixAccount");
        },
    );
    out
}

/// SSSD checks a password.
fn bind() -> Vec<u8> {
    let (mut out, dn) = (Vec::new(), population().user_dn(USER));
    let password = password(&population().user_name(USER));
    let control = Some(Control::PasswordPolicy);
    requests::bind(&mut out, MESSAGE_ID, &dn, password.as_bytes(), control);
    out
}

/// The filters of the searches in [`requests()`] as text, and one with substrings.
pub(crate) const FILTERS: &[(&str, &str); 3] = &[
    (
        "user",
        "(&(uid=u000424)(objectclass=posixAccount)(uid=*)(&(uidNumber=*)(!(uidNumber=0))))",
    ),
    (
        "groups",
        "(&(member=uid=u000424,ou=people,dc=bench,dc=example)(objectClass=posixGroup)(cn=*))",
    ),
    (
        "substring",
        "(|(cn=andreas*lindqvist)(mail=andreas.l*@bench.example))",
    ),
];

/// A message id of three octets, as a connection has after some hours.
pub(crate) const MESSAGE_ID: i32 = 70_000;

/// The user that the requests and filters are about.
pub(crate) const USER: u32 = 424;

fn population() -> Population {
    // No groups: their members would be computed, and nobody asks for them here.
    Population::generated(BASE, Pattern::default(), USER + 1, 0)
}
