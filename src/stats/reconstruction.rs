//! LSA's reconstruction error: the error of a linear's output after half of each row is removed greedily.

use rayon::prelude::*;

/// The default number of columns in a group, as in LSA.
pub const RECONSTRUCTION_GROUP: usize = 128;

/// How the removed weights are chosen: among how many columns, and how many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reconstruction {
    /// Number of consecutive columns in a group; 0 for the whole row.
    pub group: usize,
    /// Whether a narrower group also loses half of the nominal group size, as in LSA's released code; as
    /// published, it loses half of its own columns.
    pub as_coded: bool,
}

impl Default for Reconstruction {
    /// Returns groups of 128 columns that lose half of their columns, as published.
    fn default() -> Self {
        Self { group: RECONSTRUCTION_GROUP, as_coded: false }
    }
}

/// Returns the error of removing half of each row, summed over rows.
///
/// `weights` is `[rows, columns]`, `hessian` is `[columns, columns]` and equals 2 / samples * sum of x x^T,
/// so that removing the weights w of a row costs w^T H w. In each group of consecutive columns, the weight
/// whose removal adds the smallest error goes first, given those already removed; later groups take the removals
/// of earlier ones into account. An odd group loses the smaller half. Rows are independent and are added in
/// order, so the result does not depend on the number of threads.
///
/// # Source
/// LSA (ICLR 2026), its released `blk_score` with a pruning share of 0.5.
pub fn reconstruction_error(weights: &[f32], columns: usize, hessian: &[f32], how: Reconstruction) -> f64 {
    let nominal = if how.group == 0 { columns } else { how.group };
    let group = nominal.min(columns).max(1);
    let gone = how.as_coded.then_some(nominal / 2);
    let errors: Vec<f64> = weights
        .par_chunks(columns.max(1))
        .map(|row| Row::new(row, hessian).error(group, gone, hessian))
        .collect();
    errors.iter().sum()
}

/// A row while its groups are processed.
struct Row<'a> {
    weights: &'a [f32],
    /// The error that removing each weight would add, given the weights already removed.
    scores: Vec<f64>,
}

impl<'a> Row<'a> {
    fn new(weights: &'a [f32], hessian: &[f32]) -> Self {
        let columns = weights.len();
        let cost = |(column, weight): (usize, &f32)| {
            f64::from(*weight) * f64::from(*weight) * f64::from(hessian[column * columns + column])
        };
        Self { scores: weights.iter().enumerate().map(cost).collect(), weights }
    }

    /// Returns the error of removing `count` weights of each group, or half of them.
    fn error(mut self, group: usize, count: Option<usize>, hessian: &[f32]) -> f64 {
        let columns = self.weights.len();
        let mut error = 0.0;
        // What earlier groups add to the scores of all later columns, without the factor of each weight.
        let mut lost = vec![0.0_f64; columns];
        for start in (0..columns).step_by(group) {
            let end = columns.min(start + group);
            let scores = self.scores[start..end].iter_mut().zip(&self.weights[start..end]);
            for ((score, weight), lost) in scores.zip(&lost[start..end]) {
                *score += 2.0 * f64::from(*weight) * lost;
            }
            for _ in 0..count.unwrap_or((end - start) / 2).min(end - start) {
                let least = (start..end).min_by(|a, b| self.scores[*a].total_cmp(&self.scores[*b]));
                let Some(gone) = least else { break };
                error += self.scores[gone];
                let weight = f64::from(self.weights[gone]);
                let with = &hessian[gone * columns..(gone + 1) * columns];
                for (score, (other, h)) in self.scores[start..end]
                    .iter_mut()
                    .zip(self.weights[start..end].iter().zip(&with[start..end]))
                {
                    *score += 2.0 * f64::from(*other) * weight * f64::from(*h);
                }
                self.scores[gone] = f64::INFINITY;
                for (lost, h) in lost[end..].iter_mut().zip(&with[end..]) {
                    *lost += weight * f64::from(*h);
                }
            }
        }
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns w^T H w for the removed weights.
    fn cost(weights: &[f32], hessian: &[f32], gone: &[usize]) -> f64 {
        let of = |a: &usize, b: &usize| {
            f64::from(weights[*a]) * f64::from(weights[*b]) * f64::from(hessian[a * weights.len() + b])
        };
        gone.iter().flat_map(|a| gone.iter().map(move |b| of(a, b))).sum()
    }

    fn groups(group: usize) -> Reconstruction {
        Reconstruction { group, as_coded: false }
    }

    #[test]
    fn the_greedy_choice_costs_what_its_weights_do_together() {
        let weights = [3.0, 1.0, -2.0, 0.5];
        let hessian = [2.0, 0.5, 0.0, 0.1, 0.5, 1.0, 0.2, -0.3, 0.0, 0.2, 1.5, 0.0, 0.1, -0.3, 0.0, 1.0_f32];
        // 0.5 goes first, at 0.25; then 1.0 costs 1 - 2 * 0.5 * 0.3 = 0.7, which is the cheapest.
        let found = reconstruction_error(&weights, 4, &hessian, groups(0));
        assert!((found - cost(&weights, &hessian, &[1, 3])).abs() < 1e-6, "{found}");
        // In groups of two: 1.0 goes, and then 0.5.
        let found = reconstruction_error(&weights, 4, &hessian, groups(2));
        assert!((found - cost(&weights, &hessian, &[1, 3])).abs() < 1e-6, "{found}");
        // Two rows cost the sum of their costs; an odd remainder loses the smaller half.
        let twice: Vec<f32> = weights.iter().chain(&weights).copied().collect();
        assert!((reconstruction_error(&twice, 4, &hessian, groups(0)) - 2.0 * found).abs() < 1e-6);
        // As coded, half of a nominal group of four goes from three columns, and the remaining weights from
        // one column.
        let coded = reconstruction_error(
            &weights[..1],
            1,
            &hessian[..1],
            Reconstruction { group: 4, as_coded: true },
        );
        assert_eq!(coded, 18.0);
        assert_eq!(reconstruction_error(&weights[..1], 1, &hessian[..1], groups(4)), 0.0);
        let single = reconstruction_error(&weights, 4, &hessian, groups(3));
        assert!((single - cost(&weights, &hessian, &[1])).abs() < 1e-6, "{single}");
    }
}
