//! The Unix socket that takes the administrator's orders.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use thiserror::Error;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::protocol::{MAX_REQUEST, Request, Response};

/// Connections at one time; more wait in the queue of the operating system.
const MAX_CONNECTIONS: usize = 16;

/// Time for a client to send its request, and to take the answer.
const PEER_TIMEOUT: Duration = Duration::from_secs(10);

/// Carries out the administrator's orders.
pub trait AdminHandler: Send + Sync + 'static {
    /// Does what is asked and answers. Dropped unfinished when the server stops.
    fn handle(&self, request: Request) -> impl Future<Output = Response> + Send;
}

/// Why there is no admin socket.
#[derive(Debug, Error)]
pub enum SocketError {
    /// Another server has this data directory.
    #[error("another server answers at {}", path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// The socket cannot be made.
    #[error("cannot make the socket {}", path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A listening admin socket; its file goes away with it.
#[derive(Debug)]
pub struct AdminSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl AdminSocket {
    /// Makes the socket with mode 0600. What a dead process left there is removed.
    ///
    /// # Errors
    /// [`SocketError::InUse`] where somebody answers; else what the operating system says.
    pub fn bind(path: &Path) -> Result<Self, SocketError> {
        let failed = |source| SocketError::Io {
            path: path.to_owned(),
            source,
        };
        match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => {
                return Err(SocketError::InUse {
                    path: path.to_owned(),
                });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path).map_err(failed)?;
            }
            Err(error) => return Err(failed(error)),
        }
        let listener = bind_private(path).map_err(failed)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
        })
    }

    /// Serves until `shutdown`; orders under way are dropped then.
    ///
    /// Cancel safe: yes, connections are closed and the file is removed.
    pub async fn serve<H: AdminHandler>(self, handler: Arc<H>, shutdown: CancellationToken) {
        let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let next = async {
                // The semaphore is never closed.
                let permit = Arc::clone(&permits).acquire_owned().await.ok();
                (permit, self.listener.accept().await)
            };
            let (permit, accepted) = tokio::select! {
                () = shutdown.cancelled() => return,
                next = next => next,
            };
            match accepted {
                Ok((stream, _)) => {
                    let handler = Arc::clone(&handler);
                    connections.spawn(async move {
                        if let Err(error) = converse(stream, &*handler).await {
                            tracing::debug!(%error, "admin connection failed");
                        }
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept an admin connection");
                    // Out of descriptors, most likely: let some be closed.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        // It may be gone with the whole directory, as in tests.
        let _ = fs::remove_file(&self.path);
    }
}

/// Binds where nobody else can connect before the mode is set, then moves the socket in place.
fn bind_private(path: &Path) -> io::Result<UnixListener> {
    let directory = path.with_extension("new");
    match fs::remove_dir_all(&directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::DirBuilder::new().mode(0o700).create(&directory)?;
    let inside = directory.join("s");
    let bound = UnixListener::bind(&inside).and_then(|listener| {
        fs::set_permissions(&inside, fs::Permissions::from_mode(0o600))?;
        fs::rename(&inside, path)?;
        Ok(listener)
    });
    fs::remove_dir_all(&directory)?;
    bound
}

/// One request and one answer.
async fn converse<H: AdminHandler>(mut stream: UnixStream, handler: &H) -> io::Result<()> {
    let (reading, mut writing) = stream.split();
    let mut line = Vec::new();
    let mut reader = BufReader::new(reading.take(MAX_REQUEST as u64));
    timeout(PEER_TIMEOUT, reader.read_until(b'\n', &mut line)).await??;
    let response = if !line.ends_with(b"\n") {
        Response::Error(format!(
            "a request is one line of at most {MAX_REQUEST} octets"
        ))
    } else {
        match serde_json::from_slice(&line) {
            Ok(request) => {
                tracing::debug!(?request, "admin request");
                handler.handle(request).await
            }
            Err(error) => Response::Error(format!("not a request of this version: {error}")),
        }
    };
    let mut answer = serde_json::to_vec(&response)?;
    answer.push(b'\n');
    timeout(PEER_TIMEOUT, writing.write_all(&answer)).await??;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use std::io::{Read as _, Write as _};

    use super::*;
    use crate::admin::client::{AskError, ask};

    struct Echo;

    impl AdminHandler for Echo {
        async fn handle(&self, request: Request) -> Response {
            Response::Error(format!("{request:?}"))
        }
    }

    const SECOND: Duration = Duration::from_secs(10);

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_request_is_answered_and_the_file_goes_away() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("admin.sock");
        let socket = AdminSocket::bind(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(matches!(
            AdminSocket::bind(&path),
            Err(SocketError::InUse { .. })
        ));
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(socket.serve(Arc::new(Echo), shutdown.clone()));

        let asked = path.clone();
        let answer = tokio::task::spawn_blocking(move || ask(&asked, &Request::Status, SECOND));
        assert_eq!(
            answer.await.unwrap().unwrap(),
            Response::Error("Status".to_owned())
        );

        let asked = path.clone();
        let long = tokio::task::spawn_blocking(move || {
            let mut stream = std::os::unix::net::UnixStream::connect(asked).unwrap();
            stream.write_all(&[b'x'; MAX_REQUEST]).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        });
        assert!(long.await.unwrap().contains("at most 4096 octets"));

        shutdown.cancel();
        serving.await.unwrap();
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn the_socket_of_a_dead_process_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("admin.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        assert!(matches!(
            ask(&path, &Request::Status, SECOND),
            Err(AskError::NoServer { .. })
        ));
        AdminSocket::bind(&path).unwrap();
    }
}
