//! Counters of the LDAP server: plain atomics, so that counting costs the hot path nothing.

use std::{
    array,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::{
    ber::Tag,
    proto::{Operation, response::tag},
};

/// A number that only grows, or goes up and down with what is open.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds a number.
    pub fn add(&self, number: u64) {
        self.0.fetch_add(number, Relaxed);
    }

    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Takes one away; for what was added before.
    pub fn decrement(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    /// The number now.
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The operations of RFC 4511.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum OperationKind {
    Bind,
    Unbind,
    Search,
    Modify,
    Add,
    Delete,
    ModifyDn,
    Compare,
    Abandon,
    Extended,
}

impl OperationKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Bind,
        Self::Unbind,
        Self::Search,
        Self::Modify,
        Self::Add,
        Self::Delete,
        Self::ModifyDn,
        Self::Compare,
        Self::Abandon,
        Self::Extended,
    ];

    /// The kind of a request.
    pub fn of(operation: &Operation<'_>) -> Self {
        match operation {
            Operation::Bind(_) => Self::Bind,
            Operation::Unbind => Self::Unbind,
            Operation::Search(_) => Self::Search,
            Operation::Modify(_) => Self::Modify,
            Operation::Add(_) => Self::Add,
            Operation::Delete(_) => Self::Delete,
            Operation::ModifyDn(_) => Self::ModifyDn,
            Operation::Compare(_) => Self::Compare,
            Operation::Abandon(_) => Self::Abandon,
            Operation::Extended(_) => Self::Extended,
        }
    }

    /// The tag of the answer; `None` for those that get none.
    pub fn answer(self) -> Option<Tag> {
        Some(match self {
            Self::Bind => tag::BIND,
            Self::Search => tag::SEARCH_DONE,
            Self::Modify => tag::MODIFY,
            Self::Add => tag::ADD,
            Self::Delete => tag::DELETE,
            Self::ModifyDn => tag::MODIFY_DN,
            Self::Compare => tag::COMPARE,
            Self::Extended => tag::EXTENDED,
            Self::Unbind | Self::Abandon => return None,
        })
    }

    /// The label in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bind => "bind",
            Self::Unbind => "unbind",
            Self::Search => "search",
            Self::Modify => "modify",
            Self::Add => "add",
            Self::Delete => "delete",
            Self::ModifyDn => "modify_dn",
            Self::Compare => "compare",
            Self::Abandon => "abandon",
            Self::Extended => "extended",
        }
    }
}

/// Result codes in classes, so that a metric has few labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ResultClass {
    Success,
    LimitExceeded,
    ConfidentialityRequired,
    NoSuchObject,
    InvalidCredentials,
    InsufficientAccess,
    Busy,
    Unavailable,
    UnwillingToPerform,
    Other,
}

impl ResultClass {
    /// Every class, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Success,
        Self::LimitExceeded,
        Self::ConfidentialityRequired,
        Self::NoSuchObject,
        Self::InvalidCredentials,
        Self::InsufficientAccess,
        Self::Busy,
        Self::Unavailable,
        Self::UnwillingToPerform,
        Self::Other,
    ];

    /// The class of a result code (RFC 4511 appendix A).
    pub fn of(result_code: u32) -> Self {
        match result_code {
            // compareFalse, compareTrue and saslBindInProgress are no failures.
            0 | 5 | 6 | 14 => Self::Success,
            3 | 4 | 11 => Self::LimitExceeded,
            13 => Self::ConfidentialityRequired,
            32 => Self::NoSuchObject,
            49 => Self::InvalidCredentials,
            50 => Self::InsufficientAccess,
            51 => Self::Busy,
            52 => Self::Unavailable,
            53 => Self::UnwillingToPerform,
            _ => Self::Other,
        }
    }

    /// The label in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::LimitExceeded => "limit_exceeded",
            Self::ConfidentialityRequired => "confidentiality_required",
            Self::NoSuchObject => "no_such_object",
            Self::InvalidCredentials => "invalid_credentials",
            Self::InsufficientAccess => "insufficient_access",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::UnwillingToPerform => "unwilling_to_perform",
            Self::Other => "other",
        }
    }
}

/// What became of a bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum BindOutcome {
    Anonymous,
    Success,
    InvalidCredentials,
    Refused,
    Busy,
    Unavailable,
}

impl BindOutcome {
    /// Every outcome, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::Anonymous,
        Self::Success,
        Self::InvalidCredentials,
        Self::Refused,
        Self::Busy,
        Self::Unavailable,
    ];

    /// The label in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Success => "success",
            Self::InvalidCredentials => "invalid_credentials",
            Self::Refused => "refused",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Times of one kind of operation in coarse buckets.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Counter; Self::BOUNDS.len() + 1],
    microseconds: Counter,
}

impl Histogram {
    /// The upper bounds of the buckets, in microseconds; one more bucket takes what is longer.
    pub const BOUNDS: [u64; 6] = [100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

    /// Counts one operation.
    pub fn record(&self, elapsed: Duration) {
        let microseconds = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        let bucket = Self::BOUNDS.partition_point(|bound| *bound < microseconds);
        if let Some(counter) = self.buckets.get(bucket) {
            counter.increment();
        }
        self.microseconds.add(microseconds);
    }

    /// The number of operations in each bucket alone, the longest times last.
    pub fn counts(&self) -> [u64; Self::BOUNDS.len() + 1] {
        array::from_fn(|bucket| self.buckets.get(bucket).map_or(0, Counter::value))
    }

    /// The sum of all times in microseconds.
    pub fn sum_microseconds(&self) -> u64 {
        self.microseconds.value()
    }
}

/// Everything the server counts.
#[derive(Debug, Default)]
pub struct ServerMetrics {
    /// Connections open now.
    pub connections: Counter,
    /// Connections accepted.
    pub connections_total: Counter,
    /// Connections turned away by a limit.
    pub connections_refused_total: Counter,
    /// TLS handshakes that failed.
    pub handshakes_failed_total: Counter,
    /// Octets read from clients.
    pub bytes_received_total: Counter,
    /// Octets written to clients.
    pub bytes_sent_total: Counter,
    /// Entries returned by searches.
    pub entries_returned_total: Counter,
    operations: [[Counter; ResultClass::ALL.len()]; OperationKind::ALL.len()],
    seconds: [Histogram; OperationKind::ALL.len()],
    binds: [Counter; BindOutcome::ALL.len()],
}

// The indices are discriminants of enums whose ALL gives the arrays their lengths.
#[allow(clippy::indexing_slicing)]
impl ServerMetrics {
    /// Counts one operation that was answered with a result code.
    pub fn operation(&self, kind: OperationKind, result_code: u32, elapsed: Duration) {
        self.operations[kind as usize][ResultClass::of(result_code) as usize].increment();
        self.seconds[kind as usize].record(elapsed);
    }

    /// Counts one bind.
    pub fn bind(&self, outcome: BindOutcome) {
        self.binds[outcome as usize].increment();
    }

    /// The operations of one kind that ended in one class of result.
    pub fn operations(&self, kind: OperationKind, class: ResultClass) -> u64 {
        self.operations[kind as usize][class as usize].value()
    }

    /// The times of one kind of operation.
    pub fn seconds(&self, kind: OperationKind) -> &Histogram {
        &self.seconds[kind as usize]
    }

    /// The binds with one outcome.
    pub fn binds(&self, outcome: BindOutcome) -> u64 {
        self.binds[outcome as usize].value()
    }

    /// All operations answered.
    pub fn operations_total(&self) -> u64 {
        self.operations.iter().flatten().map(Counter::value).sum()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn numbers_follow_the_lists() {
        for (number, kind) in OperationKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number);
        }
        for (number, class) in ResultClass::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, number);
        }
        for (number, outcome) in BindOutcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, number);
        }
    }

    #[test]
    fn operations_are_counted_by_class_and_time() {
        let metrics = ServerMetrics::default();
        metrics.operation(OperationKind::Search, 0, Duration::from_micros(100));
        metrics.operation(OperationKind::Search, 4, Duration::from_micros(101));
        metrics.operation(OperationKind::Bind, 49, Duration::from_secs(60));
        let search = OperationKind::Search;
        assert_eq!(metrics.operations(search, ResultClass::Success), 1);
        assert_eq!(metrics.operations(search, ResultClass::LimitExceeded), 1);
        assert_eq!(metrics.seconds(search).counts(), [1, 1, 0, 0, 0, 0, 0]);
        assert_eq!(metrics.seconds(search).sum_microseconds(), 201);
        assert_eq!(metrics.seconds(OperationKind::Bind).counts()[6], 1);
        assert_eq!(metrics.operations_total(), 3);
    }
}
