//! What a search is told, as its folder keeps it: enough to do all of it again.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::enumerate::Grid;
use super::error::SearchError;
use super::searcher::Searcher;
use super::space::SpaceOptions;
use crate::model::{ModelError, write_beside};
use crate::trial::settings::TrialSettings;

/// The file in a run's folder that holds its settings.
pub const SETTINGS: &str = "settings.json";

/// What a search is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The version of allot that began the run.
    pub version: String,
    /// The models and texts, and how weights are chosen.
    #[serde(flatten)]
    pub trial: TrialSettings,
    /// What candidates are made of.
    pub space: SpaceOptions,
    /// Scripts with which the search begins, beside the published ones, as text.
    pub include: Vec<String>,
    /// Measures every formula of the space instead of searching.
    pub enumeration: Option<Grid>,
    /// How many allocations each search measures.
    pub evaluations: usize,
    /// The seeds, one for each search.
    pub seeds: Vec<u64>,
    /// What the searches are compared with.
    pub controls: Vec<Searcher>,
    /// What models and texts were when the run began: a name and a hash each.
    pub identities: Vec<(String, String)>,
}

impl Settings {
    /// Reads the settings of a run's folder.
    ///
    /// # Errors
    /// When the folder is not a run's.
    pub fn read(folder: &Path) -> Result<Self, SearchError> {
        let wrong =
            |problem: String| SearchError::NotARun { folder: folder.to_owned(), file: SETTINGS, problem };
        let bytes = fs::read(folder.join(SETTINGS)).map_err(|error| wrong(error.to_string()))?;
        serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))
    }

    /// Begins a run's folder, in which there is nothing but the settings then.
    ///
    /// # Errors
    /// When the folder holds something already, or cannot be written.
    pub fn begin(&self, folder: &Path) -> Result<(), SearchError> {
        let failed = |source| ModelError::Write { path: folder.to_owned(), source };
        match fs::read_dir(folder).map(|mut entries| entries.next().is_some()) {
            Ok(true) => return Err(SearchError::Exists { folder: folder.to_owned() }),
            Ok(false) => {}
            Err(_) => fs::create_dir_all(folder).map_err(failed)?,
        }
        let text = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        Ok(write_beside(&folder.join(SETTINGS), |file| std::io::Write::write_all(file, &text))?)
    }

    /// Fails when a model or a text is not what it was when the run began.
    ///
    /// # Errors
    /// With the first that changed.
    pub fn check(&self, folder: &Path, now: &[(String, String)]) -> Result<(), SearchError> {
        for ((what, before), (_, now)) in self.identities.iter().zip(now) {
            if before != now {
                return Err(SearchError::Changed {
                    what: what.clone(),
                    folder: folder.to_owned(),
                    before: before.clone(),
                    now: now.clone(),
                });
            }
        }
        Ok(())
    }
}
