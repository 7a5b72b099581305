//! Proof of identity (RFC 4513).
//!
//! [`Authenticator`] decides a simple bind: [`names`] finds the one entry a name means, a local
//! entry is verified by [`password`] on the [`hash_pool`], an entry from AD is passed through to a
//! domain controller. What will stand between here and AD (the guard against lockouts, verifiers
//! for when no domain controller answers) belongs into `bind`, where its place is marked.

mod bind;
pub mod config;
pub mod hash_pool;
pub mod names;
mod pace;
pub mod password;
pub mod recheck;

pub use self::bind::{Authenticator, BindRefused};
