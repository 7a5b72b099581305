//! Keeping the replica equal to AD.

pub mod config;
pub mod state;
