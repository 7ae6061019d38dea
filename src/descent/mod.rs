//! Descent: ratios that even out the marginal damage, found by gradients at the pruned model itself.
//!
//! Where an allocation is best, no weight of budget can move from one unit to another at a gain: for every unit inside its bounds,
//! pruning one more weight does the same damage. That marginal is measured by one pass forward and one back
//! ([`marginals`]), and [`run::descend`] moves the ratios until it is even. [`steps`] keeps every step on the disk.

pub mod error;
pub mod flatness;
pub mod folder;
mod ground;
pub mod holders;
pub mod link;
pub mod marginals;
pub mod row_marginals;
pub mod rule;
pub mod run;
pub mod settings;
pub mod several;
pub mod state;
pub mod steepness;
pub mod steps;
pub mod summary;
mod windows;
