//! Proof of identity (RFC 4513).
