//! Turns importances into an exact allocation: a [`Proposal`] is moved onto the [`budget()`] and rounded to whole weights.
//!
//! Except for [`script`], which first evaluates a script on a model, and [`units()`], everything here is arithmetic on vectors with
//! one entry for each allocation unit, independent of language, tensors and files:
//!
//! 1. an allocator ([`scale`], [`rescale`], [`proportional`], [`ramp`], [`uniform`]) proposes sparsities;
//! 2. [`budget()`] moves the proposal onto {parameter-weighted mean = target, lower <= sparsity <= upper};
//! 3. [`round()`] turns the ratios into counts of weights, exactly `round(target * N)` of them in all;
//!    [`Rows::allocation`] does this where each output channel has a ratio;
//! 4. an [`Allocation`] keeps ratios and counts together, to be printed, saved and pruned with.

pub mod allocation;
pub mod budget;
pub mod correlation;
pub mod error;
pub mod proposal;
pub mod round;
mod row_allocation;
pub mod row_counts;
pub mod rows;
pub mod script;
mod sum;
mod units;

pub use allocation::{Allocation, Projection, ProjectionAllocation, Unit, UnitAllocation};
pub use budget::{Bounds, TOLERANCE, budget, mean_sparsity};
pub use correlation::rank_correlation;
pub use error::AllocationError;
pub use proposal::{Proposal, proportional, ramp, rescale, rescale_rows, scale, scale_rows, uniform};
pub use round::{Counts, pruned_in_row, pruned_per_row, pruned_total, round};
pub use row_counts::RowCounts;
pub use rows::{Rows, RowsOf};
pub use units::units;
