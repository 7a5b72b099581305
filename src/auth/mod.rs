//! Proof of identity (RFC 4513).

pub mod password;
