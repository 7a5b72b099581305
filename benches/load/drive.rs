//! The closed loops: requests go out, answers come in, each is held against what it must be.

use std::cell::RefCell;
use std::time::Instant;

use anyhow::{Context, ensure};

use crate::connection::Connection;
use crate::run::Schedule;
use crate::statistics::Statistics;
use crate::support::requests::{self, Answer};
use crate::target::Target;
use crate::workload::{Expected, Generator, Workload};

/// What every loop of one thread works with.
#[derive(Clone, Copy)]
pub(crate) struct Load<'a> {
    pub(crate) target: &'a Target,
    pub(crate) workload: Workload,
    pub(crate) pipeline: u16,
    /// How many operations a loop does at most.
    pub(crate) operations: u64,
    pub(crate) schedule: Schedule,
    pub(crate) statistics: &'a RefCell<Statistics>,
    /// Whether answers are held against what they must be.
    pub(crate) checks: bool,
}

impl Load<'_> {
    /// Keeps the pipeline of one open connection full until time or operations are over.
    pub(crate) async fn requests(
        self,
        mut connection: Connection,
        mut generator: Generator,
    ) -> anyhow::Result<()> {
        let mut pipeline = Pipeline::new(self.pipeline, self.checks);
        let mut now = Instant::now();
        let mut unsent = self.operations;
        loop {
            while unsent > 0
                && now < self.schedule.end
                && let Some((id, expected)) = pipeline.begin(now)
            {
                generator.next(self.workload, connection.output(), id, expected);
                unsent -= 1;
            }
            if pipeline.outstanding == 0 {
                break;
            }
            connection.exchange().await?;

            now = Instant::now();
            let mut statistics = self.statistics.borrow_mut();
            while let Some(answer) = connection.answer()? {
                generator.learn(self.workload, &answer)?;
                pipeline.take(&answer, now, self.schedule, &mut statistics)?;
            }
        }
        connection.unbind().await
    }

    /// Logs in again and again, each time on a new connection.
    pub(crate) async fn sessions(self, mut generator: Generator) -> anyhow::Result<()> {
        let mut failures = 0;
        let mut undone = self.operations;
        while undone > 0 && Instant::now() < self.schedule.end {
            undone -= 1;
            let outcome = match self.workload {
                Workload::Connect => self.connect().await,
                _ => self.session(&mut generator).await,
            };
            if let Err(error) = outcome {
                failures += 1;
                ensure!(failures < MAX_FAILED_SESSIONS, "giving up: {error:#}");
                self.statistics.borrow_mut().fail(format!("{error:#}"));
            }
        }
        Ok(())
    }

    /// Changes entries one by one; the latency of a change runs until a search has shown it.
    pub(crate) async fn changes(
        self,
        mut connection: Connection,
        mut generator: Generator,
    ) -> anyhow::Result<()> {
        let mut pipeline = Pipeline::new(1, self.checks);
        let mut undone = self.operations;
        while undone > 0 && Instant::now() < self.schedule.end {
            undone -= 1;
            let started = Instant::now();
            let mut steps = Statistics::default();
            for _ in 0..2 {
                let (id, expected) = pipeline.begin(started).context("no slot")?;
                generator.next(Workload::Update, connection.output(), id, expected);
                self.answer(&mut connection, &mut pipeline, &mut steps)
                    .await?;
            }
            self.statistics.borrow_mut().add_steps(steps);
        }
        connection.unbind().await
    }

    /// One connection; its latency runs from the connect to the server's end of it.
    async fn connect(self) -> anyhow::Result<()> {
        let started = Instant::now();
        let mut connection = Connection::open(self.target).await?;
        connection.unbind().await?;
        connection.closed().await?;
        let now = Instant::now();
        if self.schedule.measures(now) {
            let mut statistics = self.statistics.borrow_mut();
            statistics.result(requests::SUCCESS, 0);
            statistics.right(now - started);
        }
        Ok(())
    }

    /// One login; its latency runs from the connect to the answer to the search.
    async fn session(self, generator: &mut Generator) -> anyhow::Result<()> {
        let started = Instant::now();
        let mut connection = Connection::open(self.target).await?;
        let mut pipeline = Pipeline::new(1, self.checks);

        // Bind and search are steps of the login and count as no operations of their own.
        let mut steps = Statistics::default();
        let (id, expected) = pipeline.begin(started).context("no slot")?;
        generator.next(self.workload, connection.output(), id, expected);
        self.answer(&mut connection, &mut pipeline, &mut steps)
            .await?;
        let (id, expected) = pipeline.begin(started).context("no slot")?;
        generator.next(Workload::SearchUid, connection.output(), id, expected);
        self.answer(&mut connection, &mut pipeline, &mut steps)
            .await?;

        self.statistics.borrow_mut().add_steps(steps);
        connection.unbind().await?;
        connection.closed().await
    }

    /// Waits until the one request outstanding is answered.
    async fn answer(
        self,
        connection: &mut Connection,
        pipeline: &mut Pipeline,
        statistics: &mut Statistics,
    ) -> anyhow::Result<()> {
        while pipeline.outstanding > 0 {
            connection.exchange().await?;
            let now = Instant::now();
            while let Some(answer) = connection.answer()? {
                pipeline.take(&answer, now, self.schedule, statistics)?;
            }
        }
        Ok(())
    }
}

/// A server that refuses logins is not worth more tries of each loop.
const MAX_FAILED_SESSIONS: u32 = 20;

/// The requests outstanding on one connection. A message id names the slot it is in.
struct Pipeline {
    slots: Vec<Slot>,
    free: Vec<u16>,
    outstanding: usize,
    checks: bool,
    /// How often message ids went round the slots.
    round: i32,
}

struct Slot {
    /// The id of the request in this slot; 0 where there is none.
    id: i32,
    started: Instant,
    expected: Expected,
    entries: u32,
    /// Whether each entry so far had what it must have.
    right: bool,
}

impl Pipeline {
    fn new(size: u16, checks: bool) -> Self {
        let slot = || Slot {
            id: 0,
            started: Instant::now(),
            expected: Expected::default(),
            entries: 0,
            right: true,
        };
        Self {
            slots: (0..size).map(|_| slot()).collect(),
            free: (0..size).rev().collect(),
            outstanding: 0,
            checks,
            round: 0,
        }
    }

    /// Takes a free slot: the message id to use, and where to write down what is expected.
    fn begin(&mut self, now: Instant) -> Option<(i32, &mut Expected)> {
        let index = self.free.pop()?;
        let size = i32::try_from(self.slots.len()).ok()?;
        let slot = self.slots.get_mut(usize::from(index))?;
        // Ids differ from request to request, so that a late answer is not taken for another's.
        self.round = (self.round + 1) % (i32::MAX / size - 1);
        slot.id = self.round * size + i32::from(index) + 1;
        slot.started = now;
        slot.entries = 0;
        slot.right = true;
        self.outstanding += 1;
        Some((slot.id, &mut slot.expected))
    }

    /// Holds one answer against its request; counts the operation when it is complete.
    fn take(
        &mut self,
        answer: &Answer<'_>,
        now: Instant,
        schedule: Schedule,
        statistics: &mut Statistics,
    ) -> anyhow::Result<()> {
        let index = u16::try_from((answer.id - 1).rem_euclid(self.size()))?;
        let slot = self
            .slots
            .get_mut(usize::from(index))
            .filter(|slot| slot.id == answer.id && answer.id != 0)
            .with_context(|| unasked(answer))?;
        match answer.operation {
            requests::SEARCH_RESULT_ENTRY => {
                slot.entries += 1;
                let Expected {
                    attribute, value, ..
                } = &slot.expected;
                slot.right &= !self.checks || answer.entry_has(attribute, value)?;
            }
            requests::SEARCH_RESULT_REFERENCE => slot.right = false,
            operation if operation == slot.expected.operation => {
                let (code, diagnostic) = answer.result()?;
                slot.id = 0;
                self.free.push(index);
                self.outstanding -= 1;
                if schedule.measures(now) {
                    if !self.checks {
                        slot.expected.code = code;
                        slot.expected.entries = None;
                    }
                    slot.count(code, diagnostic, now, statistics);
                }
            }
            _ => anyhow::bail!(unasked(answer)),
        }
        Ok(())
    }

    fn size(&self) -> i32 {
        i32::try_from(self.slots.len()).unwrap_or(i32::MAX)
    }
}

impl Slot {
    fn count(&self, code: u32, diagnostic: &str, now: Instant, statistics: &mut Statistics) {
        let expected = &self.expected;
        let count_is_right = expected.entries.is_none_or(|count| count == self.entries);
        statistics.result(code, self.entries);
        if code == expected.code && self.right && count_is_right {
            statistics.right(now - self.started);
        } else {
            statistics.wrong(|| {
                let entries = self.entries;
                format!("result {code} {diagnostic:?}, {entries} entries; expected {expected}")
            });
        }
    }
}

fn unasked(answer: &Answer<'_>) -> String {
    format!(
        "answer {:#04x} with message id {} to no outstanding request",
        answer.operation, answer.id
    )
}
