//! What a race spends, and the points of its curve.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::loss::number;

/// A candidate of a race, in the order of evaluation, for the curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Point {
    /// How many evaluations had been begun, this one included.
    pub evaluation: usize,
    /// The estimated loss on the fitness text.
    #[serde(deserialize_with = "number")]
    pub loss: f64,
    /// Whether all of the fitness text was spent on it; racing stops a bad candidate earlier.
    pub full: bool,
}

/// What was spent, and what was saved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Spent {
    /// Candidates that were proposed.
    pub proposals: usize,
    /// Proposals whose formula was known by its canonical hash.
    pub known_formulas: usize,
    /// Proposals of a new formula that had no value on the model.
    pub invalid: usize,
    /// Proposals of a new formula whose allocation had been measured.
    pub known_behaviours: usize,
    /// Allocations that were measured, on some of the fitness text or on all of it.
    pub evaluations: usize,
    /// Of these, how many were measured on all of it.
    pub full_evaluations: usize,
    /// Tokens that went through a pruned model.
    pub tokens: u64,
    /// What was judged by teachers alone.
    #[serde(default, skip_serializing_if = "Judged::is_nothing")]
    pub judged: Judged,
}

/// What was judged by the distance from teachers, with no forward pass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Judged {
    /// Formulas, each with its constants.
    pub formulas: usize,
    /// Reductions over the weights that were computed for it, as no formula before had them.
    pub reductions: u64,
    /// How long it took; this is not kept, as no two runs take the same time.
    #[serde(skip)]
    pub time: Duration,
}

impl Judged {
    /// Returns whether nothing was judged.
    pub const fn is_nothing(&self) -> bool {
        self.formulas == 0
    }

    /// Adds what was judged besides.
    pub fn add(&mut self, more: &Self) {
        self.formulas += more.formulas;
        self.reductions += more.reductions;
        self.time += more.time;
    }
}
