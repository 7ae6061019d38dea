//! Sums in double precision, in a fixed number of lanes that are added up in a fixed order.

use super::dispatch::{Machine, dispatched};

/// How many partial sums run side by side.
pub(super) const LANES: usize = 16;

/// Returns the total of all lanes, halving them until one is left.
///
/// Not inlined, so that the lanes are contiguous in memory and the compiler keeps them in vector registers.
#[inline(never)]
pub(super) fn total<const COUNT: usize>(lanes: &[f64; COUNT]) -> f64 {
    let mut lanes = *lanes;
    let mut width = COUNT;
    while width > 1 {
        width /= 2;
        for index in 0..width {
            lanes[index] += lanes[index + width];
        }
    }
    lanes[0]
}

/// Returns sums over all numbers; `add` adds the terms of one number to a lane of each sum.
#[inline(always)]
fn sums<const SUMS: usize, const LANES: usize>(
    x: &[f32],
    add: impl Fn([f64; SUMS], f32) -> [f64; SUMS],
) -> [f64; SUMS] {
    let mut lanes = [[0.0; LANES]; SUMS];
    let (blocks, rest) = x.as_chunks::<LANES>();
    for block in blocks {
        add_block(&mut lanes, block, LANES, &add);
    }
    if !rest.is_empty() {
        let mut block = [0.0; LANES];
        block[..rest.len()].copy_from_slice(rest);
        add_block(&mut lanes, &block, rest.len(), &add);
    }
    lanes.each_ref().map(total)
}

/// Adds the first `count` numbers of a block, each to its own lane, in a fixed number of steps, so that it vectorises.
#[inline(always)]
fn add_block<const SUMS: usize, const LANES: usize>(
    lanes: &mut [[f64; LANES]; SUMS],
    block: &[f32; LANES],
    count: usize,
    add: impl Fn([f64; SUMS], f32) -> [f64; SUMS],
) {
    for (index, &x) in block.iter().enumerate() {
        let before = lanes.each_ref().map(|lanes| lanes[index]);
        let after = add(before, x);
        for (lanes, after) in lanes.iter_mut().zip(after) {
            lanes[index] = if index < count { after } else { lanes[index] };
        }
    }
}

/// Returns the sum of a term for every number.
#[inline(always)]
fn sum_of(x: &[f32], term: impl Fn(f32) -> f64) -> f64 {
    let [sum] = sums::<1, LANES>(x, |[sum], x| [sum + term(x)]);
    sum
}

dispatched! {
    /// Returns the sum.
    pub fn sum(x: &[f32]) -> f64 = sum_on
}

#[inline(always)]
fn sum_on<M: Machine>(x: &[f32]) -> f64 {
    sum_of(x, f64::from)
}

dispatched! {
    /// Returns the sum of absolute values.
    pub fn sum_abs(x: &[f32]) -> f64 = sum_abs_on
}

#[inline(always)]
fn sum_abs_on<M: Machine>(x: &[f32]) -> f64 {
    sum_of(x, |x| f64::from(x.abs()))
}

dispatched! {
    /// Returns the sum of squares.
    pub fn sum_squares(x: &[f32]) -> f64 = sum_squares_on
}

#[inline(always)]
fn sum_squares_on<M: Machine>(x: &[f32]) -> f64 {
    // The product of two f32 numbers is exact in double precision.
    sum_of(x, |x| f64::from(x) * f64::from(x))
}

/// The sums of the first four powers of `x - c`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    /// The sum of `x - c`.
    pub first: f64,
    /// The sum of its squares.
    pub second: f64,
    /// The sum of its cubes.
    pub third: f64,
    /// The sum of its fourth powers.
    pub fourth: f64,
}

dispatched! {
    /// Returns the sums of `x - centre` and of its squares.
    pub fn moments2(x: &[f32], centre: f64) -> (f64, f64) = moments2_on
}

#[inline(always)]
fn moments2_on<M: Machine>(x: &[f32], centre: f64) -> (f64, f64) {
    let [first, second] = sums::<2, LANES>(x, |[first, second], x| {
        let x = f64::from(x) - centre;
        [first + x, M::multiply_add_double(x, x, second)]
    });
    (first, second)
}

dispatched! {
    /// Returns the sums of the first four powers of `x - centre`.
    pub fn moments4(x: &[f32], centre: f64) -> Moments = moments4_on
}

#[inline(always)]
fn moments4_on<M: Machine>(x: &[f32], centre: f64) -> Moments {
    // Half as many lanes, so that four sums fit the registers.
    let [first, second, third, fourth] = sums::<4, { LANES / 2 }>(x, |sums, x| {
        let x = f64::from(x) - centre;
        let square = x * x;
        [
            sums[0] + x,
            sums[1] + square,
            M::multiply_add_double(square, x, sums[2]),
            M::multiply_add_double(square, square, sums[3]),
        ]
    });
    Moments { first, second, third, fourth }
}

dispatched! {
    /// Returns the smallest and the largest number: NaN if any number is NaN, and infinity and its negative for an empty slice.
    pub fn min_max(x: &[f32]) -> (f32, f32) = min_max_on
}

#[inline(always)]
fn min_max_on<M: Machine>(x: &[f32]) -> (f32, f32) {
    const LANES: usize = 2 * super::accumulate::LANES;
    let mut least = [f32::INFINITY; LANES];
    let mut greatest = [f32::NEG_INFINITY; LANES];
    let mut missing = [0; LANES];
    let mut add = |index: usize, x: f32| {
        least[index] = if x < least[index] { x } else { least[index] };
        greatest[index] = if x > greatest[index] { x } else { greatest[index] };
        missing[index] |= u32::from(x.is_nan());
    };
    let (blocks, rest) = x.as_chunks::<LANES>();
    for block in blocks {
        for (index, &x) in block.iter().enumerate() {
            add(index, x);
        }
    }
    for (index, &x) in rest.iter().enumerate() {
        add(index, x);
    }
    if missing.iter().any(|&missing| missing != 0) {
        return (f32::NAN, f32::NAN);
    }
    (least.into_iter().fold(f32::INFINITY, f32::min), greatest.into_iter().fold(f32::NEG_INFINITY, f32::max))
}

impl Moments {
    /// Adds another chunk's sums about the same centre.
    pub fn merge(&mut self, other: &Self) {
        self.first += other.first;
        self.second += other.second;
        self.third += other.third;
        self.fourth += other.fourth;
    }
}
