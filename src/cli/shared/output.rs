//! What commands print and write.

use std::io::Write;

use serde::Serialize;

use super::context::{self, Context};
use super::error::CliError;
use super::interrupt::Deferred;
use crate::json::{DocumentKind, Tagged};
use crate::model::temporary_prefix;

/// Prints to standard output.
///
/// # Errors
/// Fails when standard output does, with [`CliError::BrokenPipe`] when nobody reads it.
pub(in crate::cli) fn print(text: &str) -> Result<(), CliError> {
    print_bytes(text.as_bytes())
}

/// Prints bytes on standard output, as [`print`] does.
///
/// # Errors
/// As [`print`].
pub(in crate::cli) fn print_bytes(bytes: &[u8]) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|cause| match cause.kind() {
        std::io::ErrorKind::BrokenPipe => CliError::BrokenPipe,
        _ => CliError::Standard(cause),
    })
}

/// A document as it is printed.
#[derive(Serialize)]
struct Printed<'a, T> {
    #[serde(flatten)]
    document: Tagged<'a, T>,
    context: Context,
}

/// Prints a value as JSON: a document of this kind, with what it depends on, and a new line at its end.
///
/// # Errors
/// As [`print`].
pub(in crate::cli) fn print_json(kind: DocumentKind, value: &impl Serialize) -> Result<(), CliError> {
    let printed = Printed { document: kind.of(value), context: context::taken() };
    print_plain_json(&printed)
}

/// Prints a failure, with what was known of what it depends on: no model is read for it.
///
/// # Errors
/// As [`print`].
pub(in crate::cli) fn print_failure(failure: &impl Serialize) -> Result<(), CliError> {
    print_plain_json(&Printed { document: DocumentKind::Failure.of(failure), context: context::known() })
}

/// Prints a value as JSON whose form is another tool's.
///
/// # Errors
/// As [`print`].
pub(in crate::cli) fn print_plain_json(value: &impl Serialize) -> Result<(), CliError> {
    print(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// Writes a file whole or not at all: beside it first, then in its place.
///
/// # Errors
/// Fails when the file cannot be written; what stood there before is then untouched.
pub(in crate::cli) fn write_file(path: &std::path::Path, contents: &[u8]) -> Result<(), CliError> {
    let failed = |cause| CliError::Write { path: path.to_owned(), cause };
    let _writing = Deferred::begin(path);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let prefix = temporary_prefix();
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix);
    // A temporary file is its owner's alone; a result is readable as any file that the user makes.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut beside = builder.tempfile_in(folder.unwrap_or(std::path::Path::new("."))).map_err(failed)?;
    beside.write_all(contents).map_err(failed)?;
    if let Ok(existing) = std::fs::metadata(path) {
        beside.as_file().set_permissions(existing.permissions()).map_err(failed)?;
    }
    beside.as_file().sync_all().map_err(failed)?;
    beside.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
