//! Keeping the replica equal to AD.
