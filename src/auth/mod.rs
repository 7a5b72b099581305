//! Proof of identity (RFC 4513).

pub mod config;
pub mod hash_pool;
pub mod password;
pub mod recheck;
