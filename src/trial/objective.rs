//! The objective: one number per candidate, computed from its losses, which the search minimises.
//!
//! At several targets it is the mean of log(loss / loss of uniform sparsity). Losses grow by orders of
//! magnitude with the sparsity, so their mean would be that of the highest target. In the mean of logarithms,
//! a tenth less of the loss counts the same at every target.

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
    /// Whether a value is the mean logarithm of the losses divided by uniform's.
    relative: bool,
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
        let relative = uniform.len() > 1;
        Ok(Self { measure, uniform, relative })
    }

    /// Returns the loss of uniform sparsity at each target.
    pub fn uniform(&self) -> &[f64] {
        &self.uniform
    }

    /// Returns the objective at one of the targets, with values in the unit of all of them together.
    #[must_use]
    pub fn at(&self, place: usize) -> Self {
        Self { uniform: self.uniform.get(place).copied().into_iter().collect(), ..self.clone() }
    }

    /// Returns the unit of values: uniform's loss at one target, or 1 for the logarithms at several.
    pub fn unit(&self) -> f64 {
        match self.uniform[..] {
            [one] if !self.relative => one,
            _ => 1.0,
        }
    }

    /// Returns the value of losses over the first `windows` windows; infinite if the result is NaN.
    pub fn value(&self, losses: &Losses, windows: usize) -> f64 {
        let mean = |of_target: &Vec<_>| {
            of_target.iter().take(windows).map(|it| self.measure.of(it)).sum::<f64>() / windows.max(1) as f64
        };
        let value = match losses.as_slice() {
            [one] if !self.relative => mean(one),
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

    /// Returns the logarithm of a value relative to uniform sparsity: 0 for uniform sparsity itself, infinite if
    /// pruning destroyed the model.
    pub fn logarithm(&self, value: f64) -> f64 {
        if self.relative { value } else { (value / self.unit()).ln() }
    }

    /// Returns how much worse one allocation is than another on each of the first `windows` windows, in units
    /// of uniform's loss at one target. At several, the sum over targets of the difference divided by the
    /// reference's mean loss on these windows: the first-order change of the sum of logarithms.
    pub fn differences(&self, losses: &Losses, reference: &Losses, windows: usize) -> Vec<f64> {
        let mean = |of_target: &Vec<_>| {
            of_target.iter().take(windows).map(|it| self.measure.of(it)).sum::<f64>() / windows.max(1) as f64
        };
        let unit = |(reference, uniform): (&Vec<_>, &f64)| match mean(reference) {
            own if self.relative && own.is_finite() && own > 0.0 => own,
            _ => *uniform,
        };
        let units: Vec<f64> = reference.iter().zip(&self.uniform).map(unit).collect();
        let at = |window: usize| {
            let of_target = |((own, other), unit): ((&Vec<_>, &Vec<_>), &f64)| {
                (self.measure.of(&own[window]) - self.measure.of(&other[window])) / unit
            };
            losses.iter().zip(reference).zip(&units).map(of_target).sum::<f64>()
        };
        (0..windows).map(at).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::WindowLoss;

    fn losses(of_targets: &[&[f64]]) -> Losses {
        let windows =
            |of_target: &&[f64]| of_target.iter().map(|kl| WindowLoss { kl: *kl, nll: *kl }).collect();
        of_targets.iter().map(windows).collect()
    }

    #[test]
    fn no_target_dominates() {
        let objective = Objective { measure: Measure::Kl, uniform: vec![0.01, 10.0], relative: true };
        let reference = losses(&[&[0.01, 0.01], &[10.0, 10.0]]);
        // A tenth less counts the same at the target with a thousandth of the loss.
        let [low, high] = [losses(&[&[0.009, 0.009], &[10.0, 10.0]]), losses(&[&[0.01, 0.01], &[9.0, 9.0]])];
        let tenth = 0.9f64.ln() / 2.0;
        for better in [&low, &high] {
            assert!((objective.value(better, 2) - tenth).abs() < 1e-12);
            assert!((objective.differences(better, &reference, 2)[1] + 0.1).abs() < 1e-12);
        }
        // A tenth of what is left counts the same, too, wherever the reference is better than uniform.
        let reference = losses(&[&[0.01, 0.01], &[1.0, 1.0]]);
        let worse = [losses(&[&[0.011, 0.011], &[1.0, 1.0]]), losses(&[&[0.01, 0.01], &[1.1, 1.1]])];
        for worse in &worse {
            assert!((objective.differences(worse, &reference, 2)[0] - 0.1).abs() < 1e-12);
        }
        let alone = objective.at(1);
        assert!((alone.value(&losses(&[&[9.0, 9.0]]), 2) - 0.9f64.ln()).abs() < 1e-12);
        assert!((alone.unit() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn one_target_has_plain_losses() {
        let objective = Objective { measure: Measure::Kl, uniform: vec![2.0], relative: false };
        assert!((objective.value(&losses(&[&[1.0, 3.0]]), 2) - 2.0).abs() < 1e-12);
        let differences = objective.differences(&losses(&[&[1.0, 3.0]]), &losses(&[&[0.5, 0.5]]), 2);
        assert_eq!(differences, [0.25, 1.25]);
    }

    #[test]
    fn the_logarithm_is_relative_to_uniform_at_one_target_and_at_several() {
        let one = Objective { measure: Measure::Kl, uniform: vec![2.0], relative: false };
        assert_eq!([2.0, 1.0, f64::INFINITY].map(|it| one.logarithm(it)), [0.0, 0.5f64.ln(), f64::INFINITY]);
        let several = Objective { measure: Measure::Kl, uniform: vec![2.0, 4.0], relative: true };
        let halved = several.value(&losses(&[&[1.0], &[2.0]]), 1);
        assert!((several.logarithm(halved) - 0.5f64.ln()).abs() < 1e-12);
    }
}
