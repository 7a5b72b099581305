//! One connection to a domain controller: connecting, and one operation after the other.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Waker},
    time::Duration,
};

use bytes::BytesMut;
use ldap3_proto::{
    control::LdapControl,
    proto::{LdapExtendedRequest, LdapModify, LdapModifyRequest, LdapOp},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
    time::timeout,
};

use super::{
    BindOutcome, SearchEntry, SearchRequest, SearchStream, Security, ServerAddress, UpstreamError,
    UpstreamTls,
    message::{self, Message, Response},
};
use crate::proto::{LdapResult, MessageId, ResultCode, extended, frame, response};

/// The largest message a domain controller may send: a group with 100,000 members fits.
const MAX_MESSAGE_OCTETS: usize = 64 * 1024 * 1024;
/// Room a buffer keeps between messages; what a large message needed is given back.
const BUFFER_OCTETS: usize = 64 * 1024;
/// A host name with more addresses than this is not tried to the end.
const MAX_ADDRESSES: usize = 4;

/// How long to wait for a domain controller.
///
/// A domain controller that writes a large answer may let everybody else wait for half a minute,
/// so waiting for an answer is more patient than waiting for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a TCP connection to one address, and for DNS.
    pub connect: Duration,
    /// For the TLS handshake, StartTLS included.
    pub handshake: Duration,
    /// For the answer to a bind.
    pub bind: Duration,
    /// For each message of any other answer.
    pub answer: Duration,
    /// For the first message of a full DirSync round, which a server may build as a whole first.
    pub dump: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            handshake: Duration::from_secs(10),
            bind: Duration::from_secs(35),
            answer: Duration::from_secs(60),
            dump: Duration::from_secs(300),
        }
    }
}

/// A stream of octets, usually TLS over TCP.
pub trait Transport: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Transport for T {}

/// One connection, with at most one operation outstanding.
///
/// Answers are read when they are asked for and not before: a slow consumer slows the server down
/// instead of filling memory.
pub struct Connection {
    server: ServerAddress,
    timeouts: Timeouts,
    stream: Box<dyn Transport>,
    buffer: BytesMut,
    last_id: i32,
    /// Set from sending a request to its final response; stays set when an operation is given up.
    outstanding: bool,
}

impl Connection {
    /// Connects, begins TLS and verifies the server's certificate. Nothing is bound yet.
    ///
    /// Cancel safe: yes, the connection is dropped.
    ///
    /// # Errors
    /// [`UpstreamError`] as to DNS, TCP, StartTLS and certificates.
    pub async fn connect(
        server: &ServerAddress,
        tls: &UpstreamTls,
        timeouts: Timeouts,
    ) -> Result<Self, UpstreamError> {
        let stream: Box<dyn Transport> = Box::new(tcp_connect(server, timeouts.connect).await?);
        let secured = async {
            let stream = match server.security {
                Security::Tls => stream,
                Security::StartTls => start_tls(server, stream, timeouts).await?,
            };
            tls.handshake(server, stream).await
        };
        let stream =
            timeout(timeouts.handshake, secured)
                .await
                .map_err(|_| UpstreamError::Timeout {
                    server: server.clone(),
                    what: "finish the TLS handshake",
                    after: timeouts.handshake,
                })??;
        Ok(Self::over(server.clone(), stream, timeouts))
    }

    /// Speaks LDAP over a stream that is already secure.
    pub fn over(
        server: ServerAddress,
        stream: impl Transport + 'static,
        timeouts: Timeouts,
    ) -> Self {
        Self {
            server,
            timeouts,
            stream: Box::new(stream),
            buffer: BytesMut::with_capacity(BUFFER_OCTETS),
            last_id: 0,
            outstanding: false,
        }
    }

    /// The server at the other end.
    pub fn server(&self) -> &ServerAddress {
        &self.server
    }

    /// The limits on waiting.
    pub fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Binds with name and password; a refusal is an outcome, not an error.
    ///
    /// `name` is any form AD takes; `password` any octets. Cancel safe: the connection cannot be
    /// used afterwards.
    ///
    /// # Errors
    /// [`UpstreamError::EmptyPassword`] without sending anything; else as to the connection.
    pub async fn simple_bind(
        &mut self,
        name: &str,
        password: &[u8],
    ) -> Result<BindOutcome, UpstreamError> {
        if password.is_empty() {
            return Err(UpstreamError::EmptyPassword);
        }
        let id = self.begin()?;
        let request = message::encode_simple_bind(id, name, password);
        self.send(&request).await?;
        let response = self
            .response(id, response::tag::BIND, self.timeouts.bind, "answer a bind")
            .await?;
        Ok(BindOutcome::from(response.result))
    }

    /// Starts a search; the entries are read from what is returned.
    ///
    /// # Errors
    /// [`UpstreamError`] as to the connection.
    pub async fn search(
        &mut self,
        request: SearchRequest,
    ) -> Result<SearchStream<'_>, UpstreamError> {
        let patience = request.answer_timeout.unwrap_or(self.timeouts.answer);
        let (operation, controls) = request.into_operation();
        let id = self.begin()?;
        let octets = self.encode(id, operation, controls)?;
        self.send(&octets).await?;
        Ok(SearchStream::new(self, id, patience))
    }

    /// Runs a search that must succeed and is known to be small.
    ///
    /// # Errors
    /// [`UpstreamError::Refused`] for any result but success; [`UpstreamError::Protocol`] for more
    /// than `limit` entries.
    pub async fn search_all(
        &mut self,
        request: SearchRequest,
        limit: usize,
    ) -> Result<Vec<SearchEntry>, UpstreamError> {
        let what = format!("search {}", request.described_base());
        let server = self.server.clone();
        let mut stream = self.search(request).await?;
        let mut entries = Vec::new();
        while let Some(entry) = stream.next().await? {
            if entries.len() == limit {
                return Err(UpstreamError::protocol(
                    &server,
                    format_args!("more than {limit} entries in answer to: {what}"),
                ));
            }
            entries.push(entry);
        }
        let done = stream.finish().await?;
        refuse(&server, what, done.result)?;
        Ok(entries)
    }

    /// Reads one entry by its DN or `<GUID=...>`; `None` where there is none to see.
    ///
    /// # Errors
    /// As [`Connection::search_all`].
    pub async fn read(
        &mut self,
        base: &str,
        attributes: &[&str],
    ) -> Result<Option<SearchEntry>, UpstreamError> {
        match self
            .search_all(SearchRequest::base(base, attributes), 1)
            .await
        {
            Ok(entries) => Ok(entries.into_iter().next()),
            Err(UpstreamError::Refused { code, .. }) if code == ResultCode::NO_SUCH_OBJECT => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Reads attributes of the root DSE, which needs no bind.
    ///
    /// # Errors
    /// As [`Connection::search_all`]; [`UpstreamError::NotUsable`] where there is none.
    pub async fn root_dse(&mut self, attributes: &[&str]) -> Result<SearchEntry, UpstreamError> {
        self.read("", attributes)
            .await?
            .ok_or_else(|| UpstreamError::NotUsable {
                server: self.server.clone(),
                problem: "it has no root DSE".to_owned(),
            })
    }

    /// Modifies an entry; a refusal is a result, not an error.
    ///
    /// # Errors
    /// [`UpstreamError`] as to the connection.
    pub async fn modify(
        &mut self,
        dn: &str,
        changes: Vec<LdapModify>,
    ) -> Result<LdapResult, UpstreamError> {
        let operation = LdapOp::ModifyRequest(LdapModifyRequest {
            dn: dn.to_owned(),
            changes,
        });
        self.operation(operation, Vec::new()).await
    }

    /// Runs any operation with a single response: Add, Delete, Modify, ModifyDN, Compare, Extended.
    ///
    /// # Errors
    /// [`UpstreamError`] as to the connection; a result other than success is no error.
    pub async fn operation(
        &mut self,
        operation: LdapOp,
        controls: Vec<LdapControl>,
    ) -> Result<LdapResult, UpstreamError> {
        let answer = match &operation {
            LdapOp::AddRequest(_) => response::tag::ADD,
            LdapOp::DelRequest(_) => response::tag::DELETE,
            LdapOp::ModifyRequest(_) => response::tag::MODIFY,
            LdapOp::ModifyDNRequest(_) => response::tag::MODIFY_DN,
            LdapOp::CompareRequest(_) => response::tag::COMPARE,
            LdapOp::ExtendedRequest(_) => response::tag::EXTENDED,
            _ => {
                return Err(UpstreamError::protocol(
                    &self.server,
                    "no operation with a single response",
                ));
            }
        };
        let id = self.begin()?;
        let octets = self.encode(id, operation, controls)?;
        self.send(&octets).await?;
        let response = self
            .response(id, answer, self.timeouts.answer, "answer")
            .await?;
        Ok(response.result)
    }

    /// Says good-bye; errors do not matter any more.
    pub async fn close(mut self) {
        let id = MessageId(self.last_id.saturating_add(1));
        let farewell = async {
            let unbind = message::encode_request(id, LdapOp::UnbindRequest, Vec::new())?;
            self.stream.write_all(&unbind).await?;
            self.stream.shutdown().await
        };
        if let Ok(Err(error)) = timeout(self.timeouts.connect, farewell).await {
            tracing::debug!(upstream.host = %self.server.host, %error, "closing a connection");
        }
    }

    /// Whether the next operation may be sent: nothing is outstanding and the server has not
    /// closed the connection as far as is known here. Does not wait.
    pub fn is_usable(&mut self) -> bool {
        if self.outstanding || !self.buffer.is_empty() {
            return false;
        }
        let mut probe = [0u8; 1];
        let mut probe = ReadBuf::new(&mut probe);
        let mut context = Context::from_waker(Waker::noop());
        // An idle connection has nothing to read: octets would be a notice of disconnection.
        Pin::new(&mut self.stream)
            .poll_read(&mut context, &mut probe)
            .is_pending()
    }

    fn begin(&mut self) -> Result<MessageId, UpstreamError> {
        if self.outstanding {
            return Err(UpstreamError::Interrupted {
                server: self.server.clone(),
            });
        }
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        Ok(MessageId(self.last_id))
    }

    fn encode(
        &self,
        id: MessageId,
        operation: LdapOp,
        controls: Vec<LdapControl>,
    ) -> Result<BytesMut, UpstreamError> {
        message::encode_request(id, operation, controls)
            .map_err(|error| UpstreamError::protocol(&self.server, error))
    }

    async fn send(&mut self, octets: &[u8]) -> Result<(), UpstreamError> {
        self.outstanding = true;
        let written = async {
            self.stream.write_all(octets).await?;
            self.stream.flush().await
        };
        match timeout(self.timeouts.answer, written).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.closed(&error)),
            Err(_) => Err(self.timed_out("take a request", self.timeouts.answer)),
        }
    }

    async fn response(
        &mut self,
        id: MessageId,
        tag: crate::ber::Tag,
        patience: Duration,
        what: &'static str,
    ) -> Result<Response, UpstreamError> {
        let frame = self.next_frame(id, patience, what).await?;
        let answer = Message::decode(&frame)
            .map_err(|error| UpstreamError::protocol(&self.server, error))?;
        if answer.operation.tag != tag {
            return Err(UpstreamError::protocol(
                &self.server,
                format_args!(
                    "response {:#04x} where {tag:#04x} belongs",
                    answer.operation.tag
                ),
            ));
        }
        let response = answer
            .response()
            .map_err(|error| UpstreamError::protocol(&self.server, error))?;
        self.outstanding = false;
        Ok(response)
    }

    /// The next message that answers operation `id`. Cancel safe: yes, nothing read is lost.
    pub(super) async fn next_frame(
        &mut self,
        id: MessageId,
        patience: Duration,
        what: &'static str,
    ) -> Result<BytesMut, UpstreamError> {
        let next = async {
            let frame = self.read_frame().await?;
            let message = Message::decode(&frame)
                .map_err(|error| UpstreamError::protocol(&self.server, error))?;
            if message.id == id {
                return Ok(frame);
            }
            if message.id == MessageId(0) && message.operation.tag == response::tag::EXTENDED {
                let notice = message
                    .response()
                    .map_err(|error| UpstreamError::protocol(&self.server, error))?;
                return Err(UpstreamError::Disconnected {
                    server: self.server.clone(),
                    code: notice.result.code,
                    text: notice.result.diagnostic,
                });
            }
            Err(UpstreamError::protocol(
                &self.server,
                format_args!("an answer to operation {} instead of {id}", message.id),
            ))
        };
        match timeout(patience, next).await {
            Ok(result) => result,
            Err(_) => Err(self.timed_out(what, patience)),
        }
    }

    /// Called when the final response of an operation has been read.
    pub(super) fn completed(&mut self) {
        self.outstanding = false;
    }

    async fn read_frame(&mut self) -> Result<BytesMut, UpstreamError> {
        loop {
            let cut = frame::next(&self.buffer, MAX_MESSAGE_OCTETS)
                .map_err(|error| UpstreamError::protocol(&self.server, error))?;
            if let Some(length) = cut {
                let frame = self.buffer.split_to(length);
                if self.buffer.is_empty() && length > BUFFER_OCTETS {
                    self.buffer = BytesMut::with_capacity(BUFFER_OCTETS);
                }
                return Ok(frame);
            }
            self.buffer.reserve(BUFFER_OCTETS / 4);
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) => {
                    return Err(UpstreamError::Closed {
                        server: self.server.clone(),
                        detail: if self.buffer.is_empty() {
                            String::new()
                        } else {
                            " in the middle of a message".to_owned()
                        },
                    });
                }
                Ok(_) => {}
                Err(error) => return Err(self.closed(&error)),
            }
        }
    }

    fn closed(&self, error: &io::Error) -> UpstreamError {
        let detail = match error.kind() {
            // TCP ended without a farewell of TLS: no news, and rustls has a long text for it.
            io::ErrorKind::UnexpectedEof => String::new(),
            _ => format!(": {error}"),
        };
        UpstreamError::Closed {
            server: self.server.clone(),
            detail,
        }
    }

    fn timed_out(&self, what: &'static str, after: Duration) -> UpstreamError {
        UpstreamError::Timeout {
            server: self.server.clone(),
            what,
            after,
        }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Connection")
            .field("server", &self.server)
            .field("outstanding", &self.outstanding)
            .finish_non_exhaustive()
    }
}

/// Makes an error of every result but success.
pub(super) fn refuse(
    server: &ServerAddress,
    what: String,
    result: LdapResult,
) -> Result<(), UpstreamError> {
    if result.code == ResultCode::SUCCESS {
        return Ok(());
    }
    Err(UpstreamError::Refused {
        server: server.clone(),
        what,
        code: result.code,
        text: result.diagnostic,
    })
}

async fn tcp_connect(
    server: &ServerAddress,
    patience: Duration,
) -> Result<TcpStream, UpstreamError> {
    let addresses = addresses_of(server, patience).await?;
    let mut problems = Vec::new();
    for address in addresses.iter().take(MAX_ADDRESSES) {
        match timeout(patience, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Requests are small and wait for answers: holding them back only costs time.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%address, %error, "cannot turn off delayed sending");
                }
                return Ok(stream);
            }
            Ok(Err(error)) => problems.push(format!("{address}: {error}")),
            Err(_) => problems.push(format!(
                "{address}: no answer within {} s",
                patience.as_secs()
            )),
        }
    }
    Err(UpstreamError::Connect {
        server: server.clone(),
        problem: problems.join(", "),
    })
}

async fn addresses_of(
    server: &ServerAddress,
    patience: Duration,
) -> Result<Vec<SocketAddr>, UpstreamError> {
    if let Some(address) = server.connect_to {
        return Ok(vec![SocketAddr::new(address, server.port)]);
    }
    let problem = match timeout(
        patience,
        tokio::net::lookup_host((server.host.as_str(), server.port)),
    )
    .await
    {
        Ok(Ok(addresses)) => {
            let addresses: Vec<SocketAddr> = addresses.collect();
            if !addresses.is_empty() {
                return Ok(addresses);
            }
            "no address".to_owned()
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", patience.as_secs()),
    };
    Err(UpstreamError::Resolve {
        name: server.host.clone(),
        problem,
    })
}

/// Asks for TLS on a clear connection (RFC 4511 section 4.14) and hands the stream back.
async fn start_tls(
    server: &ServerAddress,
    stream: Box<dyn Transport>,
    timeouts: Timeouts,
) -> Result<Box<dyn Transport>, UpstreamError> {
    let mut clear = Connection::over(server.clone(), stream, timeouts);
    let request = LdapOp::ExtendedRequest(LdapExtendedRequest {
        name: extended::START_TLS.to_owned(),
        value: None,
    });
    let result = clear.operation(request, Vec::new()).await?;
    if result.code != ResultCode::SUCCESS {
        return Err(UpstreamError::StartTls {
            server: server.clone(),
            code: result.code,
            text: result.diagnostic,
        });
    }
    if !clear.buffer.is_empty() {
        // Anybody on the way could have put these octets there.
        return Err(UpstreamError::protocol(
            server,
            "octets after the StartTLS response",
        ));
    }
    Ok(clear.stream)
}

#[cfg(test)]
mod tests;
