//! One ratio for each output channel: which rows a model has, and the allocation that their ratios come to.

use super::allocation::{Allocation, ProjectionAllocation, UnitAllocation};
use super::error::{AllocationError, same_length};
use super::round::{pruned_total, share_by_ratio};
use super::row_counts::RowCounts;
use super::sum::{Sum, total_parameters};
use crate::data::ModelData;

/// Names a projection whose output channels get a ratio each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowsOf {
    /// The module's name, such as `model.layers.0.self_attn.q_proj`.
    pub name: String,
    /// How many rows it has: its output channels.
    pub rows: usize,
    /// How many weights a row has.
    pub columns: usize,
}

/// The rows of a model's projections, in the model's order: what gets a ratio each.
///
/// Vectors with one number for each row, `[rows]`, hold those of the first projection, then those of the second, and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    projections: Vec<RowsOf>,
}

impl Rows {
    /// Returns the rows of projections, in their order.
    pub const fn new(projections: Vec<RowsOf>) -> Self {
        Self { projections }
    }

    /// Returns the rows of a model.
    pub fn of(model: &ModelData<'_>) -> Self {
        let linears = model.linears.iter();
        Self::new(
            linears.map(|it| RowsOf { name: it.name.clone(), rows: it.rows, columns: it.columns }).collect(),
        )
    }

    /// Returns the projections, in order.
    pub fn projections(&self) -> &[RowsOf] {
        &self.projections
    }

    /// Returns how many rows there are in all.
    pub fn count(&self) -> usize {
        self.projections.iter().map(|it| it.rows).sum()
    }

    /// Returns how many weights each row has, `[rows]`.
    pub fn parameters(&self) -> Vec<u64> {
        let of = |it: &RowsOf| std::iter::repeat_n(it.columns as u64, it.rows);
        self.projections.iter().flat_map(of).collect()
    }

    /// Returns the part of `values`, `[rows]`, of each projection.
    pub fn split<'a>(&'a self, values: &'a [f64]) -> impl Iterator<Item = &'a [f64]> {
        let mut rest = values;
        self.projections.iter().map(move |it| {
            let (here, after) = rest.split_at(it.rows.min(rest.len()));
            rest = after;
            here
        })
    }

    /// Returns the projection that a row belongs to, and its place there.
    pub fn place(&self, row: usize) -> Option<(&RowsOf, usize)> {
        let mut before = 0;
        self.projections.iter().find_map(|it| {
            let place = row.checked_sub(before)?;
            before += it.rows;
            (place < it.rows).then_some((it, place))
        })
    }

    /// Returns the allocation that prunes exactly `round(target * N)` weights at the sparsities `sparsity`, `[rows]`.
    ///
    /// The sparsities are on budget, as [`budget()`](super::budget()) returns them for [`Rows::parameters`]; `importances` is `[rows]`, and
    /// absent when the allocator takes none. The units are the projections: their ratio and importance are the means of their rows'.
    /// A row's count differs from its ratio by less than a weight; of rows that are left with equal parts of one, those that get a whole
    /// one are spread evenly over the projection.
    ///
    /// # Errors
    /// When the lengths differ, nothing has a weight, the target or a sparsity is not between 0 and 1, or the sparsities miss the target.
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
            self.projections.iter().map(|it| it.rows as u64 * it.columns as u64).collect();
        let total = pruned_total(target, total_parameters(&parameters)?)?;
        let counts = share_by_ratio(total, &means, &parameters)?;
        let mut of_projections = importances.map(|importances| self.split(importances));
        let units = self.projections.iter().zip(self.split(sparsity)).enumerate().map(
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
    // Equal values have exactly their own mean.
    let Some(first) = values.first() else { return 0.0 };
    first + values.iter().map(|value| value - first).collect::<Sum>().value() / values.len() as f64
}
