//! Keeping the replica equal to AD.
//!
//! One task for each source asks AD for what changed since the position reached, applies it and
//! stores the new position in the same commit. It never ends by itself: what cannot be done is told
//! in the source's state and tried again. See `engine` for a round, `guard` for when the position
//! is not believed, `apply` for what is stored.

mod apply;
mod brake;
pub mod config;
mod controller;
mod engine;
mod full;
mod guard;
mod merge;
mod observe;
mod sources;
pub mod state;

#[cfg(test)]
mod fake;

pub use engine::SyncError;
pub use observe::{LogObserver, Observer};
pub use sources::{CommandError, Sources};
