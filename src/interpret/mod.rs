//! Typed programs on weights and statistics: the matrix stage, then the layer stage.

pub mod data;
pub mod vector;
