//! Rounds ratios to counts of whole weights that add up, for units, projections and rows.

use super::budget::TOLERANCE;
use super::error::{AllocationError, same_length, valid_target};
use super::sum::{Sum, total_parameters};

/// How many weights each unit and each of its projections loses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counts {
    /// Pruned weights for each unit, `[units]`.
    pub units: Vec<u64>,
    /// Pruned weights for each projection of each unit, `[units][projections]`; those of a unit add up to the unit's count.
    pub projections: Vec<Vec<u64>>,
}

impl Counts {
    /// Returns how many weights are pruned in all.
    pub fn total(&self) -> u64 {
        self.units.iter().sum()
    }
}

/// Returns how many of `parameters` weights a target sparsity prunes: `target * parameters`, rounded half away from zero.
///
/// # Errors
/// Fails when the target is not between 0 and 1.
pub fn pruned_total(target: f64, parameters: u64) -> Result<u64, AllocationError> {
    valid_target(target)?;
    // The cast saturates, and 2^64 as a float is above every count.
    Ok(((target * parameters as f64).round() as u64).min(parameters))
}

/// Distributes exactly [`pruned_total`] pruned weights over units, and each unit's over its projections, by largest remainder.
///
/// `sparsity` holds each unit's ratio, `[units]`, as [`budget()`](super::budget()) returns it for the same target; `projections` the
/// parameter counts of each unit's projections, `[units][projections]`. Ties go to the lower index. No count exceeds its unit or
/// projection, and a unit's count differs from `sparsity * parameters` by less than 1.
///
/// # Errors
/// Fails when the lengths differ, no unit has a weight, the target or a sparsity is not between 0 and 1, or the sparsities miss the
/// target.
pub fn round(sparsity: &[f64], projections: &[Vec<u64>], target: f64) -> Result<Counts, AllocationError> {
    same_length("sparsities", projections.len(), sparsity.len())?;
    if let Some(unit) = sparsity.iter().position(|s| !(0.0..=1.0).contains(s)) {
        let value = sparsity[unit];
        return Err(AllocationError::InvalidSparsity { unit, value });
    }
    let mut parameters = Vec::with_capacity(projections.len());
    for unit in projections {
        let sum = unit.iter().try_fold(0_u64, |sum, &count| sum.checked_add(count));
        let units = projections.len();
        parameters.push(sum.ok_or(AllocationError::TooManyWeights { units })?);
    }
    let total = pruned_total(target, total_parameters(&parameters)?)?;
    let units = share_by_ratio(total, sparsity, &parameters)?;
    let projections = units
        .iter()
        .zip(projections.iter().zip(&parameters))
        .map(|(&pruned, (sizes, &size))| share_by_size(pruned, sizes, size))
        .collect();
    Ok(Counts { units, projections })
}

/// Distributes `total` in proportion to `sparsity * parameters`; the largest remainders are rounded up.
pub(super) fn share_by_ratio(
    total: u64,
    sparsity: &[f64],
    parameters: &[u64],
) -> Result<Vec<u64>, AllocationError> {
    let quotas = || sparsity.iter().zip(parameters).map(|(&ratio, &size)| ratio * size as f64);
    let weights = parameters.iter().sum::<u64>() as f64;
    let given = quotas().collect::<Sum>().value();
    if (given - total as f64).abs() > 1.0 + weights * TOLERANCE {
        return Err(AllocationError::OffBudget { given: given / weights, wanted: total as f64 / weights });
    }

    let mut pruned: Vec<u64> =
        quotas().zip(parameters).map(|(quota, &size)| (quota as u64).min(size)).collect();
    let remainders: Vec<f64> = quotas().zip(&pruned).map(|(quota, &whole)| quota - whole as f64).collect();
    let mut order: Vec<usize> = (0..parameters.len()).collect();
    order.sort_by(|&a, &b| remainders[b].total_cmp(&remainders[a]));

    // One pass, of at most one weight for each unit, is enough while quotas are exact to less than a weight: up to about 1e13 weights.
    // Beyond that, rounding may give a few too few or too many; the units have room for them, since 0 <= total <= weights.
    let mut missing = i128::from(total) - pruned.iter().map(|&count| i128::from(count)).sum::<i128>();
    while missing > 0 {
        for &unit in &order {
            if missing > 0 && pruned[unit] < parameters[unit] {
                pruned[unit] += 1;
                missing -= 1;
            }
        }
    }
    while missing < 0 {
        for &unit in order.iter().rev() {
            if missing < 0 && pruned[unit] > 0 {
                pruned[unit] -= 1;
                missing += 1;
            }
        }
    }
    Ok(pruned)
}

/// Distributes `pruned` in proportion to `sizes`, which add up to `size`, with integer arithmetic only.
fn share_by_size(pruned: u64, sizes: &[u64], size: u64) -> Vec<u64> {
    if size == 0 {
        return vec![0; sizes.len()];
    }
    let size = u128::from(size);
    let quotas = sizes.iter().map(|&part| u128::from(pruned) * u128::from(part));
    let (mut shares, remainders): (Vec<u64>, Vec<u128>) =
        quotas.map(|quota| ((quota / size) as u64, quota % size)).unzip();
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by(|&a, &b| remainders[b].cmp(&remainders[a]));
    // The remainders add up to `missing * size`, so at least that many are above 0, and their projections have room.
    let missing = pruned - shares.iter().sum::<u64>();
    for &part in order.iter().take(missing as usize) {
        shares[part] += 1;
    }
    shares
}

/// Returns how many weights row `row` of `rows` loses when its matrix loses `pruned`: `floor((i + 1) c / r) - floor(i c / r)`.
///
/// Rows differ by at most one weight, the larger counts are spread evenly over the matrix, and all rows add up to `pruned`. A row
/// outside the matrix loses nothing.
pub fn pruned_in_row(row: u64, rows: u64, pruned: u64) -> u64 {
    if row >= rows {
        return 0;
    }
    let up_to = |row: u64| u128::from(row) * u128::from(pruned) / u128::from(rows);
    (up_to(row + 1) - up_to(row)) as u64
}

/// Returns how many weights each row of a matrix loses, `[rows]`, as in [`pruned_in_row`].
///
/// # Errors
/// Fails when `pruned` exceeds `rows * columns`.
pub fn pruned_per_row(
    rows: u64,
    columns: u64,
    pruned: u64,
) -> Result<impl Iterator<Item = u64>, AllocationError> {
    let parameters = rows.saturating_mul(columns);
    if pruned > parameters {
        return Err(AllocationError::TooManyPruned { pruned, parameters });
    }
    Ok((0..rows).map(move |row| pruned_in_row(row, rows, pruned)))
}
