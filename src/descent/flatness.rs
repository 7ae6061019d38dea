//! How even the marginal damage of a given allocation is: flat is stationary.

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
    /// The mean loss of the windows, in nats.
    pub loss: f64,
    /// The interquartile range of the units' marginals over their median size: 0 where no budget can move at a gain.
    pub unevenness: f64,
    /// How far two halves of the windows agree about the units' differences, from 0 to 1; `None` of one window.
    pub reliability: Option<f64>,
    /// How the marginals of rows differ from their projections', where rows have ratios of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<RowFlatness>,
    /// How many tokens went through the pruned model; a pass back counts as two forward.
    pub tokens: u64,
    /// The units, in the model's order; projections, where rows have ratios of their own.
    pub units: Vec<UnitMarginal>,
}

/// How the marginal damage of rows differs from that of their projections.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RowFlatness {
    /// The interquartile range of the differences over the median size of the projections' marginals.
    pub unevenness: f64,
    /// How far two halves of the windows agree about the differences, from 0 to 1; `None` of one window.
    pub reliability: Option<f64>,
}

/// The marginal damage of one unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UnitMarginal {
    /// The unit.
    pub name: String,
    /// The share of its weights that is pruned.
    pub sparsity: f64,
    /// What the loss rises by, to first order, for each of a million weights more that is pruned of it, in nats.
    pub marginal: f64,
    /// The standard error of it over windows; `None` of one window.
    pub error: Option<f64>,
}

/// How many weights a marginal is told for.
const MILLION: f64 = 1e6;

/// Returns the marginal damage of the units of an allocation, of the settings' kind, at the evaluator's only target, on the first windows
/// of the fitness text that the settings' seed draws.
///
/// # Errors
/// When the settings ask for what cannot be done, the allocation is another model's, a model cannot run, or something asked to stop.
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
