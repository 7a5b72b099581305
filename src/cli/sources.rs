//! The sources of a running server: their engines, and the pools that pass binds through.

use std::{collections::HashMap, sync::Arc, time::Duration};

use indicatif::MultiProgress;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::progress;
use crate::{
    config::Config,
    directory::Directory,
    sync::{Sources, config::SourceConfig},
    upstream::{BindPool, PoolLimits, Timeouts, UpstreamTls, locate},
};

/// How often DNS is asked for domain controllers that are not configured.
const LOCATE_AGAIN: Duration = Duration::from_secs(5 * 60);

/// What runs for the sources.
pub(super) struct Running {
    sources: Sources,
    binders: HashMap<String, Arc<BindPool>>,
    tasks: JoinSet<()>,
}

/// Starts an engine and a pool of connections for binds for each source.
pub(super) fn start(
    config: &Config,
    directory: &Arc<Directory>,
    bars: &MultiProgress,
    stop: &CancellationToken,
) -> anyhow::Result<Running> {
    let observer = progress::sync_observer(bars);
    let (sources, mut tasks) = Sources::start(directory, &config.sources, &observer, stop);
    let mut binders = HashMap::new();
    for source in &config.sources {
        let pool = Arc::new(pool(source)?);
        if source.servers.is_empty() {
            let pool = Arc::clone(&pool);
            let domain = source.domain.clone();
            let stop = stop.clone();
            tasks.spawn(async move {
                stop.run_until_cancelled(keep_located(&pool, &domain)).await;
            });
        }
        binders.insert(source.name.clone(), pool);
    }
    Ok(Running {
        sources,
        binders,
        tasks,
    })
}

impl Running {
    /// A handle for whoever asks about the sources.
    pub(super) fn handle(&self) -> Sources {
        self.sources.clone()
    }

    /// The pools for binds by source.
    pub(super) fn binders(&self) -> HashMap<String, Arc<BindPool>> {
        self.binders.clone()
    }

    /// Waits until all engines have stopped.
    pub(super) async fn stopped(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

fn pool(source: &SourceConfig) -> anyhow::Result<BindPool> {
    let tls = UpstreamTls::new(source.ca_file.as_deref())?;
    Ok(BindPool::new(
        source.servers.clone(),
        tls,
        Timeouts::default(),
        PoolLimits::default(),
    ))
}

/// Follows the domain controllers that DNS names.
async fn keep_located(pool: &BindPool, domain: &str) {
    loop {
        let patience = Timeouts::default().connect;
        match locate(domain, patience).await {
            Ok(servers) => {
                pool.replace_servers(servers);
                tokio::time::sleep(LOCATE_AGAIN).await;
            }
            Err(error) => {
                tracing::debug!(%error, domain, "no domain controllers for binds in DNS");
                tokio::time::sleep(patience).await;
            }
        }
    }
}
