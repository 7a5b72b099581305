//! What goes over the admin socket: one request as a line of JSON, one answer as a line of JSON.

use serde::{Deserialize, Serialize};

use crate::sync::state::SourceStatus;

/// The longest request, in octets, its line end included.
pub const MAX_REQUEST: usize = 4 * 1024;

/// The longest answer, in octets, its line end included.
pub const MAX_RESPONSE: usize = 4 * 1024 * 1024;

/// An order of the administrator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Tell the state of the server.
    Status,
    /// Tell the state of one source or of all.
    SyncStatus {
        /// The name of the source.
        source: Option<String>,
    },
    /// Run a round of one source or of all now, and answer when it is done.
    SyncNow {
        /// The name of the source.
        source: Option<String>,
    },
    /// Compare one source or all completely, and answer when it is done.
    SyncResync {
        /// The name of the source.
        source: Option<String>,
    },
}

/// What the server answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", content = "value", rename_all = "kebab-case")]
pub enum Response {
    /// The state of the server.
    Status(Box<ServerStatus>),
    /// The state of sources, after what was asked for was done.
    Sources(Vec<SourceStatus>),
    /// It was not done, and why.
    Error(String),
}

/// The state of a running server, as `status --json` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerStatus {
    /// The version of the program.
    pub version: String,
    /// The process id.
    pub pid: u32,
    /// When it started, as RFC 3339 in UTC.
    pub started: String,
    /// Seconds since then.
    pub uptime_seconds: u64,
    /// Whether every source has what it needs to be served.
    pub ready: bool,
    /// Why not.
    pub reason: Option<String>,
    /// The addresses in use.
    pub listen: Listeners,
    /// The tops of what is served.
    pub naming_contexts: Vec<String>,
    /// Entries served.
    pub entries: u64,
    /// Connections open now.
    pub connections: u64,
    /// Connections accepted since the start.
    pub connections_total: u64,
    /// Operations answered since the start.
    pub operations_total: u64,
    /// Operations answered, by kind and result; those that never happened are left out.
    pub operations: Vec<OperationCount>,
    /// Memory in use, in octets.
    pub memory_bytes: u64,
    /// The sources.
    pub sources: Vec<SourceStatus>,
}

/// How often an operation ended in a class of results.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationCount {
    /// The operation.
    pub operation: String,
    /// The class of result codes.
    pub result: String,
    /// How often.
    pub count: u64,
}

/// Bound addresses, with the real ports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listeners {
    /// LDAP.
    pub ldap: Vec<String>,
    /// LDAP over TLS.
    pub ldaps: Vec<String>,
    /// HTTP.
    pub metrics: Option<String>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn requests_have_a_stable_form() {
        let request = Request::SyncNow {
            source: Some("corp".to_owned()),
        };
        assert_eq!(
            serde_json::to_string(&request).unwrap(),
            r#"{"command":"sync-now","source":"corp"}"#
        );
        let read: Request = serde_json::from_str(r#"{"command":"status"}"#).unwrap();
        assert_eq!(read, Request::Status);
        let read: Request = serde_json::from_str(r#"{"command":"sync-status"}"#).unwrap();
        assert_eq!(read, Request::SyncStatus { source: None });
        assert!(serde_json::from_str::<Request>(r#"{"command":"stop"}"#).is_err());
    }
}
