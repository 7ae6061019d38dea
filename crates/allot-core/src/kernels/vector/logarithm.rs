//! Sums of logarithms as logarithms of products.
//!
//! f32 numbers are multiplied in double precision, whose exponents hold the product of any six of them. After every four, the
//! exponent is moved to an integer and the mantissa stays. Only one logarithm is needed for a whole chunk, so the sum costs
//! little more than a plain one, and its error is that of double precision.

use super::accumulate::LANES;
use super::dispatch::{Machine, dispatched};
use super::exponential::dsa_argument;
use super::functions::Unary;

/// How many numbers are multiplied in a lane before its exponent is moved.
const FACTORS: usize = 4;
/// How many numbers all lanes multiply in that time.
const BLOCK: usize = FACTORS * LANES;
/// How many bits a double's mantissa has.
const MANTISSA_BITS: u32 = f64::MANTISSA_DIGITS - 1;
/// The bits of a double's mantissa.
const MANTISSA: u64 = (1 << MANTISSA_BITS) - 1;
/// The exponent bits of 1.
const BIAS: u64 = 1023;

dispatched! {
    /// Returns the sum of logarithms of the kind `op`: `Log`, `AbsLog`, `DsaLog` or `RawLog`.
    ///
    /// Any other function counts as `Log`.
    pub fn sum_log(op: Unary, x: &[f32]) -> f64 = sum_log_on
}

#[inline(always)]
fn sum_log_on<M: Machine>(op: Unary, x: &[f32]) -> f64 {
    match op {
        Unary::AbsLog => sum_of(x, |x| protected(x.abs())),
        Unary::DsaLog => sum_of(x, dsa_argument),
        Unary::RawLog => sum_of(x, |x| x),
        _ => sum_of(x, protected),
    }
}

/// Returns `x`, or 1, whose logarithm is 0, in place of x <= 0.
#[inline(always)]
fn protected(x: f32) -> f32 {
    if x <= 0.0 { 1.0 } else { x }
}

#[inline(always)]
fn sum_of(x: &[f32], argument: impl Fn(f32) -> f32) -> f64 {
    let mut sum = Products::new();
    let (blocks, rest) = x.as_chunks::<BLOCK>();
    for block in blocks {
        sum.multiply(block, &argument);
    }
    if !rest.is_empty() {
        let mut block = [1.0; BLOCK];
        for (argued, &x) in block.iter_mut().zip(rest) {
            *argued = argument(x);
        }
        sum.multiply(&block, |x| x);
    }
    if sum.is_regular() {
        sum.logarithm(blocks.len() + usize::from(!rest.is_empty()))
    } else {
        // Infinities, NaN and numbers without a logarithm are summed one by one, as IEEE 754 defines their logarithms.
        x.iter().map(|&x| f64::from(argument(x)).ln()).sum()
    }
}

/// A product in each lane: a mantissa, and the sum of the exponents moved so far.
struct Products {
    mantissas: [f64; LANES],
    exponents: [u64; LANES],
    /// The largest value of an argument's bits minus 1, in which negatives, zero, infinity and NaN are above every positive number.
    greatest: [u32; LANES],
}

impl Products {
    #[inline(always)]
    fn new() -> Self {
        Self { mantissas: [1.0; LANES], exponents: [0; LANES], greatest: [0; LANES] }
    }

    #[inline(always)]
    fn multiply(&mut self, block: &[f32; BLOCK], argument: impl Fn(f32) -> f32) {
        let (groups, _) = block.as_chunks::<LANES>();
        for group in groups {
            for (index, &x) in group.iter().enumerate() {
                let x = argument(x);
                self.mantissas[index] *= f64::from(x);
                self.greatest[index] = self.greatest[index].max(x.to_bits().wrapping_sub(1));
            }
        }
        for index in 0..LANES {
            let bits = self.mantissas[index].to_bits();
            self.exponents[index] = self.exponents[index].wrapping_add(bits >> MANTISSA_BITS);
            self.mantissas[index] = f64::from_bits((bits & MANTISSA) | (BIAS << MANTISSA_BITS));
        }
    }

    /// Returns whether every argument so far was positive and finite.
    #[inline(always)]
    fn is_regular(&self) -> bool {
        self.greatest.iter().all(|&bits| bits < f32::INFINITY.to_bits() - 1)
    }

    /// Returns the logarithm of the product of all lanes after this many blocks.
    #[inline(never)]
    fn logarithm(&self, blocks: usize) -> f64 {
        let moved = self.exponents.iter().fold(0, |sum: u64, &exponent| sum.wrapping_add(exponent));
        let exponent = moved.wrapping_sub(BIAS * (LANES * blocks) as u64) as i64;
        // The product of sixteen mantissas below 2 is far from overflow.
        let mantissa: f64 = self.mantissas.iter().product();
        exponent as f64 * std::f64::consts::LN_2 + mantissa.ln()
    }
}
