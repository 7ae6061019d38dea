//! The folder of a descent: its inputs, its steps, and its results.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::DescentError;
use super::settings::DescentSettings;
use super::steps::Journal;
use crate::json::DocumentKind;
use crate::lang::print;
use crate::lang::program::Metric;
use crate::model::{Identity, ModelError, Recorded, write_json};
use crate::trial::open::Opened;

const IDENTITY: &str = "identity.json";
const STEPS: &str = "steps.jsonl";
const SUMMARY: &str = "summary.json";

/// Name of the metric in a descent's identity.
const METRIC: &str = "the metric";

/// Returns a metric as recorded in a descent's identity: two descents with the same text choose the same
/// weights.
pub fn metric_text(metric: &Metric) -> String {
    format!("{} {}", print::expr(&metric.score), metric.per)
}

/// A descent's folder.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

/// Adds the way weights are chosen and the settings of a descent to the inputs of its steps.
///
/// # Errors
/// When the settings cannot be serialised.
pub fn identify(
    opened: &mut Opened<'_>,
    settings: &DescentSettings,
    sparsities: &[f64],
) -> Result<(), DescentError> {
    let metric = metric_text(opened.metric());
    let measure = opened.measure().name();
    let identity = &mut opened.identity;
    identity.add(METRIC, metric);
    identity.add("the loss", measure);
    identity.add("the sparsities", format!("{sparsities:?}"));
    let failed = |error: serde_json::Error| ModelError::Write { path: IDENTITY.into(), source: error.into() };
    identity.add("the settings of the descent", serde_json::to_string(settings).map_err(failed)?);
    Ok(())
}

impl Folder {
    /// Refuses a folder that holds another descent or other files; returns whether it holds this one.
    ///
    /// # Errors
    /// With the folder's contents, or the first difference.
    pub fn check(path: &Path, identity: &Identity) -> Result<bool, DescentError> {
        let folder = || path.to_owned();
        match identity.recorded_in(path, IDENTITY) {
            Recorded::Nothing => Ok(false),
            Recorded::Same => Ok(true),
            Recorded::Other(difference) => Err(DescentError::Other { folder: folder(), difference }),
            Recorded::Unsaid => Err(DescentError::NotADescent { folder: folder() }),
        }
    }

    /// Enters a folder, creating it if needed, and opens its journal of steps.
    ///
    /// # Errors
    /// As [`Folder::check`], and when it cannot be written, or another process has it open.
    pub fn enter(path: &Path, identity: &Identity) -> Result<(Self, Journal), DescentError> {
        if !Self::check(path, identity)? {
            let failed = |source| ModelError::Write { path: path.to_owned(), source };
            fs::create_dir_all(path).map_err(failed)?;
            write_json(&path.join(IDENTITY), identity)?;
        }
        let journal = Journal::open(&steps_in(path))?;
        Ok((Self { path: path.to_owned() }, journal))
    }

    /// Returns the path of the allocation file for a sparsity.
    pub fn allocation(&self, sparsity: f64) -> PathBuf {
        allocation_in(&self.path, sparsity)
    }

    /// Writes the results as JSON.
    ///
    /// # Errors
    /// When the file cannot be written; its previous version then stays intact.
    pub fn keep(&self, summary: &impl Serialize) -> Result<(), DescentError> {
        Ok(write_json(&self.path.join(SUMMARY), &DocumentKind::Descent.of(summary))?)
    }
}

/// Returns the path of the allocation file for a sparsity in a descent's folder.
pub fn allocation_in(folder: &Path, sparsity: f64) -> PathBuf {
    folder.join(format!("{sparsity}.json"))
}

/// Returns the path of the journal of steps in a descent's folder.
pub fn steps_in(folder: &Path) -> PathBuf {
    folder.join(STEPS)
}

/// Returns the sparsities of the allocation files in a descent's folder, in order.
///
/// # Errors
/// When the folder cannot be read.
pub fn sparsities_in(folder: &Path) -> std::io::Result<Vec<f64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let sparsity = name.to_str().and_then(|it| it.strip_suffix(".json")?.parse().ok());
        // Skips other files whose name is a number in another notation.
        found.extend(sparsity.filter(|it| allocation_in(folder, *it) == folder.join(&name)));
    }
    found.sort_by(f64::total_cmp);
    Ok(found)
}

/// Returns the [text](metric_text) of the metric that a descent used, as recorded in its folder.
///
/// # Errors
/// When the folder does not hold a descent.
pub fn metric_in(folder: &Path) -> Result<String, DescentError> {
    let none = || DescentError::NotADescent { folder: folder.to_owned() };
    let bytes = fs::read(folder.join(IDENTITY)).map_err(|_| none())?;
    let identity: Identity = serde_json::from_slice(&bytes).map_err(|_| none())?;
    let metric = identity.pairs().find(|(what, _)| *what == METRIC).map(|(_, metric)| metric.to_owned());
    metric.ok_or_else(none)
}
