//! The functions of one argument over slices of f32.

use super::dispatch::{Machine, dispatched};
use super::exponential::{
    abs_log, dsa_log, exp, log, raw_log, reciprocal, relu, sigmoid, softplus, sqrt, tanh,
};
use super::functions::Unary;
use super::trigonometric::{LARGEST_ANGLE, acos, asin, atan, cos, raw_acos, raw_asin, sin, tan};

/// How many numbers an intermediate result on the stack holds.
pub(super) const BLOCK: usize = 512;

/// How many numbers are checked at once for an angle too large to reduce here.
const ANGLES: usize = 64;

dispatched! {
    /// Computes a function of every number in `x` into `out`, as [`Unary::apply`] defines it.
    ///
    /// Errors are at most 2.3 units in the last place (sigmoid; most functions stay within 1.1).
    /// If the slices differ in length, the end of the longer one is ignored.
    pub fn unary(op: Unary, x: &[f32], out: &mut [f32]) = unary_on
}

#[inline(always)]
pub(super) fn unary_on<M: Machine>(op: Unary, x: &[f32], out: &mut [f32]) {
    match op {
        Unary::Neg => map(x, out, |x| -x),
        Unary::Abs => map(x, out, f32::abs),
        Unary::Sqrt => map(x, out, sqrt),
        Unary::Square => map(x, out, |x| x * x),
        Unary::Exp => map(x, out, exp::<M>),
        Unary::Log => map(x, out, log::<M>),
        Unary::AbsLog => map(x, out, abs_log::<M>),
        Unary::Reciprocal => map(x, out, reciprocal),
        Unary::Sigmoid => map(x, out, sigmoid::<M>),
        Unary::Tanh => map(x, out, tanh::<M>),
        Unary::Softplus => map(x, out, softplus::<M>),
        Unary::Sin => map_angles(op, x, out, sin::<M>),
        Unary::Cos => map_angles(op, x, out, cos::<M>),
        Unary::Tan => map_angles(op, x, out, tan::<M>),
        Unary::Asin => map(x, out, asin::<M>),
        Unary::Acos => map(x, out, acos::<M>),
        Unary::Atan => map(x, out, atan::<M>),
        Unary::Relu => map(x, out, relu),
        Unary::DsaLog => map(x, out, dsa_log::<M>),
        Unary::RawLog => map(x, out, raw_log::<M>),
        Unary::RawAsin => map(x, out, raw_asin::<M>),
        Unary::RawAcos => map(x, out, raw_acos::<M>),
        Unary::Sanitize => map(x, out, |x| op.apply(f64::from(x)) as f32),
    }
}

#[inline(always)]
fn map(x: &[f32], out: &mut [f32], function: impl Fn(f32) -> f32) {
    for (out, &x) in out.iter_mut().zip(x) {
        *out = function(x);
    }
}

/// Maps block by block; the standard library computes blocks with an angle too large to reduce here.
#[inline(always)]
fn map_angles(op: Unary, x: &[f32], out: &mut [f32], function: impl Fn(f32) -> f32) {
    for (x, out) in x.chunks(ANGLES).zip(out.chunks_mut(ANGLES)) {
        let large = x.iter().fold(false, |large, x| large | (x.abs() > LARGEST_ANGLE));
        if large {
            map(x, out, |x| op.apply(f64::from(x)) as f32);
        } else {
            map(x, out, &function);
        }
    }
}

/// Replaces every number by its function, as [`unary`] computes it.
pub fn unary_in_place(op: Unary, values: &mut [f32]) {
    let mut copy = [0.0; BLOCK];
    for block in values.chunks_mut(BLOCK) {
        let copy = &mut copy[..block.len()];
        copy.copy_from_slice(block);
        unary(op, copy, block);
    }
}
