//! Names that lead elsewhere, and searches that look at more or less than what is below their base.

use std::{collections::BTreeSet, sync::Arc};

use proptest::prelude::*;

use super::build::*;
use crate::{
    directory::{Diversions, EntryId, Reach, Reference, Region, Search, Snapshot, Step, Target},
    dn::{Dn, Rdn},
    entry::Entry,
    proto::request::SearchScope::{self, *},
};

const FOLLOW: Diversions = Diversions {
    aliases: true,
    referrals: true,
};
const ALIASES: Reach = Reach {
    aliases: true,
    referrals: false,
    subentries: None,
    originals: false,
};
const REFERRALS: Reach = Reach {
    aliases: false,
    referrals: true,
    subentries: None,
    originals: false,
};

fn alias(number: u32, parent: u32, name: &str, target: &str) -> Entry {
    local(number, Some(parent), &format!("cn={name}"), "alias")
        .with("objectClass", &["alias", "extensibleObject"])
        .with("aliasedObjectName", &[target])
}

fn referral(number: u32, parent: u32, rdn: &str, uri: &str) -> Entry {
    local(number, Some(parent), rdn, "referral")
        .with("objectClass", &["referral", "extensibleObject"])
        .with("ref", &[uri])
}

fn container(number: u32, parent: u32, name: &str) -> Entry {
    local(
        number,
        Some(parent),
        &format!("ou={name}"),
        "organizationalUnit",
    )
}

fn number(snapshot: &Snapshot, found: EntryId) -> u32 {
    let number = snapshot.entry(found).unwrap().uuid.as_u128() - id(0).as_u128();
    u32::try_from(number).unwrap()
}

fn named(snapshot: &Snapshot, dn: &str, diversions: Diversions) -> Target {
    snapshot.find(&Dn::parse(dn).unwrap(), diversions)
}

/// The numbers that a search finds, in the order of the numbers, and the referral objects it meets.
fn reached(
    fixture: &Fixture,
    base: Option<u32>,
    scope: SearchScope,
    reach: Reach,
    filter: &str,
) -> (Vec<u32>, Vec<u32>) {
    let snapshot = fixture.now();
    let base = base.map(|base| snapshot.id_of(id(base)).unwrap());
    let (region, references) = match Region::new(&snapshot, base, scope, reach) {
        Some((region, references)) => (Some(region), references),
        None => (None, Vec::new()),
    };
    let filter = bind(&snapshot, filter);
    let mut search = Search::within(Arc::clone(&snapshot), base, scope, region, filter);
    let mut found = Vec::new();
    let mut budget = usize::MAX;
    while let Step::Match(id) = search.next(&mut budget) {
        found.push(number(&snapshot, id));
    }
    found.sort_unstable();
    let mut met: Vec<u32> = references
        .iter()
        .map(|reference| number(&snapshot, reference.object))
        .collect();
    met.sort_unstable();
    (found, met)
}

const ALL: &str = "(objectClass=*)";

/// 1 top; 2 ou=a with 10, 11; 3 ou=b with 20; aliases in b: 30 to ou=a, 31 to cn=11,ou=a.
fn world() -> Fixture {
    Fixture::new([
        local_top(1),
        container(2, 1, "a"),
        container(3, 1, "b"),
        local(10, Some(2), "cn=10", "person"),
        local(11, Some(2), "cn=11", "person"),
        local(20, Some(3), "cn=20", "person"),
        alias(30, 3, "to-a", "OU=A, dc=example,dc=com"),
        alias(31, 3, "to-11", "cn=11,ou=a,dc=example,dc=com"),
    ])
}

#[test]
fn aliases_in_a_name_are_followed_where_that_is_wanted() {
    let fixture = world();
    let now = fixture.now();
    let found = |dn: &str, diversions| match named(&now, dn, diversions) {
        Target::Found(id) => Ok(number(&now, id)),
        other => Err(other),
    };
    let never = Diversions::default();
    let to_a = "cn=to-a,ou=b,dc=example,dc=com";
    assert_eq!(found(to_a, never), Ok(30));
    assert_eq!(found(to_a, FOLLOW), Ok(2));
    let below = format!("cn=10,{to_a}");
    assert_eq!(found(&below, FOLLOW), Ok(10));
    let nearest = |number| Target::Missing {
        nearest: now.id_of(id(number)),
    };
    assert_eq!(found(&below, never), Err(nearest(30)));
    // "a truncated form of the resulting name"
    assert_eq!(found(&format!("cn=x,{to_a}"), FOLLOW), Err(nearest(2)));
}

#[test]
fn aliases_that_lead_nowhere_are_told_from_names_that_do() {
    let fixture = world();
    fixture.put([
        alias(40, 3, "broken", "cn=x,ou=a,dc=example,dc=com"),
        alias(41, 3, "self", "cn=self,ou=b,dc=example,dc=com"),
        alias(42, 3, "ping", "cn=pong,ou=b,dc=example,dc=com"),
        alias(43, 3, "pong", "cn=ping,ou=b,dc=example,dc=com"),
        alias(44, 3, "grows", "cn=x,cn=grows,ou=b,dc=example,dc=com"),
        alias(45, 3, "root", ""),
    ]);
    let now = fixture.now();
    let target = |name: &str| named(&now, &format!("cn={name},ou=b,dc=example,dc=com"), FOLLOW);
    let nearest = now.id_of(id(2));
    assert_eq!(target("broken"), Target::BrokenAlias { nearest });
    let nearest = now.id_of(id(45));
    assert_eq!(target("root"), Target::BrokenAlias { nearest });
    for name in ["self", "ping", "grows"] {
        assert!(matches!(target(name), Target::Loop(_)), "{name}");
    }
}

#[test]
fn a_subtree_goes_on_where_its_aliases_point_and_finds_each_entry_once() {
    let fixture = world();
    let b = |scope, reach| reached(&fixture, Some(3), scope, reach, ALL).0;
    assert_eq!(b(WholeSubtree, Reach::default()), [3, 20, 30, 31]);
    assert_eq!(b(WholeSubtree, ALIASES), [2, 3, 10, 11, 20]);
    assert_eq!(b(Subordinates, ALIASES), [2, 10, 11, 20]);
    assert_eq!(b(SingleLevel, ALIASES), [2, 11, 20]);
    assert_eq!(b(BaseObject, ALIASES), [3]);
    // Through the index as well.
    assert_eq!(
        reached(&fixture, Some(3), WholeSubtree, ALIASES, "(cn=10)").0,
        [10]
    );
    assert_eq!(
        reached(&fixture, Some(3), SingleLevel, ALIASES, "(cn=11)").0,
        [11]
    );
    // Loops end, and what is found by an alias is searched for more of them.
    fixture.put([
        alias(50, 2, "back", "ou=b,dc=example,dc=com"),
        alias(51, 2, "up", "dc=example,dc=com"),
        container(4, 1, "c"),
    ]);
    let everything = [1, 2, 3, 4, 10, 11, 20];
    assert_eq!(b(WholeSubtree, ALIASES), everything);
    // An alias that is the base is no subordinate of it.
    assert_eq!(
        reached(&fixture, Some(50), WholeSubtree, ALIASES, ALL).0,
        [50]
    );
    assert_eq!(
        reached(&fixture, None, WholeSubtree, ALIASES, ALL).0,
        everything
    );
}

/// 1 top; 2 referral with 3 below; 4 ou with referral 5 in it, and 6.
fn referring() -> Fixture {
    Fixture::new([
        local_top(1),
        referral(2, 1, "ou=away", "ldap://other/ou=there,dc=y"),
        local(3, Some(2), "cn=hidden", "person"),
        container(4, 1, "here"),
        referral(5, 4, "ou=deeper", "ldap://third"),
        local(6, Some(4), "cn=6", "person"),
        referral(7, 2, "ou=within", "ldap://never"),
    ])
}

#[test]
fn names_at_and_below_referral_objects_lead_elsewhere() {
    let fixture = referring();
    let now = fixture.now();
    let object = now.id_of(id(2)).unwrap();
    let elsewhere = |below: &[&str]| {
        let below = below.iter().map(|rdn| Rdn::parse(rdn).unwrap()).collect();
        Target::Elsewhere(Reference { object, below })
    };
    let away = "ou=AWAY,dc=example,dc=com";
    assert_eq!(named(&now, away, FOLLOW), elsewhere(&[]));
    let deep = format!("cn=x,cn=hidden,{away}");
    assert_eq!(
        named(&now, &deep, FOLLOW),
        elsewhere(&["cn=x", "cn=hidden"])
    );
    let within = format!("ou=within,{away}");
    assert_eq!(named(&now, &within, FOLLOW), elsewhere(&["ou=within"]));
    let managed = named(&now, away, Diversions::default());
    assert_eq!(managed, Target::Found(object));
    // An alias may lead there.
    fixture.put([alias(8, 1, "to", &format!("cn=hidden,{away}"))]);
    let now = fixture.now();
    let target = named(&now, "cn=a,cn=to,dc=example,dc=com", FOLLOW);
    assert_eq!(target, elsewhere(&["cn=a", "cn=hidden"]));
}

#[test]
fn searches_meet_the_highest_referral_objects_and_nothing_below_them() {
    let fixture = referring();
    let top = |scope, reach| reached(&fixture, Some(1), scope, reach, ALL);
    let all = vec![1, 2, 3, 4, 5, 6, 7];
    assert_eq!(top(WholeSubtree, Reach::default()), (all, vec![]));
    assert_eq!(top(WholeSubtree, REFERRALS), (vec![1, 4, 6], vec![2, 5]));
    assert_eq!(top(Subordinates, REFERRALS), (vec![4, 6], vec![2, 5]));
    assert_eq!(top(SingleLevel, REFERRALS), (vec![4], vec![2]));
    assert_eq!(top(BaseObject, REFERRALS), (vec![1], vec![]));
    let root = reached(&fixture, None, WholeSubtree, REFERRALS, "(cn=6)");
    assert_eq!(root, (vec![6], vec![2, 5]));
    // Through an alias.
    fixture.put([
        container(9, 1, "other"),
        alias(8, 9, "to", "cn=hidden,ou=away,dc=example,dc=com"),
    ]);
    let both = Reach {
        aliases: true,
        ..REFERRALS
    };
    let found = reached(&fixture, Some(9), WholeSubtree, both, ALL);
    assert_eq!(found, (vec![9], vec![2]));
}

#[test]
fn subentries_are_found_as_a_base_or_on_request() {
    let fixture = Fixture::new([
        local_top(1),
        local(2, Some(1), "cn=policy", "subentry").with("subtreeSpecification", &["{}"]),
        local(3, Some(1), "cn=3", "person"),
    ]);
    let with = |subentries| Reach {
        subentries,
        ..Reach::default()
    };
    let of = |base, scope, subentries| reached(&fixture, base, scope, with(subentries), ALL).0;
    for base in [None, Some(1)] {
        assert_eq!(of(base, WholeSubtree, None), [1, 3]);
        assert_eq!(of(base, WholeSubtree, Some(false)), [1, 3]);
        assert_eq!(of(base, WholeSubtree, Some(true)), [2]);
    }
    assert_eq!(of(Some(1), SingleLevel, None), [3]);
    assert_eq!(of(Some(1), SingleLevel, Some(true)), [2]);
    assert_eq!(of(Some(2), BaseObject, None), [2]);
    assert_eq!(of(Some(2), BaseObject, Some(true)), [2]);
    assert_eq!(of(Some(2), BaseObject, Some(false)), NOBODY);
    assert_eq!(of(Some(3), BaseObject, Some(true)), NOBODY);
    fixture.delete(&[2]);
    assert_eq!(of(None, WholeSubtree, Some(true)), NOBODY);
}

#[test]
fn a_naming_context_within_another_is_searched_with_it() {
    let deep = local(
        5,
        None,
        "dc=deep,dc=lab,dc=corp,dc=example,dc=com",
        "domain",
    );
    let fixture = Fixture::new([
        local_top(1),
        domain(2),
        user(11, 2, "ann"),
        deep,
        local(6, Some(5), "cn=6", "person"),
        local(7, None, "dc=com", "domain"),
        local(8, None, "dc=other", "domain"),
        container(9, 1, "here"),
    ]);
    let from = |base, scope| reached(&fixture, Some(base), scope, Reach::default(), ALL).0;
    assert_eq!(from(1, WholeSubtree), [1, 2, 5, 6, 9, 11]);
    assert_eq!(from(1, Subordinates), [2, 5, 6, 9, 11]);
    assert_eq!(from(1, SingleLevel), [2, 9]);
    assert_eq!(from(2, WholeSubtree), [2, 5, 6, 11]);
    assert_eq!(from(2, SingleLevel), [11]);
    assert_eq!(from(7, SingleLevel), [1]);
    assert_eq!(from(7, WholeSubtree), [1, 2, 5, 6, 7, 9, 11]);
    assert_eq!(from(8, WholeSubtree), [8]);
    assert_eq!(from(9, WholeSubtree), [9]);
    assert_eq!(fixture.values(1, "numSubordinates"), ["2"]);
    assert_eq!(fixture.values(7, "hasSubordinates"), ["TRUE"]);
    assert_eq!(fixture.values(8, "hasSubordinates"), ["FALSE"]);
    // Copies left out.
    let originals = Reach {
        originals: true,
        ..Reach::default()
    };
    let found = reached(&fixture, Some(1), WholeSubtree, originals, ALL).0;
    assert_eq!(found, [1, 5, 6, 9]);
    // A context that is not served does not show.
    fixture.delete(&[11]);
    assert_eq!(from(1, WholeSubtree), [1, 5, 6, 9]);
}

#[test]
fn ambiguous_names_are_looked_up_by_their_beginnings() {
    let person = |number, cn: &str, given_name: &str, sn: &str| {
        local(number, Some(1), &format!("cn={cn}"), "inetOrgPerson")
            .with("givenName", &[given_name])
            .with("sn", &[sn])
    };
    let fixture = Fixture::new([
        local_top(1),
        person(2, "jsmith", "John", "Smith").with("title", &["Johnny"]),
        person(3, "x", "Johanna", "Smithers").with("legacyExchangeDN", &["/o=a/cn=x"]),
        person(4, "y", "Mary", "Johnson").with("proxyAddresses", &["smtp:smith@example.com"]),
        local(5, Some(1), "l=Johnstown", "locality"),
    ]);
    for (filter, expected) in [
        ("(anr=smith)", &[2, 3][..]),
        ("(ANR~= SMITH)", &[2, 3]),
        ("(anr=smith*)", &[2, 3]),
        ("(anr==smith)", &[2]),
        ("(anr=john)", &[2, 4]),
        ("(anr=jo sm)", &[2, 3]),
        ("(anr=smith john)", &[2]),
        ("(anr=john smithers)", &[]),
        ("(anr=/o=a/cn=x)", &[3]),
        ("(anr=/o=a)", &[]),
        ("(anr=smtp:smi)", &[4]),
        ("(anr=)", &[]),
        ("(!(anr=))", &[]),
        ("(anr==)", &[]),
        ("(anr=*)", &[]),
        ("(anr=*smith)", &[]),
        ("(&(anr=smith)(!(anr==smith)))", &[3]),
    ] {
        assert_eq!(fixture.find(filter), expected, "{filter}");
    }
}

/// What an entry of a random tree is.
#[derive(Clone, Copy, Debug)]
enum Made {
    Plain,
    Alias(usize),
    Referral,
}

/// A tree of entries by position; each stands after the one above it. Aliases have nothing below.
#[derive(Clone, Debug)]
struct Tree(Vec<(usize, Made)>);

fn trees() -> impl Strategy<Value = Tree> {
    let made = (
        any::<prop::sample::Index>(),
        any::<prop::sample::Index>(),
        0..8u8,
    );
    prop::collection::vec(made, 1..14).prop_map(|drawn| {
        let mut nodes: Vec<(usize, Made)> = vec![(0, Made::Plain)];
        let count = drawn.len() + 1;
        for (parent, target, kind) in drawn {
            let above: Vec<usize> = (0..nodes.len())
                .filter(|node| !matches!(nodes[*node].1, Made::Alias(_)))
                .collect();
            let made = match kind {
                0..=3 => Made::Plain,
                4..=6 => Made::Alias(target.index(count)),
                _ => Made::Referral,
            };
            nodes.push((above[parent.index(above.len())], made));
        }
        Tree(nodes)
    })
}

impl Tree {
    fn dn(&self, node: usize) -> String {
        match node {
            0 => "dc=example,dc=com".to_owned(),
            node => format!("cn={node},{}", self.dn(self.0[node].0)),
        }
    }

    fn entry(&self, node: usize) -> Entry {
        let number = |node: usize| u32::try_from(node).unwrap() + 1;
        let (parent, made) = self.0[node];
        match made {
            _ if node == 0 => local_top(1),
            Made::Plain => local(
                number(node),
                Some(number(parent)),
                &format!("cn={node}"),
                "device",
            ),
            Made::Alias(target) => alias(
                number(node),
                number(parent),
                &node.to_string(),
                &self.dn(target),
            ),
            Made::Referral => referral(
                number(node),
                number(parent),
                &format!("cn={node}"),
                "ldap://x",
            ),
        }
    }

    /// The entry a name leads to, or the referral object in its way; `None` for a loop.
    fn lead(&self, node: usize, through: usize) -> Option<Result<usize, usize>> {
        let mut path = vec![node];
        while *path.last().unwrap() > 0 {
            path.push(self.0[*path.last().unwrap()].0);
        }
        let referral = path
            .into_iter()
            .rev()
            .find(|node| matches!(self.0[*node].1, Made::Referral));
        match (referral, self.0[node].1) {
            (Some(referral), _) => Some(Err(referral)),
            (None, Made::Alias(target)) if through < 30 => self.lead(target, through + 1),
            (None, Made::Alias(_)) => None,
            (None, _) => Some(Ok(node)),
        }
    }

    fn children(&self, above: usize) -> impl Iterator<Item = usize> + '_ {
        (1..self.0.len()).filter(move |node| self.0[*node].0 == above)
    }

    /// RFC 4511 section 4.5.1.3 and RFC 3296 section 5.4, entry by entry.
    fn walk(
        &self,
        node: usize,
        deep: bool,
        found: &mut BTreeSet<usize>,
        met: &mut BTreeSet<usize>,
    ) {
        if !found.insert(node) {
            return;
        }
        for child in self.children(node) {
            match self.0[child].1 {
                Made::Referral => {
                    met.insert(child);
                }
                Made::Alias(_) => match self.lead(child, 0) {
                    Some(Ok(target)) if deep => self.walk(target, deep, found, met),
                    Some(Ok(target)) => {
                        found.insert(target);
                    }
                    Some(Err(referral)) => {
                        met.insert(referral);
                    }
                    None => {}
                },
                Made::Plain if deep => self.walk(child, deep, found, met),
                Made::Plain => {
                    found.insert(child);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..Default::default() })]

    #[test]
    fn regions_are_what_a_walk_over_the_tree_reaches(tree in trees(), base: prop::sample::Index) {
        let base = base.index(tree.0.len());
        // A base at or below a referral object is none.
        prop_assume!(!matches!(tree.lead(base, 29), Some(Err(_))));
        let fixture = Fixture::new((0..tree.0.len()).map(|node| tree.entry(node)));
        let reach = Reach { aliases: true, ..REFERRALS };
        let numbers = |nodes: BTreeSet<usize>| -> Vec<u32> {
            nodes.into_iter().map(|node| u32::try_from(node).unwrap() + 1).collect()
        };
        let number = u32::try_from(base).unwrap() + 1;
        for scope in [WholeSubtree, Subordinates, SingleLevel] {
            let (mut found, mut met) = (BTreeSet::new(), BTreeSet::new());
            tree.walk(base, scope != SingleLevel, &mut found, &mut met);
            let names_base = tree.children(base).any(|child| tree.lead(child, 0) == Some(Ok(base)));
            if scope == Subordinates || (scope == SingleLevel && !names_base) {
                found.remove(&base);
            }
            let expected = (numbers(found), numbers(met));
            let (found, mut met) = reached(&fixture, Some(number), scope, reach, ALL);
            met.dedup();
            prop_assert_eq!((found, met), expected, "{:?} from {}", scope, number);
        }
    }
}
