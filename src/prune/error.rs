//! What can keep a model from being pruned.

use std::path::PathBuf;

use thiserror::Error;

use super::method_kind::MethodKind;
use crate::interpret::error::InterpretError;
use crate::interrupt::Interrupted;
use crate::model::ModelError;

/// What has no place for ratios of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RowObstacle {
    /// A pattern.
    #[error("a pattern of groups rules how many weights of each row go")]
    Pattern,
    /// A metric per matrix.
    #[error("the metric compares the weights of a whole matrix, not of a row")]
    Matrix,
    /// The published rounding.
    #[error("the published rounding knows one ratio for each matrix only")]
    Rounding,
}

/// Says why a model cannot be pruned or saved: which file, which linear.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PruneError {
    /// A file or tensor cannot be read, written or run through the model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The allocation says nothing of a linear.
    #[error("the allocation has no ratio for {module}")]
    NotAllocated {
        /// The linear.
        module: String,
    },
    /// The allocation has a ratio for a linear that the model does not have.
    #[error("the allocation has a ratio for {module}, which this model does not have")]
    NoSuchLinear {
        /// The linear.
        module: String,
    },
    /// The allocation was made for a linear of another size.
    #[error("the allocation is for {allocated} weights of {module}, which has {found}")]
    OtherSize {
        /// The linear.
        module: String,
        /// How many weights the allocation counts.
        allocated: u64,
        /// How many there are.
        found: u64,
    },
    /// The counts of an allocation's rows do not fit the linear, or its own count.
    #[error("the allocation's rows of {module} do not fit: {problem}")]
    RowCounts {
        /// The linear.
        module: String,
        /// What is wrong.
        problem: String,
    },
    /// Rows have ratios of their own, and something has no place for them.
    #[error("the allocation gives each row a ratio of its own, and {obstacle}")]
    Rows {
        /// What has no place for them.
        obstacle: RowObstacle,
    },
    /// A pattern cannot be read.
    #[error(
        "the pattern `{text}` {problem}; write `unstructured`, `2:4` (two of every four columns are pruned) or `n:4` (the allocation chooses)"
    )]
    Pattern {
        /// The text.
        text: String,
        /// The problem.
        problem: &'static str,
    },
    /// The method needs activations, and there is neither a text nor a statistics file.
    #[error(
        "{method} scores weights by their inputs, and there is neither a calibration text nor a statistics file"
    )]
    NeedsActivations {
        /// The method.
        method: MethodKind,
    },
    /// The method needs Hessians, which statistics files do not hold.
    #[error("{method} needs the model's inputs themselves, which no statistics file holds")]
    NeedsTokens {
        /// The method.
        method: MethodKind,
    },
    /// A metric cannot be evaluated on a linear.
    #[error("the metric has no value on {module}: {source}")]
    Metric {
        /// The linear.
        module: String,
        /// What went wrong.
        source: Box<InterpretError>,
    },
    /// A metric compares units, and only one block's statistics are known at a time.
    #[error(
        "`{operator}` compares units with each other, and with pruned activations only one block is known at a time"
    )]
    AcrossUnits {
        /// The operator.
        operator: &'static str,
    },
    /// A score is not a number, or a formula's overflows.
    #[error(
        "the score of {module} at row {row}, column {column} is {value}; earlier blocks may be pruned so far that activations overflow"
    )]
    Score {
        /// The linear.
        module: String,
        /// The output channel.
        row: usize,
        /// The input channel.
        column: usize,
        /// The score.
        value: f32,
    },
    /// Activations are so large that their squares overflow.
    #[error("the inputs of {module} overflow; earlier blocks may be pruned too far")]
    Activations {
        /// The linear.
        module: String,
    },
    /// A Hessian stays singular whatever is added to its diagonal.
    #[error("the Hessian of {module} has no Cholesky factor even with {damping} of its mean diagonal added")]
    Singular {
        /// The linear.
        module: String,
        /// The largest share of the mean diagonal that was tried.
        damping: f64,
    },
    /// An updated weight does not fit the type that the model stores.
    #[error("{}: `{tensor}` would hold {value} at row {row}, column {column}, which {dtype} cannot store", path.display())]
    Overflow {
        /// The file that holds the dense tensor.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The stored type.
        dtype: &'static str,
        /// The output channel.
        row: usize,
        /// The input channel.
        column: usize,
        /// The updated weight.
        value: f32,
    },
    /// Something is in the place of the folder to be written.
    #[error("{} is already there", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// The folder to be replaced was not written by allot.
    #[error("{} holds no allot.json, so it is not a folder that allot wrote, and is not replaced", path.display())]
    NotOurs {
        /// The folder.
        path: PathBuf,
    },
    /// The folder to be written is, holds, or lies in the model that is read.
    #[error("{} is, holds, or lies inside the model {}, which is still needed", path.display(), model.display())]
    Overlaps {
        /// The folder.
        path: PathBuf,
        /// The model's folder.
        model: PathBuf,
    },
    /// Something asked to stop.
    #[error("interrupted; nothing was left behind")]
    Interrupted(#[from] Interrupted),
}

impl PruneError {
    /// Returns the error with the place in the model where a tensor operation failed, if it has none yet.
    pub(super) fn inside(self, at: &str) -> Self {
        match self {
            Self::Model(error) => Self::Model(error.inside(at)),
            other => other,
        }
    }
}
