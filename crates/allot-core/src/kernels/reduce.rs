//! Reductions of values that are all in memory.

use super::reduction::{Aggregate, Reduced};
use super::tally::{Collected, OrderStatistic, Tally};
use super::vector;
use crate::lang::scalar::log;
use crate::threads;

/// Returns the value of a reduction that adds up its values in order; `None` for order statistics.
pub fn tallied(reduction: Aggregate, values: &[f32]) -> Option<Reduced> {
    Some(added_up(Tally::of(reduction).ok()?, reduction, values))
}

fn added_up(tally: Tally, reduction: Aggregate, values: &[f32]) -> Reduced {
    let mean = if tally.needs_centre() { vector::sum(values) / values.len() as f64 } else { 0.0 };
    let mut collected = Collected::new(tally, if mean.is_finite() { mean } else { 0.0 });
    collected.add(values);
    collected.finish(reduction)
}

/// Returns the value of any reduction.
///
/// The values may be reordered and may lose their signs.
pub fn reduce(reduction: Aggregate, values: &mut [f32]) -> Reduced {
    let value = match Tally::of(reduction) {
        Ok(tally) => return added_up(tally, reduction, values),
        Err(_) if values.iter().any(|x| x.is_nan()) => f64::NAN,
        Err(OrderStatistic::Median) => f64::from(vector::median(values)),
        Err(OrderStatistic::Quantile(p)) => vector::quantile(values, p),
        Err(OrderStatistic::Gini) => gini(values),
    };
    Reduced { value, magnitude: value.abs(), alternative: None }
}

/// Returns the value of any reduction of values in double precision, which keep their order.
pub fn reduce_doubles(reduction: Aggregate, values: &[f64]) -> Reduced {
    let n = values.len() as f64;
    let sum = |term: &dyn Fn(f64) -> f64| values.iter().map(|x| term(*x)).sum::<f64>();
    let mean = mean(values);
    let variance = sum(&|x| (x - mean) * (x - mean)) / n;
    let sample_variance = if values.len() < 2 { f64::NAN } else { variance * n / (n - 1.0) };
    let value = match reduction {
        Aggregate::Mean => mean,
        Aggregate::Sum => sum(&|x| x),
        Aggregate::Variance => variance,
        Aggregate::StandardDeviation => variance.sqrt(),
        Aggregate::SampleVariance => sample_variance,
        Aggregate::NormalisingDeviation if values.len() < 2 => 0.0,
        Aggregate::SampleDeviation | Aggregate::NormalisingDeviation => sample_variance.sqrt(),
        Aggregate::Min => extreme(values, f64::min),
        Aggregate::Max => extreme(values, f64::max),
        Aggregate::Median | Aggregate::Quantile(_) if values.iter().any(|x| x.is_nan()) => f64::NAN,
        Aggregate::Median => {
            sorted(values).get(values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
        }
        Aggregate::Quantile(p) => interpolated(&sorted(values), p),
        Aggregate::L1 => sum(&f64::abs),
        Aggregate::L2 => sum(&|x| x * x).sqrt(),
        Aggregate::GeometricMean => (sum(&log) / n).exp(),
        Aggregate::Entropy => -sum(&|x| x * log(x)),
        Aggregate::Kurtosis if variance == 0.0 => 0.0,
        // Divided first, because the square of a small variance underflows.
        Aggregate::Kurtosis => sum(&|x| ((x - mean) / variance.sqrt()).powi(4)) / n,
        Aggregate::Gini => gini_of_sorted(&sorted(&values.iter().map(|x| x.abs()).collect::<Vec<_>>())),
        Aggregate::SumNotNegative | Aggregate::ClampedEntropy | Aggregate::Product => {
            let mut values: Vec<f32> = values.iter().map(|x| *x as f32).collect();
            return reduce(reduction, &mut values);
        }
    };
    let magnitude = match reduction {
        Aggregate::Mean => sum(&f64::abs) / n,
        Aggregate::Sum => sum(&f64::abs),
        _ => value.abs(),
    };
    Reduced { value, magnitude, alternative: None }
}

/// Returns the mean; for equal values it is exactly their value, so that their variance is 0.
pub fn mean(values: &[f64]) -> f64 {
    let Some(first) = values.first() else { return f64::NAN };
    first + values.iter().map(|x| x - first).sum::<f64>() / values.len() as f64
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
    threads::sort_by_key(values, |value| value.to_bits());
    let doubles = values.iter().map(|x| f64::from(*x));
    gini_of(doubles, values.len())
}

fn gini_of_sorted(values: &[f64]) -> f64 {
    gini_of(values.iter().copied(), values.len())
}

/// Returns the Gini coefficient of values that are not negative, ascending.
fn gini_of(values: impl Iterator<Item = f64>, count: usize) -> f64 {
    let n = count as f64;
    let mut weighted = 0.0;
    let mut sum = 0.0;
    for (index, value) in values.enumerate() {
        weighted += (2.0 * (index as f64 + 1.0) - n - 1.0) * value;
        sum += value;
    }
    if sum == 0.0 { 0.0 } else { weighted / (n * sum) }
}

/// Returns the ranks of values from 0 (smallest) to 1 (largest); equal values share the mean of their ranks.
///
/// A NaN among the values makes all ranks NaN.
pub fn ranks(values: &[f64]) -> Vec<f64> {
    if values.iter().any(|x| x.is_nan()) {
        return vec![f64::NAN; values.len()];
    }
    let mut order: Vec<usize> = (0..values.len()).collect();
    threads::sort_by(&mut order, |a, b| values[*a].total_cmp(&values[*b]).then(a.cmp(b)));
    let mut ranks = vec![0.0; values.len()];
    // `share` compares values, because the total order distinguishes 0 and -0.
    share(order.len(), |place| values[order[place]], |place, rank| ranks[order[place]] = rank);
    ranks
}

/// Returns the ranks of a unit's values, as [`ranks`].
///
/// Allocates 12 bytes for each value, including 4 for the result.
pub fn ranks_of_singles(values: &[f32]) -> Vec<f32> {
    if u32::try_from(values.len()).is_err() {
        let doubles: Vec<f64> = values.iter().map(|x| f64::from(*x)).collect();
        return ranks(&doubles).into_iter().map(|rank| rank as f32).collect();
    }
    if values.iter().any(|x| x.is_nan()) {
        return vec![f32::NAN; values.len()];
    }
    // A value's ordered bits and its place share one integer, so that both are sorted together, and fast.
    let mut order: Vec<u64> = threads::map_range(values.len(), |place| {
        u64::from(vector::ordered_bits(values[place] + 0.0)) << 32 | place as u64
    });
    threads::sort_by(&mut order, u64::cmp);
    let mut ranks = vec![0.0; values.len()];
    let place = |index: usize| (order[index] & u64::from(u32::MAX)) as usize;
    share(order.len(), |index| order[index] >> 32, |index, rank| ranks[place(index)] = rank as f32);
    ranks
}

/// Calls `give` with the rank of each of `count` sorted values, divided by the last place; equal neighbours share the mean of their
/// ranks.
fn share<T: PartialEq>(count: usize, value: impl Fn(usize) -> T, mut give: impl FnMut(usize, f64)) {
    let last = count.saturating_sub(1).max(1) as f64;
    let mut start = 0;
    while start < count {
        let first = value(start);
        let end = start + 1 + (start + 1..count).take_while(|place| value(*place) == first).count();
        let shared = (start + end - 1) as f64 / 2.0 / last;
        (start..end).for_each(|place| give(place, shared));
        start = end;
    }
}
