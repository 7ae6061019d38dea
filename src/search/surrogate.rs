//! A surrogate: predicts the loss of an allocation from those that were measured, with an uncertainty and
//! without a forward pass.
//!
//! It is Gaussian-process regression with a constant mean and a Matérn kernel of smoothness 5/2 (Rasmussen and
//! Williams 2006, algorithm 2.1 and equation 4.17). The length and the noise come from a small grid, by the
//! marginal likelihood (equation 2.30), in which the variance is at its optimum.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::triangular_solve::{solve_lower_triangular_in_place, solve_upper_triangular_in_place};
use faer::{Mat, MatMut, Par};

/// The minimum number of measurements to predict from.
const FEWEST: usize = 16;

/// Lengths to try, relative to the median distance between two points.
const LENGTHS: [f64; 4] = [0.5, 1.0, 2.0, 4.0];

/// Variances of the noise to try, relative to the kernel's.
const NOISES: [f64; 3] = [1e-3, 1e-2, 1e-1];

/// A predicted value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Prediction {
    /// The expected value.
    pub(super) mean: f64,
    /// Its standard deviation, without the noise of a measurement.
    pub(super) deviation: f64,
}

/// A regression over points, fitted to their values.
#[derive(Clone, Debug)]
pub(super) struct Surrogate {
    points: Vec<Vec<f64>>,
    length: f64,
    /// The Cholesky factor of the kernel matrix with noise, below and on the diagonal.
    factor: Mat<f64>,
    /// The inverse of that matrix times the centred values.
    weights: Vec<f64>,
    /// Mean of the values.
    mean: f64,
    /// Variance of the kernel.
    variance: f64,
    /// Logarithm of the marginal likelihood, up to a constant.
    likelihood: f64,
}

impl Surrogate {
    /// Fits points of the same length to finite values; `None` if there are too few, or all are equal.
    pub(super) fn fit(points: &[Vec<f64>], values: &[f64]) -> Option<Self> {
        if points.len() < FEWEST || points.len() != values.len() {
            return None;
        }
        let mut distances: Vec<f64> = (0..points.len())
            .flat_map(|one| (0..one).map(move |other| (one, other)))
            .map(|(one, other)| distance(&points[one], &points[other]))
            .filter(|it| *it > 0.0)
            .collect();
        distances.sort_by(f64::total_cmp);
        let typical = *distances.get(distances.len() / 2)?;
        let mut best: Option<Self> = None;
        for (length, noise) in LENGTHS.iter().flat_map(|length| NOISES.map(|noise| (length * typical, noise)))
        {
            let Some(fitted) = Self::with(points, values, length, noise) else { continue };
            // Of equal ones, the first stays.
            if best.as_ref().is_none_or(|best| fitted.likelihood > best.likelihood) {
                best = Some(fitted);
            }
        }
        best
    }

    /// Fits with a length and a relative variance of the noise; `None` if all values are equal.
    fn with(points: &[Vec<f64>], values: &[f64], length: f64, noise: f64) -> Option<Self> {
        let n = points.len();
        let mean = values.iter().sum::<f64>() / n as f64;
        let mut factor = Mat::from_fn(n, n, |row, column| match row.cmp(&column) {
            std::cmp::Ordering::Equal => 1.0 + noise,
            _ => kernel(distance(&points[row], &points[column]) / length),
        });
        // On the calling thread, so that the sums do not depend on the number of threads.
        let mut buffer = MemBuffer::new(cholesky_in_place_scratch::<f64>(n, Par::Seq, Default::default()));
        let stack = MemStack::new(&mut buffer);
        cholesky_in_place(factor.as_mut(), Default::default(), Par::Seq, stack, Default::default()).ok()?;
        let centred: Vec<f64> = values.iter().map(|it| it - mean).collect();
        let half = forward(&factor, &centred);
        let variance = half.iter().map(|it| it * it).sum::<f64>() / n as f64;
        if !(variance.is_finite() && variance > 0.0) {
            return None;
        }
        let weights = backward(&factor, &half);
        let determinant: f64 = (0..n).map(|it| factor[(it, it)].ln()).sum();
        let likelihood = -0.5 * n as f64 * variance.ln() - determinant;
        Some(Self { points: points.to_vec(), length, factor, weights, mean, variance, likelihood })
    }

    /// Predicts the value at a point.
    pub(super) fn predict(&self, point: &[f64]) -> Prediction {
        let kernels: Vec<f64> =
            self.points.iter().map(|it| kernel(distance(it, point) / self.length)).collect();
        let rise: f64 = kernels.iter().zip(&self.weights).map(|(kernel, weight)| kernel * weight).sum();
        let half = forward(&self.factor, &kernels);
        let left = 1.0 - half.iter().map(|it| it * it).sum::<f64>();
        Prediction { mean: self.mean + rise, deviation: (self.variance * left.max(0.0)).sqrt() }
    }
}

/// Returns the Matérn kernel of smoothness 5/2 at a distance in lengths.
fn kernel(distance: f64) -> f64 {
    let scaled = 5f64.sqrt() * distance;
    (1.0 + scaled + scaled * scaled / 3.0) * (-scaled).exp()
}

fn distance(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(one, other)| (one - other) * (one - other)).sum::<f64>().sqrt()
}

/// Solves L x = b for the lower triangle of a matrix. It runs on the calling thread, as the factorisation does.
fn forward(factor: &Mat<f64>, right: &[f64]) -> Vec<f64> {
    let mut found = right.to_vec();
    let column = MatMut::from_column_major_slice_mut(&mut found, right.len(), 1);
    solve_lower_triangular_in_place(factor.as_ref(), column, Par::Seq);
    found
}

/// Solves Lᵀ x = b for the lower triangle of a matrix.
fn backward(factor: &Mat<f64>, right: &[f64]) -> Vec<f64> {
    let mut found = right.to_vec();
    let column = MatMut::from_column_major_slice_mut(&mut found, right.len(), 1);
    solve_upper_triangular_in_place(factor.transpose(), column, Par::Seq);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(point: &[f64]) -> f64 {
        1.0 + (3.0 * point[0]).sin() + point[1] * point[1]
    }

    /// Returns points on a grid in the unit square.
    fn points(side: usize) -> Vec<Vec<f64>> {
        let at = |it: usize| it as f64 / (side - 1) as f64;
        (0..side * side).map(|it| vec![at(it / side), at(it % side)]).collect()
    }

    fn fitted(side: usize) -> Surrogate {
        let points = points(side);
        let values: Vec<f64> = points.iter().map(|it| value(it)).collect();
        Surrogate::fit(&points, &values).expect("enough points")
    }

    #[test]
    fn a_smooth_function_is_predicted_between_its_points() {
        let surrogate = fitted(6);
        for point in [[0.13, 0.37], [0.5, 0.5], [0.91, 0.22]] {
            let Prediction { mean, deviation } = surrogate.predict(&point);
            assert!((mean - value(&point)).abs() < 0.01, "{mean} for {}", value(&point));
            assert!(deviation < 0.1, "{deviation}");
        }
    }

    #[test]
    fn the_uncertainty_grows_with_the_distance_and_the_mean_returns() {
        let surrogate = fitted(6);
        let at = |place: f64| surrogate.predict(&[place, place]);
        let deviations = [0.5, 1.5, 3.0, 100.0].map(|place| at(place).deviation);
        assert!(deviations.windows(2).all(|pair| pair[0] < pair[1]), "{deviations:?}");
        assert!((at(100.0).mean - surrogate.mean).abs() < 1e-9);
        assert!((at(100.0).deviation - surrogate.variance.sqrt()).abs() < 1e-9);
    }

    #[test]
    fn solutions_satisfy_their_equations() {
        let factor = Mat::from_fn(3, 3, |row, column| 1.0 + (row + 2 * column) as f64);
        let right = [1.0, -2.0, 3.0];
        let (lower, upper) = (forward(&factor, &right), backward(&factor, &right));
        for row in 0..3 {
            let down: f64 = (0..=row).map(|column| factor[(row, column)] * lower[column]).sum();
            let up: f64 = (row..3).map(|column| factor[(column, row)] * upper[column]).sum();
            assert!((down - right[row]).abs() < 1e-12 && (up - right[row]).abs() < 1e-12);
        }
    }

    #[test]
    fn too_few_points_or_equal_values_give_no_surrogate() {
        let some = points(6);
        assert!(Surrogate::fit(&some[..FEWEST - 1], &[1.0; FEWEST - 1]).is_none());
        assert!(Surrogate::fit(&some, &vec![1.0; some.len()]).is_none());
        let same = vec![vec![0.5, 0.5]; FEWEST];
        let values: Vec<f64> = (0..FEWEST).map(|it| it as f64).collect();
        assert!(Surrogate::fit(&same, &values).is_none());
    }
}
