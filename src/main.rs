//! The `adduct` program: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    adduct::cli::main()
}
