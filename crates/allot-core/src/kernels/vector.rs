//! Vectorised computations on chunks of numbers, for the matrix stage on a processor.
//!
//! All functions work on slices that fit in the first cache (typically 1024 numbers), allocate nothing unless their
//! documentation says so, and compute the operators as [`scalar`](crate::lang::scalar) defines them for every input.
//! A NaN among the operands gives NaN, so that an error is reported where it first occurs.
//!
//! Each kernel is written once, as branch-free code for one number, and compiled twice: for any processor, and with
//! AVX2, FMA and F16C, chosen at run time (`dispatch`). The two may differ in the last bit. Sums use a fixed number of
//! lanes, combined in a fixed order, so a result depends neither on the width of the vectors nor on the number of threads.

mod accumulate;
mod arithmetic;
mod dispatch;
mod elementwise;
mod exponential;
mod functions;
mod fused;
mod histogram;
mod logarithm;
mod power;
mod select;
mod trigonometric;
mod widen;

pub use accumulate::{Moments, min_max, moments2, moments4, sum, sum_abs, sum_squares};
pub use arithmetic::{Operand, binary, binary_in_place, select};
pub use elementwise::{unary, unary_in_place};
pub use functions::{Binary, Kernel, Unary};
pub use fused::{fuses_with_sum, sum_unary, sum_x_log_x};
pub use histogram::{Histogram, from_ordered_bits, ordered_bits};
pub use logarithm::sum_log;
pub use select::{median, quantile, select_nth};
pub use widen::widen;

#[cfg(test)]
mod tests;
