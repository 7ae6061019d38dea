//! Telling signal from rounding: importances that differ by no more than noise say nothing.
//!
//! The layer stage runs also on a few copies in which every reduction's result is moved by a millionth of the mean
//! magnitude of its terms, one way or the other as a hash tells. If an importance then moves by more than a hundredth of
//! the importances' range, the range itself is rounding.

use sha2::{Digest, Sha256};

use super::evaluate::Known;
use super::layer::layerwise;
use super::plan::{Plan, StepId, StepKind};
use crate::lang::ops::Op;
use crate::lang::scalar;
use crate::lang::types::Type;

/// How many copies are looked at.
const COPIES: u32 = 8;
/// How far a reduction is moved, as a share of the mean magnitude of its terms.
const MOVE: f64 = 1e-6;
/// How far an importance may move, as a share of the importances' range.
const MOST: f64 = 0.01;

/// Returns whether a root's values differ by no more than rounding.
///
/// Values that are all equal are no noise: they say that no unit is more important than another.
pub(super) fn is_noise(plan: &Plan<'_>, known: &Known, root: StepId) -> bool {
    let values = known.layer(root);
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let range = greatest - least;
    if range == 0.0 || !range.is_finite() {
        return false;
    }
    let needed = needed(plan, root);
    (0..COPIES).any(|copy| {
        let moved = moved(plan, known, &needed, copy);
        moved[root].iter().zip(values).any(|(moved, value)| {
            let by = (moved - value).abs();
            by > MOST * range || by.is_nan()
        })
    })
}

/// Returns which steps of the layer stage a root's value is made of.
fn needed(plan: &Plan<'_>, root: StepId) -> Vec<bool> {
    let mut needed = vec![false; plan.steps.len()];
    needed[root] = true;
    for id in (0..=root).rev() {
        let layer_stage = matches!(plan.steps[id].kind, StepKind::Map(..) | StepKind::Layerwise(..));
        if needed[id] && layer_stage {
            for used in plan.uses(id) {
                needed[used] = true;
            }
        }
    }
    needed
}

/// Computes the layer stage with its reductions moved.
fn moved(plan: &Plan<'_>, known: &Known, needed: &[bool], copy: u32) -> Vec<Vec<f64>> {
    let mut values: Vec<Vec<f64>> = vec![Vec::new(); plan.steps.len()];
    for (id, step) in plan.steps.iter().enumerate() {
        if !needed[id] || !matches!(step.of_type, Type::Number | Type::Layer) {
            continue;
        }
        values[id] = match &step.kind {
            StepKind::Reduce(..) | StepKind::MatrixReduce(..) => known
                .reduced(id)
                .iter()
                .enumerate()
                .map(|(unit, reduced)| {
                    let sign = sign(unit, copy, step.origin);
                    match reduced.alternative {
                        Some(alternative) if sign > 0.0 => alternative,
                        _ => reduced.value + sign * MOVE * reduced.magnitude,
                    }
                })
                .collect(),
            StepKind::Map(op, operands) => {
                let units = known.layer(id).len();
                (0..units)
                    .map(|unit| {
                        let mut operands: Vec<f64> =
                            operands.iter().map(|operand| values[*operand][unit]).collect();
                        if *op == Op::DsaSanitize {
                            // Rounding to f32 loses up to half of its last digit.
                            let sign = sign(unit, copy, step.origin);
                            operands[0] += sign * half_unit(operands[0] as f32);
                        }
                        scalar::apply(*op, &operands).unwrap_or(f64::NAN)
                    })
                    .collect()
            }
            StepKind::Layerwise(op, parameters, x) => layerwise(*op, parameters, &values[*x]),
            _ => known.layer(id).to_vec(),
        };
    }
    values
}

/// Returns half the distance from an f32 to the next; 0 where there is none.
fn half_unit(x: f32) -> f64 {
    let magnitude = x.abs();
    if !magnitude.next_up().is_finite() {
        return 0.0;
    }
    (f64::from(magnitude.next_up()) - f64::from(magnitude)) / 2.0
}

/// Returns 1 or -1, as a hash of the reduction's formula, its unit and the copy has it.
fn sign(unit: usize, copy: u32, origin: &crate::lang::program::Expr) -> f64 {
    let text = format!("{} {unit} {copy}", crate::lang::canonical::hash_expr(origin));
    match Sha256::digest(text.as_bytes()).first() {
        Some(byte) if byte & 1 == 1 => 1.0,
        _ => -1.0,
    }
}
