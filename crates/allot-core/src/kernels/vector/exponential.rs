//! Exponentials and logarithms of f32, branch-free so that the compiler vectorises a loop over them.
//!
//! Each is within 2.3 units in the last place of the exact value (sigmoid), most within 1.1. The polynomials are
//! near-minimax fits (Chebyshev, 40 digits) of the remainders that the comments name; the range reductions are those of
//! Cody and Waite.

use super::dispatch::{Machine, polynomial};

/// Adding and subtracting it rounds to a whole number; after the addition, the lowest bits hold that number.
const ROUNDER: f32 = 12_582_912.0;
/// The upper part of ln 2, with so few bits that its product with an exponent is exact.
const LN_2_UPPER: f32 = 355.0 / 512.0;
/// The rest of ln 2.
const LN_2_LOWER: f32 = -2.121_944_4e-4;
/// The bits of the square root of a half, where the range of mantissas begins so that 1 is in its middle.
const ROOT_HALF: u32 = 0x3f35_04f3;
/// The bits of a mantissa.
const MANTISSA: u32 = 0x007f_ffff;

/// Returns 2 to the power of `exponent`, from -126 to 127.
#[inline(always)]
fn power_of_two(exponent: i32) -> f32 {
    f32::from_bits((exponent.wrapping_add(127) as u32) << 23)
}

/// Returns e to the power of `x`: infinite if it is too large, rounded once more if it is subnormal.
#[inline(always)]
pub(super) fn exp<M: Machine>(x: f32) -> f32 {
    // At the bounds the result is already infinite or zero; comparisons let NaN through.
    let x = if x > 89.0 { 89.0 } else { x };
    let x = if x < -104.0 { -104.0 } else { x };
    let shifted = M::multiply_add(x, std::f32::consts::LOG2_E, ROUNDER);
    let whole = shifted - ROUNDER;
    let rest = M::multiply_add(whole, -LN_2_UPPER, x);
    let rest = M::multiply_add(whole, -LN_2_LOWER, rest);
    // (e^r - 1 - r) / r^2 on |r| <= ln 2 / 2, to 7e-8.
    let tail = polynomial::<M, 5>(rest, [1.392_621_3e-3, 8.363_203e-3, 4.166_655_4e-2, 1.666_657_7e-1, 0.5]);
    let value = 1.0 + M::multiply_add(rest * rest, tail, rest);
    // In two steps, because 2^128 and 2^-150 are not f32 numbers.
    let exponent = (shifted.to_bits() as i32).wrapping_sub(ROUNDER.to_bits() as i32);
    let half = exponent >> 1;
    value * power_of_two(half) * power_of_two(exponent.wrapping_sub(half))
}

/// Returns the natural logarithm of a positive `x`, including subnormal, infinite and NaN; meaningless for others.
#[inline(always)]
pub(super) fn log_positive<M: Machine>(x: f32) -> f32 {
    let subnormal = x < f32::MIN_POSITIVE;
    let scaled = if subnormal { x * 8_388_608.0 } else { x };
    let offset = if subnormal { -23.0 } else { 0.0 };
    let bits = scaled.to_bits().wrapping_sub(ROOT_HALF);
    let exponent = ((bits as i32) >> 23) as f32 + offset;
    let rest = f32::from_bits((bits & MANTISSA).wrapping_add(ROOT_HALF)) - 1.0;
    // (ln(1 + f) - f + f^2 / 2) / f^3 from root 1/2 to root 2, to 3e-8.
    let tail = polynomial::<M, 9>(
        rest,
        [
            6.971_612e-2,
            -1.147_973_4e-1,
            1.168_542e-1,
            -1.242_568_7e-1,
            1.424_905_8e-1,
            -1.666_780_2e-1,
            2.000_071_6e-1,
            -2.499_999_7e-1,
            3.333_333e-1,
        ],
    );
    let square = rest * rest;
    let value = M::multiply_add(rest * square, tail, exponent * LN_2_LOWER);
    let value = M::multiply_add(square, -0.5, value);
    let value = M::multiply_add(exponent, LN_2_UPPER, rest + value);
    if x < f32::INFINITY { value } else { x }
}

/// Returns the logarithm, 0 for `x` <= 0.
#[inline(always)]
pub(super) fn log<M: Machine>(x: f32) -> f32 {
    let value = log_positive::<M>(x);
    if x <= 0.0 { 0.0 } else { value }
}

/// Returns the logarithm of the absolute value, 0 at 0.
#[inline(always)]
pub(super) fn abs_log<M: Machine>(x: f32) -> f32 {
    log::<M>(x.abs())
}

/// Returns the logarithm as IEEE 754 defines it.
#[inline(always)]
pub(super) fn raw_log<M: Machine>(x: f32) -> f32 {
    let value = log_positive::<M>(x);
    let value = if x < 0.0 { f32::NAN } else { value };
    if x == 0.0 { f32::NEG_INFINITY } else { value }
}

/// Returns the argument whose logarithm `dsa::log` takes.
#[inline(always)]
pub(super) fn dsa_argument(x: f32) -> f32 {
    (if x <= 0.0 { 1.0 } else { x }) + 1e-6
}

/// Returns the logarithm as the published search computes it.
#[inline(always)]
pub(super) fn dsa_log<M: Machine>(x: f32) -> f32 {
    log_positive::<M>(dsa_argument(x))
}

/// Returns `1 / (1 + exp(-x))`, through an exponential that cannot overflow.
#[inline(always)]
pub(super) fn sigmoid<M: Machine>(x: f32) -> f32 {
    let power = exp::<M>(-x.abs());
    let upper = if x < 0.0 { power } else { 1.0 };
    upper / (1.0 + power)
}

/// Returns the hyperbolic tangent.
#[inline(always)]
pub(super) fn tanh<M: Machine>(x: f32) -> f32 {
    let size = x.abs();
    let square = size * size;
    // (tanh x - x) / x^3 in x^2 up to 0.625, to 2e-9.
    let tail = polynomial::<M, 6>(
        square,
        [2.292_744_8e-3, -8.343_946e-3, 2.176_891_9e-2, -5.395_926e-2, 1.333_330_4e-1, -3.333_333_3e-1],
    );
    let near = M::multiply_add(size * square, tail, size);
    let far = 1.0 - 2.0 / (exp::<M>(2.0 * size) + 1.0);
    (if size < 0.625 { near } else { far }).copysign(x)
}

/// Returns `ln(1 + exp(x))` as `max(x, 0) + ln(1 + exp(-|x|))`.
#[inline(always)]
pub(super) fn softplus<M: Machine>(x: f32) -> f32 {
    let power = exp::<M>(-x.abs());
    // ln(1 + p) = 2 atanh(p / (2 + p)), which loses nothing for small p.
    let ratio = power / (2.0 + power);
    let square = ratio * ratio;
    // (atanh s - s) / s^3 in s^2 up to 1 / 3, to 4e-9.
    let tail = polynomial::<M, 5>(
        square,
        [1.161_216_5e-1, 1.085_328_8e-1, 1.429_617_9e-1, 1.999_985_3e-1, 3.333_333_4e-1],
    );
    // 2 s is p - p s; its first term is larger, and exact.
    let bend = M::multiply_add(-ratio, power - 2.0 * square * tail, power);
    let line = if x > 0.0 { x } else { 0.0 };
    line + bend
}

/// Returns the square root, 0 for negative `x`.
#[inline(always)]
pub(super) fn sqrt(x: f32) -> f32 {
    (if x < 0.0 { 0.0 } else { x }).sqrt()
}

/// Returns `1 / x`, 0 at 0.
#[inline(always)]
pub(super) fn reciprocal(x: f32) -> f32 {
    let value = 1.0 / x;
    if x == 0.0 { 0.0 } else { value }
}

/// Returns `x` where it is positive, else 0.
#[inline(always)]
pub(super) fn relu(x: f32) -> f32 {
    if x <= 0.0 { 0.0 } else { x }
}
