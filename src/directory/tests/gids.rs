//! A user's gidNumber follows that of his primary group.

use super::build::*;
use crate::entry::Entry;

fn ann() -> Entry {
    user(11, 1, "ann").with("primaryGroupID", &["1033"])
}

fn team(gid: Option<&str>) -> Entry {
    let made = group(33, 1, "team", &[]);
    match gid {
        Some(gid) => made.with("gidNumber", &[gid]),
        None => made,
    }
}

/// What it is without a gidNumber anywhere: the id of the group's SID.
fn computed() -> Vec<String> {
    let fixture = Fixture::new([domain(1), team(None), ann()]);
    let gid = fixture.values(33, "gidNumber");
    assert_eq!(gid.len(), 1);
    assert_eq!(fixture.values(11, "gidNumber"), gid);
    gid
}

#[test]
fn whichever_comes_first() {
    for (first, second) in [(team(Some("700")), ann()), (ann(), team(Some("700")))] {
        let at_once = Fixture::new([domain(1), first.clone(), second.clone()]);
        assert_eq!(at_once.values(11, "gidNumber"), ["700"]);
        let one_by_one = Fixture::new([domain(1), first]);
        one_by_one.put([second]);
        assert_eq!(one_by_one.values(11, "gidNumber"), ["700"]);
        assert_eq!(one_by_one.find("(&(uid=ann)(gidNumber=700))"), [11]);
    }
}

#[test]
fn it_follows_every_change_of_the_group() {
    let computed = computed();
    let fixture = Fixture::new([domain(1), team(None), ann()]);
    fixture.put([team(Some("700"))]);
    assert_eq!(fixture.values(11, "gidNumber"), ["700"]);
    fixture.put([team(Some("701"))]);
    assert_eq!(fixture.values(11, "gidNumber"), ["701"]);
    fixture.put([team(None)]);
    assert_eq!(fixture.values(11, "gidNumber"), computed);
    fixture.put([team(Some("702"))]);
    fixture.delete(&[33]);
    assert_eq!(fixture.values(11, "gidNumber"), computed);
    // A group that AD reports deleted, or that is none any more.
    for gone in [
        team(Some("703")).with("isDeleted", &["TRUE"]),
        ou(33, 1, "team").named("CN=team"),
    ] {
        fixture.put([team(Some("703"))]);
        assert_eq!(fixture.values(11, "gidNumber"), ["703"]);
        fixture.put([gone]);
        assert_eq!(fixture.values(11, "gidNumber"), computed);
    }
}

#[test]
fn a_user_and_the_end_of_his_group_in_one_change() {
    let computed = computed();
    let fixture = Fixture::new([domain(1), team(Some("700")), ann()]);
    fixture.change([ann().with("mail", &["ann@example.com"])], &[33]);
    assert_eq!(fixture.values(11, "gidNumber"), computed);
}

#[test]
fn a_group_that_comes_and_goes_in_one_change_leaves_nothing_with_its_user() {
    let computed = computed();
    for before in [vec![domain(1)], vec![domain(1), team(None), ann()]] {
        let fixture = Fixture::new(before);
        // In this order: the group, its user, the group's end.
        fixture.change([team(Some("700")), ann()], &[33]);
        assert_eq!(fixture.values(11, "gidNumber"), computed);
    }
}

#[test]
fn his_own_comes_first() {
    let fixture = Fixture::new([
        domain(1),
        team(Some("700")),
        ann().with("gidNumber", &["5"]),
    ]);
    assert_eq!(fixture.values(11, "gidNumber"), ["5"]);
    fixture.put([team(Some("701"))]);
    assert_eq!(fixture.values(11, "gidNumber"), ["5"]);
    fixture.put([user(11, 1, "ann").with("primaryGroupID", &["1034"])]);
    fixture.put([group(34, 1, "other", &[]).with("gidNumber", &["800"])]);
    assert_eq!(fixture.values(11, "gidNumber"), ["800"]);
}
