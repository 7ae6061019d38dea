//! The `allot` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    allot::cli::main()
}
