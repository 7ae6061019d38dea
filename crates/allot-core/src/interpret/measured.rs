//! Finds the values that terminals measured on pruned models need, and computes those of units with their sampling errors.

use std::borrow::Cow;

use super::context::Context;
use super::units::UnitData;
use crate::data::{LinearData, Marginal};
use crate::lang::canonical;
use crate::lang::ops::Terminal;
use crate::lang::print;
use crate::lang::program::{Expr, Metric, Script};
use crate::lang::types::{Group, UnitKind};

/// Returns a metric's normal form as script text: two metrics with the same formula and group have the same name.
pub fn metric_name(score: &Expr, per: Group) -> String {
    let score = canonical::expr(score).without_spans();
    let script = Script { metric: Some(Metric { per, score }), unit: None, allocation: None };
    print::script(&script).trim_end().to_owned()
}

/// What a terminal needs: what was measured, on models pruned to which sparsity, by which metric.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asked {
    what: What,
    sparsity: f64,
    metric: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Marginal,
    MarginalSlope,
    Damage { of_block: bool },
}

impl Asked {
    /// Returns what a terminal needs; `None` for a terminal that is not measured on pruned models.
    pub(super) fn of(op: Terminal, context: Context<'_>) -> Option<Self> {
        let what = match op {
            Terminal::Marginal => What::Marginal,
            Terminal::MarginalSlope => What::MarginalSlope,
            Terminal::Damage => What::Damage { of_block: context.unit == UnitKind::Block },
            _ => return None,
        };
        Some(Self { what, sparsity: context.target, metric: metric_name(context.metric, context.per) })
    }

    /// Returns a linear's value on each window, `[windows]`, if it was collected.
    pub(super) fn find<'a>(&self, linear: &'a LinearData<'_>) -> Option<Cow<'a, [f64]>> {
        let here = |sparsity: f64, metric: &str| sparsity == self.sparsity && metric == self.metric;
        match self.what {
            What::Damage { of_block } => {
                let mut all = linear.damages.iter();
                let found = all.find(|it| it.of_block == of_block && here(it.sparsity, &it.metric))?;
                Some(Cow::Borrowed(&found.windows))
            }
            What::Marginal => {
                let found = linear.marginals.iter().find(|it| here(it.sparsity, &it.metric))?;
                Some(Cow::Borrowed(&found.windows))
            }
            What::MarginalSlope => {
                let mut all = linear.marginals.iter().filter(|it| here(it.sparsity, &it.metric));
                all.find_map(slopes).map(Cow::Owned)
            }
        }
    }

    /// Describes what is needed, and what a linear has instead.
    pub(super) fn words(&self, linear: &LinearData<'_>) -> [String; 2] {
        let words = |sparsity: f64, metric: &str| format!("sparsity {sparsity} by `{metric}`");
        let of = |of_block: bool| if of_block { "blocks" } else { "projections" };
        let asked = words(self.sparsity, &self.metric);
        let (asked, found): (String, Vec<String>) = match self.what {
            What::Damage { of_block } => {
                let damages = linear.damages.iter();
                let found = damages
                    .map(|it| format!("{} of {}", words(it.sparsity, &it.metric), of(it.of_block)))
                    .collect();
                (format!("{asked} of {}", of(of_block)), found)
            }
            What::Marginal | What::MarginalSlope => {
                let found = linear.marginals.iter().map(|it| words(it.sparsity, &it.metric)).collect();
                let slopes = if self.what == What::MarginalSlope { ", with slopes" } else { "" };
                (format!("{asked}{slopes}"), found)
            }
        };
        [asked, found.join(", ")]
    }

    /// Returns the value for a unit on each window; empty if it was not collected.
    ///
    /// Marginals are means over the unit's linears, weighted by size. The damage of a block is the same for all its linears.
    fn windows(&self, context: Context<'_>, unit: &UnitData) -> Vec<f64> {
        let mut linears = unit.linears.iter().map(|linear| &context.model.linears[*linear]);
        if let What::Damage { .. } = self.what {
            return linears.next().and_then(|linear| self.find(linear)).unwrap_or_default().into_owned();
        }
        let mut sums: Vec<f64> = Vec::new();
        let mut all = 0.0;
        for linear in linears {
            let Some(own) = self.find(linear) else { return Vec::new() };
            let weights = (linear.rows * linear.columns) as f64;
            sums.resize(sums.len().max(own.len()), 0.0);
            sums.iter_mut().zip(own.iter()).for_each(|(sum, value)| *sum += weights * value);
            all += weights;
        }
        sums.into_iter().map(|sum| sum / all).collect()
    }
}

/// Returns a marginal's slope on each window, `[windows]`, if it was measured at a higher sparsity too.
fn slopes(found: &Marginal<'_>) -> Option<Vec<f64>> {
    let (sparsity, beyond) = found.beyond.as_ref()?;
    let step = sparsity - found.sparsity;
    let pairs = found.windows.iter().zip(beyond.iter());
    Some(pairs.map(|(here, beyond)| (beyond - here) / step).collect())
}

/// Returns a unit's value: the mean over windows.
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
