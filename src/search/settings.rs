//! What a search is told, as its folder keeps it: enough to do all of it again.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::enumerate::Grid;
use super::error::SearchError;
use super::searcher::Searcher;
use super::space::SpaceOptions;
use crate::json::DocumentKind;
use crate::model::{Identity, ModelError, write_beside};
use crate::tasks::TaskPlan;
use crate::trial::settings::TrialSettings;

/// The file in a run's folder that holds its settings.
pub const SETTINGS: &str = "settings.json";

/// What a search is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
    /// After how many measured allocations without a better one each search ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<usize>,
    /// A generation is made from the results of all candidates up to its first number minus this; 1 waits for all before it.
    #[serde(default = "without_lag", skip_serializing_if = "is_without_lag")]
    pub lag: usize,
    /// The folders of the descents from which evolution learns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teachers: Vec<PathBuf>,
    /// Those from which nothing is learned, and whose distance is reported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held_out_teachers: Vec<PathBuf>,
    /// The seeds, one for each search.
    pub seeds: Vec<u64>,
    /// What the searches are compared with.
    pub controls: Vec<Searcher>,
    /// The tasks by which the final table scores allocations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_tasks: Option<TaskPlan>,
    /// What losses were measured with when the run began.
    pub identities: Identity,
}

/// Returns the lag of a search that waits for each generation.
const fn without_lag() -> usize {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
const fn is_without_lag(lag: &usize) -> bool {
    *lag == without_lag()
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

    /// Returns the settings of a run with one seed and no control, and no end but the 500th evaluation.
    pub fn new(trial: TrialSettings, space: SpaceOptions) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            trial,
            space,
            include: Vec::new(),
            enumeration: None,
            evaluations: 500,
            patience: None,
            lag: 1,
            teachers: Vec::new(),
            held_out_teachers: Vec::new(),
            seeds: vec![0],
            controls: Vec::new(),
            report_tasks: None,
            identities: Identity::default(),
        }
    }

    /// Refuses a folder that a new run cannot have for its own.
    ///
    /// # Errors
    /// When the folder holds something already, or is a file.
    pub fn check_new(folder: &Path) -> Result<(), SearchError> {
        let taken = match fs::read_dir(folder) {
            Ok(mut entries) => entries.next().is_some(),
            Err(_) => folder.exists(),
        };
        if taken { Err(SearchError::Exists { folder: folder.to_owned() }) } else { Ok(()) }
    }

    /// Begins a run's folder, in which there is nothing but the settings then.
    ///
    /// # Errors
    /// As [`Settings::check_new`], and when the folder cannot be written.
    pub fn begin(&self, folder: &Path) -> Result<(), SearchError> {
        let failed = |source| ModelError::Write { path: folder.to_owned(), source };
        Self::check_new(folder)?;
        fs::create_dir_all(folder).map_err(failed)?;
        self.keep(folder)
    }

    /// Writes the settings of a run whose folder is there.
    ///
    /// # Errors
    /// When they cannot be written; then those before are whole.
    pub fn keep(&self, folder: &Path) -> Result<(), SearchError> {
        let failed = |source| ModelError::Write { path: folder.to_owned(), source };
        let text = serde_json::to_vec_pretty(&DocumentKind::SearchSettings.of(self))
            .map_err(|error| failed(error.into()))?;
        Ok(write_beside(&folder.join(SETTINGS), |file| std::io::Write::write_all(file, &text))?)
    }

    /// Fails when losses would be measured with something else than when the run began, such as another model or text.
    ///
    /// # Errors
    /// With the first thing that differs.
    pub fn check(&self, folder: &Path, now: &Identity) -> Result<(), SearchError> {
        match self.identities.difference(now) {
            None => Ok(()),
            Some(difference) => {
                Err(SearchError::Changed { folder: folder.to_owned(), difference: Box::new(difference) })
            }
        }
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
