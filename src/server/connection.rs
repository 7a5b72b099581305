//! One connection: its read loop, the operations under way, its output.
//!
//! Performance critical. A read may bring many requests; each is started as it is decoded, and all
//! answers that are ready leave in one write. Searches run in slices, in turn, in this one task, so
//! that a long one holds up neither its neighbours nor an Abandon. Nothing is queued beyond the
//! input buffer, one output buffer and `max_outstanding` searches.

use std::{
    collections::VecDeque,
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use bytes::BytesMut;
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, Sleep, sleep_until, timeout},
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tracing::Instrument;

use super::{
    Service, Settings,
    config::LimitsConfig,
    followers::Followers,
    operation::{self, Next, Outstanding, Running},
    session::Session,
    transport::Transport,
};
use crate::proto::{
    LdapResult, ResultCode,
    frame::{self, FrameError},
    request::{self, DecodeError, Operation, Reason, Request},
    response::{answer_to, write_notice_of_disconnection, write_result},
};

/// Octets of output after which it is written.
const OUTPUT_MARK: usize = 64 * 1024;
/// Candidates a search looks at before others have their turn.
const SLICE: usize = 2048;
/// A time that does not come.
const NEVER: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);
/// How long the end of a connection may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// One client's connection.
pub(super) struct Connection {
    service: Arc<Service>,
    settings: Arc<Settings>,
    transport: Transport,
    session: Session,
    /// Kept from read to read, since asking to be told takes locks.
    shutdown: Pin<Box<WaitForCancellationFutureOwned>>,
    input: BytesMut,
    /// When the message that is not complete yet began to arrive.
    message_since: Option<Instant>,
    /// Rings no later than the next deadline. Kept from read to read, since setting a timer costs
    /// more than one that rings too early now and then.
    alarm: Option<Pin<Box<Sleep>>>,
    output: Vec<u8>,
    running: VecDeque<Box<Running>>,
    followers: Followers,
    /// Whether the client will send nothing more.
    ended: bool,
}

/// Why a connection ends.
#[derive(Debug)]
enum End {
    /// The client said or showed so.
    Client,
    /// Reading or writing failed.
    Io(io::Error),
    /// The client must be told why.
    Notice(LdapResult),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Connection {
    pub(super) fn new(
        service: Arc<Service>,
        stream: TcpStream,
        peer: SocketAddr,
        shutdown: CancellationToken,
    ) -> Self {
        let settings = service.settings();
        Self {
            session: Session::new(service.next_connection(), peer),
            service,
            settings,
            transport: Transport::Plain(stream),
            shutdown: Box::pin(shutdown.cancelled_owned()),
            input: BytesMut::new(),
            message_since: None,
            alarm: None,
            output: Vec::new(),
            running: VecDeque::new(),
            followers: Followers::default(),
            ended: false,
        }
    }

    /// Serves the client until one of the sides ends it.
    pub(super) async fn serve(mut self, tls_first: bool) {
        let metrics = Arc::clone(&self.service.metrics);
        metrics.connections.increment();
        metrics.connections_total.increment();
        let span = tracing::debug_span!(
            "connection",
            conn.id = self.session.id,
            peer.addr = %self.session.peer
        );
        async {
            let end = if tls_first {
                self.handshake().await
            } else {
                Ok(())
            };
            let end = match end {
                Ok(()) => self.run().await,
                Err(end) => end,
            };
            self.finish(end).await;
        }
        .instrument(span)
        .await;
        metrics.connections.decrement();
    }

    async fn run(&mut self) -> End {
        loop {
            if let Err(end) = self.turn().await {
                return end;
            }
        }
    }

    /// One turn: start what has arrived, write what is ready, move on what runs or wait.
    async fn turn(&mut self) -> Result<(), End> {
        self.start_requests().await?;
        if !self.running.is_empty() || self.followers.are_busy(&self.service) {
            // What is answered does not wait for a search that finds little.
            self.flush().await?;
            self.advance().await?;
            return self.read_what_is_there().await;
        }
        self.flush().await?;
        if self.ended {
            return Err(End::Client);
        }
        self.read().await
    }

    /// Starts every request that is complete, as far as more may be outstanding.
    async fn start_requests(&mut self) -> Result<(), End> {
        while self.outstanding().len() < self.settings.limits.max_outstanding.max(1) {
            match frame::next(&self.input, self.message_limit()) {
                Ok(Some(length)) => {
                    let frame = self.input.split_to(length);
                    self.message_since = None;
                    self.start(&frame).await?;
                    if self.output.len() >= OUTPUT_MARK {
                        self.flush().await?;
                    }
                }
                Ok(None) => break,
                Err(error) => return Err(End::Notice(malformed(&error))),
            }
        }
        Ok(())
    }

    /// What is under way.
    fn outstanding(&self) -> Outstanding<'_> {
        Outstanding {
            running: &self.running,
            followers: &self.followers,
            more: !self.input.is_empty(),
        }
    }

    /// Before a bind only small messages are taken.
    fn message_limit(&self) -> usize {
        let limit = self.settings.limits.max_message_bytes;
        if self.session.identity.is_known() {
            limit
        } else {
            limit.min(LimitsConfig::MAX_UNBOUND_MESSAGE_BYTES)
        }
    }

    async fn start(&mut self, frame: &[u8]) -> Result<(), End> {
        let request = match request::decode(frame) {
            Ok(request) => request,
            Err(error) => return self.refuse(&error).await,
        };
        // Requests outstanding when a bind arrives are finished first, or abandoned where they do
        // not end (RFC 4511 section 4.2.1).
        if matches!(request.operation, Operation::Bind(_)) {
            self.finish_running().await?;
        }
        // Whoever reads the answers could not tell whose they are (RFC 4511 section 4.1.1.1).
        if self.outstanding().contains(request.id) && answer_to(request.operation.tag()).is_some() {
            return self.refuse(&in_use(&request)).await;
        }
        // Pinned where it is: what is instrumented would be moved there, whole, for each request.
        let next = pin!(operation::start(
            &self.service,
            &self.settings,
            &mut self.session,
            Outstanding {
                running: &self.running,
                followers: &self.followers,
                more: !self.input.is_empty(),
            },
            &request,
            &mut self.output,
        ))
        .instrument(tracing::debug_span!("operation", msg.id = request.id.0))
        .await;
        match next {
            Next::Done => {}
            Next::Search(running) => {
                if self.give_slice(running) {
                    // Requests for long searches that came at once take their time one by one.
                    tokio::task::yield_now().await;
                }
            }
            Next::Follow(following) => self.followers.push(&self.service, *following),
            Next::Abandon(id) => {
                self.running.retain(|running| running.id() != id);
                self.followers.remove(id);
            }
            Next::StartTls => self.start_tls().await?,
            Next::Unbind => return Err(End::Client),
        }
        Ok(())
    }

    /// Answers a request that could not be decoded, or ends the connection where nobody can tell
    /// what it was.
    async fn refuse(&mut self, error: &DecodeError) -> Result<(), End> {
        // A bind that fails leaves nobody bound, whatever it fails for (RFC 4513 section 4).
        if error.operation == Some(request::tag::BIND) {
            self.finish_running().await?;
            self.session.begin_bind();
        }
        let result = LdapResult::new(ResultCode::PROTOCOL_ERROR, error.to_string());
        match (error.id, error.operation.and_then(answer_to)) {
            (Some(id), Some(tag)) => {
                write_result(&mut self.output, id, tag, &result, &[]);
                Ok(())
            }
            _ => Err(End::Notice(result)),
        }
    }

    /// Gives the running search whose turn it is a slice, and then other connections theirs.
    async fn advance(&mut self) -> Result<(), End> {
        if let Some(running) = self.running.pop_front() {
            self.give_slice(running);
            if self.output.len() >= OUTPUT_MARK {
                self.flush().await?;
            }
        }
        self.followers
            .advance(&self.service, &mut self.output, OUTPUT_MARK, SLICE);
        if self.output.len() >= OUTPUT_MARK {
            self.flush().await?;
        }
        tokio::task::yield_now().await;
        Ok(())
    }

    /// Moves a search on; it goes to the end of the row unless it is answered. Says whether it did.
    fn give_slice(&mut self, running: Box<Running>) -> bool {
        let pages = &mut self.session.pages;
        let left = running.advance(&self.service, pages, &mut self.output, OUTPUT_MARK, SLICE);
        let goes_on = left.is_some();
        self.running.extend(left);
        goes_on
    }

    async fn finish_running(&mut self) -> Result<(), End> {
        self.followers.remove_persistent();
        while !self.running.is_empty() || !self.followers.is_empty() {
            self.advance().await?;
        }
        Ok(())
    }

    /// The input is empty: StartTLS is refused where more came with it, so that nothing of that is
    /// ever taken for what comes inside (RFC 4511 section 4.14.1).
    async fn start_tls(&mut self) -> Result<(), End> {
        self.flush().await?;
        self.handshake().await
    }

    async fn handshake(&mut self) -> Result<(), End> {
        let Some(config) = self.settings.tls.clone() else {
            return Err(End::Client);
        };
        let patience = self.settings.limits.handshake_timeout;
        let outcome = match timeout(patience, self.transport.start_tls(config)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        if let Err(error) = outcome {
            self.service.metrics.handshakes_failed_total.increment();
            tracing::debug!(%error, "TLS handshake failed");
            return Err(End::Io(error));
        }
        self.session.tls = self.transport.is_tls();
        self.session.certificate = self.transport.peer_certificate();
        Ok(())
    }

    /// Waits for octets, for as long as an idle client or a message under way may take.
    async fn read(&mut self) -> Result<(), End> {
        let limits = &self.settings.limits;
        let (deadline, limit, late): (_, _, fn(Duration) -> LdapResult) = if self.input.is_empty() {
            // Room for a large message is given back once it is worked on.
            if self.input.try_reclaim(OUTPUT_MARK) {
                self.input = BytesMut::new();
            }
            let patience = match limits.idle_timeout {
                // Nobody has to say anything while he listens.
                _ if !self.followers.is_empty() => NEVER,
                Duration::ZERO => NEVER,
                patience => patience,
            };
            (Instant::now() + patience, patience, idle)
        } else {
            let since = *self.message_since.get_or_insert_with(Instant::now);
            (since + limits.message_timeout, limits.message_timeout, slow)
        };
        loop {
            // A client that waits must not keep an old version of the directory for ever.
            let expiry = self.session.pages.expire();
            let wake = expiry.map_or(deadline, |at| deadline.min(at.into()));
            let alarm = self
                .alarm
                .get_or_insert_with(|| Box::pin(sleep_until(wake)));
            if alarm.deadline() > wake || alarm.is_elapsed() {
                alarm.as_mut().reset(wake);
            }
            let read = tokio::select! {
                biased;
                read = self.transport.read_onto(&mut self.input) => Some(read?),
                () = alarm => None,
                () = self.shutdown.as_mut() => return Err(End::Notice(shutting_down())),
                () = self.followers.published() => return Ok(()),
            };
            match read {
                Some(count) => {
                    self.take_note(count);
                    return Ok(());
                }
                None if Instant::now() < deadline => {}
                None => return Err(End::Notice(late(limit))),
            }
        }
    }

    /// Reads without waiting, for an Abandon or more requests, while searches run.
    async fn read_what_is_there(&mut self) -> Result<(), End> {
        let full = self.outstanding().len() >= self.settings.limits.max_outstanding
            || self.input.len() >= self.message_limit();
        if self.ended || full {
            return Ok(());
        }
        let read = tokio::select! {
            biased;
            read = self.transport.read_onto(&mut self.input) => Some(read?),
            () = std::future::ready(()) => None,
        };
        if let Some(count) = read {
            self.take_note(count);
        }
        Ok(())
    }

    fn take_note(&mut self, count: usize) {
        self.ended = count == 0;
        self.service.metrics.bytes_received_total.add(count as u64);
    }

    /// Writes the whole output; a client that does not read is given up.
    async fn flush(&mut self) -> Result<(), End> {
        if self.output.is_empty() {
            return Ok(());
        }
        let patience = self.settings.limits.write_timeout;
        let mut rest = self.output.as_slice();
        while !rest.is_empty() {
            let count = within(patience, pin!(self.transport.write(rest))).await?;
            if count == 0 {
                return Err(End::Client);
            }
            rest = rest.get(count..).unwrap_or_default();
        }
        within(patience, pin!(self.transport.flush())).await?;
        self.service
            .metrics
            .bytes_sent_total
            .add(self.output.len() as u64);
        self.output.clear();
        self.output.shrink_to(2 * OUTPUT_MARK);
        Ok(())
    }

    /// Ends the connection, with a notice where the client should know why.
    async fn finish(mut self, end: End) {
        match &end {
            End::Client => tracing::debug!("the client ended the connection"),
            End::Io(error) => tracing::debug!(%error, "the connection failed"),
            End::Notice(result) => {
                tracing::debug!(reason = result.diagnostic, "the server ends the connection");
            }
        }
        if let End::Notice(result) = &end {
            if result.code == ResultCode::UNAVAILABLE && self.finish_running().await.is_err() {
                return;
            }
            write_notice_of_disconnection(&mut self.output, result);
            let _ = self.flush().await;
        }
        let patience = self.settings.limits.write_timeout.min(FAREWELL);
        let _ = timeout(patience, async {
            match end {
                // The answers to what came before an Unbind.
                End::Client => drop(self.flush().await),
                End::Io(_) | End::Notice(_) => {}
            }
            // Closing does it, but what TLS says at its end.
            if !matches!(end, End::Client) || self.transport.is_tls() {
                let _ = self.transport.shutdown().await;
            }
            match end {
                End::Notice(result) if result.code != ResultCode::UNAVAILABLE => {
                    self.discard().await;
                }
                _ => {}
            }
        })
        .await;
    }

    /// Reads what the client still sends until it ends, too: closing before would reset the
    /// connection and might take the notice from it.
    async fn discard(&mut self) {
        self.input.clear();
        while let Ok(1..) = self.transport.read_onto(&mut self.input).await {
            self.input.clear();
        }
    }
}

/// Waits for what most often is ready at once, and needs no timer then.
async fn within<T>(
    patience: Duration,
    mut work: Pin<&mut impl Future<Output = io::Result<T>>>,
) -> io::Result<T> {
    let at_once = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await;
    match at_once {
        Poll::Ready(done) => done,
        Poll::Pending => match timeout(patience, work).await {
            Ok(done) => done,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        },
    }
}

/// What is wrong with a request under the number of another that is not answered yet.
fn in_use(request: &Request<'_>) -> DecodeError {
    DecodeError {
        id: Some(request.id),
        operation: Some(request.operation.tag()),
        reason: Reason::MessageIdInUse(request.id),
    }
}

fn malformed(error: &FrameError) -> LdapResult {
    LdapResult::new(ResultCode::PROTOCOL_ERROR, error.to_string())
}

fn idle(limit: Duration) -> LdapResult {
    LdapResult::new(
        ResultCode::ADMIN_LIMIT_EXCEEDED,
        format!("the connection was idle for {} s", limit.as_secs()),
    )
}

fn slow(limit: Duration) -> LdapResult {
    LdapResult::new(
        ResultCode::ADMIN_LIMIT_EXCEEDED,
        format!("the message did not arrive within {} s", limit.as_secs()),
    )
}

fn shutting_down() -> LdapResult {
    LdapResult::new(ResultCode::UNAVAILABLE, "the server is shutting down")
}
