//! What the running server says of itself, to monitoring and to the admin commands.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::serve::Addresses;
use crate::{
    admin::{
        http::Health,
        metrics::{self, Facts},
        protocol::{self, OperationCount, Request, Response, ServerStatus},
        socket::AdminHandler,
    },
    server::{
        Service,
        metrics::{OperationKind, ResultClass, ServerMetrics},
    },
    sync::{
        Sources,
        state::{SourceStatus, rfc3339},
    },
};

/// A source whose last success is older makes the server not ready.
const READY_LIMIT: Duration = Duration::from_secs(5 * 60);

/// Gathers what is known.
#[derive(Debug)]
pub(super) struct StatusPage {
    service: Arc<Service>,
    sources: Sources,
    addresses: Addresses,
    started: SystemTime,
}

impl StatusPage {
    pub(super) fn new(
        service: Arc<Service>,
        sources: Sources,
        addresses: Addresses,
        started: SystemTime,
    ) -> Self {
        Self {
            service,
            sources,
            addresses,
            started,
        }
    }

    fn sources(&self) -> Vec<SourceStatus> {
        self.sources
            .status(None, SystemTime::now())
            .unwrap_or_default()
    }

    fn server(&self) -> ServerStatus {
        let snapshot = self.service.directory.snapshot();
        let counts = &self.service.metrics;
        let reason = self.ready().err();
        let uptime = SystemTime::now()
            .duration_since(self.started)
            .unwrap_or_default();
        let texts = |addresses: &[std::net::SocketAddr]| {
            addresses.iter().map(ToString::to_string).collect()
        };
        ServerStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started: rfc3339(self.started).unwrap_or_default(),
            uptime_seconds: uptime.as_secs(),
            ready: reason.is_none(),
            reason,
            listen: protocol::Listeners {
                ldap: texts(&self.addresses.ldap),
                ldaps: texts(&self.addresses.ldaps),
                metrics: self.addresses.metrics.map(|address| address.to_string()),
            },
            naming_contexts: snapshot
                .naming_contexts()
                .map(|id| snapshot.dn(id))
                .collect(),
            entries: snapshot.stored() as u64,
            connections: counts.connections.value(),
            connections_total: counts.connections_total.value(),
            operations_total: counts.operations_total(),
            operations: operation_counts(counts),
            memory_bytes: metrics::resident_memory_bytes(),
            sources: self.sources(),
        }
    }

    /// The states of the sources that are meant.
    fn chosen(&self, source: Option<&str>) -> Response {
        match self.sources.status(source, SystemTime::now()) {
            Ok(states) => Response::Sources(states),
            Err(error) => Response::Error(error.to_string()),
        }
    }
}

fn operation_counts(counts: &ServerMetrics) -> Vec<OperationCount> {
    OperationKind::ALL
        .into_iter()
        .flat_map(|kind| ResultClass::ALL.into_iter().map(move |class| (kind, class)))
        .map(|(kind, class)| OperationCount {
            operation: kind.as_str().to_owned(),
            result: class.as_str().to_owned(),
            count: counts.operations(kind, class),
        })
        .filter(|counted| counted.count > 0)
        .collect()
}

impl Health for StatusPage {
    fn ready(&self) -> Result<(), String> {
        self.sources.ready(SystemTime::now(), READY_LIMIT)
    }

    fn metrics(&self) -> String {
        metrics::render(&Facts {
            server: &self.service.metrics,
            sources: &self.sources(),
            entries: self.service.directory.snapshot().stored() as u64,
            ready: self.ready().is_ok(),
            started: self.started,
        })
    }
}

impl AdminHandler for StatusPage {
    async fn handle(&self, request: Request) -> Response {
        match request {
            Request::Status => Response::Status(Box::new(self.server())),
            Request::SyncStatus { source } => self.chosen(source.as_deref()),
            Request::SyncNow { source } => match self.sources.now(source.as_deref()).await {
                Ok(()) => self.chosen(source.as_deref()),
                Err(error) => Response::Error(error.to_string()),
            },
            Request::SyncResync { source } => match self.sources.resync(source.as_deref()).await {
                Ok(()) => self.chosen(source.as_deref()),
                Err(error) => Response::Error(error.to_string()),
            },
        }
    }
}
