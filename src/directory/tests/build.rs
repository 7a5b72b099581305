//! Entries to test with: local ones and such as AD's, by small numbers instead of identities.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use uuid::Uuid;

use crate::{
    access::Secrets,
    ber::{OCTET_STRING, Reader},
    directory::{
        AttributeSelection, BoundFilter, Directory, EntryId, Resolved, Search, SelectSettings,
        Snapshot, SourceSettings, Step,
    },
    dn::Dn,
    entry::{Attribute, Entry, Link, Origin},
    filter::Filter,
    mapping::{policy::PosixPolicy, sid::Sid},
    proto::{MessageId, request::SearchScope, response::write_entry},
    schema::Schema,
    store::MemoryStore,
};

pub(crate) const SOURCE: &str = "corp";
/// No numbers.
pub(crate) const NOBODY: [u32; 0] = [];
/// No values.
pub(crate) const NO_VALUES: [&str; 0] = [];

const DOMAIN_SID: &str = "S-1-5-21-2966102495-3163130805-921133302";

/// The identity behind a small number.
pub(crate) fn id(number: u32) -> Uuid {
    Uuid::from_u128(0x1000_0000_0000_4000_8000_0000_0000_0000 + u128::from(number))
}

pub(crate) fn attribute(description: &str, values: &[&str]) -> Attribute {
    Attribute {
        description: description.to_owned(),
        values: values
            .iter()
            .map(|value| value.as_bytes().to_vec())
            .collect(),
    }
}

/// A way to say what an entry has.
pub(crate) trait With: Sized {
    fn with(self, description: &str, values: &[&str]) -> Self;
    fn linked(self, attribute: &str, targets: &[u32]) -> Self;
    fn named(self, rdn: &str) -> Self;
}

impl With for Entry {
    fn with(mut self, description: &str, values: &[&str]) -> Self {
        self.set(description, attribute("", values).values);
        self
    }

    fn linked(mut self, attribute: &str, targets: &[u32]) -> Self {
        self.links
            .retain(|link| !link.attribute.eq_ignore_ascii_case(attribute));
        self.links.push(Link {
            attribute: attribute.to_owned(),
            targets: targets.iter().map(|target| id(*target)).collect(),
        });
        self
    }

    fn named(mut self, rdn: &str) -> Self {
        rdn.clone_into(&mut self.rdn);
        self
    }
}

fn entry(number: u32, parent: Option<u32>, rdn: &str, origin: Origin) -> Entry {
    Entry {
        uuid: id(number),
        parent: parent.map(id),
        rdn: rdn.to_owned(),
        origin,
        attributes: Vec::new(),
        links: Vec::new(),
    }
}

/// A local entry with the values of its RDN.
pub(crate) fn local(number: u32, parent: Option<u32>, rdn: &str, class: &str) -> Entry {
    let mut made = entry(number, parent, rdn, Origin::Local).with("objectClass", &[class]);
    for ava in &Dn::parse(rdn).unwrap().rdn().unwrap().avas {
        made.set(&ava.attribute, vec![ava.value.clone()]);
    }
    made
}

/// A local top, `dc=example,dc=com`.
pub(crate) fn local_top(number: u32) -> Entry {
    local(number, None, "dc=example,dc=com", "domain")
}

fn ad(number: u32, parent: Option<u32>, rdn: &str, classes: &[&str]) -> Entry {
    let name = String::from_utf8(Dn::parse(rdn).unwrap().rdn().unwrap().avas[0].value.clone());
    entry(number, parent, rdn, Origin::Source(SOURCE.to_owned()))
        .with("objectClass", classes)
        .with("name", &[&name.unwrap()])
}

/// The top of the AD domain, `DC=corp,DC=example,DC=com`.
pub(crate) fn domain(number: u32) -> Entry {
    let mut made = ad(
        number,
        None,
        "DC=corp,DC=example,DC=com",
        &["top", "domain", "domainDNS"],
    );
    made.set("objectSid", vec![sid(None)]);
    made
}

pub(crate) fn ou(number: u32, parent: u32, name: &str) -> Entry {
    ad(
        number,
        Some(parent),
        &format!("OU={name}"),
        &["top", "organizationalUnit"],
    )
}

fn sid(rid: Option<u32>) -> Vec<u8> {
    let text = match rid {
        Some(rid) => format!("{DOMAIN_SID}-{rid}"),
        None => DOMAIN_SID.to_owned(),
    };
    text.parse::<Sid>().unwrap().to_bytes()
}

/// A user of AD whose RID is his number plus 1000; Domain Users is his primary group.
pub(crate) fn user(number: u32, parent: u32, name: &str) -> Entry {
    let mut made = ad(
        number,
        Some(parent),
        &format!("CN={name}"),
        &["top", "person", "organizationalPerson", "user"],
    )
    .with("sAMAccountName", &[name])
    .with("sAMAccountType", &["805306368"])
    .with("userAccountControl", &["512"])
    .with("primaryGroupID", &["513"]);
    made.set("objectSid", vec![sid(Some(number + 1000))]);
    made
}

/// A global security group of AD, whose RID is its number plus 1000, or below 1000 the number.
pub(crate) fn group(number: u32, parent: u32, name: &str, members: &[u32]) -> Entry {
    let mut made = ad(
        number,
        Some(parent),
        &format!("CN={name}"),
        &["top", "group"],
    )
    .with("sAMAccountName", &[name])
    .with("sAMAccountType", &["268435456"])
    .with("groupType", &["-2147483646"])
    .linked("member", members);
    let rid = if (500..1000).contains(&number) {
        number
    } else {
        number + 1000
    };
    made.set("objectSid", vec![sid(Some(rid))]);
    made
}

pub(crate) fn settings(select: SelectSettings) -> SourceSettings {
    SourceSettings {
        name: SOURCE.to_owned(),
        domain: "corp.example.com".to_owned(),
        posix: PosixPolicy::default(),
        select,
    }
}

/// A directory over a store in memory, which can be opened again.
pub(crate) struct Fixture {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) sources: Vec<SourceSettings>,
    pub(crate) directory: Directory,
}

impl Fixture {
    pub(crate) fn new(entries: impl IntoIterator<Item = Entry>) -> Self {
        Self::selecting(SelectSettings::default(), entries)
    }

    pub(crate) fn selecting(
        select: SelectSettings,
        entries: impl IntoIterator<Item = Entry>,
    ) -> Self {
        Self::with_sources(vec![settings(select)], entries)
    }

    pub(crate) fn with_sources(
        sources: Vec<SourceSettings>,
        entries: impl IntoIterator<Item = Entry>,
    ) -> Self {
        let store = Arc::new(MemoryStore::new());
        let fixture = Self {
            directory: open(&store, sources.clone()),
            store,
            sources,
        };
        fixture.put(entries);
        fixture
    }

    /// The same content, loaded anew.
    pub(crate) fn reopened(&self) -> Directory {
        open(&self.store, self.sources.clone())
    }

    pub(crate) fn put(&self, entries: impl IntoIterator<Item = Entry>) {
        self.change(entries, &[]);
    }

    pub(crate) fn delete(&self, numbers: &[u32]) {
        self.change([], numbers);
    }

    pub(crate) fn change(&self, entries: impl IntoIterator<Item = Entry>, deleted: &[u32]) {
        self.directory
            .write(|transaction| {
                for entry in entries {
                    transaction.put(entry);
                }
                for number in deleted {
                    transaction.delete(id(*number));
                }
                Ok::<_, std::convert::Infallible>(())
            })
            .unwrap();
    }

    /// The entry as it is stored.
    pub(crate) fn stored(&self, number: u32) -> Entry {
        self.directory
            .write(|transaction| transaction.get(id(number)))
            .unwrap()
            .unwrap()
    }

    pub(crate) fn now(&self) -> Arc<Snapshot> {
        self.directory.snapshot()
    }

    /// The numbers of the served entries that a filter finds anywhere, by plan; fails where a scan
    /// or a directory that is loaded anew finds others.
    pub(crate) fn find(&self, filter: &str) -> Vec<u32> {
        let found = find(&self.now(), filter);
        assert_eq!(find(&self.reopened().snapshot(), filter), found, "reopened");
        found
    }

    /// The values of an attribute, sorted.
    pub(crate) fn values(&self, number: u32, attribute: &str) -> Vec<String> {
        let found = values(&self.now(), number, attribute);
        assert_eq!(
            values(&self.reopened().snapshot(), number, attribute),
            found,
            "reopened"
        );
        found
    }

    pub(crate) fn dn(&self, number: u32) -> String {
        let now = self.now();
        now.dn(now.id_of(id(number)).unwrap())
    }

    pub(crate) fn is_served(&self, number: u32) -> bool {
        let is_served = |snapshot: &Snapshot| {
            snapshot
                .id_of(id(number))
                .is_some_and(|id| snapshot.is_served(id))
        };
        let served = is_served(&self.now());
        assert_eq!(is_served(&self.reopened().snapshot()), served, "reopened");
        served
    }

    /// Which of these are served.
    pub(crate) fn served(&self, numbers: &[u32]) -> Vec<u32> {
        let served = numbers.iter().copied();
        served.filter(|number| self.is_served(*number)).collect()
    }
}

pub(crate) fn open(store: &Arc<MemoryStore>, sources: Vec<SourceSettings>) -> Directory {
    let (directory, summary) = Directory::open(
        Arc::clone(store) as Arc<_>,
        Schema::shared_builtin(),
        sources,
    )
    .unwrap();
    assert_eq!(summary.problems, Vec::<String>::new());
    directory.index_substrings();
    directory
}

pub(crate) fn bind(snapshot: &Snapshot, filter: &str) -> BoundFilter {
    let filter = Filter::parse(filter).unwrap();
    BoundFilter::bind(
        &filter.as_request(),
        snapshot,
        &Secrets::new(snapshot.schema()),
    )
}

/// One entry of an answer: DN, then descriptions with sorted values.
pub(crate) type Found = (String, BTreeMap<String, Vec<Vec<u8>>>);

pub(crate) fn search(
    snapshot: &Arc<Snapshot>,
    base: Option<EntryId>,
    scope: SearchScope,
    filter: BoundFilter,
    attributes: &[&str],
) -> Vec<Found> {
    let search = Search::new(Arc::clone(snapshot), base, scope, filter);
    run(search, &select(snapshot, attributes, false), usize::MAX)
}

/// Runs a search to its end in slices of a number of candidates.
pub(crate) fn run(mut search: Search, selection: &AttributeSelection, slice: usize) -> Vec<Found> {
    let snapshot = Arc::clone(search.snapshot());
    let mut out = Vec::new();
    let mut budget = slice;
    loop {
        match search.next(&mut budget) {
            Step::Match(id) => write_entry(
                &mut out,
                MessageId(1),
                |out| snapshot.write_dn(id, out),
                |out| {
                    selection.write(&snapshot, id, &snapshot.entry(id).unwrap().attributes, out);
                },
                &[],
            ),
            Step::Paused => budget = slice,
            Step::Complete => return decode(&out),
        }
    }
}

pub(crate) fn select(
    snapshot: &Snapshot,
    attributes: &[&str],
    types_only: bool,
) -> AttributeSelection {
    let list: Vec<&[u8]> = attributes.iter().map(|name| name.as_bytes()).collect();
    AttributeSelection::new(
        snapshot,
        &list,
        types_only,
        &Secrets::new(snapshot.schema()),
    )
}

/// Reads SearchResultEntry messages.
pub(crate) fn decode(out: &[u8]) -> Vec<Found> {
    let mut messages = Reader::new(out);
    let mut found = Vec::new();
    while !messages.is_empty() {
        let mut message = messages.element().unwrap().reader();
        message.integer().unwrap();
        let mut entry = message.element().unwrap().reader();
        let dn = String::from_utf8(entry.octets().unwrap().to_vec()).unwrap();
        let mut list = entry.element().unwrap().reader();
        let mut attributes = BTreeMap::new();
        while !list.is_empty() {
            let mut attribute = list.element().unwrap().reader();
            let name = String::from_utf8(attribute.octets().unwrap().to_vec()).unwrap();
            let mut set = attribute.element().unwrap().reader();
            let mut values = Vec::new();
            while !set.is_empty() {
                values.push(set.expect(OCTET_STRING).unwrap().contents.to_vec());
            }
            values.sort();
            let twice = attributes.insert(name, values);
            assert_eq!(twice, None, "an attribute was given twice in {dn}");
        }
        found.push((dn, attributes));
    }
    found
}

/// The numbers of the served entries that match.
pub(crate) fn find(snapshot: &Arc<Snapshot>, filter: &str) -> Vec<u32> {
    let bound = bind(snapshot, filter);
    let planned: BTreeSet<String> = search(
        snapshot,
        None,
        SearchScope::WholeSubtree,
        bound.clone(),
        &["entryUUID"],
    )
    .into_iter()
    .map(|(_, attributes)| String::from_utf8(attributes["entryUUID"][0].clone()).unwrap())
    .collect();
    let scanned: BTreeSet<String> = scan(snapshot, &bound)
        .into_iter()
        .map(|id| snapshot.entry(id).unwrap().uuid.to_string())
        .collect();
    assert_eq!(planned, scanned, "{filter}");
    planned
        .iter()
        .map(|uuid| {
            let number = Uuid::parse_str(uuid).unwrap().as_u128() - id(0).as_u128();
            u32::try_from(number).unwrap()
        })
        .collect()
}

/// The served entries a filter is true of, without any plan.
pub(crate) fn scan(snapshot: &Snapshot, filter: &BoundFilter) -> Vec<EntryId> {
    (0..snapshot.id_bound())
        .map(EntryId)
        .filter(|id| {
            snapshot.is_served(*id)
                && filter.evaluate(crate::directory::Subject {
                    snapshot,
                    id: Some(*id),
                    attributes: &snapshot.entry(*id).unwrap().attributes,
                }) == Some(true)
        })
        .collect()
}

pub(crate) fn values(snapshot: &Arc<Snapshot>, number: u32, attribute: &str) -> Vec<String> {
    let base = snapshot.id_of(id(number)).unwrap();
    let found = search(
        snapshot,
        Some(base),
        SearchScope::BaseObject,
        bind(snapshot, "(objectClass=*)"),
        &[attribute],
    );
    let [(_, attributes)] = found.as_slice() else {
        return Vec::new();
    };
    attributes
        .values()
        .flatten()
        .map(|value| String::from_utf8_lossy(value).into_owned())
        .collect()
}

/// What a DN resolves to: the number, or the DN of the nearest entry above.
pub(crate) fn resolve(snapshot: &Snapshot, dn: &str) -> Result<u32, String> {
    match snapshot.resolve(&Dn::parse(dn).unwrap()) {
        Resolved::Found(found) => {
            let number = snapshot.entry(found).unwrap().uuid.as_u128() - id(0).as_u128();
            Ok(u32::try_from(number).unwrap())
        }
        Resolved::Missing { nearest } => Err(nearest.map(|id| snapshot.dn(id)).unwrap_or_default()),
    }
}
