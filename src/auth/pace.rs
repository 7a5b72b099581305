//! Makes refusals take as long as real verifications, so that time tells nothing about names.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// How many verifications are remembered.
const REMEMBERED: usize = 63;

/// The time recent verifications took.
#[derive(Debug, Default)]
pub(super) struct Pace {
    recent: Mutex<Vec<Duration>>,
}

impl Pace {
    /// Takes note of a verification that was really made.
    pub(super) fn record(&self, took: Duration) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() == REMEMBERED {
            recent.remove(0);
        }
        recent.push(took);
    }

    /// The median of recent verifications; `None` before the first.
    pub(super) fn median(&self) -> Option<Duration> {
        let mut sorted = self
            .recent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_verifications_are_forgotten() {
        let pace = Pace::default();
        assert_eq!(pace.median(), None);
        for milliseconds in [5, 1, 9] {
            pace.record(Duration::from_millis(milliseconds));
        }
        assert_eq!(pace.median(), Some(Duration::from_millis(5)));
        for _ in 0..REMEMBERED {
            pace.record(Duration::from_millis(70));
        }
        assert_eq!(pace.median(), Some(Duration::from_millis(70)));
    }
}
