//! Every allocation that a search measures, as it goes: what can be looked at while it runs, and a table of all formulas afterwards.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::SearchError;
use super::searcher::Searcher;
use crate::lang::{canonical, print};
use crate::model::ModelError;
use crate::trial::candidate::{Candidate, Genome};
use crate::trial::loss::number;

/// The file in a run's folder, a line of JSON for each allocation, in the order of measuring.
pub const MEASURED: &str = "measured.jsonl";

/// An allocation that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MeasuredFormula {
    /// Which search or control it was, from 1.
    pub search: usize,
    /// What proposed it.
    pub searcher: Searcher,
    /// The seed.
    pub seed: u64,
    /// The loss on the fitness text; estimated where it was given up early.
    #[serde(deserialize_with = "number")]
    pub loss: f64,
    /// Whether it was measured on the whole fitness text.
    pub full: bool,
    /// How many operators and constants a formula has, or how many ratios were free.
    pub size: usize,
    /// How far its ratios are from the teachers', where the search learns from some: 0 is the teachers themselves, 1 as far as uniform
    /// sparsity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distance: Option<f64>,
    /// The formula, as a script; nothing for free ratios.
    pub script: Option<String>,
    /// The hash that names the formula.
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
        let script = match &candidate.genome {
            Genome::Formula(script) => Some(script),
            Genome::Free(_) => None,
        };
        Self {
            search,
            searcher,
            seed,
            loss,
            full,
            size: candidate.genome.size(),
            distance: None,
            script: script.map(print::script),
            hash: script.map(canonical::hash),
        }
    }
}

/// The file, while a search writes it. A search that goes on writes it from the beginning, as it goes its whole course again.
#[derive(Debug)]
pub struct MeasuredFile {
    path: PathBuf,
    file: BufWriter<File>,
    failed: Option<std::io::Error>,
}

impl MeasuredFile {
    /// Begins the file anew.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(folder: &Path) -> Result<Self, SearchError> {
        let path = folder.join(MEASURED);
        let file = File::create(&path).map_err(|source| ModelError::Write { path: path.clone(), source })?;
        Ok(Self { path, file: BufWriter::new(file), failed: None })
    }

    /// Adds a line, which a reader sees at once. What fails is told by [`MeasuredFile::finish`].
    pub fn add(&mut self, measured: &MeasuredFormula) {
        let line = serde_json::to_string(measured).map_err(std::io::Error::other);
        let written = line.and_then(|line| writeln!(self.file, "{line}").and_then(|()| self.file.flush()));
        if let (Err(error), None) = (written, &self.failed) {
            self.failed = Some(error);
        }
    }

    /// Ends the file.
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

/// Reads what was measured in a run's folder by now. A last line that is being written is left out.
///
/// # Errors
/// When there is no such file, or a line before the last cannot be understood.
pub fn read(folder: &Path) -> Result<Vec<MeasuredFormula>, SearchError> {
    let wrong = |problem: String| SearchError::NotARun { folder: folder.to_owned(), file: MEASURED, problem };
    let text = fs::read_to_string(folder.join(MEASURED)).map_err(|error| wrong(error.to_string()))?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let line = |line: &str| serde_json::from_str(line).map_err(|error| wrong(error.to_string()));
    whole.lines().map(line).collect()
}
