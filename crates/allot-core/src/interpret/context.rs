//! The context of an evaluation.

use super::matrix::Backend;
use crate::data::ModelData;
use crate::lang::program::Expr;
use crate::lang::types::{Group, UnitKind};
use crate::results::Reductions;

/// What an evaluation needs besides the expressions.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The model.
    pub model: &'a ModelData<'a>,
    /// What gets one value of type `Layer`; the projection, where rows are the units.
    pub unit: UnitKind,
    /// The value of `score`, a `Matrix`.
    pub metric: &'a Expr,
    /// The group of weights that the metric compares.
    pub per: Group,
    /// The value of `target`.
    pub target: f64,
    /// A cache of the results of reductions on this model, which is read and extended.
    pub reductions: Option<&'a Reductions>,
    /// Where the matrix stage runs; [`Processor`](super::matrix::Processor) unless the model is on a device.
    pub backend: &'a dyn Backend,
}
