//! Counts and latencies of one run.

use std::collections::BTreeMap;
use std::time::Duration;

/// What one thread saw while it measured.
#[derive(Debug, Default)]
pub(crate) struct Statistics {
    /// Latencies of the operations that were answered rightly.
    pub(crate) latency: Histogram,
    /// Operations by result code, the right ones and the wrong ones.
    pub(crate) results: BTreeMap<u32, u64>,
    pub(crate) entries: u64,
    pub(crate) wrong: u64,
    /// Connections that broke.
    pub(crate) failed: u64,
    /// The first few of what went wrong.
    pub(crate) examples: Vec<String>,
}

impl Statistics {
    /// An operation is complete, right or not.
    pub(crate) fn result(&mut self, code: u32, entries: u32) {
        *self.results.entry(code).or_default() += 1;
        self.entries += u64::from(entries);
    }

    pub(crate) fn right(&mut self, latency: Duration) {
        self.latency.record(latency);
    }

    pub(crate) fn wrong(&mut self, example: impl FnOnce() -> String) {
        self.wrong += 1;
        if self.examples.len() < MAX_EXAMPLES {
            self.examples.push(example());
        }
    }

    pub(crate) fn fail(&mut self, error: String) {
        self.failed += 1;
        if self.examples.len() < MAX_EXAMPLES {
            self.examples.push(error);
        }
    }

    /// Adds the steps of one login or change as one operation: the last step's result and latency.
    pub(crate) fn add_steps(&mut self, steps: Self) {
        let (Some(&code), wrong) = (steps.results.keys().next_back(), steps.wrong) else {
            return; // It was over outside the time that is measured.
        };
        self.result(code, 0);
        self.entries += steps.entries;
        if wrong == 0 {
            self.right(steps.latency.max());
        } else {
            let example = steps.examples.into_iter().next();
            self.wrong(|| example.unwrap_or_default());
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.latency.merge(&other.latency);
        for (code, count) in other.results {
            *self.results.entry(code).or_default() += count;
        }
        self.entries += other.entries;
        self.wrong += other.wrong;
        self.failed += other.failed;
        let room = MAX_EXAMPLES.saturating_sub(self.examples.len());
        self.examples.extend(other.examples.into_iter().take(room));
    }
}

const MAX_EXAMPLES: usize = 5;

/// Durations in buckets that are at most 1.6 % wide, exact below 64 ns.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    sum: Duration,
    max: Duration,
}

/// Each power of two has this many buckets, as a power of two.
const PRECISION: u32 = 6;

/// Longer than any wait here: 2^40 ns are 18 minutes.
const MAX_POWER: u32 = 40;

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: vec![0; ((MAX_POWER - PRECISION + 2) << PRECISION) as usize],
            count: 0,
            sum: Duration::ZERO,
            max: Duration::ZERO,
        }
    }
}

impl Histogram {
    pub(crate) fn record(&mut self, duration: Duration) {
        if let Some(bucket) = self.buckets.get_mut(bucket(duration)) {
            *bucket += 1;
        }
        self.count += 1;
        self.sum += duration;
        self.max = self.max.max(duration);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn max(&self) -> Duration {
        self.max
    }

    /// The duration that this share of all did not exceed, `share` from 0 to 1.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a count, rounded up"
    )]
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let rank = (share * self.count as f64).ceil() as u64;
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank && seen > 0 {
                return upper_bound(index).min(self.max);
            }
        }
        self.max
    }

    fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
        self.sum += other.sum;
        self.max = self.max.max(other.max);
    }
}

fn bucket(duration: Duration) -> usize {
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let nanos = nanos.min((1 << MAX_POWER) - 1);
    let power = nanos.checked_ilog2().unwrap_or(0).saturating_sub(PRECISION);
    let within = nanos >> power;
    // `within` is below 2^(PRECISION + 1): it runs on into the next power's buckets.
    usize::try_from((u64::from(power) << PRECISION) + within).unwrap_or(usize::MAX)
}

fn upper_bound(bucket: usize) -> Duration {
    let sub = 1usize << PRECISION;
    let (power, within) = match bucket {
        _ if bucket < 2 * sub => (0, bucket),
        _ => (bucket / sub - 1, bucket % sub + sub),
    };
    let next = (within as u64 + 1) << power;
    Duration::from_nanos(next - 1)
}
