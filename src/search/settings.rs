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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prune::{Method, Pattern};
    use crate::stats::Source;
    use crate::trial::loss::Measure;

    /// Settings as allot 0.1.0 writes them.
    const KEPT: &str = concat!(
        r#"{"version":"0.1.0","models":["/m"],"targets":[[0,0.7],[0,0.5]],"method":"wanda","#,
        r#""metric":"metric(per = row) abs(weight) * input_norm\n","pattern":"n:4","measure":"perplexity","#,
        r#""texts":{"calibration":{"text":["/c.jsonl"]},"statistics":null,"gradients":true,"reconstruction":false,"#,
        r#""samples":16,"seed":0,"length":64,"fitness":{"tokens":"/t.safetensors:ids"},"selection":null,"report":null,"#,
        r#""windows":8,"report_windows":null},"#,
        r#""space":{"kind":"dsa","max_size":40,"units":["block","projection"],"only":["score","mean"],"without":[],"#,
        r#""collected":["input_norm","hessian_diag"]},"#,
        r#""include":["uniform()"],"enumeration":{"constants":[],"windows":[0.1]},"evaluations":18446744073709551615,"#,
        r#""seeds":[0,1],"controls":["random","evopress-block"],"identities":[["the model /m","a04"]]}"#,
    );

    #[test]
    fn settings_are_kept_as_they_always_were() {
        let settings: Settings = serde_json::from_str(KEPT).expect("settings");
        assert_eq!(serde_json::to_string(&settings).expect("data"), KEPT);
        let trial = &settings.trial;
        assert_eq!((trial.targets[1].subject, trial.targets[1].sparsity), (0, 0.5));
        assert_eq!(
            (&trial.ranking.method, trial.pattern, trial.measure),
            (&Method::Wanda, Pattern::Mixed { m: 4 }, Measure::Perplexity)
        );
        assert!(matches!(&trial.texts.fitness, Source::Tokens(ids) if ids.tensor.as_deref() == Some("ids")));
    }
}
