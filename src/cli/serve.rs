//! `serve`: serves in the foreground until it is told to stop.

use std::{
    net::SocketAddr,
    num::NonZero,
    path::Path,
    process::ExitCode,
    sync::Arc,
    thread,
    time::{Duration, SystemTime},
};

use anyhow::Context as _;
use indicatif::MultiProgress;
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use super::{open, sources, status_page::StatusPage};
use crate::{
    access::Access,
    admin::{http, socket::AdminSocket},
    auth::{Authenticator, hash_pool::HashPool, recheck::Recheck},
    config::Config,
    directory::Directory,
    schema::Schema,
    server::{self, Listeners, MadeUpEntries, Service, Settings, metrics::ServerMetrics},
};

/// Files that are open beside connections: the store, listeners, domain controllers.
const OTHER_FILES: usize = 256;
/// How far others go before the thread that indexes, as nice(2) counts.
const INDEXING_NICENESS: i32 = 10;
/// Binds that may wait for a hash worker, for each of them.
const QUEUED_HASHES: usize = 64;

/// Serves what the configuration says.
pub(super) fn run(config: Config, progress: &MultiProgress) -> anyhow::Result<ExitCode> {
    serve(config, progress, |_| Ok(()))
}

/// The addresses that are served.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    pub(super) ldap: Vec<SocketAddr>,
    pub(super) ldaps: Vec<SocketAddr>,
    pub(super) metrics: Option<SocketAddr>,
}

/// Serves until SIGTERM or SIGINT; `announce` is called once listeners answer.
pub(super) fn serve(
    config: Config,
    progress: &MultiProgress,
    announce: impl FnOnce(&Addresses) -> anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    allow_open_files(config.limits.max_connections);
    let runtime = Runtime::new().context("starting the runtime")?;
    let code = runtime.block_on(async {
        let server = Server::start(config, progress).await?;
        announce(&server.addresses)?;
        server.run().await
    })?;
    // What still runs was cut at the end of the grace period.
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(code)
}

/// Everything that runs.
struct Server {
    config: Config,
    service: Arc<Service>,
    listeners: Listeners,
    addresses: Addresses,
    metrics: Option<TcpListener>,
    socket: AdminSocket,
    sources: sources::Running,
    page: Arc<StatusPage>,
    shutdown: CancellationToken,
}

impl Server {
    async fn start(config: Config, progress: &MultiProgress) -> anyhow::Result<Self> {
        let started = SystemTime::now();
        // The store first: its lock says whether another server has this directory.
        let directory = tokio::task::block_in_place(|| open::directory(&config))?;
        let directory = Arc::new(directory);
        let listeners = Listeners::bind(&config.listen)
            .map_err(|(address, error)| anyhow::anyhow!("cannot listen on {address}: {error}"))?;
        let metrics = match config.listen.metrics {
            Some(address) => Some(
                TcpListener::bind(address)
                    .await
                    .with_context(|| format!("cannot listen on {address} for metrics"))?,
            ),
            None => None,
        };
        let socket = AdminSocket::bind(&config.admin_socket())?;
        let addresses = Addresses {
            ldap: listeners.ldap_addresses(),
            ldaps: listeners.ldaps_addresses(),
            metrics: metrics
                .as_ref()
                .and_then(|listener| listener.local_addr().ok()),
        };
        let shutdown = CancellationToken::new();
        let settings = settings(&config, directory.snapshot().schema())?;
        let sources = sources::start(&config, &directory, progress, &shutdown)?;
        let workers = thread::available_parallelism().map_or(1, NonZero::get);
        let authenticator = Authenticator::new(
            Arc::clone(&directory),
            HashPool::new(workers, QUEUED_HASHES * workers).context("starting the hash workers")?,
            Recheck::new(config.auth.recheck_window),
            sources.binders(),
        );
        let readiness = sources.handle();
        let service = Arc::new(Service::new(
            directory,
            authenticator,
            Arc::new(ServerMetrics::default()),
            settings,
            move || readiness.is_ready(),
        ));
        let page = Arc::new(StatusPage::new(
            Arc::clone(&service),
            sources.handle(),
            addresses.clone(),
            started,
        ));
        Ok(Self {
            config,
            service,
            listeners,
            addresses,
            metrics,
            socket,
            sources,
            page,
            shutdown,
        })
    }

    async fn run(self) -> anyhow::Result<ExitCode> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let Self {
            config,
            service,
            listeners,
            addresses,
            metrics,
            socket,
            sources,
            page,
            shutdown,
        } = self;
        let serving = tokio::spawn(listeners.serve(Arc::clone(&service), shutdown.clone()));
        let asked = tokio::spawn(socket.serve(Arc::clone(&page), shutdown.clone()));
        let watched =
            metrics.map(|listener| tokio::spawn(http::serve(listener, page, shutdown.clone())));
        tracing::info!(
            ldap = %joined(&addresses.ldap),
            ldaps = %joined(&addresses.ldaps),
            metrics = %joined(addresses.metrics.as_slice()),
            "ready"
        );
        notify(sd_notify::NotifyState::Ready);
        index_substrings(Arc::clone(&service.directory))?;
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hangup.recv() => reload(&config.file, &config, &service),
            }
        }
        tracing::info!("stopping: no new connections, outstanding operations are finished");
        notify(sd_notify::NotifyState::Stopping);
        shutdown.cancel();
        // A second signal ends the wait.
        tokio::select! {
            _ = serving => {}
            _ = terminate.recv() => tracing::warn!("stopped at once on a second signal"),
            _ = interrupt.recv() => tracing::warn!("stopped at once on a second signal"),
        }
        sources.stopped().await;
        asked.abort();
        if let Some(watched) = watched {
            watched.abort();
        }
        let _ = std::fs::remove_file(config.admin_socket());
        tracing::info!("stopped");
        Ok(ExitCode::SUCCESS)
    }
}

/// Makes room for as many connections as may come, and says so where there is not enough.
fn allow_open_files(max_connections: usize) {
    let wanted = max_connections.saturating_add(OTHER_FILES) as u64;
    match server::descriptors::raise_limit() {
        Ok(Some(limit)) if limit < wanted => tracing::warn!(
            "{limit} files may be open, which is fewer than limits.max_connections = {max_connections} needs: raise the limit of open files (LimitNOFILE=) to {wanted}"
        ),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "cannot raise the limit of open files"),
    }
}

fn settings(config: &Config, schema: &Schema) -> anyhow::Result<Settings> {
    Ok(Settings {
        access: Access::new(&config.access, schema),
        limits: config.limits.clone(),
        tls: config.tls.as_ref().map(server::load_tls).transpose()?,
        insecure_plaintext_bind: config.auth.insecure_plaintext_bind,
        naming_contexts: config.directory.naming_contexts.clone(),
        made_up: MadeUpEntries::default(),
    })
}

/// Takes what may change while the server runs; what is wrong changes nothing.
fn reload(file: &Path, running: &Config, service: &Service) {
    notify(sd_notify::NotifyState::Reloading);
    let loaded = Config::load(file)
        .map_err(anyhow::Error::from)
        .and_then(|config| {
            let schema = service.directory.snapshot();
            let settings = settings(&config, schema.schema())?;
            Ok((config, settings))
        });
    match loaded {
        Ok((config, settings)) => {
            service.replace_settings(settings);
            if config.needs_restart(running) {
                tracing::warn!(
                    "reloaded certificates, access and limits; changes to version, data_dir, [listen], schema_dir, recheck_window and [[source]] need a restart"
                );
            } else {
                tracing::info!("reloaded");
            }
        }
        Err(error) => tracing::error!("not reloaded, the former settings stay: {error:#}"),
    }
    notify(sd_notify::NotifyState::Ready);
}

fn notify(state: sd_notify::NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "cannot notify systemd");
    }
}

/// Makes the substring index on a thread of its own, which leaves the processors to those who are
/// served meanwhile: logins need it least.
fn index_substrings(directory: Arc<Directory>) -> anyhow::Result<()> {
    let index = move || {
        // The index is made as well where the system does not allow it.
        let _ = rustix::process::nice(INDEXING_NICENESS);
        directory.index_substrings();
    };
    thread::Builder::new()
        .name("indexing".to_owned())
        .spawn(index)
        .context("starting the thread that indexes")?;
    Ok(())
}

fn joined(addresses: &[SocketAddr]) -> String {
    let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    texts.join(",")
}
