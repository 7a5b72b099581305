//! The floor: what a server costs that does nothing but read requests and write answers.
//!
//! One thread waits with epoll, cuts what it reads into messages, and answers each with octets
//! that it learned from a real server: the same number of messages of the same sizes, under the
//! id of the request. There is no directory, no filter and no check behind it. What a server
//! takes beyond this is what its work costs.

use std::collections::HashMap;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use mio::{Events, Interest, Poll, Token};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use serde::{Deserialize, Serialize};

use crate::support::population::{Population, SERVICE, password};
use crate::support::server::{self, CERTIFICATE, KEY, Ports, Server};
use crate::support::{ber, requests};
use crate::workload::{Expected, Generator, Workload};

/// What a request is answered with: each message from behind its id on.
type Messages = Vec<Vec<u8>>;

/// The answers that were learned, by what tells requests apart.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Answers {
    /// A request's operation, and of a search its scope and attribute list.
    keys: Vec<Vec<u8>>,
    messages: Vec<Messages>,
}

/// Learns from the server at `teacher` what a workload is answered with, and starts a floor.
pub(crate) fn start(
    population: &Arc<Population>,
    workload: Workload,
    teacher: SocketAddr,
) -> anyhow::Result<Server> {
    let directory = tempfile::tempdir().context("making a directory for the floor")?;
    server::write_certificate(directory.path())?;
    let answers = learn(population, workload, teacher).context("learning answers")?;
    let file = directory.path().join(ANSWERS);
    server::write_file(&file, &serde_json::to_string(&answers)?)?;
    let ports = Ports::free()?;
    let mut command = Command::new(std::env::current_exe().context("this program")?);
    command.arg("--serve-floor").arg(directory.path());
    command.args([ports.ldap.to_string(), ports.ldaps.to_string()]);
    Server::start(NAME, directory, ports, Duration::ZERO, command)
}

/// What it is called in reports.
pub(crate) const NAME: &str = "floor";

const ANSWERS: &str = "answers.json";

/// How many requests of each workload are looked at; the commonest answer is taken.
const SAMPLES: i32 = 512;

fn learn(
    population: &Arc<Population>,
    workload: Workload,
    teacher: SocketAddr,
) -> anyhow::Result<Answers> {
    let mut stream = TcpStream::connect(teacher)?;
    stream.set_nodelay(true)?;
    let mut request = Vec::new();
    let dn = population.service_dn();
    requests::bind(&mut request, 1, &dn, password(SERVICE).as_bytes(), None);
    let mut seen: HashMap<Vec<u8>, HashMap<Messages, u32>> = HashMap::new();
    let mut ask = |request: &[u8], stream: &mut TcpStream| {
        let messages = exchange(stream, request)?;
        let key = key(request)?.to_vec();
        *seen.entry(key).or_default().entry(messages).or_default() += 1;
        anyhow::Ok(())
    };
    ask(&request, &mut stream)?;
    for workload in workload.requests() {
        let mut generator = Generator::new(population, 1, 0);
        let mut expected = Expected::default();
        for id in 2..=SAMPLES {
            request.clear();
            generator.next(*workload, &mut request, id, &mut expected);
            ask(&request, &mut stream)?;
        }
    }
    let mut answers = Answers::default();
    for (key, found) in seen {
        let commonest = found.into_iter().max_by_key(|(_, count)| *count);
        answers.keys.push(key);
        answers
            .messages
            .push(commonest.map(|(messages, _)| messages).unwrap_or_default());
    }
    Ok(answers)
}

/// Sends one request and gathers its answer up to the final message.
fn exchange(stream: &mut TcpStream, request: &[u8]) -> anyhow::Result<Messages> {
    stream.write_all(request)?;
    let mut input = Vec::new();
    let mut messages = Vec::new();
    loop {
        while let Some(length) = ber::message_length(&input)?
            && length <= input.len()
        {
            let message: Vec<u8> = input.drain(..length).collect();
            let (id_and_after, _) = after_id(&message)?;
            messages.push(id_and_after.to_vec());
            let operation = id_and_after.first().copied().unwrap_or_default();
            if !matches!(
                operation,
                requests::SEARCH_RESULT_ENTRY | requests::SEARCH_RESULT_REFERENCE
            ) {
                return Ok(messages);
            }
        }
        let mut buffer = [0; 64 * 1024];
        let count = stream.read(&mut buffer)?;
        ensure!(count > 0, "the server closed the connection");
        input.extend_from_slice(buffer.get(..count).unwrap_or_default());
    }
}

/// What follows the id in a message, and the id's own octets.
fn after_id(message: &[u8]) -> anyhow::Result<(&[u8], &[u8])> {
    let content = ber::Reader::new(message).expect(ber::SEQUENCE)?;
    let id = ber::Reader::new(content).expect(ber::INTEGER)?;
    let rest = content.get(2 + id.len()..).unwrap_or_default();
    Ok((rest, id))
}

/// What tells requests apart that are answered differently.
fn key(request: &[u8]) -> anyhow::Result<&[u8]> {
    let (rest, _) = after_id(request)?;
    let (operation, content) = ber::Reader::new(rest).next()?;
    if operation != requests::SEARCH_REQUEST {
        return Ok(rest.get(..1).unwrap_or_default());
    }
    let mut search = ber::Reader::new(content);
    for _ in 0..7 {
        search.next()?;
    }
    Ok(search.next()?.1)
}

/// Serves the answers in `directory` until the process is ended.
pub(crate) fn serve(directory: &Path, ldap: u16, ldaps: u16) -> anyhow::Result<()> {
    let text = fs::read_to_string(directory.join(ANSWERS))?;
    let mut floor = Floor {
        answers: serde_json::from_str(&text)?,
        tls: tls(directory)?,
        poll: Poll::new()?,
        connections: Vec::new(),
        free: Vec::new(),
        buffer: vec![0; 64 * 1024],
    };
    let listen = |port: u16, token| {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut listener = mio::net::TcpListener::bind(address)?;
        let registry = floor.poll.registry();
        registry.register(&mut listener, token, Interest::READABLE)?;
        anyhow::Ok(listener)
    };
    let listeners = [listen(ldap, PLAIN)?, listen(ldaps, SECURE)?];
    let mut events = Events::with_capacity(1024);
    loop {
        floor.poll.poll(&mut events, None)?;
        for event in &events {
            match event.token() {
                PLAIN | SECURE => {
                    let Some(listener) = listeners.get(event.token().0) else {
                        bail!("no such listener");
                    };
                    floor.accept(listener, event.token() == SECURE)?;
                }
                Token(number) => floor.serve(number - FIRST),
            }
        }
    }
}

const PLAIN: Token = Token(0);
const SECURE: Token = Token(1);
/// The token of the first connection.
const FIRST: usize = 2;

fn tls(directory: &Path) -> anyhow::Result<Arc<ServerConfig>> {
    let certificate = CertificateDer::from_pem_file(directory.join(CERTIFICATE))?;
    let key = PrivateKeyDer::from_pem_file(directory.join(KEY))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    Ok(Arc::new(config))
}

struct Floor {
    answers: Answers,
    tls: Arc<ServerConfig>,
    poll: Poll,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    buffer: Vec<u8>,
}

struct Connection {
    stream: mio::net::TcpStream,
    tls: Option<Box<ServerConnection>>,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Floor {
    fn accept(&mut self, listener: &mio::net::TcpListener, secure: bool) -> anyhow::Result<()> {
        loop {
            let mut stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            stream.set_nodelay(true)?;
            let number = self.free.pop().unwrap_or(self.connections.len());
            if number == self.connections.len() {
                self.connections.push(None);
            }
            let interest = Interest::READABLE | Interest::WRITABLE;
            let registry = self.poll.registry();
            registry.register(&mut stream, Token(number + FIRST), interest)?;
            let tls = match secure {
                true => Some(Box::new(ServerConnection::new(Arc::clone(&self.tls))?)),
                false => None,
            };
            if let Some(slot) = self.connections.get_mut(number) {
                *slot = Some(Connection {
                    stream,
                    tls,
                    input: Vec::new(),
                    output: Vec::new(),
                });
            }
        }
    }

    fn serve(&mut self, number: usize) {
        let Some(Some(connection)) = self.connections.get_mut(number) else {
            return;
        };
        if !connection
            .turn(&self.answers, &mut self.buffer)
            .unwrap_or(false)
        {
            if let Some(slot) = self.connections.get_mut(number) {
                *slot = None;
            }
            self.free.push(number);
        }
    }
}

impl Connection {
    /// Reads, answers, writes; false once the connection is over.
    fn turn(&mut self, answers: &Answers, buffer: &mut [u8]) -> anyhow::Result<bool> {
        let mut open = true;
        loop {
            let count = match &mut self.tls {
                None => self.stream.read(buffer),
                Some(tls) => match tls.read_tls(&mut self.stream) {
                    Ok(count) => {
                        let state = tls.process_new_packets()?;
                        let plain = state.plaintext_bytes_to_read();
                        let start = self.input.len();
                        self.input.resize(start + plain, 0);
                        if let Some(room) = self.input.get_mut(start..) {
                            tls.reader().read_exact(room)?;
                        }
                        Ok(count)
                    }
                    Err(error) => Err(error),
                },
            };
            match count {
                Ok(0) => return Ok(false),
                Ok(count) => {
                    if self.tls.is_none() {
                        let read = buffer.get(..count).unwrap_or_default();
                        self.input.extend_from_slice(read);
                    }
                    open &= self.answer(answers)?;
                    // A short read has emptied the socket (epoll(7)).
                    if count < buffer.len() && self.tls.is_none() {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        self.write()?;
        Ok(open)
    }

    /// Answers every request that is complete; false after an unbind.
    fn answer(&mut self, answers: &Answers) -> anyhow::Result<bool> {
        let mut start = 0;
        let mut open = true;
        while let Some(rest) = self.input.get(start..)
            && let Some(length) = ber::message_length(rest)?
            && let Some(request) = rest.get(..length)
        {
            start += length;
            let key = key(request)?;
            if key == [requests::UNBIND_REQUEST] {
                open = false;
                break;
            }
            let (_, id) = after_id(request)?;
            let position = answers.keys.iter().position(|known| known == key);
            let messages = position.and_then(|position| answers.messages.get(position));
            for tail in messages.into_iter().flatten() {
                ber::header(&mut self.output, ber::SEQUENCE, 2 + id.len() + tail.len());
                ber::octets(&mut self.output, ber::INTEGER, id);
                self.output.extend_from_slice(tail);
            }
        }
        self.input.drain(..start);
        Ok(open)
    }

    fn write(&mut self) -> anyhow::Result<()> {
        let would_block = |error: &std::io::Error| error.kind() == ErrorKind::WouldBlock;
        if let Some(tls) = &mut self.tls {
            tls.writer().write_all(&self.output)?;
            self.output.clear();
            while tls.wants_write() {
                match tls.write_tls(&mut self.stream) {
                    Err(error) if would_block(&error) => return Ok(()),
                    written => written?,
                };
            }
            return Ok(());
        }
        let mut written = 0;
        while let Some(rest) = self.output.get(written..)
            && !rest.is_empty()
        {
            match self.stream.write(rest) {
                Err(error) if would_block(&error) => break,
                count => written += count?,
            }
        }
        self.output.drain(..written);
        Ok(())
    }
}
