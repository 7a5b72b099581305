//! Fixtures of the whole-server tests: a domain controller, the server itself, its clients.

// Each test binary compiles this module and uses a part of it.
#![allow(dead_code, unreachable_pub)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

pub mod ldap;
pub mod live;
pub mod model;
pub mod samba;
pub mod sample;
pub mod server;
pub mod sssd;
pub mod wire;

use std::io::Write;
use std::time::{Duration, Instant};

/// Asks again until `question` has an answer, and panics with `what` after `limit`.
///
/// For states of another process that announces them nowhere. The pause between two questions
/// keeps the processor for the one who is waited for.
pub fn eventually<T>(what: &str, limit: Duration, mut question: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = question() {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// Text of the median and of the 99th percentile.
pub fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    format!(
        "p50 {:?}, p99 {:?}, {} samples",
        at(50),
        at(99),
        times.len()
    )
}

/// Prints a measured fact also when the test passes, which `println!` would not.
pub fn report(text: &str) {
    let mut stderr = std::io::stderr().lock();
    writeln!(stderr, "    {text}").unwrap();
}
