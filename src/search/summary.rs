//! What a search found: all that its tables and pictures are made of.

use serde::{Deserialize, Deserializer, Serialize};

use crate::lang::types::UnitKind;
use crate::measure::WindowLoss;
use crate::model::Checkpoint;
use crate::prune::Share;

/// Reads a number that JSON may have had no form for: a model that pruning has destroyed has no finite loss.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
}

/// How a candidate's damage is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// The mean divergence KL(dense || pruned) of a position, in nats.
    #[default]
    Kl,
    /// The mean negative log-likelihood of a token, in nats; tables show its exponential.
    Perplexity,
}

impl Measure {
    /// Returns the name that `--measure` takes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kl => "kl",
            Self::Perplexity => "perplexity",
        }
    }
}

/// What proposes candidates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Searcher {
    /// Typed genetic programming over formulas.
    Evolution,
    /// Every formula of a small space.
    Enumeration,
    /// Random formulas of the same space: the control.
    Random,
    /// Depth ramps of all slopes: ATP with its best one.
    Ramp,
    /// The depth ramp that disturbs activations least: NeuroAL's block step.
    Neuroal,
    /// Sparsity shared out among each block's projections by gradients: BESA.
    Besa,
    /// One free level for each block, as in EvoPress.
    EvopressBlock,
    /// One free level for each projection, as in EvoPress.
    EvopressProjection,
}

impl Searcher {
    /// Every searcher, in the order of tables.
    pub const ALL: [Self; 8] = [
        Self::Evolution,
        Self::Enumeration,
        Self::Random,
        Self::Ramp,
        Self::Neuroal,
        Self::Besa,
        Self::EvopressBlock,
        Self::EvopressProjection,
    ];

    /// Returns whether it is the search itself, and no control.
    pub const fn is_search(self) -> bool {
        matches!(self, Self::Evolution | Self::Enumeration)
    }

    /// Returns whether it is a method of its own, which has a place beside published scripts: neither formulas that are evolved or
    /// enumerated, nor random ones.
    pub const fn is_program(self) -> bool {
        !self.is_search() && !matches!(self, Self::Random)
    }

    /// Returns what commands call it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Evolution => "evolution",
            Self::Enumeration => "enumeration",
            Self::Random => "random",
            Self::Ramp => "ramp",
            Self::Neuroal => "neuroal",
            Self::Besa => "besa",
            Self::EvopressBlock => "evopress-block",
            Self::EvopressProjection => "evopress-projection",
        }
    }

    /// Returns whether its course depends on a seed.
    pub const fn has_chance(self) -> bool {
        !matches!(self, Self::Enumeration | Self::Ramp | Self::Neuroal | Self::Besa)
    }

    /// Returns what gets one ratio, where that is not the formula's choice.
    pub const fn unit(self) -> UnitKind {
        match self {
            Self::Besa | Self::EvopressProjection => UnitKind::Projection,
            _ => UnitKind::Block,
        }
    }

    /// Returns what tables call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Evolution => "evolution",
            Self::Enumeration => "enumeration",
            Self::Random => "random formulas",
            Self::Ramp => "depth ramp, best slope",
            Self::Neuroal => "NeuroAL, block step",
            Self::Besa => "BESA",
            Self::EvopressBlock => "EvoPress-style, per block",
            Self::EvopressProjection => "EvoPress-style, per projection",
        }
    }
}

/// A model at a sparsity that candidates are measured at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SettingSummary {
    /// The model folder's name.
    pub model: String,
    /// The target sparsity.
    pub target: f64,
    /// The dense model's perplexity on the report text.
    #[serde(deserialize_with = "number")]
    pub dense_perplexity: f64,
    /// The loss of uniform sparsity on the fitness text, by which losses are divided when there are several settings.
    pub uniform_loss: f64,
}

/// The damage of one allocation on one text at one setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Damage {
    /// The mean divergence from the dense model, in nats.
    #[serde(deserialize_with = "number")]
    pub kl: f64,
    /// The perplexity.
    #[serde(deserialize_with = "number")]
    pub perplexity: f64,
}

impl Damage {
    /// Returns the damage of a text, whose windows count alike.
    pub fn mean(windows: &[WindowLoss]) -> Self {
        let n = windows.len().max(1) as f64;
        Self {
            kl: windows.iter().map(|it| it.kl).sum::<f64>() / n,
            perplexity: (windows.iter().map(|it| it.nll).sum::<f64>() / n).exp(),
        }
    }
}

/// A candidate of a search, in the order of evaluation, for the curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
}

/// One search, or one control, with one seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
pub struct Winner {
    /// What tables call it.
    pub name: String,
    /// The script, where it is a formula.
    pub formula: Option<Formula>,
    /// The loss on the fitness text.
    #[serde(deserialize_with = "number")]
    pub fitness: f64,
    /// The loss on the selection text, where there is one.
    pub selection: Option<f64>,
    /// The damage on the report text, for each setting.
    pub report: Vec<Damage>,
}

/// A formula in its forms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Formula {
    /// The script's text.
    pub script: String,
    /// The allocation in LaTeX.
    pub latex: String,
    /// The number of operators and constants.
    pub size: usize,
    /// The hash that names it.
    pub hash: String,
}

/// How much of each part an allocation prunes at the first setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ratios {
    /// What figures call it.
    pub name: String,
    /// The realised sparsity of each block.
    pub blocks: Vec<f64>,
    /// The realised sparsity of each projection, by module name, in model order.
    pub projections: Vec<(String, f64)>,
}

impl Ratios {
    /// Returns the ratios that shares of a model's linears realise.
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

/// A search compared with a control, on the report text at the first setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
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
pub struct Summary {
    /// The version of allot that searched.
    pub version: String,
    /// How weights are scored, as a name or a script.
    pub method: String,
    /// The measure of the fitness.
    pub measure: Measure,
    /// The settings; the first is the main one.
    pub settings: Vec<SettingSummary>,
    /// The searches and controls, by searcher and seed.
    pub runs: Vec<RunSummary>,
    /// The winner of all searches: the one that the selection text chose.
    pub best: Winner,
    /// The Pareto front of all searches: loss on the selection text against size, by size.
    pub front: Vec<Winner>,
    /// Published allocations, measured in the same way.
    pub published: Vec<Winner>,
    /// The ratios of the winner, OWL and uniform.
    pub ratios: Vec<Ratios>,
    /// The search against its controls.
    pub comparisons: Vec<Comparison>,
}
