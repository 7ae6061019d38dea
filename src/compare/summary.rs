//! The results of a comparison, from which its tables and figures are made.

use serde::{Serialize, Serializer};

use crate::lang::types::UnitKind;
use crate::prune::{Pattern, Propagation};
use crate::tasks::{Protocol, TaskResult};
use crate::trial::loss::Damage;
use crate::trial::ratios::RealisedRatios;

fn by_name<S: Serializer>(unit: &UnitKind, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(unit.name())
}

/// A comparison of allocations on one model, each at several sparsities.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Comparison {
    /// Version of allot that made the comparison.
    pub version: String,
    /// Name of the model's folder.
    pub model: String,
    /// How weights are chosen: the name of a pruning method, or its metric.
    pub method: String,
    /// Sparsity pattern.
    pub pattern: Pattern,
    /// Whether later blocks are calibrated on the outputs of dense or pruned blocks.
    pub propagation: Propagation,
    /// Number of windows of the report text.
    pub windows: usize,
    /// Number of tokens per window.
    pub length: usize,
    /// Perplexity of the dense model on the report text.
    pub dense_perplexity: f64,
    /// Protocol of the tasks' prompts, if any tasks are scored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// Task results of the dense model; empty if no tasks are scored.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dense_tasks: Vec<TaskResult>,
    /// Target sparsities, in ascending order.
    pub sparsities: Vec<f64>,
    /// One row per allocation and unit.
    pub rows: Vec<Row>,
}

/// One allocation with one unit, at every sparsity.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Row {
    /// Name in tables.
    pub name: String,
    /// Name of the allocation unit.
    #[serde(serialize_with = "by_name")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub unit: UnitKind,
    /// Whether the unit was requested, in addition to others.
    #[serde(skip)]
    pub unit_asked: bool,
    /// Number of tokens that the model read to choose the ratios, at all sparsities together: those of the
    /// calibration text, if its statistics were used, and those that went through pruned models.
    pub tokens: u64,
    /// Number of allocations measured to choose the ratios, at all sparsities together.
    pub evaluations: usize,
    /// Results, `[sparsities]`.
    pub cells: Vec<Cell>,
}

/// One allocation at one sparsity.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Cell {
    /// Target sparsity.
    pub target: f64,
    /// Result at this sparsity.
    #[serde(flatten)]
    pub result: CellResult,
}

/// The result of an allocation.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum CellResult {
    /// The model was pruned and measured.
    Measured {
        /// Damage on the report text.
        damage: Damage,
        /// Realised sparsity: the share of all weights that was pruned.
        achieved: f64,
        /// Realised ratios of blocks and projections.
        ratios: RealisedRatios,
        /// Task results; empty if no tasks are scored, or the model's logits are not finite.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tasks: Vec<TaskResult>,
    },
    /// The reason why it has no value on the model at this sparsity.
    Problem(String),
}

impl Cell {
    /// Returns the damage, if there is an allocation.
    pub const fn damage(&self) -> Option<&Damage> {
        match &self.result {
            CellResult::Measured { damage, .. } => Some(damage),
            CellResult::Problem(_) => None,
        }
    }

    /// Returns the ratios, if there is an allocation.
    pub const fn ratios(&self) -> Option<&RealisedRatios> {
        match &self.result {
            CellResult::Measured { ratios, .. } => Some(ratios),
            CellResult::Problem(_) => None,
        }
    }
}

impl Row {
    /// Returns the mean logarithm of the perplexities, used to sort rows; infinite if one is missing.
    pub fn mean_loss(&self) -> f64 {
        let losses =
            self.cells.iter().map(|cell| cell.damage().map_or(f64::INFINITY, |it| it.perplexity.ln()));
        let sum: f64 = losses.sum();
        let mean = sum / self.cells.len().max(1) as f64;
        if mean.is_nan() { f64::INFINITY } else { mean }
    }
}

impl Comparison {
    /// Sorts the rows and their timings by perplexity, lowest last.
    pub fn sort(&mut self, timings: &mut Timings) {
        let mut rows: Vec<_> = std::mem::take(&mut self.rows).into_iter().zip(timings.drain(..)).collect();
        rows.sort_by(|(a, _), (b, _)| b.mean_loss().total_cmp(&a.mean_loss()));
        (self.rows, *timings) = rows.into_iter().unzip();
    }
}

/// Seconds spent on choosing each row's ratios, at all sparsities together. They are kept apart from the
/// comparison, because they differ between runs.
pub type Timings = Vec<f64>;
