//! How even the marginal damage of a given allocation is.

use serde::{Deserialize, Serialize};

use super::error::DescentError;
use super::run::{Ground, unevenness};
use super::settings::DescentSettings;
use super::windows;
use crate::allocate::Allocation;
use crate::trial::evaluator::Evaluator;
use crate::trial::text::Split;

/// The marginal damage of an allocation's units.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Flatness {
    /// What decided the ratios.
    pub name: String,
    /// The mean loss of the windows, in nats.
    pub loss: f64,
    /// The interquartile range of the marginals over their median size: 0 where no budget can move at a gain.
    pub unevenness: f64,
    /// How far two halves of the windows agree about the units' differences, from 0 to 1.
    pub reliability: f64,
    /// How many tokens went through the pruned model; a pass back counts as two forward.
    pub tokens: u64,
    /// The units, in the model's order.
    pub units: Vec<UnitMarginal>,
}

/// The marginal damage of one unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnitMarginal {
    /// The unit.
    pub name: String,
    /// Its sparsity, in whole weights.
    pub sparsity: f64,
    /// What the loss rises by, to first order, for each of a million weights more that is pruned of it, in nats.
    pub marginal: f64,
    /// The standard error of it over windows.
    pub error: f64,
}

/// How many weights a marginal is told for.
const MILLION: f64 = 1e6;

/// Returns the marginal damage of the units of the settings, at an allocation for units of any kind of the evaluator's only target.
///
/// # Errors
/// As [`descend`](super::run::descend).
pub fn flatness(
    evaluator: &Evaluator,
    settings: &DescentSettings,
    name: &str,
    allocation: &Allocation,
) -> Result<Flatness, DescentError> {
    settings.check().map_err(DescentError::Refused)?;
    let ground = Ground::new(evaluator, settings)?;
    let model = ground.model(allocation)?;
    let windows = windows::of_step(settings.seed, 0, settings.windows, evaluator.windows(Split::Fitness));
    let (marginals, loss) = ground.marginals(&model, &windows)?;
    let pruned = ground.pruned(&model.shares);
    let units = ground.units.iter().zip(pruned).zip(marginals.means.iter().zip(&marginals.errors));
    let units = units.map(|((unit, pruned), (mean, error))| UnitMarginal {
        name: unit.name.clone(),
        sparsity: pruned as f64 / unit.parameters().max(1) as f64,
        marginal: mean * MILLION,
        error: error * MILLION,
    });
    Ok(Flatness {
        name: name.to_owned(),
        loss,
        unevenness: unevenness(&marginals.means),
        reliability: marginals.reliability,
        tokens: 3 * evaluator.tokens(Split::Fitness, windows.len()),
        units: units.collect(),
    })
}
