//! Descent: evens out the marginal damage by gradients at the pruned model.
//!
//! At an optimal allocation, no exchange of budget between units helps: in every unit inside its bounds,
//! pruning one more weight does the same damage. One forward and one backward pass measure that marginal
//! ([`marginals`]), and [`run::descend`] moves the ratios until it is even. [`steps`] keeps every step on
//! disk.

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
