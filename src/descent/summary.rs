//! What a descent found.

use serde::{Deserialize, Serialize};

use super::settings::DescentSettings;
use crate::allocate::Allocation;
use crate::trial::loss::Damage;

/// Why a descent ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// All steps were made.
    AllSteps,
    /// The loss on the selection text fell no further.
    NoGain,
    /// Two halves of a step's windows no longer agreed about what differs.
    Noise,
    /// The budget of tokens was spent.
    Budget,
}

/// What a descent found at one sparsity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Descended {
    /// The allocation that the selection text chose among the iterates; without one, the last.
    pub allocation: Allocation,
    /// Its ratios before whole weights, one for each block, projection or row.
    #[serde(skip)]
    pub ratios: Vec<f64>,
    /// After which step it stood; 0 for what it began with.
    pub step: usize,
    /// Its loss on the selection text, in nats; `None` without one.
    pub selection: Option<f64>,
    /// The loss on the selection text of what it began with.
    pub began: Option<f64>,
    /// How many steps were made.
    pub steps: usize,
    /// Why there were no more.
    pub ended: Ended,
    /// How many tokens went through the pruned model; a pass back counts as two forward.
    pub tokens: u64,
    /// How many output channels lose all of their weights, where rows get a ratio each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_rows: Option<usize>,
    /// How uneven the marginals were at first and at last: the interquartile range over the median size.
    pub unevenness: [f64; 2],
}

/// What a descent found at one sparsity, and what it is worth on the report text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Found {
    /// What was found.
    #[serde(flatten)]
    pub descended: Descended,
    /// The damage of uniform sparsity on the report text.
    pub uniform: Option<Damage>,
    /// The damage of what was found on the report text.
    pub report: Option<Damage>,
}

/// A whole descent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DescentSummary {
    /// The version of allot.
    pub version: String,
    /// The model's folder.
    pub model: String,
    /// What ranked the weights.
    pub method: String,
    /// How many tokens a window of the fitness text has.
    pub length: usize,
    /// How it went.
    pub settings: DescentSettings,
    /// What was found, a sparsity after the other.
    pub found: Vec<Found>,
}
