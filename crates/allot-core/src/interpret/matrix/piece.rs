//! Tasks: the pieces in which a unit's weights are visited.

use crate::data::ModelData;
use crate::interpret::units::UnitData;

/// The smallest size of a task in weights, except for the last of a linear.
const TASK: usize = 1 << 16;
/// The largest number of tasks of a unit, not counting the last task of each linear: enough for all cores, and few enough that
/// their results stay small.
const TASKS: u64 = 64;

/// A piece of a linear: some rows.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The linear's place in the unit.
    pub place: usize,
    /// Its place in the model.
    pub linear: usize,
    /// The rows.
    pub rows: std::ops::Range<usize>,
}

/// Returns a unit's tasks, in order.
pub(in crate::interpret) fn tasks(model: &ModelData<'_>, unit: &UnitData) -> Vec<Piece> {
    let size = usize::try_from(unit.parameters / TASKS).unwrap_or(usize::MAX).max(TASK);
    let mut tasks = Vec::new();
    for (place, linear) in unit.linears.iter().enumerate() {
        let shape = &model.linears[*linear];
        let step = (size / shape.columns.max(1)).max(1);
        let rows = if shape.columns == 0 { 0 } else { shape.rows };
        tasks.extend((0..rows).step_by(step).map(|row| Piece {
            place,
            linear: *linear,
            rows: row..rows.min(row.saturating_add(step)),
        }));
    }
    tasks
}
