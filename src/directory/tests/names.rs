//! DNs: every spelling, and what moves do to them.

use super::build::*;
use crate::entry::Entry;

fn staff() -> Vec<Entry> {
    vec![
        local_top(1),
        local(2, Some(1), "ou=People", "organizationalUnit"),
        local(3, Some(2), "cn=Smith\\, John+uid=js", "inetOrgPerson"),
        local(4, Some(2), "cn=Müller", "inetOrgPerson"),
    ]
}

#[test]
fn any_spelling_of_a_dn_finds_the_entry() {
    let fixture = Fixture::new(staff());
    let now = fixture.now();
    for dn in [
        "uid=js+cn=Smith\\, John,ou=People,dc=example,dc=com",
        "CN=\"smith, JOHN\" + UID=JS ; OU=people ; DC=EXAMPLE,DC=com",
        "2.5.4.3=Smith\\2C  John+0.9.2342.19200300.100.1.1=js,ou=People,dc=example,dc=com",
        "commonName=Smith\\2c John+userid=js,organizationalUnitName=People,dc=example,dc=com",
    ] {
        assert_eq!(resolve(&now, dn), Ok(3), "{dn}");
    }
    assert_eq!(
        resolve(&now, "cn=m\\c3\\bcller,ou=people,dc=example,dc=com"),
        Ok(4)
    );
    assert_eq!(
        fixture.dn(3),
        "cn=Smith\\, John+uid=js,ou=People,dc=example,dc=com"
    );
}

#[test]
fn a_dn_of_nothing_tells_the_nearest_entry_above() {
    let fixture = Fixture::new(staff());
    let now = fixture.now();
    for (dn, nearest) in [
        (
            "cn=Smith\\, John,ou=People,dc=example,dc=com",
            "ou=People,dc=example,dc=com",
        ),
        (
            "cn=x,ou=y,ou=People,dc=example,dc=com",
            "ou=People,dc=example,dc=com",
        ),
        ("cn=x,dc=example,dc=com", "dc=example,dc=com"),
        ("dc=com", ""),
        ("dc=example,dc=org", ""),
        ("", ""),
        ("nosuchattribute=x,dc=example,dc=com", "dc=example,dc=com"),
    ] {
        assert_eq!(resolve(&now, dn), Err(nearest.to_owned()), "{dn}");
    }
}

#[test]
fn of_naming_contexts_in_one_another_the_deepest_counts() {
    let fixture = Fixture::new([
        local_top(1),
        local(2, Some(1), "ou=People", "organizationalUnit"),
        domain(3),
        ou(4, 3, "Staff"),
        user(5, 4, "jdoe"),
    ]);
    let now = fixture.now();
    assert_eq!(resolve(&now, "dc=example,dc=com"), Ok(1));
    assert_eq!(resolve(&now, "dc=corp,dc=example,dc=com"), Ok(3));
    assert_eq!(
        resolve(&now, "cn=JDOE,ou=staff,dc=corp,dc=example,dc=com"),
        Ok(5)
    );
    assert_eq!(
        resolve(&now, "ou=people,dc=corp,dc=example,dc=com"),
        Err("DC=corp,DC=example,DC=com".to_owned())
    );
    // Without users nothing of the inner one is served, and the outer one is the nearest.
    fixture.delete(&[5]);
    assert_eq!(
        resolve(&fixture.now(), "ou=staff,dc=corp,dc=example,dc=com"),
        Err("dc=example,dc=com".to_owned())
    );
}

#[test]
fn children_follow_a_rename_and_a_move() {
    let fixture = Fixture::new([
        domain(1),
        ou(2, 1, "A"),
        ou(3, 1, "B"),
        ou(4, 2, "Inner"),
        user(5, 4, "jdoe"),
        user(6, 3, "other"),
    ]);
    fixture.put([ou(2, 1, "Renamed")]);
    assert_eq!(
        fixture.dn(5),
        "CN=jdoe,OU=Inner,OU=Renamed,DC=corp,DC=example,DC=com"
    );
    fixture.put([ou(4, 3, "Inner")]);
    let now = fixture.now();
    assert_eq!(
        resolve(&now, "cn=jdoe,ou=inner,ou=b,dc=corp,dc=example,dc=com"),
        Ok(5)
    );
    assert!(
        resolve(
            &now,
            "cn=jdoe,ou=inner,ou=renamed,dc=corp,dc=example,dc=com"
        )
        .is_err()
    );
    // Nothing is left below the OU it came from.
    assert_eq!(fixture.served(&[1, 2, 3, 4, 5, 6]), [1, 3, 4, 5, 6]);
    fixture.put([user(5, 4, "jdoe").named("CN=New Name")]);
    assert_eq!(
        fixture.dn(5),
        "CN=New Name,OU=Inner,OU=B,DC=corp,DC=example,DC=com"
    );
}

#[test]
fn a_parent_may_come_after_its_children() {
    let fixture = Fixture::new([user(3, 2, "jdoe"), domain(1)]);
    assert_eq!(fixture.served(&[1, 2, 3]), NOBODY);
    assert_eq!(fixture.find("(uid=jdoe)"), NOBODY);
    assert_eq!(fixture.now().naming_contexts().count(), 0);
    fixture.put([ou(2, 1, "Staff")]);
    assert_eq!(fixture.served(&[1, 2, 3]), [1, 2, 3]);
    assert_eq!(fixture.find("(uid=jdoe)"), [3]);
    fixture.delete(&[2]);
    assert_eq!(fixture.served(&[1, 2, 3]), NOBODY);
}

#[test]
fn an_entry_that_is_not_served_does_not_hide_another_of_its_name() {
    let computer = user(2, 1, "same").with("sAMAccountType", &["805306369"]);
    let fixture = Fixture::new([domain(1), computer, user(3, 1, "same")]);
    assert_eq!(
        resolve(&fixture.now(), "cn=same,dc=corp,dc=example,dc=com"),
        Ok(3)
    );
}

#[test]
fn a_ring_of_parents_is_not_served_and_leaves_no_trace() {
    let fixture = Fixture::new([
        domain(1),
        ou(2, 1, "A"),
        ou(3, 2, "B"),
        user(4, 3, "jdoe"),
        user(9, 1, "other"),
    ]);
    fixture.put([ou(2, 3, "A")]);
    assert_eq!(fixture.served(&[1, 2, 3, 4, 9]), [1, 9]);
    assert_eq!(fixture.find("(ou:dn:=a)"), NOBODY);
    assert_eq!(fixture.find("(uid=jdoe)"), NOBODY);
    // The other way round.
    fixture.put([ou(3, 1, "B")]);
    assert_eq!(fixture.served(&[1, 2, 3, 4, 9]), [1, 3, 4, 9]);
    assert_eq!(fixture.dn(2), "OU=A,OU=B,DC=corp,DC=example,DC=com");
    fixture.put([ou(2, 1, "A"), user(4, 2, "jdoe")]);
    assert_eq!(fixture.served(&[1, 2, 3, 4, 9]), [1, 2, 4, 9]);
    // An entry above itself.
    fixture.put([ou(2, 2, "A")]);
    assert_eq!(fixture.served(&[1, 2, 3, 4, 9]), [1, 9]);
    fixture.delete(&[2]);
    fixture.put([ou(2, 1, "A")]);
    assert_eq!(fixture.served(&[1, 2, 3, 4, 9]), [1, 2, 4, 9]);
    fixture.delete(&[4]);
    assert_eq!(fixture.served(&[1, 2, 3, 4, 9]), [1, 9]);
}

#[test]
fn moves_within_one_transaction_may_pass_through_a_ring() {
    // 2 above 3 becomes 3 above 2; in the order of identities 2 moves below 3 first.
    let fixture = Fixture::new([domain(1), ou(2, 1, "A"), ou(3, 2, "B"), user(4, 3, "jdoe")]);
    for _ in 0..3 {
        fixture.put([ou(2, 3, "A"), ou(3, 1, "B")]);
        assert_eq!(fixture.served(&[1, 2, 3, 4]), [1, 3, 4]);
        fixture.put([ou(2, 1, "A"), ou(3, 2, "B")]);
        assert_eq!(fixture.served(&[1, 2, 3, 4]), [1, 2, 3, 4]);
    }
    fixture.delete(&[4]);
    assert_eq!(fixture.served(&[1, 2, 3, 4]), NOBODY);
}
