//! One connection: TLS, buffers, and whole messages cut out of what was read.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use anyhow::{Context as _, bail, ensure};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use crate::support::ber;
use crate::support::requests::{self, Answer};
use crate::target::{Credentials, Security, Target};

/// A connection with requests to write and answers to read.
pub(crate) struct Connection<S = Box<dyn Transport>> {
    stream: S,
    output: Vec<u8>,
    /// How much of `output` is written.
    written: usize,
    input: Vec<u8>,
    /// What of `input` is read and not yet taken.
    start: usize,
    end: usize,
}

/// TCP, with or without TLS.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Transport for T {}

impl Connection {
    /// Connects, and secures the connection where the target says so; binds nobody.
    pub(crate) async fn open(target: &Target) -> anyhow::Result<Self> {
        let tcp = TcpStream::connect(target.address)
            .await
            .with_context(|| format!("connecting to {}", target.address))?;
        tcp.set_nodelay(true)?;
        let (connector, name, tcp) = match &target.security {
            Security::Plain => return Ok(Self::new(Box::new(tcp))),
            Security::Tls(connector, name) => (connector, name, tcp),
            Security::StartTls(connector, name) => (connector, name, start_tls(tcp).await?),
        };
        let tls = connector
            .connect(name.clone(), tcp)
            .await
            .context("TLS handshake")?;
        Ok(Self::new(Box::new(tls)))
    }
}

impl<S: Transport> Connection<S> {
    /// Binds, where there is somebody to bind as.
    pub(crate) async fn bind(&mut self, credentials: Option<&Credentials>) -> anyhow::Result<()> {
        let Some(credentials) = credentials else {
            return Ok(());
        };
        let password = credentials.password.as_bytes();
        requests::bind(self.output(), SETUP_ID, &credentials.dn, password, None);
        let answer = self.only_answer(requests::BIND_RESPONSE).await?;
        let (code, diagnostic) = answer.result()?;
        ensure!(
            code == requests::SUCCESS,
            "bind as {} was answered with {code} {diagnostic}",
            credentials.dn
        );
        Ok(())
    }

    /// Says farewell; nothing can be outstanding or be answered after it.
    pub(crate) async fn unbind(&mut self) -> anyhow::Result<()> {
        requests::unbind(self.output(), SETUP_ID);
        let unwritten = self.output.get(self.written..).unwrap_or_default();
        self.stream.write_all(unwritten).await?;
        self.stream.flush().await?;
        self.output.clear();
        self.written = 0;
        Ok(())
    }

    /// Waits for the server to close after an unbind (RFC 4511 section 4.3).
    pub(crate) async fn closed(&mut self) -> anyhow::Result<()> {
        ensure!(self.start == self.end, "the server answered an unbind");
        let read = poll_fn(|cx| self.poll_read(cx)).await;
        // A server may close TCP without closing TLS: it has nothing more to say either way.
        ensure!(
            matches!(read, Ok(0) | Err(_)),
            "the server answered an unbind"
        );
        Ok(())
    }

    /// Where to append requests; [`Self::exchange`] writes them.
    pub(crate) fn output(&mut self) -> &mut Vec<u8> {
        if self.written == self.output.len() {
            self.output.clear();
            self.written = 0;
        }
        &mut self.output
    }

    /// Writes what there is to write and returns once something was read.
    ///
    /// Both go on at the same time: a server that stops reading until its answers are taken
    /// cannot make this wait for ever.
    pub(crate) async fn exchange(&mut self) -> anyhow::Result<()> {
        let read = poll_fn(|cx| {
            // Pending writes leave their waker; what was read decides when this returns.
            if let Poll::Ready(Err(error)) = self.poll_write(cx) {
                return Poll::Ready(Err(error));
            }
            self.poll_read(cx)
        })
        .await?;
        ensure!(read > 0, "the server closed the connection");
        Ok(())
    }

    /// The next complete answer, if it has been read.
    pub(crate) fn answer(&mut self) -> anyhow::Result<Option<Answer<'_>>> {
        let unread = self.input.get(self.start..self.end).unwrap_or_default();
        let length = ber::message_length(unread)?.unwrap_or(0);
        if length == 0 || length > unread.len() {
            self.make_room(length);
            return Ok(None);
        }
        let begin = self.start;
        self.start += length;
        let message = self.input.get(begin..self.start).unwrap_or_default();
        Ok(Some(Answer::parse(message)?))
    }

    fn new(stream: S) -> Self {
        Self {
            stream,
            output: Vec::new(),
            written: 0,
            input: vec![0; 16 << 10],
            start: 0,
            end: 0,
        }
    }

    /// The one answer to the one request outstanding.
    async fn only_answer(&mut self, operation: u8) -> anyhow::Result<Answer<'_>> {
        while !self.has_answer()? {
            self.exchange().await?;
        }
        match self.answer()? {
            Some(answer) if answer.id == SETUP_ID && answer.operation == operation => Ok(answer),
            Some(answer) => bail!("unexpected answer {:#04x}", answer.operation),
            None => bail!("the answer is gone"),
        }
    }

    fn has_answer(&mut self) -> anyhow::Result<bool> {
        let unread = self.input.get(self.start..self.end).unwrap_or_default();
        Ok(ber::message_length(unread)?.is_some_and(|length| length <= unread.len()))
    }

    /// Moves what is unread to the front, and makes the buffer large enough for one message.
    fn make_room(&mut self, message: usize) {
        self.input.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if message.max(self.end + 1) > self.input.len() {
            self.input.resize(message.max(2 * self.input.len()), 0);
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<anyhow::Result<()>> {
        while let Some(unwritten @ [_, ..]) = self.output.get(self.written..) {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, unwritten))?;
            ensure_progress(written)?;
            self.written += written;
        }
        Ok(ready!(Pin::new(&mut self.stream).poll_flush(cx))?).into()
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<anyhow::Result<usize>> {
        if self.end == self.input.len() {
            self.make_room(0);
        }
        let mut buffer = ReadBuf::new(self.input.get_mut(self.end..).unwrap_or_default());
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        let read = buffer.filled().len();
        self.end += read;
        Poll::Ready(Ok(read))
    }
}

/// The message id outside the load.
const SETUP_ID: i32 = 1;

fn ensure_progress(written: usize) -> anyhow::Result<()> {
    ensure!(written > 0, "the connection takes no more data");
    Ok(())
}

async fn start_tls(tcp: TcpStream) -> anyhow::Result<TcpStream> {
    let mut plain = Connection::new(tcp);
    requests::start_tls(plain.output(), SETUP_ID);
    let answer = plain.only_answer(requests::EXTENDED_RESPONSE).await?;
    let (code, diagnostic) = answer.result()?;
    ensure!(
        code == requests::SUCCESS,
        "StartTLS was answered with {code} {diagnostic}"
    );
    ensure!(
        plain.start == plain.end,
        "plain text follows the answer to StartTLS"
    );
    Ok(plain.stream)
}
