//! Connections that are bound and then say nothing: what they take, and that others are served.

use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

use crate::connection::Connection;
use crate::process::Usage;
use crate::run::runtime;
use crate::support::population::Population;
use crate::target::Target;

/// What came of idle connections.
#[derive(Debug)]
pub(crate) struct Idle {
    connections: u32,
    is_tls: bool,
    /// Resident octets of the server for each of them.
    pub(crate) octets_each: u64,
    /// Of one search on the connection that was opened first, while all are open.
    pub(crate) latency: Duration,
}

impl Idle {
    /// Opens and binds connections, as many as asked for or as may be open.
    ///
    /// What the server takes is held against `before`, when nobody was connected: memory that a
    /// server kept of earlier connections would make later ones seem free.
    pub(crate) fn measure(
        target: &Target,
        population: &Population,
        process: u32,
        before: Usage,
        wanted: u32,
    ) -> anyhow::Result<Self> {
        let connections = wanted
            .min(raise_limit()?.saturating_sub(OTHER_FILES))
            .max(1);
        let is_tls = target.is_tls();
        runtime()?.block_on(async {
            let mut open = Vec::new();
            for number in 0..connections {
                let connect = async {
                    let mut connection = Connection::open(target).await?;
                    connection.bind(target.credentials.as_ref()).await?;
                    anyhow::Ok(connection)
                };
                let connection = connect.await;
                open.push(connection.with_context(|| format!("idle connection {number}"))?);
            }
            let after = Usage::of(&process.to_string())?;
            let octets = after.resident_kib.saturating_sub(before.resident_kib) * 1024;
            let first = open.first_mut().context("no connection")?;
            let begun = Instant::now();
            first.find(&population.user_dn(0)).await?;
            Ok(Self {
                connections,
                is_tls,
                octets_each: octets / u64::from(connections),
                latency: begun.elapsed(),
            })
        })
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "connections": self.connections,
            "tls": self.is_tls,
            "resident_octets_each": self.octets_each,
            "search_us": self.latency.as_secs_f64() * 1e6,
        })
    }
}

/// Files that are open beside connections.
const OTHER_FILES: u32 = 256;

/// Lets this process, and servers it starts, open as many files as it may; how many that is.
pub(crate) fn raise_limit() -> anyhow::Result<u32> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let limit = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, limit).context("raising the limit of open files")?;
    Ok(maximum.map_or(u32::MAX, |maximum| {
        u32::try_from(maximum).unwrap_or(u32::MAX)
    }))
}
