//! Serving LDAP.

pub mod config;
