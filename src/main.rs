//! The `adduct` program: everything is in the library.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

/// A directory in memory is made of small things of all ages, which it packs better and hands out
/// faster than that of the C library.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    adduct::cli::main()
}
