//! The statistics that scripts and pruning methods need.

use std::collections::BTreeSet;

use crate::lang::ops::Op;
use crate::lang::program::{Metric, Script};
use crate::lang::types::UnitKind;
use crate::prune::Method;
use crate::trial::settings::TextSettings;

/// The statistics to collect, as a set of terminals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs(BTreeSet<Op>);

impl Needs {
    /// Returns what the ratios of scripts depend on; `metric` defines the score of scripts without their own.
    pub fn of_scripts<'a>(scripts: impl IntoIterator<Item = &'a Script>, metric: &Metric) -> Self {
        let mut needs = Self::default();
        for script in scripts {
            needs.0.extend(Op::COLLECTED.into_iter().filter(|op| script.allocates_by(*op, metric)));
        }
        needs
    }

    /// Returns what a method needs to choose weights.
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

    /// Returns the needs that are not among `others`.
    #[must_use]
    pub fn without(mut self, others: &Self) -> Self {
        self.0.retain(|op| !others.0.contains(op));
        self
    }

    /// Returns the needs beyond the linears' inputs, which pruning collects on its way through the model.
    #[must_use]
    pub fn beyond_inputs(mut self) -> Self {
        self.0.retain(|op| !matches!(*op, Op::InputNorm | Op::HessianDiagonal));
        self
    }

    /// Returns the first need that is measured on pruned models, if there is one.
    pub fn measured(&self) -> Option<Op> {
        Op::MEASURED.into_iter().find(|op| self.has(*op))
    }

    /// Returns the needs other than those measured on pruned models, in a separate pass after all others.
    #[must_use]
    pub fn beyond_measured(mut self) -> Self {
        self.0.retain(|op| !Op::MEASURED.contains(op));
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

    /// Returns whether it is needed how blocks change the residual stream.
    pub fn has_block_changes(&self) -> bool {
        self.has(Op::BlockSimilarity) || self.has(Op::BlockChange)
    }

    /// Adds these needs to the statistics that a trial collects on its calibration text; `units` are those of
    /// the scripts, whose damage is measured.
    pub fn collect_in(&self, texts: &mut TextSettings, units: &[UnitKind]) {
        texts.gradients |= self.has(Op::Gradient);
        texts.reconstruction |= self.has(Op::ReconstructionError);
        texts.input_kurtosis |= self.has(Op::InputKurtosis);
        texts.block_changes |= self.has_block_changes();
        for unit in units.iter().filter(|_| self.has(Op::Damage)) {
            let unit = unit.of_layer();
            if !texts.damages.contains(&unit) {
                texts.damages.push(unit);
            }
        }
        texts.marginals |= self.has(Op::Marginal);
        texts.marginal_slopes |= self.has(Op::MarginalSlope);
    }

    /// Returns the terminals in catalogue order.
    pub fn terminals(&self) -> impl Iterator<Item = Op> + '_ {
        self.0.iter().copied()
    }
}
