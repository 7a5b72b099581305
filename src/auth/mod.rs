//! Proof of identity (RFC 4513).

pub mod hash_pool;
pub mod password;
pub mod recheck;
