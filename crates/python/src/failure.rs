//! Converts errors of the library into Python exceptions.

use allot::cli::CliError;
use allot::cli::host::HostError;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// Returns the exception of an error: `allot.AllotError` or one of its subclasses, with message, help and diagnostics.
pub(crate) fn raised(py: Python<'_>, error: impl Into<CliError>) -> PyErr {
    described(py, &HostError::new(error))
}

/// Returns the exception of a failure as data.
pub(crate) fn described(py: Python<'_>, failure: &HostError) -> PyErr {
    named(py, "from_failure", failure.0.to_string())
}

/// Returns the exception for losses that a search refuses.
pub(crate) fn refused(py: Python<'_>, message: String) -> PyErr {
    named(py, "AnswerError", message)
}

/// Returns the exception for a wrong argument.
pub(crate) fn mistaken(py: Python<'_>, message: String) -> PyErr {
    named(py, "ArgumentError", message)
}

/// Calls a function or class of `allot.errors` that returns an exception.
fn named(py: Python<'_>, callable: &str, text: String) -> PyErr {
    let exception = || py.import("allot.errors")?.getattr(callable)?.call1((text.as_str(),));
    match exception() {
        Ok(exception) => PyErr::from_value(exception),
        // Only if the extension is loaded without its package.
        Err(_) => PyRuntimeError::new_err(text),
    }
}
