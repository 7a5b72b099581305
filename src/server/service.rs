//! What all connections share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::sync::{Semaphore, watch};

use super::{
    budget::Budget, config::LimitsConfig, made_up::MadeUpEntries, metrics::ServerMetrics,
    operation::SharedSelections,
};
use crate::{access::Access, auth::Authenticator, directory::Directory};

/// What may change while the server runs; a connection keeps what it started with.
#[derive(Debug)]
pub struct Settings {
    /// Who may read and write.
    pub access: Access,
    /// How much a client may ask for, and how long anything may take.
    pub limits: LimitsConfig,
    /// The certificate; without one there is neither LDAPS nor StartTLS.
    pub tls: Option<Arc<ServerConfig>>,
    /// Whether passwords are taken in the clear.
    pub insecure_plaintext_bind: bool,
    /// The naming contexts to show; empty for all that are served.
    pub naming_contexts: Vec<String>,
    /// The root DSE and the subschema as they were last; starts empty.
    pub made_up: MadeUpEntries,
}

/// What all connections share.
pub struct Service {
    /// The replica.
    pub directory: Arc<Directory>,
    /// Decides binds.
    pub authenticator: Authenticator,
    /// Counts.
    pub metrics: Arc<ServerMetrics>,
    /// What searches may hold that sort or wait for their next page.
    pub(super) memory: Arc<Budget>,
    settings: ArcSwap<Settings>,
    /// What attribute lists mean.
    pub(super) selections: SharedSelections,
    /// When it began, and with it the schema.
    pub(super) started: SystemTime,
    is_ready: Box<dyn Fn() -> bool + Send + Sync>,
    connections: AtomicU64,
    published: watch::Sender<()>,
    /// Held by the one update that is written; others wait for it without holding a thread.
    pub(super) updates: Semaphore,
}

impl Service {
    /// A service; `is_ready` says whether every source has been replicated once.
    pub fn new(
        directory: Arc<Directory>,
        authenticator: Authenticator,
        metrics: Arc<ServerMetrics>,
        settings: Settings,
        is_ready: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        let (published, _) = watch::channel(());
        let publisher = published.clone();
        directory.on_publish(move || publisher.send_replace(()));
        Self {
            directory,
            authenticator,
            metrics,
            memory: Budget::new(Budget::SEARCHES),
            settings: ArcSwap::from_pointee(settings),
            selections: SharedSelections::default(),
            started: SystemTime::now(),
            is_ready: Box::new(is_ready),
            connections: AtomicU64::new(0),
            published,
            updates: Semaphore::new(1),
        }
    }

    /// The settings for a connection that starts now.
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// Replaces the settings for connections that start from now on.
    pub fn replace_settings(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }

    /// Whether answers can be believed: before, everything but the root DSE is `busy`.
    pub fn is_ready(&self) -> bool {
        (self.is_ready)()
    }

    /// The news of each version that is published from now on.
    pub(super) fn published(&self) -> watch::Receiver<()> {
        self.published.subscribe()
    }

    /// A number for a new connection.
    pub(super) fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl std::fmt::Debug for Service {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Service").finish_non_exhaustive()
    }
}
