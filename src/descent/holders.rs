//! The holders of ratios: blocks, projections, or the rows of projections.

use super::marginals::Part;
use crate::allocate::{Allocation, AllocationError, Rows, Unit, units};
use crate::data::ModelData;
use crate::lang::types::UnitKind;
use crate::trial::subject::Subject;

/// The parts of a model that get one ratio each.
#[derive(Clone, Debug)]
pub enum Holders {
    /// Blocks or projections.
    Units(Vec<Unit>),
    /// Output channels.
    Rows(Rows),
}

impl Holders {
    /// Returns the holders of a model.
    pub fn of(model: &ModelData<'_>, unit: UnitKind) -> Self {
        match unit {
            UnitKind::Block | UnitKind::Projection => Self::Units(units(model, unit)),
            UnitKind::Row => Self::Rows(Rows::of(model)),
        }
    }

    /// Returns the number of holders.
    pub fn count(&self) -> usize {
        match self {
            Self::Units(units) => units.len(),
            Self::Rows(rows) => rows.count(),
        }
    }

    /// Returns the number of weights of each holder.
    pub fn parameters(&self) -> Vec<u64> {
        match self {
            Self::Units(units) => units.iter().map(Unit::parameters).collect(),
            Self::Rows(rows) => rows.parameters(),
        }
    }

    /// Returns the allocation with the given ratios, one per holder, which must be on budget.
    ///
    /// # Errors
    /// When they are not on budget.
    pub fn allocation(&self, target: f64, ratios: &[f64]) -> Result<Allocation, AllocationError> {
        match self {
            Self::Units(units) => Allocation::new(target, units, None, ratios),
            Self::Rows(rows) => rows.allocation(target, None, ratios),
        }
    }

    /// Returns uniform sparsity.
    ///
    /// # Errors
    /// When the target is not between 0 and 1.
    pub fn uniform(&self, target: f64) -> Result<Allocation, AllocationError> {
        self.allocation(target, &vec![target; self.count()])
    }

    /// Returns the number of rows of each projection, if each row gets a ratio.
    pub fn rows_of_units(&self) -> Option<Vec<usize>> {
        match self {
            Self::Units(_) => None,
            Self::Rows(rows) => Some(rows.projections().iter().map(|it| it.rows).collect()),
        }
    }

    /// Returns the name of a unit that is steered as a whole, a block or a projection.
    pub fn name(&self, unit: usize) -> String {
        let name = match self {
            Self::Units(units) => units.get(unit).map(|it| it.name.clone()),
            Self::Rows(rows) => rows.projections().get(unit).map(|it| it.name.clone()),
        };
        name.unwrap_or_default()
    }
}

/// Returns the indices of the linears of each unit that is steered as a whole, `[units]`; rows are steered
/// within their projection.
pub fn linears(subject: &Subject, unit: UnitKind) -> Vec<Vec<usize>> {
    let blocks = (0..subject.blocks().len()).map(|block| subject.linears_of(block));
    match unit {
        UnitKind::Block => blocks.map(Iterator::collect).collect(),
        UnitKind::Projection | UnitKind::Row => blocks.flatten().map(|linear| vec![linear]).collect(),
    }
}

/// Returns the positions of the units' sums.
pub fn parts(linears: &[Vec<usize>]) -> Vec<Vec<Part>> {
    linears.iter().map(|places| places.iter().copied().map(Part::Linear).collect()).collect()
}
