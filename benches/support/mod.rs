//! What the benches share: a client's half of LDAP, a test directory, and servers that hold it.
//!
//! Nothing here but `replica`, which is no part of this module, uses the crate, so a bench that drives a server is an independent client, and a
//! bench that decodes a request decodes bytes the crate did not write.

#![allow(dead_code, reason = "every bench uses its own part of this")]

pub(crate) mod adduct;
pub(crate) mod ber;
pub(crate) mod fixtures;
pub(crate) mod ldif;
pub(crate) mod population;
pub(crate) mod requests;
pub(crate) mod server;
pub(crate) mod slapd;
pub(crate) mod timing;
