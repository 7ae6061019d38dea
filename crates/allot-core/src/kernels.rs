//! Kernels: computations on plain slices of numbers, without a script.
//!
//! [`vector`] works chunk by chunk, [`reduce`] and [`tally`] reduce many numbers to one, [`select`] finds the smallest of many, and
//! [`spectral`] works on whole matrices.

pub mod reduce;
pub mod reduction;
pub mod select;
pub mod spectral;
pub mod tally;
pub mod trimmed;
pub mod vector;
