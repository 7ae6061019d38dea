//! Sums of functions of numbers, without storing the values of the functions.

use super::accumulate::{LANES, sum, sum_abs, sum_squares, total};
use super::dispatch::{Machine, dispatched};
use super::elementwise::{BLOCK, unary};
use super::functions::Unary;
use super::logarithm::sum_log;

/// Returns whether [`sum_unary`] is faster than computing the numbers and summing them.
pub const fn fuses_with_sum(op: Unary) -> bool {
    matches!(
        op,
        Unary::Neg | Unary::Abs | Unary::Square | Unary::Log | Unary::AbsLog | Unary::DsaLog | Unary::RawLog
    )
}

/// Returns the sum of a function of every number, without storing its values.
///
/// Logarithms are summed as the logarithm of a product (see [`sum_log`]), which is faster and more exact than [`unary`].
pub fn sum_unary(op: Unary, x: &[f32]) -> f64 {
    match op {
        Unary::Neg => -sum(x),
        Unary::Abs => sum_abs(x),
        Unary::Square => sum_squares(x),
        Unary::Log | Unary::AbsLog | Unary::DsaLog | Unary::RawLog => sum_log(op, x),
        _ => {
            let mut results = [0.0; BLOCK];
            let mut total = 0.0;
            for block in x.chunks(BLOCK) {
                let results = &mut results[..block.len()];
                unary(op, block, results);
                total += sum(results);
            }
            total
        }
    }
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

/// Returns `x`, or 0 where it is negative, because minus infinity times a logarithm of 0 would be NaN.
#[inline(always)]
fn positive(x: f32) -> f64 {
    f64::from(if x <= 0.0 { 0.0 } else { x })
}
