//! The units of a model, as allocations name them.

use super::allocation::{Projection, Unit};
use crate::interpret::data::ModelData;
use crate::interpret::units;

/// Returns units of a model with the names and sizes of their projections, in the same order.
pub fn named_units(model: &ModelData<'_>, units: &[units::Unit]) -> Vec<Unit> {
    let of_unit = |unit: &units::Unit| {
        let linears = unit.linears.iter().map(|linear| &model.linears[*linear]);
        let projections = linears.map(|linear| Projection {
            name: linear.name.clone(),
            parameters: linear.rows as u64 * linear.columns as u64,
        });
        Unit { name: unit.name.clone(), projections: projections.collect() }
    };
    units.iter().map(of_unit).collect()
}
