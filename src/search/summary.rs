//! What a search found: all that its tables and pictures are made of.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::searcher::Searcher;
use super::teacher::TeacherDistance;
use crate::tasks::TaskScore;
use crate::trial::loss::{Damage, Measure, number};
use crate::trial::ratios::RealisedRatios;
use crate::trial::spent::{Point, Spent};

/// A model at a sparsity that candidates are measured at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TargetSummary {
    /// The model folder's name.
    pub model: String,
    /// The target sparsity.
    pub target: f64,
    /// The dense model's perplexity on the report text.
    #[serde(deserialize_with = "number")]
    pub dense_perplexity: f64,
    /// The loss of uniform sparsity on the fitness text, by which losses are divided when there are several settings.
    pub uniform_loss: f64,
    /// What the reported tasks show of the dense model.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dense_tasks: Vec<TaskScore>,
}

/// One search, or one control, with one seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RunSummary {
    /// What proposed candidates.
    pub searcher: Searcher,
    /// The seed.
    pub seed: u64,
    /// What it spent.
    pub spent: Spent,
    /// Its candidates, in order.
    pub points: Vec<Point>,
    /// Its best allocation: the one that the selection text chose.
    pub best: Winner,
}

/// An allocation that was chosen, with what it does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Winner {
    /// What tables call it.
    pub name: WinnerName,
    /// The script, where it is a formula.
    pub formula: Option<Formula>,
    /// The loss on the fitness text.
    #[serde(deserialize_with = "number")]
    pub fitness: f64,
    /// The loss on the selection text, where there is one.
    pub selection: Option<f64>,
    /// The damage on the report text, for each setting.
    pub report: Vec<Damage>,
    /// What the reported tasks show, `[settings][tasks]`; none where none is reported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<Vec<TaskScore>>,
}

/// What a winner is called, by where it comes from; as data, a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WinnerName {
    /// A formula that a search discovered.
    Discovered,
    /// The best of one search or control.
    Best(Searcher),
    /// The published script of a name.
    Published(String),
}

/// What a discovered formula is called.
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

crate::lang::schema_of_text!(WinnerName, "What tables call it.");

impl<'de> Deserialize<'de> for WinnerName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(String::deserialize(from)?.as_str().into())
    }
}

/// A formula in its forms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Formula {
    /// The script's text.
    pub script: String,
    /// The allocation in LaTeX.
    pub latex: String,
    /// The number of operators and constants.
    pub size: usize,
    /// The hash that names it.
    pub hash: String,
    /// The script as it was found and measured, where this one is simpler and prunes the same weights at every setting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
}

/// The winner without one of its parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PartLeftOut {
    /// The part: an operand, or the name of an operator whose operand stays.
    pub part: String,
    /// The script that is left.
    pub rest: String,
    /// Its loss on the text that decided: the selection text, or the fitness text where there is none.
    #[serde(deserialize_with = "number")]
    pub loss: f64,
}

/// A search compared with a control, on the report text at the first setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ControlComparison {
    /// The control.
    pub control: Searcher,
    /// The mean over seeds and windows of the search's loss less the control's: negative when the search is better.
    pub difference: f64,
    /// The bootstrap interval of that difference, 95 %.
    pub interval: (f64, f64),
    /// The two-sided p-value of Wilcoxon's signed-rank test over windows, the seeds' losses averaged.
    pub p_value: f64,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Summary {
    /// The version of allot that searched.
    pub version: String,
    /// How weights are scored, as a name or a script.
    pub method: String,
    /// The measure of the fitness.
    pub measure: Measure,
    /// The settings; the first is the main one.
    pub settings: Vec<TargetSummary>,
    /// The searches and controls, by searcher and seed.
    pub runs: Vec<RunSummary>,
    /// The winner of all searches: the one that the selection text chose.
    pub best: Winner,
    /// The Pareto front of all searches: loss on the selection text against size, by size.
    pub front: Vec<Winner>,
    /// Published allocations, measured in the same way.
    pub published: Vec<Winner>,
    /// The ratios of the winner, OWL and uniform.
    pub ratios: Vec<RealisedRatios>,
    /// The search against its controls.
    pub comparisons: Vec<ControlComparison>,
    /// The winner without each of its parts, the largest part first; measured when all was decided, and counted in no run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaving_out: Vec<PartLeftOut>,
    /// How far the winner's ratios are from each teacher's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teachers: Vec<TeacherDistance>,
}

impl Summary {
    /// Returns the published allocation of a name, where it was measured.
    pub fn published(&self, name: &str) -> Option<&Winner> {
        self.published.iter().find(|it| matches!(&it.name, WinnerName::Published(own) if own == name))
    }
}
