//! Errors of pruning and measuring a model.

use std::path::PathBuf;

use thiserror::Error;

use crate::allocate::AllocationError;
use crate::allocate::script::ScriptError;
use crate::interrupt::Interrupted;
use crate::lang::ops::Op;
use crate::model::ModelError;
use crate::prune::{Pattern, PruneError};
use crate::stats::{StatisticsError, TextError};
use crate::tasks::TaskError;

/// The reason why a model cannot be prepared or measured: the file, the line, and the problem.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrialError {
    /// The work was interrupted; all measurements are in the store.
    #[error("stopped")]
    Interrupted(#[from] Interrupted),
    /// A file or tensor cannot be read, written or run through the model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Weights cannot be scored, or an allocation cannot be applied.
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
    /// A script that needs a value has none.
    #[error(transparent)]
    Script(Box<ScriptError>),
    /// Tasks cannot be read or scored.
    #[error(transparent)]
    Task(Box<TaskError>),
    /// Candidates are measured by tasks, but no task is given.
    #[error("candidates are measured by tasks, but no task is named")]
    NoTasks,
    /// The devices of a search are of different kinds.
    #[error("`{first}` and `{other}` are different GPUs, so their losses differ in the last digits")]
    OtherGpu {
        /// The first device.
        first: String,
        /// One of the others.
        other: String,
    },
    /// A target refers to a model that is not in the settings.
    #[error("a target refers to model {subject}, counted from 0, but the number of models is {models}")]
    NoSubject {
        /// Index of the model.
        subject: usize,
        /// How many models there are.
        models: usize,
    },
    /// A task refers to a block that the model does not have.
    #[error("internal error: a task refers to block {block}, but the number of blocks is {blocks}")]
    NoBlock {
        /// The block.
        block: usize,
        /// How many blocks there are.
        blocks: usize,
    },
    /// A statistic measured on pruned models needs unstructured pruning, but another pattern is given.
    #[error("`{op}` needs unstructured pruning, but the pattern is {pattern}")]
    MeasuredPattern {
        /// Its terminal.
        op: Op,
        /// The pattern.
        pattern: Pattern,
    },
    /// Marginals are requested at a sparsity that prunes nothing or everything.
    #[error("there are no marginals at a sparsity of {sparsity}, where nothing or everything is pruned")]
    MarginalTarget {
        /// The sparsity.
        sparsity: f64,
    },
    /// A line of the journal before the last cannot be parsed.
    #[error("{}:{line}: {problem}; the journal was changed", path.display())]
    Journal {
        /// The journal.
        path: PathBuf,
        /// The line number, counted from 1.
        line: usize,
        /// The problem with it.
        problem: String,
    },
    /// Another process has the journal open.
    #[error("another process is working on {}", folder.display())]
    Locked {
        /// The journal's folder.
        folder: PathBuf,
    },
    /// Uniform sparsity at the target leaves nothing to tell candidates apart by.
    #[error("uniform sparsity of {target} has a divergence of {loss} on the fitness text")]
    Degenerate {
        /// The target.
        target: f64,
        /// The loss.
        loss: f64,
    },
    /// A published script is missing, which is a bug in this program.
    #[error("internal error: the published script `{name}` is missing")]
    NotPublished {
        /// The script.
        name: &'static str,
    },
    /// A measurer's answer is of another kind than its question, which is a bug in the measurer.
    #[error("internal error: a measurer's answer does not match its question")]
    OtherAnswer,
    /// A measurer's answer has the wrong number of values, which is a bug in the measurer.
    #[error("internal error: a measurer's answer to question {task} has the wrong number of values")]
    AnswerCut {
        /// Position of the question among those asked together, counted from 1.
        task: usize,
    },
    /// A measurer did not answer all questions, which is a bug in the measurer.
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
