//! How many files may be open: each connection is one.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit of open files as far as the process may, and gives it; `None` is no limit.
///
/// Service managers leave it low for programs that cannot do with more (`select`), and the rest
/// is expected to do this.
///
/// # Errors
/// Why it was not raised.
pub fn raise_limit() -> io::Result<Option<u64>> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    )?;
    Ok(limit.maximum)
}
