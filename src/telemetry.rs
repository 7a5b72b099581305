//! Logs: where they go and what they look like.
//!
//! Everything goes to stderr, results of commands go to stdout. `RUST_LOG` chooses what is logged
//! (default `info`), by target, e.g. `info,adduct::sync=debug`. In the JSON form each line is an
//! object with `timestamp`, `level`, `target`, `fields` (with `message` in it), `span` and `spans`.
//!
//! Spans are named `connection` > `operation` and `sync.round` > `sync.apply`.

use std::io::{self, IsTerminal as _, Write};

use indicatif::MultiProgress;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object in each line.
    Json,
}

/// Starts logging for the whole process; the second call does nothing.
///
/// Progress bars added to the result stay in one piece when a line is logged.
pub fn init(format: LogFormat) -> MultiProgress {
    let progress = MultiProgress::new();
    let filter = EnvFilter::builder()
        .with_default_directive(tracing::Level::INFO.into())
        .from_env_lossy();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(BesideProgress(progress.clone()));
    // A second call, as in tests, keeps the first subscriber.
    let _ = match format {
        LogFormat::Json => builder.json().try_init(),
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).try_init(),
    };
    progress
}

/// Writes to stderr while no progress bar is drawn.
#[derive(Clone)]
struct BesideProgress(MultiProgress);

impl<'a> MakeWriter<'a> for BesideProgress {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for BesideProgress {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write_all(octets))?;
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
