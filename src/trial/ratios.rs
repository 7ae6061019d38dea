//! The realised ratios of an allocation, in whole weights.

use serde::{Deserialize, Serialize};

use crate::model::Checkpoint;
use crate::prune::Share;

/// The share of each part of a model that an allocation prunes, in whole weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RealisedRatios {
    /// Name in figures.
    pub name: String,
    /// Realised sparsity of each block, from 0 to 1.
    pub blocks: Vec<f64>,
    /// Realised sparsity of each projection, as pairs of module name and sparsity, in model order.
    pub projections: Vec<(String, f64)>,
}

impl RealisedRatios {
    /// Returns the realised ratios for the shares of a model's linears.
    pub fn new(name: &str, checkpoint: &Checkpoint, shares: &[Share]) -> Self {
        let mut pruned = vec![(0u64, 0u64); checkpoint.config().blocks];
        let mut projections = Vec::new();
        for (linear, share) in checkpoint.linears().iter().zip(shares) {
            let weights = linear.rows as u64 * linear.columns as u64;
            if let Some((gone, all)) = pruned.get_mut(linear.block) {
                *gone += share.pruned;
                *all += weights;
            }
            projections.push((linear.module.clone(), share.pruned as f64 / weights.max(1) as f64));
        }
        let blocks = pruned.into_iter().map(|(gone, all)| gone as f64 / all.max(1) as f64).collect();
        Self { name: name.to_owned(), blocks, projections }
    }
}
