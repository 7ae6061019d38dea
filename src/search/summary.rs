//! The results of a search, from which its tables and pictures are made.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::searcher::Searcher;
use super::teacher::TeacherDistance;
use crate::tasks::TaskScore;
use crate::trial::loss::{Damage, Measure, number};
use crate::trial::ratios::RealisedRatios;
use crate::trial::spent::{Point, Spent};

/// A model and a sparsity at which candidates are measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TargetSummary {
    /// Name of the model's folder.
    pub model: String,
    /// Target sparsity, from 0 to 1.
    pub target: f64,
    /// Perplexity of the dense model on the report text.
    #[serde(deserialize_with = "number")]
    pub dense_perplexity: f64,
    /// Loss of uniform sparsity on the fitness text; with several settings, losses are divided by it.
    pub uniform_loss: f64,
    /// Scores of the dense model on the reported tasks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dense_tasks: Vec<TaskScore>,
}

/// One run of the search or of a control, with one seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RunSummary {
    /// The search or control that proposed the candidates.
    pub searcher: Searcher,
    /// Seed of the run.
    pub seed: u64,
    /// Budget that the run spent.
    pub spent: Spent,
    /// Its candidates, in the order of proposal.
    pub points: Vec<Point>,
    /// Its best allocation, as chosen on the selection text.
    pub best: Winner,
}

/// A chosen allocation with its results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Winner {
    /// Name in tables.
    pub name: WinnerName,
    /// The formula, if the allocation is one.
    pub formula: Option<Formula>,
    /// Loss on the fitness text.
    #[serde(deserialize_with = "number")]
    pub fitness: f64,
    /// Loss on the selection text, if there is one.
    pub selection: Option<f64>,
    /// Damage on the report text, one entry per setting.
    pub report: Vec<Damage>,
    /// Damage on the report text at each further sparsity; null where it has no allocation, such as free
    /// ratios.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsearched: Vec<Option<Damage>>,
    /// Scores on the reported tasks, `[settings][tasks]`; empty if no tasks are reported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<Vec<TaskScore>>,
}

/// The name of a winner, by its origin; serialised as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WinnerName {
    /// A formula that the search discovered.
    Discovered,
    /// The best allocation of one search or control.
    Best(Searcher),
    /// The published script with this name.
    Published(String),
}

/// Name of a discovered formula.
const DISCOVERED: &str = "discovered";

impl fmt::Display for WinnerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Discovered => DISCOVERED,
            Self::Best(searcher) => searcher.name(),
            Self::Published(name) => name,
        })
    }
}

impl From<&str> for WinnerName {
    fn from(name: &str) -> Self {
        match Searcher::all().find(|searcher| searcher.name() == name) {
            _ if name == DISCOVERED => Self::Discovered,
            Some(searcher) => Self::Best(searcher),
            None => Self::Published(name.to_owned()),
        }
    }
}

impl Serialize for WinnerName {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

crate::lang::schema_of_text!(WinnerName, "Name in tables.");

impl<'de> Deserialize<'de> for WinnerName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(String::deserialize(from)?.as_str().into())
    }
}

/// A formula in several forms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Formula {
    /// Text of the script.
    pub script: String,
    /// The allocation as LaTeX.
    pub latex: String,
    /// Number of operators and constants.
    pub size: usize,
    /// Hash that identifies the formula.
    pub hash: String,
    /// The script as it was found and measured, if `script` is a simpler one that prunes the same weights at
    /// every setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
}

/// The winner without one of its parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PartLeftOut {
    /// The part: an operand, or the name of an operator whose operand stays.
    pub part: String,
    /// The script without the part.
    pub rest: String,
    /// Its loss on the text that decided: the selection text, or the fitness text if there is none.
    #[serde(deserialize_with = "number")]
    pub loss: f64,
}

/// A search compared with a control, on the report text at one setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ControlComparison {
    /// The control.
    pub control: Searcher,
    /// Index of the setting, counted from 0.
    #[serde(default, skip_serializing_if = "is_first")]
    pub setting: usize,
    /// Mean over seeds and windows of the search's loss minus the control's; negative when the search is
    /// better.
    pub difference: f64,
    /// 95 % bootstrap interval of that difference.
    pub interval: (f64, f64),
    /// Two-sided p-value of Wilcoxon's signed-rank test over windows, with the seeds' losses averaged.
    pub p_value: f64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
const fn is_first(setting: &usize) -> bool {
    *setting == 0
}

/// The results of a search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Summary {
    /// Version of allot that ran the search.
    pub version: String,
    /// How weights are scored: the name of a method or a script.
    pub method: String,
    /// Measure of the fitness.
    pub measure: Measure,
    /// The settings; the first is the main one.
    pub settings: Vec<TargetSummary>,
    /// Further sparsities of the main model, at which the search measured no candidate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsearched: Vec<f64>,
    /// The runs of the search and its controls, by searcher and seed.
    pub runs: Vec<RunSummary>,
    /// The winner over all runs of the search, as chosen on the selection text.
    pub best: Winner,
    /// The Pareto front of all runs of the search, loss on the selection text against size, in order of size.
    pub front: Vec<Winner>,
    /// Published allocations, measured the same way.
    pub published: Vec<Winner>,
    /// The ratios of the winner, OWL and uniform.
    pub ratios: Vec<RealisedRatios>,
    /// Comparisons of the search with its controls.
    pub comparisons: Vec<ControlComparison>,
    /// The winner without each of its parts, the largest part first; measured after all decisions, and
    /// counted in no run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaving_out: Vec<PartLeftOut>,
    /// Distance of the winner's ratios from those of each teacher.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teachers: Vec<TeacherDistance>,
}

impl Summary {
    /// Returns the published allocation with a name, if it was measured.
    pub fn published(&self, name: &str) -> Option<&Winner> {
        self.published.iter().find(|it| matches!(&it.name, WinnerName::Published(own) if own == name))
    }
}
