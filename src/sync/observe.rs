//! Telling how a long round goes.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How often a round that takes long is mentioned in the log.
const INTERVAL: Duration = Duration::from_secs(5);

/// Hears of each round that reads everything: begin, any number of `received`, then end.
///
/// Several sources may be in such a round at once. Calls must be quick: the round waits.
pub trait Observer: Send + Sync + 'static {
    /// A round begins.
    fn begin(&self, source: &str);
    /// So many objects have come until now; called for each of them.
    fn received(&self, source: &str, objects: u64);
    /// All objects are there, and are now being stored.
    fn storing(&self, source: &str, entries: u64);
    /// The round ended, well or not.
    fn end(&self, source: &str);
}

/// Says every five seconds in the log how far a round has come.
#[derive(Debug, Default)]
pub struct LogObserver {
    rounds: Mutex<BTreeMap<String, (Instant, Instant)>>,
}

impl Observer for LogObserver {
    fn begin(&self, source: &str) {
        let now = Instant::now();
        self.rounds().insert(source.to_owned(), (now, now));
    }

    fn received(&self, source: &str, objects: u64) {
        if let Some((begun, last)) = self.rounds().get_mut(source)
            && last.elapsed() >= INTERVAL
        {
            *last = Instant::now();
            let seconds = begun.elapsed().as_secs();
            tracing::info!(source, objects, seconds, "reading the domain");
        }
    }

    fn storing(&self, source: &str, entries: u64) {
        tracing::debug!(source, entries, "storing");
    }

    fn end(&self, source: &str) {
        self.rounds().remove(source);
    }
}

impl LogObserver {
    fn rounds(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, (Instant, Instant)>> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A round that is observed; says that it ended when dropped.
pub(super) struct Observed<'a> {
    observer: &'a dyn Observer,
    source: &'a str,
    objects: u64,
}

impl<'a> Observed<'a> {
    pub(super) fn begin(observer: &'a dyn Observer, source: &'a str) -> Self {
        observer.begin(source);
        Self {
            observer,
            source,
            objects: 0,
        }
    }

    pub(super) fn received(&mut self) {
        self.objects += 1;
        self.observer.received(self.source, self.objects);
    }

    pub(super) fn storing(&self, entries: usize) {
        self.observer.storing(self.source, entries as u64);
    }
}

impl Drop for Observed<'_> {
    fn drop(&mut self) {
        self.observer.end(self.source);
    }
}
