//! What was measured, so that no evaluation is lost or done twice: an append-only journal behind a small trait.
//!
//! The journal is a file of JSON lines, one for each measurement, forced to the disk before the search goes on. A process that
//! is killed leaves at worst a torn last line, which is cut off when the run goes on. A search runs its whole course again from
//! its seed then, and takes from the journal what it would measure; so a resumed run is the run that was never stopped.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::behaviour::Behaviour;
use super::error::TrialError;
use super::loss::Losses;
use super::text::Split;
use crate::measure::WindowLoss;
use crate::model::ModelError;

/// What names a measurement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MeasurementKey {
    /// Which text was read.
    pub split: Split,
    /// What was pruned.
    pub behaviour: Behaviour,
    /// The first window.
    pub from: usize,
    /// The window behind the last.
    pub to: usize,
}

impl MeasurementKey {
    /// Names the measurement of an allocation on some windows of a text.
    pub fn new(split: Split, behaviour: &Behaviour, windows: Range<usize>) -> Self {
        Self { split, behaviour: behaviour.clone(), from: windows.start, to: windows.end }
    }
}

/// Where measurements are kept.
///
/// A database can stand in for the journal when several machines search.
pub trait Store {
    /// Returns a measurement, if it was made.
    fn find(&self, key: &MeasurementKey) -> Option<Losses>;

    /// Keeps a measurement for good: when this returns, it survives the process.
    ///
    /// # Errors
    /// When it cannot be written; then nothing of it is kept.
    fn keep(&mut self, key: MeasurementKey, losses: Losses) -> Result<(), TrialError>;
}

/// A store in memory, which ends with the process.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    known: BTreeMap<MeasurementKey, Losses>,
}

impl Store for Memory {
    fn find(&self, key: &MeasurementKey) -> Option<Losses> {
        self.known.get(key).cloned()
    }

    fn keep(&mut self, key: MeasurementKey, losses: Losses) -> Result<(), TrialError> {
        self.known.insert(key, losses);
        Ok(())
    }
}

/// A line of the journal.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    text: String,
    behaviour: String,
    from: usize,
    to: usize,
    /// `[targets][windows]`: divergence and loss, as text, because a reader of JSON numbers may be off by the last bit.
    losses: Vec<Vec<[String; 2]>>,
}

impl Line {
    fn new(key: &MeasurementKey, losses: &Losses) -> Self {
        let text = |loss: &WindowLoss| [format!("{:?}", loss.kl), format!("{:?}", loss.nll)];
        Self {
            text: key.split.name().to_owned(),
            behaviour: key.behaviour.name().to_owned(),
            from: key.from,
            to: key.to,
            losses: losses.iter().map(|target| target.iter().map(text).collect()).collect(),
        }
    }

    fn read(bytes: &[u8]) -> Result<(MeasurementKey, Losses), String> {
        let line: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let split = Split::ALL.into_iter().find(|split| split.name() == line.text);
        let split = split.ok_or_else(|| format!("there is no text `{}`", line.text))?;
        let number = |text: &str| text.parse::<f64>().map_err(|error| format!("`{text}`: {error}"));
        let loss = |[kl, nll]: &[String; 2]| Ok(WindowLoss { kl: number(kl)?, nll: number(nll)? });
        let losses = line
            .losses
            .iter()
            .map(|target| target.iter().map(loss).collect())
            .collect::<Result<_, String>>()?;
        let behaviour = Behaviour::named(line.behaviour);
        Ok((MeasurementKey { split, behaviour, from: line.from, to: line.to }, losses))
    }
}

/// A store that is a file of JSON lines.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    length: u64,
    known: Memory,
}

impl Journal {
    /// Opens a journal for writing, or makes an empty one; one process at a time.
    ///
    /// # Errors
    /// When another process has it open, it cannot be read or written, or a line before the last cannot be understood.
    pub fn open(path: &Path) -> Result<Self, TrialError> {
        let failed = |source| ModelError::Write { path: path.to_owned(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let folder = path.parent().unwrap_or(path).to_owned();
                return Err(TrialError::Locked { folder });
            }
            // A file system without locks is no reason not to search.
            Err(TryLockError::Error(_)) | Ok(()) => {}
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        // What stands behind the last line break was torn.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let mut known = Memory::default();
        for (number, line) in bytes[..whole].split_inclusive(|byte| *byte == b'\n').enumerate() {
            let wrong =
                |problem: String| TrialError::Journal { path: path.to_owned(), line: number + 1, problem };
            let (key, losses) = Line::read(line).map_err(wrong)?;
            known.keep(key, losses)?;
        }
        file.set_len(whole as u64).map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        Ok(Self { path: path.to_owned(), file, length: whole as u64, known })
    }

    /// Returns how many measurements there are.
    pub fn len(&self) -> usize {
        self.known.known.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.known.known.is_empty()
    }
}

impl Store for Journal {
    fn find(&self, key: &MeasurementKey) -> Option<Losses> {
        self.known.find(key)
    }

    fn keep(&mut self, key: MeasurementKey, losses: Losses) -> Result<(), TrialError> {
        let line = Line::new(&key, &losses);
        let failed = |source| ModelError::Write { path: self.path.clone(), source };
        let mut bytes = serde_json::to_vec(&line).map_err(|error| failed(error.into()))?;
        bytes.push(b'\n');
        if let Err(error) = self.file.write_all(&bytes).and_then(|()| self.file.sync_data()) {
            // A full disk may have taken half a line.
            let _ = self.file.set_len(self.length);
            return Err(failed(error).into());
        }
        self.length += bytes.len() as u64;
        self.known.keep(key, losses)
    }
}
