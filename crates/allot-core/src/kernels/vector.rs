//! Numbers by the chunk: what the matrix stage does on a processor, vectorised.
//!
//! Everything here works on slices that fit in the first cache (typically 1024 numbers), allocates nothing unless it says
//! so, and computes the operators as [`scalar`](crate::lang::scalar) defines them for every input.
//! Not-a-number is never absorbed: a NaN that goes in comes out, so that what went wrong can be reported where it did.
//!
//! Each kernel is written once, as branch-free code for one number, and compiled twice: for any processor, and with
//! AVX2, FMA and F16C, chosen at run time (`dispatch`). The two may differ in the last bit. Sums run in a fixed number of
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
