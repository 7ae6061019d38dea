//! The allocators: importances to proposed sparsities, before the budget is enforced.

use super::error::{AllocationError, finite_importances, finite_parameter, same_length, valid_target};
use super::rows::Rows;
use super::sum::{total_parameters, weighted_mean};
use crate::kernels::trimmed;

/// The values that an allocator proposes for the units, and how they may be moved onto the budget.
///
/// A proposal may lie outside 0 to 1 and miss the target; [`budget()`](super::budget()) settles both.
#[derive(Clone, Debug, PartialEq)]
pub enum Proposal {
    /// Sparsities that may move together by one *addend*: the differences between units matter.
    Sparsity(Vec<f64>),
    /// Sparsities known up to one *factor*: the ratios between units matter. A negative one counts as 0.
    RelativeSparsity(Vec<f64>),
    /// Densities (1 - sparsity) known up to one *factor*. A negative one counts as 0.
    RelativeDensity(Vec<f64>),
}

impl Proposal {
    /// Returns the proposed values, `[units]`, whatever their kind.
    pub fn values(&self) -> &[f64] {
        match self {
            Self::Sparsity(values) | Self::RelativeSparsity(values) | Self::RelativeDensity(values) => values,
        }
    }
}

/// Proposes the same sparsity, `target`, for each of `units` units.
///
/// # Errors
/// Fails when the target is not between 0 and 1.
pub fn uniform(units: usize, target: f64) -> Result<Proposal, AllocationError> {
    valid_target(target)?;
    Ok(Proposal::Sparsity(vec![target; units]))
}

/// Proposes sparsities that rise by `beta` from one block to the next: `s = T + beta (i - (L - 1) / 2)`.
///
/// `positions` holds each unit's block index `i`, from 0 to `L - 1` (`depth * (L - 1)`); several units may share a block.
///
/// # Errors
/// Fails when the target is not between 0 and 1, or `beta` or a position is not finite.
///
/// # Source
/// ATP (ICML 2025, arXiv 2502.14770), where `0 < beta <= min(2T, 2(1 - T)) / (L - 1)`; here a steeper ramp is clamped by the budget.
pub fn ramp(positions: &[f64], target: f64, beta: f64) -> Result<Proposal, AllocationError> {
    valid_target(target)?;
    finite_parameter("ramp", "beta", beta)?;
    let last = positions.iter().copied().fold(0.0, f64::max);
    let sparsity = positions.iter().map(|&position| target + beta * (position - last / 2.0));
    finite(sparsity.collect()).map(Proposal::Sparsity)
}

/// Proposes densities in a window of width `2 lambda` around the target: `keep = 1 - T + 2 lambda (z - mean z)`.
///
/// `z` is the importance scaled to 0..1 (`minmax`), and its mean is weighted by `parameters`, so that the proposal meets the budget
/// for units of any sizes. Units of high importance keep more (with a negative `lambda`, less); equal importances give a uniform
/// proposal. `importances` and `parameters` are `[units]`.
///
/// # Errors
/// Fails when the lengths differ, no unit has a weight, the target is not between 0 and 1, or `lambda` or an importance is not finite.
///
/// # Source
/// OWL (ICML 2024, arXiv 2310.05175), DLP and DSA as coded: the interval is `[T - 2 lambda (1 - mean z), T + 2 lambda mean z]`, not
/// the papers' `T +- lambda`. Their mean is over blocks, which is the same when blocks are of one size.
pub fn scale(
    importances: &[f64],
    parameters: &[u64],
    target: f64,
    lambda: f64,
) -> Result<Proposal, AllocationError> {
    check(importances, parameters, target)?;
    scaled(minmax(importances), parameters, target, lambda)
}

/// Proposes densities of rows as [`scale`] does, with `z` from the [trimmed] range of the rows' importances, and 0 or 1 beyond it.
///
/// Thus a few outliers among thousands of rows do not make all others equal. If importances are equal within each projection, the rows
/// get what [`scale`] gives the projections. `importances` is `[rows]`.
///
/// # Errors
/// As [`scale`].
pub fn scale_rows(
    importances: &[f64],
    rows: &Rows,
    target: f64,
    lambda: f64,
) -> Result<Proposal, AllocationError> {
    let parameters = rows.parameters();
    check(importances, &parameters, target)?;
    scaled(trimmed_position(importances, rows), &parameters, target, lambda)
}

fn scaled(
    position: Option<Vec<f64>>,
    parameters: &[u64],
    target: f64,
    lambda: f64,
) -> Result<Proposal, AllocationError> {
    finite_parameter("scale", "lambda", lambda)?;
    let Some(position) = position else {
        return uniform(parameters.len(), target);
    };
    let mean = weighted_mean(&position, parameters)?;
    let sparsity = position.iter().map(|z| target - 2.0 * lambda * (z - mean));
    finite(sparsity.collect()).map(Proposal::Sparsity)
}

/// Proposes sparsities in proportion to `(1 + epsilon) - 2 epsilon z`, times the factor `eta` that meets the budget.
///
/// `z` is the importance scaled to 0..1 (`minmax`), so the least important unit gets `(1 + epsilon) / (1 - epsilon)` times the sparsity
/// of the most important one; equal importances give a uniform proposal. `importances` and `parameters` are `[units]`.
///
/// # Errors
/// Fails when the lengths differ, no unit has a weight, the target is not between 0 and 1, or `epsilon` or an importance is not finite.
///
/// # Source
/// AlphaPruning (NeurIPS 2024, arXiv 2410.10912), whose metric rises with prunability: its `q` is the negated importance here.
pub fn rescale(
    importances: &[f64],
    parameters: &[u64],
    target: f64,
    epsilon: f64,
) -> Result<Proposal, AllocationError> {
    check(importances, parameters, target)?;
    rescaled(minmax(importances), parameters, target, epsilon)
}

/// Proposes sparsities of rows as [`rescale`] does, with the `z` of [`scale_rows`]. `importances` is `[rows]`.
///
/// # Errors
/// As [`rescale`].
pub fn rescale_rows(
    importances: &[f64],
    rows: &Rows,
    target: f64,
    epsilon: f64,
) -> Result<Proposal, AllocationError> {
    let parameters = rows.parameters();
    check(importances, &parameters, target)?;
    rescaled(trimmed_position(importances, rows), &parameters, target, epsilon)
}

fn rescaled(
    position: Option<Vec<f64>>,
    parameters: &[u64],
    target: f64,
    epsilon: f64,
) -> Result<Proposal, AllocationError> {
    finite_parameter("rescale", "epsilon", epsilon)?;
    let Some(position) = position else {
        return uniform(parameters.len(), target);
    };
    let ratio: Vec<f64> = position.iter().map(|z| (1.0 + epsilon) - 2.0 * epsilon * z).collect();
    normalised(finite(ratio)?, parameters, target).map(Proposal::RelativeSparsity)
}

/// Proposes densities in proportion to the importances.
///
/// The proposal meets the budget before any density is capped at 1; [`budget()`](super::budget()) caps densities, and rescales the
/// others to meet the budget again. Importances that are all 0 give a uniform proposal. `importances` and `parameters` are `[units]`.
///
/// # Errors
/// Fails when the lengths differ, no unit has a weight, the target is not between 0 and 1, or an importance is negative or not finite.
///
/// # Source
/// Erdős–Rényi sparsity (SET; ERK in RigL, ICML 2020), where the importance is `(rows + columns) / (rows * columns)`.
pub fn proportional(
    importances: &[f64],
    parameters: &[u64],
    target: f64,
) -> Result<Proposal, AllocationError> {
    check(importances, parameters, target)?;
    if let Some(unit) = importances.iter().position(|&value| value < 0.0) {
        let value = importances[unit];
        return Err(AllocationError::NegativeImportance { unit, value });
    }
    let most = importances.iter().copied().fold(0.0, f64::max);
    if most == 0.0 {
        return uniform(importances.len(), target);
    }
    // Relative to the largest, so that a sum of huge importances stays finite.
    let relative = importances.iter().map(|value| value / most).collect();
    normalised(relative, parameters, 1.0 - target).map(Proposal::RelativeDensity)
}

fn check(importances: &[f64], parameters: &[u64], target: f64) -> Result<(), AllocationError> {
    same_length("importances", parameters.len(), importances.len())?;
    total_parameters(parameters)?;
    valid_target(target)?;
    finite_importances(importances)
}

/// Returns the values scaled to 0..1, or `None` when they are all equal.
fn minmax(values: &[f64]) -> Option<Vec<f64>> {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    position(values, (least, most))
}

/// Returns the values of rows scaled to 0..1 by their trimmed range, or `None` when it is empty.
fn trimmed_position(values: &[f64], rows: &Rows) -> Option<Vec<f64>> {
    position(values, trimmed::range(rows.split(values))?)
}

/// Returns the values scaled so that a range becomes 0..1, and clamped to it; `None` for an empty range.
fn position(values: &[f64], (least, most): (f64, f64)) -> Option<Vec<f64>> {
    if least >= most {
        return None;
    }
    // The range of huge values of both signs overflows; half of it does not.
    let unit = if (most - least).is_finite() { 1.0 } else { 0.5 };
    let range = most * unit - least * unit;
    let position = |value: &f64| (value.clamp(least, most) * unit - least * unit) / range;
    Some(values.iter().map(position).collect())
}

/// Returns the values scaled to the mean `mean`, or unchanged when no positive factor does that.
fn normalised(values: Vec<f64>, parameters: &[u64], mean: f64) -> Result<Vec<f64>, AllocationError> {
    let factor = mean / weighted_mean(&values, parameters)?;
    let scaled: Vec<f64> = values.iter().map(|value| value * factor).collect();
    let usable = factor > 0.0 && scaled.iter().all(|value| value.is_finite());
    Ok(if usable { scaled } else { values })
}

fn finite(values: Vec<f64>) -> Result<Vec<f64>, AllocationError> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(unit) => Err(AllocationError::NonFiniteProposal { unit, value: values[unit] }),
        None => Ok(values),
    }
}
