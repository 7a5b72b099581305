//! What the server should serve, computed anew from what AD holds.
//!
//! Deliberately apart from the code under test: from ordinary searches, by other algorithms, with a
//! murmur3 of its own.

use std::collections::{BTreeMap, BTreeSet};

use super::ldap::Found;
use super::samba::Object;

/// AD's own attributes that are compared value by value.
pub const COMPARED: &[&str] = &[
    "sAMAccountName",
    "sAMAccountType",
    "userPrincipalName",
    "objectGUID",
    "objectSid",
    "userAccountControl",
    "primaryGroupID",
    "groupType",
    "pwdLastSet",
    "accountExpires",
    "lockoutTime",
    "whenCreated",
    "displayName",
    "givenName",
    "sn",
    "mail",
    "telephoneNumber",
    "department",
    "title",
    "description",
    "otherTelephone",
    "name",
];

/// Attributes the server derives, or serves from links.
pub const DERIVED: &[&str] = &[
    "member",
    "memberOf",
    "manager",
    "memberUid",
    "uid",
    "uidNumber",
    "gidNumber",
    "homeDirectory",
    "loginShell",
    "entryUUID",
];

/// RIDs of groups whose primary members are not listed.
const UNLISTED_PRIMARY: [u32; 5] = [513, 514, 515, 516, 521];

/// The kind of a served object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    User,
    Group,
    Container,
}

struct Node {
    object: Object,
    kind: Kind,
    /// RID in the domain; none for built-in groups and containers.
    rid: Option<u32>,
    /// objectGUIDs of direct members, primary members included.
    members: BTreeSet<Vec<u8>>,
}

/// Expected entries by objectGUID.
pub type Expected = BTreeMap<Vec<u8>, Found>;

/// Computes what is served by the default policy when everything is selected.
pub fn expected(dump: &[Object], domain_sid: &str) -> Expected {
    let mut nodes = BTreeMap::new();
    let mut guid_of = BTreeMap::new();
    for object in dump {
        let guid = object.values("objectGUID")[0].clone();
        guid_of.insert(object.dn.to_lowercase(), guid.clone());
        let kind = kind_of(object);
        let rid = object
            .values("objectSid")
            .first()
            .and_then(|sid| rid_in_domain(sid));
        let node = Node {
            object: object.clone(),
            kind,
            rid,
            members: BTreeSet::new(),
        };
        nodes.insert(guid, node);
    }
    add_members(&mut nodes, &guid_of);
    let base_id = first_id_of(domain_sid);
    nodes
        .iter()
        .map(|(guid, node)| (guid.clone(), serve(guid, node, &nodes, &guid_of, base_id)))
        .collect()
}

/// Every difference between what is expected and what was found, one a line.
///
/// Users and groups must be the same ones; of the containers all those above them must be there.
pub fn differences(expected: &Expected, found: &[Found]) -> Vec<String> {
    let mut differences = Vec::new();
    let mut unseen: BTreeMap<_, _> = expected.iter().collect();
    for entry in found {
        let Some(guid) = entry.values("objectGUID").first() else {
            differences.push(format!("{}: no objectGUID", entry.dn));
            continue;
        };
        match unseen.remove(guid) {
            Some(wanted) => compare(wanted, entry, &mut differences),
            None => differences.push(format!("{}: not in AD, or served twice", entry.dn)),
        }
    }
    for wanted in unseen.into_values() {
        let holds = || {
            let below = format!(",{}", wanted.dn.to_lowercase());
            expected
                .values()
                .any(|e| is_account(e) && e.dn.to_lowercase().ends_with(&below))
        };
        if is_account(wanted) || holds() {
            differences.push(format!("{}: not served", wanted.dn));
        }
    }
    differences
}

fn is_account(entry: &Found) -> bool {
    !entry.values("sAMAccountName").is_empty()
}

fn compare(wanted: &Found, found: &Found, differences: &mut Vec<String>) {
    if !same_dn(&wanted.dn, &found.dn) {
        differences.push(format!("{}: served as {}", wanted.dn, found.dn));
    }
    for class in wanted.texts("objectClass") {
        let has = found
            .texts("objectClass")
            .iter()
            .any(|c| c.eq_ignore_ascii_case(&class));
        if !has {
            differences.push(format!("{}: no objectClass {class}", wanted.dn));
        }
    }
    let posix = |entry: &Found| {
        entry
            .texts("objectClass")
            .iter()
            .any(|c| c == "posixAccount" || c == "posixGroup")
    };
    if posix(found) && !posix(wanted) {
        differences.push(format!("{}: must not be a POSIX object", wanted.dn));
    }
    let compared = if is_account(wanted) {
        [COMPARED, DERIVED].concat()
    } else {
        vec![]
    };
    for name in compared {
        let links = ["member", "memberOf", "manager"].contains(&name);
        let normal = |values: &[Vec<u8>]| -> BTreeSet<Vec<u8>> {
            values
                .iter()
                .map(|v| if links { normal_dn(v) } else { v.clone() })
                .collect()
        };
        let (should, is) = (normal(wanted.values(name)), normal(found.values(name)));
        if should != is {
            let show = |set: BTreeSet<_>| -> Vec<_> {
                set.into_iter()
                    .take(4)
                    .map(|v: Vec<u8>| v.escape_ascii().to_string())
                    .collect()
            };
            let missing = show(&should - &is);
            let extra = show(&is - &should);
            differences.push(format!(
                "{}: {name} lacks {missing:?}, has {extra:?}",
                wanted.dn
            ));
        }
    }
}

fn kind_of(object: &Object) -> Kind {
    let classes = object.values("objectClass");
    if classes.iter().any(|class| class == b"group") {
        Kind::Group
    } else if object.text("sAMAccountType").as_deref() == Some("805306368") {
        Kind::User
    } else {
        Kind::Container
    }
}

fn add_members(nodes: &mut BTreeMap<Vec<u8>, Node>, guid_of: &BTreeMap<String, Vec<u8>>) {
    let mut links = Vec::new();
    for (guid, node) in &*nodes {
        for member in node.object.values("member") {
            let target = String::from_utf8(member.clone()).unwrap().to_lowercase();
            // Computers and foreign principals are not served, nor are links to them.
            if let Some(member) = guid_of.get(&target) {
                links.push((guid.clone(), member.clone()));
            }
        }
        let primary = node
            .object
            .text("primaryGroupID")
            .map(|rid| rid.parse().unwrap());
        if let Some(rid) = primary.filter(|rid| !UNLISTED_PRIMARY.contains(rid)) {
            let group = nodes
                .iter()
                .find(|(_, n)| n.kind == Kind::Group && n.rid == Some(rid));
            if let (Kind::User, Some((group, _))) = (node.kind, group) {
                links.push((group.clone(), guid.clone()));
            }
        }
    }
    for (group, member) in links {
        nodes.get_mut(&group).unwrap().members.insert(member);
    }
}

fn serve(
    guid: &[u8],
    node: &Node,
    nodes: &BTreeMap<Vec<u8>, Node>,
    guid_of: &BTreeMap<String, Vec<u8>>,
    base_id: u32,
) -> Found {
    let mut found = Found {
        dn: node.object.dn.clone(),
        attributes: BTreeMap::new(),
    };
    let mut set = |name: &str, values: Vec<Vec<u8>>| {
        if !values.is_empty() {
            found.attributes.insert(name.to_ascii_lowercase(), values);
        }
    };
    for name in COMPARED {
        set(name, node.object.values(name).to_vec());
    }
    let dn_of = |guid: &Vec<u8>| nodes[guid].object.dn.clone().into_bytes();
    let holders = nodes.values().filter(|n| n.members.contains(guid));
    set(
        "memberOf",
        holders.map(|n| n.object.dn.clone().into_bytes()).collect(),
    );
    let manager = node.object.text("manager").map(|dn| dn.to_lowercase());
    set(
        "manager",
        manager
            .iter()
            .filter_map(|dn| guid_of.get(dn))
            .map(dn_of)
            .collect(),
    );
    set(
        "entryUUID",
        vec![
            uuid::Uuid::from_slice_le(guid)
                .unwrap()
                .to_string()
                .into_bytes(),
        ],
    );
    let mut classes = node.object.values("objectClass").to_vec();
    let number = |id: u32| vec![id.to_string().into_bytes()];
    match node.kind {
        Kind::User => {
            classes.push(b"posixAccount".to_vec());
            let uid = lower_name(node);
            let own = |name: &str| node.object.text(name);
            let rid = node.rid.expect("a user of the domain");
            set(
                "uidNumber",
                number(own_id(node, "uidNumber").unwrap_or(base_id + rid)),
            );
            let primary: u32 = own("primaryGroupID").unwrap().parse().unwrap();
            let group = nodes
                .values()
                .find(|n| n.kind == Kind::Group && n.rid == Some(primary));
            let of_group = group.and_then(|n| own_id(n, "gidNumber"));
            let gid = own_id(node, "gidNumber")
                .or(of_group)
                .unwrap_or(base_id + primary);
            set("gidNumber", number(gid));
            let home = own("unixHomeDirectory").unwrap_or_else(|| format!("/home/{uid}"));
            set("homeDirectory", vec![home.into_bytes()]);
            let shell = own("loginShell").unwrap_or_else(|| "/bin/bash".to_owned());
            set("loginShell", vec![shell.into_bytes()]);
            set("uid", vec![uid.into_bytes()]);
        }
        Kind::Group => {
            set("member", node.members.iter().map(dn_of).collect());
            let kind: i32 = node.object.text("groupType").unwrap().parse().unwrap();
            if let (true, Some(rid)) = (kind < 0, node.rid) {
                classes.push(b"posixGroup".to_vec());
                set(
                    "gidNumber",
                    number(own_id(node, "gidNumber").unwrap_or(base_id + rid)),
                );
                set("memberUid", nested_users(node, nodes));
            } else {
                set("gidNumber", node.object.values("gidNumber").to_vec());
            }
        }
        Kind::Container => {}
    }
    found.attributes.insert("objectclass".to_owned(), classes);
    found
}

/// Names of all users below a group, by walking until nothing new comes.
fn nested_users(group: &Node, nodes: &BTreeMap<Vec<u8>, Node>) -> Vec<Vec<u8>> {
    let mut names = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut open: Vec<_> = group.members.iter().collect();
    while let Some(guid) = open.pop() {
        if seen.insert(guid) {
            let node = &nodes[guid];
            match node.kind {
                Kind::User => drop(names.insert(lower_name(node).into_bytes())),
                Kind::Group => open.extend(&node.members),
                Kind::Container => {}
            }
        }
    }
    names.into_iter().collect()
}

fn own_id(node: &Node, attribute: &str) -> Option<u32> {
    node.object
        .text(attribute)
        .map(|text| text.parse().unwrap())
}

fn lower_name(node: &Node) -> String {
    node.object.text("sAMAccountName").unwrap().to_lowercase()
}

/// Last sub-authority of a SID with five of them, which are those of a domain.
fn rid_in_domain(sid: &[u8]) -> Option<u32> {
    (sid[1] == 5).then(|| u32::from_le_bytes(sid[sid.len() - 4..].try_into().unwrap()))
}

/// First id of the slice that SSSD gives a domain: 10,000 slices of 200,000 from 200,000.
fn first_id_of(domain_sid: &str) -> u32 {
    200_000 + murmur3(domain_sid.as_bytes(), 0xdead_beef) % 10_000 * 200_000
}

/// MurmurHash3 x86 32 bit.
fn murmur3(data: &[u8], seed: u32) -> u32 {
    let mix = |block: u32| {
        block
            .wrapping_mul(0xcc9e_2d51)
            .rotate_left(15)
            .wrapping_mul(0x1b87_3593)
    };
    let mut hash = seed;
    let mut blocks = data.chunks_exact(4);
    for block in &mut blocks {
        hash ^= mix(u32::from_le_bytes(block.try_into().unwrap()));
        hash = hash
            .rotate_left(13)
            .wrapping_mul(5)
            .wrapping_add(0xe654_6b64);
    }
    let rest = blocks
        .remainder()
        .iter()
        .rev()
        .fold(0, |sum, &octet| sum << 8 | u32::from(octet));
    hash ^= mix(rest) ^ u32::try_from(data.len()).unwrap();
    hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

/// Two spellings of one name: RFC 4514 allows several escapes for one character.
pub fn same_dn(left: &str, right: &str) -> bool {
    normal_dn(left.as_bytes()) == normal_dn(right.as_bytes())
}

/// Unescapes hexadecimal pairs and needless backslashes; case is kept, it is AD's.
fn normal_dn(text: &[u8]) -> Vec<u8> {
    let mut normal = Vec::new();
    let mut rest = text.iter().copied().peekable();
    while let Some(octet) = rest.next() {
        if octet != b'\\' {
            normal.push(octet);
            continue;
        }
        let first = rest.next().unwrap_or(b'\\');
        let pair = rest.peek().map(|&second| [first, second]);
        let hex =
            pair.and_then(|pair| u8::from_str_radix(std::str::from_utf8(&pair).ok()?, 16).ok());
        let plain = match hex {
            Some(value) => {
                rest.next();
                value
            }
            None => first,
        };
        // What separates must stay distinct from what is part of a value.
        if b",+=".contains(&plain) {
            normal.push(b'\\');
        }
        normal.push(plain);
    }
    normal
}
