#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{
    entry::Origin,
    mapping::policy::{IdPolicy, NameCase},
};

const DOMAIN: &str = "S-1-5-21-2966102495-3163130805-921133302";

/// Attributes with their values.
type Attributes<'a> = &'a [(&'a str, &'a [&'a str])];

const JOHN: Attributes<'_> = &[
    (
        "objectClass",
        &["top", "person", "organizationalPerson", "user"],
    ),
    ("name", &["Smith, John"]),
    ("sAMAccountName", &["J.Smith"]),
    ("sAMAccountType", &["805306368"]),
    ("primaryGroupID", &["513"]),
    ("whenCreated", &["20261122193448.0Z"]),
    ("displayName", &["John Smith"]),
    ("mail", &["john@example.com"]),
];

const STAFF: Attributes<'_> = &[
    ("objectClass", &["top", "group"]),
    ("name", &["Staff"]),
    ("sAMAccountName", &["Staff"]),
    ("sAMAccountType", &["268435456"]),
    ("groupType", &["-2147483646"]),
];

/// An entry with the objectSid of this RID.
fn entry(rdn: &str, rid: u32, attributes: Attributes<'_>) -> Entry {
    let mut entry = Entry {
        uuid: Uuid::from_u128(0x37f4_308d_1ab0_4f1f_9b24_bd97_8681_ffdc),
        parent: Some(Uuid::nil()),
        rdn: rdn.to_owned(),
        origin: Origin::Source("corp".to_owned()),
        attributes: Vec::new(),
        links: Vec::new(),
    };
    for (name, values) in attributes {
        entry.set(
            name,
            values
                .iter()
                .map(|value| value.as_bytes().to_vec())
                .collect(),
        );
    }
    let sid: Sid = format!("{DOMAIN}-{rid}").parse().unwrap();
    entry.set("objectSid", vec![sid.to_bytes()]);
    entry
}

fn john() -> Entry {
    entry("CN=Smith\\, John", 1103, JOHN)
}

fn staff() -> Entry {
    entry("CN=Staff", 1104, STAFF)
}

fn ids(ids: IdPolicy) -> PosixPolicy {
    PosixPolicy {
        ids,
        ..PosixPolicy::default()
    }
}

fn served_with(
    entry: &Entry,
    policy: &PosixPolicy,
    primary_gid: &dyn Fn(u32) -> Option<u32>,
) -> Entry {
    let mut slices = SliceTable::default();
    let attributes = served_attributes(
        entry,
        &mut DeriveContext {
            policy,
            domain: "corp.example.com",
            slices: &mut slices,
            primary_gid,
        },
    );
    Entry {
        attributes,
        ..entry.clone()
    }
}

fn served(entry: &Entry, policy: &PosixPolicy) -> Entry {
    served_with(entry, policy, &|_| None)
}

/// All values of an attribute, joined by commas; `None` where it is not there.
fn values(entry: &Entry, attribute: &str) -> Option<String> {
    let values = &entry.attribute(attribute)?.values;
    let texts: Vec<_> = values
        .iter()
        .map(|value| String::from_utf8_lossy(value))
        .collect();
    Some(texts.join(","))
}

/// Asserts the values of several attributes, `""` standing for an absent one.
fn assert_values(entry: &Entry, expected: &[(&str, &str)]) {
    for (attribute, expected) in expected {
        assert_eq!(
            values(entry, attribute).unwrap_or_default(),
            *expected,
            "{attribute}"
        );
    }
}

#[test]
fn objects_are_classified() {
    let group = |security, builtin| Kind::Group { security, builtin };
    let table: &[(Attributes<'_>, Kind)] = &[
        (JOHN, Kind::User),
        (STAFF, group(true, false)),
        (
            &[("objectClass", &["group"]), ("groupType", &["2"])],
            group(false, false),
        ),
        (
            &[("objectClass", &["group"]), ("groupType", &["8"])],
            group(false, false),
        ),
        (
            &[("objectClass", &["group"]), ("groupType", &["-2147483644"])],
            group(true, false),
        ),
        (
            &[("objectClass", &["group"]), ("groupType", &["-2147483640"])],
            group(true, false),
        ),
        (
            &[("objectClass", &["group"]), ("groupType", &["-2147483643"])],
            group(true, true),
        ),
        (&[("objectClass", &["group"])], group(false, false)),
        (
            &[
                ("objectClass", &["group"]),
                ("sAMAccountType", &["536870912"]),
            ],
            group(true, false),
        ),
        (
            &[
                ("objectClass", &["group"]),
                ("sAMAccountType", &["268435457"]),
            ],
            group(false, false),
        ),
        (
            &[("objectClass", &["top", "ORGANIZATIONALUNIT"])],
            Kind::Container,
        ),
        (&[("objectClass", &["top", "container"])], Kind::Container),
        (
            &[("objectClass", &["top", "builtinDomain"])],
            Kind::Container,
        ),
        (
            &[("objectClass", &["top", "domain", "domainDNS"])],
            Kind::Container,
        ),
        (
            &[("objectClass", &["top", "lostAndFound"])],
            Kind::Container,
        ),
        (&[("objectClass", &["top", "contact"])], Kind::Unserved),
        (
            &[
                ("objectClass", &["user", "computer"]),
                ("sAMAccountType", &["805306369"]),
            ],
            Kind::Unserved,
        ),
        (
            &[
                ("objectClass", &["user", "computer"]),
                ("sAMAccountType", &["805306368"]),
            ],
            Kind::Unserved,
        ),
        (
            &[
                ("objectClass", &["user", "msDS-GroupManagedServiceAccount"]),
                ("sAMAccountType", &["805306368"]),
            ],
            Kind::Unserved,
        ),
        (
            &[
                ("objectClass", &["user"]),
                ("sAMAccountType", &["805306370"]),
            ],
            Kind::Unserved,
        ),
        (&[("objectClass", &["user"])], Kind::Unserved),
        (
            &[("objectClass", &["container"]), ("isDeleted", &["TRUE"])],
            Kind::Unserved,
        ),
        (&[("sAMAccountType", &["x"])], Kind::Unserved),
        (&[], Kind::Unserved),
    ];
    for (attributes, kind) in table {
        assert_eq!(
            classify(&entry("CN=x", 1000, attributes)),
            *kind,
            "{attributes:?}"
        );
    }
    let mut administrators = entry("CN=Administrators", 1, STAFF);
    let sid: Sid = "S-1-5-32-544".parse().unwrap();
    administrators.set("objectSid", vec![sid.to_bytes()]);
    assert_eq!(classify(&administrators), group(true, true));
}

#[test]
fn a_user_is_served_in_both_dialects() {
    let user = served(&john(), &PosixPolicy::default());
    assert_values(
        &user,
        &[
            (
                "objectClass",
                "top,person,organizationalPerson,user,inetOrgPerson,posixAccount",
            ),
            ("cn", "Smith, John"),
            ("name", "Smith, John"),
            ("sAMAccountName", "J.Smith"),
            ("uid", "j.smith"),
            ("uidNumber", "608801103"),
            ("gidNumber", "608800513"),
            ("homeDirectory", "/home/j.smith"),
            ("loginShell", "/bin/bash"),
            ("gecos", "John Smith"),
            ("entryUUID", "37f4308d-1ab0-4f1f-9b24-bd978681ffdc"),
            ("createTimestamp", "20261122193448Z"),
            ("whenCreated", "20261122193448.0Z"),
            ("mail", "john@example.com"),
            ("sn", ""),
        ],
    );
    assert_eq!(user.first("objectSid"), john().first("objectSid"));
}

#[test]
fn attributes_of_ad_win_over_the_policy() {
    let mut user = john();
    for (name, value) in [
        ("uidNumber", "5000"),
        ("gidNumber", "0100"),
        ("unixHomeDirectory", "/srv/john"),
        ("loginShell", "/bin/zsh"),
        ("gecos", "J. Smith,,,"),
        ("homeDirectory", r"\\server\john"),
        ("uid", "somebody"),
        ("sshPublicKey", "ssh-ed25519 AAAA"),
    ] {
        user.set(name, vec![value.as_bytes().to_vec()]);
    }
    let kept = PosixPolicy {
        name_case: NameCase::Keep,
        ..PosixPolicy::default()
    };
    assert_values(
        &served(&user, &kept),
        &[
            ("uid", "J.Smith"),
            ("uidNumber", "5000"),
            ("gidNumber", "100"),
            ("unixHomeDirectory", "/srv/john"),
            ("homeDirectory", "/srv/john"),
            ("loginShell", "/bin/zsh"),
            ("gecos", "J. Smith,,,"),
            (
                "objectClass",
                "top,person,organizationalPerson,user,inetOrgPerson,ldapPublicKey,posixAccount",
            ),
        ],
    );
}

/// Columns: uidNumber, gidNumber in AD (`""` for none), gid of the served primary group, then the
/// ids under sssd, attributes and both.
#[test]
fn ids_follow_the_policy() {
    type Ids = Option<(u32, u32)>;
    let computed = (608_801_103, 608_800_513);
    let table: &[(&str, &str, Option<u32>, [Ids; 3])] = &[
        ("", "", None, [Some(computed), None, Some(computed)]),
        (
            "",
            "",
            Some(100),
            [Some((computed.0, 100)), None, Some((computed.0, 100))],
        ),
        (
            "5000",
            "",
            None,
            [Some(computed), None, Some((5000, computed.1))],
        ),
        (
            "5000",
            "",
            Some(100),
            [
                Some((computed.0, 100)),
                Some((5000, 100)),
                Some((5000, 100)),
            ],
        ),
        (
            "",
            "200",
            Some(100),
            [Some((computed.0, 100)), None, Some((computed.0, 200))],
        ),
        (
            "5000",
            "200",
            Some(100),
            [
                Some((computed.0, 100)),
                Some((5000, 200)),
                Some((5000, 200)),
            ],
        ),
        ("0", "0", None, [Some(computed), None, Some(computed)]),
        (
            "-5",
            "4294967296",
            None,
            [Some(computed), None, Some(computed)],
        ),
        ("x", " 5", None, [Some(computed), None, Some(computed)]),
        (
            "4294967295",
            "5e3",
            None,
            [Some(computed), None, Some(computed)],
        ),
    ];
    for (uid, gid, primary, expected) in table {
        let mut user = john();
        for (name, value) in [("uidNumber", uid), ("gidNumber", gid)] {
            let present = (!value.is_empty()).then(|| value.as_bytes().to_vec());
            user.set(name, present.into_iter().collect());
        }
        let policies = [
            IdPolicy::Sssd,
            IdPolicy::Attributes,
            IdPolicy::AttributesThenSssd,
        ];
        for (policy, expected) in policies.into_iter().zip(expected) {
            let served = served_with(&user, &ids(policy), &|rid| {
                assert_eq!(rid, 513);
                *primary
            });
            let case = format!("{uid:?} {gid:?} {primary:?} {policy:?}");
            let number = |name| values(&served, name).map(|text| text.parse::<u32>().unwrap());
            let found = number("uidNumber").zip(number("gidNumber"));
            assert_eq!(found, *expected, "{case}");
            assert_eq!(
                has_object_class(&served, "posixAccount"),
                expected.is_some(),
                "{case}"
            );
            assert_eq!(values(&served, "uid").unwrap(), "j.smith", "{case}");
        }
    }
}

#[test]
fn a_user_without_ids_is_no_posix_account() {
    let mut user = john();
    user.set(
        "objectClass",
        vec![b"top".to_vec(), b"user".to_vec(), b"PosixAccount".to_vec()],
    );
    user.set("loginShell", vec![b"/bin/zsh".to_vec()]);
    user.set("homeDirectory", vec![br"\\server\john".to_vec()]);
    assert_values(
        &served(&user, &ids(IdPolicy::Attributes)),
        &[
            ("objectClass", "top,user,inetOrgPerson"),
            ("loginShell", "/bin/zsh"),
            ("homeDirectory", ""),
            ("uidNumber", ""),
            ("gidNumber", ""),
        ],
    );
    for missing in ["objectSid", "primaryGroupID"] {
        let mut user = john();
        user.set(missing, Vec::new());
        let served = served(&user, &PosixPolicy::default());
        assert!(!has_object_class(&served, "posixAccount"), "{missing}");
    }
    let mut nameless = john();
    nameless.set("sAMAccountName", vec![b"a\0b".to_vec()]);
    let served = served(&nameless, &PosixPolicy::default());
    assert!(!has_object_class(&served, "posixAccount"));
    assert_values(&served, &[("uid", ""), ("uidNumber", "")]);
}

#[test]
fn security_groups_are_posix_groups() {
    assert_values(
        &served(&staff(), &PosixPolicy::default()),
        &[
            ("objectClass", "top,group,posixGroup"),
            ("cn", "Staff"),
            ("gidNumber", "608801104"),
            ("uid", ""),
        ],
    );
    let mut numbered = staff();
    numbered.set("gidNumber", vec![b"300".to_vec()]);
    for (policy, gid) in [
        (IdPolicy::Sssd, "608801104"),
        (IdPolicy::Attributes, "300"),
        (IdPolicy::AttributesThenSssd, "300"),
    ] {
        assert_values(&served(&numbered, &ids(policy)), &[("gidNumber", gid)]);
    }
    assert_values(
        &served(&staff(), &ids(IdPolicy::Attributes)),
        &[("objectClass", "top,group"), ("gidNumber", "")],
    );
}

#[test]
fn other_groups_are_ad_entries_only() {
    let mut distribution = staff();
    distribution.set("groupType", vec![b"2".to_vec()]);
    let mut builtin = staff();
    builtin.set("groupType", vec![b"-2147483643".to_vec()]);
    for mut group in [distribution, builtin] {
        group.set("gidNumber", vec![b"300".to_vec()]);
        group.set("memberUid", vec![b"somebody".to_vec()]);
        assert_values(
            &served(&group, &PosixPolicy::default()),
            &[
                ("objectClass", "top,group"),
                ("gidNumber", "300"),
                ("memberUid", ""),
                ("cn", "Staff"),
            ],
        );
    }
}

#[test]
fn containers_get_the_attribute_of_their_rdn() {
    let ou = entry(
        "OU=Sales",
        1,
        &[
            ("objectClass", &["top", "organizationalUnit"]),
            ("name", &["Sales"]),
            (
                "objectCategory",
                &["<GUID=edc441a6>;CN=Organizational-Unit,CN=Schema"],
            ),
        ],
    );
    assert_values(
        &served(&ou, &PosixPolicy::default()),
        &[
            ("objectClass", "top,organizationalUnit"),
            ("ou", "Sales"),
            ("cn", ""),
            ("objectCategory", "CN=Organizational-Unit,CN=Schema"),
            ("createTimestamp", ""),
        ],
    );
    let mut top = entry(
        "DC=corp,DC=example,DC=com",
        1,
        &[
            ("objectClass", &["top", "domain", "domainDNS"]),
            ("name", &["corp"]),
        ],
    );
    top.parent = None;
    assert_values(&served(&top, &PosixPolicy::default()), &[("dc", "corp")]);
    let computer = entry(
        "CN=pc",
        2,
        &[
            ("objectClass", &["user", "computer"]),
            ("sAMAccountType", &["805306369"]),
        ],
    );
    assert!(
        served(&computer, &PosixPolicy::default())
            .attributes
            .is_empty()
    );
}

#[test]
fn stored_values_never_come_beside_derived_ones() {
    let mut user = john();
    for name in ["CN", "ENTRYUUID", "CreateTimestamp", "GECOS", "UIDNUMBER"] {
        user.set(name, vec![b"1".to_vec(), b"2".to_vec()]);
    }
    let served = served(&user, &PosixPolicy::default());
    let mut names: Vec<_> = served
        .attributes
        .iter()
        .map(|attribute| attribute.description.to_ascii_lowercase())
        .collect();
    names.sort();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    assert_values(
        &served,
        &[("cn", "Smith, John"), ("uidNumber", "1"), ("gecos", "1")],
    );
}

#[test]
fn a_hostile_name_stays_below_the_home() {
    for (name, home) in [("../../etc", "/home/.._.._etc"), ("..", "/home/__")] {
        let mut user = john();
        user.set("sAMAccountName", vec![name.as_bytes().to_vec()]);
        assert_values(
            &served(&user, &PosixPolicy::default()),
            &[("homeDirectory", home)],
        );
    }
}

proptest! {
    #[test]
    fn any_values_are_safe(
        rdn in ".{0,8}",
        attributes in proptest::collection::vec(
            (
                proptest::sample::select(vec![
                    "objectClass", "name", "objectSid", "sAMAccountName", "sAMAccountType",
                    "groupType", "primaryGroupID", "uidNumber", "gidNumber", "unixHomeDirectory",
                    "loginShell", "gecos", "whenCreated", "whenChanged", "objectCategory",
                ]),
                proptest::collection::vec(
                    prop_oneof![
                        proptest::collection::vec(any::<u8>(), 0..40),
                        proptest::sample::select(vec![
                            &b"group"[..], b"user", b"805306368", b"-2147483646", b"0", b"513",
                            b"-1", b"4294967295", b"18446744073709551616",
                        ]).prop_map(<[u8]>::to_vec),
                    ],
                    0..3,
                ),
            ),
            0..12,
        ),
        base in 0..3,
    ) {
        let mut entry = [john(), staff(), entry("CN=x", 5, &[])][usize::try_from(base).unwrap()].clone();
        entry.rdn = rdn;
        for (name, values) in attributes {
            entry.set(name, values);
        }
        let served = served(&entry, &PosixPolicy::default());
        for name in ["uidNumber", "gidNumber"] {
            if let Some(value) = values(&served, name) {
                let id: u32 = value.parse().unwrap();
                prop_assert!(id != 0 && id != u32::MAX);
            }
        }
        prop_assert!(served.attributes.iter().all(|attribute| !attribute.values.is_empty()));
    }
}
