//!
//!
//! 1. an allocator ([`scale`], [`rescale`], [`proportional`], [`ramp`], [`uniform`]) proposes sparsities;
//! 2. [`budget()`] moves the proposal onto {parameter-weighted mean = target, lower <= sparsity <= upper};
//! 4. an [`Allocation`] keeps ratios and counts together, to be printed, saved and pruned with.

pub mod budget;
pub mod error;
pub mod proposal;
mod sum;

pub use budget::{Bounds, TOLERANCE, budget, mean_sparsity};
pub use error::AllocationError;
pub use proposal::{Proposal, proportional, ramp, rescale, scale, uniform};
