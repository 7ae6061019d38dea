//! Computes how important each weight of a linear is: the lowest scores are pruned.

use std::borrow::Cow;

use rayon::prelude::*;

use super::error::PruneError;

/// A score that is a formula of a weight, its linear's other weights, and the norm of its input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScoreFormula {
    /// [`magnitude`].
    Magnitude,
    /// [`wanda`].
    Wanda,
    /// [`relative_importance`].
    Ria {
        /// The power of the input norm.
        power: f32,
    },
}

impl ScoreFormula {
    /// Returns the scores of weights, `[rows, columns]`, computed on the CPU; `second_moment`, `[columns]`,
    /// is called only if the formula uses it.
    ///
    /// # Errors
    /// When `second_moment` returns an error.
    pub fn scores<'a>(
        self,
        weights: &[f32],
        second_moment: impl FnOnce() -> Result<Cow<'a, [f32]>, PruneError>,
    ) -> Result<Vec<f32>, PruneError> {
        Ok(match self {
            Self::Magnitude => magnitude(weights),
            Self::Wanda => wanda(weights, &second_moment()?),
            Self::Ria { power } => relative_importance(weights, &second_moment()?, power),
        })
    }
}

/// Returns `abs(weight)`, `[rows, columns]`.
pub fn magnitude(weights: &[f32]) -> Vec<f32> {
    weights.par_iter().map(|weight| weight.abs()).collect()
}

/// Wanda's scores of one linear, `abs(weight) * input_norm`, computed row by row.
///
/// # Source
/// Wanda (arXiv 2306.11695, equation 1), rounded to f32 as its code rounds.
pub struct WandaRows<'a> {
    weights: &'a [f32],
    norms: Vec<f32>,
}

impl<'a> WandaRows<'a> {
    /// Takes weights, `[rows, columns]`, and `second_moment`, `[columns]`: the mean over samples of the sum
    /// over tokens of x squared.
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

/// Returns the scores of [`WandaRows`] for all rows, `[rows, columns]`.
pub fn wanda(weights: &[f32], second_moment: &[f32]) -> Vec<f32> {
    let rows = WandaRows::new(weights, second_moment);
    let mut scores = vec![0.0; weights.len()];
    let width = second_moment.len().max(1);
    scores.par_chunks_mut(width).enumerate().for_each(|(row, scores)| rows.write(row, scores));
    scores
}

/// Returns `(abs(weight) / sum of its column + abs(weight) / sum of its row) * input_norm ^ power`, `[rows, columns]`.
///
/// `second_moment` is `[columns]`. The sums are of absolute weights, in f64; if a sum is 0, its quotient is
/// 0.
///
/// # Source
/// RIA (Zhang et al., "Plug-and-Play", ICLR 2024, equation 4).
pub fn relative_importance(weights: &[f32], second_moment: &[f32], power: f32) -> Vec<f32> {
    let width = second_moment.len().max(1);
    let norms: Vec<f32> = second_moment.iter().map(|it| it.sqrt().powf(power)).collect();
    // A fixed number of rows in each part, added in order, so that the sums do not depend on the threads.
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

/// Refuses scores that are not numbers, because they cannot be ordered.
///
/// # Errors
/// With the position of the first one in `module`.
pub(super) fn check(module: &str, scores: &[f32], columns: usize) -> Result<(), PruneError> {
    refuse(module, scores, columns, |score| score.is_nan())
}

/// Refuses scores that are not finite: those of a formula are infinite if they overflow, and infinite scores
/// cannot be ordered.
///
/// # Errors
/// As [`check`].
pub(super) fn check_finite(module: &str, scores: &[f32], columns: usize) -> Result<(), PruneError> {
    refuse(module, scores, columns, |score| !score.is_finite())
}

fn refuse(
    module: &str,
    scores: &[f32],
    columns: usize,
    wrong: impl Fn(&f32) -> bool + Sync + Send,
) -> Result<(), PruneError> {
    match scores.par_iter().position_first(wrong) {
        None => Ok(()),
        Some(at) => Err(PruneError::Score {
            module: module.to_owned(),
            row: at / columns.max(1),
            column: at % columns.max(1),
            value: scores[at],
        }),
    }
}
