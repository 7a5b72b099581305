#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::{
    future::{Future, ready},
    pin::{Pin, pin},
    sync::mpsc,
};

use super::*;

fn password(text: &str) -> Password {
    Zeroizing::new(text.as_bytes().to_vec())
}

/// The hash of "secret", of a scheme that takes no time.
fn fast() -> StoredPassword {
    StoredPassword::parse(b"{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=").unwrap()
}

/// Occupies a worker until the sender returned is dropped.
fn occupy(pool: &HashPool) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel::<()>();
    let (started, start) = mpsc::channel();
    pool.submit(Task::Call(Box::new(move || {
        started.send(()).unwrap();
        released.recv().unwrap_err();
    })))
    .unwrap();
    start.recv().unwrap();
    release
}

/// Runs a future up to the first point where it waits.
async fn start<T>(future: Pin<&mut impl Future<Output = T>>) {
    tokio::select! {
        biased;
        _ = future => panic!("it is done already"),
        () = ready(()) => {}
    }
}

#[tokio::test]
async fn verifies_and_hashes() {
    let pool = HashPool::new(2, 8).unwrap();
    let value = pool.hash(password("secret")).await.unwrap();
    let hashed = StoredPassword::parse(value.as_bytes()).unwrap();
    let verify = |values, text| pool.verify(values, password(text));
    assert_eq!(verify(vec![hashed.clone()], "secret").await, Ok(true));
    assert_eq!(verify(vec![hashed.clone()], "wrong").await, Ok(false));
    assert_eq!(verify(vec![hashed, fast()], "secret").await, Ok(true));
    assert_eq!(verify(vec![], "secret").await, Ok(false));
    assert_eq!(pool.verify_nothing(password("secret")).await, Ok(()));
    let stats = pool.stats();
    assert_eq!((stats.done, stats.queued, stats.busy), (6, 0, 0));
    assert!(!stats.working.is_zero());
}

#[tokio::test]
async fn only_so_many_values_count() {
    let pool = HashPool::new(1, 1).unwrap();
    let mut values =
        vec![StoredPassword::parse(b"{SHA}AAAAAAAAAAAAAAAAAAAAAAAAAAA=").unwrap(); MAX_VALUES - 1];
    values.push(fast());
    assert_eq!(
        pool.verify(values.clone(), password("secret")).await,
        Ok(true)
    );
    values.insert(0, values[0].clone());
    assert_eq!(pool.verify(values, password("secret")).await, Ok(false));
}

#[tokio::test]
async fn each_worker_takes_its_memory_once() {
    let pool = HashPool::new(1, 8).unwrap();
    for _ in 0..3 {
        pool.verify_nothing(password("x")).await.unwrap();
        pool.hash(password("x")).await.unwrap();
    }
    assert_eq!(pool.stats().memory_allocations, 1);
}

#[tokio::test]
async fn a_full_queue_is_busy() {
    let pool = HashPool::new(1, 1).unwrap();
    let worker = occupy(&pool);
    let mut waiting = pin!(pool.verify(vec![fast()], password("secret")));
    start(waiting.as_mut()).await;
    assert_eq!(pool.stats().queued, 1);
    assert_eq!(
        pool.verify(vec![fast()], password("secret")).await,
        Err(PoolError::Busy)
    );
    assert_eq!(pool.hash(password("secret")).await, Err(PoolError::Busy));
    assert_eq!(
        pool.verify_nothing(password("secret")).await,
        Err(PoolError::Busy)
    );
    assert_eq!(pool.stats().busy, 3);
    drop(worker);
    assert_eq!(waiting.await, Ok(true));
}

#[tokio::test]
async fn what_nobody_waits_for_makes_room_and_is_skipped() {
    let pool = HashPool::new(1, 2).unwrap();
    let worker = occupy(&pool);
    {
        let mut gone = pin!(pool.verify(vec![fast()], password("secret")));
        let mut gone_too = pin!(pool.hash(password("secret")));
        start(gone.as_mut()).await;
        start(gone_too.as_mut()).await;
    }
    let mut waiting = pin!(pool.verify(vec![fast()], password("secret")));
    start(waiting.as_mut()).await;
    let stats = pool.stats();
    assert_eq!((stats.queued, stats.abandoned), (1, 2));
    {
        let mut gone = pin!(pool.hash(password("secret")));
        start(gone.as_mut()).await;
    }
    drop(worker);
    assert_eq!(waiting.await, Ok(true));
    // In the order they came, so the one behind was looked at when this one is done.
    assert_eq!(pool.verify(vec![], password("x")).await, Ok(false));
    let stats = pool.stats();
    assert_eq!((stats.abandoned, stats.done), (3, 3));
}

#[tokio::test]
async fn a_closed_pool_lets_go_of_those_who_wait() {
    let pool = HashPool::new(1, 2).unwrap();
    let worker = occupy(&pool);
    let mut waiting = pin!(pool.verify(vec![fast()], password("secret")));
    start(waiting.as_mut()).await;
    pool.close();
    assert_eq!(waiting.await, Err(PoolError::Closed));
    assert_eq!(pool.hash(password("x")).await, Err(PoolError::Closed));
    drop(worker);
}

#[tokio::test]
async fn a_worker_outlives_a_panic() {
    let pool = HashPool::new(1, 2).unwrap();
    let (reply, answer) = oneshot::channel::<bool>();
    pool.submit(Task::Call(Box::new(move || {
        let _dropped = reply;
        // Without the hook's message in the test's output.
        std::panic::resume_unwind(Box::new(()));
    })))
    .unwrap();
    assert_eq!(pool.received(answer.await), Err(PoolError::Panicked));
    assert_eq!(
        pool.verify(vec![fast()], password("secret")).await,
        Ok(true)
    );
}

#[test]
fn hashes_many_in_order_through_a_short_queue() {
    let pool = HashPool::new(2, 1).unwrap();
    let words = ["a", "b", "c", "d", "e"];
    let values = pool.hash_all_blocking(words.map(password)).unwrap();
    let mut memory = Argon2Memory::new();
    for (word, value) in words.iter().zip(values) {
        let stored = StoredPassword::parse(value.as_bytes()).unwrap();
        assert!(stored.verify(word.as_bytes(), &mut memory));
    }
    assert!(pool.hash_all_blocking([password("x")]).is_ok());
    pool.close();
    assert_eq!(
        pool.hash_all_blocking([password("x")]),
        Err(PoolError::Closed)
    );
}

#[test]
fn workers_end_with_the_pool() {
    let mut pool = HashPool::new(3, 1).unwrap();
    let workers = std::mem::take(&mut pool.workers);
    drop(pool);
    for worker in workers {
        worker.join().unwrap();
    }
}
