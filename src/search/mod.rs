//! The search: evolving allocation functions.
//!
//! [`run::run`] is the way in: for each seed it evolves formulas ([`evolve`](mod@evolve)) of a [`space`] and runs the controls
//! ([`random`], [`baselines`](crate::baselines)); all of them measure in a [`race`](crate::trial::race). [`finals`] ranks the best
//! again, and reads the report text once.

pub mod enumerate;
pub mod error;
pub mod evolve;
mod finals;
pub mod random;
pub mod run;
pub mod space;
pub mod summary;
pub(crate) mod variation_credit;
