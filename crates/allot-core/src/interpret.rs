//! Evaluates typed programs on weights and statistics: the matrix stage, then the layer stage.
//!
//! The entry point is [`evaluate::evaluate`]. It splits expressions at their reductions ([`plan`]), reads the weights once for
//! all reductions that can share a read ([`matrix`], on the chunks of [`vector`](crate::kernels::vector)), and computes the
//! rest on vectors of one number for each unit ([`layer`]). Results of reductions can be kept (`cache`). `noise` tells signal
//! from rounding.

mod cache;
pub mod context;
pub mod error;
pub mod evaluate;
mod finite;
pub mod layer;
pub mod matrix;
pub mod measured;
mod noise;
pub mod plan;
mod reads;
mod step_values;
mod terminal;
mod unit_values;
pub mod units;

pub use terminal::is_at_hand;
