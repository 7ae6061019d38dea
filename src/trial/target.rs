//! Targets: the models and sparsities at which candidates are measured.

use serde::{Deserialize, Serialize};

/// A model and a sparsity, serialised as a pair: the index of the model, counted from 0, and the target
/// sparsity, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(into = "(usize, f64)", from = "(usize, f64)")]
#[cfg_attr(feature = "schema", schemars(with = "(usize, f64)"))]
pub struct Target {
    /// Index of the model among the subjects.
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
