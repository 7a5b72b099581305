//! How binds are decided.

use std::time::Duration;

use serde::Deserialize;

use crate::setting;

/// `[auth]`: proof of identity.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthConfig {
    /// Whether a simple bind without TLS is allowed.
    pub insecure_plaintext_bind: bool,
    /// How long a password once verified by AD is accepted while AD is down; zero is never.
    #[serde(deserialize_with = "setting::duration")]
    pub cache_lifetime: Duration,
    /// How long a password just verified is accepted again from memory; zero is off.
    #[serde(deserialize_with = "setting::duration")]
    pub recheck_window: Duration,
    /// How many tries before AD's lockout threshold wrong passwords are stopped.
    pub lockout_reserve: u32,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            insecure_plaintext_bind: false,
            cache_lifetime: Duration::from_secs(5 * 24 * 60 * 60),
            recheck_window: Duration::from_secs(60),
            lockout_reserve: 2,
        }
    }
}
