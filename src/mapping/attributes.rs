//! Which of AD's attributes are asked for and which are served, and how its values are read.

use crate::entry::{Attribute, Entry};

/// What is asked of a domain controller.
///
/// A fixed list, because `*` brings security descriptors, four fifths of the volume. `name` and
/// `isDeleted` must be in it: without them renames and deletions are not reported. `objectGUID`,
/// `instanceType` and, with `name`, `parentGUID` come unasked. `cn`, `ou` and `dc` never come by
/// DirSync (`name` has their value), nor do `memberOf`, `whenChanged` and other attributes that are
/// not replicated. Photos are left out for their size. A longer list needs a full synchronisation.
pub const DIRSYNC_ATTRIBUTES: &[&str] = &[
    // Identity and place.
    "name",
    "isDeleted",
    "objectClass",
    "objectCategory",
    "objectGUID",
    "objectSid",
    "sAMAccountName",
    "sAMAccountType",
    "userPrincipalName",
    "servicePrincipalName",
    "altSecurityIdentities",
    "whenCreated",
    "description",
    "displayName",
    "adminCount",
    "isCriticalSystemObject",
    "showInAdvancedViewOnly",
    // State of the account.
    "userAccountControl",
    "pwdLastSet",
    "lockoutTime",
    "accountExpires",
    "lastLogonTimestamp",
    "primaryGroupID",
    "userWorkstations",
    "logonHours",
    // Groups and links.
    "groupType",
    "member",
    "manager",
    "managedBy",
    "owner",
    "secretary",
    "assistant",
    "seeAlso",
    // RFC 2307.
    "uidNumber",
    "gidNumber",
    "unixHomeDirectory",
    "loginShell",
    "gecos",
    "sshPublicKey",
    // The person.
    "sn",
    "givenName",
    "initials",
    "middleName",
    "generationQualifier",
    "personalTitle",
    "title",
    "company",
    "department",
    "departmentNumber",
    "division",
    "o",
    "employeeID",
    "employeeNumber",
    "employeeType",
    "physicalDeliveryOfficeName",
    "roomNumber",
    "streetAddress",
    "street",
    "postOfficeBox",
    "postalAddress",
    "postalCode",
    "l",
    "st",
    "c",
    "co",
    "countryCode",
    "preferredLanguage",
    "info",
    "comment",
    "businessCategory",
    "carLicense",
    // Ways to reach the person.
    "mail",
    "proxyAddresses",
    "mailNickname",
    "targetAddress",
    "msExchHideFromAddressLists",
    "telephoneNumber",
    "otherTelephone",
    "facsimileTelephoneNumber",
    "homePhone",
    "otherHomePhone",
    "homePostalAddress",
    "mobile",
    "otherMobile",
    "pager",
    "ipPhone",
    "url",
    "wWWHomePage",
    "labeledURI",
    // Free for the administrator.
    "extensionAttribute1",
    "extensionAttribute2",
    "extensionAttribute3",
    "extensionAttribute4",
    "extensionAttribute5",
    "extensionAttribute6",
    "extensionAttribute7",
    "extensionAttribute8",
    "extensionAttribute9",
    "extensionAttribute10",
    "extensionAttribute11",
    "extensionAttribute12",
    "extensionAttribute13",
    "extensionAttribute14",
    "extensionAttribute15",
    // The domain's password and lockout policy, on its own object.
    "lockoutThreshold",
    "lockoutDuration",
    "lockOutObservationWindow",
    "maxPwdAge",
    "minPwdAge",
    "minPwdLength",
    "pwdHistoryLength",
    "pwdProperties",
];

/// Stored attributes that nobody gets, whatever the access rules say, in lower case.
const NEVER_SERVED: &[&str] = &[
    // Secrets. They are not asked for; should one arrive it goes no further.
    "dbcspwd",
    "lmpwdhistory",
    "ms-mcs-admpwd",
    "msds-groupmsamembership",
    "msds-managedpassword",
    "msds-managedpasswordid",
    "msds-managedpasswordpreviousid",
    "msfve-keypackage",
    "msfve-recoverypassword",
    "mslaps-encrypteddsrmpassword",
    "mslaps-encrypteddsrmpasswordhistory",
    "mslaps-encryptedpassword",
    "mslaps-encryptedpasswordhistory",
    "mslaps-password",
    "mssfu30password",
    "ntpwdhistory",
    "ntsecuritydescriptor",
    "supplementalcredentials",
    "trustauthincoming",
    "trustauthoutgoing",
    "unicodepwd",
    "unixuserpassword",
    "userpassword",
    // The machinery of replication.
    "isdeleted",
    "isrecycled",
    "lastknownparent",
    "parentguid",
    "replpropertymetadata",
    "repluptodatevector",
    // In AD these are something else than RFC 2307 and RFC 4519 make of them: a UNC path, a name
    // that nobody keeps up to date, members of another system.
    "homedirectory",
    "memberuid",
    "uid",
    // Computed when an answer is written.
    "distinguishedname",
    "entrydn",
    "memberof",
    "tokengroups",
];

/// Whether a stored attribute of an AD entry is served under its own name.
pub fn is_served(attribute: &Attribute) -> bool {
    let name = attribute
        .description
        .split_once(';')
        .map_or(attribute.description.as_str(), |(name, _)| name);
    // A range is part of a transfer, not of an entry.
    let is_range = attribute
        .description
        .split(';')
        .skip(1)
        .any(|option| option.to_ascii_lowercase().starts_with("range="));
    !attribute.values.is_empty()
        && !is_range
        && !NEVER_SERVED
            .iter()
            .any(|never| never.eq_ignore_ascii_case(name))
}

/// A number in AD's form: a signed decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// The entry does not have the attribute.
    Absent,
    /// Its first value.
    Is(i64),
    /// Its first value is no number of 64 bits. A caller decides which way is the safe one.
    Garbage,
}

impl Number {
    /// Reads the first value of an attribute.
    pub fn of(entry: &Entry, attribute: &str) -> Self {
        Self::parse(entry.first(attribute))
    }

    /// Reads a value.
    pub fn parse(value: Option<&[u8]>) -> Self {
        let Some(octets) = value else {
            return Self::Absent;
        };
        let digits = octets.strip_prefix(b"-").unwrap_or(octets);
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Self::Garbage;
        }
        std::str::from_utf8(octets)
            .ok()
            .and_then(|text| text.parse().ok())
            .map_or(Self::Garbage, Self::Is)
    }

    /// The number, if there is one.
    pub fn value(self) -> Option<i64> {
        match self {
            Self::Is(value) => Some(value),
            Self::Absent | Self::Garbage => None,
        }
    }

    /// The number as a uid, gid or RID: not 0 (root), not negative, and below 2^32 - 1, which as a
    /// uid means "no change".
    pub fn id(self) -> Option<u32> {
        let id = u32::try_from(self.value()?).ok()?;
        (id != 0 && id != u32::MAX).then_some(id)
    }
}

/// The first value of an attribute as text: UTF-8, not empty, without control characters.
pub fn text<'a>(entry: &'a Entry, attribute: &str) -> Option<&'a str> {
    let text = entry.first_str(attribute)?;
    (!text.is_empty() && !text.chars().any(char::is_control)).then_some(text)
}

/// Whether one of the values of `objectClass` is this one.
pub fn has_object_class(entry: &Entry, class: &str) -> bool {
    entry.attribute("objectClass").is_some_and(|attribute| {
        attribute
            .values
            .iter()
            .any(|value| value.eq_ignore_ascii_case(class.as_bytes()))
    })
}

/// A DN as text, without the `<GUID=...>;<SID=...>;` that extended DNs begin with.
///
/// By DirSync the values of attributes that are no links (objectCategory) have it unasked.
pub fn plain_dn(value: &[u8]) -> &[u8] {
    let mut rest = value;
    while rest.starts_with(b"<") {
        let Some(end) = rest.windows(2).position(|pair| pair == b">;") else {
            break;
        };
        rest = rest.get(end + 2..).unwrap_or_default();
    }
    rest
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::collections::BTreeSet;

    use uuid::Uuid;

    use super::*;
    use crate::entry::Origin;

    fn with(value: &[u8]) -> Entry {
        Entry {
            uuid: Uuid::nil(),
            parent: None,
            rdn: "DC=example".to_owned(),
            origin: Origin::Source("corp".to_owned()),
            attributes: vec![Attribute {
                description: "x".to_owned(),
                values: vec![value.to_vec()],
            }],
            links: Vec::new(),
        }
    }

    #[test]
    fn the_list_is_a_set_and_holds_what_the_protocol_needs() {
        let set: BTreeSet<_> = DIRSYNC_ATTRIBUTES
            .iter()
            .map(|name| name.to_ascii_lowercase())
            .collect();
        assert_eq!(set.len(), DIRSYNC_ATTRIBUTES.len());
        for name in ["name", "isdeleted", "objectclass", "objectsid", "member"] {
            assert!(set.contains(name), "{name}");
        }
        for secret in ["unicodepwd", "userpassword", "ntsecuritydescriptor", "*"] {
            assert!(!set.contains(secret), "{secret}");
        }
    }

    #[test]
    fn secrets_and_machinery_are_not_served() {
        for (description, values, expected) in [
            ("mail", 1, true),
            ("mail", 0, false),
            ("description;lang-de", 1, true),
            ("unicodePwd", 1, false),
            ("userPassword;x-old", 1, false),
            ("homeDirectory", 1, false),
            ("UID", 1, false),
            ("unixHomeDirectory", 1, true),
            ("member;range=0-1499", 1, false),
            ("member;Range=1-1", 1, false),
            ("instanceType", 1, true),
            ("isDeleted", 1, false),
        ] {
            let attribute = Attribute {
                description: description.to_owned(),
                values: vec![b"v".to_vec(); values],
            };
            assert_eq!(is_served(&attribute), expected, "{description}");
        }
    }

    #[test]
    fn numbers_are_read_strictly() {
        let table: [(&[u8], Number, Option<u32>); 15] = [
            (b"1000", Number::Is(1000), Some(1000)),
            (b"0100", Number::Is(100), Some(100)),
            (b"0", Number::Is(0), None),
            (b"-1", Number::Is(-1), None),
            (b"-2147483646", Number::Is(-2_147_483_646), None),
            (
                b"4294967294",
                Number::Is(4_294_967_294),
                Some(4_294_967_294),
            ),
            (b"4294967295", Number::Is(4_294_967_295), None),
            (b"4294967296", Number::Is(4_294_967_296), None),
            (b"9223372036854775807", Number::Is(i64::MAX), None),
            (b"9223372036854775808", Number::Garbage, None),
            (b"+5", Number::Garbage, None),
            (b" 5", Number::Garbage, None),
            (b"", Number::Garbage, None),
            (b"-", Number::Garbage, None),
            (b"5\xff", Number::Garbage, None),
        ];
        for (octets, number, id) in table {
            let read = Number::of(&with(octets), "X");
            assert_eq!((read, read.id()), (number, id), "{octets:?}");
        }
        assert_eq!(Number::of(&with(b"1"), "y"), Number::Absent);
    }

    #[test]
    fn text_is_clean() {
        for (octets, expected) in [
            (&b"/bin/sh"[..], Some("/bin/sh")),
            (b"", None),
            (b"a\0b", None),
            (b"a\nb", None),
            (b"\xff", None),
        ] {
            assert_eq!(text(&with(octets), "x"), expected);
        }
    }

    #[test]
    fn extended_dns_are_stripped() {
        for (value, expected) in [
            (&b"CN=Person,CN=Schema"[..], &b"CN=Person,CN=Schema"[..]),
            (b"<GUID=edc4>;CN=a;b", b"CN=a;b"),
            (b"<GUID=edc4>;<SID=0105>;CN=a", b"CN=a"),
            (b"<GUID=edc4>", b"<GUID=edc4>"),
            (b"<GUID=edc4>;", b""),
            (b"", b""),
        ] {
            assert_eq!(plain_dn(value), expected);
        }
    }
}
