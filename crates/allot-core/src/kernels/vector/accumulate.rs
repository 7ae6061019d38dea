//! Sums in double precision, in lanes of a fixed number, added up in a fixed order.

use super::dispatch::{Machine, dispatched};
use super::elementwise::{BLOCK, sum_unary, unary};
use super::functions::Unary;

/// How many partial sums run side by side.
pub(super) const LANES: usize = 16;

/// Returns the total of all lanes, halving them until one is left.
///
/// Called, not inlined, so that the lanes lie side by side in memory and the compiler keeps them so in registers.
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

/// Returns sums over all numbers, of which `add` adds one's terms to a lane of each.
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

/// Adds the first `count` numbers of a block, each to its own lane; a fixed number of steps, for vectors.
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
    // The product of two singles is exact in double precision.
    sum_of(x, |x| f64::from(x) * f64::from(x))
}

/// Returns the sum of `x ln x`, in which x <= 0 counts as 0.
pub fn sum_x_log_x(x: &[f32]) -> f64 {
    let mut logarithms = [0.0; BLOCK];
    let mut total = 0.0;
    for block in x.chunks(BLOCK) {
        let logarithms = &mut logarithms[..block.len()];
        unary(Unary::Log, block, logarithms);
        total += sum_positive_products(block, logarithms);
    }
    total
}

dispatched! {
    /// Returns the sum of products of factors that are not negative.
    fn sum_positive_products(x: &[f32], y: &[f32]) -> f64 = sum_positive_products_on
}

#[inline(always)]
fn sum_positive_products_on<M: Machine>(x: &[f32], y: &[f32]) -> f64 {
    let mut lanes = [0.0; LANES];
    let (x_blocks, x_rest) = x.as_chunks::<LANES>();
    let (y_blocks, y_rest) = y.as_chunks::<LANES>();
    for (x, y) in x_blocks.iter().zip(y_blocks) {
        for ((lane, &x), &y) in lanes.iter_mut().zip(x).zip(y) {
            *lane = M::multiply_add_double(positive(x), f64::from(y), *lane);
        }
    }
    for ((lane, &x), &y) in lanes.iter_mut().zip(x_rest).zip(y_rest) {
        *lane = M::multiply_add_double(positive(x), f64::from(y), *lane);
    }
    total(&lanes)
}

/// Returns `x`, or 0 where it is negative: minus infinity times a logarithm of 0 would be NaN.
#[inline(always)]
fn positive(x: f32) -> f64 {
    f64::from(if x <= 0.0 { 0.0 } else { x })
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
    // Half as many lanes, so that four sums of them stay in registers.
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
    /// Returns the least and the greatest number: NaN if any is, and infinity and its negative of none.
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

/// What an [`Accumulator`] collects, apart from the count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// The highest power of `x - centre` to sum, up to 4.
    pub powers: u8,
    /// The sum of absolute values.
    pub absolute: bool,
    /// The sum of squares.
    pub squares: bool,
    /// The least and the greatest.
    pub extremes: bool,
    /// The sum of logarithms, 0 for x <= 0.
    pub logarithms: bool,
    /// The sum of `x ln x`, 0 for x <= 0.
    pub entropy: bool,
}

/// What has been collected of the numbers seen so far; what was not wanted keeps its first value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Accumulator {
    /// How many numbers.
    pub count: u64,
    /// The sums of the powers of `x - centre`.
    pub moments: Moments,
    /// The sum of absolute values.
    pub absolute: f64,
    /// The sum of squares.
    pub squares: f64,
    /// The least, NaN if any number is; infinity at first.
    pub least: f32,
    /// The greatest, NaN if any number is; minus infinity at first.
    pub greatest: f32,
    /// The sum of logarithms, 0 for x <= 0.
    pub logarithms: f64,
    /// The sum of `x ln x`, 0 for x <= 0.
    pub entropy: f64,
}

impl Default for Accumulator {
    fn default() -> Self {
        Self {
            count: 0,
            moments: Moments::default(),
            absolute: 0.0,
            squares: 0.0,
            least: f32::INFINITY,
            greatest: f32::NEG_INFINITY,
            logarithms: 0.0,
            entropy: 0.0,
        }
    }
}

impl Accumulator {
    /// Adds a chunk, one pass over it for each group of sums, since it lies in the first cache.
    ///
    /// Accumulators that are merged must have used the same `centre`.
    pub fn add(&mut self, wanted: Wanted, x: &[f32], centre: f64) {
        self.count += x.len() as u64;
        match wanted.powers {
            0 => {}
            1 => self.moments.first += if centre == 0.0 { sum(x) } else { moments2(x, centre).0 },
            2 => {
                let (first, second) = moments2(x, centre);
                self.moments.first += first;
                self.moments.second += second;
            }
            _ => self.moments.merge(&moments4(x, centre)),
        }
        if wanted.absolute {
            self.absolute += sum_abs(x);
        }
        if wanted.squares {
            self.squares += sum_squares(x);
        }
        if wanted.extremes {
            let (least, greatest) = min_max(x);
            self.widen_extremes(least, greatest);
        }
        if wanted.logarithms {
            self.logarithms += sum_unary(Unary::Log, x);
        }
        if wanted.entropy {
            self.entropy += sum_x_log_x(x);
        }
    }

    /// Adds what another has collected; in one fixed order, for results that do not depend on the number of threads.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.moments.merge(&other.moments);
        self.absolute += other.absolute;
        self.squares += other.squares;
        self.widen_extremes(other.least, other.greatest);
        self.logarithms += other.logarithms;
        self.entropy += other.entropy;
    }

    fn widen_extremes(&mut self, least: f32, greatest: f32) {
        if self.least.is_nan() || least.is_nan() {
            (self.least, self.greatest) = (f32::NAN, f32::NAN);
        } else {
            self.least = self.least.min(least);
            self.greatest = self.greatest.max(greatest);
        }
    }
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
