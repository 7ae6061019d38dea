//! Errors of a program that allocates.

use std::fmt;

use thiserror::Error;

use crate::allocate::AllocationError;
use crate::descent::error::{DescentError, Refusal};
use crate::model::ModelError;
use crate::trial::error::TrialError;

/// The reason why a program finds no allocation.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BaselineError {
    /// A model cannot be read or measured, or the work was interrupted.
    #[error(transparent)]
    Trial(Box<TrialError>),
    /// The descent failed.
    #[error(transparent)]
    Descent(Box<DescentError>),
    /// The settings do not fit the program.
    #[error("the control `{control}` cannot run here: {obstacle}")]
    Control {
        /// Name of the program or its family in commands.
        control: &'static str,
        /// The reason why it cannot run.
        obstacle: Obstacle,
    },
}

impl BaselineError {
    /// Returns the error of a program, by its name, whose result belongs to one target of several.
    pub const fn several_targets(control: &'static str) -> Self {
        Self::Control { control, obstacle: Obstacle::SeveralTargets }
    }
}

/// The reason why a program cannot run.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Obstacle {
    /// There are several targets, but its result belongs to one of them.
    SeveralTargets,
    /// A pattern is requested, which the program does not support.
    Pattern,
    /// A target prunes nothing or everything.
    Target(f64),
    /// The metric compares weights over whole matrices, but the program moves thresholds of rows.
    Matrix,
    /// It reads the fitness text, but none is given.
    NoFitnessText,
    /// No ramp leaves activations that can be compared.
    NoActivations,
    /// The language cannot build its formula, which is a bug in this program.
    NoFormula,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Target(sparsity) => {
                return write!(f, "a sparsity of {sparsity} leaves nothing to share out");
            }
            Self::SeveralTargets => {
                "its result belongs to one model at one sparsity, but there are several settings"
            }
            Self::Pattern => "it does not support patterns",
            Self::Matrix => {
                "the metric compares weights over whole matrices, so rows have no thresholds of their own"
            }
            Self::NoFitnessText => "there is no fitness text",
            Self::NoActivations => "no ramp leaves any activations",
            Self::NoFormula => "the language has no such ramp",
        })
    }
}

impl From<DescentError> for BaselineError {
    fn from(error: DescentError) -> Self {
        const CONTROL: &str = "descent";
        match error {
            DescentError::Interrupted(cause) => TrialError::Interrupted(cause).into(),
            DescentError::Trial(cause) => Self::Trial(cause),
            DescentError::Refused(Refusal::SeveralTargets) => {
                Self::Control { control: CONTROL, obstacle: Obstacle::SeveralTargets }
            }
            DescentError::Refused(Refusal::Pattern) => {
                Self::Control { control: CONTROL, obstacle: Obstacle::Pattern }
            }
            error => Self::Descent(Box::new(error)),
        }
    }
}

impl From<TrialError> for BaselineError {
    fn from(error: TrialError) -> Self {
        Self::Trial(Box::new(error))
    }
}

impl From<ModelError> for BaselineError {
    fn from(error: ModelError) -> Self {
        TrialError::from(error).into()
    }
}

impl From<AllocationError> for BaselineError {
    fn from(error: AllocationError) -> Self {
        TrialError::from(error).into()
    }
}
