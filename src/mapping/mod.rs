//! From an AD object to the entry that is served: pure functions.
