//! All sources together: what the server and the administrator have in their hands.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use thiserror::Error;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::{
    config::SourceConfig,
    controller::{AdDomain, Domain},
    engine::{Command, Engine, Setting},
    observe::Observer,
    state::{SourceState, SourceStatus, State, StateHandle},
};
use crate::directory::Directory;

/// Orders that may wait for one engine; whoever gives more waits to give them.
const WAITING_ORDERS: usize = 16;

/// A handle to the engines of all sources; clones share them.
///
/// The engines run as long as there is a handle and their token is not cancelled.
#[derive(Clone, Debug)]
pub struct Sources(Arc<[Source]>);

#[derive(Debug)]
struct Source {
    name: String,
    state: StateHandle,
    orders: mpsc::Sender<Command>,
}

/// Why an order was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommandError {
    /// No source has this name.
    #[error("there is no source {name}: {known}")]
    UnknownSource {
        /// The name given.
        name: String,
        /// The names there are, in words.
        known: String,
    },
    /// The round failed. What is served is what was served before.
    #[error("source {name}: {reason}")]
    Failed {
        /// The source.
        name: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The engine has stopped, since the process is about to end.
    #[error("source {name}: the server is shutting down")]
    Stopped {
        /// The source.
        name: String,
    },
}

impl Sources {
    /// Starts the engine of each source. The set ends when all have stopped.
    ///
    /// Nothing is awaited: a source that cannot be reached says so in its state.
    pub fn start(
        directory: &Arc<Directory>,
        configs: &[SourceConfig],
        observer: &Arc<dyn Observer>,
        stop: &CancellationToken,
    ) -> (Self, JoinSet<()>) {
        let mut tasks = JoinSet::new();
        let sources = configs.iter().map(|config| {
            let setting = Setting {
                source: config.name.clone(),
                domain: config.domain.clone(),
                poll: config.poll,
                directory: Arc::clone(directory),
                state: StateHandle::new(config.name.as_str()),
                observer: Arc::clone(observer),
            };
            Source::start(setting, AdDomain::new(config.clone()), stop, &mut tasks)
        });
        (Self(sources.collect()), tasks)
    }

    /// The state of every source, in the order of the configuration.
    pub fn states(&self) -> Vec<Arc<SourceState>> {
        self.0.iter().map(|source| source.state.load()).collect()
    }

    /// The state of one source or of all, as it is shown at `now`.
    ///
    /// # Errors
    /// [`CommandError::UnknownSource`].
    pub fn status(
        &self,
        name: Option<&str>,
        now: SystemTime,
    ) -> Result<Vec<SourceStatus>, CommandError> {
        let named = self.named(name)?;
        Ok(named
            .map(|source| source.state.load().status(now))
            .collect())
    }

    /// Whether every source has completed its first sync, now or before a restart.
    pub fn is_ready(&self) -> bool {
        self.0
            .iter()
            .all(|source| source.state.load().state != State::FirstSync)
    }

    /// Whether every source is complete and not older than `limit`.
    ///
    /// # Errors
    /// The reason why not, for the administrator.
    pub fn ready(&self, now: SystemTime, limit: Duration) -> Result<(), String> {
        self.0
            .iter()
            .try_for_each(|source| source.state.load().ready(now, limit))
    }

    /// Runs a round of one source or of all now; returns when it is done.
    ///
    /// Cancel safe: the rounds run nevertheless.
    ///
    /// # Errors
    /// [`CommandError`] of the first source that failed.
    pub async fn now(&self, name: Option<&str>) -> Result<(), CommandError> {
        self.order(name, false).await
    }

    /// Compares everything of one source or of all now; returns when it is done.
    ///
    /// Cancel safe: the rounds run nevertheless.
    ///
    /// # Errors
    /// [`CommandError`] of the first source that failed.
    pub async fn resync(&self, name: Option<&str>) -> Result<(), CommandError> {
        self.order(name, true).await
    }

    async fn order(&self, name: Option<&str>, full: bool) -> Result<(), CommandError> {
        let mut answers = Vec::new();
        for source in self.named(name)? {
            answers.push((source, source.give(full).await?));
        }
        let mut outcome = Ok(());
        for (source, answer) in answers {
            let result = match answer.await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(reason)) => Err(CommandError::Failed {
                    name: source.name.clone(),
                    reason,
                }),
                Err(_) => Err(source.stopped()),
            };
            outcome = outcome.and(result);
        }
        outcome
    }

    fn named<'s>(
        &'s self,
        name: Option<&'s str>,
    ) -> Result<impl Iterator<Item = &'s Source>, CommandError> {
        if let Some(name) = name
            && self.0.iter().all(|source| source.name != name)
        {
            let names: Vec<&str> = self.0.iter().map(|source| source.name.as_str()).collect();
            return Err(CommandError::UnknownSource {
                name: name.to_owned(),
                known: match names.as_slice() {
                    [] => "none is configured".to_owned(),
                    names => format!("there is {}", names.join(", ")),
                },
            });
        }
        Ok(self
            .0
            .iter()
            .filter(move |source| name.is_none_or(|name| source.name == name)))
    }
}

impl Source {
    fn start(
        setting: Setting,
        domain: impl Domain,
        stop: &CancellationToken,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let (orders, waiting) = mpsc::channel(WAITING_ORDERS);
        let source = Self {
            name: setting.source.clone(),
            state: setting.state.clone(),
            orders,
        };
        let engine = Engine::new(setting, domain);
        tasks.spawn(engine.run(waiting, stop.clone()));
        source
    }

    async fn give(
        &self,
        full: bool,
    ) -> Result<oneshot::Receiver<Result<(), String>>, CommandError> {
        let (reply, answer) = oneshot::channel();
        self.orders
            .send(Command { full, reply })
            .await
            .map_err(|_| self.stopped())?;
        Ok(answer)
    }

    fn stopped(&self) -> CommandError {
        CommandError::Stopped {
            name: self.name.clone(),
        }
    }
}
