//! How POSIX attributes are made for the users and groups of one source.
