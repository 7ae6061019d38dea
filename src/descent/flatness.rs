//! Flatness: how even the marginal damage of a given allocation is. Flat means stationary.

use serde::{Deserialize, Serialize};

use super::error::DescentError;
use super::ground::Ground;
use super::rule::{scale, unevenness};
use super::settings::DescentSettings;
use super::windows;
use crate::allocate::Allocation;
use crate::trial::evaluator::Evaluator;
use crate::trial::text::Split;

/// The marginal damage of an allocation's units.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Flatness {
    /// Mean loss of the windows, in nats.
    pub loss: f64,
    /// Interquartile range of the units' marginals divided by their median size: 0 if no exchange of budget
    /// between units helps.
    pub unevenness: f64,
    /// Agreement of two halves of the windows about the units' differences, from 0 to 1; null for a single
    /// window.
    pub reliability: Option<f64>,
    /// Difference of the rows' marginals from their projections', if rows have their own ratios.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<RowFlatness>,
    /// Number of tokens that went through the pruned model; a backward pass counts as two forward passes.
    pub tokens: u64,
    /// The units in model order; projections, if rows have their own ratios.
    pub units: Vec<UnitMarginal>,
}

/// The difference between the marginal damage of rows and that of their projections.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RowFlatness {
    /// Interquartile range of the differences divided by the median size of the projections' marginals.
    pub unevenness: f64,
    /// Agreement of two halves of the windows about the differences, from 0 to 1; null for a single window.
    pub reliability: Option<f64>,
}

/// The marginal damage of one unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UnitMarginal {
    /// Name of the unit.
    pub name: String,
    /// Share of its weights that is pruned.
    pub sparsity: f64,
    /// First-order rise of the loss per million additional pruned weights of the unit, in nats.
    pub marginal: f64,
    /// Standard error of the marginal over windows, in the same unit; null for a single window.
    pub error: Option<f64>,
}

/// Number of weights per unit of a reported marginal.
const MILLION: f64 = 1e6;

/// Returns the marginal damage of an allocation's units, of the kind in the settings, at the evaluator's only
/// target. It is measured on the first windows of the fitness text that the settings' seed draws.
///
/// # Errors
/// When the settings are refused, the allocation belongs to another model, a model cannot run, or the work
/// was interrupted.
pub fn flatness(
    evaluator: &Evaluator,
    settings: &DescentSettings,
    allocation: &Allocation,
) -> Result<Flatness, DescentError> {
    settings.check().map_err(DescentError::Refused)?;
    let ground = Ground::new(evaluator, settings)?;
    let model = ground.model(allocation)?;
    let windows = windows::of_step(settings.seed, 0, settings.windows, evaluator.windows(Split::Fitness));
    let measured = ground.marginals(&model, &windows)?;
    let marginals = &measured.units;
    let finite = |value: f64| value.is_finite().then_some(value);
    let units = allocation.units.iter().zip(marginals.means.iter().zip(&marginals.errors));
    let units = units.map(|(unit, (mean, error))| UnitMarginal {
        name: unit.name.clone(),
        sparsity: unit.achieved(),
        marginal: mean * MILLION,
        error: finite(error * MILLION),
    });
    let rows = measured.rows.as_ref().map(|rows| RowFlatness {
        unevenness: unevenness(&rows.differences(), scale(&marginals.means)),
        reliability: finite(rows.reliability()),
    });
    Ok(Flatness {
        loss: measured.loss,
        unevenness: unevenness(&marginals.means, scale(&marginals.means)),
        reliability: finite(marginals.reliability),
        rows,
        tokens: 3 * evaluator.tokens(Split::Fitness, windows.len()),
        units: units.collect(),
    })
}
