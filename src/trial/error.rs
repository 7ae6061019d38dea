//! What keeps a model from being pruned and measured.

use std::path::PathBuf;

use thiserror::Error;

use crate::allocate::AllocationError;
use crate::allocate::script::ScriptError;
use crate::interrupt::Interrupted;
use crate::model::ModelError;
use crate::prune::{Pattern, PruneError};
use crate::stats::{StatisticsError, TextError};
use crate::tasks::TaskError;

/// Says why a model cannot be prepared or measured: which file, which line, and what is wrong.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrialError {
    /// Something asked the work to stop; all that was measured is in the store.
    #[error("stopped")]
    Interrupted(#[from] Interrupted),
    /// A file or tensor cannot be read, written or run through the model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Weights cannot be scored or shared out.
    #[error(transparent)]
    Prune(Box<PruneError>),
    /// A text cannot be read.
    #[error(transparent)]
    Text(Box<TextError>),
    /// An allocation cannot be made.
    #[error(transparent)]
    Allocation(#[from] AllocationError),
    /// A statistics file cannot be used.
    #[error(transparent)]
    Statistics(Box<StatisticsError>),
    /// A script that has to have a value has none.
    #[error(transparent)]
    Script(Box<ScriptError>),
    /// Tasks cannot be read or asked.
    #[error(transparent)]
    Task(Box<TaskError>),
    /// Tasks are to decide, and none is named.
    #[error("no task is named by whose documents candidates are measured")]
    NoTasks,
    /// Devices that are to measure one search are of different kinds.
    #[error("`{first}` and `{other}` are different GPUs, whose losses are not the same to the last digit")]
    OtherGpu {
        /// The first device.
        first: String,
        /// One of the others.
        other: String,
    },
    /// A target names a model that is not among those of the settings.
    #[error("a target is for model {subject}, and there are {models} (they are counted from 0)")]
    NoSubject {
        /// The place of the model.
        subject: usize,
        /// How many models there are.
        models: usize,
    },
    /// A task is about a block that the model does not have.
    #[error("internal error: a task is about block {block} of a model of {blocks} blocks")]
    NoBlock {
        /// The block.
        block: usize,
        /// How many blocks there are.
        blocks: usize,
    },
    /// Marginals are of unstructured pruning, and weights are to be pruned otherwise.
    #[error("`marginal` is measured where weights are pruned one by one, and the pattern is {pattern}")]
    MarginalPattern {
        /// The pattern.
        pattern: Pattern,
    },
    /// Marginals at a sparsity that leaves nothing to prune more or less of.
    #[error("there are no marginals at a sparsity of {sparsity}: nothing, or everything, is pruned")]
    MarginalTarget {
        /// The sparsity.
        sparsity: f64,
    },
    /// The journal has a line that cannot be understood, before its last.
    #[error("{}:{line}: {problem}; the journal was changed", path.display())]
    Journal {
        /// The journal.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// Another process has the journal open.
    #[error("another process is working on {}", folder.display())]
    Locked {
        /// The journal's folder.
        folder: PathBuf,
    },
    /// Pruning to the target leaves a model that cannot be told from others.
    #[error("uniform sparsity of {target} gives a divergence of {loss} on the fitness text")]
    Degenerate {
        /// The target.
        target: f64,
        /// The loss.
        loss: f64,
    },
    /// A published script is missing: a mistake in this program.
    #[error("internal error: the published script `{name}` is missing")]
    NotPublished {
        /// The script.
        name: &'static str,
    },
    /// A measurer answered another question than it was asked: a mistake in the measurer.
    #[error("internal error: a measurer answered another question than it was asked")]
    OtherAnswer,
    /// A measurer's answer has not as many numbers as its task asks for: a mistake in the measurer.
    #[error(
        "internal error: a measurer's answer to question {task} has not as many numbers as were asked for"
    )]
    AnswerCut {
        /// The place of the question among those that were asked together, from 1.
        task: usize,
    },
    /// A measurer did not answer all that it was asked: a mistake in the measurer.
    #[error("internal error: a measurer gave {found} answers to {asked} questions")]
    AnswersMissing {
        /// How many questions there were.
        asked: usize,
        /// How many answers came.
        found: usize,
    },
}

impl From<PruneError> for TrialError {
    fn from(error: PruneError) -> Self {
        match error {
            PruneError::Interrupted(cause) => Self::Interrupted(cause),
            error => Self::Prune(Box::new(error)),
        }
    }
}

impl From<TaskError> for TrialError {
    fn from(error: TaskError) -> Self {
        match error {
            TaskError::Interrupted(cause) => Self::Interrupted(cause),
            TaskError::Model(cause) => Self::Model(cause),
            error => Self::Task(Box::new(error)),
        }
    }
}

impl From<TextError> for TrialError {
    fn from(error: TextError) -> Self {
        Self::Text(Box::new(error))
    }
}

impl From<StatisticsError> for TrialError {
    fn from(error: StatisticsError) -> Self {
        Self::Statistics(Box::new(error))
    }
}

impl From<ScriptError> for TrialError {
    fn from(error: ScriptError) -> Self {
        Self::Script(Box::new(error))
    }
}
