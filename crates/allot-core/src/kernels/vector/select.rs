//! Order statistics of numbers in memory by selection, in expected linear time, without sorting.

use super::histogram::{from_ordered_bits, ordered_bits};

/// Moves the `k`-th smallest number, from 0, to its place, with smaller ones before it and larger ones after it, and returns it.
///
/// A `k` beyond the last counts as the last; the result is NaN for an empty slice. The order is that of [`ordered_bits`], so NaN
/// is allowed, but has no meaningful place.
pub fn select_nth(values: &mut [f32], k: usize) -> f32 {
    let Some(last) = values.len().checked_sub(1) else {
        return f32::NAN;
    };
    // Integers compare without branches, and twice as fast.
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

/// Returns the lower median; reorders the numbers.
///
/// The median of an empty slice is NaN.
pub fn median(values: &mut [f32]) -> f32 {
    let middle = values.len().saturating_sub(1) / 2;
    select_nth(values, middle)
}

/// Returns the `p` quantile, interpolated linearly between the numbers around place `p * (n - 1)`; reorders the numbers.
///
/// `p` is clamped to [0, 1]. The result is NaN for an empty slice, or if `p` is NaN.
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
    // The numbers after the selected place are not smaller, so the next one is their minimum.
    let upper = values[below + 1..].iter().copied().fold(f32::INFINITY, f32::min);
    lower + fraction * (f64::from(upper) - lower)
}
