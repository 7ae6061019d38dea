//! Errors of a comparison.

use std::path::PathBuf;

use thiserror::Error;

use crate::baselines::error::BaselineError;
use crate::interrupt::Interrupted;
use crate::model::{Difference, ModelError};
use crate::prune::PruneError;
use crate::trial::error::TrialError;

/// The reason why a comparison fails.
#[derive(Debug, Error)]
pub enum CompareError {
    /// The comparison was interrupted.
    #[error("stopped")]
    Interrupted(#[source] Interrupted),
    /// The folder holds a comparison with other inputs.
    #[error("{} holds a comparison with other inputs: {difference}", folder.display())]
    Other {
        /// The folder.
        folder: PathBuf,
        /// The difference.
        difference: Box<Difference>,
    },
    /// The folder is not empty, and does not hold a comparison.
    #[error("{} is not empty and does not hold a comparison", folder.display())]
    NotAComparison {
        /// The folder.
        folder: PathBuf,
    },
    /// Dense statistics do not give SparseGPT's masks.
    #[error(
        "SparseGPT changes weights block by block, so its masks do not follow from the dense model's statistics"
    )]
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
