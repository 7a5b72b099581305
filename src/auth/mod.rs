//! Proof of identity (RFC 4513).
//!
//! [`Authenticator`] decides who somebody is: [`names`] finds the one entry a name means, a local
//! entry is verified by [`password`] on the [`hash_pool`], an entry from AD is passed through to a
//! domain controller; `sasl` takes the same proof in a message of PLAIN, or a client certificate.
//! `authorization` says who may act for whom, `change` sets new passwords. What will stand between
//! here and AD (the guard against lockouts, verifiers for when no domain controller answers)
//! belongs into `bind`, where its place is marked.

mod authorization;
mod bind;
pub mod certificate;
mod change;
pub mod config;
pub mod hash_pool;
pub mod names;
mod pace;
pub mod password;
mod plain;
mod prepare;
pub mod recheck;
mod sasl;

pub use self::{
    authorization::NotAuthorized,
    bind::{Authenticator, BindRefused},
    change::{ChangeRefused, generate_password},
    plain::Plain,
};
