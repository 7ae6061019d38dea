//! The folder of a descent: what was made with what, the steps, and what was found.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::DescentError;
use super::settings::DescentSettings;
use super::steps::Journal;
use crate::lang::print;
use crate::model::{Identity, ModelError, write_beside};
use crate::trial::prepare::Prepared;

const IDENTITY: &str = "identity.json";
const STEPS: &str = "steps.jsonl";
const SUMMARY: &str = "summary.json";

/// A descent's folder.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

/// Returns what the steps of a descent follow from: models and texts, how weights are chosen, and how it goes.
///
/// # Errors
/// When the settings cannot be written as data.
pub fn identity(
    prepared: &Prepared,
    settings: &DescentSettings,
    sparsities: &[f64],
) -> Result<Identity, DescentError> {
    let evaluator = &prepared.evaluator;
    let mut identity = prepared.identity.clone();
    identity.add("the metric", format!("{} {}", print::expr(&evaluator.metric.score), evaluator.metric.per));
    identity.add("the loss", evaluator.measure.name());
    identity.add("the sparsities", format!("{sparsities:?}"));
    let failed = |error: serde_json::Error| ModelError::Write { path: IDENTITY.into(), source: error.into() };
    identity.add("the settings of the descent", serde_json::to_string(settings).map_err(failed)?);
    Ok(identity)
}

impl Folder {
    /// Enters a folder, which is made where there is none, and opens its journal of steps.
    ///
    /// # Errors
    /// When it holds another descent or something else, cannot be written, or another process has it open.
    pub fn enter(path: &Path, identity: &Identity) -> Result<(Self, Journal), DescentError> {
        match fs::read(path.join(IDENTITY)) {
            Ok(bytes) => {
                // A file that cannot be read says nothing of what the steps were made with.
                let before: Identity = serde_json::from_slice(&bytes).unwrap_or_default();
                if let Some(difference) = before.difference(identity) {
                    let difference = Box::new(difference);
                    return Err(DescentError::Other { folder: path.to_owned(), difference });
                }
            }
            Err(_) if fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some()) => {
                return Err(DescentError::NotADescent { folder: path.to_owned() });
            }
            Err(_) => {
                let failed = |source| ModelError::Write { path: path.to_owned(), source };
                fs::create_dir_all(path).map_err(failed)?;
                write(&path.join(IDENTITY), identity)?;
            }
        }
        let journal = Journal::open(&path.join(STEPS))?;
        Ok((Self { path: path.to_owned() }, journal))
    }

    /// Returns the place of the allocation file of a sparsity.
    pub fn allocation(&self, sparsity: f64) -> PathBuf {
        self.path.join(format!("{sparsity}.json"))
    }

    /// Writes what was found as data.
    ///
    /// # Errors
    /// When the file cannot be written; what was there before is then whole.
    pub fn keep(&self, summary: &impl Serialize) -> Result<(), DescentError> {
        write(&self.path.join(SUMMARY), summary)
    }
}

fn write(path: &Path, value: &impl Serialize) -> Result<(), DescentError> {
    let failed = |source| ModelError::Write { path: path.to_owned(), source };
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| failed(error.into()))?;
    bytes.push(b'\n');
    Ok(write_beside(path, |file| std::io::Write::write_all(file, &bytes))?)
}
