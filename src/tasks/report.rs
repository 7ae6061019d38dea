//! The results of a measurement on tasks, and its settings.

use std::fmt;
use std::path::Path;

use serde::Serialize;

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
    /// When none of the tasks was measured earlier, or the documents or their prompts differ.
    pub fn compare(&mut self, path: &Path, earlier: &Earlier) -> Result<(), TaskError> {
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
