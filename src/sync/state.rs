//! What is known of a source at this moment, for status, health and metrics.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::config::Method;

/// How a source is doing, in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The first complete sync is not done; nothing is served from it yet.
    #[default]
    FirstSync,
    /// What is served is as new as the last poll.
    Current,
    /// Rounds succeed, but the last success is older than it should be.
    Behind,
    /// The last round failed; what is served is that of the last success.
    Failing,
}

impl State {
    /// The word for it in status and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FirstSync => "first-sync",
            Self::Current => "current",
            Self::Behind => "behind",
            Self::Failing => "failing",
        }
    }
}

/// Removals that the brake holds, in numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Entries deleted in AD.
    pub deletes: u64,
    /// Entries that left the selection.
    pub left_selection: u64,
    /// Members removed from groups.
    pub member_removals: u64,
    /// Since when, as RFC 3339.
    pub since: String,
}

/// What the engine of one source publishes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceState {
    /// The name of the source.
    pub source: String,
    /// How it is doing.
    pub state: State,
    /// How changes are found; `None` before the first contact.
    pub method: Option<Method>,
    /// The domain controller in use.
    pub server: Option<String>,
    /// When a round last succeeded.
    pub last_success: Option<SystemTime>,
    /// Users served from it.
    pub users: u64,
    /// Groups served from it.
    pub groups: u64,
    /// Why the last round failed.
    pub error: Option<String>,
    /// What the brake holds.
    pub held: Option<Held>,
    /// Rounds that succeeded since the process started.
    pub rounds_succeeded: u64,
    /// Rounds that failed since the process started.
    pub rounds_failed: u64,
    /// The age of the last success from which a source is behind.
    pub late_after: Option<Duration>,
}

impl SourceState {
    /// A source that was not contacted yet.
    pub fn new(source: impl Into<String>) -> Self {
        Self {
            source: source.into(),
            ..Self::default()
        }
    }

    /// The state as it is shown at `now`.
    pub fn status(&self, now: SystemTime) -> SourceStatus {
        SourceStatus {
            source: self.source.clone(),
            state: self.shown(now),
            method: self.method.map(|method| method.as_str().to_owned()),
            server: self.server.clone(),
            last_success: self.last_success.and_then(rfc3339),
            age_seconds: self.age(now).map(|age| age.as_secs()),
            users: self.users,
            groups: self.groups,
            error: self.error.clone(),
            held: self.held.clone(),
            rounds_succeeded: self.rounds_succeeded,
            rounds_failed: self.rounds_failed,
        }
    }

    /// Whether the first sync is complete and the last success not older than `limit`.
    ///
    /// # Errors
    /// The reason why not, for the administrator.
    pub fn ready(&self, now: SystemTime, limit: Duration) -> Result<(), String> {
        let source = &self.source;
        let why = match &self.error {
            Some(error) => format!(": {error}"),
            None => String::new(),
        };
        if self.state == State::FirstSync {
            return Err(format!("source {source}: first sync is not complete{why}"));
        }
        match self.age(now) {
            Some(age) if age <= limit => Ok(()),
            Some(age) => Err(format!(
                "source {source}: last success is {} seconds ago, the limit is {}{why}",
                age.as_secs(),
                limit.as_secs()
            )),
            None => Err(format!("source {source}: no success since the start{why}")),
        }
    }

    /// The state at `now`: a round that hangs publishes nothing, so its age alone tells.
    fn shown(&self, now: SystemTime) -> State {
        let is_late = match (self.age(now), self.late_after) {
            (Some(age), Some(limit)) => age > limit,
            _ => false,
        };
        if self.state == State::Current && is_late {
            State::Behind
        } else {
            self.state
        }
    }

    /// How long ago the last success was; a clock set back counts as no time.
    fn age(&self, now: SystemTime) -> Option<Duration> {
        self.last_success
            .map(|last| now.duration_since(last).unwrap_or_default())
    }
}

/// The state of a source as `sync status --json` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceStatus {
    /// The name of the source.
    pub source: String,
    /// How it is doing.
    pub state: State,
    /// How changes are found: "dirsync" or "usn".
    pub method: Option<String>,
    /// The domain controller in use.
    pub server: Option<String>,
    /// When a round last succeeded, as RFC 3339 in UTC.
    pub last_success: Option<String>,
    /// Seconds since then.
    pub age_seconds: Option<u64>,
    /// Users served from it.
    pub users: u64,
    /// Groups served from it.
    pub groups: u64,
    /// Why the last round failed.
    pub error: Option<String>,
    /// What the brake holds.
    pub held: Option<Held>,
    /// Rounds that succeeded since the process started.
    pub rounds_succeeded: u64,
    /// Rounds that failed since the process started.
    pub rounds_failed: u64,
}

/// A state that one engine publishes and anybody reads without waiting; clones share it.
#[derive(Clone, Debug)]
pub struct StateHandle(Arc<ArcSwap<SourceState>>);

impl StateHandle {
    /// A handle to the state of a source that was not contacted yet.
    pub fn new(source: impl Into<String>) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(SourceState::new(source))))
    }

    /// The state at this moment.
    pub fn load(&self) -> Arc<SourceState> {
        self.0.load_full()
    }

    /// Publishes a changed state. There is one publisher for each source.
    pub fn update(&self, change: impl FnOnce(&mut SourceState)) {
        let mut state = SourceState::clone(&self.0.load());
        change(&mut state);
        self.0.store(Arc::new(state));
    }
}

/// A time as RFC 3339 in UTC, to the second; `None` beyond the year 9999.
pub fn rfc3339(time: SystemTime) -> Option<String> {
    OffsetDateTime::from(time)
        .replace_nanosecond(0)
        .ok()?
        .format(&Rfc3339)
        .ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_status_has_the_promised_keys() {
        let handle = StateHandle::new("corp");
        handle.update(|state| {
            state.state = State::Current;
            state.method = Some(Method::Dirsync);
            state.server = Some("dc1.corp.example.com".to_owned());
            state.last_success = Some(at(86_400));
            state.users = 3;
            state.groups = 2;
        });
        let status = serde_json::to_value(handle.load().status(at(86_405))).unwrap();
        assert_eq!(
            status,
            serde_json::json!({
                "source": "corp", "state": "current", "method": "dirsync",
                "server": "dc1.corp.example.com", "last_success": "1970-01-02T00:00:00Z",
                "age_seconds": 5, "users": 3, "groups": 2, "error": null, "held": null,
                "rounds_succeeded": 0, "rounds_failed": 0,
            })
        );
    }

    #[test]
    fn a_success_too_long_ago_is_behind() {
        let mut state = SourceState::new("corp");
        state.state = State::Current;
        state.last_success = Some(at(100));
        state.late_after = Some(Duration::from_secs(30));
        assert_eq!(state.status(at(130)).state, State::Current);
        assert_eq!(state.status(at(131)).state, State::Behind);
        state.state = State::Failing;
        assert_eq!(state.status(at(500)).state, State::Failing);
    }

    #[test]
    fn readiness_names_its_reason() {
        let limit = Duration::from_secs(10);
        let mut state = SourceState::new("corp");
        state.error = Some("no server answers".to_owned());
        assert_eq!(
            state.ready(at(0), limit).unwrap_err(),
            "source corp: first sync is not complete: no server answers"
        );
        state.state = State::Failing;
        state.last_success = Some(at(100));
        assert_eq!(state.ready(at(110), limit), Ok(()));
        assert_eq!(state.ready(at(0), limit), Ok(()), "the clock was set back");
        assert_eq!(
            state.ready(at(111), limit).unwrap_err(),
            "source corp: last success is 11 seconds ago, the limit is 10: no server answers"
        );
    }
}
