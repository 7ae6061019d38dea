//! The results of a measurement on tasks, and its settings.

use std::fmt;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::encode::Protocol;
use super::error::TaskError;
use super::log::Earlier;
use super::prompts::SHOT_SEED;
use super::results::{Means, TaskDifference, TaskResult, differences, means};
use crate::model::{Checkpoint, Precision, SpecialTokens};
use crate::prune::PROVENANCE;

/// The settings that a measurement depends on.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct About {
    /// The version of this program.
    pub version: &'static str,
    /// The model's folder.
    pub model: String,
    /// The fingerprint of its weights.
    pub weights: String,
    /// The allocation file with which it was pruned in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocation: Option<String>,
    /// How the pruned weights were chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Whether the model is known to be pruned.
    pub pruned: bool,
    /// The rules that prompts follow.
    pub protocol: Protocol,
    /// The special tokens that the tokenizer adds around a text; the protocol `wanda` omits them.
    pub special_tokens: SpecialTokens,
    /// The longest sequence in tokens.
    pub longest: usize,
    /// The type in which the model computed; likelihoods are summed in f64.
    pub precision: Precision,
    /// The seed for drawing examples.
    pub seed: u32,
}

/// All results of a measurement.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TaskReport {
    /// The settings.
    #[serde(flatten)]
    pub about: About,
    /// The result of each task.
    pub tasks: Vec<TaskResult>,
    /// The means over tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub means: Option<Means>,
    /// The differences from an earlier measurement.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<TaskDifference>,
    /// Warnings for the reader.
    pub warnings: Vec<TaskWarning>,
}

/// A warning for the reader of a measurement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "warning", rename_all = "snake_case")]
pub enum TaskWarning {
    /// A pruned model only chose among given answers and generated none.
    ChoicesAlone,
    /// The earlier measurement, of other weights, read documents in another way.
    Otherwise {
        /// What differs, as the measurement's description names it.
        what: &'static str,
        /// Its value in the earlier measurement.
        there: String,
        /// Its value in this one.
        here: String,
    },
    /// Sequences were cut on the left.
    Cut {
        /// The task.
        task: String,
        /// Number of sequences that were cut.
        sequences: usize,
    },
}

impl fmt::Display for TaskWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ChoicesAlone => f.write_str(
                "the model is pruned and only chose among given answers; pruned models often choose the right answer when they can no longer write text: add gsm8k, or read the output of `allot generate`",
            ),
            Self::Otherwise { what, there, here } => {
                write!(f, "{what} was {there} in the earlier measurement and is {here} here, so the difference is not one of the weights alone")
            }
            Self::Cut { task, sequences } => {
                write!(f, "{task}: sequences longer than the context were cut on the left; their number is {sequences}")
            }
        }
    }
}

impl TaskReport {
    /// Combines the results of tasks with the settings.
    pub fn new(about: About, tasks: Vec<TaskResult>) -> Self {
        let alone = about.pruned && !tasks.is_empty() && tasks.iter().all(|task| !task.written);
        let cut = tasks.iter().filter(|task| task.cut > 0);
        let cut = cut.map(|task| TaskWarning::Cut { task: task.task.clone(), sequences: task.cut });
        let warnings = alone.then_some(TaskWarning::ChoicesAlone).into_iter().chain(cut).collect();
        Self { about, means: means(&tasks), tasks, differences: Vec::new(), warnings }
    }

    /// Adds the differences from an earlier measurement of the same documents.
    ///
    /// # Errors
    /// When none of the tasks was measured earlier; the documents, their prompts or the protocol differ; or the
    /// same weights were read with another context, other special tokens or in another precision.
    pub fn compare(&mut self, path: &Path, earlier: &Earlier) -> Result<(), TaskError> {
        self.check_alike(path, &earlier.about)?;
        for task in &self.tasks {
            if let Some(before) = earlier.of(path, task)? {
                self.differences.extend(differences(task, &before));
            }
        }
        match self.differences.is_empty() {
            true => {
                let problem = "none of the tasks was measured there on two or more documents".to_owned();
                Err(TaskError::Other { path: path.to_owned(), problem })
            }
            false => Ok(()),
        }
    }
}

/// The parts of a measurement's description that decide what the model reads, by their keys.
const READING: [&str; 3] = ["longest", "special_tokens", "precision"];

impl TaskReport {
    /// Refuses an earlier measurement by other rules, and warns if other weights were measured with another
    /// context, other special tokens or in another precision.
    fn check_alike(&mut self, path: &Path, earlier: &Value) -> Result<(), TaskError> {
        let now = serde_json::to_value(&self.about).unwrap_or_default();
        let differs = |key: &&str| earlier[*key] != now[*key];
        let refused = |key: &str| TaskError::Other {
            path: path.to_owned(),
            problem: format!("{key} is {} there, but {} here", earlier[key], now[key]),
        };
        if differs(&"protocol") {
            return Err(refused("protocol"));
        }
        let same_weights = !differs(&"weights");
        for key in READING.into_iter().filter(differs) {
            if same_weights {
                return Err(refused(key));
            }
            let [there, here] = [earlier, &now].map(|about| about[key].to_string());
            self.warnings.push(TaskWarning::Otherwise { what: key, there, here });
        }
        Ok(())
    }
}

impl About {
    /// Describes a model that is measured without pruning it first.
    pub fn new(checkpoint: &Checkpoint, special_tokens: SpecialTokens, protocol: Protocol) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            model: checkpoint.folder().display().to_string(),
            weights: checkpoint.fingerprint(),
            allocation: None,
            method: None,
            pruned: checkpoint.folder().join(PROVENANCE).is_file(),
            protocol,
            special_tokens,
            longest: checkpoint.config().positions,
            precision: checkpoint.precision(),
            seed: SHOT_SEED,
        }
    }
}
