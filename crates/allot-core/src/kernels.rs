//! Kernels: what is computed on plain slices of numbers, without a script.
//!
//! [`vector`] works chunk by chunk, [`reduce`] and [`tally`] make one number of many, [`select`] finds the least of many, and
//! [`spectral`] looks at whole matrices.

pub mod reduce;
pub mod reduction;
pub mod select;
pub mod spectral;
pub mod tally;
pub mod trimmed;
pub mod vector;
