//! Random updates: what is served is what a restart would serve, by names that lead back, and
//! what an update wrote follows the schema.

use proptest::prelude::*;

use super::*;
use crate::{
    directory::{
        EntryId, Snapshot,
        tests::build::{Found, bind, search},
    },
    proto::request::SearchScope,
};

#[derive(Clone, Debug)]
enum Step {
    Add(usize, u8, bool),
    Delete(usize, bool),
    Rename(usize, u8, Option<usize>, bool),
    Member(usize, usize, bool),
    Describe(usize, u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let entry = 0..20_usize;
    let name = b'a'..=b'e';
    let step = prop_oneof![
        4 => (entry.clone(), name.clone(), any::<bool>())
            .prop_map(|(above, name, group)| Step::Add(above, name, group)),
        1 => (entry.clone(), any::<bool>()).prop_map(|(entry, tree)| Step::Delete(entry, tree)),
        2 => (entry.clone(), name.clone(), proptest::option::of(entry.clone()), any::<bool>())
            .prop_map(|(entry, name, above, old)| Step::Rename(entry, name, above, old)),
        3 => (entry.clone(), entry.clone(), any::<bool>())
            .prop_map(|(group, member, add)| Step::Member(group, member, add)),
        1 => (entry, name).prop_map(|(entry, value)| Step::Describe(entry, value)),
    ];
    proptest::collection::vec(step, 1..60)
}

/// The DN of one of the entries, or of none.
fn nth(snapshot: &Snapshot, number: usize) -> String {
    let served: Vec<EntryId> = (0..snapshot.id_bound())
        .map(EntryId)
        .filter(|id| snapshot.is_served(*id))
        .collect();
    match served.get(number % (served.len() + 1)) {
        Some(id) => snapshot.dn(*id),
        None => "cn=a,ou=people,dc=example,dc=com".to_owned(),
    }
}

fn run(fixture: &Fixture, step: &Step) -> u32 {
    let now = fixture.now();
    let text = |name: u8| char::from(name).to_string();
    match step {
        Step::Add(above, name, group) => {
            let above = nth(&now, *above);
            let dn = format!("cn={},{above}", text(*name));
            let result = if *group {
                let classes: &[&str] = &["groupOfNames"];
                add(
                    fixture,
                    &dn,
                    &[("objectClass", classes), ("member", &[&above])],
                )
            } else {
                add_person(fixture, &dn)
            };
            code(result)
        }
        Step::Delete(entry, tree) => delete(fixture, &nth(&now, *entry), *tree),
        Step::Rename(entry, name, above, delete_old) => {
            let rename = Rename {
                rdn: Rdn::new("cn", text(*name).as_bytes()),
                delete_old: *delete_old,
                superior: above.map(|above| Dn::parse(&nth(&now, above)).unwrap()),
            };
            let dn = nth(&now, *entry);
            code(write(&fixture.directory, |update| {
                let id = entry_of(update, &dn)?;
                update.rename(id, &rename)
            }))
        }
        Step::Member(group, member, add) => {
            let operation = if *add {
                ChangeOperation::Add
            } else {
                ChangeOperation::Delete
            };
            let (group, member) = (nth(&now, *group), nth(&now, *member));
            modify(fixture, &group, operation, "member", &[&member])
        }
        Step::Describe(entry, value) => {
            let values: &[&str] = &[&text(*value)];
            let entry = nth(&now, *entry);
            modify(
                fixture,
                &entry,
                ChangeOperation::Replace,
                "description",
                values,
            )
        }
    }
}

fn everything(snapshot: &std::sync::Arc<Snapshot>) -> Vec<Found> {
    let all = bind(snapshot, "(objectClass=*)");
    let mut found = search(snapshot, None, SearchScope::WholeSubtree, all, &["*", "+"]);
    found.sort();
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_served_is_what_is_stored(steps in steps()) {
        let fixture = world();
        for step in &steps {
            let before = fixture.now();
            if run(&fixture, step) != 0 {
                prop_assert!(std::sync::Arc::ptr_eq(&before, &fixture.now()), "{step:?}");
            }
        }
        let now = fixture.now();
        prop_assert_eq!(everything(&now), everything(&fixture.reopened().snapshot()));
        for id in (0..now.id_bound()).map(EntryId).filter(|id| now.is_served(*id)) {
            let dn = Dn::parse(&now.dn(id)).unwrap();
            prop_assert_eq!(find(&now, &dn, true).unwrap(), id);
            let uuid = now.entry(id).unwrap().uuid;
            let Some(stored) = fixture.directory.stored(uuid).unwrap() else { continue };
            // The entries that were there at first lack nothing but the group's last member.
            if stored.origin == crate::entry::Origin::Local {
                let mut problems = check::problems(
                    now.schema(),
                    dn.rdn().unwrap(),
                    &stored.attributes,
                    &stored.links,
                );
                problems.retain(|problem| {
                    !matches!(problem, check::Problem::Missing { attribute, .. } if attribute == "member")
                });
                prop_assert_eq!(problems, []);
            }
            for group in now.groups_of(id) {
                prop_assert!(now.members(EntryId(group)).contains(id.0));
            }
        }
    }
}
