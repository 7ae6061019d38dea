//! The store of measurements, so that none is lost or made twice: an append-only journal behind a small
//! trait.
//!
//! The journal is a file of JSON lines, one per measurement, each synced to disk before the search continues.
//! A killed process leaves at worst a torn last line, which is cut off when the run is resumed. A resumed
//! search repeats its whole course from its seed, and takes from the journal what it would measure, so its
//! results equal those of an uninterrupted run.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::behaviour::Behaviour;
use super::error::TrialError;
use super::lines::Lines;
use super::loss::Losses;
use super::text::Split;
use crate::measure::WindowLoss;

/// The key of a measurement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MeasurementKey {
    /// The text that was read.
    pub split: Split,
    /// The behaviour of the pruned allocation.
    pub behaviour: Behaviour,
    /// The first window.
    pub from: usize,
    /// One past the last window.
    pub to: usize,
}

impl MeasurementKey {
    /// Returns the key for an allocation on some windows of a text.
    pub fn new(split: Split, behaviour: &Behaviour, windows: Range<usize>) -> Self {
        Self { split, behaviour: behaviour.clone(), from: windows.start, to: windows.end }
    }
}

/// A store of measurements.
///
/// A database can replace the journal when several machines search.
pub trait Store {
    /// Returns a measurement if it was made.
    fn find(&self, key: &MeasurementKey) -> Option<Losses>;

    /// Stores a measurement; once this returns, it survives the process.
    ///
    /// # Errors
    /// When it cannot be written; nothing of it is kept then.
    fn keep(&mut self, key: MeasurementKey, losses: Losses) -> Result<(), TrialError>;
}

/// A store in memory.
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
    /// `[targets][windows]`: divergence and loss, as text, because a JSON reader may change the last bit of a
    /// number.
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

/// A store in a file of JSON lines.
#[derive(Debug)]
pub struct Journal {
    lines: Lines,
    known: Memory,
}

impl Journal {
    /// Opens a journal for writing, creating it if needed. Only one process can have it open.
    ///
    /// # Errors
    /// When another process has it open, it cannot be read or written, or a line before the last cannot be
    /// parsed.
    pub fn open(path: &Path) -> Result<Self, TrialError> {
        let mut known = Memory::default();
        let lines = Lines::open(path, |line| {
            let (key, losses) = Line::read(line)?;
            known.known.insert(key, losses);
            Ok(())
        })?;
        Ok(Self { lines, known })
    }

    /// Returns the number of measurements.
    pub fn len(&self) -> usize {
        self.known.known.len()
    }

    /// Returns whether there are no measurements.
    pub fn is_empty(&self) -> bool {
        self.known.known.is_empty()
    }
}

impl Store for Journal {
    fn find(&self, key: &MeasurementKey) -> Option<Losses> {
        self.known.find(key)
    }

    fn keep(&mut self, key: MeasurementKey, losses: Losses) -> Result<(), TrialError> {
        self.lines.add(&Line::new(&key, &losses))?;
        self.known.keep(key, losses)
    }
}
