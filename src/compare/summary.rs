//! What a comparison found: all that its tables and figures are made of.

use serde::{Serialize, Serializer};

use crate::lang::types::UnitKind;
use crate::prune::{Pattern, Propagation};
use crate::trial::loss::Damage;
use crate::trial::ratios::RealisedRatios;

fn by_name<S: Serializer>(unit: &UnitKind, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(unit.name())
}

/// Ways to allocate on one model, each at several sparsities.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Comparison {
    /// The version of allot that compared.
    pub version: String,
    /// The model folder's name.
    pub model: String,
    /// How weights are chosen: the pruning method's name, or its metric.
    pub method: String,
    /// Where zeros may stand.
    pub pattern: Pattern,
    /// What later blocks saw of the pruning.
    pub propagation: Propagation,
    /// How many windows the report text has.
    pub windows: usize,
    /// How many tokens each of them has.
    pub length: usize,
    /// The dense model's perplexity on the report text.
    pub dense_perplexity: f64,
    /// The target sparsities, ascending.
    pub sparsities: Vec<f64>,
    /// One for each way to allocate and unit.
    pub rows: Vec<Row>,
}

/// One way to allocate, with one unit, at every sparsity.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Row {
    /// What tables call it.
    pub name: String,
    /// What gets one ratio, by name.
    #[serde(serialize_with = "by_name")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub unit: UnitKind,
    /// Whether the unit was asked for, beside others.
    #[serde(skip)]
    pub unit_asked: bool,
    /// Tokens that the model read until the ratios were decided, at all sparsities together: those of the calibration text where
    /// its statistics were used, and those that went through pruned models.
    pub tokens: u64,
    /// How many allocations were measured until the ratios were decided, at all sparsities together.
    pub evaluations: usize,
    /// What came of it, `[sparsities]`.
    pub cells: Vec<Cell>,
}

/// One way to allocate at one sparsity.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Cell {
    /// The target sparsity.
    pub target: f64,
    /// What came of it.
    #[serde(flatten)]
    pub result: CellResult,
}

/// What came of an allocation.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum CellResult {
    /// It was pruned and measured.
    Measured {
        /// The damage on the report text.
        damage: Damage,
        /// The share of all weights that went.
        achieved: f64,
        /// The ratios that were realised.
        ratios: RealisedRatios,
    },
    /// It has no value on the model at this sparsity: why.
    Problem(String),
}

impl Cell {
    /// Returns the damage, where there is an allocation.
    pub const fn damage(&self) -> Option<&Damage> {
        match &self.result {
            CellResult::Measured { damage, .. } => Some(damage),
            CellResult::Problem(_) => None,
        }
    }

    /// Returns the ratios, where there is an allocation.
    pub const fn ratios(&self) -> Option<&RealisedRatios> {
        match &self.result {
            CellResult::Measured { ratios, .. } => Some(ratios),
            CellResult::Problem(_) => None,
        }
    }
}

impl Row {
    /// Returns the mean logarithm of the perplexities, by which rows can be sorted; infinite when one is missing.
    pub fn mean_loss(&self) -> f64 {
        let losses =
            self.cells.iter().map(|cell| cell.damage().map_or(f64::INFINITY, |it| it.perplexity.ln()));
        let sum: f64 = losses.sum();
        let mean = sum / self.cells.len().max(1) as f64;
        if mean.is_nan() { f64::INFINITY } else { mean }
    }
}

impl Comparison {
    /// Puts the rows in order, and their timings with them: the least perplexities last.
    pub fn sort(&mut self, timings: &mut Timings) {
        let mut rows: Vec<_> = std::mem::take(&mut self.rows).into_iter().zip(timings.drain(..)).collect();
        rows.sort_by(|(a, _), (b, _)| b.mean_loss().total_cmp(&a.mean_loss()));
        (self.rows, *timings) = rows.into_iter().unzip();
    }
}

/// Seconds that each row's ratios took to decide, at all sparsities together; apart from the comparison, because they are not the
/// same twice.
pub type Timings = Vec<f64>;
