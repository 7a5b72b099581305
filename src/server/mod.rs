//! Serving LDAP.

pub mod config;
pub mod metrics;
