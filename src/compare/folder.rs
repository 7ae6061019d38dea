//! The folder of a comparison: its inputs and measurements, so that resuming measures only what is new.

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
/// The task results of each pruned model.
pub const TASKS: &str = "tasks.jsonl";

/// A comparison's folder.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

/// Adds the way weights are chosen to the inputs of a comparison's losses.
pub fn identify(opened: &mut Opened<'_>, method: &str) {
    let metric = opened.metric();
    let method = format!("{method}: {} {}", print::expr(&metric.score), metric.per);
    opened.identity.add("the method", method);
}

/// Adds the contents of tasks to the inputs of a comparison.
pub fn identify_tasks(opened: &mut Opened<'_>, examination: &Examination) {
    for (task, identity) in examination.identity() {
        opened.identity.add(format!("the task {task}"), identity);
    }
}

/// A row's seconds in stored form.
#[derive(Serialize, Deserialize)]
struct Timed {
    name: String,
    unit: String,
    sparsities: Vec<f64>,
    seconds: f64,
}

impl Folder {
    /// Refuses a folder that holds another comparison or other files; returns whether it holds this one.
    ///
    /// # Errors
    /// With the folder's contents, or the first difference.
    pub fn check(path: &Path, identity: &Identity) -> Result<bool, CompareError> {
        let folder = || path.to_owned();
        match identity.recorded_in(path, IDENTITY) {
            Recorded::Nothing => Ok(false),
            Recorded::Same => Ok(true),
            Recorded::Other(difference) => Err(CompareError::Other { folder: folder(), difference }),
            Recorded::Unsaid => Err(CompareError::NotAComparison { folder: folder() }),
        }
    }

    /// Enters a folder, creating it if needed, and opens its journal.
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

    /// Returns the path of a file in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Replaces the seconds of a resumed run, which are meaningless because stored results are reused, by
    /// those of each row's first measurement.
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

    /// Writes a comparison and its timings as JSON.
    ///
    /// # Errors
    /// When a file cannot be written; its previous version then stays intact.
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
