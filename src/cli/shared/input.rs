//! Scripts and allocation files, from files and from standard input.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::error::CliError;
use crate::lang::syntax::MAX_BYTES;

/// The most bytes that are read of an allocation file: a million linears take less.
const MOST_OF_AN_ALLOCATION: u64 = 1 << 30;

/// A script, or an allocation file, as it was read.
pub(in crate::cli) struct Input {
    /// Its name in messages.
    pub(in crate::cli) name: String,
    /// Where it came from; `None` for standard input.
    pub(in crate::cli) path: Option<PathBuf>,
    /// Its bytes.
    pub(in crate::cli) bytes: Vec<u8>,
}

impl Input {
    /// Reads a file, or standard input for `-`.
    ///
    /// Of a script no more is read than is needed to know that it is too long; of an allocation file, which begins with `{`, all.
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

    /// Returns whether this is JSON, as an allocation file is and no script can be.
    pub(in crate::cli) fn is_json(&self) -> bool {
        begins_as_json(&self.bytes)
    }

    /// Returns the text, with what is not UTF-8 replaced, for showing.
    pub(in crate::cli) fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }
}

/// Returns what standard input holds; it is read once, however often it is asked for.
fn standard() -> Result<Vec<u8>, CliError> {
    static READ: OnceLock<Vec<u8>> = OnceLock::new();
    if let Some(bytes) = READ.get() {
        return Ok(bytes.clone());
    }
    let bytes = contents(io::stdin().lock()).map_err(CliError::Standard)?;
    Ok(READ.get_or_init(|| bytes).clone())
}

/// Reads a script, or an allocation file whole.
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
