//! Finds the marginals that a script needs, and computes those of units with their sampling errors.

use std::borrow::Cow;

use super::context::Context;
use super::units::UnitData;
use crate::data::{LinearData, Marginal};
use crate::lang::canonical;
use crate::lang::ops::Terminal;
use crate::lang::print;
use crate::lang::program::{Expr, Metric, Script};
use crate::lang::types::Group;

/// Returns a metric's normal form as script text: two metrics with the same formula and group have the same name.
pub fn metric_name(score: &Expr, per: Group) -> String {
    let score = canonical::expr(score).without_spans();
    let script = Script { metric: Some(Metric { per, score }), unit: None, allocation: None };
    print::script(&script).trim_end().to_owned()
}

/// The marginals that a terminal needs: their sparsity, their metric, and whether their slope is needed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asked {
    sparsity: f64,
    metric: String,
    slope: bool,
}

impl Asked {
    /// Returns what a terminal needs; `None` for a terminal other than the marginals.
    pub(super) fn of(op: Terminal, context: Context<'_>) -> Option<Self> {
        let slope = match op {
            Terminal::Marginal => false,
            Terminal::MarginalSlope => true,
            _ => return None,
        };
        Some(Self { sparsity: context.target, metric: metric_name(context.metric, context.per), slope })
    }

    /// Returns the marginal of a linear that is needed, if it was collected.
    pub(super) fn find<'a>(&self, linear: &'a LinearData<'_>) -> Option<&'a Marginal<'a>> {
        let fits = |it: &&Marginal<'_>| {
            it.sparsity == self.sparsity && it.metric == self.metric && (!self.slope || it.beyond.is_some())
        };
        linear.marginals.iter().find(fits)
    }

    /// Describes what is needed, and what a linear has instead.
    pub(super) fn words(&self, linear: &LinearData<'_>) -> [String; 2] {
        let words = |sparsity: f64, metric: &str| format!("sparsity {sparsity} by `{metric}`");
        let found: Vec<String> = linear.marginals.iter().map(|it| words(it.sparsity, &it.metric)).collect();
        let slopes = |words: String| if self.slope { format!("{words}, with slopes") } else { words };
        [slopes(words(self.sparsity, &self.metric)), found.join(", ")]
    }

    /// Returns the value for a unit on each window: the mean over its linears, weighted by size; empty if it was not collected.
    fn windows(&self, context: Context<'_>, unit: &UnitData) -> Vec<f64> {
        let linears = unit.linears.iter().map(|linear| &context.model.linears[*linear]);
        let mut sums: Vec<f64> = Vec::new();
        let mut all = 0.0;
        for linear in linears {
            let Some(found) = self.find(linear) else { return Vec::new() };
            let weights = (linear.rows * linear.columns) as f64;
            let own = self.of_linear(found);
            sums.resize(sums.len().max(own.len()), 0.0);
            sums.iter_mut().zip(own.iter()).for_each(|(sum, value)| *sum += weights * value);
            all += weights;
        }
        sums.into_iter().map(|sum| sum / all).collect()
    }

    fn of_linear<'a>(&self, found: &'a Marginal<'_>) -> Cow<'a, [f64]> {
        match (&found.beyond, self.slope) {
            (Some((sparsity, beyond)), true) => {
                let step = sparsity - found.sparsity;
                let pairs = found.windows.iter().zip(beyond.iter());
                pairs.map(|(here, beyond)| (beyond - here) / step).collect()
            }
            _ => Cow::Borrowed(&found.windows),
        }
    }
}

/// Returns a unit's marginal, or its slope, in nats for each weight.
pub(super) fn value(op: Terminal, context: Context<'_>, unit: &UnitData) -> f64 {
    let windows = Asked::of(op, context).map_or_else(Vec::new, |asked| asked.windows(context, unit));
    windows.iter().sum::<f64>() / windows.len() as f64
}

/// Returns the standard error of a unit's value over windows; infinite for a single window.
pub(super) fn error(op: Terminal, context: Context<'_>, unit: &UnitData) -> f64 {
    let windows = Asked::of(op, context).map_or_else(Vec::new, |asked| asked.windows(context, unit));
    let n = windows.len() as f64;
    if windows.len() < 2 {
        return f64::INFINITY;
    }
    let mean = windows.iter().sum::<f64>() / n;
    (windows.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / (n - 1.0) / n).sqrt()
}
