//! How the marginal damage of rows differs from that of their projection: the mean over windows, and how much of it is noise.

use super::marginals::{correlation, stepped_up};
use crate::trial::band::BandSum;
use crate::trial::measurer::WindowThresholds;

/// By how much the marginal damage of rows is above that of the projection that they belong to.
#[derive(Clone, Debug, PartialEq)]
pub struct RowMarginals {
    /// How many rows each projection has.
    rows: Vec<usize>,
    /// The means over windows, `[rows]`, in nats a weight.
    means: Vec<f64>,
    /// Their standard errors, `[rows]`; not a number where there is one window.
    errors: Vec<f64>,
    reliability: f64,
}

impl RowMarginals {
    /// Returns how rows differ by the sums of some windows, where a linear has one for each row; `rows` says how many each linear has.
    pub fn new(windows: &[WindowThresholds], rows: &[usize]) -> Self {
        let all: Vec<Vec<f64>> = windows.iter().map(|window| differences(window, rows)).collect();
        let count = rows.iter().sum();
        let mean = |windows: &[&Vec<f64>]| -> Vec<f64> {
            let n = windows.len().max(1) as f64;
            (0..count).map(|row| windows.iter().map(|window| window[row]).sum::<f64>() / n).collect()
        };
        let means = mean(&all.iter().collect::<Vec<_>>());
        let n = all.len() as f64;
        let error = |row: usize| {
            let squares = all.iter().map(|window| (window[row] - means[row]).powi(2)).sum::<f64>();
            (squares / (n - 1.0) / n).sqrt()
        };
        let errors = (0..count).map(error).collect();
        let half = |odd: usize| mean(&all.iter().skip(odd).step_by(2).collect::<Vec<_>>());
        let reliability = if all.len() < 2 { f64::NAN } else { stepped_up(correlation(&half(0), &half(1))) };
        Self { rows: rows.to_vec(), means, errors, reliability }
    }

    /// Returns how far two halves of the windows agree about the differences, from 0 to 1, stepped up to the whole by Spearman and
    /// Brown; not a number where there is one window.
    pub const fn reliability(&self) -> f64 {
        self.reliability
    }

    /// Returns the differences as they were measured, `[rows]`.
    pub fn differences(&self) -> Vec<f64> {
        self.means.clone()
    }

    /// Returns the differences drawn towards 0 as far as they are noise: by tau^2 / (tau^2 + sigma^2), where sigma is a row's standard
    /// error, and tau^2 the mean square of the differences in its projection less the mean of sigma^2.
    pub fn shrunk(&self) -> Vec<f64> {
        let mut shrunk = Vec::with_capacity(self.means.len());
        let mut before = 0;
        for rows in &self.rows {
            let of = before..before + rows;
            before = of.end;
            let (means, errors) = (&self.means[of.clone()], &self.errors[of]);
            let n = means.len().max(1) as f64;
            let squares = |values: &[f64]| values.iter().map(|it| it * it).sum::<f64>() / n;
            let (all, noise) = (squares(means), squares(errors));
            let real = (all - noise).max(0.0);
            shrunk.extend(means.iter().zip(errors).map(|(mean, error)| {
                let share = real / (real + error * error);
                // Without an error, or without anything at all, there is nothing to shrink by.
                if share.is_finite() { mean * share } else { *mean }
            }));
        }
        shrunk
    }
}

/// Returns by how much the means of rows are above those of their linears on a window, `[rows]`.
fn differences(window: &WindowThresholds, rows: &[usize]) -> Vec<f64> {
    let mut found = Vec::with_capacity(rows.iter().sum());
    for (sums, rows) in window.sums.iter().zip(rows) {
        let all = sums.iter().fold((0.0, 0), |(sum, weights), it| (sum + it.sum, weights + it.weights));
        let mean = all.0 / all.1.max(1) as f64;
        let of_row = |it: &BandSum| it.sum / it.weights.max(1) as f64 - mean;
        found.extend(sums.iter().map(of_row));
        found.resize(found.len() + rows - sums.len().min(*rows), 0.0);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::WindowLoss;

    /// Returns a window with two linears of two rows, a weight each.
    fn window(sums: [f64; 4]) -> WindowThresholds {
        let of = |sum: f64| BandSum { sum, weights: 1 };
        let sums = sums.chunks(2).map(|rows| rows.iter().map(|it| of(*it)).collect()).collect();
        WindowThresholds { loss: WindowLoss::default(), sums }
    }

    #[test]
    fn differences_are_from_the_projection_and_noise_is_drawn_towards_it() {
        // The first linear's rows differ in the same way in every window, the second one's by chance.
        let windows =
            [window([1.0, 3.0, 5.0, 1.0]), window([1.0, 3.1, 1.0, 4.9]), window([1.0, 2.9, 4.0, 2.0])];
        let found = RowMarginals::new(&windows, &[2, 2]);
        let differences = found.differences();
        let expected = [-1.0, 1.0, 0.35, -0.35];
        assert!(differences.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{differences:?}");
        let shrunk = found.shrunk();
        assert!(shrunk[0] < -0.99 && shrunk[1] > 0.99, "{shrunk:?}");
        assert_eq!(shrunk[2..], [0.0, 0.0]);
        // One window says nothing of noise.
        let one = RowMarginals::new(&windows[..1], &[2, 2]);
        assert_eq!(one.shrunk(), one.differences());
        assert!(one.reliability().is_nan());
    }
}
