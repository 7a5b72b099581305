//! From an AD object to the entry that is served: pure functions.
//!
//! A stored AD entry holds AD's attributes as they were replicated. What is added for hosts that
//! speak RFC 2307 (ids, home, shell, POSIX object classes) is derived here each time a snapshot
//! is built, so a changed policy needs no new synchronisation. Nothing here knows the clock, the
//! network or the store; state that must outlive the process ([`idmap::SliceTable`]) is handed in
//! and turned to and from octets.

pub mod account;
pub mod attributes;
pub mod config;
pub mod derive;
pub mod idmap;
pub mod policy;
pub mod select;
pub mod sid;
pub mod time;
