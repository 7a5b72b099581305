//! The searchable replica.

mod record;
