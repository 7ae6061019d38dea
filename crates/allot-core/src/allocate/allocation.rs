//! The result: for every unit and projection, its ratio and the number of weights that realise it.

use serde::{Deserialize, Serialize};

use super::error::{AllocationError, same_length};
use super::round::round;
use super::row_counts::RowCounts;

/// One linear of an allocation unit: its name and how many weights it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Projection {
    /// The module's name, such as `model.layers.0.self_attn.q_proj`.
    pub name: String,
    /// How many weights it has.
    pub parameters: u64,
}

/// An allocation unit, which gets one sparsity ratio: a block with its projections, or one projection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Unit {
    /// The unit's name, such as `block 0` or a module's name.
    pub name: String,
    /// Its linears, in module order.
    pub projections: Vec<Projection>,
}

impl Unit {
    /// Returns how many weights the unit has.
    pub fn parameters(&self) -> u64 {
        self.projections.iter().map(|projection| projection.parameters).sum()
    }
}

/// How many weights one projection loses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProjectionAllocation {
    /// The module's name.
    pub name: String,
    /// How many weights it has.
    #[serde(rename = "params")]
    pub parameters: u64,
    /// How many of them are pruned.
    pub pruned: u64,
    /// How many weights each row loses, if rows have their own ratios; otherwise all rows lose an even part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<RowCounts>,
}

impl ProjectionAllocation {
    /// Returns the share of the projection's weights that is pruned, from 0 to 1.
    pub fn achieved(&self) -> f64 {
        share(self.pruned, self.parameters)
    }
}

/// The ratio of one allocation unit, and how many weights it loses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UnitAllocation {
    /// The unit's name.
    pub name: String,
    /// How many weights it has.
    #[serde(rename = "params")]
    pub parameters: u64,
    /// Its importance, where the allocator took one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub importance: Option<f64>,
    /// The ratio on budget, before it is rounded to whole weights.
    pub sparsity: f64,
    /// How many of its weights are pruned.
    pub pruned: u64,
    /// The same for each of its projections; their counts add up to the unit's.
    pub projections: Vec<ProjectionAllocation>,
}

impl UnitAllocation {
    /// Returns the share of the unit's weights that is pruned, from 0 to 1.
    pub fn achieved(&self) -> f64 {
        share(self.pruned, self.parameters)
    }
}

/// A whole allocation: the target, and the ratio of every unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Allocation {
    /// The target sparsity: pruned weights divided by all weights of the units.
    pub target: f64,
    /// Whether the importances differed only by rounding, so that the allocation was made uniform.
    #[serde(default)]
    pub noise: bool,
    /// The ratio and the counts of each unit, in model order.
    pub units: Vec<UnitAllocation>,
}

impl Allocation {
    /// Returns the allocation that prunes exactly `round(target * N)` weights at the sparsities `sparsity`, `[units]`.
    ///
    /// The sparsities are on budget, as [`budget()`](super::budget()) returns them; `importances` is `[units]`, and absent when the
    /// allocator takes none. `noise` starts as false.
    ///
    /// # Errors
    /// Fails when the lengths differ, or as [`round()`].
    pub fn new(
        target: f64,
        units: &[Unit],
        importances: Option<&[f64]>,
        sparsity: &[f64],
    ) -> Result<Self, AllocationError> {
        if let Some(importances) = importances {
            same_length("importances", units.len(), importances.len())?;
        }
        let sizes = |unit: &Unit| unit.projections.iter().map(|part| part.parameters).collect();
        let sizes: Vec<Vec<u64>> = units.iter().map(sizes).collect();
        let counts = round(sparsity, &sizes, target)?;
        let units = units.iter().enumerate().map(|(index, unit)| {
            let projections = unit.projections.iter().zip(&counts.projections[index]);
            UnitAllocation {
                name: unit.name.clone(),
                parameters: unit.parameters(),
                importance: importances.map(|importances| importances[index]),
                sparsity: sparsity[index],
                pruned: counts.units[index],
                projections: projections
                    .map(|(projection, &pruned)| ProjectionAllocation {
                        name: projection.name.clone(),
                        parameters: projection.parameters,
                        pruned,
                        rows: None,
                    })
                    .collect(),
            }
        });
        Ok(Self { target, noise: false, units: units.collect() })
    }

    /// Returns the number of ratios: one for each unit, or one for each row where rows have their own.
    pub fn ratio_count(&self) -> usize {
        let of_rows = |unit: &UnitAllocation| -> usize {
            unit.projections
                .iter()
                .filter_map(|part| part.rows.as_ref())
                .map(|rows| rows.counts().len())
                .sum()
        };
        self.units.iter().map(|unit| of_rows(unit).max(1)).sum()
    }

    /// Returns how many rows lose all of their weights, in projections whose rows have their own ratios.
    pub fn dead_rows(&self) -> usize {
        let parts = self.units.iter().flat_map(|unit| &unit.projections);
        let dead = |part: &ProjectionAllocation| {
            let rows = part.rows.as_ref()?;
            Some(rows.dead((part.parameters / rows.counts().len().max(1) as u64) as usize))
        };
        parts.filter_map(dead).sum()
    }

    /// Returns how many weights the units have in all.
    pub fn parameters(&self) -> u64 {
        self.units.iter().map(|unit| unit.parameters).sum()
    }

    /// Returns how many weights are pruned in all.
    pub fn pruned(&self) -> u64 {
        self.units.iter().map(|unit| unit.pruned).sum()
    }

    /// Returns the share of all weights that is pruned, from 0 to 1, as counted, not the target.
    pub fn achieved(&self) -> f64 {
        share(self.pruned(), self.parameters())
    }
}

fn share(pruned: u64, parameters: u64) -> f64 {
    if parameters == 0 { 0.0 } else { pruned as f64 / parameters as f64 }
}
