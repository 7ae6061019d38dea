//! The folder of a comparison: what was measured with what, so that going on measures only what is new.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::CompareError;
use super::summary::{Comparison, Timings};
use crate::json::DocumentKind;
use crate::lang::print;
use crate::model::{Identity, ModelError, Recorded, write_json};
use crate::trial::open::Opened;
use crate::trial::scores::Examination;
use crate::trial::store::Journal;

const IDENTITY: &str = "identity.json";
const JOURNAL: &str = "journal.jsonl";
const COMPARISON: &str = "comparison.json";
const TIMINGS: &str = "timings.json";
/// What tasks showed of each pruned model.
pub const TASKS: &str = "tasks.jsonl";

/// A comparison's folder.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

/// Adds how weights are chosen to what a comparison's losses are measured with.
pub fn identify(opened: &mut Opened<'_>, method: &str) {
    let metric = opened.metric();
    let method = format!("{method}: {} {}", print::expr(&metric.score), metric.per);
    opened.identity.add("the method", method);
}

/// Adds what tasks ask to what a comparison is measured with.
pub fn identify_tasks(opened: &mut Opened<'_>, examination: &Examination) {
    for (task, identity) in examination.identity() {
        opened.identity.add(format!("the task {task}"), identity);
    }
}

/// A row's seconds, as they are kept.
#[derive(Serialize, Deserialize)]
struct Timed {
    name: String,
    unit: String,
    sparsities: Vec<f64>,
    seconds: f64,
}

impl Folder {
    /// Refuses a folder that holds another comparison or something else; returns whether it holds this one.
    ///
    /// # Errors
    /// With what is there, or with the first thing that differs.
    pub fn check(path: &Path, identity: &Identity) -> Result<bool, CompareError> {
        let folder = || path.to_owned();
        match identity.recorded_in(path, IDENTITY) {
            Recorded::Nothing => Ok(false),
            Recorded::Same => Ok(true),
            Recorded::Other(difference) => Err(CompareError::Other { folder: folder(), difference }),
            Recorded::Unsaid => Err(CompareError::NotAComparison { folder: folder() }),
        }
    }

    /// Enters a folder, which is made where there is none, and opens its journal.
    ///
    /// # Errors
    /// As [`Folder::check`], and when it cannot be written, or another process has it open.
    pub fn enter(path: &Path, identity: &Identity) -> Result<(Self, Journal), CompareError> {
        if !Self::check(path, identity)? {
            let failed = |source| ModelError::Write { path: path.to_owned(), source };
            fs::create_dir_all(path).map_err(failed)?;
            write_json(&path.join(IDENTITY), identity)?;
        }
        let journal = Journal::open(&path.join(JOURNAL))?;
        Ok((Self { path: path.to_owned() }, journal))
    }

    /// Returns the place of a file in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Puts the seconds that rows took when they were first measured in place of those that going on took, which are fewer and say
    /// nothing.
    pub fn restore(&self, comparison: &Comparison, timings: &mut Timings) {
        let Ok(bytes) = fs::read(self.file(TIMINGS)) else { return };
        let known: Vec<Timed> = serde_json::from_slice(&bytes).unwrap_or_default();
        for (row, seconds) in comparison.rows.iter().zip(timings) {
            let same = |it: &&Timed| {
                it.name == row.name && it.unit == row.unit.name() && it.sparsities == comparison.sparsities
            };
            if let Some(known) = known.iter().find(same) {
                *seconds = known.seconds.max(*seconds);
            }
        }
    }

    /// Writes a comparison and its timings as data.
    ///
    /// # Errors
    /// When a file cannot be written; what was there before is then whole.
    pub fn keep(&self, comparison: &Comparison, timings: &Timings) -> Result<(), CompareError> {
        let timed = comparison.rows.iter().zip(timings).map(|(row, seconds)| Timed {
            name: row.name.clone(),
            unit: row.unit.name().to_owned(),
            sparsities: comparison.sparsities.clone(),
            seconds: *seconds,
        });
        write_json(&self.file(COMPARISON), &DocumentKind::Comparison.of(comparison))?;
        Ok(write_json(&self.file(TIMINGS), &timed.collect::<Vec<_>>())?)
    }
}
