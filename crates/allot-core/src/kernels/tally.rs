//! Tallies: sums over a stream of values, from which reductions are computed.
//!
//! Several reductions can use one tally: the mean and the sum, the variance and its root. The tally of a reduction never depends
//! on what else is computed, so a script has the same digits alone and among others.

use super::reduction::{Aggregate, Reduced};
use super::vector::{self, Kernel, Moments, Unary};
use crate::lang::ops::Elementwise;

/// The smallest probability whose logarithm torch's entropy takes: 2^-23.
const LEAST_PROBABILITY: f64 = f32::EPSILON as f64;

/// What a tally adds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tally {
    /// The values, or a function of them that need not be stored.
    Sum(Option<Unary>),
    /// The first two powers of the distance from a centre.
    Moments,
    /// The first four powers.
    HighMoments,
    /// The smallest and the largest value.
    Extremes,
    /// x ln x.
    Entropy,
    /// The values that are not negative.
    NotNegative,
    /// p ln p of the values that are not negative, clamped as in torch.
    Probabilities,
    /// The factors of a product, as logarithms and signs.
    Factors,
}

/// A reduction that needs its values in order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OrderStatistic {
    /// The lower median.
    Median,
    /// The value at a share of the sorted values.
    Quantile(f64),
    /// The Gini coefficient of absolute values.
    Gini,
}

impl Aggregate {
    /// Returns whether the reduction needs all of a unit's values at once.
    pub const fn needs_all_values(self) -> bool {
        Tally::of(self).is_err()
    }
}

impl Tally {
    /// Returns the tally that a reduction is computed from.
    ///
    /// # Errors
    /// Returns the order statistic if the reduction is one, which needs all values at once.
    pub const fn of(reduction: Aggregate) -> Result<Self, OrderStatistic> {
        Ok(match reduction {
            Aggregate::Mean | Aggregate::Sum => Self::Sum(None),
            Aggregate::L1 => Self::Sum(Some(Unary::Abs)),
            Aggregate::L2 => Self::Sum(Some(Unary::Square)),
            Aggregate::GeometricMean => Self::Sum(Some(Unary::Log)),
            Aggregate::Variance
            | Aggregate::StandardDeviation
            | Aggregate::SampleVariance
            | Aggregate::SampleDeviation
            | Aggregate::NormalisingDeviation => Self::Moments,
            Aggregate::Kurtosis => Self::HighMoments,
            Aggregate::Min | Aggregate::Max => Self::Extremes,
            Aggregate::Entropy => Self::Entropy,
            Aggregate::SumNotNegative => Self::NotNegative,
            Aggregate::ClampedEntropy => Self::Probabilities,
            Aggregate::Product => Self::Factors,
            Aggregate::Quantile(p) => return Err(OrderStatistic::Quantile(p)),
            Aggregate::Median => return Err(OrderStatistic::Median),
            Aggregate::Gini => return Err(OrderStatistic::Gini),
        })
    }

    /// Returns the tally of x that equals this tally of `op` of x, so that the values of `op` need not be stored.
    pub fn through(self, op: Elementwise) -> Option<Self> {
        let (Self::Sum(function), Kernel::Unary(op)) = (self, Kernel::of(op)) else { return None };
        Some(Self::Sum(Some(match (function, op) {
            (None, op) if vector::fuses_with_sum(op) => op,
            (Some(Unary::Abs | Unary::Square | Unary::AbsLog), Unary::Abs | Unary::Neg) => function?,
            (Some(Unary::Log), Unary::Abs) => Unary::AbsLog,
            _ => return None,
        })))
    }

    /// Returns whether the centre should lie near the values.
    pub const fn needs_centre(self) -> bool {
        matches!(self, Self::Moments | Self::HighMoments)
    }
}

/// The sums of a tally so far.
#[derive(Clone, Copy, Debug)]
pub struct Collected {
    tally: Tally,
    /// The value about which powers are taken.
    centre: f64,
    count: u64,
    /// Sums of powers; in other tallies, the first is the sum.
    sums: Moments,
    least: f32,
    greatest: f32,
    /// How many factors are negative, and how many are 0.
    negatives: u64,
    zeros: u64,
    /// The magnitudes of a sample of the terms: their sum and their number.
    sample: (f64, u64),
}

impl Collected {
    /// Returns an empty collection, with powers about `centre`.
    pub fn new(tally: Tally, centre: f64) -> Self {
        Self {
            tally,
            centre,
            count: 0,
            sums: Moments::default(),
            least: f32::INFINITY,
            greatest: f32::NEG_INFINITY,
            negatives: 0,
            zeros: 0,
            sample: (0.0, 0),
        }
    }

    /// Adds values.
    pub fn add(&mut self, x: &[f32]) {
        self.count += x.len() as u64;
        match self.tally {
            Tally::Sum(None) => self.sums.first += vector::sum(x),
            Tally::Sum(Some(op)) => self.sums.first += vector::sum_unary(op, x),
            Tally::Moments => {
                let (first, second) = vector::moments2(x, self.centre);
                self.sums.first += first;
                self.sums.second += second;
            }
            Tally::HighMoments => self.sums.merge(&vector::moments4(x, self.centre)),
            Tally::Extremes => {
                let (least, greatest) = vector::min_max(x);
                self.widen(least, greatest);
            }
            Tally::Entropy => self.sums.first += vector::sum_x_log_x(x),
            Tally::NotNegative => {
                for &x in x.iter().filter(|x| **x >= 0.0) {
                    self.sums.first += f64::from(x);
                }
            }
            Tally::Probabilities => {
                for p in x.iter().filter(|x| **x >= 0.0).map(|x| f64::from(*x)) {
                    self.sums.first -= p * p.clamp(LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY).ln();
                    // A positive count says that there was a value.
                    self.zeros += 1;
                }
            }
            Tally::Factors => {
                for x in x.iter().map(|x| f64::from(*x)) {
                    self.sums.first += if x == 0.0 { 0.0 } else { x.abs().log2() };
                    self.negatives += u64::from(x < 0.0);
                    self.zeros += u64::from(x == 0.0);
                }
            }
        }
    }

    /// Adds the magnitudes of a sample of the values: the size of the terms of a sum decides how much rounding moves it.
    pub fn add_sample(&mut self, x: &[f32]) {
        let Tally::Sum(function) = self.tally else { return };
        let mut terms = [0.0; 256];
        for x in x.chunks(terms.len()) {
            let terms = &mut terms[..x.len()];
            match function {
                None => terms.copy_from_slice(x),
                Some(op) => vector::unary(op, x, terms),
            }
            self.sample.0 += vector::sum_abs(terms);
            self.sample.1 += x.len() as u64;
        }
    }

    /// Returns a collection from another device: the number of values, and the tally's numbers in the order in which kernels write
    /// them.
    pub fn of_numbers(tally: Tally, centre: f64, count: u64, numbers: &[f64]) -> Self {
        let at = |place: usize| numbers.get(place).copied().unwrap_or(0.0);
        let mut collected = Self { count, ..Self::new(tally, centre) };
        match tally {
            Tally::Extremes => collected.widen(at(0) as f32, at(1) as f32),
            Tally::Probabilities => (collected.sums.first, collected.zeros) = (at(0), at(1) as u64),
            Tally::Factors => {
                (collected.sums.first, collected.negatives, collected.zeros) =
                    (at(0), at(1) as u64, at(2) as u64);
            }
            _ => {
                collected.sums = Moments { first: at(0), second: at(1), third: at(2), fourth: at(3) };
            }
        }
        collected
    }

    /// Sets the sum of the magnitudes of a sample of the terms, and their number.
    pub fn set_sample(&mut self, size: f64, count: u64) {
        if matches!(self.tally, Tally::Sum(_)) {
            self.sample = (size, count);
        }
    }

    /// Adds another collection of the same tally, about the same centre.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sums.merge(&other.sums);
        self.widen(other.least, other.greatest);
        self.negatives += other.negatives;
        self.zeros += other.zeros;
        self.sample.0 += other.sample.0;
        self.sample.1 += other.sample.1;
    }

    fn widen(&mut self, least: f32, greatest: f32) {
        if self.least.is_nan() || least.is_nan() {
            (self.least, self.greatest) = (f32::NAN, f32::NAN);
        } else {
            self.least = self.least.min(least);
            self.greatest = self.greatest.max(greatest);
        }
    }

    /// Returns the value of a reduction that uses this tally.
    pub fn finish(&self, reduction: Aggregate) -> Reduced {
        let n = self.count as f64;
        let sum = self.sums.first;
        let variance = self.variance();
        let sample_variance = if self.count < 2 { f64::NAN } else { variance * n / (n - 1.0) };
        // A mean magnitude is at least the magnitude of the mean, whatever the sample says.
        let sampled = if self.sample.1 == 0 { 0.0 } else { self.sample.0 / self.sample.1 as f64 };
        let typical = sampled.max((sum / n).abs());
        let (value, magnitude) = match reduction {
            Aggregate::Mean => (sum / n, typical),
            Aggregate::Sum => (sum, typical * n),
            Aggregate::Variance => (variance, variance),
            // The relative error of a square root is half of that of its operand.
            Aggregate::StandardDeviation => (variance.sqrt(), variance.sqrt() / 2.0),
            Aggregate::SampleVariance => (sample_variance, sample_variance),
            Aggregate::NormalisingDeviation if self.count < 2 => (0.0, 0.0),
            Aggregate::SampleDeviation | Aggregate::NormalisingDeviation => {
                (sample_variance.sqrt(), sample_variance.sqrt() / 2.0)
            }
            Aggregate::Kurtosis => {
                let kurtosis = self.kurtosis(variance);
                (kurtosis, kurtosis)
            }
            Aggregate::Min => (f64::from(self.least), f64::from(self.least).abs()),
            Aggregate::Max => (f64::from(self.greatest), f64::from(self.greatest).abs()),
            Aggregate::L1 => (sum, sum),
            Aggregate::L2 => (sum.sqrt(), sum.sqrt() / 2.0),
            Aggregate::GeometricMean => {
                let mean = sum / n;
                (mean.exp(), mean.exp() * mean.abs().max(1.0))
            }
            Aggregate::Entropy => (-sum, sum.abs()),
            Aggregate::SumNotNegative => (sum, sum),
            Aggregate::ClampedEntropy if self.zeros == 0 => (f64::NAN, 0.0),
            Aggregate::ClampedEntropy => (sum, sum),
            Aggregate::Product => return self.product(n),
            Aggregate::Quantile(_) | Aggregate::Median | Aggregate::Gini => (f64::NAN, 0.0),
        };
        Reduced { value, magnitude, alternative: None }
    }

    fn variance(&self) -> f64 {
        let n = self.count as f64;
        let offset = self.sums.first / n;
        let variance = self.sums.second / n - offset * offset;
        // Rounding can make it slightly negative; a NaN stays NaN.
        if variance < 0.0 { 0.0 } else { variance }
    }

    fn kurtosis(&self, variance: f64) -> f64 {
        if variance == 0.0 {
            return 0.0;
        }
        let n = self.count as f64;
        let d = -self.sums.first / n;
        let fourth = self.sums.fourth
            + 4.0 * d * self.sums.third
            + 6.0 * d * d * self.sums.second
            + 4.0 * d * d * d * self.sums.first
            + n * d.powi(4);
        fourth / n / variance / variance
    }

    /// Returns the n-th root of the product as in f32: 0 below its range and infinite above.
    fn product(&self, n: f64) -> Reduced {
        let logarithm = self.sums.first;
        let exact = (logarithm / n).exp2();
        let value = if self.zeros > 0 || logarithm < -149.0 {
            0.0
        } else if self.negatives % 2 == 1 {
            f64::NAN
        } else if logarithm >= 128.0 {
            f64::INFINITY
        } else {
            exact
        };
        // One more negative factor changes the sign of the product, and one factor less may bring it back into range.
        let alternative =
            if self.negatives > 0 && !value.is_nan() && value != 0.0 { f64::NAN } else { exact };
        Reduced { value, magnitude: exact, alternative: Some(alternative) }
    }
}
