//! The results of a descent.

use serde::{Deserialize, Serialize};

use super::settings::DescentSettings;
use crate::allocate::Allocation;
use crate::trial::loss::Damage;

/// The reason why a descent ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// All steps were made.
    AllSteps,
    /// The loss on the selection text did not improve any more.
    NoGain,
    /// Two halves of a step's windows no longer agreed about the differences between units.
    Noise,
    /// The budget of tokens was spent.
    Budget,
}

/// The result of a descent at one sparsity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Descended {
    /// Allocation of the iterate that the selection text chose, or of the last iterate without a selection
    /// text.
    pub allocation: Allocation,
    /// Its ratios before rounding to whole weights, one per block, projection or row.
    #[serde(skip)]
    pub ratios: Vec<f64>,
    /// Step after which this iterate was reached; 0 is the start.
    pub step: usize,
    /// Its loss on the selection text, in nats; null without a selection text.
    pub selection: Option<f64>,
    /// Loss of the start on the selection text, in nats; null without a selection text.
    pub began: Option<f64>,
    /// Number of steps made.
    pub steps: usize,
    /// Reason why the descent ended.
    pub ended: Ended,
    /// Number of tokens that went through the pruned model; a backward pass counts as two forward passes.
    pub tokens: u64,
    /// Number of output channels that lose all of their weights, if each row gets a ratio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_rows: Option<usize>,
    /// Unevenness of the marginals at the start and at the end: interquartile range divided by median size.
    pub unevenness: [f64; 2],
}

/// The result of a descent at one sparsity, with its damage on the report text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Found {
    /// The result at this sparsity.
    #[serde(flatten)]
    pub descended: Descended,
    /// Damage of uniform sparsity on the report text; null without a report text.
    pub uniform: Option<Damage>,
    /// Damage of the found allocation on the report text; null without a report text.
    pub report: Option<Damage>,
}

/// The results of a whole descent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DescentSummary {
    /// Version of allot that ran the descent.
    pub version: String,
    /// Folder of the model.
    pub model: String,
    /// Name of the method that ranked the weights.
    pub method: String,
    /// Number of tokens per window of the fitness text.
    pub length: usize,
    /// Settings of the descent.
    pub settings: DescentSettings,
    /// Results, in the order of the sparsities.
    pub found: Vec<Found>,
}
