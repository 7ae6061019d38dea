//! Masks of weights in memory, of a model that another program holds.

use std::collections::BTreeMap;

use super::error::PruneError;
use super::mask::Mask;
use super::pattern::{Rounding, Share, check_rows, least};
use super::score;
use crate::allocate::Allocation;
use crate::data::ModelData;
use crate::interpret::context::Context;
use crate::interpret::evaluate::Scores;
use crate::interpret::matrix::Processor;
use crate::lang::program::Metric;
use crate::lang::types::UnitKind;

/// Returns which weights of each linear an allocation prunes by a metric's scores, in the order of `data`.
///
/// `unit` is what the metric's reductions reduce.
///
/// # Errors
/// When the allocation is not one of exactly these linears, the metric has no value, or a score is not a number.
pub fn masks_in_memory(
    data: &ModelData<'_>,
    allocation: &Allocation,
    metric: &Metric,
    unit: UnitKind,
) -> Result<Vec<Mask>, PruneError> {
    check_rows(allocation, metric.per, Rounding::Exact)?;
    let mut by_name = BTreeMap::new();
    for of_unit in &allocation.units {
        for projection in &of_unit.projections {
            by_name.insert(projection.name.as_str(), (of_unit, projection));
        }
    }
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
    let mut masks = Vec::with_capacity(data.linears.len());
    for (place, linear) in data.linears.iter().enumerate() {
        let name = linear.name.as_str();
        let (of_unit, projection) =
            by_name.remove(name).ok_or_else(|| PruneError::NotAllocated { module: name.to_owned() })?;
        let found = (linear.rows * linear.columns) as u64;
        if projection.parameters != found {
            let allocated = projection.parameters;
            return Err(PruneError::OtherSize { module: name.to_owned(), allocated, found });
        }
        let of_linear = scores.linear(place).map_err(|source| no_value(name, source))?;
        score::check(name, &of_linear, linear.columns)?;
        let rows = projection.rows.clone().filter(|rows| !rows.are_even());
        let share = Share { rows, ..Share::new(of_unit.sparsity, projection.pruned) };
        masks.push(least(&of_linear, linear.columns, metric.per, &share, Rounding::Exact));
    }
    match by_name.first_key_value() {
        Some((name, _)) => Err(PruneError::NoSuchLinear { module: (*name).to_owned() }),
        None => Ok(masks),
    }
}
