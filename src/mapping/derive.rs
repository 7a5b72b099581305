//! The two dialects of one entry: AD's attributes as they are, and RFC 2307 beside them.

use super::{
    attributes::{Number, has_object_class, is_served, plain_dn, text},
    idmap::SliceTable,
    policy::{PosixPolicy, TemplateValues},
    sid::Sid,
    time::without_fraction,
};
use crate::entry::{Attribute, Entry};

/// sAMAccountType of a user account; computers, service accounts and trusts have others.
const NORMAL_USER_ACCOUNT: i64 = 0x3000_0000;
/// sAMAccountType of a global or universal security group.
const GROUP_OBJECT: i64 = 0x1000_0000;
/// sAMAccountType of a domain local security group.
const ALIAS_OBJECT: i64 = 0x2000_0000;
/// groupType: a built-in group.
const BUILTIN_LOCAL_GROUP: i64 = 0x1;
/// groupType: a security group. The number is signed, so groups with this bit are negative.
const SECURITY_ENABLED: i64 = 0x8000_0000;

/// Object classes of the entries that others lie below.
const CONTAINERS: &[&str] = &[
    "organizationalUnit",
    "container",
    "builtinDomain",
    "domainDNS",
    "domain",
    "lostAndFound",
    "organization",
    "locality",
    "country",
];

/// The attributes that AD names entries by.
const NAMING_ATTRIBUTES: &[&str] = &["cn", "ou", "dc", "o", "l", "c"];

/// Relative identifiers of the groups that are primary groups by default: Domain Users, Guests,
/// Computers and Controllers, and Read-only Domain Controllers.
///
/// Membership by one of these is left out of `member` and `memberOf`: a group that holds everybody
/// helps nobody.
pub const DEFAULT_PRIMARY_GROUPS: [u32; 5] = [513, 514, 515, 516, 521];

/// What an AD object is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A person's or an application's account.
    User,
    /// A group of any kind.
    Group {
        /// It may carry rights; a distribution group may not.
        security: bool,
        /// It exists in every domain under the same SID.
        builtin: bool,
    },
    /// An OU, a container or the domain itself: served where something served lies below.
    Container,
    /// Everything else: computers, contacts, Windows' own service accounts, trusts, tombstones.
    Unserved,
}

/// What one entry does not know about itself.
pub struct DeriveContext<'a> {
    /// The policy of the entry's source.
    pub policy: &'a PosixPolicy,
    /// The DNS name of its domain, for `%d` in homes.
    pub domain: &'a str,
    /// The slices of ids, one table for all sources.
    pub slices: &'a mut SliceTable,
    /// The gid that is served for the group of this RID in the entry's domain (see [`group_gid`]);
    /// `None` where no such group is served, or it has no gid.
    pub primary_gid: &'a dyn Fn(u32) -> Option<u32>,
}

/// Decides what an AD object is, by the attributes that AD itself goes by.
pub fn classify(entry: &Entry) -> Kind {
    let is = |class: &str| has_object_class(entry, class);
    let deleted = entry
        .first("isDeleted")
        .is_some_and(|value| value.eq_ignore_ascii_case(b"TRUE"));
    let account_type = Number::of(entry, "sAMAccountType");
    if deleted {
        Kind::Unserved
    } else if is("group") {
        let group_type = Number::of(entry, "groupType").value();
        Kind::Group {
            security: match group_type {
                Some(bits) => bits & SECURITY_ENABLED != 0,
                None => matches!(account_type, Number::Is(GROUP_OBJECT | ALIAS_OBJECT)),
            },
            builtin: group_type.is_some_and(|bits| bits & BUILTIN_LOCAL_GROUP != 0)
                || object_sid(entry).is_some_and(|sid| sid.is_builtin()),
        }
    } else if account_type == Number::Is(NORMAL_USER_ACCOUNT) {
        let service = is("computer")
            || is("msDS-ManagedServiceAccount")
            || is("msDS-GroupManagedServiceAccount")
            || is("msDS-DelegatedManagedServiceAccount");
        if service { Kind::Unserved } else { Kind::User }
    } else if account_type == Number::Absent && CONTAINERS.iter().any(|class| is(class)) {
        Kind::Container
    } else {
        Kind::Unserved
    }
}

/// The attributes an AD entry is served with, except those that depend on other entries (links,
/// `memberOf`, `memberUid`) or on its place (`distinguishedName`, `entryDN`).
///
/// AD's attributes keep AD's names and values. Added are:
///
/// | for | attribute | from |
/// |---|---|---|
/// | all | the RDN's attribute (`cn`, `ou`, `dc`) | `name`, since DirSync leaves it out |
/// | all | `entryUUID`, `createTimestamp` | objectGUID, whenCreated |
/// | users | `uid` | sAMAccountName in the policy's case |
/// | users | objectClass `inetOrgPerson`; `ldapPublicKey` | always; where there is an sshPublicKey |
/// | users with ids | objectClass `posixAccount`, `uidNumber`, `gidNumber` | see [`user_uid`] and [`user_gid`] |
/// | users with ids | `homeDirectory`, `loginShell` | unixHomeDirectory and loginShell, else the policy |
/// | users with ids | `gecos` | gecos, else displayName, else name |
/// | groups with an id | objectClass `posixGroup`, `gidNumber` | see [`group_gid`] |
///
/// inetOrgPerson demands `sn`, which AD does not; a user without one is served without one rather
/// than with an invented name. Empty for what is not served at all.
pub fn served_attributes(entry: &Entry, context: &mut DeriveContext<'_>) -> Vec<Attribute> {
    let kind = classify(entry);
    if kind == Kind::Unserved {
        return Vec::new();
    }
    let mut served = Served::of(entry);
    served.add_common(entry);
    match kind {
        Kind::User => served.add_user(entry, context),
        Kind::Group { .. } => served.add_group(entry, context),
        Kind::Container | Kind::Unserved => {}
    }
    served.0
}

/// The name of a user as hosts know it: his `uid`, and his value in `memberUid`.
pub fn posix_name(entry: &Entry, policy: &PosixPolicy) -> Option<String> {
    Some(policy.name_case.apply(text(entry, "sAMAccountName")?))
}

/// The uid number of a user: AD's uidNumber, else the id of his SID, as far as the policy uses each.
///
/// A uidNumber that cannot be an id (0, negative, beyond 32 bits, no number) is taken as missing.
pub fn user_uid(entry: &Entry, policy: &PosixPolicy, slices: &mut SliceTable) -> Option<u32> {
    own_id(entry, "uidNumber", policy, slices)
}

/// The gid number of a user: AD's gidNumber, else the gid served for his primary group, else the id
/// of that group's SID, as far as the policy uses each.
pub fn user_gid(entry: &Entry, context: &mut DeriveContext<'_>) -> Option<u32> {
    let ids = context.policy.ids;
    if ids.reads_attributes()
        && let Some(gid) = Number::of(entry, "gidNumber").id()
    {
        return Some(gid);
    }
    let rid = primary_group_rid(entry)?;
    (context.primary_gid)(rid).or_else(|| {
        let group = object_sid(entry)?.sibling(rid)?;
        ids.computes().then(|| context.slices.id_of(&group))?
    })
}

/// The gid number of a group: AD's gidNumber, else the id of its SID, as far as the policy uses each.
///
/// `None` for distribution and built-in groups, which are no POSIX groups, and for what is no group.
pub fn group_gid(entry: &Entry, policy: &PosixPolicy, slices: &mut SliceTable) -> Option<u32> {
    let posix = matches!(
        classify(entry),
        Kind::Group {
            security: true,
            builtin: false
        }
    );
    posix.then(|| own_id(entry, "gidNumber", policy, slices))?
}

/// The RID of a user's primary group.
pub fn primary_group_rid(entry: &Entry) -> Option<u32> {
    Number::of(entry, "primaryGroupID").id()
}

/// The SID of an entry; `None` where it has none or a damaged one.
pub fn object_sid(entry: &Entry) -> Option<Sid> {
    Sid::from_bytes(entry.first("objectSid")?).ok()
}

fn own_id(
    entry: &Entry,
    attribute: &str,
    policy: &PosixPolicy,
    slices: &mut SliceTable,
) -> Option<u32> {
    let stored = || Number::of(entry, attribute).id();
    let given = policy.ids.reads_attributes().then(stored).flatten();
    given.or_else(|| {
        let sid = object_sid(entry)?;
        policy.ids.computes().then(|| slices.id_of(&sid))?
    })
}

/// The attributes served so far, each description once.
struct Served(Vec<Attribute>);

impl Served {
    fn of(entry: &Entry) -> Self {
        let mut served = Self(
            entry
                .attributes
                .iter()
                .filter(|attribute| is_served(attribute))
                .cloned()
                .collect(),
        );
        // What makes an entry a POSIX one is decided here, not by what an administrator of AD may
        // have put there. A number that can be no id is never served under such a name.
        for number in ["uidNumber", "gidNumber"] {
            match Number::of(entry, number).id() {
                Some(id) => served.set(number, id.to_string().as_bytes()),
                None => served.remove(number),
            }
        }
        if let Some(classes) = served.find("objectClass") {
            classes.values.retain(|class| {
                !class.eq_ignore_ascii_case(b"posixAccount")
                    && !class.eq_ignore_ascii_case(b"posixGroup")
            });
        }
        if let Some(category) = served.find("objectCategory") {
            for value in &mut category.values {
                *value = plain_dn(value).to_vec();
            }
        }
        served
    }

    fn add_common(&mut self, entry: &Entry) {
        let rdn_type = entry.rdn.split_once('=').map(|(rdn_type, _)| rdn_type);
        let naming = NAMING_ATTRIBUTES
            .iter()
            .find(|naming| rdn_type.is_some_and(|rdn_type| naming.eq_ignore_ascii_case(rdn_type)));
        if let (Some(naming), Some(name)) = (naming, entry.first("name")) {
            self.set(naming, name);
        }
        self.set("entryUUID", entry.uuid.to_string().as_bytes());
        if let Some(created) = entry.first_str("whenCreated").and_then(without_fraction) {
            self.set("createTimestamp", created.as_bytes());
        }
        if let Some(changed) = entry.first_str("whenChanged").and_then(without_fraction) {
            self.set("modifyTimestamp", changed.as_bytes());
        }
    }

    fn add_user(&mut self, entry: &Entry, context: &mut DeriveContext<'_>) {
        self.add_object_class("inetOrgPerson");
        if self.find("sshPublicKey").is_some() {
            self.add_object_class("ldapPublicKey");
        }
        let Some(name) = posix_name(entry, context.policy) else {
            return;
        };
        self.set("uid", name.as_bytes());
        let Some(uid) = user_uid(entry, context.policy, context.slices) else {
            return;
        };
        let Some(gid) = user_gid(entry, context) else {
            return;
        };
        self.add_object_class("posixAccount");
        self.set("uidNumber", uid.to_string().as_bytes());
        self.set("gidNumber", gid.to_string().as_bytes());
        let home = match text(entry, "unixHomeDirectory") {
            Some(home) => home.to_owned(),
            None => context.policy.home.expand(TemplateValues {
                name: &name,
                domain: context.domain,
                uid_number: uid,
            }),
        };
        self.set("homeDirectory", home.as_bytes());
        let shell = text(entry, "loginShell").unwrap_or(&context.policy.shell);
        self.set("loginShell", shell.as_bytes());
        let gecos = ["gecos", "displayName", "name"]
            .into_iter()
            .find_map(|attribute| text(entry, attribute));
        match gecos {
            Some(gecos) => self.set("gecos", gecos.as_bytes()),
            None => self.remove("gecos"),
        }
    }

    fn add_group(&mut self, entry: &Entry, context: &mut DeriveContext<'_>) {
        if let Some(gid) = group_gid(entry, context.policy, context.slices) {
            self.add_object_class("posixGroup");
            self.set("gidNumber", gid.to_string().as_bytes());
        }
    }

    fn add_object_class(&mut self, class: &str) {
        match self.find("objectClass") {
            None => self.set("objectClass", class.as_bytes()),
            Some(classes) => {
                let present = classes
                    .values
                    .iter()
                    .any(|value| value.eq_ignore_ascii_case(class.as_bytes()));
                if !present {
                    classes.values.push(class.as_bytes().to_vec());
                }
            }
        }
    }

    fn find(&mut self, description: &str) -> Option<&mut Attribute> {
        self.0
            .iter_mut()
            .find(|attribute| attribute.description.eq_ignore_ascii_case(description))
    }

    fn set(&mut self, description: &str, value: &[u8]) {
        self.remove(description);
        self.0.push(Attribute {
            description: description.to_owned(),
            values: vec![value.to_vec()],
        });
    }

    fn remove(&mut self, description: &str) {
        self.0
            .retain(|attribute| !attribute.description.eq_ignore_ascii_case(description));
    }
}

#[cfg(test)]
mod tests;
