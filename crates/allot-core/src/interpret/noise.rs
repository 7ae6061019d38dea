//! Tells signal from rounding and sampling errors.
//!
//! The layer stage also runs on a few copies in which every reduction's result is moved by a millionth of the mean
//! magnitude of its terms, up or down by a hash. If an importance then moves by more than a hundredth of the importances'
//! range, the range itself is rounding.
//!
//! Terminals measured on windows also have a sampling error. The layer stage runs on copies in which each such value is drawn from the
//! normal distribution with its standard error. If importances then move by more than half of their own deviation, they are uncertain.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::context::Context;
use super::layer::layerwise;
use super::measured;
use super::plan::{Digest, Plan, StepId, StepKind};
use super::step_values::StepValues;
use super::units::UnitData;
use crate::kernels::reduction::Reduced;
use crate::kernels::{reduce, trimmed};
use crate::lang::ops::{Elementwise, Op};
use crate::lang::scalar;
use crate::lang::types::Type;

/// How many copies are computed.
const COPIES: u8 = 8;
/// How far a reduction is moved, as a share of the mean magnitude of its terms.
const MOVE: f64 = 1e-6;
/// How far an importance may move, as a share of the importances' range.
const MOST: f64 = 0.01;
/// How far sampling errors may move importances, as a share of their standard deviation.
const AMPLIFIED: f64 = 0.5;

/// Returns whether a root's values differ by no more than rounding.
///
/// Values that are all equal are not noise: they say that all units are equally important. For the many values of output channels, the
/// range is the [trimmed] one, and they are noise only if more than a hundredth of them move too far.
pub(super) fn is_noise(plan: &Plan<'_>, known: &StepValues, root: StepId) -> bool {
    let values = known.of_root(plan, root);
    let of_channels = plan.steps[root].of_type == Type::Output;
    let (least, greatest) = match of_channels {
        true => {
            let linears = known.units().iter().flat_map(|unit| &unit.linears);
            trimmed::range(linears.map(|linear| known.of_channels(root, *linear))).unwrap_or_default()
        }
        false => (
            values.iter().copied().fold(f64::INFINITY, f64::min),
            values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        ),
    };
    let range = greatest - least;
    if range == 0.0 || !range.is_finite() {
        return false;
    }
    let stage = layer_stage(plan, root);
    let channels = if of_channels { units_of_channels(known, root) } else { Vec::new() };
    let most = if of_channels { values.len() / 100 } else { 0 };
    let signs = signs(plan, known, &stage);
    (0..COPIES).any(|copy| {
        let moved = moved(plan, known, &stage, &channels, Moving::Rounding(copy, &signs));
        let far = moved.iter().zip(&values).filter(|(moved, value)| {
            // An allocator clamps values to the range, so movements beyond it do not count.
            let by = match of_channels && moved.is_finite() {
                true => (moved.clamp(least, greatest) - value.clamp(least, greatest)).abs(),
                false => (*moved - *value).abs(),
            };
            by > MOST * range || by.is_nan()
        });
        far.count() > most
    })
}

/// Returns whether the sampling errors of terminals measured on windows move a root's values by more than half of their own deviation,
/// both as root mean squares.
///
/// The effect of such a terminal inside a reduction over weights is not considered.
pub(super) fn is_uncertain(plan: &Plan<'_>, known: &StepValues, context: Context<'_>, root: StepId) -> bool {
    let stage = layer_stage(plan, root);
    let errors: BTreeMap<StepId, Vec<f64>> = stage
        .iter()
        .filter_map(|id| match plan.steps[*id].kind {
            StepKind::Terminal(op) if Op::MEASURED.contains(&op.into()) => {
                let of_unit = |unit| measured::error(op, context, unit);
                Some((*id, known.units().iter().map(of_unit).collect()))
            }
            _ => None,
        })
        .collect();
    let values = known.of_root(plan, root);
    if errors.is_empty() || values.windows(2).all(|pair| pair[0] == pair[1]) {
        return false;
    }
    if errors.values().flatten().any(|error| !error.is_finite()) {
        return true;
    }
    let of_channels = plan.steps[root].of_type == Type::Output;
    let channels = if of_channels { units_of_channels(known, root) } else { Vec::new() };
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let own = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n;
    let of_copy = |copy| {
        let moved = moved(plan, known, &stage, &channels, Moving::Sampling(copy, &errors));
        moved.iter().zip(&values).map(|(moved, value)| (moved - value).powi(2)).sum::<f64>() / n
    };
    let by = (0..COPIES).map(of_copy).sum::<f64>() / f64::from(COPIES);
    by.is_nan() || by > AMPLIFIED * AMPLIFIED * own
}

/// Returns the steps of the layer stage of a root: the root and the steps below it, down to reductions and terminals.
fn layer_stage(plan: &Plan<'_>, root: StepId) -> Vec<StepId> {
    plan.below(root, |step| match step.kind {
        StepKind::Map(..) | StepKind::Layerwise(..) => true,
        StepKind::Ranks(_) => step.of_type == Type::Output,
        _ => false,
    })
}

/// How values are moved in a copy of the layer stage.
#[derive(Clone, Copy)]
enum Moving<'a> {
    /// Reductions move by what may be rounding: the copy, and the directions, `[units]`.
    Rounding(u8, &'a BTreeMap<StepId, Vec<u8>>),
    /// Terminals measured on windows move within their standard errors: the copy, and the errors, `[units]`.
    Sampling(u8, &'a BTreeMap<StepId, Vec<f64>>),
}

/// Returns the unit of each of a root's channels.
fn units_of_channels(known: &StepValues, root: StepId) -> Vec<usize> {
    let of_unit = |unit: &UnitData| {
        let channels = unit.linears.iter().map(|linear| known.of_channels(root, *linear).len()).sum();
        std::iter::repeat_n(unit.index, channels)
    };
    known.units().iter().flat_map(of_unit).collect()
}

/// Computes a copy of the layer stage, whose last step is the root, and returns the root's values.
///
/// `channels` gives the unit of each output channel, for steps with a value for each.
fn moved(
    plan: &Plan<'_>,
    known: &StepValues,
    stage: &[StepId],
    channels: &[usize],
    moving: Moving<'_>,
) -> Vec<f64> {
    let mut values: Vec<Vec<f64>> = Vec::with_capacity(stage.len());
    for id in stage {
        let of =
            |operand: &StepId| stage.binary_search(operand).ok().map_or(&[][..], |place| &values[place][..]);
        let step = &plan.steps[*id];
        let next = match (&step.kind, moving) {
            (StepKind::Reduce(..), Moving::Rounding(copy, _)) if step.of_type == Type::Output => {
                moved_channels(plan, known, *id, copy)
            }
            (StepKind::Reduce(..) | StepKind::MatrixReduce(..), Moving::Rounding(copy, signs)) => {
                let signs = signs.get(id).map(Vec::as_slice).unwrap_or_default();
                let reduced = known.reduced(*id).iter().zip(signs);
                reduced.map(|(reduced, signs)| moved_one(reduced, sign_of(*signs, copy))).collect()
            }
            (StepKind::Map(op, operands), _) => {
                let wide = step.of_type == Type::Output;
                let operands: Vec<(&[f64], bool)> = operands
                    .iter()
                    .map(|operand| (of(operand), wide && plan.steps[*operand].of_type != Type::Output))
                    .collect();
                let mut here = vec![0.0; operands.len()];
                let count = if wide { channels.len() } else { known.layer(*id).len() };
                (0..count)
                    .map(|place| {
                        for (here, (operand, of_unit)) in here.iter_mut().zip(&operands) {
                            let place = if *of_unit { channels[place] } else { place };
                            *here = operand.get(place).copied().unwrap_or(f64::NAN);
                        }
                        if let (Elementwise::DsaSanitize, Moving::Rounding(copy, _)) = (op, moving) {
                            // Rounding to f32 loses up to half of its last digit.
                            here[0] += sign(&step.digest, place, copy) * half_unit(here[0] as f32);
                        }
                        scalar::apply(*op, &here).unwrap_or(f64::NAN)
                    })
                    .collect()
            }
            (StepKind::Ranks(x), _) if step.of_type == Type::Output => {
                let of_units = channels.chunk_by(|a, b| a == b);
                let mut rest = of(x);
                of_units
                    .flat_map(|unit| {
                        let (here, after) = rest.split_at(unit.len().min(rest.len()));
                        rest = after;
                        reduce::ranks(here)
                    })
                    .collect()
            }
            (StepKind::Layerwise(op, parameters, x), _) => layerwise(*op, parameters, of(x), known.units()),
            (StepKind::Terminal(_), Moving::Sampling(copy, errors)) => {
                let errors = errors.get(id).map(Vec::as_slice).unwrap_or_default();
                let mut values = known.of_root(plan, *id);
                for (unit, (value, error)) in values.iter_mut().zip(errors).enumerate() {
                    *value += error * normal(hash(&step.digest, unit, u64::from(copy)));
                }
                values
            }
            _ => known.of_root(plan, *id),
        };
        values.push(next);
    }
    values.pop().unwrap_or_default()
}

/// Returns a reduction's value, moved up or down.
fn moved_one(reduced: &Reduced, sign: f64) -> f64 {
    match reduced.alternative {
        Some(alternative) if sign > 0.0 => alternative,
        // An infinite value does not move.
        None if !reduced.value.is_finite() => reduced.value,
        _ => reduced.value + sign * MOVE * reduced.magnitude,
    }
}

/// Returns a reduction within linears, moved in each channel.
fn moved_channels(plan: &Plan<'_>, known: &StepValues, id: StepId, copy: u8) -> Vec<f64> {
    let linears = known.units().iter().flat_map(|unit| &unit.linears);
    let of_linear = |linear: &usize| {
        // One hash for each linear, from which bits for its many channels are mixed.
        let seed = hash(&plan.steps[id].digest, *linear, u64::from(copy));
        let channels = known.of_channels(id, *linear).iter().zip(known.magnitudes(id, *linear)).enumerate();
        let moved = channels.map(move |(channel, (value, magnitude))| {
            let bit = seed.wrapping_add(channel as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 63;
            let sign = if bit == 1 { 1.0 } else { -1.0 };
            moved_one(&Reduced { value: *value, magnitude: *magnitude, alternative: None }, sign)
        });
        moved.collect::<Vec<f64>>()
    };
    linears.flat_map(of_linear).collect()
}

/// Returns the first bytes of a hash of what a step computes, a place and a number.
fn hash(digest: &Digest, place: usize, number: u64) -> u64 {
    let hash = Sha256::new()
        .chain_update(digest)
        .chain_update((place as u64).to_le_bytes())
        .chain_update(number.to_le_bytes())
        .finalize();
    hash.iter().take(8).fold(0, |bits, byte| bits << 8 | u64::from(*byte))
}

/// Returns a number from the normal distribution, made from 64 random bits (Box and Muller).
fn normal(bits: u64) -> f64 {
    let share = |bits: u64| ((bits & 0xFFFF_FFFF) as f64 + 0.5) / 4_294_967_296.0;
    (-2.0 * share(bits >> 32).ln()).sqrt() * (std::f64::consts::TAU * share(bits)).cos()
}

/// Returns half the distance from an f32 to the next one, or 0 if the next one is not finite.
fn half_unit(x: f32) -> f64 {
    let magnitude = x.abs();
    if !magnitude.next_up().is_finite() {
        return 0.0;
    }
    (f64::from(magnitude.next_up()) - f64::from(magnitude)) / 2.0
}

/// Returns the directions in which the reductions of a layer stage are moved in each unit, one bit for each copy.
fn signs(plan: &Plan<'_>, known: &StepValues, stage: &[StepId]) -> BTreeMap<StepId, Vec<u8>> {
    let of_step = |id: &StepId| {
        let step = &plan.steps[*id];
        let reduces = matches!(step.kind, StepKind::Reduce(..) | StepKind::MatrixReduce(..));
        let units = 0..known.units().len();
        (reduces && step.of_type != Type::Output)
            .then(|| (*id, units.map(|unit| sign_bits(&step.digest, unit)).collect()))
    };
    stage.iter().filter_map(of_step).collect()
}

/// Returns a bit for each copy, from a hash of what a step computes and its unit.
fn sign_bits(digest: &Digest, unit: usize) -> u8 {
    Sha256::new().chain_update(digest).chain_update((unit as u64).to_le_bytes()).finalize()[0]
}

/// Returns 1 or -1, by the bit of a copy.
const fn sign_of(bits: u8, copy: u8) -> f64 {
    if bits >> (copy % 8) & 1 == 1 { 1.0 } else { -1.0 }
}

/// Returns 1 or -1, by a hash of what the step computes and its unit, and by the copy.
fn sign(digest: &Digest, unit: usize, copy: u8) -> f64 {
    sign_of(sign_bits(digest, unit), copy)
}
