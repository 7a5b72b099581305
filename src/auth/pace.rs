//! Makes refusals take as long as real verifications, so that time tells nothing about names.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// How many verifications are remembered.
const REMEMBERED: usize = 64;

/// The time recent verifications took.
#[derive(Debug, Default)]
pub(super) struct Pace {
    recent: Mutex<Recent>,
}

#[derive(Debug, Default)]
struct Recent {
    times: Vec<Duration>,
    /// The place of the oldest.
    next: usize,
}

impl Pace {
    /// Takes note of a verification that was really made.
    pub(super) fn record(&self, took: Duration) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let next = recent.next;
        match recent.times.get_mut(next) {
            Some(oldest) => *oldest = took,
            None => recent.times.push(took),
        }
        recent.next = (next + 1) % REMEMBERED;
    }

    /// The time of any recent verification; `None` before the first.
    ///
    /// Any of them rather than the median: times that are drawn from the real ones cannot be told
    /// from them by their spread either.
    pub(super) fn sample(&self) -> Option<Duration> {
        let random = getrandom::u32().unwrap_or_default() as usize;
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let position = random.checked_rem(recent.times.len())?;
        recent.times.get(position).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_verifications_are_forgotten() {
        let pace = Pace::default();
        assert_eq!(pace.sample(), None);
        for _ in 0..REMEMBERED {
            pace.record(Duration::from_millis(5));
        }
        assert_eq!(pace.sample(), Some(Duration::from_millis(5)));
        for _ in 0..REMEMBERED {
            pace.record(Duration::from_millis(70));
        }
        assert_eq!(pace.sample(), Some(Duration::from_millis(70)));
    }
}
