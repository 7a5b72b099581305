//! One run of one workload: threads, warm-up, the time that is measured, the end.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use tokio::runtime::{self, Runtime};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::LocalSet;
use tokio::time::{sleep_until, timeout, timeout_at};

use crate::connection::Connection;
use crate::drive::Load;
use crate::process::Usage;
use crate::statistics::Statistics;
use crate::support::population::Population;
use crate::target::Target;
use crate::workload::{Generator, Workload};

/// What to run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) workload: Workload,
    pub(crate) connections: u32,
    pub(crate) pipeline: u16,
    pub(crate) threads: u16,
    pub(crate) warmup: Duration,
    pub(crate) duration: Duration,
    /// For each connection; only time ends the run where it is `None`.
    pub(crate) operations: Option<u64>,
    pub(crate) wrong_passwords: u8,
    pub(crate) seed: u64,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Summary {
    pub(crate) statistics: Statistics,
    /// How long was measured.
    pub(crate) elapsed: Duration,
    pub(crate) client: Duration,
    pub(crate) server: Option<ServerUsage>,
}

impl Summary {
    /// The run in the middle by what it cost the server, or by its rate where that is not known.
    pub(crate) fn median(mut runs: Vec<Self>) -> Option<Self> {
        runs.sort_by(|left, right| left.cost().total_cmp(&right.cost()));
        let middle = runs.len().checked_sub(1)? / 2;
        Some(runs.swap_remove(middle))
    }

    fn cost(&self) -> f64 {
        self.server_micros()
            .unwrap_or_else(|| 1.0 / self.rate().max(f64::EPSILON))
    }

    /// Operations answered rightly, per second of the time measured.
    pub(crate) fn rate(&self) -> f64 {
        count(self.statistics.latency.count()) / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }

    /// The server's processor time for each operation, in microseconds.
    pub(crate) fn server_micros(&self) -> Option<f64> {
        self.server
            .map(|server| self.per_operation(server.processor.as_secs_f64() * 1e6))
    }

    /// The load generator's processor time for each operation, in microseconds.
    pub(crate) fn client_micros(&self) -> f64 {
        self.per_operation(self.client.as_secs_f64() * 1e6)
    }

    pub(crate) fn per_operation(&self, amount: f64) -> f64 {
        let operations: u64 = self.statistics.results.values().sum();
        amount / count(operations).max(1.0)
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
pub(crate) fn count(count: u64) -> f64 {
    count as f64
}

/// What the server used while it was measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerUsage {
    pub(crate) processor: Duration,
    pub(crate) resident_kib: u64,
}

/// When a run measures, ends and gives up on answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    pub(crate) begin: Instant,
    pub(crate) end: Instant,
    pub(crate) give_up: Instant,
}

impl Schedule {
    pub(crate) fn measures(&self, now: Instant) -> bool {
        (self.begin..=self.end).contains(&now)
    }
}

/// How long the answers outstanding at the end may take.
const DRAIN: Duration = Duration::from_secs(30);

/// How long a connection may take to be set up.
const SETUP: Duration = Duration::from_secs(60);

/// How many connections a thread sets up at a time; a larger rush would measure the backlog.
const SETUPS: usize = 64;

/// Sets up all connections, drives them, and sums up; `server` is the process to watch.
pub(crate) fn run(
    plan: &Plan,
    target: &Arc<Target>,
    population: &Arc<Population>,
    server: Option<u32>,
) -> anyhow::Result<Summary> {
    // A loop holds its sender until it is done: the channel closes when all are.
    let (ready, loops) = mpsc::channel(64);
    let (start, schedule) = watch::channel(None);
    let threads: Vec<_> = (0..u32::from(plan.threads))
        .map(|thread| {
            let worker = Worker {
                plan: plan.clone(),
                target: Arc::clone(target),
                population: Arc::clone(population),
                ready: ready.clone(),
                schedule: schedule.clone(),
            };
            thread::spawn(move || worker.run(thread))
        })
        .collect();
    drop((ready, schedule));

    let timed = runtime()?.block_on(conduct(plan, server, loops, start));
    let mut statistics = Statistics::default();
    for thread in threads {
        let thread = thread.join().map_err(|_| anyhow!("a thread panicked"))?;
        statistics.merge(thread?);
    }
    let (elapsed, client, server) = timed?;
    Ok(Summary {
        statistics,
        elapsed,
        client,
        server,
    })
}

/// Waits for the connections, starts the clock and reads the processor times at both ends.
async fn conduct(
    plan: &Plan,
    server: Option<u32>,
    mut loops: mpsc::Receiver<anyhow::Result<()>>,
    start: watch::Sender<Option<Schedule>>,
) -> anyhow::Result<(Duration, Duration, Option<ServerUsage>)> {
    for _ in 0..plan.connections {
        loops.recv().await.context("a thread ended early")??;
    }
    let begin = Instant::now() + plan.warmup;
    let end = begin + plan.duration;
    let give_up = end + DRAIN;
    let schedule = Schedule {
        begin,
        end,
        give_up,
    };
    start.send_replace(Some(schedule));

    let usage = || {
        let server = server.map(|id| Usage::of(&id.to_string())).transpose()?;
        anyhow::Ok((Usage::of("self")?, server))
    };
    sleep_until(begin.into()).await;
    let (client_before, server_before) = usage()?;
    tokio::select! {
        () = sleep_until(end.into()) => {}
        _ = loops.recv() => {}
    }
    let elapsed = begin.elapsed();
    let (client_after, server_after) = usage()?;

    let server = server_before
        .zip(server_after)
        .map(|(before, after)| ServerUsage {
            processor: after.processor.saturating_sub(before.processor),
            resident_kib: after.resident_kib,
        });
    let client = client_after.processor - client_before.processor;
    Ok((elapsed, client, server))
}

/// One thread and its share of the connections.
struct Worker {
    plan: Plan,
    target: Arc<Target>,
    population: Arc<Population>,
    ready: mpsc::Sender<anyhow::Result<()>>,
    schedule: watch::Receiver<Option<Schedule>>,
}

impl Worker {
    fn run(self, thread: u32) -> anyhow::Result<Statistics> {
        let mine = (thread..self.plan.connections).step_by(usize::from(self.plan.threads));
        let worker = Rc::new(self);
        let statistics = Rc::new(RefCell::new(Statistics::default()));
        let setups = Rc::new(Semaphore::new(SETUPS));
        let tasks = LocalSet::new();
        for index in mine {
            let worker = Rc::clone(&worker);
            let statistics = Rc::clone(&statistics);
            let setups = Rc::clone(&setups);
            tasks.spawn_local(async move {
                let ready = worker.ready.clone();
                let outcome = worker.drive(index, &ready, &setups, &statistics).await;
                if let Err(error) = outcome {
                    statistics.borrow_mut().fail(format!("{error:#}"));
                }
            });
        }
        // The tasks have their own: what is left must not keep the channel open.
        drop(worker);
        runtime()?.block_on(tasks);
        let statistics = Rc::into_inner(statistics).context("a loop is still at work")?;
        Ok(statistics.into_inner())
    }

    /// Sets up one connection, waits for the start, and drives it to the end.
    async fn drive(
        &self,
        index: u32,
        ready: &mpsc::Sender<anyhow::Result<()>>,
        setups: &Semaphore,
        statistics: &RefCell<Statistics>,
    ) -> anyhow::Result<()> {
        let connection = match self.set_up(setups).await {
            Ok(connection) => connection,
            // Whoever waits for the connections ends the run with this error.
            Err(error) => return Ok(ready.send(Err(error)).await?),
        };
        ready.send(Ok(())).await?;
        let mut schedule = self.schedule.clone();
        let Ok(schedule) = schedule
            .wait_for(Option::is_some)
            .await
            .map(|started| *started)
        else {
            return Ok(());
        };
        let schedule = schedule.context("started without a schedule")?;

        let seed = self.plan.seed.wrapping_mul(1 << 32) + u64::from(index);
        let generator = Generator::new(&self.population, seed, self.plan.wrong_passwords);
        let load = Load {
            target: &self.target,
            workload: self.plan.workload,
            pipeline: self.plan.pipeline,
            operations: self.plan.operations.unwrap_or(u64::MAX),
            schedule,
            statistics,
            checks: self.target.checks,
        };
        let end = schedule.give_up.into();
        let in_time = match connection {
            Some(connection) if self.plan.workload == Workload::Update => {
                timeout_at(end, load.changes(connection, generator)).await
            }
            Some(connection) => timeout_at(end, load.requests(connection, generator)).await,
            None => timeout_at(end, load.sessions(generator)).await,
        };
        in_time.context("no answer in time")?
    }

    /// Opens the connection a loop keeps; logins open their own.
    async fn set_up(&self, setups: &Semaphore) -> anyhow::Result<Option<Connection>> {
        if self.plan.workload.opens_connections() {
            return Ok(None);
        }
        let _permit = setups.acquire().await?;
        let open = async {
            let mut connection = Connection::open(&self.target).await?;
            let administrator = self.target.administrator.as_ref();
            let credentials = match self.plan.workload {
                Workload::Update => administrator.or(self.target.credentials.as_ref()),
                _ => self.target.credentials.as_ref(),
            };
            connection.bind(credentials).await?;
            anyhow::Ok(connection)
        };
        timeout(SETUP, open)
            .await
            .context("setting up a connection")?
            .map(Some)
    }
}

pub(crate) fn runtime() -> anyhow::Result<Runtime> {
    let mut builder = runtime::Builder::new_current_thread();
    builder.enable_all().build().context("starting a runtime")
}
