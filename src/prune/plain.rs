//! Masks for weights in memory, of a model that another program holds.

use super::error::PruneError;
use super::mask::Mask;
use super::pattern::{Rounding, check_rows, least, unstructured_shares};
use super::score;
use crate::allocate::Allocation;
use crate::data::ModelData;
use crate::interpret::context::Context;
use crate::interpret::evaluate::Scores;
use crate::interpret::matrix::Processor;
use crate::lang::program::Metric;
use crate::lang::types::UnitKind;

/// Returns which weights of each linear an allocation prunes according to a metric's scores, in the order of
/// `data`.
///
/// `unit` is the unit that the metric's reductions reduce.
///
/// # Errors
/// When the allocation is not for exactly these linears, the metric has no value, or a score is not a number.
pub fn masks_in_memory(
    data: &ModelData<'_>,
    allocation: &Allocation,
    metric: &Metric,
    unit: UnitKind,
) -> Result<Vec<Mask>, PruneError> {
    check_rows(allocation, metric.per, Rounding::Exact)?;
    let shapes = data.linears.iter().map(|linear| (linear.name.as_str(), [linear.rows, linear.columns]));
    let shares = unstructured_shares(shapes, allocation)?;
    let context = Context {
        model: data,
        unit,
        metric: &metric.score,
        per: metric.per,
        target: allocation.target,
        reductions: None,
        backend: &Processor,
    };
    let no_value =
        |module: &str, source| PruneError::Metric { module: module.to_owned(), source: Box::new(source) };
    let scores = Scores::new(&metric.score, context).map_err(|source| no_value("the model", source))?;
    let linears = data.linears.iter().zip(&shares).enumerate();
    linears
        .map(|(place, (linear, share))| {
            let of_linear = scores.linear(place).map_err(|source| no_value(&linear.name, source))?;
            score::check(&linear.name, &of_linear, linear.columns)?;
            Ok(least(&of_linear, linear.columns, metric.per, share, Rounding::Exact))
        })
        .collect()
}
