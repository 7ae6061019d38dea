//! The difference between the marginal damage of rows and that of their projection: the mean over windows,
//! and how much of it is noise.

use super::marginals::{correlation, stepped_up};
use crate::trial::band::BandSum;
use crate::trial::measurer::WindowThresholds;

/// The marginal damage of rows minus that of their projections.
#[derive(Clone, Debug, PartialEq)]
pub struct RowMarginals {
    /// Number of rows of each projection.
    rows: Vec<usize>,
    /// The means over windows, `[rows]`, in nats per weight.
    means: Vec<f64>,
    /// Their standard errors, `[rows]`; NaN with a single window.
    errors: Vec<f64>,
    reliability: f64,
}

impl RowMarginals {
    /// Returns the differences of rows from the sums of some windows, with one sum per row; `rows` holds the
    /// number of rows of each linear.
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

    /// Returns the agreement of two halves of the windows about the differences, from 0 to 1, extrapolated to
    /// the whole by the Spearman-Brown formula; NaN with a single window.
    pub const fn reliability(&self) -> f64 {
        self.reliability
    }

    /// Returns the differences as measured, `[rows]`.
    pub fn differences(&self) -> Vec<f64> {
        self.means.clone()
    }

    /// Returns the differences shrunk towards 0 by their noise: by tau^2 / (tau^2 + sigma^2), where sigma is
    /// a row's standard error, and tau^2 the mean square of the differences in its projection minus the mean
    /// of sigma^2.
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
                // Without an error estimate or any values, there is nothing to shrink by.
                if share.is_finite() { mean * share } else { *mean }
            }));
        }
        shrunk
    }
}

/// Returns the means of rows minus those of their linears on a window, `[rows]`.
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

    /// Returns a window with two linears of two rows, each row with one weight.
    fn window(sums: [f64; 4]) -> WindowThresholds {
        let of = |sum: f64| BandSum { sum, weights: 1 };
        let sums = sums.chunks(2).map(|rows| rows.iter().map(|it| of(*it)).collect()).collect();
        WindowThresholds { loss: WindowLoss::default(), sums }
    }

    #[test]
    fn differences_are_from_the_projection_and_noise_is_shrunk_towards_it() {
        // The first linear's rows differ the same way in every window, the second one's by chance.
        let windows =
            [window([1.0, 3.0, 5.0, 1.0]), window([1.0, 3.1, 1.0, 4.9]), window([1.0, 2.9, 4.0, 2.0])];
        let found = RowMarginals::new(&windows, &[2, 2]);
        let differences = found.differences();
        let expected = [-1.0, 1.0, 0.35, -0.35];
        assert!(differences.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{differences:?}");
        let shrunk = found.shrunk();
        assert!(shrunk[0] < -0.99 && shrunk[1] > 0.99, "{shrunk:?}");
        assert_eq!(shrunk[2..], [0.0, 0.0]);
        // A single window gives no estimate of the noise.
        let one = RowMarginals::new(&windows[..1], &[2, 2]);
        assert_eq!(one.shrunk(), one.differences());
        assert!(one.reliability().is_nan());
    }
}
