//! What keeps a program from allocating.

use std::fmt;

use thiserror::Error;

use crate::allocate::AllocationError;
use crate::descent::error::{DescentError, Refusal};
use crate::model::ModelError;
use crate::trial::error::TrialError;

/// Says why a program gives no allocation.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BaselineError {
    /// A model cannot be read or measured, or something asked to stop.
    #[error(transparent)]
    Trial(Box<TrialError>),
    /// Ratios cannot descend.
    #[error(transparent)]
    Descent(Box<DescentError>),
    /// The program needs what the settings do not have.
    #[error("the control `{control}` cannot run here: {obstacle}")]
    Control {
        /// What commands call the program, or its family.
        control: &'static str,
        /// Why it cannot run.
        obstacle: Obstacle,
    },
}

/// Why a program cannot run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Obstacle {
    /// There are several targets, and its result belongs to one of them.
    SeveralTargets,
    /// A pattern is asked for, and it knows none.
    Pattern,
    /// The metric compares weights over whole matrices, and it moves thresholds of rows.
    Matrix,
    /// It reads the fitness text, and there is none.
    NoFitnessText,
    /// No ramp leaves activations that could be compared.
    NoActivations,
    /// The language cannot build its formula: a mistake in this program.
    NoFormula,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SeveralTargets => {
                "its result belongs to one model at one sparsity, and there are several settings"
            }
            Self::Pattern => "it knows no patterns",
            Self::Matrix => {
                "the metric compares weights over whole matrices, so that rows have no thresholds"
            }
            Self::NoFitnessText => "there is no fitness text",
            Self::NoActivations => "no ramp leaves activations",
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
