//! Programs that allocate without a formula.

pub mod besa;
pub mod levels;
pub mod neuroal;
