//! How much each weight of a linear matters: the least are pruned.

use rayon::prelude::*;
use serde::Serialize;

use super::error::PruneError;
use crate::lang::program::Metric;
use crate::lang::types::Group;

/// How weights are chosen, and what happens to those that stay.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// `abs(weight)`, over the whole matrix.
    Magnitude,
    /// `abs(weight) * input_norm`, within rows (Sun et al., ICLR 2024, arXiv 2306.11695).
    Wanda,
    /// Optimal brain surgeon column by column: what stays makes up for what goes (Frantar and Alistarh, ICML 2023, arXiv
    /// 2301.00774).
    SparseGpt {
        /// The share of the Hessian's mean diagonal that is added to its diagonal; 0.01 as published.
        damping: f64,
    },
    /// Relative importance and activations (Zhang et al., ICLR 2024): see [`relative_importance`].
    Ria {
        /// The power of the input norm; 0.5 as published.
        power: f32,
        /// The group over which a ratio is applied: the published code's default is the matrix, the paper's rows.
        per: Group,
    },
    /// Any `metric` of the language.
    Metric(Metric),
}

impl Method {
    /// SparseGPT with its published damping.
    pub const SPARSE_GPT: Self = Self::SparseGpt { damping: 0.01 };

    /// RIA as its published code runs by default.
    pub const RIA: Self = Self::Ria { power: 0.5, per: Group::Matrix };

    /// Returns the method that `--method` calls by a name, as published; `None` for the name of a script.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Magnitude, Self::Wanda, Self::SPARSE_GPT, Self::RIA].into_iter().find(|it| it.name() == name)
    }

    /// Returns the name that `--method` takes; a metric is called `metric`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Magnitude => "magnitude",
            Self::Wanda => "wanda",
            Self::SparseGpt { .. } => "sparsegpt",
            Self::Ria { .. } => "ria",
            Self::Metric(_) => "metric",
        }
    }

    /// Returns the group over which a ratio is applied, where the pattern leaves that open.
    pub const fn per(&self) -> Group {
        match self {
            Self::Magnitude | Self::SparseGpt { .. } => Group::Matrix,
            Self::Wanda => Group::Row,
            Self::Ria { per, .. } => *per,
            Self::Metric(metric) => metric.per,
        }
    }
}

/// Whether later blocks see what pruning did to earlier ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Propagation {
    /// Each block's statistics are collected behind the pruned blocks, as published.
    #[default]
    Pruned,
    /// All statistics are the dense model's.
    Dense,
}

/// Returns `abs(weight)`, `[rows, columns]`.
pub fn magnitude(weights: &[f32]) -> Vec<f32> {
    weights.par_iter().map(|weight| weight.abs()).collect()
}

/// Wanda's scores of one linear, `abs(weight) * input_norm`, of which each row is computed on its own.
///
/// # Source
/// Wanda (arXiv 2306.11695, equation 1), rounded to f32 as its code rounds.
pub struct WandaRows<'a> {
    weights: &'a [f32],
    norms: Vec<f32>,
}

impl<'a> WandaRows<'a> {
    /// Takes weights, `[rows, columns]`, and `second_moment`, `[columns]`: the mean over samples of the sum over tokens of x
    /// squared.
    pub fn new(weights: &'a [f32], second_moment: &[f32]) -> Self {
        Self { weights, norms: second_moment.iter().map(|it| it.sqrt()).collect() }
    }

    /// Writes the scores of a row, `[columns]`.
    pub fn write(&self, row: usize, scores: &mut [f32]) {
        let weights = self.weights.get(row * self.norms.len()..).unwrap_or_default();
        for ((score, weight), norm) in scores.iter_mut().zip(weights).zip(&self.norms) {
            *score = weight.abs() * norm;
        }
    }
}

/// Returns the scores of [`WandaRows`] of all rows, `[rows, columns]`.
pub fn wanda(weights: &[f32], second_moment: &[f32]) -> Vec<f32> {
    let rows = WandaRows::new(weights, second_moment);
    let mut scores = vec![0.0; weights.len()];
    let width = second_moment.len().max(1);
    scores.par_chunks_mut(width).enumerate().for_each(|(row, scores)| rows.write(row, scores));
    scores
}

/// Returns `(abs(weight) / sum of its column + abs(weight) / sum of its row) * input_norm ^ power`, `[rows, columns]`.
///
/// `second_moment` is `[columns]`. The sums are of absolute weights, in f64; where one is 0, so is its quotient.
///
/// # Source
/// RIA (Zhang et al., "Plug-and-Play", ICLR 2024, equation 4).
pub fn relative_importance(weights: &[f32], second_moment: &[f32], power: f32) -> Vec<f32> {
    let width = second_moment.len().max(1);
    let norms: Vec<f32> = second_moment.iter().map(|it| it.sqrt().powf(power)).collect();
    // A fixed number of rows a part, added in order, so that the sums do not depend on the threads.
    let parts: Vec<Vec<f64>> = weights
        .par_chunks(64 * width)
        .map(|rows| {
            let mut sums = vec![0f64; width];
            for row in rows.chunks_exact(width) {
                sums.iter_mut().zip(row).for_each(|(sum, weight)| *sum += f64::from(weight.abs()));
            }
            sums
        })
        .collect();
    let mut of_column = vec![0f64; width];
    for part in parts {
        of_column.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    }
    let of_column: Vec<f32> = of_column.into_iter().map(|it| it as f32).collect();
    let mut scores = vec![0.0; weights.len()];
    scores.par_chunks_mut(width).zip(weights.par_chunks(width)).for_each(|(scores, weights)| {
        let of_row = weights.iter().map(|it| f64::from(it.abs())).sum::<f64>() as f32;
        let channels = of_column.iter().zip(&norms);
        for ((score, weight), (of_column, norm)) in scores.iter_mut().zip(weights).zip(channels) {
            let weight = weight.abs();
            *score = (share(weight, *of_column) + share(weight, of_row)) * norm;
        }
    });
    scores
}

fn share(part: f32, whole: f32) -> f32 {
    if whole == 0.0 { 0.0 } else { part / whole }
}

/// Refuses scores that are not numbers, which no order has a place for.
///
/// # Errors
/// With the first one's place in `module`.
pub(super) fn check(module: &str, scores: &[f32], columns: usize) -> Result<(), PruneError> {
    match scores.par_iter().position_first(|score| score.is_nan()) {
        None => Ok(()),
        Some(at) => Err(PruneError::Score {
            module: module.to_owned(),
            row: at / columns.max(1),
            column: at % columns.max(1),
            value: scores[at],
        }),
    }
}
