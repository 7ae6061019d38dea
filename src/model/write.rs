//! Writes files that are either complete or absent.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::error::ModelError;

/// Writes a file via a temporary one beside it, which takes the final name only when it is complete and on
/// the disk.
///
/// # Errors
/// When the file cannot be written; the temporary file is then removed, and the previous file at `path` is
/// unchanged.
pub fn write_beside(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), ModelError> {
    let write = |source| ModelError::Write { path: path.to_owned(), source };
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // The same mode as a plain `open`: the process's umask restricts it.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut temporary = builder.prefix(&temporary_prefix()).tempfile_in(folder).map_err(write)?;
    fill(temporary.as_file_mut()).map_err(write)?;
    temporary.as_file().sync_all().map_err(write)?;
    temporary.persist(path).map_err(|error| write(error.error))?;
    Ok(())
}

/// Returns the name prefix of this process's temporary files and folders, which identifies half-written ones.
pub fn temporary_prefix() -> String {
    format!(".allot-{}-", std::process::id())
}

/// Writes a value as indented JSON with a final line break, as [`write_beside`] does.
///
/// # Errors
/// When the file cannot be written, or the value cannot be written as JSON.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), ModelError> {
    let failed = |error: serde_json::Error| ModelError::Write { path: path.to_owned(), source: error.into() };
    let mut bytes = serde_json::to_vec_pretty(value).map_err(failed)?;
    bytes.push(b'\n');
    write_beside(path, |file| file.write_all(&bytes))
}
