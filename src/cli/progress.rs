//! How a long round of a source goes, shown to whoever looks.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::sync::{LogObserver, Observer};

/// A progress bar on stderr where it is a terminal, else lines in the log.
pub(super) fn sync_observer(bars: &MultiProgress) -> Arc<dyn Observer> {
    if io::stderr().is_terminal() {
        Arc::new(Bars {
            all: bars.clone(),
            sources: Mutex::default(),
        })
    } else {
        Arc::new(LogObserver::default())
    }
}

/// One bar for each source that is in a long round.
struct Bars {
    all: MultiProgress,
    sources: Mutex<BTreeMap<String, ProgressBar>>,
}

impl Bars {
    fn sources(&self) -> MutexGuard<'_, BTreeMap<String, ProgressBar>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Bars {
    fn begin(&self, source: &str) {
        let bar = self.all.add(ProgressBar::new_spinner());
        // AD does not say how much is to come. The template is a constant; were it wrong, the
        // style would be the default one.
        if let Ok(style) = ProgressStyle::with_template(
            "{spinner} {prefix}: {msg} {human_pos} objects, {per_sec}, {elapsed}",
        ) {
            bar.set_style(style);
        }
        bar.set_prefix(source.to_owned());
        bar.set_message("reading the domain,");
        bar.enable_steady_tick(Duration::from_millis(100));
        self.sources().insert(source.to_owned(), bar);
    }

    fn received(&self, source: &str, objects: u64) {
        if let Some(bar) = self.sources().get(source) {
            bar.set_position(objects);
        }
    }

    fn storing(&self, source: &str, _entries: u64) {
        if let Some(bar) = self.sources().get(source) {
            bar.set_message("storing,");
        }
    }

    fn end(&self, source: &str) {
        if let Some(bar) = self.sources().remove(source) {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
    }
}
