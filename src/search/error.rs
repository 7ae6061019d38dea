//! Errors of a search.

use std::ops::Range;
use std::path::PathBuf;

use thiserror::Error;

use super::searcher::Searcher;
use super::space::SpaceError;
use super::teacher_error::TeacherError;
use crate::baselines::error::BaselineError;
use crate::interrupt::Interrupted;
use crate::model::{Difference, ModelError};
use crate::trial::error::TrialError;

/// The reason why the search refuses losses.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TellError {
    /// No candidate has this number.
    #[error("no candidate has the number {number}; the search has asked for {asked} so far, counted from 0")]
    Unknown {
        /// The number.
        number: usize,
        /// How many candidates were asked for.
        asked: usize,
    },
    /// These windows were not asked for.
    #[error(
        "candidate {number} is not waiting for windows {} to {}: their losses were told before or never asked for",
        windows.start, windows.end
    )]
    NotAsked {
        /// The number.
        number: usize,
        /// The windows that were told.
        windows: Range<usize>,
    },
    /// The number of losses does not match the targets and windows.
    #[error("candidate {number} needs {windows} losses for each of {targets} targets, and was told {told:?}")]
    Count {
        /// The number.
        number: usize,
        /// How many windows were asked for.
        windows: usize,
        /// How many targets there are.
        targets: usize,
        /// How many losses were told for each target.
        told: Vec<usize>,
    },
}

/// The reason why a search stops.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SearchError {
    /// A run is resumed with fewer evaluations than it was started with.
    #[error("the run was started with {begun} evaluations and cannot be resumed with {asked}")]
    Fewer {
        /// How many it was started with.
        begun: usize,
        /// How many are asked for.
        asked: usize,
    },
    /// The search was interrupted; all measurements are in the journal.
    #[error("stopped")]
    Interrupted(#[source] Interrupted),
    /// A model or a text cannot be read, or a candidate cannot be measured.
    #[error(transparent)]
    Trial(Box<TrialError>),
    /// The search refuses the losses that it was told.
    #[error(transparent)]
    Told(#[from] TellError),
    /// A control cannot run.
    #[error(transparent)]
    Control(BaselineError),
    /// A control reads gradients or activations on the fitness text, but the search measures tasks.
    #[error(
        "the control `{control}` needs gradients or activations on a text, but the search measures tasks"
    )]
    NotByTasks {
        /// The control.
        control: Searcher,
    },
    /// The statistics lack the marginals of a sparsity at which functions must be reported.
    #[error(
        "the statistics hold no marginals at a sparsity of {sparsity}, which functions with `marginal` need there"
    )]
    NoMarginals {
        /// The sparsity.
        sparsity: f64,
    },
    /// The search cannot learn from a descent.
    #[error(transparent)]
    Teacher(Box<TeacherError>),
    /// The search space is invalid.
    #[error(transparent)]
    Space(#[from] SpaceError),
    /// No formula has a value on the model.
    #[error("the control `evolution` cannot run here: no formula has a value on the model")]
    NoFormula,
    /// The metric's scores depend on the unit, but weights are ranked once for all candidates.
    #[error(
        "the metric compares weights within a unit, so blocks and projections would be pruned by different scores"
    )]
    MetricOfUnits,
    /// The run's folder already exists.
    #[error("{} already exists", folder.display())]
    Exists {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder does not belong to a run.
    #[error("{} is not a search's folder: it has no readable {file} ({problem})", folder.display())]
    NotARun {
        /// The folder.
        folder: PathBuf,
        /// The file that is missing or cannot be parsed.
        file: &'static str,
        /// The problem with it.
        problem: String,
    },
    /// The inputs of the losses differ from those that the run was started with.
    #[error("{} was started with other inputs: {difference}", folder.display())]
    Changed {
        /// The run's folder.
        folder: PathBuf,
        /// The difference.
        difference: Box<Difference>,
    },
    /// An enumeration has too many formulas.
    #[error("the space has more than {most} formulas")]
    TooMany {
        /// How many are allowed.
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

impl From<TeacherError> for SearchError {
    fn from(error: TeacherError) -> Self {
        Self::Teacher(Box::new(error))
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
