//! The Python package's extension, `allot._allot`: a thin layer over the library. `python/allot/_allot.pyi` describes its types.

#![allow(clippy::result_large_err, reason = "errors become exceptions at once")]

mod allocation;
mod failure;
mod layers;
mod model;
mod script;
mod search;
mod waiting;
mod worker;

use std::ffi::OsString;

use pyo3::prelude::*;

#[pymodule]
mod _allot {
    #[pymodule_export]
    use super::allocation::Allocation;
    #[pymodule_export]
    use super::layers::Layers;
    #[pymodule_export]
    use super::model::Model;
    #[pymodule_export]
    use super::run_command;
    #[pymodule_export]
    use super::script::{Script, check, format, published, read_script};
    #[pymodule_export]
    use super::search::{AskedSearch, Task};
    #[pymodule_export]
    use super::worker::Worker;

    #[allow(non_upper_case_globals, reason = "Python's own name")]
    #[pymodule_export]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}

/// Runs a command, such as ``["allot", "check", "owl"]``, and returns its exit code. It installs signal handlers for the process.
#[pyfunction]
fn run_command(py: Python<'_>, words: Vec<OsString>) -> u8 {
    py.detach(|| allot::cli::run_words(&words))
}
