//! The units of a model, as allocations name them.

use super::allocation::{Projection, Unit};
use crate::data::ModelData;
use crate::interpret::units::{self, UnitData};
use crate::lang::types::UnitKind;

/// Returns a model's units, with the names and sizes of their projections, in the model's order.
pub fn units(model: &ModelData<'_>, kind: UnitKind) -> Vec<Unit> {
    units::units(model, kind).iter().map(|unit| named(model, unit)).collect()
}

/// Returns a unit of a model with the names and sizes of its projections.
pub(super) fn named(model: &ModelData<'_>, unit: &UnitData) -> Unit {
    let linears = unit.linears.iter().map(|linear| &model.linears[*linear]);
    let projections = linears.map(|linear| Projection {
        name: linear.name.clone(),
        parameters: linear.rows as u64 * linear.columns as u64,
    });
    Unit { name: unit.name.clone(), projections: projections.collect() }
}
