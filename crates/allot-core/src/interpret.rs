//! Typed programs on weights and statistics: the matrix stage, then the layer stage.
//!
//! [`evaluate::evaluate`] is the way in. It splits expressions at their reductions ([`plan`]), reads the weights once for
//! all reductions that can share a read ([`matrix`], on the chunks of [`vector`]), and computes what is left on vectors of
//! one number for each unit ([`layer`]). What reductions gave can be kept ([`cache`]). [`noise`] tells signal from rounding.

pub mod cache;
#[cfg(any(feature = "cuda", test))]
mod cuda;
pub mod data;
pub mod engine;
pub mod error;
pub mod evaluate;
mod finite;
mod known;
pub mod layer;
pub mod matrix;
pub mod noise;
pub mod plan;
pub mod reduce;
pub mod select;
pub mod spectral;
mod tally;
mod terminal;
pub mod units;
pub mod vector;
