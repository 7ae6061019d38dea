//! What can keep a search from going on.

use std::path::PathBuf;

use thiserror::Error;

use super::space::SpaceError;
use crate::baselines::error::BaselineError;
use crate::interrupt::Interrupted;
use crate::model::{Difference, ModelError};
use crate::trial::error::TrialError;

/// Says why a search stops: which file, which line.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SearchError {
    /// A run is to go on with fewer evaluations than it was begun with.
    #[error("the run was begun with {begun} evaluations, and cannot go on with {asked}")]
    Fewer {
        /// How many it was begun with.
        begun: usize,
        /// How many are asked for.
        asked: usize,
    },
    /// Something asked it to stop; all that was measured is in the journal.
    #[error("stopped")]
    Interrupted(#[source] Interrupted),
    /// A model or a text cannot be read, or a candidate cannot be measured.
    #[error(transparent)]
    Trial(Box<TrialError>),
    /// A control cannot run.
    #[error(transparent)]
    Control(BaselineError),
    /// There is no such search space.
    #[error(transparent)]
    Space(#[from] SpaceError),
    /// No formula has a value on the model.
    #[error("the control `evolution` cannot run here: no formula has a value on the model")]
    NoFormula,
    /// The metric's scores depend on what a unit is, and weights are ranked once for all candidates.
    #[error(
        "the metric compares weights within a unit, so blocks and projections would be pruned by different scores"
    )]
    MetricOfUnits,
    /// The run's folder exists already.
    #[error("{} exists already", folder.display())]
    Exists {
        /// The folder.
        folder: PathBuf,
    },
    /// A folder is not a run's.
    #[error("{} is not a search's folder: it has no readable {file} ({problem})", folder.display())]
    NotARun {
        /// The folder.
        folder: PathBuf,
        /// The file that is missing or cannot be understood.
        file: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// Losses would be measured with something else than when the run began.
    #[error("{} began with something else: {difference}", folder.display())]
    Changed {
        /// The run's folder.
        folder: PathBuf,
        /// What differs.
        difference: Box<Difference>,
    },
    /// An enumeration has too many formulas.
    #[error("there are more than {most} formulas")]
    TooMany {
        /// How many there may be.
        most: usize,
    },
}

impl From<TrialError> for SearchError {
    fn from(error: TrialError) -> Self {
        match error {
            TrialError::Interrupted(cause) => Self::Interrupted(cause),
            error => Self::Trial(Box::new(error)),
        }
    }
}

impl From<BaselineError> for SearchError {
    fn from(error: BaselineError) -> Self {
        match error {
            BaselineError::Trial(error) => (*error).into(),
            error => Self::Control(error),
        }
    }
}

impl From<ModelError> for SearchError {
    fn from(error: ModelError) -> Self {
        TrialError::from(error).into()
    }
}
