//! Errors of a descent.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

use super::rule::Rule;
use crate::allocate::AllocationError;
use crate::interrupt::Interrupted;
use crate::model::{Difference, ModelError};
use crate::trial::error::TrialError;

/// The reason why a descent fails.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DescentError {
    /// The descent was interrupted; every finished step is in the journal.
    #[error("stopped")]
    Interrupted(#[from] Interrupted),
    /// A model cannot be read or measured.
    #[error(transparent)]
    Trial(Box<TrialError>),
    /// The settings ask for something that a descent does not support.
    #[error("a descent cannot run here: {0}")]
    Refused(Refusal),
    /// The marginals of a unit are not finite numbers.
    #[error("the marginal damage of {unit} is {value} at a sparsity of {target}, in step {step}")]
    NotFinite {
        /// The unit.
        unit: String,
        /// The value of the marginal.
        value: f64,
        /// The target sparsity.
        target: f64,
        /// The step, counted from 1.
        step: usize,
    },
    /// The folder holds a descent with other inputs.
    #[error("{} holds another descent: {difference}", folder.display())]
    Other {
        /// The folder.
        folder: PathBuf,
        /// The difference.
        difference: Box<Difference>,
    },
    /// The folder holds something other than a descent.
    #[error("{} holds something other than a descent", folder.display())]
    NotADescent {
        /// The folder.
        folder: PathBuf,
    },
}

/// A setting that a descent does not support.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Refusal {
    /// Several targets at once.
    SeveralTargets,
    /// A pattern, which has no threshold that moves by one weight.
    Pattern,
    /// Ratios of rows with a metric that compares weights over whole matrices.
    Rows,
    /// The rows' cap is below the target.
    Cap {
        /// The highest ratio of a row.
        cap: f64,
        /// The target.
        target: f64,
    },
    /// Ratios of rows with a rule that only moves whole units.
    RowRule(Rule),
    /// No fitness text is given.
    NoFitnessText,
    /// No steps, or steps without windows.
    NoSteps,
    /// A target that prunes nothing or everything.
    Target(f64),
    /// A setting outside its range.
    Number(&'static str, f64),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SeveralTargets => f.write_str("it takes one target at a time, but several are given"),
            Self::Pattern => {
                f.write_str("it moves thresholds by single weights, but a pattern has no thresholds")
            }
            Self::Rows => f.write_str(
                "the metric compares weights over whole matrices, so rows have no thresholds of their own",
            ),
            Self::Cap { cap, target } => {
                write!(f, "no row may lose more than {cap}, but all rows together have to lose {target}")
            }
            Self::RowRule(rule) => write!(f, "the rule `{rule}` moves blocks and projections, not rows"),
            Self::NoFitnessText => f.write_str("there is no fitness text"),
            Self::NoSteps => f.write_str("it needs at least one step with one window"),
            Self::Target(target) => write!(f, "a sparsity of {target} leaves nothing to share out"),
            Self::Number(name, value) => write!(f, "{name} is {value}"),
        }
    }
}

impl From<TrialError> for DescentError {
    fn from(error: TrialError) -> Self {
        match error {
            TrialError::Interrupted(cause) => Self::Interrupted(cause),
            error => Self::Trial(Box::new(error)),
        }
    }
}

impl From<ModelError> for DescentError {
    fn from(error: ModelError) -> Self {
        TrialError::from(error).into()
    }
}

impl From<AllocationError> for DescentError {
    fn from(error: AllocationError) -> Self {
        TrialError::from(error).into()
    }
}
