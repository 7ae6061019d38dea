//! All that a measurement by tasks found, and what it depends on.

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

/// What a measurement depends on.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct About {
    /// The version of this program.
    pub version: &'static str,
    /// The model's folder.
    pub model: String,
    /// The name of its weights.
    pub weights: String,
    /// The allocation file by which it was pruned in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocation: Option<String>,
    /// How the pruned weights were chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Whether it is a pruned model, as far as is known.
    pub pruned: bool,
    /// Whose rules prompts follow.
    pub protocol: Protocol,
    /// What the tokenizer puts around a text; the protocol `wanda` leaves it out.
    pub special_tokens: SpecialTokens,
    /// The longest sequence in tokens.
    pub longest: usize,
    /// The type in which the model computed; likelihoods are summed in f64.
    pub precision: Precision,
    /// What examples were drawn by.
    pub seed: u32,
}

/// All that a measurement found.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TaskReport {
    /// What it depends on.
    #[serde(flatten)]
    pub about: About,
    /// What each task showed.
    pub tasks: Vec<TaskResult>,
    /// The means over tasks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub means: Option<Means>,
    /// How it differs from an earlier measurement.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<TaskDifference>,
    /// What the reader should know.
    pub warnings: Vec<TaskWarning>,
}

/// What the reader of a measurement should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "warning", rename_all = "snake_case")]
pub enum TaskWarning {
    /// A pruned model chose among answers and wrote none.
    ChoicesAlone,
    /// Sequences were cut on their left.
    Cut {
        /// The task.
        task: String,
        /// How many.
        sequences: usize,
    },
}

impl fmt::Display for TaskWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ChoicesAlone => f.write_str(
                "the model is pruned and only chose among given answers; pruned models often choose right when they can no longer write: add gsm8k, or read what `allot generate` prints",
            ),
            Self::Cut { task, sequences } => {
                write!(f, "{task}: {sequences} sequences were longer than the context and were cut on their left")
            }
        }
    }
}

impl TaskReport {
    /// Joins what tasks showed with what it depends on.
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
    /// When none of the tasks was asked then, or another document, or by another prompt.
    pub fn compare(&mut self, path: &Path, earlier: &Earlier) -> Result<(), TaskError> {
        for task in &self.tasks {
            if let Some(before) = earlier.of(path, task)? {
                self.differences.extend(differences(task, &before));
            }
        }
        match self.differences.is_empty() {
            true => {
                let problem = "none of the tasks was asked there of two documents or more".to_owned();
                Err(TaskError::Other { path: path.to_owned(), problem })
            }
            false => Ok(()),
        }
    }
}

impl About {
    /// Describes a model that is measured as it is.
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
