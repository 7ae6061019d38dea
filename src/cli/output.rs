//! What commands print, and what they fail with.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use serde::Serialize;

/// Why a command fails.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// A file cannot be read.
    #[error("cannot read {}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {cause}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// Nobody reads what is printed any more.
    #[error("the output was closed")]
    BrokenPipe,
    /// Standard input or output fails.
    #[error("cannot use standard input or output: {0}")]
    Standard(std::io::Error),
    /// A value cannot be written as JSON.
    #[error("cannot write JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Prints to standard output.
///
/// # Errors
/// Fails when standard output does, with [`CliError::BrokenPipe`] when nobody reads it.
pub(super) fn print(text: &str) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|cause| match cause.kind() {
        std::io::ErrorKind::BrokenPipe => CliError::BrokenPipe,
        _ => CliError::Standard(cause),
    })
}

/// Prints a value as JSON, with a new line at its end.
///
/// # Errors
/// As [`print`].
pub(super) fn print_json(value: &impl Serialize) -> Result<(), CliError> {
    print(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// Prints a message to standard error; that nobody reads it is no failure.
pub(super) fn message(text: &str) {
    let _ = write!(std::io::stderr().lock(), "{text}");
}

/// Prints a failure to standard error, with what it follows from.
pub(super) fn error(error: &CliError) {
    let label = if styled(&std::io::stderr()) { "\u{1b}[1;31merror\u{1b}[0m" } else { "error" };
    message(&format!("{label}: {error}\n"));
}

/// Returns whether a stream shows colours: a terminal, unless NO_COLOR is set.
pub(super) fn styled(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Writes a file whole or not at all: beside it first, then in its place.
///
/// # Errors
/// Fails when the file cannot be written; what stood there before is then untouched.
pub(super) fn write_file(path: &std::path::Path, contents: &[u8]) -> Result<(), CliError> {
    let failed = |cause| CliError::Write { path: path.to_owned(), cause };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut beside =
        tempfile::NamedTempFile::new_in(folder.unwrap_or(std::path::Path::new("."))).map_err(failed)?;
    beside.write_all(contents).map_err(failed)?;
    if let Ok(existing) = std::fs::metadata(path) {
        beside.as_file().set_permissions(existing.permissions()).map_err(failed)?;
    }
    beside.as_file().sync_all().map_err(failed)?;
    beside.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
