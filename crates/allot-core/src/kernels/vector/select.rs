//! Order statistics of numbers at hand: by selection, in expected linear time, without sorting.

use super::histogram::{from_ordered_bits, ordered_bits};

/// Moves the `k`-th least number, from 0, to its place, smaller ones before it and larger ones behind, and returns it.
///
/// A `k` beyond the last counts as the last; of no numbers, it is NaN. The order is that of [`ordered_bits`], so NaN does no
/// harm, but has no meaningful place.
pub fn select_nth(values: &mut [f32], k: usize) -> f32 {
    let Some(last) = values.len().checked_sub(1) else {
        return f32::NAN;
    };
    // Whole numbers compare without branches, and twice as fast.
    for value in &mut *values {
        *value = f32::from_bits(ordered_bits(*value));
    }
    let keys: &mut [u32] = bytemuck::cast_slice_mut(values);
    keys.select_nth_unstable(k.min(last));
    for key in &mut *keys {
        *key = from_ordered_bits(*key).to_bits();
    }
    values[k.min(last)]
}

/// Returns the median, of an even count the lower of the middle two; reorders the numbers.
///
/// Of no numbers, it is NaN.
pub fn median(values: &mut [f32]) -> f32 {
    let middle = values.len().saturating_sub(1) / 2;
    select_nth(values, middle)
}

/// Returns the `p` quantile, interpolated linearly between the numbers around place `p * (n - 1)`; reorders the numbers.
///
/// `p` counts as the nearest in [0, 1]. Of no numbers, or for a `p` of NaN, it is NaN.
pub fn quantile(values: &mut [f32], p: f64) -> f64 {
    if values.is_empty() || p.is_nan() {
        return f64::NAN;
    }
    let place = p.clamp(0.0, 1.0) * (values.len() - 1) as f64;
    let below = place.floor();
    let fraction = place - below;
    let below = below as usize;
    let lower = f64::from(select_nth(values, below));
    if fraction == 0.0 {
        return lower;
    }
    // What follows the selected place is no less, so the next is the least of it.
    let upper = values[below + 1..].iter().copied().fold(f32::INFINITY, f32::min);
    lower + fraction * (f64::from(upper) - lower)
}
