//! The user's choices for pruning.

use std::sync::atomic::AtomicBool;

use super::error::PruneError;
use super::method::{InputNeeds, Method, Propagation, across_units};
use super::pattern::{Pattern, Rounding};
use crate::allocate::script::Outcome;
use crate::interrupt;
use crate::lang::types::UnitKind;
use crate::stats::{Statistics, Tokens};

/// How a model is pruned; the allocation decides how much of each linear.
#[derive(Clone, Debug)]
pub struct PruneOptions<'a> {
    /// How weights are chosen.
    pub method: Method,
    /// Where zeros may stand.
    pub pattern: Pattern,
    /// How ratios become numbers of weights.
    pub rounding: Rounding,
    /// Whether later blocks see the effect of pruning earlier ones; has no effect without tokens.
    pub propagation: Propagation,
    /// The unit that a metric's reductions reduce.
    pub unit: UnitKind,
    /// The tokens that the model reads to collect statistics on the way.
    pub tokens: Option<&'a Tokens>,
    /// Dense statistics: of inputs if there are no tokens, and gradients for metrics that use them.
    pub statistics: Option<&'a Statistics>,
    /// The seed that chose the tokens, for the report.
    pub seed: Option<u64>,
    /// Bytes that the work may take before hidden states go to a scratch file; `None` for all free memory.
    pub memory: Option<u64>,
    /// Set by another thread or a signal to stop at the next linear or file and leave nothing behind.
    pub interrupt: Option<&'a AtomicBool>,
}

impl PruneOptions<'_> {
    /// Returns a method's options with the published defaults, without any calibration.
    pub fn new(method: Method) -> Self {
        Self {
            method,
            pattern: Pattern::default(),
            rounding: Rounding::default(),
            propagation: Propagation::default(),
            unit: UnitKind::default(),
            tokens: None,
            statistics: None,
            seed: None,
            memory: None,
            interrupt: None,
        }
    }

    /// Returns a method's options for the ratios of a script, whose unit a metric's reductions reduce.
    pub fn of(method: Method, outcome: &Outcome) -> Self {
        Self { unit: outcome.unit, ..Self::new(method) }
    }

    /// Fails if the work was asked to stop.
    pub(super) fn go_on(&self) -> Result<(), PruneError> {
        Ok(interrupt::check(self.interrupt)?)
    }

    /// Returns whether hidden states have to pass through the model.
    pub(super) fn runs_model(&self) -> bool {
        self.tokens.is_some() && self.method.needs() != InputNeeds::Weights
    }

    /// Refuses impossible options before any work.
    pub(super) fn check(&self) -> Result<(), PruneError> {
        let method = || self.method.kind();
        match (self.method.needs(), self.tokens, self.statistics) {
            (InputNeeds::Hessian, None, _) => Err(PruneError::NeedsTokens { method: method() }),
            (InputNeeds::Moments, None, None) => Err(PruneError::NeedsActivations { method: method() }),
            _ => self.check_metric(),
        }
    }

    fn check_metric(&self) -> Result<(), PruneError> {
        let Method::Metric(metric) = &self.method else {
            return Ok(());
        };
        match across_units(&metric.score) {
            Some(op) if self.runs_model() => Err(PruneError::AcrossUnits { operator: op.name() }),
            _ => Ok(()),
        }
    }
}
