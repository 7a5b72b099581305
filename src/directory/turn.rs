//! Who may change the directory: one after the other, and some for a while only.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// A lock that can be waited for until a deadline.
#[derive(Debug, Default)]
pub(super) struct Turns {
    taken: Mutex<bool>,
    given_back: Condvar,
}

/// The right to change the directory, given back when dropped.
#[derive(Debug)]
pub(super) struct Turn<'t>(&'t Turns);

impl Turns {
    /// Waits for a turn.
    pub(super) fn take(&self) -> Turn<'_> {
        let taken = self
            .given_back
            .wait_while(self.lock(), |taken| *taken)
            .unwrap_or_else(PoisonError::into_inner);
        self.taken(taken)
    }

    /// Waits for a turn; `None` where none came by the deadline.
    pub(super) fn take_by(&self, deadline: Instant) -> Option<Turn<'_>> {
        let patience = deadline.saturating_duration_since(Instant::now());
        let (taken, _) = self
            .given_back
            .wait_timeout_while(self.lock(), patience, |taken| *taken)
            .unwrap_or_else(PoisonError::into_inner);
        (!*taken).then(|| self.taken(taken))
    }

    fn taken(&self, mut taken: MutexGuard<'_, bool>) -> Turn<'_> {
        *taken = true;
        Turn(self)
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.lock() = false;
        self.0.given_back.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_turn_is_waited_for_until_the_deadline() {
        let turns = Turns::default();
        let turn = turns.take();
        assert!(turns.take_by(Instant::now()).is_none());
        assert!(
            turns
                .take_by(Instant::now() + Duration::from_millis(5))
                .is_none()
        );
        drop(turn);
        assert!(turns.take_by(Instant::now()).is_some());
    }

    #[test]
    fn a_turn_given_back_goes_to_who_waits() {
        let turns = Turns::default();
        let turn = turns.take();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                let deadline = Instant::now() + Duration::from_secs(60);
                turns.take_by(deadline).is_some()
            });
            drop(turn);
            assert!(waiting.join().unwrap());
        });
    }
}
