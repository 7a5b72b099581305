//! An AD in memory for tests of the engine.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use uuid::Uuid;

use super::controller::{Controller, Domain, Each};
use crate::{
    proto::ResultCode,
    upstream::{
        DcFacts, DirSyncObject, DirSyncRequest, DirSyncRound, LinkValue, PasswordPolicy,
        ServerAddress, UpstreamError,
    },
};

pub(super) const BASE: &str = "DC=corp,DC=example,DC=com";
pub(super) const DOMAIN: Uuid = Uuid::from_u128(1);
pub(super) const STAFF: Uuid = Uuid::from_u128(2);

pub(super) fn facts() -> DcFacts {
    DcFacts {
        default_naming_context: BASE.to_owned(),
        configuration_naming_context: format!("CN=Configuration,{BASE}"),
        ds_service_name: format!("CN=NTDS Settings,CN=DC1,CN=Configuration,{BASE}"),
        dns_host_name: "dc1.corp.example.com".to_owned(),
        invocation_id: Uuid::from_u128(77),
        highest_committed_usn: 100,
        domain_sid: vec![
            1, 4, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0,
        ],
        domain_guid: DOMAIN,
        netbios_name: "CORP".to_owned(),
        dns_domain: "corp.example.com".to_owned(),
        upn_suffixes: Vec::new(),
        tombstone_lifetime: Duration::from_secs(180 * 24 * 60 * 60),
        password_policy: PasswordPolicy::default(),
    }
}

/// What the domain holds, and what goes wrong next.
pub(super) struct Ad {
    pub(super) facts: DcFacts,
    pub(super) usn: u64,
    /// The objects as they are.
    pub(super) objects: BTreeMap<Uuid, DirSyncObject>,
    /// What was told of each change; a cookie is a place in it.
    pub(super) changes: Vec<DirSyncObject>,
    /// The cookies that were sent.
    pub(super) cookies: Vec<Option<usize>>,
    /// The next round breaks off after so many objects.
    pub(super) break_after: Option<usize>,
    /// Cookies are refused.
    pub(super) rejects: bool,
    /// Nobody answers.
    pub(super) is_down: bool,
    /// The connection is closed before it is used again.
    pub(super) closes: bool,
    pub(super) blind: bool,
    /// Objects that were read singly.
    pub(super) read: Vec<Uuid>,
}

#[derive(Clone)]
pub(super) struct FakeDomain(pub(super) Arc<Mutex<Ad>>);

pub(super) struct FakeController {
    ad: Arc<Mutex<Ad>>,
    facts: DcFacts,
    request: DirSyncRequest,
}

impl FakeDomain {
    /// A domain with one unit.
    pub(super) fn new() -> Self {
        let ad = Self(Arc::new(Mutex::new(Ad {
            facts: facts(),
            usn: 100,
            objects: BTreeMap::new(),
            changes: Vec::new(),
            cookies: Vec::new(),
            break_after: None,
            rejects: false,
            is_down: false,
            closes: false,
            blind: false,
            read: Vec::new(),
        })));
        ad.add(object(DOMAIN, BASE, None, &["top", "domainDNS"]));
        ad.add(object(
            STAFF,
            "OU=Staff",
            Some(DOMAIN),
            &["top", "organizationalUnit"],
        ));
        ad
    }

    pub(super) fn with<T>(&self, change: impl FnOnce(&mut Ad) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    /// Adds or replaces an object, and tells of all of it.
    pub(super) fn add(&self, object: DirSyncObject) {
        self.change(object.clone(), Some(object));
    }

    pub(super) fn delete(&self, guid: Uuid) {
        let mut gone = bare(guid, "CN=x\\0ADEL:1,CN=Deleted Objects");
        gone.is_deleted = true;
        self.change(gone, None);
    }

    /// Tells of a change; `whole` is the object after it.
    pub(super) fn change(&self, told: DirSyncObject, whole: Option<DirSyncObject>) {
        self.with(|ad| {
            ad.usn += 1;
            let guid = told.guid;
            ad.changes.push(told);
            match whole {
                Some(whole) => ad.objects.insert(guid, whole),
                None => ad.objects.remove(&guid),
            };
        });
    }
}

impl Domain for FakeDomain {
    type Controller = FakeController;

    async fn connect(&mut self, _preferred: Option<&str>) -> Result<FakeController, UpstreamError> {
        self.with(|ad| {
            if ad.is_down {
                return Err(UpstreamError::AllDown("none is known".to_owned()));
            }
            ad.closes = false;
            Ok(FakeController {
                ad: Arc::clone(&self.0),
                facts: ad.facts.clone(),
                request: DirSyncRequest::new(BASE, &["mail"], &["member"], "svc"),
            })
        })
    }
}

impl FakeController {
    fn answering<T>(
        &self,
        answer: impl FnOnce(&mut Ad) -> Result<T, UpstreamError>,
    ) -> Result<T, UpstreamError> {
        let mut ad = self.ad.lock().unwrap();
        if ad.is_down || ad.closes {
            return Err(UpstreamError::Closed {
                server: ServerAddress::ldaps("dc1.corp.example.com"),
                detail: String::new(),
            });
        }
        answer(&mut ad)
    }
}

impl Controller for FakeController {
    fn facts(&self) -> &DcFacts {
        &self.facts
    }

    fn request(&self) -> &DirSyncRequest {
        &self.request
    }

    async fn usn(&mut self) -> Result<u64, UpstreamError> {
        self.answering(|ad| Ok(ad.usn))
    }

    async fn round(
        &mut self,
        cookie: &[u8],
        each: Each<'_>,
    ) -> Result<DirSyncRound, UpstreamError> {
        self.answering(|ad| {
            let from = std::str::from_utf8(cookie).unwrap().parse().ok();
            ad.cookies.push(from);
            let objects: Vec<DirSyncObject> = match from {
                Some(_) if ad.rejects => {
                    return Err(UpstreamError::CookieRejected {
                        server: ServerAddress::ldaps("dc1.corp.example.com"),
                        text: "garbage".to_owned(),
                    });
                }
                Some(from) => ad.changes.get(from..).unwrap_or_default().to_vec(),
                // Children before parents, as a set may come.
                None => ad.objects.values().rev().cloned().collect(),
            };
            for (number, object) in objects.iter().enumerate() {
                if ad.break_after == Some(number) {
                    ad.break_after = None;
                    return Err(UpstreamError::Incomplete {
                        server: ServerAddress::ldaps("dc1.corp.example.com"),
                        code: ResultCode(4),
                        text: "cut short".to_owned(),
                    });
                }
                each(object.clone());
            }
            Ok(DirSyncRound {
                cookie: ad.changes.len().to_string().into_bytes(),
                objects: objects.len(),
                answers: 1,
            })
        })
    }

    async fn object(&mut self, guid: Uuid) -> Result<Option<DirSyncObject>, UpstreamError> {
        self.answering(|ad| {
            ad.read.push(guid);
            Ok(ad.objects.get(&guid).cloned())
        })
    }

    async fn check_deletions(&mut self) -> Result<(), UpstreamError> {
        self.answering(|ad| {
            if ad.blind {
                return Err(UpstreamError::DeletedObjectsUnreadable {
                    account: "svc".to_owned(),
                    container: "CN=Deleted Objects".to_owned(),
                    remedy: "grant it".to_owned(),
                });
            }
            Ok(())
        })
    }
}

/// A change that says nothing yet.
pub(super) fn bare(guid: Uuid, dn: &str) -> DirSyncObject {
    DirSyncObject {
        guid,
        dn: dn.to_owned(),
        name: None,
        parent_guid: None,
        is_deleted: false,
        is_reanimated: false,
        last_known_parent: None,
        attributes: Vec::new(),
        link_adds: Vec::new(),
        link_removes: Vec::new(),
        links_replaced: Vec::new(),
    }
}

/// A whole object; `rdn` is its DN as far as anybody looks at it.
pub(super) fn object(
    guid: Uuid,
    rdn: &str,
    parent: Option<Uuid>,
    classes: &[&str],
) -> DirSyncObject {
    let name = rdn.split_once('=').unwrap().1;
    DirSyncObject {
        name: Some(name.to_owned()),
        parent_guid: parent,
        attributes: vec![
            (
                "objectClass".to_owned(),
                classes
                    .iter()
                    .map(|class| class.as_bytes().to_vec())
                    .collect(),
            ),
            ("name".to_owned(), vec![name.as_bytes().to_vec()]),
        ],
        ..bare(
            guid,
            &match parent {
                Some(_) => format!("{rdn},{BASE}"),
                None => rdn.to_owned(),
            },
        )
    }
}

/// A user of the unit.
pub(super) fn user(number: u128) -> DirSyncObject {
    let mut user = object(
        Uuid::from_u128(number),
        &format!("CN=u{number}"),
        Some(STAFF),
        &["top", "person", "user"],
    );
    user.attributes.extend([
        (
            "sAMAccountName".to_owned(),
            vec![format!("u{number}").into_bytes()],
        ),
        ("sAMAccountType".to_owned(), vec![b"805306368".to_vec()]),
    ]);
    user
}

/// A group of the unit with these members.
pub(super) fn group(number: u128, members: &[u128]) -> DirSyncObject {
    let mut group = object(
        Uuid::from_u128(number),
        &format!("CN=g{number}"),
        Some(STAFF),
        &["top", "group"],
    );
    group
        .attributes
        .push(("groupType".to_owned(), vec![b"-2147483646".to_vec()]));
    group.link_adds.push(("member".to_owned(), links(members)));
    group
}

pub(super) fn links(targets: &[u128]) -> Vec<LinkValue> {
    targets
        .iter()
        .map(|target| LinkValue {
            guid: Uuid::from_u128(*target),
            sid: None,
            dn: String::new(),
        })
        .collect()
}
