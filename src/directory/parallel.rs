//! Work that is shared among threads.

use std::{panic::resume_unwind, thread};

/// What `work` makes of each item, in order; each is worked on by a thread of its own.
pub(super) fn map<I: Send, O: Send>(
    items: impl Iterator<Item = I>,
    work: impl Fn(I) -> O + Sync,
) -> Vec<O> {
    let work = &work;
    thread::scope(|scope| {
        let started: Vec<_> = items.map(|item| scope.spawn(move || work(item))).collect();
        // One that panicked is as good as a panic here.
        started
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    })
}
