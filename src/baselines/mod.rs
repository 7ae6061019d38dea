//! Programs that allocate without a formula: the controls of a search, also compared with scripts.
//!
//! [`run::run`] runs a [`program::Baseline`]; each program has its own file.

pub mod besa;
pub mod descent;
pub mod error;
pub mod levels;
pub mod neuroal;
pub mod neuroal_rows;
pub mod program;
pub mod ramp;
pub mod run;
pub mod trim;
