//! Memory that requests hold for longer than a slice, bounded for the whole server.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Octets that may be held at one time by all connections.
#[derive(Debug)]
pub(super) struct Budget {
    left: AtomicUsize,
}

impl Budget {
    /// Room for what searches sort and for what waits for its next page.
    pub(super) const SEARCHES: usize = 256 * 1024 * 1024;

    pub(super) fn new(octets: usize) -> Arc<Self> {
        Arc::new(Self {
            left: AtomicUsize::new(octets),
        })
    }
}

/// A part of a [`Budget`], given back when dropped.
#[derive(Debug)]
pub(super) struct Held {
    budget: Arc<Budget>,
    octets: usize,
}

impl Held {
    /// Nothing yet.
    pub(super) fn new(budget: &Arc<Budget>) -> Self {
        Self {
            budget: Arc::clone(budget),
            octets: 0,
        }
    }

    /// How many octets are held.
    pub(super) fn octets(&self) -> usize {
        self.octets
    }

    /// Holds this many octets from now on; false where there is no room, and then nothing changes.
    pub(super) fn resize(&mut self, octets: usize) -> bool {
        let left = &self.budget.left;
        if octets > self.octets {
            let more = octets - self.octets;
            let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(more)
            });
            if taken.is_err() {
                return false;
            }
        } else {
            left.fetch_add(self.octets - octets, Ordering::Relaxed);
        }
        self.octets = octets;
        true
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.left.fetch_add(self.octets, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_bounded_and_given_back() {
        let budget = Budget::new(10);
        let (mut one, mut other) = (Held::new(&budget), Held::new(&budget));
        assert!(one.resize(6));
        assert!(!other.resize(5));
        assert!(other.resize(4));
        assert!(!one.resize(7));
        assert!(one.resize(2));
        assert!(other.resize(8));
        drop(other);
        assert!(one.resize(10));
        drop(one);
        assert_eq!(budget.left.load(Ordering::Relaxed), 10);
    }
}
