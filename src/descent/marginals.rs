//! The effect of pruning slightly more of each unit: the mean over windows, its error, and how much of it is
//! noise.

use crate::trial::band::BandSum;
use crate::trial::measurer::WindowThresholds;

/// The marginal damage of each unit: the first-order rise of the loss for each additional pruned weight.
#[derive(Clone, Debug, PartialEq)]
pub struct Marginals {
    /// The means over windows, `[units]`, in nats per weight.
    pub means: Vec<f64>,
    /// Their standard errors, `[units]`; NaN with a single window.
    pub errors: Vec<f64>,
    /// Agreement of two halves of the windows about the units' differences, from 0 to 1: Pearson's
    /// correlation of the halves, extrapolated to the whole by the Spearman-Brown formula; NaN with a single
    /// window.
    pub reliability: f64,
}

impl Marginals {
    /// Returns the marginals of units from the sums of some windows; `units` holds the positions of each
    /// unit's sums in a window.
    pub fn new(windows: &[WindowThresholds], units: &[Vec<Part>]) -> Self {
        let of_window = |window: &WindowThresholds| -> Vec<f64> {
            let pooled = |parts: &Vec<Part>| {
                let sums = parts.iter().flat_map(|part| part.of(&window.sums));
                let (sum, weights) =
                    sums.fold((0.0, 0), |(sum, weights), it| (sum + it.sum, weights + it.weights));
                sum / (weights.max(1) as f64)
            };
            units.iter().map(pooled).collect()
        };
        let all: Vec<Vec<f64>> = windows.iter().map(of_window).collect();
        let means = mean(&all.iter().collect::<Vec<_>>(), units.len());
        let n = all.len() as f64;
        let error = |unit: usize| {
            let squares = all.iter().map(|window| (window[unit] - means[unit]).powi(2)).sum::<f64>();
            (squares / (n - 1.0) / n).sqrt()
        };
        let errors = (0..units.len()).map(error).collect();
        let half = |odd: usize| mean(&all.iter().skip(odd).step_by(2).collect::<Vec<_>>(), units.len());
        let reliability = if all.len() < 2 { f64::NAN } else { stepped_up(correlation(&half(0), &half(1))) };
        Self { means, errors, reliability }
    }

    /// Returns the marginals shrunk towards their mean by their noise: by tau^2 / (tau^2 + sigma^2), where
    /// sigma is a unit's standard error, and tau^2 the variance between units minus the mean of sigma^2
    /// (James-Stein shrinkage with known errors).
    pub fn shrunk(&self) -> Vec<f64> {
        let n = self.means.len() as f64;
        let middle = self.means.iter().sum::<f64>() / n;
        let between = self.means.iter().map(|it| (it - middle).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        let noise = self.errors.iter().map(|it| it * it).sum::<f64>() / n;
        let real = (between - noise).max(0.0);
        if !noise.is_finite() || real == 0.0 && noise == 0.0 {
            return self.means.clone();
        }
        let drawn = |(mean, error): (&f64, &f64)| middle + (mean - middle) * real / (real + error * error);
        self.means.iter().zip(&self.errors).map(drawn).collect()
    }
}

/// The sums of a window that belong to a linear or to one of its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A whole linear, by its index among the model's.
    Linear(usize),
    /// One row of a linear.
    Row(usize, usize),
}

impl Part {
    fn of(self, sums: &[Vec<BandSum>]) -> &[BandSum] {
        let (linear, row) = match self {
            Self::Linear(linear) => (linear, None),
            Self::Row(linear, row) => (linear, Some(row)),
        };
        let all = sums.get(linear).map(Vec::as_slice).unwrap_or_default();
        row.map_or(all, |row| all.get(row..row + 1).unwrap_or_default())
    }
}

fn mean(windows: &[&Vec<f64>], units: usize) -> Vec<f64> {
    let n = windows.len().max(1) as f64;
    (0..units).map(|unit| windows.iter().map(|window| window[unit]).sum::<f64>() / n).collect()
}

/// Returns Pearson's correlation of two lists of equal length; 0 if one of them is constant.
pub(super) fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len() as f64;
    let (mean_a, mean_b) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    let product = |x: &[f64], mean_x: f64, y: &[f64], mean_y: f64| {
        x.iter().zip(y).map(|(x, y)| (x - mean_x) * (y - mean_y)).sum::<f64>()
    };
    let scale = (product(a, mean_a, a, mean_a) * product(b, mean_b, b, mean_b)).sqrt();
    if scale > 0.0 { product(a, mean_a, b, mean_b) / scale } else { 0.0 }
}

/// Returns the reliability of a whole from the correlation of its halves.
pub(super) fn stepped_up(correlation: f64) -> f64 {
    let halves = correlation.max(0.0);
    2.0 * halves / (1.0 + halves)
}
