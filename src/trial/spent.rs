//! The budget spent by a race, and the points of its curve.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::loss::number;

/// A measured candidate of a race, in the order of evaluation, for the curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Point {
    /// Number of evaluations started so far, including this one.
    pub evaluation: usize,
    /// Loss on the fitness text; an estimate if `full` is false.
    #[serde(deserialize_with = "number")]
    pub loss: f64,
    /// Whether the whole fitness text was measured; racing stops a bad candidate earlier.
    pub full: bool,
}

/// The work that a search spent, and the work that it saved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Spent {
    /// Number of proposed candidates.
    pub proposals: usize,
    /// Number of proposals whose formula was known by its canonical hash.
    pub known_formulas: usize,
    /// Number of proposals with a new formula that had no value on the model.
    pub invalid: usize,
    /// Number of proposals with a new formula whose allocation was already measured.
    pub known_behaviours: usize,
    /// Number of allocations measured on some or all of the fitness text.
    pub evaluations: usize,
    /// Number of those measured on all of it.
    pub full_evaluations: usize,
    /// Number of tokens that went through a pruned model.
    pub tokens: u64,
    /// Work spent on judging formulas by the teachers alone.
    #[serde(default, skip_serializing_if = "Judged::is_nothing")]
    pub judged: Judged,
    /// Number of formulas whose loss a surrogate predicted, to choose those that are measured.
    #[serde(default, skip_serializing_if = "is_none_screened")]
    pub screened: usize,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
const fn is_none_screened(count: &usize) -> bool {
    *count == 0
}

impl Spent {
    /// Adds further work.
    pub fn add(&mut self, more: &Self) {
        self.proposals += more.proposals;
        self.known_formulas += more.known_formulas;
        self.invalid += more.invalid;
        self.known_behaviours += more.known_behaviours;
        self.evaluations += more.evaluations;
        self.full_evaluations += more.full_evaluations;
        self.tokens += more.tokens;
        self.judged.add(&more.judged);
        self.screened += more.screened;
    }
}

/// Work spent on judging formulas by their distance from teachers, without forward passes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Judged {
    /// Number of judged formulas; the same formula with other constants counts again.
    pub formulas: usize,
    /// Number of reductions over the weights that had to be computed, because no earlier formula used them.
    pub reductions: u64,
    /// Time spent on it; not stored, because no two runs take the same time.
    #[serde(skip)]
    pub time: Duration,
}

impl Judged {
    /// Returns whether nothing was judged.
    pub const fn is_nothing(&self) -> bool {
        self.formulas == 0
    }

    /// Adds further judged work.
    pub fn add(&mut self, more: &Self) {
        self.formulas += more.formulas;
        self.reductions += more.reductions;
        self.time += more.time;
    }
}
