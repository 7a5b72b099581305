//! Serving LDAP.
//!
//! [`Listeners`] accept connections; each is one task that reads requests, works on them in slices
//! and writes every answer that is ready at once. One file for each operation lies in `operation`.

mod budget;
pub mod config;
mod connection;
pub mod descriptors;
mod followers;
mod listener;
mod made_up;
pub mod metrics;
mod operation;
mod service;
mod session;
mod tls;
mod transport;

pub use self::{
    listener::Listeners,
    made_up::MadeUpEntries,
    service::{Service, Settings},
    tls::{TlsError, load as load_tls},
};
