//! Telling signal from rounding: importances that differ by no more than noise say nothing.
//!
//! The layer stage runs also on a few copies in which every reduction's result is moved by a millionth of the mean
//! magnitude of its terms, one way or the other as a hash tells. If an importance then moves by more than a hundredth of
//! the importances' range, the range itself is rounding.

use sha2::{Digest as _, Sha256};

use super::layer::layerwise;
use super::plan::{Digest, Plan, StepId, StepKind};
use super::step_values::StepValues;
use crate::lang::ops::Elementwise;
use crate::lang::scalar;

/// How many copies are looked at.
const COPIES: u8 = 8;
/// How far a reduction is moved, as a share of the mean magnitude of its terms.
const MOVE: f64 = 1e-6;
/// How far an importance may move, as a share of the importances' range.
const MOST: f64 = 0.01;

/// Returns whether a root's values differ by no more than rounding.
///
/// Values that are all equal are no noise: they say that no unit is more important than another.
pub(super) fn is_noise(plan: &Plan<'_>, known: &StepValues, root: StepId) -> bool {
    let values = known.layer(root);
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let range = greatest - least;
    if range == 0.0 || !range.is_finite() {
        return false;
    }
    // The layer stage: below a reduction there is nothing to move.
    let stage = plan.below(root, |step| matches!(step.kind, StepKind::Map(..) | StepKind::Layerwise(..)));
    (0..COPIES).any(|copy| {
        moved(plan, known, &stage, copy).iter().zip(values).any(|(moved, value)| {
            let by = (moved - value).abs();
            by > MOST * range || by.is_nan()
        })
    })
}

/// Computes the layer stage, whose last step is the root, with its reductions moved; returns the root's values.
fn moved(plan: &Plan<'_>, known: &StepValues, stage: &[StepId], copy: u8) -> Vec<f64> {
    let mut values: Vec<Vec<f64>> = Vec::with_capacity(stage.len());
    for id in stage {
        let of =
            |operand: &StepId| stage.binary_search(operand).ok().map_or(&[][..], |place| &values[place][..]);
        let step = &plan.steps[*id];
        let next = match &step.kind {
            StepKind::Reduce(..) | StepKind::MatrixReduce(..) => known
                .reduced(*id)
                .iter()
                .enumerate()
                .map(|(unit, reduced)| {
                    let sign = sign(&step.digest, unit, copy);
                    match reduced.alternative {
                        Some(alternative) if sign > 0.0 => alternative,
                        // What is infinite does not move.
                        None if !reduced.value.is_finite() => reduced.value,
                        _ => reduced.value + sign * MOVE * reduced.magnitude,
                    }
                })
                .collect(),
            StepKind::Map(op, operands) => {
                let operands: Vec<&[f64]> = operands.iter().map(of).collect();
                let mut here = vec![0.0; operands.len()];
                (0..known.layer(*id).len())
                    .map(|unit| {
                        for (here, operand) in here.iter_mut().zip(&operands) {
                            *here = operand.get(unit).copied().unwrap_or(f64::NAN);
                        }
                        if *op == Elementwise::DsaSanitize {
                            // Rounding to f32 loses up to half of its last digit.
                            here[0] += sign(&step.digest, unit, copy) * half_unit(here[0] as f32);
                        }
                        scalar::apply(*op, &here).unwrap_or(f64::NAN)
                    })
                    .collect()
            }
            StepKind::Layerwise(op, parameters, x) => layerwise(*op, parameters, of(x), known.units()),
            _ => known.layer(*id).to_vec(),
        };
        values.push(next);
    }
    values.pop().unwrap_or_default()
}

/// Returns half the distance from an f32 to the next; 0 where there is none.
fn half_unit(x: f32) -> f64 {
    let magnitude = x.abs();
    if !magnitude.next_up().is_finite() {
        return 0.0;
    }
    (f64::from(magnitude.next_up()) - f64::from(magnitude)) / 2.0
}

/// Returns 1 or -1, as a hash of what the step computes, its unit and the copy has it.
fn sign(digest: &Digest, unit: usize, copy: u8) -> f64 {
    let hash = Sha256::new().chain_update(digest).chain_update((unit as u64).to_le_bytes()).finalize();
    // One bit of the hash for each copy.
    if hash[0] >> (copy % 8) & 1 == 1 { 1.0 } else { -1.0 }
}
