//! Links from a unit's coordinate to its ratio: the ratio itself, its logit, or a threshold of its scores.

use super::error::DescentError;
use super::rule::Rule;
use crate::allocate::{Bounds, Proposal, budget};
use crate::lang::program::Metric;
use crate::lang::types::UnitKind;
use crate::prune::{Method, dense_scores};
use crate::trial::error::TrialError;
use crate::trial::subject::Subject;

/// How coordinates map to ratios.
#[derive(Clone, Debug)]
pub enum Link {
    /// Coordinates are ratios, shifted and clamped.
    Ratio,
    /// Coordinates are logits of ratios.
    Logit,
    /// Coordinates are logarithms of thresholds; holds, for each unit, the logarithms of its scores at evenly
    /// spaced ratios, ascending.
    Scores(Vec<Vec<f64>>),
}

/// The number of scores that represent each linear.
const SCORES: usize = 4096;

/// The number of bisections when searching the shift.
const HALVINGS: usize = 200;

impl Link {
    /// Returns the link of a rule; `units` holds the linears of each unit.
    ///
    /// # Errors
    /// When the weights cannot be scored.
    pub fn new(
        rule: Rule,
        subject: &Subject,
        metric: &Metric,
        units: &[Vec<usize>],
    ) -> Result<Self, DescentError> {
        Ok(match rule {
            Rule::Shift | Rule::LogShift | Rule::Secant => Self::Ratio,
            Rule::Logits => Self::Logit,
            Rule::Multipliers => Self::Scores(log_scores(subject, metric, units)?),
        })
    }

    /// Returns a unit's coordinate at a ratio.
    pub fn coordinate(&self, unit: usize, ratio: f64) -> f64 {
        match self {
            Self::Ratio => ratio,
            Self::Logit => {
                let inside = ratio.clamp(1e-6, 1.0 - 1e-6);
                (inside / (1.0 - inside)).ln()
            }
            Self::Scores(scores) => {
                let scores = &scores[unit];
                let place = ratio.clamp(0.0, 1.0) * (scores.len() - 1) as f64;
                let (below, part) = (place.floor() as usize, place.fract());
                let above = scores[(below + 1).min(scores.len() - 1)];
                scores[below] + part * (above - scores[below])
            }
        }
    }

    /// Returns the ratios at some coordinates, moved onto the budget by a common addend to all coordinates.
    ///
    /// # Errors
    /// As [`budget()`].
    pub fn ratios(
        &self,
        coordinates: &[f64],
        parameters: &[u64],
        target: f64,
        bounds: Bounds,
    ) -> Result<Vec<f64>, DescentError> {
        let at = |shift: f64| -> Vec<f64> {
            let ratio = |(unit, coordinate): (usize, &f64)| self.ratio(unit, coordinate + shift);
            coordinates.iter().enumerate().map(ratio).collect()
        };
        let proposal = match self {
            Self::Ratio => coordinates.to_vec(),
            Self::Logit | Self::Scores(_) => {
                let all = parameters.iter().map(|it| *it as f64).sum::<f64>();
                let mean = |shift: f64| {
                    let clamped = at(shift).into_iter().map(|it| it.clamp(bounds.lower(), bounds.upper()));
                    clamped.zip(parameters).map(|(ratio, size)| ratio * *size as f64).sum::<f64>() / all
                };
                let (mut low, mut high) = (-100.0, 100.0);
                for _ in 0..HALVINGS {
                    let middle = 0.5 * (low + high);
                    if mean(middle) < target {
                        low = middle;
                    } else {
                        high = middle;
                    }
                }
                at(high)
            }
        };
        Ok(budget(&Proposal::Sparsity(proposal), parameters, target, bounds)?)
    }

    fn ratio(&self, unit: usize, coordinate: f64) -> f64 {
        match self {
            Self::Ratio => coordinate,
            Self::Logit => 1.0 / (1.0 + (-coordinate).exp()),
            Self::Scores(scores) => {
                let scores = &scores[unit];
                let above = scores.partition_point(|it| *it <= coordinate);
                let last = scores.len() - 1;
                match above {
                    0 => 0.0,
                    _ if above > last => 1.0,
                    above => {
                        let (low, high) = (scores[above - 1], scores[above]);
                        ((above - 1) as f64 + (coordinate - low) / (high - low)) / last as f64
                    }
                }
            }
        }
    }
}

/// Returns the logarithms of each unit's scores at evenly spaced ratios.
fn log_scores(
    subject: &Subject,
    metric: &Metric,
    units: &[Vec<usize>],
) -> Result<Vec<Vec<f64>>, DescentError> {
    let mut of_linears: Vec<Vec<f32>> = vec![Vec::new(); subject.checkpoint().linears().len()];
    let method = Method::Metric(metric.clone());
    let (checkpoint, statistics) = (subject.checkpoint(), subject.statistics());
    dense_scores(checkpoint, statistics, &method, UnitKind::default(), 0.5, |place, mut scores| {
        scores.sort_by(f32::total_cmp);
        let last = scores.len().saturating_sub(1);
        let kept = SCORES.min(scores.len());
        let picked = (0..kept).map(|at| scores[at * last / (kept - 1).max(1)]);
        if let Some(of_linear) = of_linears.get_mut(place) {
            *of_linear = picked.collect();
        }
        Ok::<(), TrialError>(())
    })?;
    Ok(units
        .iter()
        .map(|linears| {
            let mut all: Vec<f64> =
                linears.iter().flat_map(|place| &of_linears[*place]).map(|it| f64::from(*it)).collect();
            all.sort_by(f64::total_cmp);
            let least = all.iter().copied().find(|it| *it > 0.0).unwrap_or(1.0);
            all.iter().map(|it| it.max(0.5 * least).ln()).collect()
        })
        .collect())
}
