//! What pruning did: the figures for people, and the provenance that is saved beside the weights.

use serde::Serialize;

use super::linear::Pruned;
use super::method::{InputNeeds, Method, Propagation};
use super::method_kind::MethodKind;
use super::options::PruneOptions;
use super::pattern::{Pattern, Rounding, Share};
use crate::allocate::{Allocation, RowCounts};
use crate::lang::ops::Op;
use crate::lang::print;
use crate::model::{Checkpoint, Linear, count_zeros};

/// The script that decided the ratios.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ScriptSource {
    /// The file or built-in name.
    pub name: String,
    /// Its text.
    pub text: String,
    /// The hash that names it: of its canonical form.
    pub hash: String,
}

/// What the statistics were collected on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CalibrationRecord {
    /// How many sequences were read.
    pub samples: usize,
    /// How many tokens each has.
    pub length: usize,
    /// SHA-256 of the text or token file.
    pub source: String,
    /// The seed that chose the sequences.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// What one linear lost.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LinearReport {
    /// The module's name.
    pub module: String,
    /// The weight's name in the files.
    pub tensor: String,
    /// The block it belongs to, from 0.
    pub block: usize,
    /// Output channels.
    pub rows: usize,
    /// Input channels.
    pub columns: usize,
    /// How many weights were to be pruned.
    pub asked: u64,
    /// How many were.
    pub pruned: u64,
    /// How many weights are 0 now; the dense model may have had some.
    pub zeros: u64,
    /// The share of the weights that was pruned.
    pub sparsity: f64,
    /// How many of how many consecutive columns, when a pattern ruled that: `2:4`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The share of the Hessian's mean diagonal that was added (SparseGPT).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damping: Option<f64>,
    /// How many weights of each row were to be pruned, where rows have ratios of their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<RowCounts>,
}

impl LinearReport {
    pub(super) fn new(linear: &Linear, share: &Share, pruned: &Pruned) -> Self {
        let count = pruned.mask.count();
        let parameters = (linear.rows * linear.columns).max(1);
        Self {
            module: linear.module.clone(),
            tensor: linear.weight.clone(),
            block: linear.block,
            rows: linear.rows,
            columns: linear.columns,
            asked: share.pruned,
            pruned: count,
            zeros: count_zeros(&pruned.weight),
            sparsity: count as f64 / parameters as f64,
            group: share.group.map(|(n, m)| format!("{n}:{m}")),
            damping: pruned.damping,
            counts: share.rows.clone(),
        }
    }
}

/// What pruning did to a model; saved as `allot.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Report {
    /// The version of allot.
    pub version: String,
    /// The fingerprint of the dense model's weights.
    pub model: String,
    /// The script that decided the ratios.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script: Option<ScriptSource>,
    /// How weights were chosen.
    pub method: MethodKind,
    /// The metric's expression, when the method is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// Where zeros may stand.
    pub pattern: Pattern,
    /// How ratios became numbers of weights.
    pub rounding: Rounding,
    /// Whether later blocks saw what pruning did to earlier ones; absent when no text went through the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub propagation: Option<Propagation>,
    /// What statistics were collected on, when the method needed any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration: Option<CalibrationRecord>,
    /// The sparsity asked for.
    pub target: f64,
    /// The share of all block linears' weights that was pruned.
    pub achieved: f64,
    /// How many weights the block linears have.
    pub parameters: u64,
    /// How many of them were to be pruned.
    pub asked: u64,
    /// How many of them were pruned.
    pub pruned: u64,
    /// How many of them are 0 now.
    pub zeros: u64,
    /// What is worth a warning, a sentence each.
    pub notes: Vec<String>,
    /// What each linear lost, in the model's order.
    pub linears: Vec<LinearReport>,
    /// Files that were not carried along, because they hold the dense weights in another form.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

impl Report {
    pub(super) fn new(
        checkpoint: &Checkpoint,
        allocation: &Allocation,
        options: &PruneOptions<'_>,
        script: Option<ScriptSource>,
        linears: Vec<LinearReport>,
    ) -> Self {
        let sum = |of: fn(&LinearReport) -> u64| linears.iter().map(of).sum::<u64>();
        let (parameters, pruned) = (sum(|it| (it.rows * it.columns) as u64), sum(|it| it.pruned));
        let asked = match options.pattern {
            Pattern::Mixed { .. } => allocation.pruned(),
            _ => sum(|it| it.asked),
        };
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            model: checkpoint.fingerprint(),
            script,
            method: options.method.kind(),
            metric: match &options.method {
                Method::Metric(metric) => {
                    Some(format!("metric(per = {}) {}", metric.per, print::expr(&metric.score)))
                }
                _ => None,
            },
            pattern: options.pattern,
            rounding: options.rounding,
            propagation: options.runs_model().then_some(options.propagation),
            calibration: calibration(options),
            target: match options.pattern {
                Pattern::Fixed { n, m } => n as f64 / m as f64,
                _ => allocation.target,
            },
            achieved: pruned as f64 / parameters.max(1) as f64,
            parameters,
            asked,
            pruned,
            zeros: sum(|it| it.zeros),
            notes: notes(options, &linears, pruned, asked),
            linears,
            left_out: Vec::new(),
        }
    }
}

fn calibration(options: &PruneOptions<'_>) -> Option<CalibrationRecord> {
    if options.runs_model() {
        return options.tokens.map(|tokens| CalibrationRecord {
            samples: tokens.samples(),
            length: tokens.length(),
            source: tokens.hash().to_owned(),
            seed: options.seed,
        });
    }
    let by_metric = |method: &Method| match method {
        Method::Metric(metric) => Op::COLLECTED.into_iter().any(|op| metric.score.uses(op)),
        _ => false,
    };
    let needed = options.method.needs() != InputNeeds::Weights || by_metric(&options.method);
    options.statistics.filter(|_| needed).map(|statistics| CalibrationRecord {
        samples: statistics.provenance.samples,
        length: statistics.provenance.length,
        source: statistics.provenance.source.clone(),
        seed: Some(statistics.provenance.seed),
    })
}

fn notes(options: &PruneOptions<'_>, linears: &[LinearReport], pruned: u64, asked: u64) -> Vec<String> {
    let mut notes = Vec::new();
    if let Method::SparseGpt { damping } = options.method {
        for linear in linears {
            if let Some(used) = linear.damping.filter(|used| *used > damping) {
                notes.push(format!(
                    "the Hessian of {} had no Cholesky factor with a damping of {damping}; it was raised to {used}",
                    linear.module
                ));
            }
        }
    }
    let dead = |it: &LinearReport| it.counts.as_ref().map_or(0, |counts| counts.dead(it.columns));
    let dead: usize = linears.iter().map(dead).sum();
    if dead > 0 {
        notes.push(format!("{dead} rows lost all of their weights: their output channels are dead"));
    }
    if pruned != asked {
        let (difference, side) = (pruned.abs_diff(asked), if pruned > asked { "more" } else { "fewer" });
        let why = match (options.pattern, options.rounding) {
            (Pattern::Unstructured, _) | (_, Rounding::Reference) => "the published rounding",
            _ => "the pattern",
        };
        notes.push(format!("{difference} weights {side} than asked for were pruned, by {why}"));
    }
    notes
}
