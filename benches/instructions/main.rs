//! How many instructions the steps of a request take, and whole requests on a connection.
//!
//! Time depends on what else the machine does; instructions hardly do, so that a regression shows
//! anywhere. Each function is run under callgrind and does its operation [`OPERATIONS`] times:
//! `make instructions` divides and holds the result against `recorded`, beside this file. System
//! calls count as nothing. The seeds of hash tables differ from run to run, and with them the
//! last digits.

#![allow(
    missing_docs,
    unused_qualifications,
    reason = "what the macros of gungraun make of a function"
)]

mod conversation;
#[path = "../support/replica.rs"]
mod replica;
#[path = "../support/mod.rs"]
mod support;

use std::hint::black_box;
use std::sync::Arc;

use adduct::directory::{AttributeSelection, EntryId, Search, Step};
use adduct::filter::Filter;
use adduct::proto::request::{self, SearchScope};
use gungraun::{
    Callgrind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main,
};

use crate::conversation::{Conversation, Request};
use crate::replica::Replica;
use crate::support::{fixtures, requests};

/// As often each function does what it is named for; the requests of a pipeline divide it.
pub(crate) const OPERATIONS: usize = 160;

/// Small, since it is imported under callgrind for every function.
fn replica() -> Replica {
    Replica::of_size(1_000, 20)
}

fn message(name: &str) -> Vec<u8> {
    let mut messages = fixtures::requests().into_iter();
    let found = messages.find(|(known, _)| *known == name);
    found.map(|(_, message)| message).unwrap_or_default()
}

#[library_benchmark(setup = message)]
#[bench::user_search("user-search")]
#[bench::groups_search("groups-search")]
#[bench::bind("bind")]
fn decode(message: Vec<u8>) -> Vec<u8> {
    for _ in 0..OPERATIONS {
        let _ = black_box(request::decode(black_box(&message)));
    }
    message
}

/// A directory and what is asked of it.
struct Question {
    replica: Replica,
    filter: Filter,
    base: EntryId,
}

impl Question {
    fn new(filter: &str) -> Self {
        let replica = replica();
        let filter = Filter::parse(filter).unwrap_or_else(|error| panic!("{filter}: {error}"));
        let (base, _) = replica.entry(replica.population.base());
        let question = Self {
            replica,
            filter,
            base,
        };
        // What is made at the first search is there from now on.
        question.first(&question.filter.as_request());
        question
    }

    fn named(name: &str) -> Self {
        let mut known = fixtures::FILTERS.iter();
        let text = known.find(|(known, _)| *known == name);
        Self::new(text.map_or("", |(_, text)| text))
    }

    /// From the decoded filter to the first entry that matches, or to the end.
    fn first(&self, filter: &request::Filter<'_>) -> Step {
        let mut search = Search::new(
            Arc::clone(&self.replica.snapshot),
            Some(self.base),
            SearchScope::WholeSubtree,
            self.replica.bind(black_box(filter)),
        );
        let mut budget = usize::MAX;
        search.next(&mut budget)
    }
}

#[library_benchmark]
#[bench::user_by_uid(args = ("user"), setup = Question::named)]
#[bench::groups_by_member(args = ("groups"), setup = Question::named)]
#[bench::unknown_user(args = ("(&(uid=nobody)(objectclass=posixAccount)(uid=*))"), setup = Question::new)]
fn plan(question: Question) -> Question {
    let filter = question.filter.as_request();
    for _ in 0..OPERATIONS {
        black_box(question.first(&filter));
    }
    question
}

/// An entry and which of its attributes are asked for.
struct Content {
    replica: Replica,
    id: EntryId,
    selection: AttributeSelection,
    out: Vec<u8>,
}

impl Content {
    fn user() -> Self {
        let replica = replica();
        let dn = replica.population.user_dn(fixtures::USER);
        Self::new(replica, &dn, requests::SSSD_USER)
    }

    /// A thousand times a member was drawn, from a thousand users.
    fn large_group() -> Self {
        let replica = replica();
        let dn = replica.population.group_dn(0);
        Self::new(replica, &dn, requests::SSSD_GROUP)
    }

    fn new(replica: Replica, dn: &str, attributes: &[&str]) -> Self {
        let (id, _) = replica.entry(dn);
        let selection = replica.select(&replica::octets(attributes));
        let out = Vec::with_capacity(1 << 18);
        let mut content = Self {
            replica,
            id,
            selection,
            out,
        };
        content.write();
        content
    }

    fn write(&mut self) {
        self.out.clear();
        if let Some(entry) = self.replica.snapshot.entry(self.id) {
            self.replica
                .write((self.id, entry), &self.selection, &mut self.out);
        }
    }
}

#[library_benchmark]
#[bench::user_entry(setup = Content::user)]
#[bench::large_group(setup = Content::large_group)]
fn encode(mut content: Content) -> Content {
    for _ in 0..OPERATIONS {
        content.write();
    }
    content
}

fn conversation(request: Request) -> Conversation {
    Conversation::with_server(replica(), request)
}

// Octets in, octets out, through a connection's loop and a socket; the client's half counts, too.
#[library_benchmark]
#[bench::canned(setup = Conversation::canned)]
#[bench::user(args = (Request::User), setup = conversation)]
#[bench::user_pipelined(args = (Request::UserPipelined), setup = conversation)]
#[bench::groups_of_user(args = (Request::GroupsOfUser), setup = conversation)]
#[bench::unknown_user(args = (Request::UnknownUser), setup = conversation)]
#[bench::base(args = (Request::Base), setup = conversation)]
#[bench::bind(args = (Request::Bind), setup = conversation)]
#[bench::page_of_users(args = (Request::PageOfUsers), setup = conversation)]
fn whole(mut conversation: Conversation) -> Conversation {
    conversation.hold(OPERATIONS);
    conversation
}

library_benchmark_group!(
    name = instructions,
    benchmarks = [decode, plan, encode, whole]
);

main!(
    config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"])),
    library_benchmark_groups = instructions
);
