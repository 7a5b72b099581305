//! One client and one server on one connection, taking turns in one thread.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use adduct::access::Access;
use adduct::access::config::AccessConfig;
use adduct::auth::Authenticator;
use adduct::auth::hash_pool::HashPool;
use adduct::auth::recheck::Recheck;
use adduct::server::config::{LimitsConfig, ListenConfig};
use adduct::server::metrics::ServerMetrics;
use adduct::server::{Listeners, MadeUpEntries, Service, Settings};
use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{self, Runtime};
use tokio_util::sync::CancellationToken;

use crate::replica::Replica;
use crate::support::population::{BASE, Pattern, Population, SERVICE, password};
use crate::support::requests::{self, Answer, Control, Scope, filter};
use crate::support::{ber, fixtures};

/// What the client asks for, again and again.
#[derive(Clone, Copy)]
pub(crate) enum Request {
    User,
    /// Sixteen of them in one write.
    UserPipelined,
    GroupsOfUser,
    UnknownUser,
    Base,
    Bind,
    PageOfUsers,
}

/// A bound client whose server has answered often enough to be in its stride.
pub(crate) struct Conversation {
    runtime: Runtime,
    client: TcpStream,
    /// What goes out in one write.
    requests: Vec<u8>,
    /// How many requests that is.
    count: usize,
    /// How many octets come back.
    answers: usize,
    input: Vec<u8>,
}

impl Conversation {
    /// Talks to the server that the library is; panics where that fails.
    pub(crate) fn with_server(replica: Replica, request: Request) -> Self {
        let population = replica.population.clone();
        Self::new(&population, request, || serve(replica))
            .unwrap_or_else(|error| panic!("the conversation: {error:#}"))
    }

    /// Talks to a task that answers whatever it reads with the same octets: what of a whole
    /// request is the runtime's and the client's.
    pub(crate) fn canned() -> Self {
        let population = Population::generated(BASE, Pattern::default(), fixtures::USER + 1, 0);
        Self::new(&population, Request::User, serve_canned)
            .unwrap_or_else(|error| panic!("the conversation: {error:#}"))
    }

    /// Sends requests, and reads each answer before the next.
    pub(crate) fn hold(&mut self, operations: usize) {
        for _ in 0..operations / self.count {
            let (client, input) = (&mut self.client, &mut self.input);
            let requests = &self.requests;
            let turn = async {
                client.write_all(requests).await?;
                client.read_exact(input).await
            };
            let read = self.runtime.block_on(turn);
            assert_eq!(read.ok(), Some(self.answers), "the answers end early");
        }
    }

    fn new(
        population: &Population,
        request: Request,
        serve: impl FnOnce() -> anyhow::Result<SocketAddr>,
    ) -> anyhow::Result<Self> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let count = match request {
            Request::UserPipelined => 16,
            _ => 1,
        };
        let mut sent = Vec::new();
        for _ in 0..count {
            request.write(&mut sent, population);
        }
        let mut client = {
            let _entered = runtime.enter();
            let address = serve()?;
            runtime.block_on(TcpStream::connect(address))?
        };
        client.set_nodelay(true)?;
        let mut bind = Vec::new();
        let dn = population.service_dn();
        requests::bind(&mut bind, 1, &dn, password(SERVICE).as_bytes(), None);
        runtime.block_on(ask(&mut client, &bind, 1))?;
        // The answers are the same from now on.
        let mut answers = 0;
        for _ in 0..WARM_UP {
            answers = runtime.block_on(ask(&mut client, &sent, count))?;
        }
        Ok(Self {
            runtime,
            client,
            requests: sent,
            count,
            answers,
            input: vec![0; answers],
        })
    }
}

/// Enough that buffers have grown and that what is kept is there.
const WARM_UP: usize = 20;

/// Sends requests and reads until so many are answered with success; the octets that came.
async fn ask(client: &mut TcpStream, requests: &[u8], count: usize) -> anyhow::Result<usize> {
    client.write_all(requests).await?;
    let (mut input, mut taken, mut complete) = (Vec::new(), 0, 0);
    while complete < count {
        let read = client.read_buf(&mut input).await?;
        ensure!(read > 0, "the server closed the connection");
        while let Some(rest) = input.get(taken..)
            && let Some(length) = ber::message_length(rest)?
            && let Some(message) = rest.get(..length)
        {
            taken += length;
            let answer = Answer::parse(message)?;
            if answer.operation != requests::SEARCH_RESULT_ENTRY {
                let (code, diagnostic) = answer.result()?;
                ensure!(
                    code == requests::SUCCESS,
                    "answered with {code} {diagnostic}"
                );
                complete += 1;
            }
        }
    }
    Ok(taken)
}

/// Serves on the runtime that is entered.
fn serve(replica: Replica) -> anyhow::Result<SocketAddr> {
    let authenticator = Authenticator::new(
        Arc::clone(&replica.directory),
        HashPool::new(1, 1)?,
        Recheck::new(Duration::from_secs(24 * 60 * 60)),
        HashMap::new(),
    );
    let settings = Settings {
        access: Access::new(&AccessConfig::default(), replica.snapshot.schema()),
        limits: LimitsConfig::default(),
        tls: None,
        insecure_plaintext_bind: true,
        naming_contexts: Vec::new(),
        made_up: MadeUpEntries::default(),
    };
    let service = Service::new(
        replica.directory,
        authenticator,
        Arc::new(ServerMetrics::default()),
        settings,
        || true,
    );
    let listeners = Listeners::bind(&ListenConfig {
        ldap: vec![LOOPBACK.into()],
        ldaps: Vec::new(),
        metrics: None,
    });
    let listeners = listeners.map_err(|(_, error)| error)?;
    let addresses = listeners.ldap_addresses();
    tokio::spawn(listeners.serve(Arc::new(service), CancellationToken::new()));
    addresses.first().copied().context("no address")
}

/// Answers everything with success and a diagnostic message about as long as a user's entry.
fn serve_canned() -> anyhow::Result<SocketAddr> {
    let listener = std::net::TcpListener::bind::<SocketAddr>(LOOPBACK.into())?;
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let address = listener.local_addr()?;
    let mut answer = Vec::new();
    ber::nested(&mut answer, ber::SEQUENCE, |out| {
        ber::integer(out, ber::INTEGER, fixtures::MESSAGE_ID);
        ber::nested(out, requests::SEARCH_RESULT_DONE, |out| {
            ber::integer(out, ber::ENUMERATED, 0);
            ber::octets(out, ber::OCTET_STRING, b"");
            ber::octets(out, ber::OCTET_STRING, &[b' '; 400]);
        });
    });
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        let mut input = vec![0; 8 * 1024];
        while stream.read(&mut input).await? > 0 {
            stream.write_all(&answer).await?;
        }
        std::io::Result::Ok(())
    });
    Ok(address)
}

const LOOPBACK: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

impl Request {
    fn write(self, out: &mut Vec<u8>, population: &Population) {
        let id = fixtures::MESSAGE_ID;
        let dn = population.user_dn(fixtures::USER);
        let name = population.user_name(fixtures::USER);
        let all = (population.base(), Scope::WholeSubtree);
        let user = |out: &mut Vec<u8>, name: &str| {
            requests::search(out, id, all, requests::SSSD_USER, None, |out| {
                filter::sssd_user(out, "uid", name);
            });
        };
        match self {
            Self::User | Self::UserPipelined => user(out, &name),
            Self::UnknownUser => user(out, "nobody"),
            Self::GroupsOfUser => {
                let paged = Some(Control::PagedResults(1000, b""));
                requests::search(out, id, all, requests::SSSD_INITGROUPS, paged, |out| {
                    filter::sssd_groups_of(out, &dn);
                });
            }
            Self::Base => {
                let base = (&*dn, Scope::BaseObject);
                requests::search(out, id, base, requests::SSSD_MEMBER, None, |out| {
                    filter::equality(out, "objectclass", "posixAccount");
                });
            }
            Self::Bind => {
                requests::bind(out, id, &dn, password(&name).as_bytes(), None);
            }
            Self::PageOfUsers => {
                let page = Some(Control::PagedResults(1000, b""));
                requests::search(out, id, all, requests::SSSD_USER, page, |out| {
                    filter::sssd_all_users(out);
                });
            }
        }
    }
}
