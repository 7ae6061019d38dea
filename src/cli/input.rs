//! Scripts from files and from standard input.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::output::CliError;
use crate::lang::syntax::MAX_BYTES;

/// A script as it was read.
pub(super) struct Input {
    /// Its name in messages.
    pub(super) name: String,
    /// Where it came from; `None` for standard input.
    pub(super) path: Option<PathBuf>,
    /// Its bytes.
    pub(super) bytes: Vec<u8>,
}

impl Input {
    /// Reads a file, or standard input for `-`.
    ///
    /// No more than is needed to know that a script is too long is read of anything.
    ///
    /// # Errors
    /// Fails when the file cannot be read.
    pub(super) fn read(path: &Path) -> Result<Self, CliError> {
        let most = MAX_BYTES as u64 + 1;
        let mut bytes = Vec::new();
        if path == Path::new("-") {
            std::io::stdin().lock().take(most).read_to_end(&mut bytes).map_err(CliError::Standard)?;
            return Ok(Self { name: "<stdin>".to_owned(), path: None, bytes });
        }
        let failed = |cause| CliError::Read { path: path.to_owned(), cause };
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(most).read_to_end(&mut bytes).map_err(failed)?;
        Ok(Self { name: path.display().to_string(), path: Some(path.to_owned()), bytes })
    }

    /// Returns the text, with what is not UTF-8 replaced, for showing.
    pub(super) fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }
}
