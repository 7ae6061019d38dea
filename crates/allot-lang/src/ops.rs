//! The catalogue of operators: the one table that parser, checker, printer, documentation and search read.
//!
//! [`CATALOGUE`] holds a row for each operator; its rows stand in `ops/catalogue.rs`, by class, and make an enum for each class as
//! well. Each back end is one exhaustive `match` on the enum of a class, so the compiler names what a new row still needs.

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
