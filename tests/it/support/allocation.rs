//! Allocations for tests of pruning.

use allot::allocate::{Allocation, Projection, Unit, uniform};
use allot::model::Checkpoint;

/// Returns the allocation that gives every block the same sparsity.
pub fn allocation(checkpoint: &Checkpoint, target: f64) -> Allocation {
    let projections = |block| {
        let linears = checkpoint.block_linears(block).iter();
        linears.map(|it| Projection { name: it.module.clone(), parameters: (it.rows * it.columns) as u64 })
    };
    let units: Vec<Unit> = (0..checkpoint.config().blocks)
        .map(|block| Unit { name: format!("block {block}"), projections: projections(block).collect() })
        .collect();
    let sparsity = uniform(units.len(), target).unwrap();
    Allocation::new(target, &units, None, sparsity.values()).unwrap()
}
