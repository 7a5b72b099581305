//! Changes one by one against the same content loaded anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use proptest::{prelude::*, sample::select};

use super::build::*;
use crate::{
    access::Secrets,
    directory::{AttributeSelection, Copier, EntryId, SelectSettings, Snapshot},
    entry::Entry,
    proto::request::SearchScope,
};

/// Everything a reader can see: by identity, DN and attributes of what is served.
pub(crate) fn picture(snapshot: &Arc<Snapshot>) -> BTreeMap<String, Found> {
    search(
        snapshot,
        None,
        SearchScope::WholeSubtree,
        bind(snapshot, "(&)"),
        &["*", "+"],
    )
    .into_iter()
    .map(|found| {
        let uuid = String::from_utf8_lossy(&found.1["entryUUID"][0]).into_owned();
        (uuid, found)
    })
    .collect()
}

pub(crate) const FILTERS: &[&str] = &[
    "(uid=*)",
    "(uid=u1*)",
    "(objectClass=posixGroup)",
    "(cn=renamed)",
    "(gidNumber=700)",
    "(member=*)",
    "(memberOf=*)",
    "(memberUid=u11)",
    "(memberOf:1.2.840.113556.1.4.1941:=cn=g30,dc=corp,dc=example,dc=com)",
    "(member=cn=u11,dc=corp,dc=example,dc=com)",
    "(!(hasSubordinates=TRUE))",
    "(manager:1.2.840.113556.1.4.1941:=cn=u12,dc=corp,dc=example,dc=com)",
    "(memberUid:caseIgnoreMatch:=u11)",
    "(ou:dn:=ou4)",
    "(numSubordinates>=1)",
];

/// What searches by index say, and which DNs lead where.
fn answers(snapshot: &Arc<Snapshot>) -> Vec<String> {
    let mut answers = Vec::new();
    for filter in FILTERS {
        answers.push(format!("{filter} {:?}", find(snapshot, filter)));
    }
    for id in (0..snapshot.id_bound()).map(EntryId) {
        if snapshot.is_served(id) {
            let dn = snapshot.dn(id);
            answers.push(format!("{dn} {:?}", resolve(snapshot, &dn)));
        }
    }
    for id in snapshot.naming_contexts() {
        answers.push(snapshot.dn(id));
    }
    answers.sort();
    answers
}

/// What was kept of the versions before is what is written now.
fn assert_copies(snapshot: &Arc<Snapshot>) {
    let secrets = Secrets::new(snapshot.schema());
    let lists: [&[&[u8]]; 3] = [&[b"*", b"+"], &[b"memberOf", b"cn"], &[b"tokenGroups"]];
    for list in lists {
        let selection = Arc::new(AttributeSelection::new(snapshot, list, false, &secrets));
        let write = |id, out: &mut Vec<u8>| {
            selection.write_name(snapshot, id, out);
            let entry = snapshot.entry(id).unwrap();
            selection.write(snapshot, id, &entry.attributes, out);
        };
        for _ in 0..2 {
            let Some(mut copier) = Copier::new(snapshot, &selection, b"") else {
                continue;
            };
            let served = (0..snapshot.id_bound()).map(EntryId);
            for id in served.filter(|id| snapshot.is_served(*id)) {
                let mut written = Vec::new();
                write(id, &mut written);
                let octets = copier.get(id, |out| write(id, out));
                assert_eq!(octets, written, "{}", snapshot.dn(id));
            }
        }
    }
}

/// The identities of the entries that were in another version otherwise, or that a filter found.
fn different(before: &Arc<Snapshot>, after: &Arc<Snapshot>) -> Vec<String> {
    let views = |snapshot: &Arc<Snapshot>| {
        let mut views: BTreeMap<String, (Option<Found>, Vec<&str>)> = BTreeMap::new();
        for (uuid, found) in picture(snapshot) {
            views.entry(uuid).or_default().0 = Some(found);
        }
        for filter in FILTERS {
            for number in find(snapshot, filter) {
                let view = views.entry(id(number).to_string()).or_default();
                view.1.push(filter);
            }
        }
        views
    };
    let (before, after) = (views(before), views(after));
    let uuids: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    uuids
        .into_iter()
        .filter(|uuid| before.get(*uuid) != after.get(*uuid))
        .cloned()
        .collect()
}

fn affected_since(now: &Snapshot, before: &Snapshot) -> Vec<String> {
    let affected = now.affected_since(&before.position()).unwrap();
    affected.iter().map(ToString::to_string).collect()
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Put(u32, Shape),
    Delete(u32),
}

#[derive(Clone, Debug)]
pub(crate) struct Shape {
    parent: u32,
    renamed: bool,
    primary: u32,
    gid: bool,
    disabled: bool,
    deleted: bool,
    links: Vec<u32>,
}

/// 1 and 2 are tops, 3 to 6 OUs, 11 to 15 users, 30 to 33 groups, 40 to 42 local.
const NUMBERS: &[u32] = &[
    1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 30, 31, 32, 33, 40, 41, 42,
];

pub(crate) fn made(number: u32, shape: &Shape) -> Entry {
    let name = |prefix: &str| {
        if shape.renamed {
            "renamed".to_owned()
        } else {
            format!("{prefix}{number}")
        }
    };
    let mut entry = match number {
        1 => domain(1),
        2 => local_top(2),
        3..=6 => ou(number, shape.parent, &name("ou")),
        11..=15 => user(number, shape.parent, &format!("u{number}"))
            .named(&format!("CN={}", name("u")))
            .with("primaryGroupID", &[&shape.primary.to_string()])
            .with(
                "userAccountControl",
                &[if shape.disabled { "514" } else { "512" }],
            )
            .linked("manager", &shape.links),
        30..=33 => group(number, shape.parent, &name("g"), &shape.links),
        _ => local(
            number,
            Some(shape.parent),
            &format!("cn={}", name("l")),
            "groupOfNames",
        )
        .linked("member", &shape.links),
    };
    if shape.gid && number >= 30 {
        entry.set("gidNumber", vec![b"700".to_vec()]);
    }
    if shape.deleted && number > 2 && number < 40 {
        entry.set("isDeleted", vec![b"TRUE".to_vec()]);
    }
    entry
}

pub(crate) fn steps() -> impl Strategy<Value = Step> {
    let shape = (
        select(&[1u32, 1, 1, 2, 3, 4, 5, 6, 11][..]),
        prop::bool::weighted(0.15),
        select(&[513u32, 1030, 1031, 1033][..]),
        any::<bool>(),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.1),
        prop::collection::vec(select(NUMBERS), 0..4),
    )
        .prop_map(
            |(parent, renamed, primary, gid, disabled, deleted, links)| Shape {
                parent,
                renamed,
                primary,
                gid,
                disabled,
                deleted,
                links,
            },
        );
    prop_oneof![
        5 => (select(NUMBERS), shape).prop_map(|(number, shape)| Step::Put(number, shape)),
        1 => select(NUMBERS).prop_map(Step::Delete),
    ]
}

pub(crate) fn selects() -> impl Strategy<Value = SelectSettings> {
    let dns = |names: &'static [&'static str]| {
        prop::collection::vec(
            select(names).prop_map(|rdn| format!("{rdn},dc=corp,dc=example,dc=com")),
            0..2,
        )
    };
    let exclude = prop::option::of(select(
        &[
            "(userAccountControl:1.2.840.113556.1.4.803:=2)",
            "(memberOf=cn=g31,dc=corp,dc=example,dc=com)",
            "(cn=renamed)",
            "(ou:dn:=ou4)",
        ][..],
    ));
    (
        dns(&["ou=ou3", "ou=ou4"]),
        dns(&["cn=g30", "cn=g31"]),
        exclude,
    )
        .prop_map(|(bases, groups, exclude)| SelectSettings {
            bases,
            groups,
            exclude: exclude.map(str::to_owned),
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 600, ..Default::default() })]

    #[test]
    fn changes_one_by_one_are_the_same_as_all_at_once(
        select in selects(),
        changes in prop::collection::vec(prop::collection::vec(steps(), 1..6), 1..14),
    ) {
        let fixture = Fixture::selecting(select, [domain(1)]);
        let mut kept = Vec::new();
        let mut last = fixture.now();
        for change in changes {
            let (mut put, mut deleted) = (Vec::new(), Vec::new());
            for step in &change {
                match step {
                    Step::Put(number, shape) => put.push(made(*number, shape)),
                    Step::Delete(number) => deleted.push(*number),
                }
            }
            fixture.change(put, &deleted);
            let before = std::mem::replace(&mut last, fixture.now());
            let now = fixture.now();
            let loaded = fixture.reopened().snapshot();
            let affected = affected_since(&now, &before);
            let mut unlogged = different(&before, &now);
            unlogged.retain(|uuid| !affected.contains(uuid));
            prop_assert_eq!(unlogged, Vec::<String>::new());
            prop_assert_eq!(affected_since(&loaded, &before), affected);
            prop_assert_eq!(now.stored(), loaded.stored());
            prop_assert_eq!(picture(&now), picture(&loaded));
            prop_assert_eq!(answers(&now), answers(&loaded));
            assert_copies(&now);
            kept.push((Arc::clone(&now), picture(&now)));
        }
        for (snapshot, before) in kept {
            prop_assert_eq!(picture(&snapshot), before);
        }
    }
}
