//! What keeps ratios from descending.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

use super::rule::Rule;
use crate::allocate::AllocationError;
use crate::interrupt::Interrupted;
use crate::model::{Difference, ModelError};
use crate::trial::error::TrialError;

/// Says why there is no descent.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DescentError {
    /// Something asked to stop; every step that was made is in the journal.
    #[error("stopped")]
    Interrupted(#[from] Interrupted),
    /// A model cannot be read or measured.
    #[error(transparent)]
    Trial(Box<TrialError>),
    /// The settings ask for what a descent cannot do.
    #[error("a descent cannot run here: {0}")]
    Refused(Refusal),
    /// The marginals of a unit are not finite numbers.
    #[error("the marginal damage of {unit} is {value} at a sparsity of {target}, in step {step}")]
    NotFinite {
        /// The unit.
        unit: String,
        /// What came out.
        value: f64,
        /// The target sparsity.
        target: f64,
        /// The step, from 1.
        step: usize,
    },
    /// The folder holds a descent that was made with something else.
    #[error("{} holds another descent: {difference}", folder.display())]
    Other {
        /// The folder.
        folder: PathBuf,
        /// What differs.
        difference: Box<Difference>,
    },
    /// The folder holds something that is not a descent.
    #[error("{} holds something other than a descent", folder.display())]
    NotADescent {
        /// The folder.
        folder: PathBuf,
    },
}

/// What a descent cannot do.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Refusal {
    /// There are several targets at once.
    SeveralTargets,
    /// Zeros may stand in some places only, so that there is no threshold that moves by one weight.
    Pattern,
    /// Rows are to get ratios of their own, and the metric compares weights over whole matrices.
    Rows,
    /// No row may lose as much as all of them are to lose on average.
    Cap {
        /// The highest ratio of a row.
        cap: f64,
        /// The target.
        target: f64,
    },
    /// Rows are to get ratios of their own, and a rule needs what is known of whole units only.
    RowRule(Rule),
    /// There is no fitness text.
    NoFitnessText,
    /// There are no steps, or none has a window.
    NoSteps,
    /// A target leaves nothing to share out.
    Target(f64),
    /// A number of the settings is outside its range.
    Number(&'static str, f64),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SeveralTargets => f.write_str("it has one target at a time, and there are several"),
            Self::Pattern => f.write_str("it moves thresholds by single weights, and a pattern has none"),
            Self::Rows => f.write_str(
                "the metric compares weights over whole matrices, so that rows have no thresholds of their own",
            ),
            Self::Cap { cap, target } => {
                write!(f, "no row may lose more than {cap}, and all of them are to lose {target}")
            }
            Self::RowRule(rule) => write!(f, "the rule `{rule}` moves blocks and projections, and no rows"),
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
