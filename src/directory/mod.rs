//! The searchable replica.
