//! The functions of two arguments over slices of f32, either of which may be one number.

use super::dispatch::{Machine, dispatched};
use super::elementwise::BLOCK;
use super::functions::Binary;
use super::power::power;

/// One side of an operation: a number for each place, or one for all.
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a> {
    /// A number for each place.
    Slice(&'a [f32]),
    /// One number for all.
    Scalar(f32),
}

impl Operand<'_> {
    /// Returns the places from `start` on, at most `length` of them.
    fn part(&self, start: usize, length: usize) -> Operand<'_> {
        match self {
            Self::Slice(values) => {
                let start = start.min(values.len());
                let end = values.len().min(start + length);
                Operand::Slice(&values[start..end])
            }
            Self::Scalar(value) => Operand::Scalar(*value),
        }
    }
}

dispatched! {
    /// Computes a function of `a` and `b`, place by place, into `out`, as [`Binary::apply`] defines it.
    ///
    /// Powers are within one unit in the last place, everything else is rounded once. If the slices differ in length, the ends
    /// of the longer ones are ignored.
    pub fn binary(op: Binary, a: Operand<'_>, b: Operand<'_>, out: &mut [f32]) = binary_on
}

#[inline(always)]
pub(super) fn binary_on<M: Machine>(op: Binary, a: Operand<'_>, b: Operand<'_>, out: &mut [f32]) {
    match op {
        Binary::Add => zip(a, b, out, |a, b| a + b),
        Binary::Sub => zip(a, b, out, |a, b| a - b),
        Binary::Mul => zip(a, b, out, |a, b| a * b),
        Binary::Div => zip(a, b, out, divide),
        Binary::Power => match b {
            // Common exponents, each as exact as the general method.
            Operand::Scalar(2.0) => zip(a, b, out, |a, _| a * a),
            Operand::Scalar(1.0) => zip(a, b, out, |a, _| a),
            Operand::Scalar(0.5) => zip(a, b, out, |a, _| super::exponential::sqrt(a)),
            Operand::Scalar(-1.0) => zip(a, b, out, |a, _| super::exponential::reciprocal(a)),
            _ => zip(a, b, out, power::<M>),
        },
        Binary::Minimum => zip(a, b, out, |a, b| if a < b || a.is_nan() { a } else { b }),
        Binary::Maximum => zip(a, b, out, |a, b| if a > b || a.is_nan() { a } else { b }),
        Binary::Less => zip(a, b, out, |a, b| indicator(a < b, a, b)),
        Binary::LessEqual => zip(a, b, out, |a, b| indicator(a <= b, a, b)),
        Binary::Greater => zip(a, b, out, |a, b| indicator(a > b, a, b)),
        Binary::GreaterEqual => zip(a, b, out, |a, b| indicator(a >= b, a, b)),
    }
}

/// Returns the quotient, or 0 where `b` is 0 and `a` is not NaN.
#[inline(always)]
fn divide(a: f32, b: f32) -> f32 {
    let protected = if a.is_nan() { a } else { 0.0 };
    if b == 0.0 { protected } else { a / b }
}

/// Returns 1 or 0, or NaN where either side is NaN.
#[inline(always)]
fn indicator(holds: bool, a: f32, b: f32) -> f32 {
    let value = if holds { 1.0 } else { 0.0 };
    if a.is_nan() | b.is_nan() { f32::NAN } else { value }
}

#[inline(always)]
fn zip(a: Operand<'_>, b: Operand<'_>, out: &mut [f32], function: impl Fn(f32, f32) -> f32) {
    match (a, b) {
        (Operand::Slice(a), Operand::Slice(b)) => {
            for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
                *out = function(a, b);
            }
        }
        (Operand::Slice(a), Operand::Scalar(b)) => {
            for (out, &a) in out.iter_mut().zip(a) {
                *out = function(a, b);
            }
        }
        (Operand::Scalar(a), Operand::Slice(b)) => {
            for (out, &b) in out.iter_mut().zip(b) {
                *out = function(a, b);
            }
        }
        (Operand::Scalar(a), Operand::Scalar(b)) => out.fill(function(a, b)),
    }
}

/// Replaces every number in `a` by its function with `b`, as [`binary`] computes it.
pub fn binary_in_place(op: Binary, a: &mut [f32], b: Operand<'_>) {
    let mut copy = [0.0; BLOCK];
    for (index, block) in a.chunks_mut(BLOCK).enumerate() {
        let copy = &mut copy[..block.len()];
        copy.copy_from_slice(block);
        binary(op, Operand::Slice(copy), b.part(index * BLOCK, BLOCK), block);
    }
}

dispatched! {
    /// Takes, place by place, `a` where the condition is not 0, else `b`; NaN where the condition is NaN.
    ///
    /// If the slices differ in length, the ends of the longer ones are ignored.
    pub fn select(condition: Operand<'_>, a: Operand<'_>, b: Operand<'_>, out: &mut [f32]) = select_on
}

#[inline(always)]
fn select_on<M: Machine>(condition: Operand<'_>, a: Operand<'_>, b: Operand<'_>, out: &mut [f32]) {
    let condition = match condition {
        Operand::Slice(condition) => condition,
        Operand::Scalar(condition) if condition.is_nan() => return out.fill(condition),
        Operand::Scalar(0.0) => return zip(b, b, out, |b, _| b),
        Operand::Scalar(_) => return zip(a, a, out, |a, _| a),
    };
    match (a, b) {
        (Operand::Slice(a), Operand::Slice(b)) => {
            for (((out, &c), &a), &b) in out.iter_mut().zip(condition).zip(a).zip(b) {
                *out = choose(c, a, b);
            }
        }
        (Operand::Slice(a), Operand::Scalar(b)) => {
            for ((out, &c), &a) in out.iter_mut().zip(condition).zip(a) {
                *out = choose(c, a, b);
            }
        }
        (Operand::Scalar(a), Operand::Slice(b)) => {
            for ((out, &c), &b) in out.iter_mut().zip(condition).zip(b) {
                *out = choose(c, a, b);
            }
        }
        (Operand::Scalar(a), Operand::Scalar(b)) => {
            for (out, &c) in out.iter_mut().zip(condition) {
                *out = choose(c, a, b);
            }
        }
    }
}

#[inline(always)]
fn choose(condition: f32, a: f32, b: f32) -> f32 {
    let value = if condition == 0.0 { b } else { a };
    if condition.is_nan() { condition } else { value }
}
