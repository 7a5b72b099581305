//! The admin command's side of the socket.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use thiserror::Error;

use super::protocol::{MAX_RESPONSE, Request, Response};

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum AskError {
    /// Nobody listens: no server runs with this data directory.
    #[error("no server runs here: nobody answers at {}", path.display())]
    NoServer {
        /// The socket.
        path: PathBuf,
    },
    /// The socket is not ours to use.
    #[error("not allowed to use {}: run as the user of the server", path.display())]
    NotAllowed {
        /// The socket.
        path: PathBuf,
    },
    /// The server does not answer in time.
    #[error("the server did not answer within {} seconds", timeout.as_secs())]
    Timeout {
        /// How long the answer was waited for.
        timeout: Duration,
    },
    /// The connection broke.
    #[error("the connection to the server broke")]
    Io(#[source] io::Error),
    /// The answer is none that this version knows.
    #[error("the server's answer makes no sense: is it of another version?")]
    Answer(#[source] serde_json::Error),
}

/// Sends one request to the server behind `socket` and waits for its answer.
///
/// # Errors
/// [`AskError`]; an answer saying that something failed is none.
pub fn ask(socket: &Path, request: &Request, timeout: Duration) -> Result<Response, AskError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => AskError::NoServer {
            path: socket.to_owned(),
        },
        io::ErrorKind::PermissionDenied => AskError::NotAllowed {
            path: socket.to_owned(),
        },
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => AskError::Timeout { timeout },
        _ => AskError::Io(error),
    };
    let mut stream = UnixStream::connect(socket).map_err(failed)?;
    stream.set_write_timeout(Some(timeout)).map_err(failed)?;
    stream.set_read_timeout(Some(timeout)).map_err(failed)?;

    let mut line = serde_json::to_vec(request).map_err(AskError::Answer)?;
    line.push(b'\n');
    stream.write_all(&line).map_err(failed)?;

    let mut answer = Vec::new();
    BufReader::new(stream.take(MAX_RESPONSE as u64))
        .read_until(b'\n', &mut answer)
        .map_err(failed)?;
    if answer.is_empty() {
        return Err(AskError::Io(io::ErrorKind::UnexpectedEof.into()));
    }
    serde_json::from_slice(&answer).map_err(AskError::Answer)
}
