//! Sockets, admission and the end of it all.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpSocket},
    sync::Semaphore,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{
    Service,
    config::{LimitsConfig, ListenConfig},
    connection::Connection,
};

/// Connections that the kernel completes before we accept them.
const BACKLOG: u32 = 4096;
/// How long to wait after a failed accept, e.g. for a free file descriptor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bound sockets that accept nothing yet.
#[derive(Debug)]
pub struct Listeners {
    sockets: Vec<(TcpListener, Kind)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Ldap,
    Ldaps,
}

impl Listeners {
    /// Binds every address of a configuration.
    ///
    /// # Errors
    /// The address and why it cannot be bound.
    pub fn bind(config: &ListenConfig) -> Result<Self, (SocketAddr, io::Error)> {
        let ldap = config.ldap.iter().map(|address| (*address, Kind::Ldap));
        let ldaps = config.ldaps.iter().map(|address| (*address, Kind::Ldaps));
        let sockets = ldap.chain(ldaps).map(|(address, kind)| {
            listen(address)
                .map(|listener| (listener, kind))
                .map_err(|error| (address, error))
        });
        Ok(Self {
            sockets: sockets.collect::<Result<_, _>>()?,
        })
    }

    /// The addresses that plain connections are accepted on.
    pub fn ldap_addresses(&self) -> Vec<SocketAddr> {
        self.addresses(Kind::Ldap)
    }

    /// The addresses that TLS connections are accepted on.
    pub fn ldaps_addresses(&self) -> Vec<SocketAddr> {
        self.addresses(Kind::Ldaps)
    }

    fn addresses(&self, wanted: Kind) -> Vec<SocketAddr> {
        let of_kind = self.sockets.iter().filter(|(_, kind)| *kind == wanted);
        of_kind
            .filter_map(|(listener, _)| listener.local_addr().ok())
            .collect()
    }

    /// Accepts and serves until `shutdown`, then lets connections finish within the grace period.
    ///
    /// Cancel safe: no; connections end at once.
    pub async fn serve(self, service: Arc<Service>, shutdown: CancellationToken) {
        let admission = Arc::new(Admission::new(&service.settings().limits));
        let mut accepting = JoinSet::new();
        for (listener, kind) in self.sockets {
            accepting.spawn(accept(
                listener,
                kind,
                Arc::clone(&service),
                Arc::clone(&admission),
                shutdown.clone(),
            ));
        }
        while accepting.join_next().await.is_some() {}
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    // Answers are written whole, so that there is nothing to wait for. What is accepted inherits it.
    socket.set_nodelay(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(
    listener: TcpListener,
    kind: Kind,
    service: Arc<Service>,
    admission: Arc<Admission>,
    shutdown: CancellationToken,
) {
    let mut connections = JoinSet::new();
    let mut failing = false;
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            // What a connection held is given back when it ends, not when the next one comes.
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            // The client was gone before its turn came.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(%error, "cannot accept connections: is the limit of open files too low?");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if std::mem::take(&mut failing) {
            tracing::info!("connections are accepted again");
        }
        let Some(place) = admission.admit(peer.ip()) else {
            service.metrics.connections_refused_total.increment();
            continue;
        };
        // Beyond the limit this one waits here, and those after it in the kernel.
        let permit = tokio::select! {
            () = shutdown.cancelled() => break,
            permit = Arc::clone(&admission.places).acquire_owned() => permit,
        };
        let Ok(permit) = permit else { break };
        let service = Arc::clone(&service);
        let shutdown = shutdown.clone();
        connections.spawn(async move {
            let _held = (permit, place);
            Connection::new(service, stream, peer, shutdown)
                .serve(kind == Kind::Ldaps)
                .await;
        });
    }
    drop(listener);
    let grace = service.settings().limits.shutdown_grace;
    let drained = tokio::time::timeout(grace, async {
        while connections.join_next().await.is_some() {}
    });
    if drained.await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "connections were cut at the end of the grace period"
        );
    }
    connections.shutdown().await;
}

/// Who may connect: how many at one time, and how many of one address.
#[derive(Debug)]
struct Admission {
    places: Arc<Semaphore>,
    per_address: usize,
    addresses: Mutex<HashMap<IpAddr, usize>>,
}

impl Admission {
    fn new(limits: &LimitsConfig) -> Self {
        Self {
            places: Arc::new(Semaphore::new(
                limits.max_connections.min(Semaphore::MAX_PERMITS),
            )),
            per_address: limits.max_connections_per_ip,
            addresses: Mutex::new(HashMap::new()),
        }
    }

    /// Takes one of an address's places; `None` where it has them all.
    fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        if self.per_address > 0 {
            let mut addresses = self
                .addresses
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let count = addresses.entry(address).or_insert(0);
            if *count >= self.per_address {
                return None;
            }
            *count += 1;
        }
        Some(Place {
            admission: Arc::clone(self),
            address,
        })
    }
}

/// One of an address's places, given back when dropped.
struct Place {
    admission: Arc<Admission>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.admission.per_address == 0 {
            return;
        }
        let mut addresses = self
            .admission
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = addresses.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                addresses.remove(&self.address);
            }
        }
    }
}
