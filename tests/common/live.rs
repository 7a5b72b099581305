//! A server within the test's own process, whose directory the test writes to.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use adduct::access::Access;
use adduct::access::config::{AccessConfig, Anonymous};
use adduct::auth::Authenticator;
use adduct::auth::hash_pool::HashPool;
use adduct::auth::recheck::Recheck;
use adduct::directory::Directory;
use adduct::entry::{Attribute, Entry, Link, Origin};
use adduct::schema::Schema;
use adduct::server::config::{LimitsConfig, ListenConfig};
use adduct::server::metrics::ServerMetrics;
use adduct::server::{Listeners, MadeUpEntries, Service, Settings};
use adduct::store::MemoryStore;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::ldap::Tools;

/// The top of what it serves.
pub const TOP: &str = "dc=example,dc=org";

/// A server that anybody may read, over a store in memory.
pub struct Live {
    pub directory: Arc<Directory>,
    pub address: SocketAddr,
    runtime: Option<Runtime>,
    shutdown: CancellationToken,
}

impl Live {
    /// Serves a top with entries below it.
    pub fn start(limits: LimitsConfig, entries: impl IntoIterator<Item = Entry>) -> Self {
        let store = Arc::new(MemoryStore::new());
        let (directory, _) = Directory::open(store, Schema::shared_builtin(), Vec::new()).unwrap();
        let directory = Arc::new(directory);
        let authenticator = Authenticator::new(
            Arc::clone(&directory),
            HashPool::new(1, 8).unwrap(),
            Recheck::new(Duration::ZERO),
            HashMap::new(),
        );
        let access = AccessConfig {
            anonymous: Anonymous::Read,
            ..AccessConfig::default()
        };
        let settings = Settings {
            access: Access::new(&access, directory.snapshot().schema()),
            limits,
            tls: None,
            insecure_plaintext_bind: true,
            naming_contexts: Vec::new(),
            made_up: MadeUpEntries::default(),
        };
        let service = Arc::new(Service::new(
            Arc::clone(&directory),
            authenticator,
            Arc::new(ServerMetrics::default()),
            settings,
            || true,
        ));
        let runtime = Runtime::new().unwrap();
        let shutdown = CancellationToken::new();
        let guard = runtime.enter();
        let listeners = Listeners::bind(&ListenConfig {
            ldap: vec!["127.0.0.1:0".parse().unwrap()],
            ldaps: Vec::new(),
            metrics: None,
        });
        let listeners = listeners.unwrap();
        let address = listeners.ldap_addresses()[0];
        runtime.spawn(listeners.serve(service, shutdown.clone()));
        drop(guard);
        let live = Self {
            directory,
            address,
            runtime: Some(runtime),
            shutdown,
        };
        live.change(std::iter::once(top()).chain(entries), &[]);
        live
    }

    /// Changes entries and deletes some, in one commit.
    pub fn change(&self, entries: impl IntoIterator<Item = Entry>, deleted: &[u32]) {
        let change = |transaction: &mut adduct::directory::Transaction<'_>| {
            for entry in entries {
                transaction.put(entry);
            }
            for number in deleted {
                transaction.delete(id(*number));
            }
            Ok::<_, std::convert::Infallible>(())
        };
        self.directory.write(change).unwrap();
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("ldap://{}", self.address)
    }

    /// OpenLDAP's tools.
    pub fn tools(&self) -> Tools {
        Tools::to(&self.url(), Path::new("/dev/null"))
    }

    /// Begins to shut down.
    pub fn shut_down(&self) {
        self.shutdown.cancel();
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.shutdown.cancel();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

/// The identity behind a small number.
pub fn id(number: u32) -> Uuid {
    Uuid::from_u128(0x1000_0000_0000_4000_8000_0000_0000_0000 + u128::from(number))
}

fn top() -> Entry {
    Entry {
        uuid: id(1),
        parent: None,
        rdn: TOP.to_owned(),
        origin: Origin::Local,
        attributes: vec![
            attribute("objectClass", &["domain"]),
            attribute("dc", &["example"]),
        ],
        links: Vec::new(),
    }
}

/// An entry; the values of its RDN are among the attributes.
pub fn entry(number: u32, parent: u32, rdn: &str, attributes: &[(&str, &[&str])]) -> Entry {
    let (name, value) = rdn.split_once('=').unwrap();
    let mut list = vec![attribute(name, &[value])];
    for (name, values) in attributes {
        list.push(attribute(name, values));
    }
    Entry {
        uuid: id(number),
        parent: Some(id(parent)),
        rdn: rdn.to_owned(),
        origin: Origin::Local,
        attributes: list,
        links: Vec::new(),
    }
}

/// An organizational unit.
pub fn unit(number: u32, parent: u32, name: &str) -> Entry {
    let rdn = format!("ou={name}");
    entry(
        number,
        parent,
        &rdn,
        &[("objectClass", &["organizationalUnit"])],
    )
}

/// A person.
pub fn person(number: u32, parent: u32, name: &str, description: &str) -> Entry {
    let attributes: [(&str, &[&str]); 3] = [
        ("objectClass", &["person"]),
        ("sn", &[name]),
        ("description", &[description]),
    ];
    entry(number, parent, &format!("cn={name}"), &attributes)
}

/// A group.
pub fn group(number: u32, parent: u32, name: &str, members: &[u32]) -> Entry {
    let mut group = entry(
        number,
        parent,
        &format!("cn={name}"),
        &[("objectClass", &["groupOfNames"])],
    );
    group.links.push(Link {
        attribute: "member".to_owned(),
        targets: members.iter().map(|member| id(*member)).collect(),
    });
    group
}

fn attribute(description: &str, values: &[&str]) -> Attribute {
    let values = values.iter().map(|value| value.as_bytes().to_vec());
    Attribute {
        description: description.to_owned(),
        values: values.collect(),
    }
}
