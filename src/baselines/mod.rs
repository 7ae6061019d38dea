//! Programs that allocate without a formula of ours: what searches are compared with, and what stands beside scripts in a comparison.
//!
//! [`run::run`] runs a [`program::Baseline`]; each has a file of its own.

pub mod besa;
pub mod descent;
pub mod error;
pub mod levels;
pub mod neuroal;
pub mod program;
pub mod ramp;
pub mod run;
pub mod trim;
