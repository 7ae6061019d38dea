//! The folder of a comparison: what was measured with what, so that going on measures only what is new.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::CompareError;
use super::summary::{Comparison, Timings};
use crate::lang::print;
use crate::model::{ModelError, write_beside};
use crate::trial::prepare::Prepared;
use crate::trial::store::Journal;

const IDENTITY: &str = "identity.json";
const JOURNAL: &str = "journal.jsonl";
const COMPARISON: &str = "comparison.json";
const TIMINGS: &str = "timings.json";

/// A comparison's folder.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

/// What measurements were made with: a name and a value for each thing. Others may not be mixed with them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity(Vec<(String, String)>);

impl Identity {
    /// Returns what models and texts are, how the first model was calibrated, and how weights are chosen.
    pub fn new(prepared: &Prepared, method: &str) -> Self {
        let evaluator = &prepared.evaluator;
        let metric = print::expr(&evaluator.metric.score);
        let calibration = evaluator.subjects.first().statistics();
        let calibration = calibration.map_or_else(String::new, |it| {
            let made = &it.provenance;
            format!("{} windows of {}, seed {}", made.samples, made.length, made.seed)
        });
        let mut parts = prepared.identities.clone();
        let rest = [
            ("the method", format!("{method}: {metric} {}", evaluator.metric.per)),
            ("the pattern", evaluator.pattern.to_string()),
            ("the calibration", calibration),
        ];
        parts.extend(rest.map(|(what, value)| (what.to_owned(), value)));
        Self(parts)
    }

    /// Returns the first thing that is another one.
    fn difference(&self, other: &Self) -> Option<&str> {
        let pair = self.0.iter().zip(&other.0).find(|(own, other)| own != other);
        pair.map(|((what, _), _)| what.as_str())
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
    /// Enters a folder, which is made where there is none, and opens its journal.
    ///
    /// # Errors
    /// When it holds another comparison or something else, cannot be written, or another process has it open.
    pub fn enter(path: &Path, identity: &Identity) -> Result<(Self, Journal), CompareError> {
        match fs::read(path.join(IDENTITY)) {
            Ok(bytes) => {
                let before: Option<Identity> = serde_json::from_slice(&bytes).ok();
                if before.as_ref() != Some(identity) {
                    let what = before.as_ref().and_then(|before| identity.difference(before));
                    let what = what.unwrap_or("what was read").to_owned();
                    return Err(CompareError::Other { folder: path.to_owned(), what });
                }
            }
            Err(_) if fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some()) => {
                return Err(CompareError::NotAComparison { folder: path.to_owned() });
            }
            Err(_) => {
                let failed = |source| ModelError::Write { path: path.to_owned(), source };
                fs::create_dir_all(path).map_err(failed)?;
                write(&path.join(IDENTITY), identity)?;
            }
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
        write(&self.file(COMPARISON), comparison)?;
        write(&self.file(TIMINGS), &timed.collect::<Vec<_>>())
    }
}

fn write(path: &Path, value: &impl Serialize) -> Result<(), CompareError> {
    let failed = |source| ModelError::Write { path: path.to_owned(), source };
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| failed(error.into()))?;
    bytes.push(b'\n');
    Ok(write_beside(path, |file| std::io::Write::write_all(file, &bytes))?)
}
