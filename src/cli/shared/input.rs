//! Reads scripts and allocation files from files and from standard input.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::error::CliError;
use crate::lang::syntax::MAX_BYTES;

/// Largest number of bytes read from an allocation file; a million linears take less.
const MOST_OF_AN_ALLOCATION: u64 = 1 << 30;

/// The bytes of a script or an allocation file.
pub(in crate::cli) struct Input {
    /// The name in messages.
    pub(in crate::cli) name: String,
    /// The file; `None` for standard input.
    pub(in crate::cli) path: Option<PathBuf>,
    /// The content.
    pub(in crate::cli) bytes: Vec<u8>,
}

impl Input {
    /// Reads a file, or standard input for `-`.
    ///
    /// A script is read only until it is known to be too long. An allocation file, which begins with `{`, is read whole.
    ///
    /// # Errors
    /// Fails when the file cannot be read.
    pub(in crate::cli) fn read(path: &Path) -> Result<Self, CliError> {
        if path == Path::new("-") {
            let bytes = standard()?;
            return Ok(Self { name: "<stdin>".to_owned(), path: None, bytes });
        }
        let failed = |cause| CliError::Read { path: path.to_owned(), cause };
        let bytes = std::fs::File::open(path).and_then(contents).map_err(failed)?;
        Ok(Self { name: path.display().to_string(), path: Some(path.to_owned()), bytes })
    }

    /// Returns whether this is JSON, that is, an allocation file; no script begins like JSON.
    pub(in crate::cli) fn is_json(&self) -> bool {
        begins_as_json(&self.bytes)
    }

    /// Returns the text for display, with invalid UTF-8 replaced.
    pub(in crate::cli) fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }
}

/// Returns the content of standard input, which is read only once and then kept.
fn standard() -> Result<Vec<u8>, CliError> {
    static READ: OnceLock<Vec<u8>> = OnceLock::new();
    if let Some(bytes) = READ.get() {
        return Ok(bytes.clone());
    }
    let bytes = contents(io::stdin().lock()).map_err(CliError::Standard)?;
    Ok(READ.get_or_init(|| bytes).clone())
}

/// Reads a script, or a whole allocation file.
fn contents(mut source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.by_ref().take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    if begins_as_json(&bytes) {
        source.take(MOST_OF_AN_ALLOCATION).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn begins_as_json(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"{")
}
