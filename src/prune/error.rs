//! Errors of pruning.

use std::path::PathBuf;

use thiserror::Error;

use super::method_kind::MethodKind;
use crate::interpret::error::InterpretError;
use crate::interrupt::Interrupted;
use crate::model::ModelError;

/// A setting that does not support ratios of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RowObstacle {
    /// A pattern.
    #[error("a pattern fixes how many weights of each row are pruned")]
    Pattern,
    /// A metric that compares weights over the whole matrix.
    #[error("the metric compares the weights of a whole matrix, not of a row")]
    Matrix,
    /// The published rounding.
    #[error("the published rounding supports only one ratio for each matrix")]
    Rounding,
}

/// Why a model cannot be pruned or saved, with the file or linear concerned.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PruneError {
    /// A file or tensor cannot be read, written or run through the model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The allocation has no entry for a linear.
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
        /// Number of weights in the allocation.
        allocated: u64,
        /// Number of weights in the model.
        found: u64,
    },
    /// The counts of an allocation's rows do not fit the linear, or the linear's own count.
    #[error("the allocation's rows of {module} do not fit: {problem}")]
    RowCounts {
        /// The linear.
        module: String,
        /// The problem.
        problem: String,
    },
    /// Rows have their own ratios, but a setting does not support them.
    #[error("the allocation gives each row its own ratio, but {obstacle}")]
    Rows {
        /// The setting.
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
    /// The method needs activations, but there is neither a text nor a statistics file.
    #[error(
        "{method} scores weights by their inputs, but there is neither a calibration text nor a statistics file"
    )]
    NeedsActivations {
        /// The method.
        method: MethodKind,
    },
    /// The method needs Hessians, which statistics files do not hold.
    #[error("{method} needs the model's inputs themselves, which statistics files do not hold")]
    NeedsTokens {
        /// The method.
        method: MethodKind,
    },
    /// A metric cannot be evaluated on a linear.
    #[error("the metric has no value on {module}: {source}")]
    Metric {
        /// The linear.
        module: String,
        /// The interpreter's error.
        source: Box<InterpretError>,
    },
    /// A metric compares units, but only one block's statistics are known at a time.
    #[error(
        "`{operator}` compares units with each other, but with pruned activations only one block is known at a time"
    )]
    AcrossUnits {
        /// The operator.
        operator: &'static str,
    },
    /// A score is not a number, or the score of a formula overflows.
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
    /// The squares of activations overflow.
    #[error("the inputs of {module} overflow; earlier blocks may be pruned too far")]
    Activations {
        /// The linear.
        module: String,
    },
    /// A Hessian remains singular with the largest damping.
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
    /// A file or folder already exists at the target path.
    #[error("{} already exists", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// The folder to be replaced was not written by allot.
    #[error("{} holds no allot.json, so allot did not write this folder and does not replace it", path.display())]
    NotOurs {
        /// The folder.
        path: PathBuf,
    },
    /// The target folder is, contains, or lies inside the model that is read.
    #[error("{} is, contains, or lies inside the model {}, which is still needed", path.display(), model.display())]
    Overlaps {
        /// The folder.
        path: PathBuf,
        /// The model's folder.
        model: PathBuf,
    },
    /// The work was asked to stop.
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
