//! A vectorisable exponential for softmaxes.

/// Replaces each x by exp(x - `shift`) and returns the sum; accurate to about 2 units in the last place for x
/// <= `shift`.
///
/// The loop has no branches and no calls, so the compiler vectorises it for any target. The sum is in f64 over fixed groups of
/// 64, so it does not depend on threads.
pub(super) fn exponentiate(values: &mut [f32], shift: f32) -> f64 {
    values
        .chunks_mut(64)
        .map(|group| {
            for value in group.iter_mut() {
                *value = exponential(*value - shift);
            }
            f64::from(sum(group))
        })
        .sum()
}

/// Returns the sum of exp(x - `shift`) over `values`, in f64.
pub(crate) fn sum_exponentials(values: &[f32], shift: f32) -> f64 {
    values
        .chunks(64)
        .map(|group| {
            let mut buffer = [0f32; 64];
            for (slot, value) in buffer.iter_mut().zip(group) {
                *slot = exponential(*value - shift);
            }
            f64::from(sum(&buffer))
        })
        .sum()
}

/// Replaces scores by their softmax.
pub(crate) fn softmax(scores: &mut [f32]) {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total = exponentiate(scores, largest);
    let share = (1.0 / total) as f32;
    for score in scores {
        *score *= share;
    }
}

/// The factors a and b of 2 u = x (a + b x^2), where u is the argument of tanh in GELU's approximation.
const GELU: (f32, f32) = (1.595_769, 0.071_354_814);

/// Returns x * sigmoid(x).
#[inline(always)]
pub(super) fn silu(x: f32) -> f32 {
    x / (1.0 + exponential(-x))
}

/// Returns x * Phi(x) by its tanh approximation, 0.5 x (1 + tanh u), which is x * sigmoid(2 u).
#[inline(always)]
pub(super) fn gelu_tanh(x: f32) -> f32 {
    let argument = x * (GELU.0 + GELU.1 * x * x);
    x / (1.0 + exponential(-argument))
}

/// Returns x * sigmoid(x) and its derivative.
#[inline(always)]
pub(super) fn silu_slope(x: f32) -> (f32, f32) {
    let share = 1.0 / (1.0 + exponential(-x));
    (x * share, share * (1.0 + x * (1.0 - share)))
}

/// Returns [`gelu_tanh`] and its derivative.
#[inline(always)]
pub(super) fn gelu_tanh_slope(x: f32) -> (f32, f32) {
    let share = 1.0 / (1.0 + exponential(-x * (GELU.0 + GELU.1 * x * x)));
    let inner = GELU.0 + 3.0 * GELU.1 * x * x;
    (x * share, share * (1.0 + x * (1.0 - share) * inner))
}

/// Returns tanh(x), accurate to about 1e-7.
#[inline(always)]
pub(super) fn hyperbolic_tangent(x: f32) -> f32 {
    1.0 - 2.0 / (1.0 + exponential(2.0 * x))
}

/// Sums in eight lanes: the order vectorises and never changes.
fn sum(values: &[f32]) -> f32 {
    let mut lanes = [0f32; 8];
    let mut groups = values.chunks_exact(8);
    for group in &mut groups {
        for (lane, value) in lanes.iter_mut().zip(group) {
            *lane += value;
        }
    }
    let rest: f32 = groups.remainder().iter().sum();
    lanes.iter().sum::<f32>() + rest
}

/// Returns exp(x) for negative or moderate x: 2^n times a polynomial in the remainder, |remainder| <= ln 2 /
/// 2.
#[inline(always)]
fn exponential(x: f32) -> f32 {
    // Below this the result is smaller than the smallest normal number, which is negligible for a share.
    const LOWEST: f32 = -87.0;
    // Adding and subtracting 1.5 * 2^23 rounds to the nearest whole number.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts; the first ends in zeros, so that n times it is exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let clamped = x.clamp(LOWEST, 88.0);
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    let rest = clamped - whole * LN2_HIGH - whole * LN2_LOW;
    // Coefficients 1/k!, adjusted at the end for the smallest error over the interval (Cephes, expf).
    let mut polynomial = 1.987_569_1e-4_f32;
    polynomial = polynomial * rest + 1.398_199_9e-3;
    polynomial = polynomial * rest + 8.333_452e-3;
    polynomial = polynomial * rest + 4.166_579_6e-2;
    polynomial = polynomial * rest + 1.666_666_6e-1;
    polynomial = polynomial * rest + 0.5;
    let value = polynomial * rest * rest + rest + 1.0;
    // The low bits of `shifted` hold the whole number: move it to the exponent.
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000));
    if x < LOWEST { 0.0 } else { value * power }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_exact_exponential() {
        for step in 0..200_000 {
            let x = -87.0 + step as f32 * 4.35e-4;
            let exact = f64::from(x).exp();
            let error = (f64::from(exponential(x)) - exact).abs() / exact;
            assert!(error < 2.5e-7, "exp({x}) is off by {error:e}");
        }
        assert_eq!(exponential(0.0), 1.0);
        assert_eq!(exponential(-1000.0), 0.0);
        assert_eq!(exponential(f32::NEG_INFINITY), 0.0);
    }

    #[test]
    fn silu_agrees_with_the_exact_one_from_end_to_end() {
        for step in -40_000..40_000 {
            let x = step as f32 * 5e-3;
            let exact = f64::from(x) / (1.0 + (-f64::from(x)).exp());
            let error = (f64::from(silu(x)) - exact).abs();
            assert!(error <= 3e-7 * exact.abs() + 2e-36, "silu({x}) is off by {error:e}");
        }
    }

    #[test]
    fn gelu_and_tanh_agree_with_the_exact_ones() {
        for step in -20_000..20_000 {
            let x = step as f32 * 1e-3;
            let wide = f64::from(x);
            let angle = (2.0 / std::f64::consts::PI).sqrt() * (wide + 0.044_715 * wide.powi(3));
            let gelu = 0.5 * wide * (1.0 + angle.tanh());
            assert!((f64::from(gelu_tanh(x)) - gelu).abs() < 1e-6 * (1.0 + gelu.abs()), "{x}");
            let apart = (f64::from(hyperbolic_tangent(x)) - wide.tanh()).abs();
            assert!(apart < 2e-7, "tanh({x}) is off by {apart:e}");
        }
    }

    #[test]
    fn both_sums_are_the_same_number() {
        let values: Vec<f32> = (0..1000).map(|it| (it as f32 * 0.37).sin() * 9.0).collect();
        let mut copy = values.clone();
        let sum = exponentiate(&mut copy, 9.0);
        assert!((sum - sum_exponentials(&values, 9.0)).abs() <= 1e-12 * sum);
    }
}
