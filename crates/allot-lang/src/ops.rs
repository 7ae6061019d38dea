//! The catalogue of operators: the one table that parser, checker, printer, documentation and search read.
//!
//! [`CATALOGUE`] holds one row for each operator. The rows are in `ops/catalogue.rs`, by class, and also generate one enum for each
//! class. Each back end is one exhaustive `match` on such an enum, so the compiler reports what a new row still needs.

mod catalogue;
mod class;
mod lookup;
mod notation;
mod parameter;
mod typing;

pub use catalogue::{
    Allocator, CATALOGUE, Elementwise, Layerwise, MatrixReduction, Normaliser, Op, Operator, Reduction,
    Terminal,
};
pub use class::{Class, DsaStage, Need};
pub use notation::{COMPARISON, NEGATION, Notation, POWER, PRODUCT, SUM, sides};
pub use parameter::{Domain, Parameter, ParameterValue};
