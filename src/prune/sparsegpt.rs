//! SparseGPT: columns from left to right, where later columns compensate for the error of each one.

use rayon::prelude::*;

use super::factor::InverseFactor;
use super::mask::Mask;
use super::pattern::{Rounding, Share, in_group, place};
use crate::kernels::select::{least_of_all, mark_least_of_group, up_to_nth};
use crate::model::{Goal, product};

/// Number of columns whose weights are chosen together, as published.
const BLOCK: usize = 128;

/// Number of rows that one thread corrects at a time.
const ROWS: usize = 16;

/// The columns being pruned, and the inverse Hessian's values for them.
struct Window<'a> {
    from: usize,
    width: usize,
    /// The part of U for these columns, `[width, width]`, contiguous for the cache.
    upper: Vec<f32>,
    diagonal: Vec<f32>,
    dead: &'a [bool],
}

/// Prunes a weight `[rows, columns]` in place, corrects the remaining weights, and returns the mask.
///
/// Columns are processed in blocks of 128 (or of the largest multiple of a pattern's group below that). In
/// each block, the lowest `w^2 / U_jj^2` of all rows are pruned together; with a pattern, the lowest of each
/// group are pruned once the preceding columns are done. With exact rounding a block loses its share of the
/// count in proportion to its columns, so that all blocks together lose exactly the count.
///
/// If rows have their own counts, each block compares all of a row's remaining weights, and prunes those in
/// the block that are among the lowest, as many as the row still has to lose. A row's count is thus spent
/// where it does the smallest damage, and is exact at the end.
///
/// Weights of input channels that were always 0 have the lowest score and are pruned first. As published,
/// they are always pruned, which may prune more than requested.
///
/// # Source
/// SparseGPT (arXiv 2301.00774), algorithm 1.
pub fn prune_columns(weights: &mut [f32], factor: &InverseFactor, share: &Share, rounding: Rounding) -> Mask {
    let columns = factor.columns().max(1);
    let rows = weights.len() / columns;
    if rounding == Rounding::Reference {
        for row in weights.chunks_mut(columns) {
            for (weight, dead) in row.iter_mut().zip(factor.dead()) {
                *weight = if *dead { 0.0 } else { *weight };
            }
        }
    }
    let mut marks = vec![false; weights.len()];
    let mut left = share.rows.as_ref().map(|rows| rows.counts().to_vec());
    let block = share.group.map_or(BLOCK, |(_, m)| (BLOCK / m * m).max(m));
    for from in (0..columns).step_by(block) {
        let to = (from + block).min(columns);
        let window = Window::new(factor, from, to);
        let mut chosen = match (share.group, &mut left) {
            (Some(_), _) => vec![false; rows * window.width],
            (None, Some(left)) => choose_of_rows(weights, factor, (from, to), left),
            (None, None) => window.choose(weights, columns, share, rounding),
        };
        let errors = window.correct(weights, columns, &mut chosen, share.group, rounding);
        for (marks, chosen) in marks.chunks_mut(columns).zip(chosen.chunks(window.width)) {
            marks[from..to].copy_from_slice(chosen);
        }
        if to < columns {
            product(
                (rows, columns - to, window.width),
                (&mut weights[to..], columns),
                (&errors, window.width, 1),
                (&factor.upper()[from * columns + to..], columns, 1),
                -1.0,
                Goal::Add,
            );
        }
    }
    Mask::new(columns, marks)
}

impl<'a> Window<'a> {
    fn new(factor: &'a InverseFactor, from: usize, to: usize) -> Self {
        let columns = factor.columns();
        let rows = (from..to).map(|row| &factor.upper()[row * columns + from..row * columns + to]);
        Self {
            from,
            width: to - from,
            upper: rows.flatten().copied().collect(),
            diagonal: (from..to).map(|it| factor.upper()[it * columns + it]).collect(),
            dead: &factor.dead()[from..to],
        }
    }

    /// Returns the score of each weight of a row.
    fn score(&self, weights: &[f32], scores: &mut [f32]) {
        let channels = self.diagonal.iter().zip(self.dead);
        for ((score, weight), (diagonal, dead)) in scores.iter_mut().zip(weights).zip(channels) {
            *score = if *dead { 0.0 } else { weight * weight / (diagonal * diagonal) };
        }
    }

    /// Marks the lowest scores over all rows, `[rows, width]`.
    fn choose(&self, weights: &[f32], columns: usize, share: &Share, rounding: Rounding) -> Vec<bool> {
        let mut scores = vec![0.0; weights.len() / columns * self.width];
        let rows = scores.par_chunks_mut(self.width).zip(weights.par_chunks(columns));
        rows.for_each(|(scores, row)| self.score(&row[self.from..self.from + self.width], scores));
        match rounding {
            Rounding::Exact => {
                let up_to = |column: usize| column as u128 * u128::from(share.pruned) / columns as u128;
                least_of_all(&scores, (up_to(self.from + self.width) - up_to(self.from)) as usize)
            }
            Rounding::Reference => up_to_nth(&scores, place(scores.len(), share.sparsity)),
        }
    }

    /// Zeroes the chosen weights, corrects the later columns within the window, and returns the errors,
    /// `[rows, width]`, for the columns after it.
    fn correct(
        &self,
        weights: &mut [f32],
        columns: usize,
        chosen: &mut [bool],
        group: Option<(usize, usize)>,
        rounding: Rounding,
    ) -> Vec<f32> {
        let mut errors = vec![0.0; chosen.len()];
        let parts = weights
            .par_chunks_mut(ROWS * columns)
            .zip(chosen.par_chunks_mut(ROWS * self.width))
            .zip(errors.par_chunks_mut(ROWS * self.width));
        parts.for_each(|((weights, chosen), errors)| {
            let mut scores = vec![0.0; self.width];
            let mut keys = Vec::new();
            let rows = weights
                .chunks_mut(columns)
                .zip(chosen.chunks_mut(self.width))
                .zip(errors.chunks_mut(self.width));
            for ((row, chosen), errors) in rows {
                let row = &mut row[self.from..self.from + self.width];
                for column in 0..self.width {
                    if let Some((n, m)) = group.filter(|(_, m)| column.is_multiple_of(*m)) {
                        self.score(row, &mut scores);
                        let group = column..(column + m).min(self.width);
                        let count = in_group(rounding, n, m, group.len());
                        mark_least_of_group(&scores[group.clone()], count, &mut keys, &mut chosen[group]);
                    }
                    if !chosen[column] {
                        continue;
                    }
                    let error = row[column] / self.diagonal[column];
                    errors[column] = error;
                    let upper = &self.upper[column * self.width..(column + 1) * self.width];
                    for (weight, upper) in row[column + 1..].iter_mut().zip(&upper[column + 1..]) {
                        *weight -= error * upper;
                    }
                }
                for (weight, chosen) in row.iter_mut().zip(chosen.iter()) {
                    *weight = if *chosen { 0.0 } else { *weight };
                }
            }
        });
        errors
    }
}

/// Marks the lowest scores of each row in the columns `from` to `to`, `[rows, width]`, and subtracts their
/// number from the `left` weights that the row still has to lose.
///
/// All columns from `from` on are compared at their current values: the marked ones are among the `left`
/// lowest.
fn choose_of_rows(
    weights: &[f32],
    factor: &InverseFactor,
    (from, to): (usize, usize),
    left: &mut [u32],
) -> Vec<bool> {
    let columns = factor.columns().max(1);
    let diagonal: Vec<f32> = (from..columns).map(|it| factor.upper()[it * columns + it]).collect();
    let dead = &factor.dead()[from..];
    let width = to - from;
    let mut marks = vec![false; left.len() * width];
    let rows = weights.par_chunks(columns).zip(marks.par_chunks_mut(width)).zip(left.par_iter_mut());
    rows.for_each(|((row, marks), left)| {
        let channels = row[from..].iter().zip(diagonal.iter().zip(dead));
        let scores: Vec<f32> = channels
            .map(
                |(weight, (diagonal, dead))| {
                    if *dead { 0.0 } else { weight * weight / (diagonal * diagonal) }
                },
            )
            .collect();
        let least = least_of_all(&scores, *left as usize);
        marks.copy_from_slice(&least[..width]);
        *left -= marks.iter().map(|mark| u32::from(*mark)).sum::<u32>();
    });
    marks
}
