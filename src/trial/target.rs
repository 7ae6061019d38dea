//! Where candidates are measured: a model at a sparsity.

use serde::{Deserialize, Serialize};

/// A model at a sparsity; as data, the pair of both.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(into = "(usize, f64)", from = "(usize, f64)")]
#[cfg_attr(feature = "schema", schemars(with = "(usize, f64)"))]
pub struct Target {
    /// The place of the model among the subjects.
    pub subject: usize,
    /// The target sparsity.
    pub sparsity: f64,
}

impl From<Target> for (usize, f64) {
    fn from(target: Target) -> Self {
        (target.subject, target.sparsity)
    }
}

impl From<(usize, f64)> for Target {
    fn from((subject, sparsity): (usize, f64)) -> Self {
        Self { subject, sparsity }
    }
}
