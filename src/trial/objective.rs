//! The objective: one number per candidate, computed from its losses, which the search minimises.

use super::error::TrialError;
use super::evaluator::{Evaluation, Evaluator};
use super::loss::{Losses, Measure};
use super::store::Store;
use super::text::Split;
use crate::lang::published;

/// Turns losses into one number: at one target their mean; at several, the mean over targets of the logarithm
/// of the loss divided by uniform sparsity's.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    measure: Measure,
    uniform: Vec<f64>,
}

impl Objective {
    /// Measures uniform sparsity at each target, on the whole fitness text.
    ///
    /// # Errors
    /// When its loss is too small or too large to tell candidates apart; otherwise as [`Evaluator::measure`].
    pub fn new(evaluator: &Evaluator, store: &mut dyn Store) -> Result<Self, TrialError> {
        const NAME: &str = "uniform";
        let script = published::script(NAME).ok_or(TrialError::NotPublished { name: NAME })?;
        let allotted: Vec<_> = evaluator.allot(&[&script])?.into_iter().collect::<Result<_, _>>()?;
        let windows = evaluator.windows(Split::Fitness);
        let evaluations: Vec<Evaluation<'_>> = allotted
            .iter()
            .map(|allotted| Evaluation { allotted, split: Split::Fitness, windows: 0..windows })
            .collect();
        let losses = evaluator.measure(&evaluations, store)?.pop().unwrap_or_default();
        let measure = evaluator.measure;
        let mut uniform = Vec::with_capacity(losses.len());
        for (target, losses) in evaluator.targets.iter().zip(&losses) {
            let sum = losses.iter().map(|it| measure.of(it)).sum::<f64>();
            let loss = sum / losses.len().max(1) as f64;
            let flat = measure == Measure::Kl && loss <= 1e-9;
            if !loss.is_finite() || flat {
                return Err(TrialError::Degenerate { target: target.sparsity, loss });
            }
            uniform.push(loss);
        }
        Ok(Self { measure, uniform })
    }

    /// Returns the loss of uniform sparsity at each target.
    pub fn uniform(&self) -> &[f64] {
        &self.uniform
    }

    /// Returns the unit of values: uniform's loss at one target, or 1 for the logarithms at several.
    pub fn unit(&self) -> f64 {
        match self.uniform[..] {
            [one] => one,
            _ => 1.0,
        }
    }

    /// Returns the value of losses over the first `windows` windows; infinite if the result is NaN.
    pub fn value(&self, losses: &Losses, windows: usize) -> f64 {
        let mean = |of_target: &Vec<_>| {
            of_target.iter().take(windows).map(|it| self.measure.of(it)).sum::<f64>() / windows.max(1) as f64
        };
        let value = match losses.as_slice() {
            [one] => mean(one),
            several => {
                let relative = several
                    .iter()
                    .zip(&self.uniform)
                    .map(|(of_target, uniform)| (mean(of_target) / uniform).ln());
                relative.sum::<f64>() / several.len().max(1) as f64
            }
        };
        // NaN means that pruning destroyed the model, which is the worst case.
        if value.is_nan() { f64::INFINITY } else { value }
    }

    /// Returns how much worse one allocation is than another on each of the first `windows` windows, in units
    /// of uniform's loss.
    pub fn differences(&self, losses: &Losses, reference: &Losses, windows: usize) -> Vec<f64> {
        let at = |window: usize| {
            let of_target = |((own, other), uniform): ((&Vec<_>, &Vec<_>), &f64)| {
                (self.measure.of(&own[window]) - self.measure.of(&other[window])) / uniform
            };
            losses.iter().zip(reference).zip(&self.uniform).map(of_target).sum::<f64>()
        };
        (0..windows).map(at).collect()
    }
}
