//! The short-lived check that makes repeated binds cheap: a password just verified need not go
//! through argon2, or to a domain controller, a second time.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use pbkdf2::hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Remembers which password was verified for whom, for a short window, in process memory only.
///
/// Kept is a digest under a key that is made at the start of the process and never leaves it, so
/// what is remembered tells nothing without the process's memory. The digest covers the *proof*,
/// that is whatever the password was verified against (the stored hash, or the pwdLastSet of
/// an AD account): when that changes, nothing matches any more, whether or not [`forget`] was
/// called. The window runs from the verification and is not extended by matches.
///
/// The trade: an account's change that does not show in the proof, such as a lockout in AD, takes
/// effect here only with [`forget`] or the end of the window.
///
/// [`forget`]: Self::forget
pub struct Recheck {
    window: Duration,
    /// HMAC that has taken the key, and nothing else yet.
    keyed: Hmac<Sha256>,
    shards: Vec<Mutex<Shard>>,
    max_per_shard: usize,
}

/// How many identities are remembered at once: some 10 MiB.
pub const MAX_REMEMBERED: usize = 65_536;

/// Shards keep binds on different cores from waiting for each other.
const SHARDS: usize = 16;

impl Recheck {
    /// Nothing remembered yet. A `window` of zero switches the check off, and so does an operating
    /// system that gives no random octets for the key.
    pub fn new(window: Duration) -> Self {
        Self::with_capacity(window, MAX_REMEMBERED)
    }

    fn with_capacity(window: Duration, max_remembered: usize) -> Self {
        // As long as a block of SHA-256, so that HMAC takes it as it is.
        let mut key = Zeroizing::new([0; 64]);
        let window = match getrandom::fill(&mut *key) {
            Ok(()) => window,
            Err(_) => Duration::ZERO,
        };
        Self {
            window,
            keyed: Hmac::new(&(*key).into()),
            shards: std::iter::repeat_with(Mutex::default)
                .take(SHARDS)
                .collect(),
            max_per_shard: max_remembered.div_ceil(SHARDS),
        }
    }

    /// Remembers that `password` was verified for `identity` against `proof` at `now`.
    ///
    /// It takes the place of what was remembered for the identity; where there is no room, the
    /// oldest goes.
    pub fn remember(&self, identity: Uuid, password: &[u8], proof: &[u8], now: Instant) {
        if self.window.is_zero() {
            return;
        }
        // Computed before the lock is taken.
        let digest = self.digest(identity, password, proof);
        self.with_shard(identity, |shard| {
            shard.forget(identity);
            shard.expire(self.window, now);
            while shard.remembered.len() >= self.max_per_shard && shard.forget_oldest() {}
            shard.insert(identity, digest, now);
        });
    }

    /// Whether this password was verified for `identity` against the same `proof` within the
    /// window before `now`. The digests are compared in constant time.
    pub fn matches(&self, identity: Uuid, password: &[u8], proof: &[u8], now: Instant) -> bool {
        if self.window.is_zero() {
            return false;
        }
        let digest = self.digest(identity, password, proof);
        self.with_shard(identity, |shard| {
            shard.remembered.get(&identity).is_some_and(|remembered| {
                now.saturating_duration_since(remembered.at) < self.window
                    && remembered.digest.ct_eq(&digest).into()
            })
        })
    }

    /// Forgets what was remembered for `identity`: after a password change, a lockout, a disabling.
    pub fn forget(&self, identity: Uuid) {
        self.with_shard(identity, |shard| shard.forget(identity));
    }

    /// How many identities are remembered, those past the window included until they are replaced.
    pub fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| {
                shard
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .remembered
                    .len()
            })
            .sum()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// HMAC-SHA256 over identity, proof and password; lengths keep the parts apart.
    fn digest(&self, identity: Uuid, password: &[u8], proof: &[u8]) -> [u8; 32] {
        let mut mac = self.keyed.clone();
        mac.update(identity.as_bytes());
        mac.update(&(proof.len() as u64).to_be_bytes());
        mac.update(proof);
        mac.update(password);
        mac.finalize().into_bytes().into()
    }

    fn with_shard<T>(&self, identity: Uuid, act: impl FnOnce(&mut Shard) -> T) -> T {
        // objectGUID and entryUUID are random in their last octet.
        let [.., last] = *identity.as_bytes();
        let shard = self
            .shards
            .get(usize::from(last) % SHARDS)
            .map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner));
        match shard {
            Some(mut shard) => act(&mut shard),
            // There are SHARDS of them.
            None => act(&mut Shard::default()),
        }
    }
}

impl fmt::Debug for Recheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recheck")
            .field("window", &self.window)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// One part of what is remembered, with its order of age.
#[derive(Default)]
struct Shard {
    remembered: HashMap<Uuid, Remembered>,
    by_age: BTreeMap<u64, Uuid>,
    next: u64,
}

struct Remembered {
    digest: [u8; 32],
    at: Instant,
    /// Its key in `by_age`.
    age: u64,
}

impl Shard {
    fn insert(&mut self, identity: Uuid, digest: [u8; 32], at: Instant) {
        let age = self.next;
        self.next += 1;
        self.by_age.insert(age, identity);
        let remembered = Remembered { digest, at, age };
        self.remembered.insert(identity, remembered);
    }

    fn forget(&mut self, identity: Uuid) {
        if let Some(remembered) = self.remembered.remove(&identity) {
            self.by_age.remove(&remembered.age);
        }
    }

    fn forget_oldest(&mut self) -> bool {
        match self.by_age.pop_first() {
            Some((_, identity)) => self.remembered.remove(&identity).is_some(),
            None => false,
        }
    }

    fn expire(&mut self, window: Duration, now: Instant) {
        while let Some(oldest) = self.by_age.first_entry() {
            let past = self
                .remembered
                .get(oldest.get())
                .is_none_or(|remembered| now.saturating_duration_since(remembered.at) >= window);
            if !past {
                break;
            }
            self.remembered.remove(&oldest.remove());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use proptest::{collection::vec, prelude::*};

    use super::*;

    const WINDOW: Duration = Duration::from_secs(60);

    fn identity(number: u64) -> Uuid {
        Uuid::from_u64_pair(0, number)
    }

    #[test]
    fn matches_the_same_within_the_window_only() {
        let recheck = Recheck::new(WINDOW);
        let start = Instant::now();
        recheck.remember(identity(1), b"secret", b"hash", start);
        let matches = |number, password: &[u8], proof: &[u8], seconds| {
            let now = start + Duration::from_secs(seconds);
            recheck.matches(identity(number), password, proof, now)
        };
        assert!(matches(1, b"secret", b"hash", 0));
        assert!(matches(1, b"secret", b"hash", 59));
        assert!(!matches(1, b"secret", b"hash", 60));
        assert!(!matches(1, b"Secret", b"hash", 0));
        assert!(!matches(1, b"secret", b"other", 0));
        assert!(!matches(1, b"hsecret", b"has", 0));
        assert!(!matches(2, b"secret", b"hash", 0));
    }

    #[test]
    fn the_last_password_and_proof_count() {
        let recheck = Recheck::new(WINDOW);
        let now = Instant::now();
        recheck.remember(identity(1), b"old", b"1", now);
        recheck.remember(identity(1), b"new", b"2", now);
        assert!(!recheck.matches(identity(1), b"old", b"1", now));
        assert!(recheck.matches(identity(1), b"new", b"2", now));
        assert_eq!(recheck.len(), 1);
    }

    #[test]
    fn forgets() {
        let recheck = Recheck::new(WINDOW);
        let now = Instant::now();
        recheck.remember(identity(1), b"secret", b"hash", now);
        recheck.remember(identity(2), b"secret", b"hash", now);
        recheck.forget(identity(1));
        recheck.forget(identity(3));
        assert!(!recheck.matches(identity(1), b"secret", b"hash", now));
        assert!(recheck.matches(identity(2), b"secret", b"hash", now));
    }

    #[test]
    fn a_window_of_zero_is_off() {
        let recheck = Recheck::new(Duration::ZERO);
        let now = Instant::now();
        recheck.remember(identity(1), b"secret", b"hash", now);
        assert!(!recheck.matches(identity(1), b"secret", b"hash", now));
        assert!(recheck.is_empty());
    }

    #[test]
    fn the_oldest_goes_when_there_is_no_room() {
        let recheck = Recheck::with_capacity(WINDOW, 2 * SHARDS);
        let now = Instant::now();
        // All in one shard, which has room for two.
        let [a, b, c] = [1, 2, 3].map(|number| identity(number << 8));
        recheck.remember(a, b"x", b"", now);
        recheck.remember(b, b"x", b"", now);
        recheck.remember(a, b"x", b"", now);
        recheck.remember(c, b"x", b"", now);
        assert_eq!(
            [a, b, c].map(|identity| recheck.matches(identity, b"x", b"", now)),
            [true, false, true]
        );
    }

    #[test]
    fn what_is_past_the_window_makes_room() {
        let recheck = Recheck::new(WINDOW);
        let now = Instant::now();
        for number in 0..10 {
            recheck.remember(identity(number << 8), b"x", b"", now);
        }
        recheck.remember(identity(11 << 8), b"x", b"", now + WINDOW);
        assert_eq!(recheck.len(), 1);
    }

    #[test]
    fn the_key_is_another_in_each() {
        let digest = |recheck: &Recheck| recheck.digest(identity(1), b"x", b"");
        let (one, other) = (Recheck::new(WINDOW), Recheck::new(WINDOW));
        assert_ne!(digest(&one), digest(&other));
        assert_eq!(digest(&one), digest(&one));
    }

    #[derive(Clone, Debug)]
    enum Step {
        Remember(u8, u8),
        Forget(u8),
        Wait(u8),
    }

    proptest! {
        /// Behaves as a map from identity to the last password and time, for as long as there is room.
        #[test]
        fn behaves_as_a_map(steps in vec(prop_oneof![
            (0..4u8, 0..3u8).prop_map(|(who, password)| Step::Remember(who, password)),
            (0..4u8).prop_map(Step::Forget),
            (0..40u8).prop_map(Step::Wait),
        ], 0..40)) {
            let recheck = Recheck::new(WINDOW);
            let mut now = Instant::now();
            let mut model = HashMap::new();
            for step in steps {
                match step {
                    Step::Remember(who, password) => {
                        recheck.remember(identity(who.into()), &[password], b"", now);
                        model.insert(who, (password, now));
                    }
                    Step::Forget(who) => {
                        recheck.forget(identity(who.into()));
                        model.remove(&who);
                    }
                    Step::Wait(seconds) => now += Duration::from_secs(seconds.into()),
                }
                for (who, password) in (0..4).flat_map(|who| (0..3).map(move |password| (who, password))) {
                    let expected = model
                        .get(&who)
                        .is_some_and(|&(known, at)| known == password && now - at < WINDOW);
                    prop_assert_eq!(
                        recheck.matches(identity(who.into()), &[password], b"", now),
                        expected
                    );
                }
            }
        }
    }
}
