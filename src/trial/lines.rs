//! Append-only files of lines, used for the journals of measurements and of descent steps.
//!
//! Each line is synced to disk before the work continues. A killed process leaves at worst a torn last line,
//! which is cut off when the file is opened again.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::TrialError;
use crate::model::ModelError;

/// A file of JSON lines, open for writing.
#[derive(Debug)]
pub struct Lines {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Lines {
    /// Opens a file for writing, creating it if needed, and passes each complete line to `read`. Only one
    /// process can have it open.
    ///
    /// # Errors
    /// When another process has it open, it cannot be read or written, or `read` rejects a line.
    pub fn open(path: &Path, mut read: impl FnMut(&[u8]) -> Result<(), String>) -> Result<Self, TrialError> {
        let failed = |source| ModelError::Write { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let folder = path.parent().unwrap_or(path).to_owned();
                return Err(TrialError::Locked { folder });
            }
            // A file system without locks is not a reason to refuse the work.
            Err(TryLockError::Error(_)) | Ok(()) => {}
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        // Bytes after the last line break belong to a torn line.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        for (number, line) in bytes[..whole].split_inclusive(|byte| *byte == b'\n').enumerate() {
            let wrong = |problem| TrialError::Journal { path: path.to_owned(), line: number + 1, problem };
            read(line).map_err(wrong)?;
        }
        file.set_len(whole as u64).map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        Ok(Self { path: path.to_owned(), file, length: whole as u64 })
    }

    /// Appends a line; once this returns, the line survives the process.
    ///
    /// # Errors
    /// When it cannot be written; nothing of it is kept then.
    pub fn add(&mut self, line: &impl Serialize) -> Result<(), ModelError> {
        let failed = |source| ModelError::Write { path: self.path.clone(), source };
        let mut bytes = serde_json::to_vec(line).map_err(|error| failed(error.into()))?;
        bytes.push(b'\n');
        if let Err(error) = self.file.write_all(&bytes).and_then(|()| self.file.sync_data()) {
            // A full disk may have taken half of the line.
            let _ =
                self.file.set_len(self.length).and_then(|()| self.file.seek(SeekFrom::Start(self.length)));
            return Err(failed(error));
        }
        self.length += bytes.len() as u64;
        Ok(())
    }
}
