//! Allocation units: which linears share one ratio, and their sizes and kinds.

use crate::data::{ModelData, ProjectionKind};
use crate::lang::types::UnitKind;

/// A unit of a model: linears that share one ratio.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitData {
    /// Its place among the model's units.
    pub index: usize,
    /// Its name, such as `block 3` or a module's name.
    pub name: String,
    /// The block that it is or that it belongs to.
    pub block: usize,
    /// The indices of its linears in [`ModelData::linears`].
    pub linears: Vec<usize>,
    /// How many weights it has.
    pub parameters: u64,
    /// The share of its weights of each kind, in the order of [`ProjectionKind::ALL`].
    pub kinds: [f64; 7],
}

impl UnitData {
    /// Returns the share of the unit's weights that are of some kinds.
    pub fn share(&self, kinds: &[ProjectionKind]) -> f64 {
        ProjectionKind::ALL
            .iter()
            .zip(self.kinds)
            .filter(|(kind, _)| kinds.contains(kind))
            .map(|(_, share)| share)
            .sum()
    }
}

/// Returns a model's units, in the model's order. Where rows get the ratios, the units are the projections.
pub fn units(model: &ModelData<'_>, kind: UnitKind) -> Vec<UnitData> {
    let mut units: Vec<UnitData> = Vec::new();
    for (index, linear) in model.linears.iter().enumerate() {
        let parameters = linear.rows as u64 * linear.columns as u64;
        let joins = kind == UnitKind::Block && units.last().is_some_and(|unit| unit.block == linear.block);
        if !joins {
            let name = match kind {
                UnitKind::Block => format!("block {}", linear.block),
                UnitKind::Projection | UnitKind::Row => linear.name.clone(),
            };
            units.push(UnitData {
                index: units.len(),
                name,
                block: linear.block,
                linears: Vec::new(),
                parameters: 0,
                kinds: [0.0; 7],
            });
        }
        if let Some(unit) = units.last_mut() {
            for (sum, share) in unit.kinds.iter_mut().zip(linear.kinds) {
                *sum += share * parameters as f64;
            }
            unit.linears.push(index);
            unit.parameters += parameters;
        }
    }
    for unit in &mut units {
        for share in &mut unit.kinds {
            *share /= unit.parameters.max(1) as f64;
        }
    }
    units
}
