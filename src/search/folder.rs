//! The files that a run writes to its folder, besides its settings.

use std::fs;
use std::path::Path;

use super::error::SearchError;
use super::summary::{Summary, Winner};
use crate::json::DocumentKind;
use crate::model::{ModelError, write_beside, write_json};

/// The journal of all measurements.
pub const JOURNAL: &str = "journal.jsonl";
/// The winners' task results.
pub const TASKS: &str = "tasks.jsonl";
/// The results as JSON.
pub const SUMMARY: &str = "summary.json";
/// The winning script.
pub const BEST: &str = "best.allot";
/// The folder of the Pareto front's scripts.
pub const FRONT: &str = "front";

/// Writes the results of a run to its folder: the winner, the front, and the summary.
///
/// `text` returns the script of a winner, or `None` if the winner is not a formula.
///
/// # Errors
/// When a file cannot be written; its previous version then stays intact.
pub fn write(
    folder: &Path,
    summary: &Summary,
    text: &dyn Fn(&Winner) -> Option<String>,
) -> Result<(), SearchError> {
    let data = |path: &Path, bytes: &[u8]| write_beside(path, |file| std::io::Write::write_all(file, bytes));
    if let Some(script) = text(&summary.best) {
        data(&folder.join(BEST), script.as_bytes())?;
    }
    let front = folder.join(FRONT);
    let failed = |source| ModelError::Write { path: front.clone(), source };
    if front.exists() {
        fs::remove_dir_all(&front).map_err(failed)?;
    }
    fs::create_dir_all(&front).map_err(failed)?;
    for winner in &summary.front {
        if let (Some(script), Some(formula)) = (text(winner), &winner.formula) {
            data(&front.join(format!("{:03}.allot", formula.size)), script.as_bytes())?;
        }
    }
    Ok(write_json(&folder.join(SUMMARY), &DocumentKind::Search.of(summary))?)
}

/// Reads the results of a run.
///
/// # Errors
/// When the folder does not belong to a run, or the run is not finished.
pub fn read(folder: &Path) -> Result<Summary, SearchError> {
    let wrong = |problem: String| SearchError::NotARun { folder: folder.to_owned(), file: SUMMARY, problem };
    let bytes = fs::read(folder.join(SUMMARY)).map_err(|error| wrong(error.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))
}
