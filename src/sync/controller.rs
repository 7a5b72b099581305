//! What the engine needs of AD: a seam, so that a test can put a failing AD in its place.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use uuid::Uuid;

use super::config::{Method, SourceConfig};
use crate::{
    directory::derived::LINK_ATTRIBUTES,
    mapping::attributes::DIRSYNC_ATTRIBUTES,
    setting::Secret,
    upstream::{
        BindOutcome, Connection, DcFacts, DirSyncObject, DirSyncRequest, DirSyncRound,
        ServerAddress, Timeouts, UpstreamError, UpstreamTls, dirsync, locate,
    },
};

/// How long a password that AD refused is not tried again, unless its file changes.
///
/// Every try counts towards the lockout of the account, and the count is forgotten only when the
/// observation window (30 minutes by default) passes without one.
const REFUSED_FOR: Duration = Duration::from_secs(60 * 60);

/// A domain of which one controller at a time is asked.
pub(super) trait Domain: Send + Sync + 'static {
    /// A controller that may be asked.
    type Controller: Controller;

    /// Connects to a controller, to the one named `preferred` if it can be had.
    fn connect(
        &mut self,
        preferred: Option<&str>,
    ) -> impl Future<Output = Result<Self::Controller, UpstreamError>> + Send;
}

/// Receives objects one by one while an answer comes in; must be quick.
pub(super) type Each<'a> = &'a mut (dyn FnMut(DirSyncObject) + Send);

/// A domain controller on a connection that is bound, and whose deletions can be seen.
pub(super) trait Controller: Send + Sync + 'static {
    /// What it says about itself, read when the connection was made.
    fn facts(&self) -> &DcFacts;

    /// What a round asks for.
    fn request(&self) -> &DirSyncRequest;

    /// Its latest change.
    fn usn(&mut self) -> impl Future<Output = Result<u64, UpstreamError>> + Send;

    /// Reads the changes since a cookie, or everything where it is empty.
    fn round(
        &mut self,
        cookie: &[u8],
        each: Each<'_>,
    ) -> impl Future<Output = Result<DirSyncRound, UpstreamError>> + Send;

    /// Reads one object whole; `None` where it is gone.
    fn object(
        &mut self,
        guid: Uuid,
    ) -> impl Future<Output = Result<Option<DirSyncObject>, UpstreamError>> + Send;

    /// Checks that deletions can be seen; without the right AD leaves them out silently.
    fn check_deletions(&mut self) -> impl Future<Output = Result<(), UpstreamError>> + Send;
}

/// A domain of AD, as configured.
pub(super) struct AdDomain {
    config: SourceConfig,
    timeouts: Timeouts,
    refused: Option<Refused>,
}

/// A password that AD refused.
struct Refused {
    password: Secret,
    at: Instant,
    server: ServerAddress,
    reason: String,
}

impl AdDomain {
    pub(super) fn new(config: SourceConfig) -> Self {
        Self {
            config,
            timeouts: Timeouts::default(),
            refused: None,
        }
    }

    /// The configured servers or those in DNS, the one used last in front.
    async fn servers(&self, preferred: Option<&str>) -> Result<Vec<ServerAddress>, UpstreamError> {
        let mut servers = if self.config.servers.is_empty() {
            locate(&self.config.domain, self.timeouts.connect).await?
        } else {
            self.config.servers.clone()
        };
        if let Some(preferred) = preferred {
            // Stable: the others keep their order.
            servers.sort_by_key(|server| !server.host.eq_ignore_ascii_case(preferred));
        }
        Ok(servers)
    }

    /// The account's password as it is in its file now, so that a new one needs no restart.
    fn password(&self) -> Secret {
        self.config
            .password_file
            .as_ref()
            .and_then(|path| Secret::from_file(std::fs::read(path).ok()?))
            .unwrap_or_else(|| self.config.password.clone())
    }

    async fn try_server(
        &mut self,
        server: &ServerAddress,
        tls: &UpstreamTls,
        password: &Secret,
    ) -> Result<AdController, UpstreamError> {
        let account = &self.config.account;
        let mut connection = Connection::connect(server, tls, self.timeouts).await?;
        let outcome = connection.simple_bind(account, password.expose()).await?;
        if !outcome.is_success() {
            return Err(self.refuse(server, password, &outcome));
        }
        self.refused = None;
        let facts = DcFacts::read(&mut connection).await?;
        if facts.dns_domain != self.config.domain.to_ascii_lowercase() {
            return Err(UpstreamError::NotUsable {
                server: server.clone(),
                problem: format!(
                    "it serves the domain {}, not {}: correct `domain` or the servers",
                    facts.dns_domain, self.config.domain
                ),
            });
        }
        let request = DirSyncRequest::new(
            &facts.default_naming_context,
            DIRSYNC_ATTRIBUTES,
            &LINK_ATTRIBUTES,
            account,
        );
        let mut controller = AdController {
            connection,
            facts,
            request,
        };
        controller.check_deletions().await?;
        Ok(controller)
    }

    fn refuse(
        &mut self,
        server: &ServerAddress,
        password: &Secret,
        outcome: &BindOutcome,
    ) -> UpstreamError {
        if outcome.proves_password() {
            return account_refused(server, &self.config.account, outcome.reason());
        }
        let refused = Refused {
            password: password.clone(),
            at: Instant::now(),
            server: server.clone(),
            reason: format!(
                "{}; it is tried again when its password file changes, else every {} minutes, so that it is not locked",
                outcome.reason(),
                REFUSED_FOR.as_secs() / 60
            ),
        };
        let error = account_refused(server, &self.config.account, refused.reason.clone());
        self.refused = Some(refused);
        error
    }
}

impl Domain for AdDomain {
    type Controller = AdController;

    async fn connect(&mut self, preferred: Option<&str>) -> Result<AdController, UpstreamError> {
        let password = self.password();
        if let Some(refused) = &self.refused
            && refused.at.elapsed() < REFUSED_FOR
            && refused.password.expose() == password.expose()
        {
            let reason = refused.reason.clone();
            return Err(account_refused(
                &refused.server,
                &self.config.account,
                reason,
            ));
        }
        let tls = UpstreamTls::new(self.config.ca_file.as_deref())?;
        let mut problem = None;
        for server in self.servers(preferred).await? {
            match self.try_server(&server, &tls, &password).await {
                Ok(controller) => return Ok(controller),
                Err(error) => {
                    let hopeless = self.refused.is_some();
                    // What the first one says is what an administrator must look at first.
                    let first = problem.get_or_insert(error);
                    if hopeless {
                        tracing::debug!(error = %first, "no further server is tried");
                        break;
                    }
                }
            }
        }
        Err(problem.unwrap_or_else(|| UpstreamError::NoServer {
            domain: self.config.domain.clone(),
            name: "none is configured".to_owned(),
        }))
    }
}

/// A domain controller of AD.
pub(super) struct AdController {
    connection: Connection,
    facts: DcFacts,
    request: DirSyncRequest,
}

impl Controller for AdController {
    fn facts(&self) -> &DcFacts {
        &self.facts
    }

    fn request(&self) -> &DirSyncRequest {
        &self.request
    }

    async fn usn(&mut self) -> Result<u64, UpstreamError> {
        DcFacts::read_usn(&mut self.connection).await
    }

    async fn round(
        &mut self,
        cookie: &[u8],
        each: Each<'_>,
    ) -> Result<DirSyncRound, UpstreamError> {
        dirsync::round(&mut self.connection, &self.request, cookie, each).await
    }

    async fn object(&mut self, guid: Uuid) -> Result<Option<DirSyncObject>, UpstreamError> {
        dirsync::read_object(&mut self.connection, &self.request, guid).await
    }

    async fn check_deletions(&mut self) -> Result<(), UpstreamError> {
        self.facts
            .check_deleted_objects(&mut self.connection, &self.request.account)
            .await
    }
}

/// How changes are found; this version knows one way.
pub(super) const METHOD: Method = Method::Dirsync;

fn account_refused(server: &ServerAddress, account: &str, reason: String) -> UpstreamError {
    UpstreamError::AccountRefused {
        server: server.clone(),
        account: account.to_owned(),
        reason,
    }
}
