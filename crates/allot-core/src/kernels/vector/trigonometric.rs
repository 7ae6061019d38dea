//! Trigonometric functions of f32, computed in double precision and rounded once.
//!
//! In double precision, polynomials to 1e-9 give correctly rounded f32 numbers except for rare ties, without special care for
//! cancellation. Sine and cosine are their Taylor series; the inverse functions are near-minimax fits (Chebyshev, 40 digits)
//! of the remainders that the comments name.

use std::f64::consts::{FRAC_2_PI, FRAC_PI_2};

use super::dispatch::{Machine, polynomial_double};

/// The largest argument whose reduction to a quarter turn here is exact enough; the standard library computes larger ones.
pub(super) const LARGEST_ANGLE: f32 = 1e6;

/// Adding and subtracting it rounds to a whole number; after the addition, the lowest bits hold that number.
const ROUNDER: f64 = 6_755_399_441_055_744.0;
/// The upper 25 bits of half pi: its product with a quarter turn's number is exact.
const HALF_PI_UPPER: f64 = 1.570_796_310_901_641_8;
/// The rest of half pi.
const HALF_PI_LOWER: f64 = 1.589_325_477_352_819_7e-8;

/// Returns the sine and the cosine of `x` reduced to its nearest quarter turn, and the number of that turn, modulo 2^52.
#[inline(always)]
fn quarter<M: Machine>(x: f32) -> (f64, f64, u64) {
    let x = f64::from(x);
    let shifted = M::multiply_add_double(x, FRAC_2_PI, ROUNDER);
    let turn = shifted - ROUNDER;
    let rest = M::multiply_add_double(turn, -HALF_PI_UPPER, x);
    let rest = M::multiply_add_double(turn, -HALF_PI_LOWER, rest);
    let square = rest * rest;
    let sine = polynomial_double::<M, 5>(
        square,
        [-1.0 / 39_916_800.0, 1.0 / 362_880.0, -1.0 / 5040.0, 1.0 / 120.0, -1.0 / 6.0],
    );
    let sine = M::multiply_add_double(rest * square, sine, rest);
    let cosine = polynomial_double::<M, 7>(
        square,
        [1.0 / 479_001_600.0, -1.0 / 3_628_800.0, 1.0 / 40_320.0, -1.0 / 720.0, 1.0 / 24.0, -0.5, 1.0],
    );
    (sine, cosine, shifted.to_bits())
}

/// Returns `value`, negated in the second half of a turn.
#[inline(always)]
fn signed(value: f64, turn: u64) -> f32 {
    f64::from_bits(value.to_bits() ^ ((turn & 2) << 62)) as f32
}

/// Returns the sine of `x`, at most [`LARGEST_ANGLE`] in size.
#[inline(always)]
pub(super) fn sin<M: Machine>(x: f32) -> f32 {
    let (sine, cosine, turn) = quarter::<M>(x);
    signed(if turn & 1 == 0 { sine } else { cosine }, turn)
}

/// Returns the cosine of `x`, at most [`LARGEST_ANGLE`] in size.
#[inline(always)]
pub(super) fn cos<M: Machine>(x: f32) -> f32 {
    let (sine, cosine, turn) = quarter::<M>(x);
    signed(if turn & 1 == 0 { cosine } else { sine }, turn.wrapping_add(1))
}

/// Returns the tangent of `x`, at most [`LARGEST_ANGLE`] in size.
#[inline(always)]
pub(super) fn tan<M: Machine>(x: f32) -> f32 {
    let (sine, cosine, turn) = quarter::<M>(x);
    let even = turn & 1 == 0;
    let upper = if even { sine } else { -cosine };
    let lower = if even { cosine } else { sine };
    (upper / lower) as f32
}

/// Returns the arc sine of `x` clamped to [-1, 1], in double precision.
#[inline(always)]
fn asin_double<M: Machine>(x: f32) -> f64 {
    let size = f64::from(x.abs());
    let size = if size > 1.0 { 1.0 } else { size };
    // Above a half, asin x = pi / 2 - 2 asin(sqrt((1 - x) / 2)).
    let far = size > 0.5;
    let square = if far { (1.0 - size) * 0.5 } else { size * size };
    let root = if far { square.sqrt() } else { size };
    // (asin s - s) / s^3 in s^2 up to 1 / 4, to 5e-9.
    let tail = polynomial_double::<M, 6>(
        square,
        [
            0.033_690_847_202_830_12,
            0.017_149_238_357_677_253,
            0.031_100_662_735_494_57,
            0.044_599_401_528_512_18,
            0.075_000_945_434_974_23,
            0.166_666_663_374_309_07,
        ],
    );
    let value = M::multiply_add_double(root * square, tail, root);
    let value = if far { FRAC_PI_2 - 2.0 * value } else { value };
    value.copysign(f64::from(x))
}

/// Returns the arc sine of `x` clamped to [-1, 1].
#[inline(always)]
pub(super) fn asin<M: Machine>(x: f32) -> f32 {
    asin_double::<M>(x) as f32
}

/// Returns the arc cosine of `x` clamped to [-1, 1].
#[inline(always)]
pub(super) fn acos<M: Machine>(x: f32) -> f32 {
    (FRAC_PI_2 - asin_double::<M>(x)) as f32
}

/// Returns the arc sine, NaN outside [-1, 1].
#[inline(always)]
pub(super) fn raw_asin<M: Machine>(x: f32) -> f32 {
    let value = asin::<M>(x);
    if x.abs() > 1.0 { f32::NAN } else { value }
}

/// Returns the arc cosine, NaN outside [-1, 1].
#[inline(always)]
pub(super) fn raw_acos<M: Machine>(x: f32) -> f32 {
    let value = acos::<M>(x);
    if x.abs() > 1.0 { f32::NAN } else { value }
}

/// Returns the arc tangent.
#[inline(always)]
pub(super) fn atan<M: Machine>(x: f32) -> f32 {
    let size = f64::from(x.abs());
    // Above 1, atan x = pi / 2 - atan(1 / x).
    let far = size > 1.0;
    let slope = if far { 1.0 / size } else { size };
    let square = slope * slope;
    // (atan s - s) / s^3 in s^2 up to 1, to 4e-10.
    let tail = polynomial_double::<M, 11>(
        square,
        [
            -0.000_936_299_471_949_601_5,
            0.006_207_254_533_780_05,
            -0.019_261_081_322_765_88,
            0.038_327_445_983_064_84,
            -0.057_607_160_831_281_17,
            0.074_174_969_643_005_1,
            -0.090_367_423_420_707_8,
            0.111_047_067_886_442_2,
            -0.142_853_179_639_073_03,
            0.199_999_902_759_472_72,
            -0.333_333_332_933_011_7,
        ],
    );
    let value = M::multiply_add_double(slope * square, tail, slope);
    let value = if far { FRAC_PI_2 - value } else { value };
    value.copysign(f64::from(x)) as f32
}
