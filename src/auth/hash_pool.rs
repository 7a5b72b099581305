//! The workers that hash: as many threads as may work at once, each with memory of its own that it
//! keeps, behind a bounded queue.
//!
//! argon2 takes some 20 ms and 19 MiB a time. On the runtime's threads it would hold up
//! everything else, and with a thread per bind a storm of logins would take gigabytes.

use std::{
    collections::VecDeque,
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use thiserror::Error;
use tokio::sync::oneshot::{self, Receiver as Answer, Sender as Reply, error::RecvError};
use zeroize::Zeroizing;

use super::password::{Argon2Memory, PasswordError, StoredPassword, hash_password, verify_nothing};

/// A fixed number of threads that verify and hash passwords.
///
/// Closed or dropped, it answers what is queued with [`PoolError::Closed`]; the workers end with
/// the password they are at.
pub struct HashPool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

/// A password, wiped from memory when it is done with.
pub type Password = Zeroizing<Vec<u8>>;

/// How many values of one entry are tried; an entry with hundreds must not hold a worker.
pub const MAX_VALUES: usize = 16;

/// Why a password was neither verified nor hashed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PoolError {
    /// The queue is full; later there may be room.
    #[error("too many passwords are waiting to be verified")]
    Busy,
    /// The pool is shutting down.
    #[error("password verification is shutting down")]
    Closed,
    /// The password could not be hashed.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// A defect: the worker panicked. It goes on with the next password.
    #[error("verifying a password failed inside the server")]
    Panicked,
}

/// What a pool has done since it was made, and what waits now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// Passwords waiting for a worker.
    pub queued: usize,
    /// Passwords verified or hashed.
    pub done: u64,
    /// Passwords turned away because the queue was full.
    pub busy: u64,
    /// Passwords nobody waited for any longer when their turn came.
    pub abandoned: u64,
    /// Time spent in the queue by those done, added up.
    pub waiting: Duration,
    /// Time spent by workers on those done, added up.
    pub working: Duration,
    /// How often a worker asked the operating system for argon2 memory.
    pub memory_allocations: u64,
}

impl HashPool {
    /// Starts `workers` threads, with room for `queue` passwords that wait; at least one each.
    ///
    /// # Errors
    /// When the operating system gives no more threads.
    pub fn new(workers: usize, queue: usize) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue::default()),
            job_came: Condvar::new(),
            room_came: Condvar::new(),
            max_queued: queue.max(1),
            counters: Counters::default(),
        });
        let mut pool = Self {
            shared,
            workers: Vec::new(),
        };
        // Dropped on an error, the pool ends those started already.
        for number in 0..workers.max(1) {
            let shared = Arc::clone(&pool.shared);
            let worker = thread::Builder::new()
                .name(format!("hash-{number}"))
                .spawn(move || shared.work())?;
            pool.workers.push(worker);
        }
        Ok(pool)
    }

    /// Whether the password is one of an entry's `values`, of which the first [`MAX_VALUES`] count.
    ///
    /// A no costs one argon2 hash at least, for an entry without values as well: it takes the time
    /// of [`verify_nothing`](Self::verify_nothing).
    ///
    /// Cancel safe: yes. What still waits then is skipped; what a worker is at is done in vain.
    ///
    /// # Errors
    /// [`PoolError`], at once where the queue is full.
    pub async fn verify(
        &self,
        values: Vec<StoredPassword>,
        password: Password,
    ) -> Result<bool, PoolError> {
        let (reply, answer) = oneshot::channel();
        self.submit(Task::Verify {
            values,
            password,
            reply,
        })?;
        self.received(answer.await)
    }

    /// Does the work of one verification for a name without an entry.
    ///
    /// Cancel safe: as [`verify`](Self::verify).
    ///
    /// # Errors
    /// [`PoolError`], at once where the queue is full.
    pub async fn verify_nothing(&self, password: Password) -> Result<(), PoolError> {
        self.verify(Vec::new(), password).await.map(drop)
    }

    /// Hashes a password into a `userPassword` value.
    ///
    /// Cancel safe: as [`verify`](Self::verify).
    ///
    /// # Errors
    /// [`PoolError`], at once where the queue is full.
    pub async fn hash(&self, password: Password) -> Result<String, PoolError> {
        let (reply, answer) = oneshot::channel();
        self.submit(Task::Hash { password, reply })?;
        Ok(self.received(answer.await)??)
    }

    /// Hashes many passwords outside of async code, with all workers and waiting for room in the
    /// queue; the hashes are in the order of the passwords.
    ///
    /// # Errors
    /// The first [`PoolError`], except for [`PoolError::Busy`].
    ///
    /// # Panics
    /// Inside an async context, as it would block the runtime.
    pub fn hash_all_blocking(
        &self,
        passwords: impl IntoIterator<Item = Password>,
    ) -> Result<Vec<String>, PoolError> {
        let answers = passwords
            .into_iter()
            .map(|password| self.submit_blocking(password))
            .collect::<Result<Vec<_>, _>>()?;
        answers
            .into_iter()
            .map(|answer| Ok(self.received(answer.blocking_recv())??))
            .collect()
    }

    /// Takes no more passwords, and lets go of those that wait.
    pub fn close(&self) {
        let mut queue = self.shared.lock();
        queue.closed = true;
        // Dropping the replies tells those who wait.
        queue.jobs.clear();
        drop(queue);
        self.shared.job_came.notify_all();
        self.shared.room_came.notify_all();
    }

    /// The number of threads.
    pub const fn workers(&self) -> usize {
        self.workers.len()
    }

    /// What was done and what waits.
    pub fn stats(&self) -> PoolStats {
        let counters = &self.shared.counters;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let micros = |counter: &AtomicU64| Duration::from_micros(count(counter));
        PoolStats {
            queued: self.shared.lock().jobs.len(),
            done: count(&counters.done),
            busy: count(&counters.busy),
            abandoned: count(&counters.abandoned),
            waiting: micros(&counters.waiting_micros),
            working: micros(&counters.working_micros),
            memory_allocations: count(&counters.memory_allocations),
        }
    }

    /// Queues a task, or answers [`PoolError::Busy`].
    fn submit(&self, task: Task) -> Result<(), PoolError> {
        let mut queue = self.shared.lock();
        if queue.jobs.len() >= self.shared.max_queued {
            // Those whose peers have gone must not keep others out.
            let before = queue.jobs.len();
            queue.jobs.retain(|job| !job.task.is_abandoned());
            let abandoned = before - queue.jobs.len();
            if abandoned == 0 {
                add(&self.shared.counters.busy, 1);
                return Err(PoolError::Busy);
            }
            add(&self.shared.counters.abandoned, abandoned as u64);
            self.shared.room_came.notify_all();
        }
        self.shared.push(queue, task)
    }

    /// Queues a password to hash as soon as there is room.
    fn submit_blocking(&self, password: Password) -> Result<Answer<HashResult>, PoolError> {
        let (reply, answer) = oneshot::channel();
        let full = |queue: &mut Queue| queue.jobs.len() >= self.shared.max_queued && !queue.closed;
        let queue = self
            .shared
            .room_came
            .wait_while(self.shared.lock(), full)
            .unwrap_or_else(PoisonError::into_inner);
        self.shared.push(queue, Task::Hash { password, reply })?;
        Ok(answer)
    }

    /// A reply dropped unused means that the worker panicked, or that the queue was emptied.
    fn received<T>(&self, answer: Result<T, RecvError>) -> Result<T, PoolError> {
        answer.map_err(|_| {
            if self.shared.lock().closed {
                PoolError::Closed
            } else {
                PoolError::Panicked
            }
        })
    }
}

impl Drop for HashPool {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for HashPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashPool")
            .field("workers", &self.workers())
            .field("stats", &self.stats())
            .finish()
    }
}

/// What the pool and its workers share.
struct Shared {
    queue: Mutex<Queue>,
    job_came: Condvar,
    room_came: Condvar,
    max_queued: usize,
    counters: Counters,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    closed: bool,
}

struct Job {
    task: Task,
    since: Instant,
}

type HashResult = Result<String, PasswordError>;

enum Task {
    Verify {
        values: Vec<StoredPassword>,
        password: Password,
        reply: Reply<bool>,
    },
    Hash {
        password: Password,
        reply: Reply<HashResult>,
    },
    /// Whatever a test wants a worker to do.
    #[cfg(test)]
    Call(Box<dyn FnOnce() + Send>),
}

#[derive(Default)]
struct Counters {
    done: AtomicU64,
    busy: AtomicU64,
    abandoned: AtomicU64,
    waiting_micros: AtomicU64,
    working_micros: AtomicU64,
    memory_allocations: AtomicU64,
}

impl Shared {
    /// No code panics while it holds the lock, so a poisoned one is as good.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, mut queue: MutexGuard<'_, Queue>, task: Task) -> Result<(), PoolError> {
        if queue.closed {
            return Err(PoolError::Closed);
        }
        let since = Instant::now();
        queue.jobs.push_back(Job { task, since });
        drop(queue);
        self.job_came.notify_one();
        Ok(())
    }

    /// The life of a worker.
    fn work(&self) {
        let mut memory = Argon2Memory::new();
        while let Some(Job { task, since }) = self.next_job() {
            if task.is_abandoned() {
                add(&self.counters.abandoned, 1);
                continue;
            }
            let start = Instant::now();
            let allocations = memory.allocations();
            let answered = catch_unwind(AssertUnwindSafe(|| task.run(&mut memory)));
            let counters = &self.counters;
            add(
                &counters.memory_allocations,
                memory.allocations() - allocations,
            );
            add(&counters.waiting_micros, micros(start - since));
            add(&counters.working_micros, micros(start.elapsed()));
            add(&counters.done, 1);
            // The last step, so that who has the answer finds it counted. After a panic the reply
            // is gone, and whoever waits for it learns that.
            if let Ok(answer) = answered {
                answer.send();
            }
        }
    }

    /// Waits for a job; `None` when the pool is closed.
    fn next_job(&self) -> Option<Job> {
        let mut queue = self
            .job_came
            .wait_while(self.lock(), |queue| queue.jobs.is_empty() && !queue.closed)
            .unwrap_or_else(PoisonError::into_inner);
        let job = queue.jobs.pop_front();
        drop(queue);
        self.room_came.notify_one();
        job
    }
}

/// A result with the one to send it to.
enum Answered {
    Verified(Reply<bool>, bool),
    Hashed(Reply<HashResult>, HashResult),
    #[cfg(test)]
    Called,
}

impl Task {
    /// Whether nobody waits for the reply any longer.
    fn is_abandoned(&self) -> bool {
        match self {
            Self::Verify { reply, .. } => reply.is_closed(),
            Self::Hash { reply, .. } => reply.is_closed(),
            #[cfg(test)]
            Self::Call(_) => false,
        }
    }

    fn run(self, memory: &mut Argon2Memory) -> Answered {
        match self {
            Self::Verify {
                values,
                password,
                reply,
            } => {
                let values = values.get(..MAX_VALUES).unwrap_or(&values);
                let matches = values.iter().any(|stored| stored.verify(&password, memory));
                if !matches && !values.iter().any(StoredPassword::is_argon2) {
                    verify_nothing(&password, memory);
                }
                Answered::Verified(reply, matches)
            }
            Self::Hash { password, reply } => {
                Answered::Hashed(reply, hash_password(&password, memory))
            }
            #[cfg(test)]
            Self::Call(call) => {
                call();
                Answered::Called
            }
        }
    }
}

impl Answered {
    /// Sends it; if the one who waited has gone meanwhile, it is lost.
    fn send(self) {
        match self {
            Self::Verified(reply, matches) => drop(reply.send(matches)),
            Self::Hashed(reply, hashed) => drop(reply.send(hashed)),
            #[cfg(test)]
            Self::Called => {}
        }
    }
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
