//! What keeps a comparison from going on.

use std::path::PathBuf;

use thiserror::Error;

use crate::baselines::error::BaselineError;
use crate::interrupt::Interrupted;
use crate::model::{Difference, ModelError};
use crate::prune::PruneError;
use crate::trial::error::TrialError;

/// Why there is no comparison.
#[derive(Debug, Error)]
pub enum CompareError {
    /// Something asked it to stop.
    #[error("stopped")]
    Interrupted(#[source] Interrupted),
    /// A folder holds a comparison of something else.
    #[error("{} holds a comparison with something else: {difference}", folder.display())]
    Other {
        /// The folder.
        folder: PathBuf,
        /// What differs.
        difference: Box<Difference>,
    },
    /// A folder that is no comparison's, and not empty.
    #[error("{} is not empty, and not a comparison", folder.display())]
    NotAComparison {
        /// The folder.
        folder: PathBuf,
    },
    /// SparseGPT has no masks that dense statistics give.
    #[error("SparseGPT changes weights block by block, which the dense model's statistics do not show")]
    SparseGptDense,
    /// The model cannot be prepared or measured.
    #[error(transparent)]
    Trial(Box<TrialError>),
    /// A program cannot run.
    #[error(transparent)]
    Program(Box<BaselineError>),
}

impl From<TrialError> for CompareError {
    fn from(error: TrialError) -> Self {
        match error {
            TrialError::Interrupted(cause) => Self::Interrupted(cause),
            error => Self::Trial(Box::new(error)),
        }
    }
}

impl From<BaselineError> for CompareError {
    fn from(error: BaselineError) -> Self {
        match error {
            BaselineError::Trial(error) => (*error).into(),
            error => Self::Program(Box::new(error)),
        }
    }
}

impl From<PruneError> for CompareError {
    fn from(error: PruneError) -> Self {
        TrialError::from(error).into()
    }
}

impl From<ModelError> for CompareError {
    fn from(error: ModelError) -> Self {
        TrialError::from(error).into()
    }
}
