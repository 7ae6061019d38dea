//! The file of every allocation that a search measures, written as it runs.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::SearchError;
use super::searcher::Searcher;
use crate::lang::{canonical, print};
use crate::model::ModelError;
use crate::trial::candidate::Candidate;
use crate::trial::loss::number;

/// The file in a run's folder, with one line of JSON per allocation in the order of measurement.
pub const MEASURED: &str = "measured.jsonl";

/// A measured allocation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MeasuredFormula {
    /// Position of the search or control in the run's plan, counted from 1.
    pub search: usize,
    /// The search or control that proposed it.
    pub searcher: Searcher,
    /// Seed of the run.
    pub seed: u64,
    /// Index of the only setting that it was measured at, counted from 0; missing if it was measured at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setting: Option<usize>,
    /// Loss on the fitness text; an estimate if racing stopped it early.
    #[serde(deserialize_with = "number")]
    pub loss: f64,
    /// Whether it was measured on the whole fitness text.
    pub full: bool,
    /// Number of operators and constants of a formula, or number of free ratios.
    pub size: usize,
    /// Distance of its ratios from the teachers', if the search learns from any: 0 is equal to the teachers,
    /// 1 is as far away as uniform sparsity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distance: Option<f64>,
    /// The formula as a script; null for free ratios.
    pub script: Option<String>,
    /// Hash that identifies the formula; null for free ratios.
    pub hash: Option<String>,
}

impl MeasuredFormula {
    /// Describes a candidate of a search.
    pub fn new(
        search: usize,
        searcher: Searcher,
        seed: u64,
        candidate: &Candidate,
        loss: f64,
        full: bool,
    ) -> Self {
        let script = candidate.genome.script();
        Self {
            search,
            searcher,
            seed,
            setting: None,
            loss,
            full,
            size: candidate.genome.size(),
            distance: None,
            script: script.map(print::script),
            hash: script.map(canonical::hash),
        }
    }
}

/// The open file of a running search. A resumed search writes the file again from the start, because it
/// replays its whole course.
#[derive(Debug)]
pub struct MeasuredFile {
    path: PathBuf,
    file: BufWriter<File>,
    failed: Option<std::io::Error>,
}

impl MeasuredFile {
    /// Creates the file, or empties an existing one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(folder: &Path) -> Result<Self, SearchError> {
        let path = folder.join(MEASURED);
        let file = File::create(&path).map_err(|source| ModelError::Write { path: path.clone(), source })?;
        Ok(Self { path, file: BufWriter::new(file), failed: None })
    }

    /// Appends a line and flushes it, so that readers see it at once. [`MeasuredFile::finish`] reports any
    /// failure.
    pub fn add(&mut self, measured: &MeasuredFormula) {
        let line = serde_json::to_string(measured).map_err(std::io::Error::other);
        let written = line.and_then(|line| writeln!(self.file, "{line}").and_then(|()| self.file.flush()));
        if let (Err(error), None) = (written, &self.failed) {
            self.failed = Some(error);
        }
    }

    /// Closes the file.
    ///
    /// # Errors
    /// When a line could not be written.
    pub fn finish(self) -> Result<(), SearchError> {
        match self.failed {
            None => Ok(()),
            Some(source) => Err(ModelError::Write { path: self.path, source }.into()),
        }
    }
}

/// Reads the allocations measured so far in a run's folder. A last line that is still being written is left
/// out.
///
/// # Errors
/// When there is no such file, or a line before the last cannot be parsed.
pub fn read(folder: &Path) -> Result<Vec<MeasuredFormula>, SearchError> {
    let wrong = |problem: String| SearchError::NotARun { folder: folder.to_owned(), file: MEASURED, problem };
    let text = fs::read_to_string(folder.join(MEASURED)).map_err(|error| wrong(error.to_string()))?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let line = |line: &str| serde_json::from_str(line).map_err(|error| wrong(error.to_string()));
    whole.lines().map(line).collect()
}
