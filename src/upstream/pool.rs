//! Binds on behalf of users, on connections that are kept.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout},
};

use super::{BindOutcome, Connection, ServerAddress, Timeouts, UpstreamError, UpstreamTls};

/// What a [`BindPool`] may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Connections, each with one bind at a time. A domain controller gains nothing from more
    /// than about its number of cores.
    pub connections: usize,
    /// Binds that may wait for a connection; one more is refused at once.
    pub waiting: usize,
    /// How long a bind may wait for a connection.
    pub wait: Duration,
    /// How long a server that could not be reached is left alone.
    pub retry: Duration,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            connections: 8,
            waiting: 256,
            wait: Duration::from_secs(10),
            retry: Duration::from_secs(5),
        }
    }
}

/// Passes binds through to the first domain controller that can be reached.
///
/// A connection serves one bind after the other, of whatever user; nothing else is ever asked on
/// it. One that the server has closed meanwhile is replaced without anybody noticing.
#[derive(Debug)]
pub struct BindPool {
    tls: ArcSwap<UpstreamTls>,
    timeouts: Timeouts,
    limits: PoolLimits,
    slots: Semaphore,
    waiting: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    servers: Vec<Server>,
    /// The one used last comes first, so that the rest can be closed by the server.
    idle: Vec<Connection>,
}

#[derive(Clone, Debug)]
struct Server {
    address: ServerAddress,
    /// Not tried before this moment, and why.
    down: Option<(Instant, String)>,
}

impl BindPool {
    /// A pool that has no connection yet. Servers are tried in the order given.
    pub fn new(
        servers: Vec<ServerAddress>,
        tls: UpstreamTls,
        timeouts: Timeouts,
        limits: PoolLimits,
    ) -> Self {
        Self {
            tls: ArcSwap::from_pointee(tls),
            timeouts,
            limits,
            slots: Semaphore::new(limits.connections.max(1)),
            waiting: AtomicUsize::new(0),
            state: Mutex::new(State {
                servers: as_servers(servers),
                idle: Vec::new(),
            }),
        }
    }

    /// Takes another list of servers, as DNS changed.
    pub fn replace_servers(&self, servers: Vec<ServerAddress>) {
        let mut state = self.state();
        state
            .idle
            .retain(|connection| servers.contains(connection.server()));
        let known = std::mem::take(&mut state.servers);
        state.servers = as_servers(servers);
        for server in &mut state.servers {
            if let Some(before) = known.iter().find(|known| known.address == server.address) {
                server.down.clone_from(&before.down);
            }
        }
    }

    /// Binds with name and password, and says what the domain controller said.
    ///
    /// Cancel safe: yes, the connection in use is dropped. The domain controller may still count
    /// the try.
    ///
    /// # Errors
    /// [`UpstreamError::Busy`] when too many wait or for too long; [`UpstreamError::EmptyPassword`];
    /// [`UpstreamError::AllDown`] without delay while every server failed moments ago; else as
    /// [`Connection::connect`] and [`Connection::simple_bind`].
    pub async fn bind(&self, name: &str, password: &[u8]) -> Result<BindOutcome, UpstreamError> {
        if password.is_empty() {
            return Err(UpstreamError::EmptyPassword);
        }
        let _slot = self.slot().await?;
        if let Some(mut connection) = self.idle_connection() {
            match connection.simple_bind(name, password).await {
                // Closed while it was idle: the server has not seen the bind.
                Err(UpstreamError::Closed { .. } | UpstreamError::Disconnected { .. }) => {}
                outcome => return self.finish(connection, outcome),
            }
        }
        let mut connection = self.connect().await?;
        let outcome = connection.simple_bind(name, password).await;
        self.finish(connection, outcome)
    }

    /// The servers with what is wrong with each, for a status page.
    pub fn servers(&self) -> Vec<(ServerAddress, Option<String>)> {
        self.state()
            .servers
            .iter()
            .map(|server| {
                let problem = server.down.as_ref().map(|(_, problem)| problem.clone());
                (server.address.clone(), problem)
            })
            .collect()
    }

    async fn slot(&self) -> Result<SemaphorePermit<'_>, UpstreamError> {
        if let Ok(slot) = self.slots.try_acquire() {
            return Ok(slot);
        }
        let _place = Place::take(&self.waiting, self.limits.waiting).ok_or(UpstreamError::Busy)?;
        match timeout(self.limits.wait, self.slots.acquire()).await {
            Ok(Ok(slot)) => Ok(slot),
            _ => Err(UpstreamError::Busy),
        }
    }

    fn idle_connection(&self) -> Option<Connection> {
        let mut state = self.state();
        while let Some(mut connection) = state.idle.pop() {
            if connection.is_usable() {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection for the next bind, and leaves a server alone that did not answer.
    fn finish(
        &self,
        mut connection: Connection,
        outcome: Result<BindOutcome, UpstreamError>,
    ) -> Result<BindOutcome, UpstreamError> {
        if let Err(error @ UpstreamError::Timeout { server, .. }) = &outcome {
            // Connections that look alive may lead nowhere: the next bind begins with a new one.
            self.state().idle.retain(|idle| idle.server() != server);
            self.mark_down(server, error);
        } else if connection.is_usable() {
            let mut state = self.state();
            if find(&mut state.servers, connection.server()).is_some() {
                state.idle.push(connection);
            }
        }
        outcome
    }

    async fn connect(&self) -> Result<Connection, UpstreamError> {
        let mut last_error = None;
        let servers: Vec<ServerAddress> = self
            .state()
            .servers
            .iter()
            .map(|server| server.address.clone())
            .collect();
        let tls = self.tls.load_full();
        for address in &servers {
            if !self.claim(address) {
                continue;
            }
            match Connection::connect(address, &tls, self.timeouts).await {
                Ok(connection) => {
                    self.mark_up(address);
                    return Ok(connection);
                }
                Err(error) => {
                    self.mark_down(address, &error);
                    self.reread_trust(&error);
                    last_error = Some(error);
                }
            }
        }
        Err(last_error.unwrap_or_else(|| self.all_down()))
    }

    /// After a certificate that is not trusted, takes the CAs that are in the file by now, so that
    /// a new one needs no restart.
    fn reread_trust(&self, error: &UpstreamError) {
        if matches!(error, UpstreamError::CertificateIssuer { .. })
            && let Ok(tls) = self.tls.load().reread()
        {
            self.tls.store(Arc::new(tls));
        }
    }

    /// Whether to try a server now. One that was down is tried by one bind at a time, while the
    /// others go on without it.
    fn claim(&self, address: &ServerAddress) -> bool {
        let now = Instant::now();
        let mut state = self.state();
        let Some(server) = find(&mut state.servers, address) else {
            return false;
        };
        match &mut server.down {
            None => true,
            Some((until, _)) if *until > now => false,
            Some((until, _)) => {
                *until = now + self.timeouts.connect + self.timeouts.handshake;
                true
            }
        }
    }

    fn mark_up(&self, address: &ServerAddress) {
        if let Some(server) = find(&mut self.state().servers, address) {
            server.down = None;
        }
    }

    fn mark_down(&self, address: &ServerAddress, error: &UpstreamError) {
        tracing::warn!(upstream.host = %address.host, %error, "a domain controller does not serve binds");
        let until = Instant::now() + self.limits.retry;
        if let Some(server) = find(&mut self.state().servers, address) {
            server.down = Some((until, error.to_string()));
        }
    }

    fn all_down(&self) -> UpstreamError {
        let problems: Vec<String> = self
            .state()
            .servers
            .iter()
            .filter_map(|server| Some(server.down.as_ref()?.1.clone()))
            .collect();
        UpstreamError::AllDown(if problems.is_empty() {
            "none is known".to_owned()
        } else {
            problems.join("; ")
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is a single step, so a panic leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn as_servers(addresses: Vec<ServerAddress>) -> Vec<Server> {
    addresses
        .into_iter()
        .map(|address| Server {
            address,
            down: None,
        })
        .collect()
}

fn find<'a>(servers: &'a mut [Server], address: &ServerAddress) -> Option<&'a mut Server> {
    servers.iter_mut().find(|server| server.address == *address)
}

/// A place in the queue, given back when dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(taken: &'a AtomicUsize, limit: usize) -> Option<Self> {
        taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
                (count < limit).then_some(count + 1)
            })
            .ok()?;
        Some(Self(taken))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
