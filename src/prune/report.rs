//! The result of pruning: the figures for people, and the provenance saved with the weights.

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

/// The script that produced the ratios.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ScriptSource {
    /// The file or built-in name.
    pub name: String,
    /// Its text.
    pub text: String,
    /// The hash of its canonical form, which identifies it.
    pub hash: String,
}

/// The data that the statistics were collected on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CalibrationRecord {
    /// Number of windows that were read.
    pub samples: usize,
    /// Number of tokens in a window.
    pub length: usize,
    /// SHA-256 of the text or token file.
    pub source: String,
    /// Seed that drew the windows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// The weights that one linear lost.
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
    /// Number of weights that should have been pruned.
    pub asked: u64,
    /// Number of weights that were pruned.
    pub pruned: u64,
    /// Number of weights that are now 0; the dense model may already have had some.
    pub zeros: u64,
    /// The share of the weights that was pruned.
    pub sparsity: f64,
    /// Numbers of pruned and of consecutive columns in a group, if there was a pattern: `2:4`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The share of the Hessian's mean diagonal that was added (SparseGPT).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damping: Option<f64>,
    /// Number of weights of each row that should have been pruned, if rows have their own ratios.
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

/// The result of pruning a model; saved as `allot.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Report {
    /// The version of allot.
    pub version: String,
    /// The fingerprint of the dense model's weights.
    pub model: String,
    /// The script that produced the ratios.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script: Option<ScriptSource>,
    /// How weights were chosen.
    pub method: MethodKind,
    /// The metric's expression, if the method is a metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// Where zeros may lie.
    pub pattern: Pattern,
    /// How ratios became numbers of weights.
    pub rounding: Rounding,
    /// Whether later blocks saw the effect of pruning earlier ones; absent if no text went through the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub propagation: Option<Propagation>,
    /// The data that statistics were collected on, if the method needed any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration: Option<CalibrationRecord>,
    /// The requested sparsity.
    pub target: f64,
    /// The share of all block linears' weights that was pruned.
    pub achieved: f64,
    /// Number of weights in the block linears.
    pub parameters: u64,
    /// Number of those weights that should have been pruned.
    pub asked: u64,
    /// Number of those weights that were pruned.
    pub pruned: u64,
    /// Number of those weights that are now 0.
    pub zeros: u64,
    /// Warnings, one sentence each.
    pub notes: Vec<String>,
    /// The weights that each linear lost, in the model's order.
    pub linears: Vec<LinearReport>,
    /// Files that were not copied, because they hold the dense weights in another form.
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
        notes.push(format!("output channels that are dead because their rows lost all weights: {dead}"));
    }
    if pruned != asked {
        let (difference, side) = (pruned.abs_diff(asked), if pruned > asked { "more" } else { "fewer" });
        let why = match (options.pattern, options.rounding) {
            (Pattern::Unstructured, _) | (_, Rounding::Reference) => "the published rounding",
            _ => "the pattern",
        };
        notes
            .push(format!("pruned {difference} {side} than the requested {asked} weights, because of {why}"));
    }
    notes
}
