//! The engine of one source: round after round until it is told to stop.
//!
//! A round reads what changed since the position reached and applies it in one transaction; only a
//! round that came to its end counts. Where the position is not to be believed (`guard`), the round
//! reads everything, compares, and removes what was not seen. What is served meanwhile is what was
//! served before.

use std::{
    collections::{HashSet, VecDeque},
    sync::{
        Arc,
        mpsc::{SyncSender, sync_channel},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use thiserror::Error;
use tokio::{
    sync::{mpsc, oneshot},
    task::{JoinError, JoinHandle, spawn_blocking},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, info_span};
use uuid::Uuid;

use super::{
    apply::{self, Applied, Kept, Place},
    controller::{Controller, Domain, METHOD},
    full::{self, Piece},
    guard::{self, Cookie, Progress, Reason},
    observe::{Observed, Observer},
    state::{State, StateHandle},
};
use crate::{
    directory::{Directory, DirectoryError, SourceRecord},
    entry::Entry,
    mapping::sid::Sid,
    upstream::{DcFacts, DirSyncObject, UpstreamError},
};

/// The longest pause between tries while nothing works.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How often the position is stored while nothing changes.
///
/// Storing it at every poll would write to the disk for ever in a silent domain. A position that is
/// a minute old only repeats a minute of changes after a restart, and they change nothing then.
const KEEP_POSITION: Duration = Duration::from_secs(60);
/// Superiors that are read one by one in a round. They are objects of strange kinds: few.
const MAX_STAND_INS: usize = 1_000;

/// Objects of a full round that may wait for being applied; the round waits, then.
const WAITING_PIECES: usize = 256;

/// A change that is being applied, and the numbers of users and groups that are served then.
type Applying = JoinHandle<Result<(Option<Applied>, Option<(u64, u64)>), DirectoryError>>;

/// What the engine of one source works on.
pub(super) struct Setting {
    /// The name of the source.
    pub(super) source: String,
    /// The DNS name of its domain.
    pub(super) domain: String,
    /// How long to pause between rounds.
    pub(super) poll: Duration,
    /// Where everything goes.
    pub(super) directory: Arc<Directory>,
    /// Who sees the state.
    pub(super) state: StateHandle,
    /// Who sees how a long round goes.
    pub(super) observer: Arc<dyn Observer>,
}

/// An order of an administrator; the answer comes when it is done.
pub(super) struct Command {
    /// Compare everything.
    pub(super) full: bool,
    /// Where to answer; an error as text, for there may be several who want it.
    pub(super) reply: oneshot::Sender<Result<(), String>>,
}

/// Why a round failed.
#[derive(Debug, Error)]
pub enum SyncError {
    /// AD, or the way to it.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The directory did not take it.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// Applying it ended in a panic.
    #[error("applying a round failed: {0}")]
    Apply(#[from] JoinError),
}

/// The engine of one source.
pub(super) struct Engine<D: Domain> {
    setting: Setting,
    domain: D,
    controller: Option<D::Controller>,
    /// How far it came; what is stored may be a little older.
    progress: Option<Progress>,
    /// When the position was last stored.
    kept: Option<Instant>,
    /// Whether a full round ever came to its end.
    complete: bool,
    /// What failed last, so that the log has it once.
    failure: Option<String>,
    pause: Duration,
}

impl<D: Domain> Engine<D> {
    /// Takes up what the directory remembers of the source, and publishes it.
    pub(super) fn new(setting: Setting, domain: D) -> Self {
        let snapshot = setting.directory.snapshot();
        let record = snapshot.source(&setting.source);
        let progress = record
            .and_then(|record| record.progress.clone())
            .and_then(|value| match serde_json::from_value::<Progress>(value) {
                Ok(progress) => Some(progress),
                Err(error) => {
                    tracing::warn!(source = setting.source, %error, "the stored position is not readable");
                    None
                }
            });
        let complete = record.is_some_and(|record| record.complete);
        let (users, groups) = apply::count(&snapshot, &setting.source);
        let late_after = (setting.poll * 5).max(Duration::from_secs(30));
        setting.state.update(|state| {
            state.late_after = Some(late_after);
            if complete {
                state.state = State::Current;
                state.users = users;
                state.groups = groups;
                state.last_success = progress
                    .as_ref()
                    .map(|progress| UNIX_EPOCH + Duration::from_secs(progress.last_success));
            }
        });
        Self {
            pause: setting.poll,
            setting,
            domain,
            controller: None,
            progress,
            kept: None,
            complete,
            failure: None,
        }
    }

    /// Runs until `stop` is cancelled or nobody can give orders any more.
    pub(super) async fn run(
        mut self,
        mut orders: mpsc::Receiver<Command>,
        stop: CancellationToken,
    ) {
        let mut wait = Duration::ZERO;
        loop {
            let order = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                order = orders.recv() => match order {
                    Some(order) => Some(order),
                    None => return,
                },
                () = sleep(wait) => None,
            };
            let full = order.as_ref().is_some_and(|order| order.full);
            let result = tokio::select! {
                biased;
                // What was read is dropped; what is being applied comes to its end by itself.
                () = stop.cancelled() => return,
                result = self.attempt(full) => result,
            };
            wait = if result.is_ok() {
                self.setting.poll
            } else {
                self.pause
            };
            if let Some(order) = order {
                // Whoever asked may be gone.
                let _ = order.reply.send(result);
            }
        }
    }

    /// One round with everything that is told about it.
    async fn attempt(&mut self, full: bool) -> Result<(), String> {
        let span = info_span!("sync.round", source = self.setting.source);
        match self.round(full).instrument(span).await {
            Ok(server) => {
                self.succeeded(&server);
                Ok(())
            }
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn succeeded(&mut self, server: &str) {
        self.pause = self.setting.poll;
        if self.failure.take().is_some() {
            tracing::info!(
                source = self.setting.source,
                upstream.host = server,
                "synchronised again"
            );
        }
        self.setting.state.update(|state| {
            state.state = State::Current;
            state.method = Some(METHOD);
            state.server = Some(server.to_owned());
            state.last_success = Some(SystemTime::now());
            state.error = None;
            state.rounds_succeeded += 1;
        });
    }

    fn failed(&mut self, error: &SyncError) -> String {
        // After any error the connection may be in the middle of something.
        self.controller = None;
        let longest = LONGEST_PAUSE.max(self.setting.poll);
        let text = error.to_string();
        if self.failure.as_ref() == Some(&text) {
            self.pause = (self.pause * 2).min(longest);
            tracing::debug!(source = self.setting.source, error = text, "still failing");
        } else {
            self.pause = self.setting.poll;
            tracing::warn!(
                source = self.setting.source,
                error = text,
                "cannot synchronise; it is tried again"
            );
            self.failure = Some(text.clone());
        }
        let complete = self.complete;
        self.setting.state.update(|state| {
            state.state = if complete {
                State::Failing
            } else {
                State::FirstSync
            };
            state.error = Some(text.clone());
            state.rounds_failed += 1;
        });
        text
    }

    /// One round; returns who answered.
    async fn round(&mut self, full: bool) -> Result<String, SyncError> {
        let (mut controller, usn) = self.controller().await?;
        let asked = guard::fingerprint(controller.request());
        let known = guard::position(
            self.progress.as_ref(),
            controller.facts(),
            usn,
            &asked,
            unix_time(),
        );
        let reason = match known {
            Ok(_) if full => Reason::Requested,
            Ok(progress) => {
                let cookie = progress.cookie.0.clone();
                match self
                    .incremental(&mut controller, &cookie, usn, &asked)
                    .await
                {
                    Err(SyncError::Upstream(UpstreamError::CookieRejected { text, .. })) => {
                        Reason::Rejected(text)
                    }
                    Err(error) => return Err(error),
                    Ok(()) => return Ok(self.keep(controller)),
                }
            }
            Err(reason) => reason,
        };
        self.everything(&mut controller, reason, usn, &asked)
            .await?;
        Ok(self.keep(controller))
    }

    /// A controller that answers, and its latest change.
    async fn controller(&mut self) -> Result<(D::Controller, u64), SyncError> {
        if let Some(mut controller) = self.controller.take() {
            match controller.usn().await {
                Ok(usn) => return Ok((controller, usn)),
                // AD closes connections that are idle, and all of them when it restarts.
                Err(error) if error.is_unreachable() => {
                    tracing::debug!(%error, "connecting anew");
                }
                Err(error) => return Err(error.into()),
            }
        }
        let preferred = self.progress.as_ref().map(|known| known.server.as_str());
        let mut controller = self.domain.connect(preferred).await?;
        let usn = controller.usn().await?;
        Ok((controller, usn))
    }

    fn keep(&mut self, controller: D::Controller) -> String {
        let server = controller.facts().dns_host_name.clone();
        self.controller = Some(controller);
        server
    }

    /// Reads and applies what changed.
    async fn incremental(
        &mut self,
        controller: &mut D::Controller,
        cookie: &[u8],
        usn: u64,
        asked: &str,
    ) -> Result<(), SyncError> {
        let keep_position = self.kept.is_none_or(|kept| kept.elapsed() >= KEEP_POSITION);
        if keep_position {
            // Somebody may have taken the right away, and AD would not say so.
            controller.check_deletions().await?;
        }
        let mut objects = Vec::new();
        let round = controller
            .round(cookie, &mut |object| objects.push(object))
            .await?;
        let place = self.place(controller.facts());
        let stand_ins = self.complete(controller, &place, &mut objects).await?;
        let progress = new_progress(controller.facts(), round.cookie, usn, asked);
        if objects.is_empty() && !keep_position {
            self.progress = Some(progress);
            return Ok(());
        }
        let record = self.record(controller.facts(), &progress);
        let directory = Arc::clone(&self.setting.directory);
        let received = objects.len();
        let applied = self
            .apply(move || {
                apply::changes(
                    &directory,
                    &place,
                    &objects,
                    stand_ins,
                    record,
                    keep_position,
                )
            })
            .await?;
        if keep_position || !applied.is_nothing() {
            self.kept = Some(Instant::now());
        }
        self.progress = Some(progress);
        if received > 0 {
            let Applied { stored, removed } = applied;
            tracing::debug!(received, stored, removed, "changes");
        }
        Ok(())
    }

    /// Reads everything, compares it with what is stored, and removes what was not seen.
    async fn everything(
        &mut self,
        controller: &mut D::Controller,
        reason: Reason,
        usn: u64,
        asked: &str,
    ) -> Result<(), SyncError> {
        let begun = Instant::now();
        let server = controller.facts().dns_host_name.clone();
        tracing::info!(
            upstream.host = server,
            %reason,
            "reading the whole domain"
        );
        controller.check_deletions().await?;
        let observer = Arc::clone(&self.setting.observer);
        let source = self.setting.source.clone();
        let mut observed = Observed::begin(observer.as_ref(), &source);
        let (pieces, waiting) = sync_channel(WAITING_PIECES);
        let applying = {
            let directory = Arc::clone(&self.setting.directory);
            let place = self.place(controller.facts());
            let sid = Sid::from_bytes(&controller.facts().domain_sid).ok();
            self.start_applying(move || full::apply(&directory, &place, sid.as_ref(), &waiting))
        };
        let read = async {
            let round = controller
                .round(&[], &mut |object| {
                    observed.received();
                    // Nobody receives only where the store failed, which the end tells.
                    let _ = pieces.send(Piece::Object(Box::new(object)));
                })
                .await?;
            let received = begun.elapsed();
            self.read_parents(controller, &pieces).await?;
            Ok::<_, SyncError>((round, received))
        };
        let (round, received) = match read.await {
            Ok(read) => read,
            Err(error) => {
                // Without its end, what came is not applied.
                drop(pieces);
                self.applied(applying).await?;
                return Err(error);
            }
        };
        observed.storing(round.objects);
        let progress = new_progress(controller.facts(), round.cookie, usn, asked);
        let record = self.record(controller.facts(), &progress);
        let _ = pieces.send(Piece::Done(Box::new(record)));
        let Some(applied) = self.applied(applying).await? else {
            return Ok(());
        };
        self.progress = Some(progress);
        self.kept = Some(Instant::now());
        self.complete = true;
        drop(observed);
        let Applied { stored, removed } = applied;
        let state = self.setting.state.load();
        tracing::info!(
            upstream.host = server,
            objects = round.objects,
            users = state.users,
            groups = state.groups,
            stored,
            removed,
            received_ms = milliseconds(received),
            total_ms = milliseconds(begun.elapsed()),
            "the replica is complete"
        );
        Ok(())
    }

    /// Reads the superiors that a full round left out, and those above them.
    async fn read_parents(
        &self,
        controller: &mut D::Controller,
        pieces: &SyncSender<Piece>,
    ) -> Result<(), SyncError> {
        let mut asked = HashSet::new();
        loop {
            let (reply, missing) = oneshot::channel();
            let _ = pieces.send(Piece::MissingParents(reply));
            let mut missing = missing.await.unwrap_or_default();
            missing.retain(|guid| asked.insert(*guid));
            if missing.is_empty() {
                return Ok(());
            }
            for guid in missing {
                if asked.len() > MAX_STAND_INS {
                    tracing::warn!("too many entries lie below objects that are not replicated");
                    return Ok(());
                }
                if let Some(object) = controller.object(guid).await? {
                    let _ = pieces.send(Piece::StandIn(Box::new(object)));
                }
            }
        }
    }

    /// Makes whole what a round tells too little of, and reads superiors that are not known.
    ///
    /// AD tells changes alone. That is too little for an object that was deleted here and is
    /// back, whose surviving attributes are not told, and for one that becomes an account of a kind
    /// that is stored. And an entry may lie below an object of a kind that is not stored: DirSync
    /// told of that one long ago.
    async fn complete(
        &self,
        controller: &mut D::Controller,
        place: &Place,
        objects: &mut [DirSyncObject],
    ) -> Result<Vec<Entry>, SyncError> {
        let snapshot = self.setting.directory.snapshot();
        let is_known = |guid: Uuid| {
            snapshot
                .id_of(guid)
                .and_then(|id| snapshot.entry(id))
                .is_some()
        };
        let mut known = HashSet::new();
        let mut wanted = VecDeque::new();
        for object in objects.iter_mut() {
            if object.is_deleted {
                continue;
            }
            let becomes_account = !is_known(object.guid)
                && !mentions(object, "objectClass")
                && mentions(object, "sAMAccountType");
            if object.is_reanimated || becomes_account {
                let reanimated = object.is_reanimated;
                match controller.object(object.guid).await? {
                    Some(whole) => *object = whole,
                    None => object.is_deleted = true,
                }
                object.is_reanimated = reanimated && !object.is_deleted;
            }
            let kept = is_known(object.guid)
                || matches!(apply::keep(None, object.clone(), place), Kept::Yes(_));
            if kept {
                known.insert(object.guid);
                wanted.extend(object.parent_guid.filter(|_| object.guid != place.domain));
            }
        }
        let mut stand_ins = Vec::new();
        let mut asked = HashSet::new();
        while let Some(parent) = wanted.pop_front() {
            if is_known(parent) || known.contains(&parent) || !asked.insert(parent) {
                continue;
            }
            if asked.len() > MAX_STAND_INS {
                tracing::warn!("too many entries lie below objects that are not replicated");
                break;
            }
            let object = controller.object(parent).await?;
            if let Some(entry) = object.and_then(|object| apply::stand_in(object, place)) {
                wanted.extend(entry.parent);
                stand_ins.push(entry);
            }
        }
        Ok(stand_ins)
    }

    /// Applies a round on a thread that may block, and publishes what is served then.
    async fn apply(
        &self,
        change: impl FnOnce() -> Result<Applied, DirectoryError> + Send + 'static,
    ) -> Result<Applied, SyncError> {
        let applied = self
            .applied(self.start_applying(|| change().map(Some)))
            .await?;
        Ok(applied.unwrap_or_default())
    }

    /// Begins a change on a thread that may wait for the disk.
    fn start_applying(
        &self,
        change: impl FnOnce() -> Result<Option<Applied>, DirectoryError> + Send + 'static,
    ) -> Applying {
        let directory = Arc::clone(&self.setting.directory);
        let source = self.setting.source.clone();
        let round = Span::current();
        spawn_blocking(move || {
            let _entered = info_span!(parent: &round, "sync.apply").entered();
            let applied = change()?;
            // Looking at every entry takes a moment, so only where something changed.
            let counts = applied
                .is_some_and(|applied| !applied.is_nothing())
                .then(|| apply::count(&directory.snapshot(), &source));
            Ok((applied, counts))
        })
    }

    /// Waits for a change, and shows what it made of users and groups.
    async fn applied(&self, applying: Applying) -> Result<Option<Applied>, SyncError> {
        let (applied, counts) = applying.await??;
        if let Some((users, groups)) = counts {
            self.setting.state.update(|state| {
                state.users = users;
                state.groups = groups;
            });
        }
        Ok(applied)
    }

    fn place(&self, facts: &DcFacts) -> Place {
        Place {
            source: self.setting.source.clone(),
            domain: facts.domain_guid,
        }
    }

    /// What is remembered of a source whose replica is complete.
    fn record(&self, facts: &DcFacts, progress: &Progress) -> SourceRecord {
        SourceRecord {
            name: self.setting.source.clone(),
            domain: self.setting.domain.clone(),
            netbios: Some(facts.netbios_name.clone()),
            domain_sid: Sid::from_bytes(&facts.domain_sid)
                .ok()
                .map(|sid| sid.to_string()),
            complete: true,
            // A structure of texts and numbers always has a form.
            progress: serde_json::to_value(progress).ok(),
        }
    }
}

fn new_progress(facts: &DcFacts, cookie: Vec<u8>, usn: u64, asked: &str) -> Progress {
    Progress {
        cookie: Cookie(cookie),
        server: facts.dns_host_name.clone(),
        invocation_id: facts.invocation_id.to_string(),
        highest_committed_usn: usn,
        last_success: unix_time(),
        asked: asked.to_owned(),
    }
}

fn mentions(object: &DirSyncObject, attribute: &str) -> bool {
    object
        .attributes
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case(attribute))
}

/// Seconds since 1970; a clock before that counts as the beginning.
fn unix_time() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
