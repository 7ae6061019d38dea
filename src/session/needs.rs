//! Which statistics scripts and pruning methods use.

use std::collections::BTreeSet;

use crate::lang::ops::Op;
use crate::lang::program::{Metric, Script};
use crate::prune::Method;
use crate::trial::settings::TextSettings;

/// The statistics that have to be collected: a set of the terminals that stand for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs(BTreeSet<Op>);

impl Needs {
    /// Returns what the ratios of scripts depend on, `metric` being the score of those without one of their own.
    pub fn of_scripts<'a>(scripts: impl IntoIterator<Item = &'a Script>, metric: &Metric) -> Self {
        let mut needs = Self::default();
        for script in scripts {
            needs.0.extend(Op::COLLECTED.into_iter().filter(|op| script.allocates_by(*op, metric)));
        }
        needs
    }

    /// Returns what a method chooses weights by.
    pub fn of_method(method: &Method) -> Self {
        match method {
            Method::Magnitude => Self::default(),
            Method::Wanda | Method::SparseGpt { .. } | Method::Ria { .. } => Self([Op::InputNorm].into()),
            Method::Metric(metric) => {
                Self(Op::COLLECTED.into_iter().filter(|op| metric.score.uses(*op)).collect())
            }
        }
    }

    /// Returns the norms of the linears' inputs.
    pub fn inputs() -> Self {
        Self([Op::InputNorm].into())
    }

    /// Returns the union of both.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Returns those that are not among `others`.
    #[must_use]
    pub fn without(mut self, others: &Self) -> Self {
        self.0.retain(|op| !others.0.contains(op));
        self
    }

    /// Returns what is needed beyond the linears' inputs, which pruning collects on its way through the model.
    #[must_use]
    pub fn beyond_inputs(mut self) -> Self {
        self.0.retain(|op| !matches!(*op, Op::InputNorm | Op::HessianDiagonal));
        self
    }

    /// Returns whether marginals are needed, or their slopes.
    pub fn has_marginals(&self) -> bool {
        self.has(Op::Marginal) || self.has(Op::MarginalSlope)
    }

    /// Returns what is needed beyond marginals, which are measured by a pass of their own once all else was collected.
    #[must_use]
    pub fn beyond_marginals(mut self) -> Self {
        self.0.retain(|op| !matches!(*op, Op::Marginal | Op::MarginalSlope));
        self
    }

    /// Returns whether nothing has to be collected.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether a terminal is among them.
    pub fn has(&self, terminal: Op) -> bool {
        self.0.contains(&terminal)
    }

    /// Returns whether all of `other` are among them.
    pub fn cover(&self, other: &Self) -> bool {
        other.0.is_subset(&self.0)
    }

    /// Has a trial collect these on its calibration text, beside what its settings ask for already.
    pub fn collect_in(&self, texts: &mut TextSettings) {
        texts.gradients |= self.has(Op::Gradient);
        texts.reconstruction |= self.has(Op::ReconstructionError);
        texts.marginals |= self.has(Op::Marginal);
        texts.marginal_slopes |= self.has(Op::MarginalSlope);
    }

    /// Returns the terminals, in the catalogue's order.
    pub fn terminals(&self) -> impl Iterator<Item = Op> + '_ {
        self.0.iter().copied()
    }
}
