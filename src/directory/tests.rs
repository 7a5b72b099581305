#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod answers;
pub(crate) mod build;
mod changes;
mod filters;
mod finding;
mod gids;
mod links;
pub(crate) mod model;
mod names;
pub(crate) mod reference;
mod select;
mod selection;
mod sort;
mod store;
