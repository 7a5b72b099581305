//! Which users, groups and containers are served.

use std::{
    io,
    sync::{Arc, Mutex},
};

use super::build::*;
use crate::{
    directory::{Directory, SelectSettings},
    entry::{Entry, Origin},
};

fn dns(rdns: &[&str]) -> Vec<String> {
    rdns.iter()
        .map(|rdn| format!("{rdn},dc=corp,DC=example,DC=com"))
        .collect()
}

fn selecting(bases: &[&str], groups: &[&str], exclude: Option<&str>) -> SelectSettings {
    SelectSettings {
        bases: dns(bases),
        groups: dns(groups),
        exclude: exclude.map(str::to_owned),
    }
}

/// Two OUs (2, 3) with users 11, 12 and 21; groups 31 in 30, 32 empty, 513 for everybody, 33 as
/// the primary group of 21.
fn world() -> Vec<Entry> {
    vec![
        domain(1),
        ou(2, 1, "Staff"),
        ou(3, 1, "Other"),
        ou(4, 1, "Groups"),
        user(11, 2, "ann"),
        user(12, 2, "bob"),
        user(21, 3, "cleo").with("primaryGroupID", &["1033"]),
        group(30, 4, "outer", &[31]),
        group(31, 4, "inner", &[11, 21]),
        group(32, 4, "empty", &[]),
        group(33, 4, "primary", &[]),
        group(513, 4, "Domain Users", &[]),
    ]
}

const ALL: &[u32] = &[1, 2, 3, 4, 11, 12, 21, 30, 31, 32, 33, 513];

#[test]
fn without_a_selection_all_users_and_groups_are_served() {
    let computer = user(40, 5, "pc$").with("sAMAccountType", &["805306369"]);
    let contact = ou(41, 5, "contact")
        .named("CN=contact")
        .with("objectClass", &["contact"]);
    let fixture = Fixture::new(
        world()
            .into_iter()
            .chain([ou(5, 1, "PCs"), computer, contact]),
    );
    assert_eq!(fixture.served(ALL), ALL);
    assert_eq!(fixture.served(&[5, 40, 41]), NOBODY);
    assert_eq!(fixture.find("(sAMAccountName=pc$)"), NOBODY);
}

#[test]
fn containers_are_served_with_what_lies_below_them_only() {
    let fixture = Fixture::new([
        domain(1),
        ou(2, 1, "A"),
        ou(3, 2, "Inner"),
        ou(4, 1, "B"),
        user(11, 3, "ann"),
    ]);
    assert_eq!(fixture.served(&[1, 2, 3, 4, 11]), [1, 2, 3, 11]);
    fixture.put([ou(3, 4, "Inner")]);
    assert_eq!(fixture.served(&[1, 2, 3, 4, 11]), [1, 3, 4, 11]);
    fixture.delete(&[11]);
    assert_eq!(fixture.served(&[1, 2, 3, 4, 11]), NOBODY);
    fixture.put([user(11, 3, "ann")]);
    assert_eq!(fixture.served(&[1, 2, 3, 4, 11]), [1, 3, 4, 11]);
    // A container that goes and comes back under the same identity.
    fixture.delete(&[3]);
    assert_eq!(fixture.served(&[1, 2, 3, 4, 11]), NOBODY);
    fixture.put([ou(3, 2, "Back")]);
    assert_eq!(fixture.served(&[1, 2, 3, 4, 11]), [1, 2, 3, 11]);
    // A user AD reports deleted.
    fixture.put([user(11, 3, "ann").with("isDeleted", &["TRUE"])]);
    assert_eq!(fixture.served(&[1, 2, 3, 4, 11]), NOBODY);
}

#[test]
fn entries_of_a_source_that_is_not_configured_are_kept_but_not_served() {
    let fixture = Fixture::new(world());
    let directory = open(&fixture.store, Vec::new());
    let now = directory.snapshot();
    assert_eq!(now.stored(), ALL.len());
    assert_eq!(find(&now, "(objectClass=*)"), NOBODY);
    assert_eq!(now.naming_contexts().count(), 0);
    let mut other = user(50, 2, "dora");
    other.origin = Origin::Source("elsewhere".to_owned());
    fixture.put([other]);
    assert!(!fixture.is_served(50));
}

#[test]
fn bases_select_what_lies_below_them_and_its_groups() {
    let fixture = Fixture::selecting(selecting(&["ou=STAFF"], &[], None), world());
    assert_eq!(fixture.served(ALL), [1, 2, 4, 11, 12, 30, 31, 513]);
    // A group that holds an unselected user only is not served; one in a base is.
    fixture.put([group(31, 4, "inner", &[21]), group(32, 2, "empty", &[])]);
    assert_eq!(fixture.served(ALL), [1, 2, 4, 11, 12, 32, 513]);
    // A user moves in, with his primary group; another one moves out.
    fixture.put([
        user(21, 2, "cleo").with("primaryGroupID", &["1033"]),
        user(12, 3, "bob"),
    ]);
    assert_eq!(fixture.served(ALL), [1, 2, 4, 11, 21, 30, 31, 32, 33, 513]);
    // Everybody moves with the OU he is in.
    fixture.put([ou(3, 2, "Other")]);
    assert_eq!(
        fixture.served(ALL),
        [1, 2, 3, 4, 11, 12, 21, 30, 31, 32, 33, 513]
    );
}

#[test]
fn groups_select_members_nested_ones_and_those_by_primary_group() {
    let fixture = Fixture::selecting(selecting(&[], &["cn=Outer,ou=groups"], None), world());
    assert_eq!(fixture.served(ALL), [1, 2, 3, 4, 11, 21, 30, 31, 33, 513]);
    // 33 becomes a member, and with it those whose primary group it is.
    fixture.put([
        group(30, 4, "outer", &[33]),
        user(12, 2, "bob").with("primaryGroupID", &["1033"]),
    ]);
    assert_eq!(fixture.served(ALL), [1, 2, 3, 4, 12, 21, 30, 31, 33]);
    fixture.put([user(21, 3, "cleo")]);
    assert_eq!(fixture.served(ALL), [1, 2, 4, 12, 30, 33]);
    // A named group is served though it selects nobody.
    fixture.put([group(30, 4, "outer", &[])]);
    assert_eq!(fixture.served(ALL), [1, 4, 30]);
    // Loops end.
    fixture.put([
        group(30, 4, "outer", &[31]),
        group(31, 4, "inner", &[30, 31, 11]),
    ]);
    assert_eq!(fixture.served(ALL), [1, 2, 4, 11, 30, 31, 513]);
}

#[test]
fn the_domain_default_groups_select_too() {
    let fixture = Fixture::selecting(
        selecting(&[], &["cn=Domain Users,ou=groups"], None),
        world(),
    );
    assert_eq!(fixture.served(ALL), [1, 2, 4, 11, 12, 30, 31, 513]);
}

#[test]
fn whatever_comes_first_the_selection_is_the_same() {
    let select = selecting(&["ou=staff", "ou=other"], &["cn=outer,ou=groups"], None);
    let at_once = Fixture::selecting(select.clone(), world());
    let expected = at_once.served(ALL);
    for order in [false, true] {
        let one_by_one = Fixture::selecting(select.clone(), []);
        let mut entries = world();
        if order {
            entries.reverse();
        }
        for entry in entries {
            one_by_one.put([entry]);
            one_by_one.served(ALL);
        }
        assert_eq!(one_by_one.served(ALL), expected);
    }
}

#[test]
fn bases_and_groups_together_select_who_is_in_both() {
    let select = selecting(&["ou=staff"], &["cn=outer,ou=groups"], None);
    let fixture = Fixture::selecting(select, world());
    assert_eq!(fixture.served(ALL), [1, 2, 4, 11, 30, 31, 513]);
}

#[test]
fn exclude_takes_users_out_and_the_groups_that_only_they_are_in() {
    let disabled = "(userAccountControl:1.2.840.113556.1.4.803:=2)";
    let fixture = Fixture::selecting(selecting(&["ou=staff"], &[], Some(disabled)), world());
    assert_eq!(fixture.served(ALL), [1, 2, 4, 11, 12, 30, 31, 513]);
    fixture.put([user(11, 2, "ann").with("userAccountControl", &["514"])]);
    assert_eq!(fixture.served(ALL), [1, 2, 4, 12, 513]);
    fixture.put([user(11, 2, "ann")]);
    assert_eq!(fixture.served(ALL), [1, 2, 4, 11, 12, 30, 31, 513]);
    // A change of no consequence leaves everything served.
    fixture.put([user(11, 2, "ann").with("mail", &["ann@example.com"])]);
    assert_eq!(fixture.served(ALL), [1, 2, 4, 11, 12, 30, 31, 513]);
}

#[test]
fn exclude_takes_groups_out() {
    let fixture = Fixture::selecting(selecting(&[], &[], Some("(cn=outer)")), world());
    assert_eq!(
        fixture.served(ALL),
        [1, 2, 3, 4, 11, 12, 21, 31, 32, 33, 513]
    );
}

#[test]
fn exclude_by_membership_does_not_depend_on_what_is_served() {
    for (filter, expected) in [
        (
            "(memberOf=cn=inner,ou=groups,dc=corp,dc=example,dc=com)",
            vec![1, 2, 4, 12, 30, 31, 32, 33, 513],
        ),
        (
            "(memberOf:1.2.840.113556.1.4.1941:=cn=outer,ou=groups,dc=corp,dc=example,dc=com)",
            vec![1, 2, 4, 12, 30, 32, 33, 513],
        ),
    ] {
        let fixture = Fixture::selecting(selecting(&[], &[], Some(filter)), world());
        assert_eq!(fixture.served(ALL), expected, "{filter}");
        // Asked again it gives the same answer.
        fixture.put([
            user(11, 2, "ann"),
            user(12, 2, "bob"),
            group(31, 4, "inner", &[11, 21]),
        ]);
        assert_eq!(fixture.served(ALL), expected, "{filter}");
        fixture.put([group(31, 4, "inner", &[21])]);
        assert!(fixture.is_served(11), "{filter}");
    }
}

#[test]
fn a_base_is_still_meant_after_it_was_renamed_or_moved() {
    let fixture = Fixture::selecting(selecting(&["ou=staff"], &[], None), world());
    let staff = [1, 2, 4, 11, 12, 30, 31, 513];
    assert_eq!(fixture.served(ALL), staff);
    fixture.put([ou(2, 1, "Crew")]);
    assert_eq!(fixture.served(ALL), staff);
    fixture.put([ou(2, 3, "Crew")]);
    let within_other = [1, 2, 3, 4, 11, 12, 30, 31, 513];
    assert_eq!(fixture.served(ALL), within_other);
    // Whoever comes later is judged by the same.
    fixture.put([user(13, 2, "dan"), user(22, 3, "eve")]);
    assert_eq!(fixture.served(&[13, 22]), [13]);
    // Below a base that was renamed itself.
    fixture.put([ou(3, 1, "Others")]);
    assert_eq!(fixture.served(ALL), within_other);
}

#[test]
fn a_base_found_before_any_user_came_is_meant_too() {
    let fixture = Fixture::selecting(
        selecting(&["ou=staff"], &[], None),
        [domain(1), ou(2, 1, "Staff")],
    );
    fixture.put([ou(2, 1, "Crew")]);
    fixture.put([user(11, 2, "ann")]);
    assert_eq!(fixture.served(&[1, 2, 11]), [1, 2, 11]);
}

#[test]
fn a_group_is_still_meant_after_it_was_renamed() {
    let fixture = Fixture::selecting(selecting(&[], &["cn=outer,ou=groups"], None), world());
    let outer = [1, 2, 3, 4, 11, 21, 30, 31, 33, 513];
    assert_eq!(fixture.served(ALL), outer);
    fixture.put([group(30, 4, "exterior", &[31])]);
    assert_eq!(fixture.served(ALL), outer);
    fixture.put([group(30, 4, "exterior", &[12])]);
    assert_eq!(fixture.served(ALL), [1, 2, 4, 12, 30, 513]);
}

#[test]
fn an_entry_under_the_configured_name_wins() {
    let fixture = Fixture::selecting(selecting(&["ou=staff"], &[], None), world());
    fixture.put([ou(2, 1, "Crew")]);
    fixture.put([ou(5, 1, "Staff"), user(51, 5, "eve")]);
    assert_eq!(fixture.served(&[2, 5, 11, 12, 51]), [5, 51]);
    // It is what is meant from then on.
    fixture.put([ou(5, 1, "Stuff")]);
    assert_eq!(fixture.served(&[2, 5, 11, 12, 51]), [5, 51]);
}

#[test]
fn a_deleted_base_selects_nobody_until_it_is_made_again() {
    let fixture = Fixture::selecting(selecting(&["ou=staff"], &[], None), world());
    fixture.delete(&[2, 11, 12]);
    assert_eq!(fixture.served(ALL), NOBODY);
    fixture.put([ou(5, 1, "Staff"), user(51, 5, "eve")]);
    assert_eq!(fixture.served(&[5, 21, 51]), [5, 51]);
}

#[test]
fn a_failed_commit_leaves_a_base_meant_as_before() {
    let fixture = Fixture::selecting(selecting(&["ou=staff"], &[], None), world());
    fixture.store.fail_next_commit();
    fixture
        .directory
        .write(|transaction| {
            transaction.put(ou(2, 1, "Crew"));
            transaction.put(ou(5, 1, "Staff"));
            Ok::<_, std::convert::Infallible>(())
        })
        .unwrap_err();
    fixture.put([ou(2, 1, "Crew")]);
    assert!(fixture.is_served(11));
}

#[test]
fn a_name_that_is_configured_no_more_is_forgotten() {
    let fixture = Fixture::selecting(selecting(&["ou=staff"], &[], None), world());
    fixture.put([ou(2, 1, "Crew")]);
    let is_served = |directory: &Directory| {
        let now = directory.snapshot();
        now.is_served(now.id_of(id(11)).unwrap())
    };
    assert!(is_served(&fixture.reopened()));
    let other = settings(selecting(&["ou=other"], &[], None));
    assert!(!is_served(&open(&fixture.store, vec![other])));
    assert!(!is_served(&fixture.reopened()));
}

#[test]
fn many_long_names_are_remembered() {
    let name = |number: u32| format!("{number:0>200}");
    let bases: Vec<String> = (100..200)
        .map(|number| format!("ou={}", name(number)))
        .collect();
    let bases: Vec<&str> = bases.iter().map(String::as_str).collect();
    let fixture = Fixture::selecting(
        selecting(&bases, &[], None),
        (100..200)
            .flat_map(|number| {
                [
                    ou(number, 1, &name(number)),
                    user(number + 100, number, &number.to_string()),
                ]
            })
            .chain([domain(1)]),
    );
    fixture.put((100..200).map(|number| ou(number, 1, &number.to_string())));
    assert_eq!(fixture.find("(uid=*)").len(), 100);
}

/// What is logged by this thread, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_new_name_of_a_base_is_told_once() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    let told = || {
        let octets = std::mem::take(&mut *log.0.lock().unwrap());
        let text = String::from_utf8(octets).unwrap();
        text.lines()
            .filter(|line| line.contains("renamed or moved"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    tracing::subscriber::with_default(subscriber, || {
        let fixture = Fixture::selecting(selecting(&["ou=staff"], &[], None), world());
        assert_eq!(told(), NO_VALUES);
        // Another thread may have come by the log line for the first time while this one had no
        // subscriber yet, and noted that nobody wants it.
        tracing::callsite::rebuild_interest_cache();
        fixture.put([ou(2, 1, "Crew")]);
        let [line] = told().try_into().unwrap();
        assert!(line.contains("ou=staff,dc=corp"), "{line}");
        assert!(line.contains("OU=Crew,DC=corp"), "{line}");
        fixture.put([user(13, 2, "dan")]);
        fixture.delete(&[13]);
        assert_eq!(told(), NO_VALUES);
        fixture.put([ou(2, 1, "Team")]);
        assert_eq!(told().len(), 1);
        fixture.reopened();
        assert_eq!(told().len(), 1);
    });
}
