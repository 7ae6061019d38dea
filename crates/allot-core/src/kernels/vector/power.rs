//! Powers of f32, by logarithms in double precision.

use super::dispatch::{Machine, polynomial_double};

/// Adding and subtracting it rounds to a whole number; after the addition, the lowest bits hold that number.
const ROUNDER: f64 = 6_755_399_441_055_744.0;
/// The bits of the square root of a half, where the range of mantissas begins so that 1 is in its middle.
const ROOT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
/// The bits of a mantissa.
const MANTISSA: u64 = 0x000f_ffff_ffff_ffff;

/// Returns the binary logarithm of a positive normal `x`, to 1e-11 of its size.
#[inline(always)]
fn log2<M: Machine>(x: f64) -> f64 {
    // The bias is added before the shift, because vectors of 64-bit integers shift zeros in.
    let bits = x.to_bits().wrapping_sub(ROOT_HALF);
    let biased = bits.wrapping_add(1024 << 52) >> 52;
    // The mantissa of 2^52 holds whole numbers, so this is a conversion.
    let exponent = f64::from_bits(biased | 0x4330_0000_0000_0000) - (4_503_599_627_370_496.0 + 1024.0);
    let rest = f64::from_bits((bits & MANTISSA).wrapping_add(ROOT_HALF)) - 1.0;
    // ln(1 + f) = 2 atanh(f / (2 + f)), whose series converges fast for |s| <= 0.172.
    let ratio = rest / (2.0 + rest);
    let square = ratio * ratio;
    let tail = polynomial_double::<M, 6>(
        square,
        [1.0 / 13.0, 1.0 / 11.0, 1.0 / 9.0, 1.0 / 7.0, 1.0 / 5.0, 1.0 / 3.0],
    );
    let value = 2.0 * std::f64::consts::LOG2_E * M::multiply_add_double(ratio * square, tail, ratio);
    let value = exponent + value;
    if x < f64::INFINITY { value } else { x }
}

/// Returns 2 to the power of `x`, to 1e-11 of its size, within the range of f32.
#[inline(always)]
fn exp2<M: Machine>(x: f64) -> f64 {
    // Beyond these bounds f32 is infinite or zero; comparisons let NaN through.
    let x = if x > 200.0 { 200.0 } else { x };
    let x = if x < -200.0 { -200.0 } else { x };
    let shifted = x + ROUNDER;
    let rest = (x - (shifted - ROUNDER)) * std::f64::consts::LN_2;
    let value = polynomial_double::<M, 10>(
        rest,
        [
            1.0 / 362_880.0,
            1.0 / 40_320.0,
            1.0 / 5040.0,
            1.0 / 720.0,
            1.0 / 120.0,
            1.0 / 24.0,
            1.0 / 6.0,
            0.5,
            1.0,
            1.0,
        ],
    );
    value * f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52)
}

/// Returns `x` to the power of `y`, as [`Binary::Power`](super::Binary::Power) defines it.
#[inline(always)]
pub(super) fn power<M: Machine>(x: f32, y: f32) -> f32 {
    let size = x.abs();
    let value = exp2::<M>(f64::from(y) * log2::<M>(f64::from(size))) as f32;
    let value = if size == 1.0 { 1.0 } else { value };
    // From 2^24, every f32 is an even whole number.
    let exponent = f64::from(y.abs());
    let exponent = if exponent > 16_777_216.0 { 16_777_216.0 } else { exponent };
    let shifted = exponent + ROUNDER;
    let whole = shifted - ROUNDER == exponent;
    let odd = shifted.to_bits() & 1 == 1;
    let negated = if odd { -value } else { value };
    let below = if whole { negated } else { 0.0 };
    let value = if x < 0.0 { below } else { value };
    let value = if x == 0.0 { 0.0 } else { value };
    let value = if y == 0.0 { 1.0 } else { value };
    if x.is_nan() | y.is_nan() { f32::NAN } else { value }
}
