//! What can keep a search from going on.

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

/// Says why losses cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TellError {
    /// No candidate has that number.
    #[error("no candidate has the number {number}; the search has asked for {asked} so far, from 0")]
    Unknown {
        /// The number.
        number: usize,
        /// How many there are.
        asked: usize,
    },
    /// The windows are not those that were asked for.
    #[error(
        "candidate {number} is not waiting for windows {} to {}: they were told before, or never asked for",
        windows.start, windows.end
    )]
    NotAsked {
        /// The number.
        number: usize,
        /// The windows that were told.
        windows: Range<usize>,
    },
    /// The losses are not one for each target and window.
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
    /// Losses were told that the search cannot take.
    #[error(transparent)]
    Told(#[from] TellError),
    /// A control cannot run.
    #[error(transparent)]
    Control(BaselineError),
    /// A control goes by gradients or activations on the fitness text, and tasks are what counts.
    #[error("the control `{control}` goes by gradients or activations on a text, and the search by tasks")]
    NotByTasks {
        /// The control.
        control: Searcher,
    },
    /// The search cannot learn from a descent.
    #[error(transparent)]
    Teacher(Box<TeacherError>),
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
