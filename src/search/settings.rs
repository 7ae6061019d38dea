//! Search settings as stored in the run folder; enough to reproduce the run.

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

/// The settings of a search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Settings {
    /// Version of allot that started the run.
    pub version: String,
    /// Models and texts, and how weights are chosen.
    #[serde(flatten)]
    pub trial: TrialSettings,
    /// The space of formulas.
    pub space: SpaceOptions,
    /// Texts of the scripts that the search starts with, in addition to the published ones.
    pub include: Vec<String>,
    /// Grid of an enumeration, which measures every formula of the space instead of searching.
    pub enumeration: Option<Grid>,
    /// Maximum number of allocations that each search measures.
    pub evaluations: usize,
    /// Ends a search after this many measured allocations without an improvement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<usize>,
    /// The lag: a generation is made from the results of all candidates numbered below its own first number
    /// minus this; with 1, it waits for all candidates before it.
    #[serde(default = "without_lag", skip_serializing_if = "is_without_lag")]
    pub lag: usize,
    /// Whether a surrogate of the measured losses chooses which variations are measured.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub surrogate: bool,
    /// Folders of the descents that evolution learns from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teachers: Vec<PathBuf>,
    /// Folders of the descents that are held out: evolution does not learn from them, and the distance from
    /// them is reported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held_out_teachers: Vec<PathBuf>,
    /// Seeds, one per search.
    pub seeds: Vec<u64>,
    /// Controls that the search is compared with.
    pub controls: Vec<Searcher>,
    /// Further sparsities of the main model at which functions are measured after all decisions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub report_sparsities: Vec<f64>,
    /// Tasks on which the final table scores allocations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_tasks: Option<TaskPlan>,
    /// Identities of the inputs that losses were measured with when the run started.
    pub identities: Identity,
}

/// Returns the default lag, with which a search waits for each generation.
const fn without_lag() -> usize {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
const fn is_without_lag(lag: &usize) -> bool {
    *lag == without_lag()
}

impl Settings {
    /// Reads the settings from a run's folder.
    ///
    /// # Errors
    /// When the folder does not belong to a run.
    pub fn read(folder: &Path) -> Result<Self, SearchError> {
        let wrong =
            |problem: String| SearchError::NotARun { folder: folder.to_owned(), file: SETTINGS, problem };
        let bytes = fs::read(folder.join(SETTINGS)).map_err(|error| wrong(error.to_string()))?;
        serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))
    }

    /// Returns the settings of a run with one seed, no controls, and 500 evaluations as its only limit.
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
            surrogate: false,
            teachers: Vec::new(),
            held_out_teachers: Vec::new(),
            seeds: vec![0],
            controls: Vec::new(),
            report_sparsities: Vec::new(),
            report_tasks: None,
            identities: Identity::default(),
        }
    }

    /// Checks that a folder can hold a new run.
    ///
    /// # Errors
    /// When the folder is not empty, or is a file.
    pub fn check_new(folder: &Path) -> Result<(), SearchError> {
        let taken = match fs::read_dir(folder) {
            Ok(mut entries) => entries.next().is_some(),
            Err(_) => folder.exists(),
        };
        if taken { Err(SearchError::Exists { folder: folder.to_owned() }) } else { Ok(()) }
    }

    /// Creates the folder of a run, with nothing but the settings in it.
    ///
    /// # Errors
    /// As [`Settings::check_new`], and when the folder cannot be written.
    pub fn begin(&self, folder: &Path) -> Result<(), SearchError> {
        let failed = |source| ModelError::Write { path: folder.to_owned(), source };
        Self::check_new(folder)?;
        fs::create_dir_all(folder).map_err(failed)?;
        self.keep(folder)
    }

    /// Writes the settings to the existing folder of a run.
    ///
    /// # Errors
    /// When they cannot be written; the previous settings then stay intact.
    pub fn keep(&self, folder: &Path) -> Result<(), SearchError> {
        let failed = |source| ModelError::Write { path: folder.to_owned(), source };
        let text = serde_json::to_vec_pretty(&DocumentKind::SearchSettings.of(self))
            .map_err(|error| failed(error.into()))?;
        Ok(write_beside(&folder.join(SETTINGS), |file| std::io::Write::write_all(file, &text))?)
    }

    /// Changes the folder of a model, whose bytes stay the same: on another machine, the hub's cache may be in
    /// another place.
    pub fn move_model(&mut self, place: usize, folder: PathBuf) {
        let Some(model) = self.trial.models.get_mut(place) else { return };
        let [from, to] = [&*model, &folder].map(|it| it.display().to_string());
        self.identities = self.identities.renamed(&from, &to);
        *model = folder;
    }

    /// Fails if losses would be measured with other inputs than when the run started, such as another model
    /// or text.
    ///
    /// # Errors
    /// Returns the first difference.
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

    /// Settings as written by allot 0.1.0.
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
    fn settings_of_the_first_version_are_read_and_written_unchanged() {
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
