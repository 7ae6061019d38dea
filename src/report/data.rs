//! Allocations as data, for `--format json`.

use serde::Serialize;

use crate::allocate::{Allocation, UnitAllocation};
use crate::lang::types::UnitKind;

/// An allocation and how it was made.
#[derive(Clone, Debug, Serialize)]
pub struct AllocationData<'a> {
    /// The script's file or name.
    pub script: &'a str,
    /// The hash that names the script's formula.
    pub hash: &'a str,
    /// What got one ratio: `block` or `projection`.
    pub unit: &'static str,
    /// The sparsity asked for.
    pub target: f64,
    /// The sparsity that whole weights realise.
    pub achieved: f64,
    /// How many weights there are.
    pub params: u64,
    /// How many of them are pruned.
    pub pruned: u64,
    /// Whether the importances were noise, so that the ratios are uniform.
    pub noise: bool,
    /// The units, in the model's order.
    pub units: &'a [UnitAllocation],
}

impl<'a> AllocationData<'a> {
    /// Returns an allocation as data.
    pub fn new(allocation: &'a Allocation, script: &'a str, hash: &'a str, unit: UnitKind) -> Self {
        Self {
            script,
            hash,
            unit: unit.name(),
            target: allocation.target,
            achieved: allocation.achieved(),
            params: allocation.parameters(),
            pruned: allocation.pruned(),
            noise: allocation.noise,
            units: &allocation.units,
        }
    }
}
