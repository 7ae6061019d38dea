//! The folder of a descent: what was made with what, the steps, and what was found.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::DescentError;
use super::settings::DescentSettings;
use super::steps::Journal;
use crate::json::DocumentKind;
use crate::lang::print;
use crate::model::{Identity, ModelError, Recorded, write_json};
use crate::trial::open::Opened;

const IDENTITY: &str = "identity.json";
const STEPS: &str = "steps.jsonl";
const SUMMARY: &str = "summary.json";

/// A descent's folder.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

/// Adds how weights are chosen, and how a descent goes, to what its steps follow from.
///
/// # Errors
/// When the settings cannot be written as data.
pub fn identify(
    opened: &mut Opened<'_>,
    settings: &DescentSettings,
    sparsities: &[f64],
) -> Result<(), DescentError> {
    let metric = opened.metric();
    let metric = format!("{} {}", print::expr(&metric.score), metric.per);
    let measure = opened.measure().name();
    let identity = &mut opened.identity;
    identity.add("the metric", metric);
    identity.add("the loss", measure);
    identity.add("the sparsities", format!("{sparsities:?}"));
    let failed = |error: serde_json::Error| ModelError::Write { path: IDENTITY.into(), source: error.into() };
    identity.add("the settings of the descent", serde_json::to_string(settings).map_err(failed)?);
    Ok(())
}

impl Folder {
    /// Refuses a folder that holds another descent or something else; returns whether it holds this one.
    ///
    /// # Errors
    /// With what is there, or with the first thing that differs.
    pub fn check(path: &Path, identity: &Identity) -> Result<bool, DescentError> {
        let folder = || path.to_owned();
        match identity.recorded_in(path, IDENTITY) {
            Recorded::Nothing => Ok(false),
            Recorded::Same => Ok(true),
            Recorded::Other(difference) => Err(DescentError::Other { folder: folder(), difference }),
            Recorded::Unsaid => Err(DescentError::NotADescent { folder: folder() }),
        }
    }

    /// Enters a folder, which is made where there is none, and opens its journal of steps.
    ///
    /// # Errors
    /// As [`Folder::check`], and when it cannot be written, or another process has it open.
    pub fn enter(path: &Path, identity: &Identity) -> Result<(Self, Journal), DescentError> {
        if !Self::check(path, identity)? {
            let failed = |source| ModelError::Write { path: path.to_owned(), source };
            fs::create_dir_all(path).map_err(failed)?;
            write_json(&path.join(IDENTITY), identity)?;
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
        Ok(write_json(&self.path.join(SUMMARY), &DocumentKind::Descent.of(summary))?)
    }
}
