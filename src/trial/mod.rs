//! A model that is pruned and measured many times.

pub mod archive;
pub mod candidate;
pub mod evaluator;
pub(crate) mod formulas;
pub mod norms;
pub mod prepare;
pub mod race;
pub mod ranks;
pub mod store;
pub mod subject;
