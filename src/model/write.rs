//! Files that are either whole or not there.

use std::fs::File;
use std::io;
use std::path::Path;

use super::error::ModelError;

/// Writes a file through a temporary one beside it, which takes its name only when it is complete and on the disk.
///
/// # Errors
/// When the file cannot be written; then the temporary file is gone, and what was at `path` before is untouched.
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
        // As a plain `open` would: the process's umask takes away what it must.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut temporary = builder.prefix(".allot-").tempfile_in(folder).map_err(write)?;
    fill(temporary.as_file_mut()).map_err(write)?;
    temporary.as_file().sync_all().map_err(write)?;
    temporary.persist(path).map_err(|error| write(error.error))?;
    Ok(())
}
