//! Adduct carries Active Directory identities to everything that speaks LDAP.
//!
//! AD stays the authority; this crate keeps an embedded replica of the users and groups an
//! administrator selects and answers binds and searches from it. The modules are floors of a
//! house: each imports from its own floor or from below (see `ARCHITECTURE.md`; a test checks it).

// Ground floor: values and bytes. No I/O, no async runtime, no clock.
pub mod ber;
pub mod dn;
pub mod entry;
pub mod filter;
pub mod ldif;
pub mod proto;
pub mod schema;
pub mod setting;

// First floor: the directory as data.
pub mod access;
pub mod directory;
pub mod mapping;
pub mod store;

// Second floor: other parties and secrets.
pub mod auth;
pub mod sync;
pub mod upstream;

// Third floor: serving.
pub mod admin;
pub mod exchange;
pub mod server;
pub mod update;

// Roof: wiring.
pub mod cli;
pub mod config;
pub mod telemetry;
