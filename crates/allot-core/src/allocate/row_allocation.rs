//! One ratio for each output channel: the resulting allocation.

use super::allocation::{Allocation, ProjectionAllocation, UnitAllocation};
use super::error::{AllocationError, same_length};
use super::round::{pruned_total, share_by_ratio};
use super::row_counts::RowCounts;
use super::rows::{Rows, RowsOf};
use super::sum::{Sum, total_parameters};

impl Rows {
    /// Returns the allocation that prunes exactly `round(target * N)` weights at the sparsities `sparsity`, `[rows]`.
    ///
    /// The sparsities are on budget, as [`budget()`](super::budget()) returns them for [`Rows::parameters`]; `importances` is `[rows]`, and
    /// absent when the allocator takes none. The units are the projections: their ratio and importance are the means of their rows'.
    /// A row's count differs from its ratio by less than a weight; of rows with equal remainders, those that are rounded up are spread
    /// evenly over the projection.
    ///
    /// # Errors
    /// Fails when the lengths differ, no unit has a weight, the target or a sparsity is not between 0 and 1, or the sparsities miss the
    /// target.
    pub fn allocation(
        &self,
        target: f64,
        importances: Option<&[f64]>,
        sparsity: &[f64],
    ) -> Result<Allocation, AllocationError> {
        same_length("sparsities", self.count(), sparsity.len())?;
        if let Some(importances) = importances {
            same_length("importances", self.count(), importances.len())?;
        }
        if let Some(unit) = sparsity.iter().position(|it| !(0.0..=1.0).contains(it)) {
            return Err(AllocationError::InvalidSparsity { unit, value: sparsity[unit] });
        }
        let means: Vec<f64> = self.split(sparsity).map(|rows| mean(rows).clamp(0.0, 1.0)).collect();
        let parameters: Vec<u64> =
            self.projections().iter().map(|it: &RowsOf| it.rows as u64 * it.columns as u64).collect();
        let total = pruned_total(target, total_parameters(&parameters)?)?;
        let counts = share_by_ratio(total, &means, &parameters)?;
        let mut of_projections = importances.map(|importances| self.split(importances));
        let units = self.projections().iter().zip(self.split(sparsity)).enumerate().map(
            |(index, (projection, sparsity))| UnitAllocation {
                name: projection.name.clone(),
                parameters: parameters[index],
                importance: of_projections.as_mut().and_then(Iterator::next).map(mean),
                sparsity: means[index],
                pruned: counts[index],
                projections: vec![ProjectionAllocation {
                    name: projection.name.clone(),
                    parameters: parameters[index],
                    pruned: counts[index],
                    rows: Some(RowCounts::round(sparsity, projection.columns, counts[index])),
                }],
            },
        );
        Ok(Allocation { target, noise: false, units: units.collect() })
    }
}

fn mean(values: &[f64]) -> f64 {
    // Taken from the first value, so that the mean of equal values is exactly that value.
    let Some(first) = values.first() else { return 0.0 };
    first + values.iter().map(|value| value - first).collect::<Sum>().value() / values.len() as f64
}
