//! Reductions: what is collected of values as they come by, and what is made of it.

use super::plan::Reduction;
use super::vector::{self, Accumulator, Wanted};

/// The least probability that torch's entropy takes the logarithm of: 2^-23.
const LEAST_PROBABILITY: f64 = f32::EPSILON as f64;

/// What a reduction has collected so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Collected {
    sums: Accumulator,
    /// About which value moments are taken.
    centre: f64,
    /// For the reductions that only DSA's engine has.
    special: Special,
    /// Of a sample of the values: the sum of magnitudes, and how many.
    sample: (f64, u64),
}

#[derive(Clone, Copy, Debug, Default)]
struct Special {
    sum: f64,
    count: u64,
    negatives: u64,
    zeros: u64,
}

/// A reduction's value, and the scale of its rounding errors.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reduced {
    /// The value.
    pub value: f64,
    /// The mean magnitude of the terms, on the scale of the value.
    pub magnitude: f64,
    /// What the value is when the arithmetic's range or the parity of signs falls out otherwise, for products.
    pub alternative: Option<f64>,
}

/// Returns what the accumulator is to collect.
const fn wanted(reduction: Reduction) -> Wanted {
    let nothing = Wanted {
        powers: 0,
        absolute: false,
        squares: false,
        extremes: false,
        logarithms: false,
        entropy: false,
    };
    match reduction {
        Reduction::Mean | Reduction::Sum => Wanted { powers: 1, ..nothing },
        Reduction::Variance
        | Reduction::StandardDeviation
        | Reduction::SampleVariance
        | Reduction::SampleDeviation => Wanted { powers: 2, ..nothing },
        Reduction::Kurtosis => Wanted { powers: 4, ..nothing },
        Reduction::Min | Reduction::Max => Wanted { extremes: true, ..nothing },
        Reduction::L1 => Wanted { absolute: true, ..nothing },
        Reduction::L2 => Wanted { squares: true, ..nothing },
        Reduction::GeometricMean => Wanted { logarithms: true, ..nothing },
        Reduction::Entropy => Wanted { entropy: true, ..nothing },
        Reduction::Quantile(_)
        | Reduction::Median
        | Reduction::Gini
        | Reduction::SumNotNegative
        | Reduction::ClampedEntropy
        | Reduction::Product => nothing,
    }
}

/// Returns whether moments are taken about a centre that should lie near the values.
pub(super) const fn needs_centre(reduction: Reduction) -> bool {
    wanted(reduction).powers > 1
}

impl Collected {
    /// Returns a collection of nothing, with moments about `centre`.
    pub(super) fn new(centre: f64) -> Self {
        Self { sums: Accumulator::default(), centre, special: Special::default(), sample: (0.0, 0) }
    }

    /// Adds values.
    pub(super) fn add(&mut self, reduction: Reduction, x: &[f32]) {
        let centre = if needs_centre(reduction) { self.centre } else { 0.0 };
        self.sums.add(wanted(reduction), x, centre);
        match reduction {
            Reduction::SumNotNegative => {
                for &x in x.iter().filter(|x| **x >= 0.0) {
                    self.special.sum += f64::from(x);
                }
            }
            Reduction::ClampedEntropy => {
                for p in x.iter().filter(|x| **x >= 0.0).map(|x| f64::from(*x)) {
                    self.special.sum -= p * p.clamp(LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY).ln();
                    self.special.count += 1;
                }
            }
            Reduction::Product => {
                for x in x.iter().map(|x| f64::from(*x)) {
                    self.special.sum += if x == 0.0 { 0.0 } else { x.abs().log2() };
                    self.special.negatives += u64::from(x < 0.0);
                    self.special.zeros += u64::from(x == 0.0);
                }
            }
            _ => {}
        }
    }

    /// Adds values whose logarithms are summed without being stored.
    pub(super) fn add_sum(&mut self, sum: f64, count: usize) {
        self.sums.moments.first += sum;
        self.sums.count += count as u64;
    }

    /// Adds the magnitudes of values that stand for many.
    pub(super) fn add_sample(&mut self, x: &[f32]) {
        self.sample.0 += vector::sum_abs(x);
        self.sample.1 += x.len() as u64;
    }

    /// Adds what another has collected about the same centre.
    pub(super) fn merge(&mut self, other: &Self) {
        self.sums.merge(&other.sums);
        self.special.sum += other.special.sum;
        self.special.count += other.special.count;
        self.special.negatives += other.special.negatives;
        self.special.zeros += other.special.zeros;
        self.sample.0 += other.sample.0;
        self.sample.1 += other.sample.1;
    }

    /// Returns the reduction's value.
    pub(super) fn finish(&self, reduction: Reduction) -> Reduced {
        let n = self.sums.count as f64;
        let moments = &self.sums.moments;
        let offset = moments.first / n;
        let variance =
            (moments.second / n - offset * offset).max(if moments.second.is_nan() { f64::NAN } else { 0.0 });
        let sample_variance = if self.sums.count < 2 { f64::NAN } else { variance * n / (n - 1.0) };
        let typical = if self.sample.1 == 0 { 0.0 } else { self.sample.0 / self.sample.1 as f64 };
        let (value, magnitude) = match reduction {
            Reduction::Mean => (moments.first / n, typical),
            Reduction::Sum => (moments.first, typical * n),
            Reduction::Variance => (variance, variance),
            // A root moves by half of what is under it.
            Reduction::StandardDeviation => (variance.sqrt(), variance.sqrt() / 2.0),
            Reduction::SampleVariance => (sample_variance, sample_variance),
            Reduction::SampleDeviation => (sample_variance.sqrt(), sample_variance.sqrt() / 2.0),
            Reduction::Kurtosis => {
                let kurtosis = self.kurtosis(offset, variance);
                (kurtosis, kurtosis)
            }
            Reduction::Min => (f64::from(self.sums.least), f64::from(self.sums.least).abs()),
            Reduction::Max => (f64::from(self.sums.greatest), f64::from(self.sums.greatest).abs()),
            Reduction::L1 => (self.sums.absolute, self.sums.absolute),
            Reduction::L2 => (self.sums.squares.sqrt(), self.sums.squares.sqrt() / 2.0),
            Reduction::GeometricMean => {
                let mean = self.sums.logarithms / n;
                (mean.exp(), mean.exp() * mean.abs().max(1.0))
            }
            Reduction::Entropy => (-self.sums.entropy, self.sums.entropy.abs()),
            Reduction::SumNotNegative => (self.special.sum, self.special.sum),
            Reduction::ClampedEntropy if self.special.count == 0 => (f64::NAN, 0.0),
            Reduction::ClampedEntropy => (self.special.sum, self.special.sum),
            Reduction::Product => return self.product(n),
            Reduction::Quantile(_) | Reduction::Median | Reduction::Gini => (f64::NAN, 0.0),
        };
        Reduced { value, magnitude, alternative: None }
    }

    fn kurtosis(&self, offset: f64, variance: f64) -> f64 {
        let n = self.sums.count as f64;
        let moments = &self.sums.moments;
        if variance == 0.0 {
            return 0.0;
        }
        let d = -offset;
        let fourth = moments.fourth
            + 4.0 * d * moments.third
            + 6.0 * d * d * moments.second
            + 4.0 * d * d * d * moments.first
            + n * d.powi(4);
        fourth / n / (variance * variance)
    }

    /// Returns the n-th root of the product as f32 has it: 0 below its range and infinite above.
    fn product(&self, n: f64) -> Reduced {
        let odd = self.special.negatives % 2 == 1;
        let exact = (self.special.sum / n).exp2();
        let value = if self.special.zeros > 0 || self.special.sum < -149.0 {
            0.0
        } else if odd {
            f64::NAN
        } else if self.special.sum >= 128.0 {
            f64::INFINITY
        } else {
            exact
        };
        // One sign more turns the product round, and one factor less may bring it back into range.
        let alternative =
            if self.special.negatives > 0 && !value.is_nan() && value != 0.0 { f64::NAN } else { exact };
        Reduced { value, magnitude: exact, alternative: Some(alternative) }
    }
}

/// Returns the value of a reduction of values that are all at hand.
///
/// The values may be reordered.
pub(super) fn reduce(reduction: Reduction, values: &mut [f32]) -> Reduced {
    if reduction.needs_all_values() && values.iter().any(|x| x.is_nan()) {
        return Reduced { value: f64::NAN, ..Reduced::default() };
    }
    let value = match reduction {
        Reduction::Median => f64::from(vector::median(values)),
        Reduction::Quantile(p) => vector::quantile(values, p),
        Reduction::Gini => gini(values),
        _ => {
            let centre = values.first().map_or(0.0, |first| f64::from(*first));
            let mut collected = Collected::new(centre);
            collected.add(reduction, values);
            collected.add_sample(values);
            return collected.finish(reduction);
        }
    };
    Reduced { value, magnitude: value.abs(), alternative: None }
}

/// Returns the value of a reduction of values in double precision, in their order.
pub(super) fn reduce_doubles(reduction: Reduction, values: &[f64]) -> Reduced {
    let n = values.len() as f64;
    let sum = |term: &dyn Fn(f64) -> f64| values.iter().map(|x| term(*x)).sum::<f64>();
    let mean = sum(&|x| x) / n;
    let variance = sum(&|x| (x - mean) * (x - mean)) / n;
    let sample_variance = if values.len() < 2 { f64::NAN } else { variance * n / (n - 1.0) };
    let value = match reduction {
        Reduction::Mean => mean,
        Reduction::Sum => sum(&|x| x),
        Reduction::Variance => variance,
        Reduction::StandardDeviation => variance.sqrt(),
        Reduction::SampleVariance => sample_variance,
        Reduction::SampleDeviation => sample_variance.sqrt(),
        Reduction::Min => extreme(values, f64::min),
        Reduction::Max => extreme(values, f64::max),
        Reduction::Median => {
            sorted(values).get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
        }
        Reduction::Quantile(p) => interpolated(&sorted(values), p),
        Reduction::L1 => sum(&f64::abs),
        Reduction::L2 => sum(&|x| x * x).sqrt(),
        Reduction::GeometricMean => (sum(&crate::lang::scalar::log) / n).exp(),
        Reduction::Entropy => -sum(&|x| x * crate::lang::scalar::log(x)),
        Reduction::Kurtosis if variance == 0.0 => 0.0,
        Reduction::Kurtosis => sum(&|x| (x - mean).powi(4)) / n / (variance * variance),
        Reduction::Gini | Reduction::SumNotNegative | Reduction::ClampedEntropy | Reduction::Product => {
            let mut values: Vec<f32> = values.iter().map(|x| *x as f32).collect();
            return reduce(reduction, &mut values);
        }
    };
    let magnitude = match reduction {
        Reduction::Mean => sum(&f64::abs) / n,
        Reduction::Sum => sum(&f64::abs),
        _ => value.abs(),
    };
    Reduced { value, magnitude, alternative: None }
}

fn extreme(values: &[f64], pick: fn(f64, f64) -> f64) -> f64 {
    if values.iter().any(|x| x.is_nan()) {
        return f64::NAN;
    }
    values.iter().copied().reduce(pick).unwrap_or(f64::NAN)
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn interpolated(sorted: &[f64], p: f64) -> f64 {
    let place = p * (sorted.len().saturating_sub(1)) as f64;
    let below = place.floor() as usize;
    match (sorted.get(below), sorted.get(below + 1)) {
        (Some(low), Some(high)) => low + (high - low) * (place - below as f64),
        (Some(low), None) => *low,
        _ => f64::NAN,
    }
}

fn gini(values: &mut [f32]) -> f64 {
    for value in values.iter_mut() {
        *value = value.abs();
    }
    values.sort_unstable_by(f32::total_cmp);
    let n = values.len() as f64;
    let mut weighted = 0.0;
    let mut sum = 0.0;
    for (index, value) in values.iter().enumerate() {
        let value = f64::from(*value);
        weighted += (2.0 * (index as f64 + 1.0) - n - 1.0) * value;
        sum += value;
    }
    if sum == 0.0 { 0.0 } else { weighted / (n * sum) }
}

/// Returns the ranks of values from 0 (least) to 1 (greatest), equal values sharing the mean of theirs.
///
/// A NaN among the values makes all ranks NaN.
pub(super) fn ranks(values: &[f64]) -> Vec<f64> {
    if values.iter().any(|x| x.is_nan()) {
        return vec![f64::NAN; values.len()];
    }
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|a, b| values[*a].total_cmp(&values[*b]).then(a.cmp(b)));
    let mut ranks = vec![0.0; values.len()];
    let last = values.len().saturating_sub(1).max(1) as f64;
    let mut start = 0;
    while start < order.len() {
        let value = values[order[start]];
        // 0 and -0 are one value, which a total order tells apart.
        let end = start + order[start..].iter().take_while(|index| values[**index] == value).count();
        let shared = (start + end - 1) as f64 / 2.0 / last;
        for index in &order[start..end] {
            ranks[*index] = shared;
        }
        start = end;
    }
    ranks
}
